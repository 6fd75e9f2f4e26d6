package network

import (
	"net"
	"net/netip"
	"testing"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestWhatCountsAsOne(t *testing.T) {
	for peer, want := range map[string]struct{ client, of, around string }{
		"192.0.2.7:80":             {"192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"},
		"[::ffff:192.0.2.7]:80":    {"192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"},
		"[2001:db8:1:2:3::4]:80":   {"2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1:2::/64"},
		"[fe80::1%eth0]:80":        {"fe80::1", "fe80::/64", "fe80::/64"},
		"[::ffff:0.0.0.0%eth0]:80": {"0.0.0.0", "0.0.0.0/32", "0.0.0.0/24"},
	} {
		peer := netip.MustParseAddrPort(peer)
		if got := Client(net.TCPAddrFromAddrPort(peer)); got.String() != want.client {
			t.Errorf("the client at %s is %v, want %s", peer, got, want.client)
		}
		if got := Of(peer.Addr()); got.String() != want.of {
			t.Errorf("the network of %s is %v, want %s", peer, got, want.of)
		}
		if got := Around(peer.Addr()); got.String() != want.around {
			t.Errorf("around %s is %v, want %s", peer, got, want.around)
		}
	}
	nobody := Client(&net.UnixAddr{Name: "/x", Net: "unix"})
	if nobody.IsValid() || Of(nobody).IsValid() || Around(nobody).IsValid() {
		t.Errorf("a Unix socket has the address %v, in %v and %v", nobody, Of(nobody), Around(nobody))
	}
}

func TestContains(t *testing.T) {
	list := prefixes("192.0.2.128/25", "::ffff:198.51.100.0/120", "2001:db8::/32", "fe80::/10", "10.1.2.3/8")
	for client, want := range map[string]bool{
		"192.0.2.128": true, "192.0.2.127": false, "::ffff:192.0.2.200": true, "::ffff:192.0.2.1": false,
		"198.51.100.9": true, "::ffff:198.51.100.9": true, "198.51.101.9": false,
		"2001:db8::1": true, "2001:db9::1": false, "fe80::1%eth0": true, "10.9.9.9": true,
	} {
		if got := Contains(list, netip.MustParseAddr(client)); got != want {
			t.Errorf("%s: %v, want %v", client, got, want)
		}
	}
	for _, all := range []string{"0.0.0.0/0", "::ffff:0.0.0.0/96"} {
		if !Contains(prefixes(all), netip.MustParseAddr("192.0.2.1")) || Contains(prefixes(all), netip.MustParseAddr("2001:db8::1")) {
			t.Errorf("%s is not all of IPv4, and nothing else", all)
		}
	}
	if Contains(prefixes("0.0.0.0/0", "::/0"), netip.Addr{}) || Contains(nil, netip.MustParseAddr("192.0.2.1")) {
		t.Error("nobody is contained, or somebody in an empty list")
	}
}

func TestList(t *testing.T) {
	allowed := prefixes("192.0.2.128/25", "2001:db8::/32", "203.0.113.0/24", "::ffff:198.51.100.0/120")
	blocked := prefixes("192.0.2.0/24", "2001:db8:1::/48", "2001:db8:1:1::/64", "203.0.113.0/24", "198.51.100.7/32")
	for client, want := range map[string]Listing{
		"192.0.2.1": Blocked, "192.0.2.200": Allowed, "::ffff:192.0.2.1": Blocked, "::ffff:192.0.2.200": Allowed,
		"2001:db8::1": Allowed, "2001:db8:1::1": Blocked, "2001:db8:1:1::1": Blocked,
		"203.0.113.5": Blocked, "198.51.100.1": Allowed, "198.51.100.7": Blocked, "8.8.8.8": Unlisted, "": Unlisted,
	} {
		a, _ := netip.ParseAddr(client) // "" is no address
		if got := List(allowed, blocked, a); got != want {
			t.Errorf("%q: %d, want %d", client, got, want)
		}
	}
	for _, test := range []struct {
		allowed, blocked int
		want             Listing
	}{{-1, -1, Unlisted}, {0, -1, Allowed}, {-1, 0, Blocked}, {0, 0, Blocked}, {5, 4, Allowed}, {4, 5, Blocked}} {
		if got := MoreExact(test.allowed, test.blocked); got != test.want {
			t.Errorf("%d against %d: %d, want %d", test.allowed, test.blocked, got, test.want)
		}
	}
}
