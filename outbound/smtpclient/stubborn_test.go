package smtpclient

import (
	"crypto/tls"
	"errors"
	"testing"

	"mxdesk/internal/smtptest"
)

// TestResetRefused: a server that does not forget the letter before must not refuse the next one for good on its account.
func TestResetRefused(t *testing.T) {
	for _, extensions := range [][]string{{"PIPELINING"}, {}} {
		s := smtptest.New(t, smtptest.Config{Extensions: extensions, Script: func(c smtptest.Command) smtptest.Action {
			switch {
			case c.Verb == "RCPT" && c.N == 1:
				return smtptest.Action{Reply: "550 5.1.1 who?"}
			case c.Verb == "RSET":
				return smtptest.Action{Reply: "500 5.5.1 what?"}
			case c.Verb == "MAIL" && c.N == 2:
				return smtptest.Action{Reply: "503 5.5.1 nested MAIL"}
			}
			return smtptest.Action{}
		}})
		c, _ := connect(t, s, Config{})
		first, second := c.Send(within(t), envelope(t, "a@x.test"), letter), c.Send(within(t), envelope(t, "b@x.test"), letter)
		if first.Recipients[0].Status != Refused || first.Err != nil {
			t.Errorf("%+v", first)
		}
		if f := second.Recipients[0]; f.Status != Deferred || f.Phase != PhaseMail || !errors.Is(second.Err, ErrProtocol) {
			t.Errorf("%+v", second)
		}
	}
}

// TestTLSThatEndsLate: opportunistic TLS has failed also when the server hangs up at STARTTLS, or, as TLS 1.3 allows, only when it has
// seen our part of the handshake. Who insists on TLS learns what happened, as ever.
func TestTLSThatEndsLate(t *testing.T) {
	cert, _ := smtptest.Certificate(t, "mx.test")
	demanding := cert.Clone()
	demanding.ClientAuth = tls.RequireAnyClientCert
	for _, c := range []struct {
		name   string
		server *tls.Config
		script func(smtptest.Command) smtptest.Action
	}{
		{"it wants our certificate", demanding, nil},
		{"it hangs up at STARTTLS", cert, on("STARTTLS", 0, smtptest.Action{Close: true})},
		{"it hangs up at the second EHLO", cert, on("EHLO", 2, smtptest.Action{Close: true})},
	} {
		s := smtptest.New(t, smtptest.Config{TLS: c.server, Script: c.script})
		for _, level := range []TLSLevel{TLSOpportunistic, TLSRequired} {
			client, err := Connect(within(t), dial(t, s), Config{Name: "desk.example.test", TLS: level})
			if client != nil || err == nil || errors.Is(err, ErrTLS) != (level == TLSOpportunistic) {
				t.Errorf("%s, %v: %v", c.name, level, err)
			}
		}
	}
	for _, reply := range []string{"421 4.3.2 bye", "451 4.3.0 later"} { // said, not failed
		s := smtptest.New(t, smtptest.Config{TLS: cert, Script: on("EHLO", 2, smtptest.Action{Reply: reply})})
		if _, err := Connect(within(t), dial(t, s), Config{Name: "desk.example.test", TLS: TLSOpportunistic}); err == nil || errors.Is(err, ErrTLS) {
			t.Errorf("%s: %v", reply, err)
		}
	}
}
