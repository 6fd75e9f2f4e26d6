package spf

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
	"mxdesk/internal/network"
)

// Limits of RFC 7208 section 4.6.4.
const (
	maxTerms  = 10
	maxVoid   = 2
	maxHosts  = 10 // of one mx, and names of the client
	maxTime   = 20 * time.Second
	maxRecord = 4096 // octets; a UDP answer holds a third of that
)

// Query is what is known of the sender of a letter.
type Query struct {
	IP       netip.Addr // of the client
	Helo     string
	MailFrom string // "" is the null reverse-path: the HELO name is checked in its place (section 2.4)
	// Receiver is our own name, for the macro %{r} of explanations; "" is "unknown".
	Receiver string
	// Now is for the macro %{t}.
	Now time.Time
}

// Check evaluates the policy of the MAIL FROM domain, or of the HELO name for a null reverse-path. The result's
// Mechanism is the directive that matched, as it stands in the record, or "default"; Explanation is what
// the domain's owner says to those that fail, and untrusted.
func Check(ctx context.Context, r dns.Resolver, q Query) message.SPF {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	e := newEvaluation(r, q)
	out := message.SPF{Result: message.None, Domain: clean(e.domain), Identity: "mailfrom"}
	if q.MailFrom == "" {
		out.Identity = "helo"
	}
	if !q.IP.IsValid() || !isCheckable(e.domain) {
		return out
	}
	v := e.check(ctx, e.domain, 0)
	out.Result, out.Mechanism = v.result, clean(v.mechanism)
	if v.result == message.Fail && v.exp != nil {
		out.Explanation = e.explain(ctx, v)
	}
	return out
}

// newEvaluation cuts the sender into its parts. A quoted local part may hold an '@', so the last one counts.
func newEvaluation(r dns.Resolver, q Query) *evaluation {
	e := &evaluation{resolver: r, ip: network.Plain(q.IP), helo: q.Helo, receiver: q.Receiver, now: q.Now}
	e.local, e.domain = "postmaster", q.MailFrom
	if q.MailFrom == "" {
		e.domain = q.Helo
	} else if at := strings.LastIndexByte(q.MailFrom, '@'); at >= 0 {
		e.domain = q.MailFrom[at+1:]
		if at > 0 {
			e.local = q.MailFrom[:at]
		}
	}
	e.domain = dns.ASCII(strings.TrimSuffix(e.domain, "."))
	e.senderDomain = e.domain
	return e
}

// isCheckable tells whether there can be a policy for the domain: a name of several labels (section 4.3).
func isCheckable(domain string) bool {
	return strings.IndexByte(domain, '.') > 0 && dns.IsName(domain) && !strings.HasPrefix(domain, "[")
}

// clean makes a text from outside fit to be shown: visible ASCII and spaces, at most 512 octets.
func clean(s string) string {
	s = s[:min(len(s), 512)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

// failed turns the error of a lookup into the result it means; found out to be absent is none.
func failed(err error) message.Result {
	if errors.Is(err, dns.ErrNotFound) {
		return message.None
	}
	return message.TempError
}
