// Package address parses and normalises mail addresses, and makes the signed ones:
// the reply address that names a ticket and a participant, the return path that names a
// delivery, and the Message-ID that names both.
package address

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"mxdesk/internal/octets"
)

// Limits in octets: RFC 5321 sections 4.5.3.1.1 to 4.5.3.1.3 (a path is 256 with its brackets).
const (
	MaxLocal   = 64
	MaxDomain  = 255
	MaxAddress = 254
)

// ErrSyntax is wrapped by every error of Parse.
var ErrSyntax = errors.New("not a mail address")

// Address is one mailbox. Local is without quotes, as its owner wrote it; Domain is in lower
// case and in A-labels (RFC 5890), or an address literal with its brackets.
// The zero value is the null reverse-path.
type Address struct {
	Local  string
	Domain string
}

// IsZero tells whether a is the null reverse-path, `<>`.
func (a Address) IsZero() bool { return a == Address{} }

// String is the address as it goes into an SMTP command or a header field, the local part
// quoted when it must be (RFC 5321 section 4.1.2). The null reverse-path is "".
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	if isDotString(a.Local) {
		return a.Local + "@" + a.Domain
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(a.Local); i++ {
		if c := a.Local[i]; c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(a.Local[i])
	}
	b.WriteString(`"@`)
	b.WriteString(a.Domain)
	return b.String()
}

// Key is the form by which two spellings of one mailbox are found to be the same: all in
// lower case. RFC 5321 section 2.4 lets a host tell "Bob" from "bob"; none that people use does.
func (a Address) Key() string { return strings.ToLower(a.String()) }

// ASCII tells whether the address can be sent to a host without SMTPUTF8 (RFC 6531).
func (a Address) ASCII() bool {
	return octets.IsASCII([]byte(a.Local)) && octets.IsASCII([]byte(a.Domain))
}

// Parse reads the content of a path (RFC 5321 section 4.1.2, RFC 6531 section 3.3) without its brackets: the
// local part, quoted or not, an '@', and a domain or an address literal. Source routes, comments and
// folding are refused. The error wraps ErrSyntax and names what is wrong, never the address itself.
func Parse(s string) (Address, error) {
	if len(s) > MaxAddress+2*MaxLocal {
		return Address{}, fmt.Errorf("%w: longer than %d octets", ErrSyntax, MaxAddress)
	}
	if !utf8.ValidString(s) {
		return Address{}, fmt.Errorf("%w: not valid UTF-8", ErrSyntax)
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return Address{}, fmt.Errorf("%w: no '@'", ErrSyntax)
	}
	local, err := parseLocal(s[:at])
	if err != nil {
		return Address{}, err
	}
	domain, err := ParseDomain(s[at+1:])
	if err != nil {
		return Address{}, err
	}
	a := Address{Local: local, Domain: domain}
	if len(a.Local)+1+len(a.Domain) > MaxAddress {
		return Address{}, fmt.Errorf("%w: longer than %d octets", ErrSyntax, MaxAddress)
	}
	return a, nil
}

// ParseDomain normalises a domain name or address literal: lower case, A-labels, no trailing dot.
func ParseDomain(s string) (string, error) {
	if strings.HasPrefix(s, "[") {
		return parseLiteral(s)
	}
	s = strings.TrimSuffix(s, ".")
	if s == "" {
		return "", fmt.Errorf("%w: no domain", ErrSyntax)
	}
	if !octets.IsASCII([]byte(s)) {
		a, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return "", fmt.Errorf("%w: the domain is no internationalised name", ErrSyntax)
		}
		s = a
	}
	s = strings.ToLower(s)
	if len(s) > MaxDomain {
		return "", fmt.Errorf("%w: domain longer than %d octets", ErrSyntax, MaxDomain)
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return "", fmt.Errorf("%w: the domain is no host name", ErrSyntax)
		}
	}
	return s, nil
}

// isLabel follows RFC 5321 section 4.1.2 and allows the underscore, which real senders use.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func parseLiteral(s string) (string, error) {
	inner, ok := strings.CutSuffix(s[1:], "]")
	if len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:") {
		inner = inner[5:]
	}
	ip, err := netip.ParseAddr(inner)
	if !ok || err != nil || ip.Zone() != "" {
		return "", fmt.Errorf("%w: the domain is no address literal", ErrSyntax)
	}
	if ip.Is6() {
		return "[IPv6:" + ip.String() + "]", nil
	}
	return "[" + ip.String() + "]", nil
}

func parseLocal(s string) (string, error) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		l, err := unquote(s[1 : len(s)-1])
		if err != nil {
			return "", err
		}
		s = l
	} else if !isDotString(s) {
		return "", fmt.Errorf("%w: a character in the local part needs quotes", ErrSyntax)
	}
	if s == "" || len(s) > MaxLocal {
		return "", fmt.Errorf("%w: local part empty or longer than %d octets", ErrSyntax, MaxLocal)
	}
	return s, nil
}

func unquote(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) {
			i++
			c = s[i]
		} else if c == '"' || c == '\\' {
			return "", fmt.Errorf("%w: a quote in the quoted local part", ErrSyntax)
		}
		if c < ' ' || c == 0x7f {
			return "", fmt.Errorf("%w: a control character in the local part", ErrSyntax)
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// isDotString tells whether s is a Dot-string (RFC 5321 section 4.1.2), with UTF-8 as RFC 6531 allows.
func isDotString(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c == 0x7f || strings.IndexByte(`()<>[]:;@\,"`, c) >= 0 {
			return false
		}
	}
	return true
}
