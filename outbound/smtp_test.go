package outbound

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/bounce"
	"mxdesk/internal/id"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

// smtpTo is an SMTP transport whose every domain leads to the addresses.
func smtpTo(t testing.TB, peers ...netip.AddrPort) *SMTP {
	s := &SMTP{
		Name: "desk.test", Dialer: &route.Dialer{AllowPrivate: true, Timeout: 10 * time.Second},
		Hosts: func(context.Context, string) (hosts []route.Host, _ error) {
			for _, p := range peers {
				hosts = append(hosts, route.Host{Name: "mx.test", Addresses: []netip.Addr{p.Addr()}, Port: p.Port(), TLS: smtpclient.TLSOpportunistic})
			}
			return hosts, nil
		},
	}
	t.Cleanup(s.Close)
	return s
}

func letterTo(to string) *Letter {
	a, err := address.Parse(to)
	if err != nil {
		panic(err)
	}
	return &Letter{Delivery: id.New(), From: address.Address{Local: "bounce+1", Domain: "desk.test"}, To: a, Body: []byte("Subject: x\r\n\r\nhello\r\n")}
}

// reply is a script that answers the verb so, once on each of the first n connections.
func reply(verb, text string, hangUp bool) func(smtptest.Command) smtptest.Action {
	return func(c smtptest.Command) smtptest.Action {
		if c.Verb == verb {
			return smtptest.Action{Reply: text, Close: hangUp}
		}
		return smtptest.Action{}
	}
}

// TestPeers: what a remote host does, and what we make of it.
func TestPeers(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(smtptest.Command) smtptest.Action
		want   Attempt // of Result, Site, Reason, Code
	}{
		{"takes it", nil, Attempt{Result: ResultDelivered, Code: 250}},
		{"421 at the greeting", reply(smtptest.Connect, "421 4.3.2 busy", true), Attempt{Result: ResultDeferred, Site: true, Code: 421}},
		{"554 at the greeting", reply(smtptest.Connect, "554 5.7.1 go away", true), Attempt{Result: ResultDeferred, Site: true, Code: 554}},
		{"hangs up at once", reply(smtptest.Connect, "", true), Attempt{Result: ResultDeferred, Site: true, Reason: bounce.Network}},
		{"421 after MAIL", reply("MAIL", "421 4.3.2 shutting down", true), Attempt{Result: ResultDeferred, Site: true, Code: 421}},
		{"unknown user", reply("RCPT", "550 5.1.1 no such user", false), Attempt{Result: ResultFailed, Reason: bounce.UserUnknown, Code: 550}},
		{"Exim: unknown user", reply("RCPT", "550 Unrouteable address", false), Attempt{Result: ResultFailed, Reason: bounce.UserUnknown, Code: 550}},
		{"relayed to an unknown host", reply("RCPT", "550 5.1.2 Host unknown", false), Attempt{Result: ResultFailed, Reason: bounce.HostUnknown, Code: 550}},
		{"greylisting", reply("RCPT", "450 4.2.0 greylisted", false), Attempt{Result: ResultDeferred, Code: 450}},
		{"552 at RCPT", reply("RCPT", "552 5.2.2 too many", false), Attempt{Result: ResultDeferred, Reason: bounce.MailboxFull, Code: 552}},
		{"full mailbox at the end", reply(smtptest.Body, "552 5.2.2 mailbox full", false), Attempt{Result: ResultFailed, Reason: bounce.MailboxFull, Code: 552}},
		{"spam", reply(smtptest.Body, "554 5.7.1 message looks like spam", false), Attempt{Result: ResultFailed, Reason: bounce.Spam, Code: 554}},
		{"451 at the end", reply(smtptest.Body, "451 4.3.0 try again", false), Attempt{Result: ResultDeferred, Code: 451}},
		{"lost before the dot", reply("DATA", "", true), Attempt{Result: ResultDeferred, Site: true, Reason: bounce.Network}},
		{"lost after the dot", reply(smtptest.Body, "", true), Attempt{Result: ResultBroke, Site: true, Reason: bounce.Network}},
		{"nonsense after the dot", reply(smtptest.Body, "what?", true), Attempt{Result: ResultBroke, Site: true, Reason: bounce.Network}},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := smtptest.New(t, smtptest.Config{Script: c.script})
			conn := smtpTo(t, peer.Addr()).Open("x.test")
			defer conn.Close()
			got := conn.Send(t.Context(), letterTo("a@x.test"))
			if got.Result != c.want.Result || got.Site != c.want.Site || c.want.Reason != "" && got.Reason != c.want.Reason || got.Code != c.want.Code {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if got.Result != ResultDelivered && (got.Reply == "" || got.Reason == "") {
				t.Errorf("nothing to tell the ticket: %+v", got)
			}
			if got.Host != "mx.test" || got.IP != "127.0.0.1" {
				t.Errorf("host %q, address %q", got.Host, got.IP)
			}
		})
	}
}

func TestNoHost(t *testing.T) {
	for _, c := range []struct {
		err  *route.Error
		want Attempt
	}{
		{&route.Error{Permanent: true, Reason: bounce.HostUnknown, Status: "5.1.2", Text: "no such domain"}, Attempt{Result: ResultFailed, Reason: bounce.HostUnknown}},
		{&route.Error{Reason: bounce.Network, Status: "4.4.3", Text: "SERVFAIL"}, Attempt{Result: ResultDeferred, Site: true, Reason: bounce.Network}},
	} {
		s := smtpTo(t)
		s.Hosts = func(context.Context, string) ([]route.Host, error) { return nil, c.err }
		got := s.Open("x.test").Send(t.Context(), letterTo("a@x.test"))
		if got.Result != c.want.Result || got.Site != c.want.Site || got.Reason != c.want.Reason || got.Reply != c.err.Text {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
}

// TestRefusedSender: a refusal of MAIL says nothing about the recipient, whatever its words; those same words about a recipient do.
func TestRefusedSender(t *testing.T) {
	for _, c := range []struct{ reply, mail, rcpt string }{
		{"550-Requested action not taken: mailbox unavailable\r\n550 invalid DNS MX or A/AAAA resource record", bounce.Policy, bounce.UserUnknown},
		{"550 Unroutable sender address", bounce.Policy, bounce.Policy},
		{"550 Unrouteable address", bounce.Policy, bounce.UserUnknown},
		{"550 5.1.2 unknown domain", bounce.Policy, bounce.HostUnknown},
		{"550 5.1.0 Address rejected", bounce.Policy, bounce.UserUnknown},
		{"550 5.2.1 mailbox disabled", bounce.Policy, bounce.Suspended},
		{"551 5.1.6 recipient has moved", bounce.Policy, bounce.Moved},
		{"554 5.2.2 mailbox full", bounce.Policy, bounce.MailboxFull},
		{"450 4.2.1 mailbox disabled", bounce.Policy, bounce.Suspended},
		{"599 ...", bounce.Policy, bounce.Undefined},
		{"499 ...", bounce.Undefined, bounce.Undefined},
		{"550 5.7.1 blocked by a DNS blacklist", bounce.Blocked, bounce.Blocked},
	} {
		for verb, want := range map[string]string{"MAIL": c.mail, "RCPT": c.rcpt} {
			peer := smtptest.New(t, smtptest.Config{Script: reply(verb, c.reply, false)})
			conn := smtpTo(t, peer.Addr()).Open("x.test")
			a := conn.Send(t.Context(), letterTo("a@x.test"))
			conn.Close()
			if a.Reason != want {
				t.Errorf("%s: %s: %s, want %s", verb, c.reply, a.Reason, want)
			}
			if _, counts := strike(a.Reason); verb == "MAIL" && a.Result == ResultFailed && counts {
				t.Errorf("%s: %s: counts against the recipient", verb, c.reply)
			}
		}
	}
}

// TestNextHost: the second host gets the letter when the first does not want to talk; TLS that fails is
// tried again without.
func TestNextHost(t *testing.T) {
	busy := smtptest.New(t, smtptest.Config{Script: reply(smtptest.Connect, "421 busy", true)})
	good := smtptest.New(t, smtptest.Config{Extensions: []string{"STARTTLS"}, Script: reply("STARTTLS", "454 4.7.0 not now", false)})
	conn := smtpTo(t, busy.Addr(), good.Addr()).Open("x.test")
	defer conn.Close()
	if a := conn.Send(t.Context(), letterTo("a@x.test")); a.Result != ResultDelivered || a.TLS != "" {
		t.Errorf("attempt %+v", a)
	}
	if busy.Connections() != 1 || good.Connections() != 2 || len(good.Letters()) != 1 {
		t.Errorf("%d and %d connections", busy.Connections(), good.Connections())
	}
}

// TestPatience: a host has little time to greet while there are others, and all the time of RFC 5321 when it is the last.
func TestPatience(t *testing.T) {
	for _, c := range []struct {
		configured time.Duration
		last       bool
		want       time.Duration
	}{
		{0, true, 0},
		{0, false, hastyGreeting},
		{time.Second, true, time.Second},
		{time.Second, false, time.Second},
		{time.Hour, true, time.Hour},
		{time.Hour, false, hastyGreeting},
	} {
		s := &SMTP{Timeouts: smtpclient.Timeouts{Greeting: c.configured, Final: time.Hour}}
		if got := s.timeouts(c.last); got.Greeting != c.want || got.Final != time.Hour {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// TestRelayMeansTheDomain: what a smart host cannot route may be the domain.
func TestRelayMeansTheDomain(t *testing.T) {
	a := Attempt{Result: ResultFailed, Reason: bounce.HostUnknown, Code: 550, Reply: "Unrouteable address"}
	if got := ofHost(a, true); got.Reason != bounce.HostUnknown {
		t.Errorf("reason %s", got.Reason)
	}
}

func TestTLS(t *testing.T) {
	cert, _ := smtptest.Certificate(t, "mx.test")
	peer := smtptest.New(t, smtptest.Config{TLS: cert})
	conn := smtpTo(t, peer.Addr()).Open("x.test")
	defer conn.Close()
	if a := conn.Send(t.Context(), letterTo("a@x.test")); a.Result != ResultDelivered || !strings.HasPrefix(a.TLS, "TLS1.3") || a.TLSPolicy != "opportunistic" {
		t.Errorf("attempt %+v", a)
	}
}

// TestReuse: one connection carries up to 100 letters, over several batches; one that the server closed meanwhile is
// replaced without a word.
func TestReuse(t *testing.T) {
	limit := 0
	peer := smtptest.New(t, smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
		// The second connection is closed when it is used for its third letter.
		if c.Conn == 2 && c.Verb == "MAIL" && c.N == 3 {
			return smtptest.Action{Reply: "421 4.4.2 idle too long", Close: true}
		}
		return smtptest.Action{}
	}})
	s := smtpTo(t, peer.Addr())
	for range 3 {
		conn := s.Open("x.test")
		for range 34 {
			if a := conn.Send(t.Context(), letterTo("a@x.test")); a.Result != ResultDelivered {
				t.Fatalf("letter %d: %+v", limit, a)
			}
			limit++
		}
		conn.Close()
	}
	// 100 letters on the first connection, 2 on the second.
	if n := peer.Connections(); n != 2 {
		t.Errorf("%d connections for %d letters, want 2", n, limit)
	}
	conn := s.Open("x.test")
	if a := conn.Send(t.Context(), letterTo("a@x.test")); a.Result != ResultDelivered {
		t.Errorf("after the idle connection was closed: %+v", a)
	}
	if n := peer.Connections(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
	conn.Close()
	s.Close() // it waits for the goodbyes, which nobody else does
	if !slices.Contains(peer.Commands(), "1: QUIT") {
		t.Error("no goodbye to the full connection")
	}
}

// TestUTF8OnlyWhenNeeded: SMTPUTF8 is asked for when an address in the envelope or in the header is not ASCII, and for
// nothing else; a server without it refuses only such letters.
func TestUTF8OnlyWhenNeeded(t *testing.T) {
	umlaut := address.Address{Local: "hilfé", Domain: testDomain}
	for _, c := range []struct {
		name string
		to   string
		from address.Address
		want bool
	}{
		{"names and words", "bob@example.com", testFrom, false},
		{"recipient", "bób@example.com", testFrom, true},
		{"support address", "bob@example.com", umlaut, true},
	} {
		l := letterTo(c.to)
		l.Body = Compose(draft(func(d *Draft) {
			d.To, d.From, d.ReplyTo, d.FromName, d.Subject, d.Text = l.To, c.from, c.from, "Jürgen", "Grüße", "Grüße\n"
		}))
		for _, extensions := range [][]string{{"SMTPUTF8", "8BITMIME"}, {"8BITMIME"}} {
			peer := smtptest.New(t, smtptest.Config{Extensions: extensions})
			conn := smtpTo(t, peer.Addr()).Open("x.test")
			a := conn.Send(t.Context(), l)
			conn.Close()
			asked := strings.Contains(strings.Join(peer.Commands(), "\n"), " SMTPUTF8")
			if offered := len(extensions) == 2; asked != (c.want && offered) || (a.Result == ResultDelivered) != (offered || !c.want) {
				t.Errorf("%s, offered %v: asked for %v, %+v", c.name, offered, asked, a)
			}
		}
	}
}
