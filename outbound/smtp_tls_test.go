package outbound

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"

	"mxdesk/internal/bounce"
	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/dane"
	"mxdesk/outbound/mtasts"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

// TestPoliciesOnTheWire: under a policy a letter goes over the TLS that was asked for or waits; it never goes in plaintext, nor
// to somebody with another certificate.
func TestPoliciesOnTheWire(t *testing.T) {
	cert, roots := smtptest.Certificate(t, "mx.test")
	other, _ := smtptest.Certificate(t, "mx.test", "evil.test")
	spki := sha256.Sum256(cert.Certificates[0].Leaf.RawSubjectPublicKeyInfo)
	tlsa := dane.Verify([]dns.TLSA{{Usage: 3, Selector: 1, MatchingType: 1, Data: spki[:]}}, "mx.test")
	verified := route.Host{Name: "mx.test", TLS: smtpclient.TLSVerified, Policy: route.PolicyMTASTS}
	byTLSA := route.Host{Name: "mx.test", TLS: smtpclient.TLSVerified, Policy: route.PolicyDANE, Verify: tlsa}
	renamed := verified
	renamed.Name = "mx2.test"
	noTLS := func(smtptest.Command) smtptest.Action { return smtptest.Action{} }
	for _, c := range []struct {
		name   string
		host   route.Host
		server *tls.Config // nil: no STARTTLS
		script func(smtptest.Command) smtptest.Action
		taken  bool
	}{
		{"MTA-STS", verified, cert, nil, true},
		{"MTA-STS, no STARTTLS", verified, nil, noTLS, false},
		{"MTA-STS, STARTTLS refused", verified, cert, reply("STARTTLS", "454 4.7.0 not now", false), false},
		{"MTA-STS, hangs up at STARTTLS", verified, cert, reply("STARTTLS", "", true), false},
		{"MTA-STS, another issuer", verified, other, nil, false},
		{"MTA-STS, another name", renamed, cert, nil, false},
		{"DANE", byTLSA, cert, nil, true},
		{"DANE, another certificate", byTLSA, other, nil, false},
		{"DANE, no STARTTLS", byTLSA, nil, noTLS, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := smtptest.New(t, smtptest.Config{TLS: c.server, Script: c.script})
			c.host.Addresses, c.host.Port = []netip.Addr{peer.Addr().Addr()}, peer.Addr().Port()
			s := smtpTo(t)
			s.BaseTLS = &tls.Config{RootCAs: roots}
			s.Hosts = func(context.Context, string) ([]route.Host, error) { return []route.Host{c.host}, nil }
			conn := s.Open("x.test")
			defer conn.Close()
			a := conn.Send(t.Context(), letterTo("a@x.test"))
			if a.TLSPolicy != c.host.Policy || a.Host != c.host.Name {
				t.Errorf("host %q, policy %q", a.Host, a.TLSPolicy)
			}
			switch {
			case c.taken:
				if a.Result != ResultDelivered || !strings.HasPrefix(a.TLS, "TLS1.3") {
					t.Errorf("attempt %+v", a)
				}
			case a.Result != ResultDeferred || !a.Site || a.Reply == "" || len(peer.Letters()) > 0 || peer.Connections() != 1:
				t.Errorf("attempt %+v, %d letters taken over %d connections", a, len(peer.Letters()), peer.Connections())
			case a.Reason != bounce.TLSRequired && c.name != "MTA-STS, hangs up at STARTTLS":
				t.Errorf("reason %q", a.Reason)
			}
		})
	}
}

// TestPolicyDefers: a policy that rules out every host defers with its name as reason.
func TestPolicyDefers(t *testing.T) {
	router := route.Router{
		Resolver:     dns.Fake{"x.test": {MX: []dns.MX{{Preference: 1, Host: "mx.x.test"}}}, "mx.x.test": {A: []string{"127.0.0.1"}}},
		AllowPrivate: true,
		MTASTS: func(context.Context, string) (mtasts.Policy, error) {
			return mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mx.elsewhere.test"}}, nil
		},
	}
	s := smtpTo(t)
	s.Hosts = router.Hosts
	a := s.Open("x.test").Send(t.Context(), letterTo("a@x.test"))
	if a.Result != ResultDeferred || !a.Site || a.Reason != bounce.TLSRequired || !strings.Contains(a.Reply, "MTA-STS of x.test does not name mx.x.test") {
		t.Errorf("attempt %+v", a)
	}
}

// TestLaneRemembersTLS: the lane tells how the last letter went.
func TestLaneRemembersTLS(t *testing.T) {
	x := newWorld(t)
	a := taken
	a.TLS, a.TLSPolicy = "TLS1.3 TLS_AES_128_GCM_SHA256", route.PolicyDANE
	x.send("a@x.test")
	x.round(x.worker(always(a)))
	if got := one[string](x, `SELECT tls_seen FROM lanes WHERE lane = 'x.test'`); got != "TLS1.3 TLS_AES_128_GCM_SHA256 dane" {
		t.Errorf("the lane remembers %q", got)
	}
}
