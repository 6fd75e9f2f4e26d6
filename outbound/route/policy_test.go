package route

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"testing"

	"mxdesk/internal/bounce"
	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/mtasts"
	"mxdesk/outbound/smtpclient"
)

// TestPolicies is the table of doc.go.
func TestPolicies(t *testing.T) {
	good := dns.TLSA{Usage: 3, Selector: 1, MatchingType: 1, Data: bytes.Repeat([]byte{1}, 32)}
	useless := dns.TLSA{Usage: 1, Selector: 1, MatchingType: 1, Data: bytes.Repeat([]byte{1}, 32)}
	enforce := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"*.signed.test"}}
	strangers := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"*.elsewhere.test"}}
	only := func(r dns.Records) dns.Fake {
		z := zone()
		z["signed.test"] = dns.Records{MX: []dns.MX{{Preference: 1, Host: "mx.signed.test"}}, Authentic: true}
		z["_25._tcp.mx.signed.test"] = r
		return z
	}
	authentic := func(list ...dns.TLSA) dns.Fake { return only(dns.Records{TLSA: list, Authentic: true}) }
	unsigned := authentic(good)
	unsigned["signed.test"] = dns.Records{MX: []dns.MX{{Preference: 1, Host: "mx.signed.test"}}}
	for _, c := range []struct {
		name   string
		zone   dns.Fake
		sts    mtasts.Policy
		level  smtpclient.TLSLevel
		policy string // "": the host is left out
		byTLSA bool
	}{
		{"nothing", authentic(), mtasts.Policy{}, smtpclient.TLSOpportunistic, "-", false},
		{"TLSA", authentic(useless, good), mtasts.Policy{}, smtpclient.TLSVerified, PolicyDANE, true},
		{"TLSA before MTA-STS", authentic(good), enforce, smtpclient.TLSVerified, PolicyDANE, true},
		{"TLSA before MTA-STS that names others", authentic(good), strangers, smtpclient.TLSVerified, PolicyDANE, true},
		{"TLSA lookup failed", only(dns.Records{Fail: true}), enforce, 0, "", false},
		{"TLSA unusable", authentic(useless), mtasts.Policy{}, smtpclient.TLSRequired, PolicyDANEOnly, false},
		{"TLSA unusable, MTA-STS", authentic(useless), enforce, smtpclient.TLSVerified, PolicyMTASTS, false},
		{"TLSA unusable, MTA-STS names others", authentic(useless), strangers, 0, "", false},
		{"TLSA not authentic", only(dns.Records{TLSA: []dns.TLSA{good}}), mtasts.Policy{}, smtpclient.TLSOpportunistic, "-", false},
		{"MX not authentic", unsigned, mtasts.Policy{}, smtpclient.TLSOpportunistic, "-", false},
		{"MTA-STS", authentic(), enforce, smtpclient.TLSVerified, PolicyMTASTS, false},
		{"MTA-STS names others", authentic(), strangers, 0, "", false},
		{"MTA-STS testing", authentic(), mtasts.Policy{Mode: mtasts.Testing, MX: strangers.MX}, smtpclient.TLSOpportunistic, PolicyTesting, false},
		{"MTA-STS none", authentic(), mtasts.Policy{Mode: mtasts.None}, smtpclient.TLSOpportunistic, "-", false},
	} {
		r := router()
		r.Resolver = c.zone
		r.MTASTS = func(context.Context, string) (mtasts.Policy, error) { return c.sts, nil }
		hosts, err := r.Hosts(t.Context(), "signed.test")
		var e *Error
		if c.policy == "" {
			if !errors.As(err, &e) || e.Permanent || e.Reason != bounce.TLSRequired || !errors.Is(err, ErrPolicy) {
				t.Errorf("%s: %+v, %v; want a temporary error", c.name, hosts, err)
			}
			continue
		}
		if c.policy == "-" {
			c.policy = ""
		}
		if err != nil || len(hosts) != 1 {
			t.Errorf("%s: %v, %v", c.name, hosts, err)
		} else if h := hosts[0]; h.TLS != c.level || h.Policy != c.policy || (h.Verify != nil) != c.byTLSA {
			t.Errorf("%s: TLS %v by %q, verified by TLSA: %v", c.name, h.TLS, h.Policy, h.Verify != nil)
		}
	}
}

// TestPolicyUnknown: when nobody can say whether there is a policy, nothing is sent.
func TestPolicyUnknown(t *testing.T) {
	r := router()
	away := errors.New("database away")
	r.MTASTS = func(context.Context, string) (mtasts.Policy, error) { return mtasts.Policy{}, away }
	var e *Error
	if hosts, err := r.Hosts(t.Context(), "plain.test"); !errors.Is(err, away) || !errors.As(err, &e) || e.Permanent {
		t.Errorf("%v, %v", hosts, err)
	}
}

// TestPolicyOfSome: hosts that the policy rules out are left out, the others are used.
func TestPolicyOfSome(t *testing.T) {
	r := router()
	r.MTASTS = func(context.Context, string) (mtasts.Policy, error) {
		return mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mx2.plain.test"}}, nil
	}
	hosts, err := r.Hosts(t.Context(), "plain.test")
	if err != nil || names(hosts) != "mx2.plain.test" || hosts[0].TLS != smtpclient.TLSVerified {
		t.Errorf("%+v, %v", hosts, err)
	}
}

func TestDialName(t *testing.T) {
	s := smtptest.New(t, smtptest.Config{})
	r := &Router{Resolver: dns.Fake{"policy.test": {A: []string{s.Addr().Addr().String()}}}}
	at := net.JoinHostPort("policy.test", strconv.Itoa(int(s.Addr().Port())))
	if _, err := r.DialName(&Dialer{})(t.Context(), "tcp", at); !errors.Is(err, ErrForbidden) {
		t.Errorf("a name that leads to this machine: %v", err)
	}
	nc, err := r.DialName(&Dialer{AllowPrivate: true})(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Read(make([]byte, 1)); err != nil { // the greeting: the server knows of us
		t.Error(err)
	}
	_ = nc.Close()
	for _, bad := range []string{"policy.test", "policy.test:x", "policy.test:70000", "gone.test:443"} {
		if nc, err := r.DialName(&Dialer{AllowPrivate: true})(t.Context(), "tcp", bad); err == nil {
			_ = nc.Close()
			t.Errorf("connected to %s", bad)
		}
	}
}
