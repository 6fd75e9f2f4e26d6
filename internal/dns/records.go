package dns

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// TXT implements Resolver. The character-strings of a record are joined.
func (s *System) TXT(ctx context.Context, name string) (out []string, authentic bool, err error) {
	records, authentic, err := s.lookup(ctx, name, dns.TypeTXT)
	for _, rr := range records {
		if r, ok := rr.(*dns.TXT); ok {
			out = append(out, unescapeText(strings.Join(r.Txt, "")))
		}
	}
	return out, authentic, err
}

// MX implements Resolver.
func (s *System) MX(ctx context.Context, name string) (out []MX, authentic bool, err error) {
	records, authentic, err := s.lookup(ctx, name, dns.TypeMX)
	for _, rr := range records {
		if r, ok := rr.(*dns.MX); ok {
			out = append(out, MX{Preference: r.Preference, Host: strings.TrimSuffix(r.Mx, ".")})
		}
	}
	return out, authentic, err
}

// IP implements Resolver. It asks for A and AAAA at once.
func (s *System) IP(ctx context.Context, name string) ([]netip.Addr, bool, error) {
	six := make(chan answer[netip.Addr], 1)
	go func() { six <- s.addresses(ctx, name, dns.TypeAAAA) }() // ends with ctx, and is waited for
	four := s.addresses(ctx, name, dns.TypeA)
	return mergeIP(four, <-six)
}

// IPFamily implements Resolver.
func (s *System) IPFamily(ctx context.Context, name string, v6 bool) ([]netip.Addr, bool, error) {
	typ := dns.TypeA
	if v6 {
		typ = dns.TypeAAAA
	}
	a := s.addresses(ctx, name, typ)
	return a.records, a.authentic, a.err
}

func (s *System) addresses(ctx context.Context, name string, typ uint16) (a answer[netip.Addr]) {
	records, authentic, err := s.lookup(ctx, name, typ)
	a.authentic, a.err = authentic, err
	for _, rr := range records {
		var ip netip.Addr
		switch r := rr.(type) {
		case *dns.A:
			ip, _ = netip.AddrFromSlice(r.A.To4())
		case *dns.AAAA:
			ip, _ = netip.AddrFromSlice(r.AAAA.To16())
		}
		if ip.IsValid() {
			a.records = append(a.records, ip)
		}
	}
	return a
}

// PTR implements Resolver. Names that no host can have are left out: whoever owns the address chose them.
func (s *System) PTR(ctx context.Context, ip netip.Addr) (out []string, authentic bool, err error) {
	records, authentic, err := s.lookup(ctx, reverse(ip), dns.TypePTR)
	for _, rr := range records {
		if r, ok := rr.(*dns.PTR); ok && isHostName(strings.TrimSuffix(r.Ptr, ".")) {
			out = append(out, strings.TrimSuffix(r.Ptr, "."))
		}
	}
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%w: no host name", ErrNotFound)
	}
	return out, authentic, err
}

// TLSA implements Resolver.
func (s *System) TLSA(ctx context.Context, name string) (out []TLSA, authentic bool, err error) {
	records, authentic, err := s.lookup(ctx, name, dns.TypeTLSA)
	for _, rr := range records {
		r, ok := rr.(*dns.TLSA)
		if !ok {
			continue
		}
		data, err := hex.DecodeString(r.Certificate)
		if err != nil {
			continue // cannot be: the library made it of bytes
		}
		out = append(out, TLSA{Usage: r.Usage, Selector: r.Selector, MatchingType: r.MatchingType, Data: data})
	}
	return out, authentic, err
}

// CNAME implements Resolver.
func (s *System) CNAME(ctx context.Context, name string) (target string, authentic bool, err error) {
	records, authentic, err := s.lookup(ctx, name, dns.TypeCNAME)
	for _, rr := range records {
		if r, ok := rr.(*dns.CNAME); ok {
			target = strings.TrimSuffix(r.Target, ".")
		}
	}
	return target, authentic, err
}

// presentation writes a name as the library wants it: fully qualified, unusual bytes as \DDD.
func presentation(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '-' || c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03d`, c)
		}
	}
	b.WriteByte('.')
	return b.String()
}

// sameName compares two names in presentation form, which may write one byte in several ways.
func sameName(a, b string) bool {
	var wa, wb [256]byte
	na, err1 := dns.PackDomainName(a, wa[:], 0, nil, false)
	nb, err2 := dns.PackDomainName(b, wb[:], 0, nil, false)
	return err1 == nil && err2 == nil && bytes.Equal(bytes.ToLower(wa[:na]), bytes.ToLower(wb[:nb]))
}

// unescapeText undoes what the library does to the bytes of a character-string.
func unescapeText(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+3 < len(s) && isDigits(s[i+1:i+4]) {
			c = (s[i+1]-'0')*100 + (s[i+2]-'0')*10 + (s[i+3] - '0')
			i += 3
		} else if c == '\\' && i+1 < len(s) {
			i++
			c = s[i]
		}
		b = append(b, c)
	}
	return string(b)
}

func escapeText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, `\%03d`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }
