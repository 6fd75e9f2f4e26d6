package route

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"mxdesk/internal/bounce"
	"mxdesk/internal/dns"
)

func ips(texts ...string) (out []netip.Addr) {
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// TestOwn: which addresses lead back to ourselves.
func TestOwn(t *testing.T) {
	zone := dns.Fake{"desk.test": {A: []string{"203.0.113.9", "2001:db8::9"}}}
	machine := ips("127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "fe80::1%eth0")
	for _, c := range []struct {
		name   string
		listen []string
		more   string
		own    []string
		other  []string
	}{
		{
			"all interfaces",
			[]string{"[::]:25"},
			"",
			[]string{"192.0.2.1:25", "192.0.2.1:2525", "[2001:db8::1]:25", "[::ffff:192.0.2.1]:25", "[fe80::1]:25", "203.0.113.9:25", "[2001:db8::9]:25", "127.0.0.1:25", "127.9.9.9:25", "[::1]:25"},
			[]string{"192.0.2.2:25", "127.0.0.1:2525", "[::1]:2525", "203.0.113.10:25"},
		},
		{
			"all of IPv4",
			[]string{"0.0.0.0:25"},
			"",
			[]string{"192.0.2.1:25", "127.0.0.1:25"},
			[]string{"[2001:db8::1]:25", "[::1]:25"},
		},
		{
			"one address",
			[]string{"192.0.2.1:25", "127.0.0.1:2525"},
			"",
			[]string{"192.0.2.1:25", "192.0.2.1:587", "127.0.0.1:2525", "203.0.113.9:25"},
			[]string{"[2001:db8::1]:25", "127.0.0.1:25", "127.0.0.2:2525"},
		},
		{
			"configured", nil, "198.51.100.0/30",
			[]string{"198.51.100.3:25", "203.0.113.9:25"},
			[]string{"198.51.100.4:25", "192.0.2.1:25", "127.0.0.1:25"},
		},
	} {
		o := &Own{Name: "desk.test", Resolver: zone, Interfaces: func() ([]netip.Addr, error) { return machine, nil }}
		for _, l := range c.listen {
			o.Listeners = append(o.Listeners, netip.MustParseAddrPort(l))
		}
		if c.more != "" {
			o.More = []netip.Prefix{netip.MustParsePrefix(c.more)}
		}
		if err := o.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, a := range c.own {
			if !o.Has(netip.MustParseAddrPort(a)) {
				t.Errorf("%s: %s is not ours", c.name, a)
			}
		}
		for _, a := range c.other {
			if o.Has(netip.MustParseAddrPort(a)) {
				t.Errorf("%s: %s is ours", c.name, a)
			}
		}
	}
	if (*Own)(nil).Has(netip.MustParseAddrPort("192.0.2.1:25")) {
		t.Error("nobody owns an address")
	}
}

// TestOwnChanges: a look finds what is new, and one that fails forgets nothing.
func TestOwnChanges(t *testing.T) {
	zone, machine, broken := dns.Fake{"desk.test": {A: []string{"203.0.113.9"}}}, ips("192.0.2.1"), error(nil)
	o := &Own{
		Listeners: []netip.AddrPort{netip.MustParseAddrPort("[::]:25")}, Name: "desk.test", Resolver: zone,
		Interfaces: func() ([]netip.Addr, error) { return machine, broken },
	}
	has := func(a string) bool { return o.Has(netip.MustParseAddrPort(a)) }
	if err := o.Look(t.Context()); err != nil || !has("203.0.113.9:25") || !has("192.0.2.1:25") {
		t.Fatalf("first look: %v", err)
	}
	zone["desk.test"], machine = dns.Records{A: []string{"203.0.113.10"}}, ips("192.0.2.2")
	if err := o.Look(t.Context()); err != nil || has("203.0.113.9:25") || has("192.0.2.1:25") || !has("203.0.113.10:25") || !has("192.0.2.2:25") {
		t.Errorf("second look: %v", err)
	}
	zone["desk.test"], broken, machine = dns.Records{Fail: true}, errors.New("no"), nil
	if err := o.Look(t.Context()); !errors.Is(err, broken) || !has("203.0.113.10:25") || !has("192.0.2.2:25") {
		t.Errorf("look that failed: %v", err)
	}
}

// TestOwnOfThisMachine: a listener at all interfaces owns what this machine has.
func TestOwnOfThisMachine(t *testing.T) {
	list, err := interfaces()
	if err != nil || len(list) == 0 {
		t.Skipf("no interface has an address: %v", err)
	}
	o := &Own{Listeners: []netip.AddrPort{netip.MustParseAddrPort("[::]:25")}}
	if err := o.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, ip := range list {
		if !o.Has(netip.AddrPortFrom(ip, 25)) {
			t.Errorf("%s is not ours", ip)
		}
	}
}

// TestOwnTenant: a smart host of an organisation does not lead to ourselves, whatever port it names.
func TestOwnTenant(t *testing.T) {
	r := router()
	for _, private := range []bool{false, true} {
		r.AllowPrivate = private
		_, err := r.Via(t.Context(), Smarthost{Host: "desk.test", Port: 587, Tenant: true})
		var e *Error
		if !errors.As(err, &e) || e.Permanent || e.Reason != bounce.Network {
			t.Errorf("%v", err)
		}
	}
	if hosts, err := r.Via(t.Context(), Smarthost{Host: "desk.test", Port: 587}); err != nil || len(hosts) != 1 {
		t.Errorf("that of the operator: %v", err)
	}
}

// TestOwnRun ends with its context.
func TestOwnRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	(&Own{}).Run(ctx, func(err error) { t.Error(err) })
}
