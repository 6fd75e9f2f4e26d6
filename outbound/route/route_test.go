package route

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mxdesk/internal/bounce"
	"mxdesk/internal/dns"
	"mxdesk/outbound/smtpclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func zone() dns.Fake {
	z := dns.Fake{
		"plain.test":           {MX: []dns.MX{{Preference: 20, Host: "mx2.plain.test"}, {Preference: 10, Host: "MX1.plain.test."}}},
		"mx1.plain.test":       {A: []string{"203.0.113.1", "2001:db8::1"}},
		"mx2.plain.test":       {A: []string{"203.0.113.2"}},
		"fallback.test":        {A: []string{"203.0.113.3"}},
		"alias.test":           {CNAME: "plain.test"},
		"nothing.test":         {TXT: []string{"x"}},
		"null.test":            {MX: []dns.MX{{Preference: 0, Host: ""}}, A: []string{"203.0.113.4"}},
		"nullandmore.test":     {MX: []dns.MX{{Preference: 0, Host: "."}, {Preference: 5, Host: "mx1.plain.test"}}},
		"slow.test":            {Fail: true},
		"slowa.test":           {FailTypes: []string{"a", "aaaa"}},
		"slowhost.test":        {MX: []dns.MX{{Preference: 1, Host: "slow.test"}, {Preference: 2, Host: "gone.test"}}},
		"oneslow.test":         {MX: []dns.MX{{Preference: 1, Host: "slow.test"}, {Preference: 2, Host: "mx2.plain.test"}}},
		"gonehost.test":        {MX: []dns.MX{{Preference: 1, Host: "gone.test"}}},
		"badhost.test":         {MX: []dns.MX{{Preference: 1, Host: "not a host"}, {Preference: 2, Host: "[203.0.113.9]"}}},
		"twice.test":           {MX: []dns.MX{{Preference: 2, Host: "mx1.plain.test"}, {Preference: 1, Host: "MX1.PLAIN.TEST"}}},
		"local.test":           {MX: []dns.MX{{Preference: 1, Host: "localhost.local.test"}, {Preference: 2, Host: "inside.local.test"}}},
		"localhost.local.test": {A: []string{"127.0.0.1", "::1"}},
		"inside.local.test":    {A: []string{"10.0.0.1", "fd00::1"}},
		"mixed.test":           {MX: []dns.MX{{Preference: 1, Host: "mixed.test"}}, A: []string{"127.0.0.1", "203.0.113.5"}},
		"localfallback.test":   {A: []string{"192.168.1.1"}},
		"backup.test":          {MX: []dns.MX{{Preference: 10, Host: "mx1.plain.test"}, {Preference: 20, Host: "desk.test"}, {Preference: 20, Host: "mx2.plain.test"}, {Preference: 30, Host: "fallback.test"}}},
		"desk.test":            {A: []string{"203.0.113.99"}},
		"ours.test":            {MX: []dns.MX{{Preference: 10, Host: "desk.test"}, {Preference: 20, Host: "mx1.plain.test"}}},
		"oursbyip.test":        {MX: []dns.MX{{Preference: 10, Host: "other-name.test"}}},
		"other-name.test":      {A: []string{"203.0.113.99"}},
		"signed.test":          {MX: []dns.MX{{Preference: 1, Host: "mx.signed.test"}, {Preference: 2, Host: "mx2.plain.test"}}, Authentic: true},
		"mx.signed.test":       {A: []string{"203.0.113.6"}, Authentic: true},
	}
	many := dns.Records{}
	for i := range 15 {
		host := fmt.Sprintf("h%02d.many.test", i)
		many.MX = append(many.MX, dns.MX{Preference: uint16(i), Host: host})
		var r dns.Records
		for j := range 9 {
			r.A = append(r.A, fmt.Sprintf("203.0.113.%d", j+1), fmt.Sprintf("2001:db8::%d", j+1))
		}
		z[host] = r
	}
	z["many.test"] = many
	dead := dns.Records{MX: []dns.MX{{Preference: 100, Host: "mx1.plain.test"}}}
	for i := range maxHosts {
		dead.MX = append(dead.MX, dns.MX{Host: fmt.Sprintf("h%d.gone.test", i)})
	}
	z["dead.test"] = dead
	return z
}

func router() *Router {
	return &Router{Resolver: zone(), Names: []string{"Desk.test."}, Own: &Own{Listeners: []netip.AddrPort{netip.MustParseAddrPort("203.0.113.99:2525")}}}
}

func names(hosts []Host) string {
	var out []string
	for _, h := range hosts {
		out = append(out, h.Name)
	}
	return strings.Join(out, " ")
}

func TestHosts(t *testing.T) {
	for domain, want := range map[string]string{
		"plain.test":         "mx1.plain.test mx2.plain.test",
		"PLAIN.test.":        "mx1.plain.test mx2.plain.test",
		"fallback.test":      "fallback.test",
		"alias.test":         "mx1.plain.test mx2.plain.test",
		"nullandmore.test":   "mx1.plain.test",
		"oneslow.test":       "mx2.plain.test",
		"twice.test":         "mx1.plain.test",
		"mixed.test":         "mixed.test",
		"backup.test":        "mx1.plain.test",
		"[203.0.113.7]":      "203.0.113.7",
		"[IPv6:2001:db8::7]": "2001:db8::7",
	} {
		hosts, err := router().Hosts(t.Context(), domain)
		if err != nil || names(hosts) != want {
			t.Errorf("%s: %q, %v; want %q", domain, names(hosts), err, want)
		}
		for _, h := range hosts {
			if h.Port != 25 || h.TLS != smtpclient.TLSOpportunistic || h.Trusted || len(h.Addresses) == 0 {
				t.Errorf("%s: %+v", domain, h)
			}
		}
	}
	hosts, err := router().Hosts(t.Context(), "mixed.test")
	if err != nil || !slices.Equal(hosts[0].Addresses, []netip.Addr{netip.MustParseAddr("203.0.113.5")}) {
		t.Errorf("the loopback address is not left out: %v, %v", hosts, err)
	}
}

func TestNoHosts(t *testing.T) {
	for _, c := range []struct {
		domain    string
		permanent bool
		reason    string
		status    string
	}{
		{"gone.test", true, bounce.HostUnknown, "5.1.2"},
		{"nothing.test", true, bounce.HostUnknown, "5.1.2"},
		{"gonehost.test", true, bounce.HostUnknown, "5.1.2"},
		{"badhost.test", true, bounce.HostUnknown, "5.1.2"},
		{"not a domain", true, bounce.HostUnknown, "5.1.2"},
		{"", true, bounce.HostUnknown, "5.1.2"},
		{"null.test", true, bounce.NotAccepting, "5.1.10"},
		{"slow.test", false, bounce.Network, "4.4.3"},
		{"slowa.test", false, bounce.Network, "4.4.3"},
		{"slowhost.test", false, bounce.Network, "4.4.3"},
		{"local.test", true, bounce.HostUnknown, "5.1.2"},
		{"localfallback.test", true, bounce.HostUnknown, "5.1.2"},
		{"[127.0.0.1]", true, bounce.HostUnknown, "5.1.2"},
		{"[IPv6:::1]", true, bounce.HostUnknown, "5.1.2"},
		{"[IPv6:::ffff:10.0.0.1]", true, bounce.HostUnknown, "5.1.2"},
		{"[203.0.113.99]", true, bounce.Loop, "5.4.6"},
		{"ours.test", true, bounce.Loop, "5.4.6"},
		{"oursbyip.test", true, bounce.Loop, "5.4.6"},
		{"desk.test", true, bounce.Loop, "5.4.6"},
	} {
		hosts, err := router().Hosts(t.Context(), c.domain)
		var e *Error
		if !errors.As(err, &e) || hosts != nil || e.Permanent != c.permanent || e.Reason != c.reason || e.Status != c.status || e.Text == "" {
			t.Errorf("%q: %v, %+v", c.domain, hosts, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := router().Hosts(ctx, "plain.test"); !errors.Is(err, context.Canceled) || err.(*Error).Permanent {
		t.Errorf("ended context: %v", err)
	}
}

func TestHostsAllowPrivate(t *testing.T) {
	r := router()
	r.AllowPrivate, r.Port = true, 2525
	hosts, err := r.Hosts(t.Context(), "local.test")
	if err != nil || names(hosts) != "localhost.local.test inside.local.test" || hosts[0].Port != 2525 {
		t.Errorf("%+v, %v", hosts, err)
	}
	if hosts, err = r.Hosts(t.Context(), "[127.0.0.1]"); err != nil || len(hosts) != 1 {
		t.Errorf("%+v, %v", hosts, err)
	}
}

func TestAuthentic(t *testing.T) {
	hosts, err := router().Hosts(t.Context(), "signed.test")
	if err != nil || len(hosts) != 2 || !hosts[0].Authentic || hosts[1].Authentic {
		t.Errorf("%+v, %v", hosts, err)
	}
}

func TestBounds(t *testing.T) {
	hosts, err := router().Hosts(t.Context(), "many.test")
	if err != nil {
		t.Fatal(err)
	}
	targets := Targets(hosts)
	if len(hosts) != 4 || len(targets) != maxAddresses || len(hosts[0].Addresses) != maxHostAddresses || hosts[0].Name != "h00.many.test" {
		t.Errorf("%d hosts, %d addresses", len(hosts), len(targets))
	}
	for i, target := range targets[:maxHostAddresses] {
		if target.Addr.Addr().Is6() != (i%2 == 0) || target.Addr.Port() != 25 || target.Host.Name != "h00.many.test" {
			t.Errorf("target %d: %v", i, target)
		}
	}
	var e *Error
	if hosts, err := router().Hosts(t.Context(), "dead.test"); !errors.As(err, &e) || e.Permanent || hosts != nil {
		t.Errorf("a domain of which we looked at some hosts alone: %v, %v", hosts, err)
	}
	var few []dns.MX
	for i := range 30 {
		few = append(few, dns.MX{Preference: 1, Host: fmt.Sprintf("h%d.test", i)})
	}
	if got := usable(few); len(got) != maxHosts {
		t.Errorf("%d hosts", len(got))
	}
}

// TestHere: a domain that this server serves is reached at its own listener, but only when its mail hosts say so.
func TestHere(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:2525")
	r := Router{
		Names: []string{"mail.desk.test"},
		Here: func(_ context.Context, domain string) (netip.AddrPort, error) {
			return at, map[string]error{"other.test": ErrNotServed, "unclear.test": errors.New("the database is away")}[domain]
		},
		Resolver: dns.Fake{
			"here.test":      {MX: []dns.MX{{Preference: 10, Host: "mail.desk.test"}, {Preference: 20, Host: "backup.test"}}},
			"other.test":     {MX: []dns.MX{{Preference: 10, Host: "mail.desk.test"}}},
			"unclear.test":   {MX: []dns.MX{{Preference: 10, Host: "mail.desk.test"}}},
			"elsewhere.test": {MX: []dns.MX{{Preference: 10, Host: "backup.test"}, {Preference: 20, Host: "mail.desk.test"}}},
			"mail.desk.test": {A: []string{"203.0.113.9"}},
			"backup.test":    {A: []string{"203.0.113.10"}},
		},
	}
	for domain, want := range map[string]netip.AddrPort{
		"here.test": at, "elsewhere.test": netip.MustParseAddrPort("203.0.113.10:25"), "other.test": {},
	} {
		hosts, err := r.Hosts(t.Context(), domain)
		switch {
		case !want.IsValid():
			if !errors.Is(err, ErrNotServed) {
				t.Errorf("%s: %v, %v", domain, hosts, err)
			}
		case err != nil || len(hosts) != 1 || netip.AddrPortFrom(hosts[0].Addresses[0], hosts[0].Port) != want || hosts[0].Trusted != (want == at):
			t.Errorf("%s: %+v, %v", domain, hosts, err)
		}
	}
	var e *Error
	if _, err := r.Hosts(t.Context(), "unclear.test"); !errors.As(err, &e) || e.Permanent || errors.Is(err, ErrNotServed) {
		t.Errorf("when it is not known whether it is served here: %v", err)
	}
}

// TestShuffle: hosts of one preference take turns, and never leave it.
func TestShuffle(t *testing.T) {
	records := []dns.MX{{Preference: 20, Host: "c.test"}, {Preference: 10, Host: "a.test"}, {Preference: 10, Host: "b.test"}}
	first := map[string]bool{}
	for range 200 {
		got := usable(records)
		if len(got) != 3 || got[2].Host != "c.test" {
			t.Fatalf("%v", got)
		}
		first[got[0].Host] = true
	}
	if len(first) != 2 {
		t.Errorf("always the same host first: %v", first)
	}
}

func TestVia(t *testing.T) {
	auth := &smtpclient.Auth{Username: "desk"}
	for _, c := range []struct{ host, name, addr string }{
		{"fallback.test", "fallback.test", "203.0.113.3"},
		{"inside.local.test", "inside.local.test", "fd00::1"},
		{"127.0.0.1", "127.0.0.1", "127.0.0.1"},
		{"[::1]", "::1", "::1"},
	} {
		hosts, err := router().Via(t.Context(), Smarthost{Host: c.host, Port: 587, TLS: smtpclient.TLSVerified, Implicit: true, Auth: auth})
		if err != nil || len(hosts) != 1 {
			t.Fatalf("%s: %v, %v", c.host, hosts, err)
		}
		if h := hosts[0]; h.Name != c.name || h.Addresses[0].String() != c.addr || h.Port != 587 || h.TLS != smtpclient.TLSVerified || !h.Implicit || h.Auth != auth || !h.Trusted || !h.Relay {
			t.Errorf("%s: %+v", c.host, h)
		}
	}
	for _, host := range []string{"gone.test", "slow.test", ""} {
		_, err := router().Via(t.Context(), Smarthost{Host: host})
		var e *Error
		if !errors.As(err, &e) || e.Permanent {
			t.Errorf("%q: %v: our own mistake may not be permanent", host, err)
		}
	}
}

func TestForbidden(t *testing.T) {
	for _, s := range []string{
		"127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1",
		"192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "100::1", "2001::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::1", "2002:c0a8:1::1",
	} {
		if !forbidden(netip.MustParseAddr(s)) {
			t.Errorf("%s is allowed", s)
		}
	}
	for _, s := range []string{"203.0.113.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "198.20.0.1", "2001:db8::1", "2600::1", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"} {
		if forbidden(netip.MustParseAddr(s)) {
			t.Errorf("%s is forbidden", s)
		}
	}
	if !forbidden(netip.Addr{}) {
		t.Error("no address at all is allowed")
	}
}

// TestSite: domains with the very same MX hosts share a site, whatever the order and their preferences; no others do.
func TestSite(t *testing.T) {
	r := &Router{Resolver: dns.Fake{
		"a.test":    {MX: []dns.MX{{Preference: 10, Host: "one.big.test"}, {Preference: 20, Host: "two.big.test"}}},
		"b.test":    {MX: []dns.MX{{Preference: 5, Host: "TWO.big.test."}, {Preference: 5, Host: "one.big.test"}}},
		"less.test": {MX: []dns.MX{{Preference: 10, Host: "one.big.test"}}},
		"more.test": {MX: []dns.MX{{Preference: 10, Host: "one.big.test"}, {Preference: 20, Host: "two.big.test"}, {Preference: 30, Host: "own.more.test"}}},
		"own.test":  {A: []string{"203.0.113.1"}}, "one.big.test": {A: []string{"203.0.113.2"}},
		"two.big.test": {A: []string{"203.0.113.3"}}, "own.more.test": {A: []string{"203.0.113.4"}},
	}}
	for domain, want := range map[string]string{
		"a.test": "one.big.test two.big.test", "b.test": "one.big.test two.big.test", "less.test": "one.big.test",
		"more.test": "one.big.test own.more.test two.big.test", "own.test": "own.test", "[203.0.113.9]": "203.0.113.9",
	} {
		hosts, err := r.Hosts(t.Context(), domain)
		if err != nil {
			t.Errorf("%s: %v", domain, err)
		}
		for _, h := range hosts {
			if h.Site != want {
				t.Errorf("%s: %s is of site %q, want %q", domain, h.Name, h.Site, want)
			}
		}
	}
	if hosts, err := r.Via(t.Context(), Smarthost{Host: "one.big.test", Port: 25}); err != nil || hosts[0].Site != "" {
		t.Errorf("a smart host: %+v, %v", hosts, err)
	}
}
