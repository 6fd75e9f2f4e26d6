// Package network tells which clients are counted as one, and which of them a list of networks speaks of.
//
// An IPv4 address is the same however it is written: a client at ::ffff:192.0.2.1, as sockets for both families call it,
// is 192.0.2.1, and a listed ::ffff:192.0.2.0/120 is 192.0.2.0/24. The zone of a link-local address is left out: it
// names an interface of this machine, and no list does.
package network

import (
	"net"
	"net/netip"
)

// Client is the address of a peer, the zero value when it has none: all clients of a Unix socket are one.
func Client(peer net.Addr) netip.Addr {
	if a, ok := peer.(*net.TCPAddr); ok {
		return Plain(a.AddrPort().Addr())
	}
	return netip.Addr{}
}

// Of is what limits count together: an IPv4 address, or the /64 that one IPv6 customer has. No address has no network.
func Of(client netip.Addr) netip.Prefix { return cut(client, 32) }

// Around is the machines among which large senders change when they try again: the /24 or /64 of a client.
func Around(client netip.Addr) netip.Prefix { return cut(client, 24) }

// cut keeps some bits of an IPv4 address, and the upper half of an IPv6 one.
func cut(client netip.Addr, bits int) netip.Prefix {
	client = Plain(client)
	if client.Is6() {
		bits = 64
	}
	p, _ := client.Prefix(bits) // fails for lengths that no address has
	return p
}

// Contains tells whether one of the networks has the client.
func Contains(list []netip.Prefix, client netip.Addr) bool { return longest(list, client) >= 0 }

// longest is the length of the longest prefix in the list that has the client, -1 when none has.
func longest(list []netip.Prefix, client netip.Addr) int {
	client = Plain(client)
	found := -1
	for _, p := range list {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.Contains(client) {
			found = max(found, p.Bits())
		}
	}
	return found
}

// Plain is an address as it is compared: IPv4 when it is a mapped one, and without zone.
func Plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Listing is what a list of the allowed and one of the blocked say together.
type Listing int

// What they say.
const (
	Unlisted Listing = iota
	Allowed
	Blocked
)

// List is what two lists of networks say of a client: the longer prefix that has it decides; of the same, the blocked one.
func List(allowed, blocked []netip.Prefix, client netip.Addr) Listing {
	return MoreExact(longest(allowed, client), longest(blocked, client))
}

// MoreExact weighs how exactly two lists speak of something; less than 0 is not at all.
func MoreExact(allowed, blocked int) Listing {
	switch {
	case allowed < 0 && blocked < 0:
		return Unlisted
	case allowed > blocked:
		return Allowed
	}
	return Blocked
}
