package spf

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// domainSpec is a parsed macro-string (section 7.1).
type domainSpec []token

// token is a literal text, or a macro when letter is set.
type token struct {
	text       string
	letter     byte // in lower case
	escape     bool // upper-case letter: URL escaping
	digits     int  // 0: all parts
	reverse    bool
	delimiters string
}

// Where a macro-string stands decides what may be in it.
type place int

const (
	inDomain  place = iota
	inUnknown       // value of an unknown modifier
	inExplain       // text of an explanation: spaces, and the letters c, r, t
)

// parseDomainSpec parses a macro-string that ends in a macro or in a dot and a valid top label.
func parseDomainSpec(s string) (*domainSpec, error) {
	spec, err := parseMacro(s, inDomain)
	if err != nil || len(spec) == 0 {
		return nil, errSyntax
	}
	if last := spec[len(spec)-1]; last.letter == 0 && !strings.HasSuffix(s, "%%") && !strings.HasSuffix(s, "%_") && !strings.HasSuffix(s, "%-") {
		text := strings.TrimSuffix(last.text, ".")
		dot := strings.LastIndexByte(text, '.')
		if dot < 0 || !isTopLabel(text[dot+1:]) {
			return nil, errSyntax
		}
	}
	return &spec, nil
}

// isTopLabel follows section 7.1: letters, digits and inner hyphens, not digits alone.
func isTopLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' || allDigits(s) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isAlpha(s[i]) && !isDigit(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

func parseMacro(s string, where place) (domainSpec, error) {
	var spec domainSpec
	literal := func(text string) {
		if n := len(spec); n > 0 && spec[n-1].letter == 0 {
			spec[n-1].text += text
		} else {
			spec = append(spec, token{text: text})
		}
	}
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			i = len(s)
		}
		if i > 0 {
			if !isLiteral(s[:i], where) {
				return nil, errSyntax
			}
			literal(s[:i])
			s = s[i:]
			continue
		}
		if len(s) < 2 {
			return nil, errSyntax
		}
		switch s[1] {
		case '%':
			literal("%")
		case '_':
			literal(" ")
		case '-':
			literal("%20")
		case '{':
			end := strings.IndexByte(s, '}')
			if end < 0 {
				return nil, errSyntax
			}
			t, err := parseExpand(s[2:end], where)
			if err != nil {
				return nil, err
			}
			spec = append(spec, t)
			s = s[end+1:]
			continue
		default:
			return nil, errSyntax
		}
		s = s[2:]
	}
	return spec, nil
}

func isLiteral(s string, where place) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' && (s[i] != ' ' || where != inExplain) || s[i] > '~' {
			return false
		}
	}
	return true
}

// parseExpand parses what is between the braces: letter, digits, "r", delimiters.
func parseExpand(s string, where place) (token, error) {
	letters := "slodiphv"
	if where != inDomain {
		letters = "slodiphvcrt"
	}
	if s == "" || strings.IndexByte(letters, s[0]|0x20) < 0 || !isAlpha(s[0]) {
		return token{}, errSyntax
	}
	t := token{letter: s[0] | 0x20, escape: s[0] < 'a', delimiters: "."}
	rest := strings.TrimLeft(s[1:], "0123456789")
	if number := s[1 : len(s)-len(rest)]; number != "" {
		n, err := strconv.Atoi(number)
		if err != nil || n == 0 {
			return token{}, errSyntax
		}
		t.digits = n
	}
	if rest != "" && rest[0]|0x20 == 'r' {
		t.reverse, rest = true, rest[1:]
	}
	if strings.Trim(rest, ".-+,/_=") != "" {
		return token{}, errSyntax
	}
	if rest != "" {
		t.delimiters = rest
	}
	return t, nil
}

// maxExpanded bounds an expanded text before it is cut to a name; local parts and HELO names may be long.
const maxExpanded = 64 << 10

// expand makes the text of a macro-string.
func (e *evaluation) expand(ctx context.Context, spec domainSpec, domain string) string {
	var b strings.Builder
	for _, t := range spec {
		if t.letter == 0 {
			b.WriteString(t.text)
			continue
		}
		text := t.transform(e.value(ctx, t.letter, domain))
		if b.Len()+len(text) > maxExpanded {
			break
		}
		b.WriteString(text)
	}
	return b.String()
}

// expandName makes the name a domain-spec stands for, without trailing dot. One that is too long loses labels on the
// left (section 7.3).
func (e *evaluation) expandName(ctx context.Context, spec *domainSpec, domain string) string {
	if spec == nil {
		return domain
	}
	name := strings.TrimSuffix(e.expand(ctx, *spec, domain), ".")
	for len(name) > 253 {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return ""
		}
		name = rest
	}
	return name
}

// transform applies digits, reversal and escaping to a value.
func (t token) transform(value string) string {
	if t.digits > 0 || t.reverse || t.delimiters != "." {
		var parts []string
		for {
			i := strings.IndexAny(value, t.delimiters)
			if i < 0 {
				break
			}
			parts = append(parts, value[:i])
			value = value[i+1:]
		}
		parts = append(parts, value)
		if t.reverse {
			for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
				parts[i], parts[j] = parts[j], parts[i]
			}
		}
		if t.digits > 0 && t.digits < len(parts) {
			parts = parts[len(parts)-t.digits:]
		}
		value = strings.Join(parts, ".")
	}
	if t.escape {
		value = escape(value)
	}
	return value
}

// escape is the URL escaping of section 7.3: all but the unreserved characters of RFC 3986.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; isAlpha(c) || isDigit(c) || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// value is what a macro letter stands for (section 7.2).
func (e *evaluation) value(ctx context.Context, letter byte, domain string) string {
	switch letter {
	case 's':
		return e.local + "@" + e.senderDomain
	case 'l':
		return e.local
	case 'o':
		return e.senderDomain
	case 'd':
		return domain
	case 'i':
		return e.dottedIP()
	case 'p':
		return e.clientName(ctx, domain)
	case 'v':
		if e.ip.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'h':
		return e.helo
	case 'c':
		return e.ip.String()
	case 'r':
		if e.receiver == "" {
			return "unknown"
		}
		return e.receiver
	case 't':
		return strconv.FormatInt(e.now.Unix(), 10)
	}
	return ""
}

// dottedIP is an IPv4 address as always, an IPv6 address as its 32 digits with dots between.
func (e *evaluation) dottedIP() string {
	if e.ip.Is4() {
		return e.ip.String()
	}
	a := e.ip.As16()
	digits := strings.ToUpper(hex.EncodeToString(a[:]))
	return strings.Join(strings.Split(digits, ""), ".")
}
