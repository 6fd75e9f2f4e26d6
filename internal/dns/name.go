package dns

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// canonical is the form of a name by which it is looked up: lower case, no trailing dot.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// IsName tells whether a name can exist at all (RFC 1035 section 2.3.4). Bytes are not restricted: SPF macros
// make names that are no host names.
func IsName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return true
}

// isHostName tells whether a name is one that may be shown and compared as a host's: letters, digits, hyphen
// and the underscore, which real hosts use.
func isHostName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return IsName(name)
}

// reverse is the name under which the PTR record of an address stands (RFC 1035 section 3.5, RFC 3596 section 2.5).
func reverse(ip netip.Addr) string {
	ip = ip.Unmap()
	var b strings.Builder
	if ip.Is4() {
		a := ip.As4()
		for i := 3; i >= 0; i-- {
			b.WriteString(strconv.Itoa(int(a[i])))
			b.WriteByte('.')
		}
		b.WriteString("in-addr.arpa")
		return b.String()
	}
	a := ip.As16()
	digits := hex.EncodeToString(a[:])
	for i := len(digits) - 1; i >= 0; i-- {
		b.WriteByte(digits[i])
		b.WriteByte('.')
	}
	b.WriteString("ip6.arpa")
	return b.String()
}

// ReverseName is the name under which the PTR record of an address stands.
func ReverseName(ip netip.Addr) string { return reverse(ip) }

// parseReverse is the inverse of reverse.
func parseReverse(name string) (netip.Addr, bool) {
	var ip netip.Addr
	if s, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		part := strings.Split(s, ".")
		if len(part) != 4 {
			return ip, false
		}
		ip, _ = netip.ParseAddr(part[3] + "." + part[2] + "." + part[1] + "." + part[0])
	} else if s, ok := strings.CutSuffix(name, ".ip6.arpa"); ok && len(s) == 63 {
		digits := make([]byte, 0, 32)
		for i := 62; i >= 0; i -= 2 {
			digits = append(digits, s[i])
		}
		var a [16]byte
		if _, err := hex.Decode(a[:], digits); err == nil {
			ip = netip.AddrFrom16(a)
		}
	}
	return ip, ip.IsValid() && reverse(ip) == name
}

// ASCII is the form of a domain name in A-labels (RFC 5890). A name that is ASCII already, or that is no
// internationalised name, comes back as it is.
func ASCII(name string) string {
	for i := 0; i < len(name); i++ {
		if name[i] < utf8.RuneSelf {
			continue
		}
		if a, err := idna.Lookup.ToASCII(name); err == nil && utf8.ValidString(name) {
			return a
		}
		return name
	}
	return name
}
