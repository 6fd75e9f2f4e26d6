package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/bounce"
	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/route"
)

func mustParse(t testing.TB, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// secureTo is an SMTP transport that believes the certificates of roots.
func secureTo(t testing.TB, roots *x509.CertPool) *SMTP {
	t.Helper()
	s := &SMTP{
		Name: "desk.test", Dialer: &route.Dialer{AllowPrivate: true, Timeout: 10 * time.Second},
		BaseTLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(s.Close)
	return s
}

// TestRelay: mail of an organisation goes through its smart host from the moment it says so, what waited too, over TLS and
// with each way to sign in; and back again.
func TestRelay(t *testing.T) {
	cert, roots := smtptest.Certificate(t, "relay.test")
	for _, c := range []struct {
		auth, offered string
		implicit      bool
		want          string
	}{
		{RelayPassword, "AUTH PLAIN LOGIN", false, "PLAIN"},
		{RelayPassword, "AUTH LOGIN", true, "LOGIN"},
		{RelayXOAUTH2, "AUTH PLAIN XOAUTH2", false, "XOAUTH2"},
	} {
		t.Run(c.want, func(t *testing.T) {
			x := newWorld(t)
			peer := smtptest.New(t, smtptest.Config{TLS: cert, Implicit: c.implicit, Extensions: []string{"PIPELINING", c.offered}})
			router := &route.Router{Resolver: dns.Fake{"relay.test": {A: []string{"127.0.0.1"}}}, AllowPrivate: true}
			usual := 0
			ways := &Relays{
				Queue: x.q, SMTP: secureTo(t, roots), Via: router.Via,
				Default: script(func(*Letter) Attempt { usual++; return taken }),
			}
			waiting := x.send("waiting@y.test")[0]
			r := Relay{
				Kind: RelaySmarthost, Host: "relay.test", Port: peer.Addr().Port(), Implicit: c.implicit,
				Auth: c.auth, Username: "desk", Secret: "hunter2!",
			}
			if err := x.q.SetRelay(x.ctx, testOrg, r); err != nil {
				t.Fatal(err)
			}
			x.send("a@x.test")
			if n := one[int](x, `SELECT count(DISTINCT lane) FROM deliveries`); n != 1 {
				t.Errorf("%d lanes, want one: that of the smart host", n)
			}
			x.round(x.worker(ways))
			letters := peer.Letters()
			if len(letters) != 2 || usual != 0 || !letters[0].TLS || len(letters[0].Auth) == 0 || letters[0].Auth[0] != c.want || !strings.Contains(fmt.Sprint(letters[0].Auth), "hunter2!") {
				t.Fatalf("%d letters at the smart host, %d elsewhere: %+v", len(letters), usual, letters)
			}
			if got := x.state(waiting); got != "delivered" {
				t.Errorf("what waited: %s", got)
			}
			late := x.send("late@x.test")[0]
			if err := x.q.DropRelay(x.ctx, testOrg); err != nil {
				t.Fatal(err)
			}
			x.round(x.worker(ways))
			if got := x.state(late); got != "delivered" || usual != 1 {
				t.Errorf("after the relay was dropped: %s, %d", got, usual)
			}
		})
	}
}

// TestRelayUnknownToOneNode: a node that does not know of the relay yet puts a letter into the old lane; who claims it moves it.
func TestRelayUnknownToOneNode(t *testing.T) {
	x := newWorld(t)
	other := NewQueue(x.pool, QueueConfig{})
	if err := x.q.SetRelay(x.ctx, testOrg, Relay{Kind: RelayDiscard}); err != nil {
		t.Fatal(err)
	}
	x.q, other = other, x.q
	d := x.send("a@x.test")[0]
	x.q = other
	ways := &Relays{Queue: x.q, Default: always(nobody), SMTP: &SMTP{}}
	x.round(x.worker(ways))
	x.round(x.worker(ways))
	if got := x.state(d); got != "delivered" {
		t.Errorf("state %s", got)
	}
	if _, attempts, err := x.q.Delivery(x.ctx, testOrg, d); err != nil || len(attempts) != 1 || attempts[0].Host != "discard" {
		t.Errorf("attempts %+v, %v", attempts, err)
	}
}

// TestRelayOfTenant: an organisation's smart host leads into no private network, and needs a name that it can prove.
func TestRelayOfTenant(t *testing.T) {
	router := &route.Router{Resolver: dns.Fake{"relay.test": {A: []string{"10.1.2.3", "127.0.0.1"}}}}
	for _, host := range []string{"relay.test", "[127.0.0.1]", "[10.1.2.3]"} {
		r := Relay{Kind: RelaySmarthost, Host: host, Port: 587}
		if err := r.check(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if hosts, err := router.Via(t.Context(), r.smarthost()); err == nil {
			t.Errorf("%s leads to %v", host, hosts)
		}
	}
	for _, r := range []Relay{
		{Kind: "smtp"},
		{Kind: RelaySmarthost},
		{Kind: RelaySmarthost, Host: "a b", Port: 1},
		{Kind: RelayDiscard, Host: "x.test"},
		{Kind: RelaySmarthost, Host: "x.test", Port: 1, Auth: "md5", Username: "u", Secret: "s"},
		{Kind: RelaySmarthost, Host: "x.test", Port: 1, Auth: RelayPassword, Username: "u"},
		{Kind: RelaySmarthost, Host: "x.test", Port: 1, Auth: RelayXOAUTH2, Username: "u\x01auth=x", Secret: "s"},
	} {
		if err := r.check(); !errors.Is(err, ErrRelay) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestRequireTLS: a letter that requires TLS goes to a host that proves its name, and to no other; that holds up nobody else's.
func TestRequireTLS(t *testing.T) {
	good, roots := smtptest.Certificate(t, "mx.test")
	bad, _ := smtptest.Certificate(t, "mx.test")
	for _, c := range []struct {
		name   string
		config smtptest.Config
		taken  bool
	}{
		{"verified", smtptest.Config{TLS: good, Extensions: []string{"PIPELINING", "REQUIRETLS"}}, true},
		{"a certificate that nobody vouches for", smtptest.Config{TLS: bad}, false},
		{"no TLS", smtptest.Config{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t)
			peer := smtptest.New(t, c.config)
			s := smtpTo(t, peer.Addr())
			s.BaseTLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			m := x.message("careful@x.test")
			m.RequireTLS = true
			careful := x.enqueue(m)[0]
			usual := x.send("usual@x.test")[0]
			x.round(x.worker(s))
			want := map[bool]string{true: "delivered", false: "deferred"}[c.taken]
			if got := x.state(careful); got != want || x.state(usual) != "delivered" {
				t.Errorf("the careful one is %s, want %s; the usual one %s", got, want, x.state(usual))
			}
			_, attempts, err := x.q.Delivery(x.ctx, testOrg, careful)
			if err != nil || len(attempts) != 1 || attempts[0].TLSPolicy != route.PolicyRequired || c.taken != (attempts[0].Reason == "") {
				t.Fatalf("attempts %+v, %v", attempts, err)
			}
			for _, l := range peer.Letters() {
				if asked := strings.Contains(l.FromParams, "REQUIRETLS"); asked != (l.Recipients[0] == "careful@x.test") {
					t.Errorf("to %v: %q", l.Recipients, l.FromParams)
				}
			}
			if c.taken {
				return
			}
			if attempts[0].Reason != bounce.TLSRequired {
				t.Errorf("reason %q", attempts[0].Reason)
			}
			x.exec(`UPDATE deliveries SET next_at = now(), expires_at = now() + interval '1 minute'`)
			x.round(x.worker(s))
			if got := x.state(careful); got != "failed "+bounce.TLSRequired {
				t.Errorf("at its end it is %s", got)
			}
		})
	}
}
