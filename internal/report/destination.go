package report

import (
	"math"
	"net/url"
	"strconv"
	"strings"

	"mxdesk/internal/address"
)

// maxDestinations bounds how many a domain's owner can make us serve (RFC 7489 section 6.2 asks for two at least).
const maxDestinations = 4

const maxURL = 1000

// Destination is where a domain wants reports.
type Destination struct {
	Mail address.Address // or
	URL  string          // https
	Max  int64           // octets of the letter or its attachment; 0: no limit
}

// TLSDestinations reads the TXT records of _smtp._tls.domain. Unless exactly one of them is a TLSRPT record the domain wants no
// reports (RFC 8460 section 3).
func TLSDestinations(records []string) []Destination {
	record := ""
	for _, r := range records {
		if version, _, _ := strings.Cut(r, ";"); strings.TrimRight(version, " \t") != "v=TLSRPTv1" {
			continue
		}
		if record != "" {
			return nil
		}
		record = r
	}
	_, fields, _ := strings.Cut(record, ";")
	list := ""
	for field := range strings.SplitSeq(fields, ";") {
		name, value, ok := strings.Cut(strings.Trim(field, " \t"), "=")
		switch {
		case name == "" && !ok: // after the last delimiter
		case !ok:
			return nil
		case name == "rua" && list != "":
			return nil
		case name == "rua":
			list = value
		}
	}
	return destinations(list, func(string) (string, int64, bool) { return "", 0, false })
}

// DMARCDestinations reads the value of rua in a DMARC record: mail alone, perhaps with a limit such as "!10m" (RFC 7489 section 6.2).
func DMARCDestinations(rua string) []Destination {
	var mail []Destination
	for _, d := range destinations(rua, cutLimit) {
		if d.URL == "" {
			mail = append(mail, d)
		}
	}
	return mail
}

// destinations reads a list of URIs; what is neither mailto nor https is passed over.
func destinations(list string, limit func(uri string) (rest string, octets int64, ok bool)) []Destination {
	var out []Destination
	for uri := range strings.SplitSeq(list, ",") {
		uri = strings.Trim(uri, " \t")
		var d Destination
		if rest, octets, ok := limit(uri); ok {
			uri, d.Max = rest, octets
		}
		u, err := url.Parse(uri)
		if err != nil || len(uri) > maxURL || len(out) == maxDestinations {
			continue
		}
		switch {
		case u.Scheme == "mailto":
			to, err := url.PathUnescape(u.Opaque)
			if err != nil {
				continue
			}
			if d.Mail, err = address.Parse(to); err != nil || d.Mail.Domain[0] == '[' {
				continue
			}
		case u.Scheme == "https" && u.Host != "" && u.User == nil:
			d.URL = u.String()
		default:
			continue
		}
		out = append(out, d)
	}
	return out
}

// cutLimit cuts "!10m" off a URI.
func cutLimit(uri string) (rest string, octets int64, ok bool) {
	at := strings.LastIndexByte(uri, '!')
	if at < 0 {
		return uri, 0, false
	}
	digits, shift := uri[at+1:], 0
	if n := len(digits); n > 0 {
		if i := strings.IndexByte("kmgt", digits[n-1]|0x20); i >= 0 {
			digits, shift = digits[:n-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 {
		return uri, 0, false
	}
	if n > math.MaxInt64>>shift {
		return uri[:at], math.MaxInt64, true
	}
	return uri[:at], n << shift, true
}
