// Package dns is how the rest of the program asks the DNS: one small interface, a caching
// resolver for real life, and a fake that is a plain value.
package dns

import (
	"context"
	"errors"
	"net/netip"
)

// The two answers that are no records. Everything else that goes wrong is a temporary error:
// it must lead to a retry, never to a refusal.
var (
	ErrNotFound = errors.New("no such record") // NXDOMAIN, or a name without that type
	ErrTemp     = errors.New("temporary DNS error")
)

// MX is one mail exchanger. Host is without trailing dot; "" is the null MX (RFC 7505).
type MX struct {
	Preference uint16
	Host       string
}

// TLSA is one record of RFC 6698.
type TLSA struct {
	Usage, Selector, MatchingType uint8
	Data                          []byte
}

// Resolver asks the DNS. Names are taken with or without trailing dot. An answer without records is
// ErrNotFound (perhaps wrapped); authentic tells whether a validating resolver vouched for it.
type Resolver interface {
	TXT(ctx context.Context, name string) (records []string, authentic bool, err error)
	MX(ctx context.Context, name string) (records []MX, authentic bool, err error)
	IP(ctx context.Context, name string) (addresses []netip.Addr, authentic bool, err error) // A and AAAA
	// IPFamily asks for one type alone, AAAA when v6: SPF (RFC 7208 section 5) must know of each whether it failed.
	IPFamily(ctx context.Context, name string, v6 bool) (addresses []netip.Addr, authentic bool, err error)
	PTR(ctx context.Context, ip netip.Addr) (names []string, authentic bool, err error)
	TLSA(ctx context.Context, name string) (records []TLSA, authentic bool, err error)
	// CNAME asks what the name is an alias of, one step only; ErrNotFound: it is none.
	CNAME(ctx context.Context, name string) (target string, authentic bool, err error)
}
