package route

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/smtpclient"
)

func target(trusted bool, addr netip.AddrPort) Target {
	return Target{Host: Host{Name: "mx.test", Trusted: trusted}, Addr: addr}
}

// TestDialChecksTheAddress: whatever list of addresses it is given, the Dialer looks once more.
func TestDialChecksTheAddress(t *testing.T) {
	s := smtptest.New(t, smtptest.Config{})
	for _, c := range []struct {
		name    string
		dialer  Dialer
		trusted bool
		want    error
	}{
		{"a stranger's MX", Dialer{}, false, ErrForbidden},
		{"a smart host", Dialer{}, true, nil},
		{"private allowed", Dialer{AllowPrivate: true}, false, nil},
		{"ourselves, private allowed", Dialer{AllowPrivate: true, Own: &Own{Listeners: []netip.AddrPort{s.Addr()}}}, false, ErrForbidden},
	} {
		nc, err := c.dialer.Dial(t.Context(), target(c.trusted, s.Addr()))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if nc != nil {
			if _, err := nc.Read(make([]byte, 1)); err != nil { // the greeting: the server knows of us
				t.Error(err)
			}
			_ = nc.Close()
		}
	}
	if _, err := (&Dialer{}).Dial(t.Context(), target(false, netip.MustParseAddrPort("[::ffff:127.0.0.1]:25"))); !errors.Is(err, ErrForbidden) {
		t.Errorf("mapped: %v", err)
	}
	if n := s.Connections(); n != 2 {
		t.Errorf("%d connections, want those 2 that were allowed", n)
	}
}

func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

func TestDialFirst(t *testing.T) {
	s := smtptest.New(t, smtptest.Config{})
	d := &Dialer{AllowPrivate: true, Timeout: time.Minute}
	closed := target(false, closedPort(t))
	nc, i, err := d.DialFirst(t.Context(), []Target{closed, target(false, s.Addr()), closed})
	if err != nil || i != 1 {
		t.Fatalf("%d, %v", i, err)
	}
	_ = nc.Close()
	if nc, _, err := d.DialFirst(t.Context(), []Target{closed, closed}); err == nil || nc != nil {
		t.Errorf("nobody listens: %v", err)
	}
	if _, _, err := d.DialFirst(t.Context(), nil); !errors.Is(err, ErrNoTarget) {
		t.Errorf("no targets: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if nc, _, err := d.DialFirst(ctx, []Target{target(false, s.Addr())}); err == nil || nc != nil {
		t.Errorf("ended context: %v", err)
	}
}

// TestWholeWay sends a letter from a domain name to the server that its zone names, through a real DNS
// server, although the best host is down.
func TestWholeWay(t *testing.T) {
	config, _ := smtptest.Certificate(t, "mx2.x.test")
	s := smtptest.New(t, smtptest.Config{TLS: config})
	server, err := dns.Serve("127.0.0.1:0", dns.Fake{
		"x.test":     {MX: []dns.MX{{Preference: 1, Host: "mx1.x.test"}, {Preference: 2, Host: "mx2.x.test"}}},
		"mx1.x.test": {A: []string{"127.0.0.2"}}, // nobody listens there
		"mx2.x.test": {A: []string{"127.0.0.1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	resolver, err := dns.New(dns.Config{Servers: []string{server.Addr.String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer resolver.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r := &Router{Resolver: resolver, AllowPrivate: true, Port: s.Addr().Port()}
	hosts, err := r.Hosts(ctx, "x.test")
	if err != nil {
		t.Fatal(err)
	}
	targets := Targets(hosts)
	nc, i, err := (&Dialer{AllowPrivate: true}).DialFirst(ctx, targets)
	if err != nil || targets[i].Host.Name != "mx2.x.test" {
		t.Fatalf("%v, %v", targets[i], err)
	}
	c, err := smtpclient.Connect(ctx, nc, smtpclient.Config{Name: "desk.test", TLS: targets[i].Host.TLS, ServerName: targets[i].Host.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.TLSName() == "" {
		t.Error("no TLS")
	}
}
