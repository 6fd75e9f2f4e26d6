package outbound

import (
	"context"
	"testing"

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
