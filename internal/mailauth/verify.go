package mailauth

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/mailauth/dkim"
	"mxdesk/internal/mailauth/dmarc"
	"mxdesk/internal/mailauth/spf"
	"mxdesk/internal/message"
)

// Defaults of a Verifier.
const (
	defaultTimeout = 30 * time.Second
	// An honest letter takes about ten lookups; the worst SPF policy that is still valid takes some 130.
	defaultLookups = 250
)

// Verifier authenticates letters. It is safe for concurrent use.
type Verifier struct {
	DNS      dns.Resolver
	Receiver string           // our host name, for the explanations of SPF
	Timeout  time.Duration    // for one letter; 0 is 30 s
	Lookups  int              // DNS questions for one letter; 0 is 250
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger     // nil is slog.Default; it gets nothing but panics
}

// In is what is known of a letter.
type In struct {
	IP       netip.Addr // of the client; the zero value leaves SPF at none
	Helo     string
	MailFrom string // without brackets; "" is the null reverse-path
	Raw      []byte // the letter; it is only read
}

// Verify finds out what SPF, DKIM, DMARC and ARC say of a letter. It returns when ctx ends at the latest; what could not be
// found out in time is a temperror in the verdict.
func (v *Verifier) Verify(ctx context.Context, in In) message.Verdict {
	timeout, lookups, now := v.Timeout, v.Lookups, time.Now()
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	if lookups <= 0 {
		lookups = defaultLookups
	}
	if v.Now != nil {
		now = v.Now()
	}
	ctx, cancel := context.WithTimeout(dns.WithBudget(ctx, lookups), timeout)
	defer cancel()

	j := job{v: v, in: in, now: now}
	j.out = message.Verdict{
		SPF: message.SPF{Result: message.TempError}, DKIM: []message.DKIM{}, DMARC: message.DMARC{Result: message.TempError, Policy: "none"},
		ARC: message.ARC{Result: message.TempError, Sealers: []string{}},
	}
	j.run(ctx)
	return j.out
}

// job is the verification of one letter. Its steps write to different fields.
type job struct {
	v   *Verifier
	in  In
	now time.Time
	out message.Verdict

	letter     *dkim.Letter
	signatures []dkim.Signature
	policy     *dmarc.Policy
	fromErr    error
}

func (j *job) run(ctx context.Context) {
	if !j.guard(func() { j.letter = dkim.Parse(j.in.Raw) }) {
		return
	}
	var wg sync.WaitGroup
	for _, step := range []func(){
		func() {
			j.out.SPF = spf.Check(ctx, j.v.DNS, spf.Query{IP: j.in.IP, Helo: j.in.Helo, MailFrom: j.in.MailFrom, Receiver: j.v.Receiver, Now: j.now})
		},
		func() {
			j.signatures, j.out.ARC = j.letter.Verify(ctx, j.v.DNS, j.now)
			for _, s := range j.signatures {
				j.out.DKIM = append(j.out.DKIM, s.DKIM)
			}
		},
		func() {
			var domain string
			if domain, j.fromErr = authorDomain(j.letter); j.fromErr == nil {
				j.policy = dmarc.Discover(ctx, j.v.DNS, domain)
			}
		},
	} {
		wg.Go(func() { j.guard(step) })
	}
	wg.Wait()
	j.guard(func() {
		j.out.DMARC = j.evaluate(ctx)
		j.out.Claims = j.claims(ctx)
	})
}

// guard runs a step and tells whether it came to its end.
func (j *job) guard(step func()) (done bool) {
	defer func() {
		if p := recover(); p != nil {
			log := j.v.Log
			if log == nil {
				log = slog.Default()
			}
			log.Error("panic while authenticating a letter", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	step()
	return true
}

// evaluate brings the results together.
func (j *job) evaluate(ctx context.Context) message.DMARC {
	switch {
	case errors.Is(j.fromErr, errSeveralFrom):
		return message.DMARC{Result: message.PermError, Policy: "none"}
	case j.fromErr != nil:
		return message.DMARC{Result: message.None, Policy: "none"}
	}
	var id *dmarc.Identifier
	if r := j.out.SPF.Result; r == message.Pass || r == message.TempError {
		id = &dmarc.Identifier{Domain: normal(j.out.SPF.Domain), Unknown: r == message.TempError}
	}
	var signed []dmarc.Identifier
	for _, s := range j.signatures {
		if s.Result == message.Pass && s.Whole || s.Result == message.TempError {
			signed = append(signed, dmarc.Identifier{Domain: normal(s.Domain), Unknown: s.Result == message.TempError})
		}
	}
	return j.policy.Evaluate(ctx, id, signed)
}

// normal is a domain as addresses have them; what is none comes back as "", which aligns with nothing.
func normal(domain string) string {
	d, err := address.ParseDomain(domain)
	if err != nil {
		return ""
	}
	return d
}

// Letters is a Verifier of letters as smtpd has them.
type Letters struct{ *Verifier }

// Verify implements smtpd.Verifier.
func (l Letters) Verify(ctx context.Context, letter *message.Letter) message.Verdict {
	return l.Verifier.Verify(ctx, In{IP: letter.Session.Client, Helo: letter.Session.Helo, MailFrom: letter.MailFrom.String(), Raw: letter.Raw})
}
