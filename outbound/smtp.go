package outbound

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mxdesk/internal/address"
	"mxdesk/internal/bounce"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

const (
	lettersPerConnection = 100
	// hastyGreeting is how long a host may take to greet while there are others to try; the last one has the
	// five minutes of RFC 5321 section 4.5.3.2.1.
	hastyGreeting = 30 * time.Second
)

// SMTP brings letters to the hosts of their domain, or all to a smart host. Connections are
// kept for a moment and used again. Its fields are set once.
type SMTP struct {
	Name     string // ours, in EHLO
	Hosts    func(ctx context.Context, domain string) ([]route.Host, error)
	Dialer   *route.Dialer
	BaseTLS  *tls.Config // may be nil
	Timeouts smtpclient.Timeouts

	// Observe is told how TLS went with each host; nil: nobody is.
	Observe func(route.Session)

	capacities capacities

	idle idle
}

// session is one SMTP connection and where it leads.
type session struct {
	client *smtpclient.Client
	host   string
	ip     netip.Addr
	local  net.Addr // our end
	policy string
	site   string // the host is part of, "": of none
	domain string // whose letters it carries
	relay  bool   // a smart host, not one that the DNS names for the domain: it carries those for every other, too
	secure bool   // it was made for letters that require TLS
	lax    bool   // it was made for one that takes any
	reused bool
	rest   []route.Target // to try when the host is ill
	most   int            // letters that it is to carry
	timer  *time.Timer    // while idle
}

// Close says goodbye to the idle connections and waits until all goodbyes are said; connections
// closed later are not kept.
func (s *SMTP) Close() { s.idle.close() }

// Open satisfies Transport.
func (s *SMTP) Open(lane string) Connection { return s.open(lane, s.Hosts) }

// open is Open for hosts that are found otherwise; connections are shared under key.
func (s *SMTP) open(key string, hosts hostFinder) Connection {
	return &smtpConnection{smtp: s, lane: key, hosts: hosts}
}

// hostFinder finds the hosts for a domain.
type hostFinder func(ctx context.Context, domain string) ([]route.Host, error)

// connect finds a host for the domain and greets it, or takes an idle connection to one. g may be nil.
func (s *SMTP) connect(ctx context.Context, domain string, find hostFinder, secure bool, g Guide) (*session, error) {
	hosts, err := find(ctx, domain)
	if err != nil {
		return nil, err
	}
	if g != nil && !g.May(siteOf(hosts)) {
		return nil, errNoRoom
	}
	if secure {
		hosts = route.Secured(hosts)
	}
	targets := route.Targets(hosts)
	if c, at := s.idle.takeAt(hosts, domain, secure); c != nil {
		c.rest = others(slices.DeleteFunc(targets, func(t route.Target) bool { return t.Addr.Addr() == c.ip }), c.host)
		s.observe(ctx, domain, at, c.ip, c.local, c.client, nil)
		return c, nil
	}
	return s.greet(ctx, domain, targets, secure, g)
}

// greet connects to the first of the targets that wants to talk. Where opportunistic TLS fails it is tried once more without: an
// attacker could as well have hidden the offer. Not so if TLS is required.
func (s *SMTP) greet(ctx context.Context, domain string, targets []route.Target, secure bool, g Guide) (*session, error) {
	var hurried func() bool
	if g != nil {
		hurried = g.Hurried
	}
	begun := time.Now()
	var said error // by the last host that was reached
	for {
		nc, i, err := s.Dialer.DialFirst(ctx, targets)
		if err != nil {
			return nil, cmp.Or(said, err)
		}
		t := targets[i]
		cfg := smtpclient.Config{
			Name: s.Name, TLS: t.Host.TLS, Implicit: t.Host.Implicit, ServerName: t.Host.ServerName(), Verify: t.Host.Verify,
			BaseTLS: s.BaseTLS, Auth: t.Host.Auth, Timeouts: s.timeouts(i+1 == len(targets)), Hurried: hurried,
		}
		client, err := smtpclient.Connect(ctx, nc, cfg)
		s.observe(ctx, domain, t.Host, t.Addr.Addr(), nc.LocalAddr(), client, err)
		if errors.Is(err, smtpclient.ErrTLS) && cfg.TLS == smtpclient.TLSOpportunistic && !cfg.Implicit {
			t.Host.Policy = plaintextAfter(err)
			cfg.TLS = smtpclient.TLSNone
			client, err = s.again(ctx, t, cfg)
		}
		if t.Host.Renew != nil && signInRefused(err) {
			if cfg.Auth, err = t.Host.Renew(ctx); err == nil {
				client, err = s.again(ctx, t, cfg)
			}
		}
		if err == nil {
			return &session{
				client: client, host: t.Host.Name, ip: t.Addr.Addr(), local: nc.LocalAddr(), policy: policyName(t.Host),
				site: t.Host.Site, domain: domain, relay: t.Host.Relay, secure: secure, rest: others(targets[i+1:], t.Host.Name),
			}, nil
		}
		said = &hostError{host: t.Host, ip: t.Addr.Addr(), err: err}
		if targets = targets[i+1:]; ctx.Err() != nil || outstays(g, begun) {
			return nil, said
		}
	}
}

// outstays tells whether a letter begun then has had its time with hosts that do not take it, because others wait for the place; g may
// be nil.
func outstays(g Guide, begun time.Time) bool {
	return g != nil && g.Hurried() && time.Since(begun) > hastyGreeting
}

// errNoRoom: the site has as many of our connections as it may have.
var errNoRoom = errors.New("no room at the site")

// siteOf names the MX site that hosts form, "" when they are none.
func siteOf(hosts []route.Host) string {
	for _, h := range hosts {
		return h.Site
	}
	return ""
}

// again connects to a host once more, in another way.
func (s *SMTP) again(ctx context.Context, t route.Target, cfg smtpclient.Config) (*smtpclient.Client, error) {
	nc, err := s.Dialer.Dial(ctx, t)
	if err != nil {
		return nil, err
	}
	return smtpclient.Connect(ctx, nc, cfg)
}

// signInRefused tells whether a server does not take the words to sign in with (RFC 4954 section 6).
func signInRefused(err error) bool {
	var said *smtpclient.Error
	return errors.As(err, &said) && errors.Is(err, smtpclient.ErrAuth) && said.Reply.Code == 535
}

// timeouts bound the conversation with a host: a first host that never greets must not keep a letter from the second.
func (s *SMTP) timeouts(last bool) smtpclient.Timeouts {
	t := s.Timeouts
	if !last && (t.Greeting <= 0 || t.Greeting > hastyGreeting) {
		t.Greeting = hastyGreeting
	}
	return t
}

// hostError is why the last host that was tried did not take the connection.
type hostError struct {
	host route.Host
	ip   netip.Addr
	err  error
}

func (e *hostError) Error() string { return e.err.Error() }
func (e *hostError) Unwrap() error { return e.err }

// policyName is what the connection to a host had to be, for the log.
func policyName(h route.Host) string {
	if h.Policy != "" {
		return h.Policy
	}
	return h.TLS.String()
}

// smtpConnection is what one batch sees: a connection that is made when needed, and made again
// when the server ended it.
type smtpConnection struct {
	smtp    *SMTP
	lane    string
	hosts   hostFinder
	session *session
	guide   Guide // may be nil
}

// Ask satisfies Visitor.
func (c *smtpConnection) Ask(g Guide) { c.guide = g }

// pool names the idle connections that a letter may use: those for letters that require TLS stay apart.
func (c *smtpConnection) pool(secure bool) string {
	if secure {
		return c.lane + "\x00secure"
	}
	return c.lane
}

// Close satisfies Connection.
func (c *smtpConnection) Close() {
	if c.session != nil && c.session.lax {
		c.session.client.Quit(context.Background()) // bounded by Timeouts.Quit
		c.session = nil
	}
	if c.session != nil {
		c.smtp.idle.keep(c.pool(c.session.secure), c.session)
		c.session = nil
	}
}

// Send satisfies Connection.
func (c *smtpConnection) Send(ctx context.Context, l *Letter) Attempt {
	return c.SendAll(ctx, l, []address.Address{l.To})[0]
}

// SendAll satisfies Sharer: one transaction for all recipients, and another for those whom the server does not take at once, or
// not at all because it is ill: then on another.
func (c *smtpConnection) SendAll(ctx context.Context, l *Letter, to []address.Address) []Attempt {
	out := make([]Attempt, len(to))
	left := make([]int, len(to))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		some := make([]address.Address, len(left))
		for i, n := range left {
			some[i] = to[n]
		}
		var again []int
		list, more, moved := c.transaction(ctx, l, some)
		for i, n := range left {
			if out[n] = list[i]; more != nil && more[i] {
				again = append(again, n)
			}
		}
		if len(again) == len(left) && !moved {
			break // nobody was taken: that is their fate
		}
		left = again
	}
	return out
}

// open gives the connection for the next letter, which goes to the domain. One that lay idle is used again.
func (c *smtpConnection) open(ctx context.Context, l *Letter, domain string) (*session, error) {
	if c.session != nil && (c.session.secure != l.RequireTLS || c.session.lax != l.AnyTLS || !c.session.leadsTo(domain)) {
		c.Close()
	}
	if c.session == nil && !l.AnyTLS {
		c.session = c.smtp.idle.take(c.pool(l.RequireTLS), domain)
	}
	if c.session == nil {
		if l.AnyTLS {
			ctx = route.AnyTLS(ctx)
		}
		s, err := c.smtp.connect(ctx, domain, c.hosts, l.RequireTLS, c.guide)
		if err != nil {
			return nil, err
		}
		c.adopt(s, l)
	}
	return c.session, nil
}

// adopt makes s the connection, which was made for the letter.
func (c *smtpConnection) adopt(s *session, l *Letter) {
	s.lax, s.most = l.AnyTLS, c.smtp.capacities.letters(c.lane, lettersPerConnection, time.Now())
	c.session = s
}

// transaction sends the letter to as many of the recipients as the server takes at once, and tells of which others it is worth
// to try again now; moved: at another host. The server may end a connection that lay idle, or that carried letters before, which is
// nobody's failure: then it is made anew and the letter sent on that one.
func (c *smtpConnection) transaction(ctx context.Context, l *Letter, to []address.Address) (list []Attempt, more []bool, moved bool) {
	list = make([]Attempt, len(to))
	for {
		s, err := c.open(ctx, l, to[0].Domain)
		if err != nil {
			a := connectFailed(err, l.RequireTLS)
			more = make([]bool, len(to))
			for i := range list { // what the DNS says of one domain ends nothing for another
				list[i], more[i] = a, a.Result == ResultFailed && to[i].Domain != to[0].Domain
			}
			return list, more, false
		}
		env := smtpclient.Envelope{
			From: l.From, Recipients: to, UTF8: !asciiHeader(l.Body), RequireTLS: l.RequireTLS, ID: l.Delivery.String(),
		}
		if !s.relay {
			env.Domain = s.domain
		}
		carried, mails, begun := s.client.Letters(), s.client.Mails(), time.Now()
		res := s.client.Send(ctx, env, l.Body)
		stale := res.Err != nil && ctx.Err() == nil && (s.reused || carried > 0 && notBegun(res.Recipients))
		for i, fate := range res.Recipients {
			stale = stale && fate.Status == smtpclient.Deferred
			a := ofHost(judge(fate, res.Err != nil), s.relay)
			a.Host, a.IP, a.TLS, a.TLSPolicy = s.host, s.ip.String(), s.client.TLSName(), s.policy
			list[i] = ofConnection(a, s.relay)
		}
		if stale && !s.reused {
			c.smtp.capacities.learn(c.lane, mails, time.Now())
		}
		s.reused = false
		if res.Err == nil {
			more = tooMany(res.Recipients)
		}
		if s.full() || res.Err != nil {
			c.Close() // it ends there
		}
		if stale {
			continue
		}
		if again := ill(list, res.Recipients); again != nil && c.elsewhere(ctx, l, s, begun) {
			return list, again, true
		}
		return list, more, false
	}
}

// notBegun tells whether the server ended the connection before it had taken anything of the letter.
func notBegun(fates []smtpclient.Fate) bool {
	return !slices.ContainsFunc(fates, func(f smtpclient.Fate) bool { return f.Phase != "" && f.Phase != smtpclient.PhaseMail })
}

// tooMany tells which recipients were too many for one transaction: those that were not tried, and when others were taken,
// those refused so (RFC 5321 section 4.5.3.1.10). What is said of a mailbox, 4.2.2, is no such refusal.
func tooMany(fates []smtpclient.Fate) []bool {
	taken := slices.ContainsFunc(fates, func(f smtpclient.Fate) bool { return f.Status == smtpclient.Delivered })
	out := make([]bool, len(fates))
	for i, f := range fates {
		limit := f.Phase == smtpclient.PhaseRcpt && (f.Reply.Code == 452 || f.Reply.Code == 552) &&
			!strings.HasPrefix(f.Reply.Enhanced, "4.2.") && !strings.HasPrefix(f.Reply.Enhanced, "5.2.")
		out[i] = errors.Is(f.Err, smtpclient.ErrNotTried) || taken && limit
	}
	return out
}

// asciiHeader tells whether the header of a letter is ASCII alone. Ours is, unless an address in it is not; that of the
// envelope may be ASCII still (a support address with an umlaut, and its return path).
func asciiHeader(letter []byte) bool {
	for i, c := range letter {
		if c >= utf8.RuneSelf {
			return false
		}
		if c == '\n' && bytes.HasPrefix(letter[i+1:], []byte("\r\n")) {
			return true
		}
	}
	return true
}

// full tells whether the connection has carried its share: a server counts the letters that it refused, too (MAILMAX of RFC 9422).
func (s *session) full() bool {
	limit := s.most
	if n := s.client.Extensions().MaxMail; n > 0 {
		limit = min(limit, n)
	}
	return s.client.Mails() >= limit
}

// judge makes an attempt of what became of the letter at a server; lost tells that the connection
// ended with it.
func judge(f smtpclient.Fate, lost bool) Attempt {
	a := Attempt{Code: f.Reply.Code, Enhanced: f.Reply.Enhanced, Reply: f.Reply.Text}
	if a.Reply == "" && f.Err != nil {
		a.Reply = clean(f.Err.Error())
	}
	switch f.Status {
	case smtpclient.Delivered:
		a.Result = ResultDelivered
	case smtpclient.Refused:
		a.Result, a.Reason = ResultFailed, refusal(f)
	case smtpclient.Unknown:
		a.Result, a.Reason, a.Site = ResultBroke, bounce.Network, true
	default:
		a.Result, a.Site = ResultDeferred, lost
		a.Reason = bounce.Network
		if f.Reply.Code != 0 {
			a.Reason = replyReason(f)
		}
	}
	return a
}

// replyReason is the reason of a reply that says no. One to MAIL comes before the server knows the recipient: whatever its words
// and codes mean elsewhere, it says nothing about him, and he is not to suffer for it.
func replyReason(f smtpclient.Fate) string {
	reason := bounce.OfReply(f.Reply.Code, f.Reply.Enhanced, f.Reply.Text)
	if f.Phase != smtpclient.PhaseMail || f.Status != smtpclient.Refused && reason == bounce.Undefined {
		return reason
	}
	if _, counts := strike(reason); counts {
		return bounce.Policy
	}
	return reason
}

// ofHost corrects the reason when a host of the domain itself says, as Exim does of an unknown user, "Unrouteable address":
// the domain has a host, so it is the user who is not known; in reply to MAIL it never means him (replyReason). A relay may mean the domain, and so may an enhanced code.
func ofHost(a Attempt, relay bool) Attempt {
	if a.Reason == bounce.HostUnknown && a.Enhanced == "" && !relay {
		a.Reason = bounce.UserUnknown
	}
	return a
}

// ofConnection corrects what a refusal comes to that is about the connection: it is in plaintext, perhaps because TLS failed for the
// moment, and more is wanted (RFC 3207 section 4); or a smart host wants to know who we are (RFC 4954 section 6), which is a mistake
// in its configuration. Neither is a reason to give up the letter.
func ofConnection(a Attempt, relay bool) Attempt {
	if a.Result == ResultFailed && (a.TLS == "" && (a.Code == 530 || a.Reason == bounce.TLSRequired) || relay && a.Code == 530) {
		a.Result, a.Site = ResultDeferred, true
	}
	return a
}

// refusal is the reason of a refusal, the server's or our own.
func refusal(f smtpclient.Fate) string {
	switch {
	case f.Reply.Code != 0:
		return replyReason(f)
	case errors.Is(f.Err, smtpclient.ErrTooLarge):
		return bounce.TooLarge
	case errors.Is(f.Err, smtpclient.ErrNoUTF8), errors.Is(f.Err, smtpclient.ErrNoEightBit), errors.Is(f.Err, smtpclient.ErrBody):
		return bounce.Content
	}
	return bounce.Undefined
}

// connectFailed makes an attempt of the reason why there is no connection. Only the DNS can say that
// there never will be one; a host that refuses to talk may do so by mistake. When the letter requires TLS, and that is what
// fails, others may still get through: the failure is not the site's.
func connectFailed(err error, secure bool) Attempt {
	if errors.Is(err, errNoRoom) {
		return Attempt{Result: ResultDeferred, Untried: true, Reply: err.Error()}
	}
	var missing *route.Error
	if errors.As(err, &missing) {
		a := Attempt{Result: ResultDeferred, Site: true, Reason: missing.Reason, Enhanced: missing.Status, Reply: clean(missing.Error())}
		if missing.Permanent {
			a.Result, a.Site = ResultFailed, false
		}
		return a
	}
	a := Attempt{Result: ResultDeferred, Site: true, Reason: bounce.Network, Reply: clean(err.Error())}
	var at *hostError
	if errors.As(err, &at) {
		a.Host, a.IP, a.TLSPolicy = at.host.Name, at.ip.String(), policyName(at.host)
	}
	var said *smtpclient.Error
	if errors.As(err, &said) && said.Reply.Code != 0 {
		a.Code, a.Enhanced, a.Reply = said.Reply.Code, said.Reply.Enhanced, said.Reply.Text
		a.Reason = bounce.OfReply(a.Code, a.Enhanced, a.Reply)
	}
	if errors.Is(err, smtpclient.ErrTLS) || errors.Is(err, smtpclient.ErrNoTLS) || errors.Is(err, smtpclient.ErrInjection) {
		a.Reason, a.Site = bounce.TLSRequired, !secure
		if at != nil && at.host.Policy != "" && a.Code == 0 {
			a.Reply = clean(at.host.Policy + " policy of the site: " + a.Reply)
		}
	}
	return a
}
