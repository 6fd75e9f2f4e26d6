package outbound

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"mxdesk/internal/address"
	"mxdesk/internal/bounce"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/route"
)

// TestWantsMore: what a host says of a connection in plaintext, or a smart host of one that nobody signed in on, is no reason to give
// up the letter; over TLS the host knows what it refuses.
func TestWantsMore(t *testing.T) {
	cert, _ := smtptest.Certificate(t, "mx.test")
	for _, c := range []struct {
		name, verb, text string
		tls              bool // it works; else it is offered and refused for the moment
		relay            bool
		want             Result
		reason           string
	}{
		{"TLS failed", "MAIL", "530 5.7.0 Must issue a STARTTLS command first", false, false, ResultDeferred, bounce.TLSRequired},
		{"TLS failed, no enhanced code", "MAIL", "530 Must issue a STARTTLS command first", false, false, ResultDeferred, bounce.TLSRequired},
		{"TLS failed, told at RCPT", "RCPT", "550 5.7.10 Encryption needed", false, false, ResultDeferred, bounce.TLSRequired},
		{"TLS failed, no such user", "RCPT", "550 5.1.1 who?", false, false, ResultFailed, bounce.UserUnknown},
		{"TLS, and more is wanted", "MAIL", "530 5.7.0 Authentication required", true, false, ResultFailed, bounce.Policy},
		{"a smart host wants to know who we are", "MAIL", "530 5.7.0 Authentication required", true, true, ResultDeferred, bounce.Policy},
		{"a smart host refuses", "MAIL", "550 5.7.1 no", true, true, ResultFailed, bounce.Policy},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := smtptest.New(t, smtptest.Config{TLS: cert, Script: func(cmd smtptest.Command) smtptest.Action {
				switch {
				case cmd.Verb == c.verb:
					return smtptest.Action{Reply: c.text}
				case cmd.Verb == "STARTTLS" && !c.tls:
					return smtptest.Action{Reply: "454 4.7.0 TLS not available due to temporary reason"}
				}
				return smtptest.Action{}
			}})
			s := smtpTo(t, peer.Addr())
			find := s.Hosts
			s.Hosts = func(ctx context.Context, domain string) ([]route.Host, error) {
				hosts, err := find(ctx, domain)
				hosts[0].Relay = c.relay
				return hosts, err
			}
			conn := s.Open("x.test")
			defer conn.Close()
			if a := conn.Send(t.Context(), letterTo("a@x.test")); a.Result != c.want || a.Reason != c.reason || a.Site != (c.want == ResultDeferred) || (a.TLS != "") != c.tls {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestElsewhere: a host that greets us and is ill does not keep a letter from the next one (RFC 5321 section 5.1); what is said of the
// letter or its recipient holds, and so does a doubt.
func TestElsewhere(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(smtptest.Command) smtptest.Action
		moved  bool
		code   int // of the first host's answer, if that counts
	}{
		{"421 at MAIL", reply("MAIL", "421 4.3.2 going down", true), true, 0},
		{"hangs up at MAIL", reply("MAIL", "", true), true, 0},
		{"disk full", reply("MAIL", "452 4.3.1 disk full", false), true, 0},
		{"hangs up at RCPT", reply("RCPT", "", true), true, 0},
		{"DATA", reply("DATA", "451 4.3.0 no", false), true, 0},
		{"hangs up at DATA", reply("DATA", "", true), true, 0},
		{"no SMTP", reply("DATA", "200 what", false), true, 0},
		{"not stored", reply(smtptest.Body, "451 4.3.0 queue file write error", false), true, 0},
		{"421 at the end", reply(smtptest.Body, "421 4.3.2 going down", true), true, 0},
		{"greylisting", reply("RCPT", "450 4.2.0 greylisted", false), false, 450},
		{"too many", reply("MAIL", "450 4.7.28 rate limited", false), false, 450},
		{"refused", reply("MAIL", "550 5.7.1 no", false), false, 550},
		{"unknown user", reply("RCPT", "550 5.1.1 who?", false), false, 550},
		{"refused at the end", reply(smtptest.Body, "554 5.7.1 no", false), false, 554},
		{"perhaps stored", reply(smtptest.Body, "", true), false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			ill, well := smtptest.New(t, smtptest.Config{Script: c.script}), smtptest.New(t, smtptest.Config{})
			conn := smtpToNamed(t, ill.Addr(), well.Addr()).Open("x.test")
			defer conn.Close()
			for range 2 {
				a := conn.Send(t.Context(), letterTo("a@x.test"))
				if (a.Result == ResultDelivered) != c.moved || c.moved != (a.Host == "mx2.test") || !c.moved && a.Code != c.code {
					t.Errorf("%+v", a)
				}
			}
			if want := map[bool]int{true: 1}[c.moved]; well.Connections() != want || len(well.Letters()) != 2*want || c.moved && ill.Connections() != 1 {
				t.Errorf("%d letters over %d connections to the second host, %d to the first", len(well.Letters()), well.Connections(), ill.Connections())
			}
		})
	}
}

// TestElsewhereInVain: when the next host does not want to talk either, it is the first one's answer that counts; and not every host
// of a domain is knocked at for one letter.
func TestElsewhereInVain(t *testing.T) {
	full, busy := smtptest.Config{Script: reply("MAIL", "452 4.3.1 disk full", false)}, smtptest.Config{Script: reply(smtptest.Connect, "421 4.3.2 busy", true)}
	for _, other := range []smtptest.Config{full, busy} {
		var peers []*smtptest.Server
		var at []netip.AddrPort
		for _, cfg := range []smtptest.Config{full, other, other, other} {
			peers = append(peers, smtptest.New(t, cfg))
			at = append(at, peers[len(peers)-1].Addr())
		}
		conn := smtpToNamed(t, at...).Open("x.test")
		defer conn.Close()
		a := conn.Send(t.Context(), letterTo("a@x.test"))
		if a.Result != ResultDeferred || a.Code != 452 || a.Site {
			t.Errorf("%+v", a)
		}
		for i, want := range []int{1, 1, 1, 0} {
			if got := peers[i].Connections(); got != want {
				t.Errorf("%d connections to host %d, want %d", got, i+1, want)
			}
		}
	}
}

// TestElsewhereForSome: those whose fate is decided are not asked about again.
func TestElsewhereForSome(t *testing.T) {
	ill := smtptest.New(t, smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
		switch {
		case c.Verb == "RCPT" && c.N == 1:
			return smtptest.Action{Reply: "550 5.1.1 who?"}
		case c.Verb == "DATA":
			return smtptest.Action{Reply: "451 4.3.0 no"}
		}
		return smtptest.Action{}
	}})
	well := smtptest.New(t, smtptest.Config{})
	conn := smtpToNamed(t, ill.Addr(), well.Addr()).Open("x.test")
	defer conn.Close()
	to := []address.Address{letterTo("a@x.test").To, letterTo("b@x.test").To}
	list := conn.(Sharer).SendAll(t.Context(), letterTo("a@x.test"), to)
	if list[0].Result != ResultFailed || list[1].Result != ResultDelivered || list[1].Host != "mx2.test" {
		t.Errorf("%+v", list)
	}
	if got := well.Letters(); len(got) != 1 || len(got[0].Recipients) != 1 || got[0].Recipients[0] != "b@x.test" {
		t.Errorf("%+v", got)
	}
}

// TestSaidAndSilent: a host that cannot be reached does not hide what another one said.
func TestSaidAndSilent(t *testing.T) {
	spoke, silent := smtptest.New(t, smtptest.Config{Script: reply(smtptest.Connect, "554 5.7.1 blocked", true)}), smtptest.New(t, smtptest.Config{})
	silent.Close()
	conn := smtpToNamed(t, spoke.Addr(), silent.Addr()).Open("x.test")
	defer conn.Close()
	if a := conn.Send(t.Context(), letterTo("a@x.test")); a.Code != 554 || a.Host != "mx1.test" || a.Result != ResultDeferred || !a.Site {
		t.Errorf("%+v", a)
	}
}

// smtpToNamed is smtpTo with a name for each of the hosts.
func smtpToNamed(t *testing.T, peers ...netip.AddrPort) *SMTP {
	s := smtpTo(t, peers...)
	find := s.Hosts
	s.Hosts = func(ctx context.Context, domain string) ([]route.Host, error) {
		hosts, err := find(ctx, domain)
		for i := range hosts {
			hosts[i].Name = fmt.Sprintf("mx%d.test", i+1)
		}
		return hosts, err
	}
	return s
}
