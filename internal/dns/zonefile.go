package dns

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// WithZoneFile is a Fake that also has the records of a zone file (RFC 1035 section 5): what `mxdesk dns` prints can be published
// in a test. f stays as it is, because a Server may read it. Anything but addresses, MX, TXT and PTR records is an error.
func (f Fake) WithZoneFile(text string) (Fake, error) {
	zone := maps.Clone(f)
	if zone == nil {
		zone = Fake{}
	}
	lines := dns.NewZoneParser(strings.NewReader(text), ".", "")
	lines.SetDefaultTTL(servedTTL)
	for rr, ok := lines.Next(); ok; rr, ok = lines.Next() {
		name := canonical(unescapeText(rr.Header().Name))
		r := zone[name]
		switch rr := rr.(type) {
		case *dns.A:
			r.A = including(r.A, rr.A.String())
		case *dns.AAAA:
			r.A = including(r.A, rr.AAAA.String())
		case *dns.MX:
			r.MX = including(r.MX, MX{Preference: rr.Preference, Host: strings.TrimSuffix(rr.Mx, ".")})
		case *dns.TXT:
			r.TXT = including(r.TXT, unescapeText(strings.Join(rr.Txt, "")))
		case *dns.PTR:
			r.PTR = including(r.PTR, strings.TrimSuffix(rr.Ptr, "."))
		default:
			return nil, fmt.Errorf("%w: there is no place for %s", ErrZone, rr)
		}
		zone[name] = r
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrZone, err)
	}
	return zone, nil
}

// including is a list with one more record, if it does not have it: a name has no record twice (RFC 2181 section 5).
func including[T comparable](list []T, one T) []T {
	if slices.Contains(list, one) {
		return list
	}
	return append(slices.Clip(list), one)
}
