package dns

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ErrZone is wrapped by the errors of ParseZone.
var ErrZone = errors.New("zone file")

// ParseZone reads zone data for a Fake from YAML: owner names, each with a list of records.
//
//	example.com:
//	- TXT: v=spf1 mx -all          # a list of strings is one record of several character-strings
//	- MX: [10, mail.example.com]
//	- A: 192.0.2.1                 # also AAAA, PTR, CNAME, NS, and TLSA: [3, 1, 1, hexadecimal]
//	slow.example.com:
//	- TIMEOUT: true                # every type not listed fails; SERVFAIL likewise
//
// NS records only make their name exist.
func ParseZone(text string) (Fake, error) {
	root, err := parseYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrZone, err)
	}
	if root.scalar != "" || root.list != nil {
		return nil, fmt.Errorf("%w: expected names with records", ErrZone)
	}
	f := make(Fake, len(root.pairs))
	for _, p := range root.pairs {
		name := canonical(p.key)
		r := f[name]
		for _, record := range append(p.value.list, node{pairs: p.value.pairs}) {
			if record.scalar != "" { // "- TIMEOUT"
				record.pairs = []pair{{record.scalar, node{scalar: "true"}}}
			}
			for _, one := range record.pairs {
				if err := r.add(strings.ToUpper(one.key), one.value); err != nil {
					return nil, fmt.Errorf("%w: %s: %s: %w", ErrZone, name, one.key, err)
				}
			}
		}
		f[name] = r
	}
	return f, nil
}

// add puts one record of the zone file to the others of its name.
func (r *Records) add(typ string, v node) error {
	switch typ {
	case "TXT":
		text, ok := v.joined()
		if !ok {
			return errors.New("expected a text or a list of texts")
		}
		r.TXT = append(r.TXT, text)
	case "PTR":
		r.PTR = append(r.PTR, strings.TrimSuffix(v.scalar, "."))
	case "CNAME":
		r.CNAME = canonical(v.scalar)
	case "A", "AAAA":
		ip, err := netip.ParseAddr(v.scalar)
		if err != nil || ip.Is6() != (typ == "AAAA") || ip.Zone() != "" {
			return errors.New("not an address of that kind")
		}
		r.A = append(r.A, ip.String())
	case "MX":
		return r.addMX(v)
	case "TLSA":
		return r.addTLSA(v)
	case "TIMEOUT", "SERVFAIL":
		r.Fail = r.Fail || strings.EqualFold(v.scalar, "true")
	}
	return nil
}

// joined puts the character-strings of one record together.
func (n node) joined() (text string, ok bool) {
	var b strings.Builder
	b.WriteString(n.scalar)
	for _, s := range n.list {
		if s.list != nil || s.pairs != nil {
			return "", false
		}
		b.WriteString(s.scalar)
	}
	return b.String(), n.pairs == nil
}

// words are the fields of a record, written as a list or in one scalar.
func (n node) words() []string {
	if n.list == nil {
		return strings.Fields(n.scalar)
	}
	var out []string
	for _, s := range n.list {
		out = append(out, s.scalar)
	}
	return out
}

func (r *Records) addMX(v node) error {
	w := v.words()
	if len(w) != 2 {
		return errors.New("expected [preference, host]")
	}
	preference, err := strconv.ParseUint(w[0], 10, 16)
	if err != nil {
		return errors.New("the preference is no number up to 65535")
	}
	r.MX = append(r.MX, MX{Preference: uint16(preference), Host: strings.TrimSuffix(w[1], ".")})
	return nil
}

func (r *Records) addTLSA(v node) error {
	w := v.words()
	if len(w) != 4 {
		return errors.New("expected [usage, selector, matching type, data]")
	}
	var numbers [3]uint8
	for i := range numbers {
		n, err := strconv.ParseUint(w[i], 10, 8)
		if err != nil {
			return errors.New("a field is no number up to 255")
		}
		numbers[i] = uint8(n)
	}
	data, err := hex.DecodeString(w[3])
	if err != nil {
		return errors.New("the data is not hexadecimal")
	}
	r.TLSA = append(r.TLSA, TLSA{Usage: numbers[0], Selector: numbers[1], MatchingType: numbers[2], Data: data})
	return nil
}
