package spf

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"mxdesk/internal/message"
)

// errSyntax is a permerror: section 4.6 wants the whole record checked before any of it is evaluated.
var errSyntax = errors.New("syntax error in the SPF record")

// record is a parsed policy.
type record struct {
	directives []directive
	redirect   *domainSpec
	exp        *domainSpec
}

// directive is a mechanism with its qualifier.
type directive struct {
	text   string // as written
	result message.Result
	name   string      // in lower case
	spec   *domainSpec // nil: the current domain
	prefix netip.Prefix
	bits4  int // prefix lengths of a and mx
	bits6  int
}

// isRecord tells whether a TXT record is an SPF record (section 4.5).
func isRecord(txt string) bool {
	const version = "v=spf1"
	return len(txt) >= len(version) && strings.EqualFold(txt[:len(version)], version) &&
		(len(txt) == len(version) || txt[len(version)] == ' ')
}

func parseRecord(txt string) (record, error) {
	var rec record
	if len(txt) > maxRecord {
		return rec, errSyntax
	}
	for i := 0; i < len(txt); i++ {
		if txt[i] < ' ' || txt[i] > '~' {
			return rec, errSyntax
		}
	}
	for term := range strings.SplitSeq(txt[len("v=spf1"):], " ") {
		if term == "" {
			continue
		}
		if err := rec.add(term); err != nil {
			return rec, err
		}
	}
	return rec, nil
}

// add parses one term: a modifier if the first of "=:/" in it is an equals sign, else a directive.
func (rec *record) add(term string) error {
	if i := strings.IndexAny(term, "=:/"); i >= 0 && term[i] == '=' {
		return rec.addModifier(term[:i], term[i+1:])
	}
	d := directive{text: term, result: message.Pass, bits4: 32, bits6: 128}
	if r, ok := qualifiers[term[0]]; ok {
		d.result = r
		term = term[1:]
	}
	name, rest := term, ""
	if i := strings.IndexAny(term, ":/"); i >= 0 {
		name, rest = term[:i], term[i:]
	}
	d.name = strings.ToLower(name)
	if err := d.parseArgument(rest); err != nil {
		return err
	}
	rec.directives = append(rec.directives, d)
	return nil
}

var qualifiers = map[byte]message.Result{'+': message.Pass, '-': message.Fail, '~': message.SoftFail, '?': message.Neutral}

func (rec *record) addModifier(name, value string) error {
	if !isModifierName(name) {
		return errSyntax
	}
	var slot **domainSpec
	switch strings.ToLower(name) {
	case "redirect":
		slot = &rec.redirect
	case "exp":
		slot = &rec.exp
	default: // unknown ones are ignored, but must be well-formed (section 6)
		_, err := parseMacro(value, inUnknown)
		return err
	}
	if *slot != nil {
		return errSyntax
	}
	spec, err := parseDomainSpec(value)
	*slot = spec
	return err
}

func isModifierName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !isAlpha(c) && (i == 0 || !isDigit(c) && c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return s != ""
}

// parseArgument parses what follows the name of a mechanism: "", ":…" or "/…".
func (d *directive) parseArgument(rest string) (err error) {
	value, hasValue := strings.CutPrefix(rest, ":")
	switch d.name {
	case "all":
		if rest != "" {
			return errSyntax
		}
	case "include", "exists":
		if !hasValue {
			return errSyntax
		}
		d.spec, err = parseDomainSpec(value)
	case "ptr":
		if hasValue {
			d.spec, err = parseDomainSpec(value)
		} else if rest != "" {
			return errSyntax
		}
	case "a", "mx":
		if rest, err = d.cutLengths(rest); err != nil {
			return err
		}
		if value, hasValue = strings.CutPrefix(rest, ":"); hasValue {
			d.spec, err = parseDomainSpec(value)
		} else if rest != "" {
			return errSyntax
		}
	case "ip4", "ip6":
		if !hasValue {
			return errSyntax
		}
		d.prefix, err = parseNetwork(value, d.name == "ip6")
	default:
		return errSyntax
	}
	return err
}

// cutLengths takes the dual-cidr-length from the end of s: "/24", "//64" or "/24//64". What does not look like
// one stays: a domain-spec may hold slashes.
func (d *directive) cutLengths(s string) (string, error) {
	if i := digitsBehind(s, "//"); i >= 0 {
		n, ok := prefixLength(s[i+2:], 128)
		if !ok {
			return "", errSyntax
		}
		d.bits6, s = n, s[:i]
	}
	if i := digitsBehind(s, "/"); i >= 0 && (i == 0 || s[i-1] != '/') {
		n, ok := prefixLength(s[i+1:], 32)
		if !ok {
			return "", errSyntax
		}
		d.bits4, s = n, s[:i]
	}
	return s, nil
}

// digitsBehind finds the mark that is followed by digits up to the end of s, or -1.
func digitsBehind(s, mark string) int {
	end := len(strings.TrimRight(s, "0123456789"))
	if end == len(s) || !strings.HasSuffix(s[:end], mark) {
		return -1
	}
	return end - len(mark)
}

func prefixLength(s string, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= most && (s == "0" || s[0] != '0')
}

func parseNetwork(s string, v6 bool) (netip.Prefix, error) {
	address, length, hasLength := strings.Cut(s, "/")
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is6() != v6 || ip.Zone() != "" {
		return netip.Prefix{}, errSyntax
	}
	bits := ip.BitLen()
	if hasLength {
		var ok bool
		if !allDigits(length) {
			return netip.Prefix{}, errSyntax
		}
		if bits, ok = prefixLength(length, ip.BitLen()); !ok {
			return netip.Prefix{}, errSyntax
		}
	}
	return netip.PrefixFrom(ip, bits).Masked(), nil
}

func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
