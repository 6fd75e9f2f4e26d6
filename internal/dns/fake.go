package dns

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Fake is the DNS as a plain value, for tests and for `mxdesk inspect --dns`: names, in lower case and
// without trailing dot, with their records. A name that is neither a key nor above one does not exist.
//
//	dns.Fake{
//		"example.com":    {MX: []dns.MX{{Preference: 10, Host: "mx.example.com"}}},
//		"mx.example.com": {A: []string{"192.0.2.1", "2001:db8::1"}},
//		"192.0.2.1":      {PTR: []string{"mx.example.com"}},
//		"slow.example":   {Fail: true},
//	}
type Fake map[string]Records

// Records are what a Fake knows of one name.
type Records struct {
	TXT   []string
	MX    []MX
	A     []string // A and AAAA, as text
	PTR   []string // of a reverse name, or of a key that is an address
	TLSA  []TLSA
	CNAME string

	Fail      bool     // every type not listed gets a temporary error
	FailTypes []string // these types, in lower case ("mx", "aaaa"), get one even when listed
	Authentic bool     // a validating resolver vouched for the answers
}

var _ Resolver = Fake{}

// maxAliases bounds the CNAMEs followed from one name; more are taken for a loop.
const maxAliases = 10

// TXT implements Resolver.
func (f Fake) TXT(ctx context.Context, name string) ([]string, bool, error) {
	r, authentic, err := f.lookup(ctx, "txt", name)
	return slices.Clone(r.TXT), authentic, err
}

// MX implements Resolver.
func (f Fake) MX(ctx context.Context, name string) ([]MX, bool, error) {
	r, authentic, err := f.lookup(ctx, "mx", name)
	return slices.Clone(r.MX), authentic, err
}

// TLSA implements Resolver.
func (f Fake) TLSA(ctx context.Context, name string) ([]TLSA, bool, error) {
	r, authentic, err := f.lookup(ctx, "tlsa", name)
	return slices.Clone(r.TLSA), authentic, err
}

// CNAME implements Resolver.
func (f Fake) CNAME(ctx context.Context, name string) (string, bool, error) {
	r, authentic, err := f.lookup(ctx, "cname", name)
	return canonical(r.CNAME), authentic, err
}

// PTR implements Resolver.
func (f Fake) PTR(ctx context.Context, ip netip.Addr) ([]string, bool, error) {
	r, authentic, err := f.lookup(ctx, "ptr", reverse(ip))
	return slices.Clone(r.PTR), authentic, err
}

// IP implements Resolver. As in real life one family's failure does not hide the other's addresses.
func (f Fake) IP(ctx context.Context, name string) ([]netip.Addr, bool, error) {
	r4, authentic4, err4 := f.lookup(ctx, "a", name)
	r6, authentic6, err6 := f.lookup(ctx, "aaaa", name)
	return mergeIP(
		answer[netip.Addr]{r4.addresses(false), authentic4, err4},
		answer[netip.Addr]{r6.addresses(true), authentic6, err6})
}

// IPFamily implements Resolver.
func (f Fake) IPFamily(ctx context.Context, name string, v6 bool) ([]netip.Addr, bool, error) {
	typ := "a"
	if v6 {
		typ = "aaaa"
	}
	r, authentic, err := f.lookup(ctx, typ, name)
	return r.addresses(v6), authentic, err
}

// lookup finds the records of that type, following aliases.
func (f Fake) lookup(ctx context.Context, typ, name string) (r Records, authentic bool, err error) {
	if err := spend(ctx); err != nil {
		return Records{}, false, err
	}
	r, _, authentic, err = f.resolve(typ, canonical(name))
	return r, authentic, err
}

// resolve also tells the names of the aliases on the way, and at the end the name that holds the records.
// The answer is authentic when all of the way is.
func (f Fake) resolve(typ, name string) (r Records, path []string, authentic bool, err error) {
	authentic = true
	for range maxAliases {
		path = append(path, name)
		r, here := f.at(name)
		authentic = authentic && r.Authentic
		switch {
		case slices.Contains(r.FailTypes, typ):
			return Records{}, path, false, fmt.Errorf("%w: %s %s is to fail", ErrTemp, typ, name)
		case r.has(typ):
			return r, path, authentic, nil
		case r.CNAME != "":
			name = canonical(r.CNAME)
		case r.Fail:
			return Records{}, path, false, fmt.Errorf("%w: %s is to fail", ErrTemp, name)
		case here || f.above(name):
			return Records{}, path, authentic, fmt.Errorf("%w: %s %s", ErrNotFound, typ, name)
		default:
			return Records{}, path, authentic, fmt.Errorf("%w: %s", ErrNoDomain, name)
		}
	}
	return Records{}, path, false, fmt.Errorf("%w: more than %d aliases", ErrTemp, maxAliases)
}

// at is the entry of a name; that of a reverse name may be kept under the address.
func (f Fake) at(name string) (Records, bool) {
	r, ok := f[name]
	if ok || !strings.HasSuffix(name, ".arpa") {
		return r, ok
	}
	if ip, isReverse := parseReverse(name); isReverse {
		r, ok = f[ip.String()]
	}
	return r, ok
}

// above tells whether a name below this one is present (an empty non-terminal, RFC 8020).
func (f Fake) above(name string) bool {
	for owner := range f {
		if strings.HasSuffix(owner, "."+name) {
			return true
		}
	}
	return false
}

func (r Records) has(typ string) bool {
	switch typ {
	case "txt":
		return len(r.TXT) > 0
	case "mx":
		return len(r.MX) > 0
	case "ptr":
		return len(r.PTR) > 0
	case "tlsa":
		return len(r.TLSA) > 0
	case "cname":
		return r.CNAME != ""
	case "a":
		return len(r.addresses(false)) > 0
	case "aaaa":
		return len(r.addresses(true)) > 0
	}
	return false
}

// addresses are those of one family, as the A field says; a text that is no address panics, because
// a test that asks for it is wrong.
func (r Records) addresses(v6 bool) (out []netip.Addr) {
	for _, s := range r.A {
		if ip := netip.MustParseAddr(s); ip.Is6() == v6 {
			out = append(out, ip)
		}
	}
	return out
}
