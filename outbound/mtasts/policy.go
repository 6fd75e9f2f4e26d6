package mtasts

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mxdesk/internal/address"
)

// Mode is what a domain asks of those who send to it.
type Mode string

// The modes of RFC 8461 section 5.
const (
	None    Mode = "none"    // as if there were no policy
	Testing Mode = "testing" // deliver anyway
	Enforce Mode = "enforce" // only to a host that matches and proves who it is
)

// Bounds on what a domain's owner can make us keep.
const (
	maxPolicy = 64 << 10 // octets of a policy
	maxHosts  = 100
	maxAge    = 31_557_600 // seconds: a year (RFC 8461 section 3.2)
	maxID     = 32
)

// ErrPolicy is wrapped by the error for a policy that cannot be understood.
var ErrPolicy = errors.New("not a valid MTA-STS policy")

// Policy is what a domain published. The zero value is no policy.
type Policy struct {
	ID     string // of the DNS record it was fetched for
	Mode   Mode
	MX     []string // host names in lower case; "*." in front stands for one label
	MaxAge time.Duration

	Problem string // why the one that the DNS speaks of is not known, as TLS reports name it; only without a policy
}

// Enforced tells whether the policy forbids delivery to other hosts, and without a valid certificate.
func (p Policy) Enforced() bool { return p.Mode == Enforce }

// Lines are the policy as TLS reports show it (RFC 8460 section 4.4).
func (p Policy) Lines() []string {
	lines := []string{"version: STSv1", "mode: " + string(p.Mode)}
	for _, mx := range p.MX {
		lines = append(lines, "mx: "+mx)
	}
	return append(lines, "max_age: "+strconv.Itoa(int(p.MaxAge/time.Second)))
}

// Matches tells whether a host, named without trailing dot, is one of the policy's (RFC 8461 section 4.1).
func (p Policy) Matches(host string) bool {
	host = strings.ToLower(host)
	_, parent, _ := strings.Cut(host, ".")
	for _, pattern := range p.MX {
		if wild, ok := strings.CutPrefix(pattern, "*."); pattern == host || ok && parent == wild {
			return true
		}
	}
	return false
}

// ParseRecord finds the id in the TXT records of _mta-sts.domain. Unless exactly one of them is
// an MTA-STS record the domain has none (RFC 8461 section 3.1).
func ParseRecord(records []string) (id string, ok bool) {
	record := ""
	for _, r := range records {
		if version, _, _ := strings.Cut(r, ";"); strings.TrimRight(version, " \t") != "v=STSv1" {
			continue
		}
		if record != "" {
			return "", false
		}
		record = r
	}
	for _, field := range strings.Split(record, ";") {
		name, value, _ := strings.Cut(strings.Trim(field, " \t"), "=")
		if name == "id" {
			return value, validID(value)
		}
	}
	return "", false
}

func validID(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}

// ParsePolicy reads a policy as it is served (RFC 8461 section 3.2): lines of key and value, in any order. Of a key
// that comes twice the first counts, except mx. The error wraps ErrPolicy.
func ParsePolicy(text string) (Policy, error) {
	var p Policy
	seen := map[string]string{}
	if len(text) > maxPolicy {
		return p, fmt.Errorf("%w: longer than %d octets", ErrPolicy, maxPolicy)
	}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.Trim(value, " \t")
		if !ok {
			continue
		}
		if key == "mx" {
			pattern, ok := parsePattern(value)
			if !ok || len(p.MX) == maxHosts {
				return Policy{}, fmt.Errorf("%w: mx %.100q", ErrPolicy, value)
			}
			p.MX = append(p.MX, pattern)
		} else if _, twice := seen[key]; !twice {
			seen[key] = value
		}
	}
	seconds, err := strconv.ParseUint(seen["max_age"], 10, 40)
	p.Mode = Mode(seen["mode"])
	switch {
	case seen["version"] != "STSv1":
		return Policy{}, fmt.Errorf("%w: version %.100q", ErrPolicy, seen["version"])
	case p.Mode != None && p.Mode != Testing && p.Mode != Enforce:
		return Policy{}, fmt.Errorf("%w: mode %.100q", ErrPolicy, seen["mode"])
	case err != nil:
		return Policy{}, fmt.Errorf("%w: max_age %.100q", ErrPolicy, seen["max_age"])
	case p.Mode != None && len(p.MX) == 0:
		return Policy{}, fmt.Errorf("%w: no mx", ErrPolicy)
	}
	p.MaxAge = time.Duration(min(seconds, maxAge)) * time.Second
	return p, nil
}

func parsePattern(s string) (string, bool) {
	name, wild := strings.CutPrefix(s, "*.")
	name, err := address.ParseDomain(name)
	if err != nil || name[0] == '[' {
		return "", false
	}
	if wild {
		name = "*." + name
	}
	return name, true
}
