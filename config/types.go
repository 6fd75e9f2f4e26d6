package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The types of options. The error of an UnmarshalText says what was expected, and nothing else.

// Role is one of the things a node can do.
type Role string

// The roles; a node may have all of them.
const (
	RoleSMTP    Role = "smtp"
	RoleDeliver Role = "deliver"
	RoleAPI     Role = "api"
	RoleJobs    Role = "jobs"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Role) UnmarshalText(text []byte) error {
	switch v := Role(text); v {
	case RoleSMTP, RoleDeliver, RoleAPI, RoleJobs:
		*r = v
		return nil
	}
	return errors.New("smtp, deliver, api or jobs")
}

// Hostname is a fully written host name.
type Hostname string

var hostnameForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hostname) UnmarshalText(text []byte) error {
	if len(text) > 255 || len(text) > 0 && !hostnameForm.Match(text) {
		return errors.New(`a host name such as "mail.example.org"`)
	}
	*h = Hostname(text)
	return nil
}

// Size is a number of bytes.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalText implements encoding.TextUnmarshaler: a whole number with B, KiB, MiB or GiB, or bare bytes.
func (s *Size) UnmarshalText(text []byte) error {
	expected := errors.New(`a size such as "512KiB" or "35MiB"`)
	number, factor := string(text), int64(1)
	for _, u := range sizeUnits {
		if n, found := strings.CutSuffix(number, u.name); found {
			number, factor = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<50)/factor {
		return expected
	}
	*s = Size(n * factor)
	return nil
}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if int64(s)%u.bytes == 0 && s != 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// parseDuration takes what time.ParseDuration takes, and whole days: "5d".
func parseDuration(text string) (time.Duration, error) {
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 14); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New(`a duration such as "30s", "5m" or "1h30m"`)
	}
	return d, nil
}

// formatDuration is time.Duration's own form without the zeros at its end: 5m, not 5m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Listener is an address in the form that net.Listen takes.
type Listener struct {
	Network string // "tcp" or "unix"
	Address string // HOST:PORT, or a path
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Listener) UnmarshalText(text []byte) error {
	if path, found := strings.CutPrefix(string(text), "unix:"); found && path != "" {
		*l = Listener{"unix", path}
		return nil
	}
	if _, ok := splitHostPort(string(text)); !ok {
		return errors.New(`an address such as "127.0.0.1:2525", "[::1]:25", ":25" or "unix:/run/mxdesk/smtp.sock"`)
	}
	*l = Listener{"tcp", string(text)}
	return nil
}

// String writes the listener as it stands in the file.
func (l Listener) String() string {
	if l.Network == "unix" {
		return "unix:" + l.Address
	}
	return l.Address
}

// NameServer is a server that answers DNS questions.
type NameServer struct {
	Address string // HOST:PORT
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *NameServer) UnmarshalText(text []byte) error {
	if host, ok := splitHostPort(string(text)); !ok || host == "" {
		return errors.New(`an address such as "127.0.0.1:53" or "[::1]:53"`)
	}
	*n = NameServer{string(text)}
	return nil
}

// String writes the name server as it stands in the file.
func (n NameServer) String() string { return n.Address }

// Mailbox is a mail address.
type Mailbox string

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mailbox) UnmarshalText(text []byte) error {
	word := string(text)
	local, domain, ok := strings.Cut(word, "@")
	if word != "" && (!ok || local == "" || strings.ContainsAny(local, " \t<>") || len(domain) > 255 || !hostnameForm.MatchString(domain)) {
		return errors.New(`an address such as "postmaster@example.org"`)
	}
	*m = Mailbox(word)
	return nil
}

// Sender is an address, or a domain with all below it, in lower case.
type Sender string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Sender) UnmarshalText(text []byte) error {
	word := strings.ToLower(string(text))
	local, domain, isAddress := strings.Cut(word, "@")
	if !isAddress {
		domain = local
	}
	if isAddress && (local == "" || strings.ContainsAny(local, " \t<>@")) || len(domain) > 255 || !hostnameForm.MatchString(domain) {
		return errors.New(`an address such as "spam@example.org", or a domain such as "example.org"`)
	}
	*s = Sender(word)
	return nil
}

// Blocklist is a DNS list of clients, and what being in it weighs.
type Blocklist struct {
	Zone   string
	Weight int
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Blocklist) UnmarshalText(text []byte) error {
	zone, weight, weighted := strings.Cut(string(text), "=")
	n := int64(1)
	var err error
	if weighted {
		n, err = strconv.ParseInt(weight, 10, 11) // -1024 to 1023
	}
	if err != nil || len(zone) > 180 || !hostnameForm.MatchString(zone) {
		return errors.New(`a zone such as "list.example.org", or "list.example.org=3"`)
	}
	*b = Blocklist{zone, int(n)}
	return nil
}

// String writes the list as it stands in the file.
func (b Blocklist) String() string { return b.Zone + "=" + strconv.Itoa(b.Weight) }

// WebURL is the http or https URL of a server.
type WebURL string

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *WebURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if len(text) > 0 && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil) {
		return errors.New(`a URL such as "http://127.0.0.1:11333"`)
	}
	*w = WebURL(text)
	return nil
}

// splitHostPort checks HOST:PORT, where HOST may be empty, and returns the host.
func splitHostPort(text string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || strings.ContainsAny(host, " /@") {
		return "", false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return host, err == nil
}

// The kinds of Transport.
const (
	TransportMaildir = "maildir"
	TransportDiscard = "discard"
	TransportMX      = "mx"
	TransportSMTP    = "smtp"  // smart host, STARTTLS if offered
	TransportSMTPS   = "smtps" // smart host, TLS from the start
)

// Transport says how letters leave.
type Transport struct {
	Kind    string // one of the constants
	Dir     string // maildir: the folder, made absolute by Load
	Address string // smtp, smtps: HOST:PORT
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Transport) UnmarshalText(text []byte) error {
	kind, rest, _ := strings.Cut(string(text), ":")
	v := Transport{Kind: kind}
	good := false
	switch kind {
	case TransportMX, TransportDiscard:
		good = rest == ""
	case TransportMaildir:
		v.Dir, good = rest, rest != ""
	case TransportSMTP, TransportSMTPS:
		address, slashes := strings.CutPrefix(rest, "//")
		host, ok := splitHostPort(address)
		v.Address, good = address, slashes && ok && host != ""
	}
	if !good {
		return errors.New(`"maildir:DIR", "discard:", "mx", "smtp://HOST:PORT" or "smtps://HOST:PORT"`)
	}
	*t = v
	return nil
}

// String writes the transport as it stands in the file.
func (t Transport) String() string {
	switch t.Kind {
	case TransportMaildir:
		return t.Kind + ":" + t.Dir
	case TransportSMTP, TransportSMTPS:
		return t.Kind + "://" + t.Address
	case TransportDiscard:
		return t.Kind + ":"
	}
	return t.Kind
}

// Secret is a text that is never printed: no format verb, log or JSON shows it. Convert it with string().
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(hidden)"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// Format hides the secret from every verb, %x and %q too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText hides the secret from JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DatabaseURL is a connection string: a secret, of which the part without the password may be shown.
type DatabaseURL Secret

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *DatabaseURL) UnmarshalText(text []byte) error {
	scheme, _, isURL := strings.Cut(string(text), "://")
	if len(text) > 0 && scheme != "postgres" && scheme != "postgresql" && (isURL || !strings.Contains(scheme, "=")) {
		return errors.New(`"postgres://USER@HOST:PORT/DATABASE" or "host=HOST dbname=DATABASE user=USER"`)
	}
	*u = DatabaseURL(text)
	return nil
}

// showable is a URL of which every part is plain, so that its password cannot be mistaken for another part.
// (net/url does not take the several hosts that PostgreSQL allows.)
var showable = regexp.MustCompile(`^(postgres(?:ql)?://)(?:([\w.-]+)(?::[^@/?#]*)?(@))?([\w.,:\[\]-]*)(/[\w.-]*)?(?:\?[^@]*)?$`)

// String shows user, hosts and database of a plain URL; parameters may hold a password too, so they are hidden.
func (u DatabaseURL) String() string {
	parts := showable.FindStringSubmatch(string(u))
	if parts == nil {
		return Secret(u).String()
	}
	return strings.Join(parts[1:], "")
}

// GoString hides the password from %#v.
func (u DatabaseURL) GoString() string { return u.String() }

// Format hides the password from every verb.
func (u DatabaseURL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalText hides the password from JSON and slog.
func (u DatabaseURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
