package route

import (
	"errors"
	"net/netip"

	"mxdesk/internal/network"
)

// ErrForbidden is wrapped by the error for an address that a stranger's DNS must not lead us to.
var ErrForbidden = errors.New("address of a private network or of this machine")

// special are the blocks, besides those netip knows, where no mail host of the open Internet can be
// (IANA special-purpose address registries, RFC 6890).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("::/96"),           // IPv4-compatible, unspecified, loopback
	netip.MustParsePrefix("::ffff:0:0:0/96"), // IPv4-translated, of RFC 2765
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("2001::/32"),       // Teredo, which hides an IPv4 address
	netip.MustParsePrefix("fec0::/10"),       // site-local
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	nat64v1   = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

// forbidden tells whether an address is one of this machine or of a private network, also when an IPv6 address
// only wraps such an IPv4 address.
func forbidden(ip netip.Addr) bool {
	ip = network.Plain(ip)
	if !ip.IsValid() || !ip.IsGlobalUnicast() || ip.IsPrivate() || network.Contains(special, ip) {
		return true
	}
	a := ip.As16()
	switch {
	case nat64v1.Contains(ip):
		return true
	case nat64.Contains(ip):
		return forbidden(netip.AddrFrom4([4]byte(a[12:16])))
	case sixToFour.Contains(ip):
		return forbidden(netip.AddrFrom4([4]byte(a[2:6])))
	}
	return false
}
