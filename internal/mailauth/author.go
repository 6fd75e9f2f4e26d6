package mailauth

import (
	"errors"
	"strings"
	"unicode/utf8"

	"mxdesk/internal/address"
	"mxdesk/internal/mailauth/dkim"
	"mxdesk/internal/message"
)

var (
	errNoFrom      = errors.New("no From field with an address")
	errSeveralFrom = errors.New("not exactly one From domain")
)

// maxFrom bounds the From field that is read. A longer one is ambiguous, not absent: it may well show an address.
const maxFrom = 256 << 10

// authorDomain is the domain of the one From field (RFC 9989 section 5.3.1), in lower case and in A-labels.
func authorDomain(l *dkim.Letter) (string, error) {
	fields := l.All("from")
	switch {
	case len(fields) == 0:
		return "", errNoFrom
	case len(fields) > 1 || len(fields[0].Value) > maxFrom:
		return "", errSeveralFrom
	}
	domain := ""
	for _, mailbox := range addresses(string(fields[0].Value)) {
		d, err := domainOf(mailbox)
		if err != nil || domain != "" && d != domain {
			return "", errSeveralFrom
		}
		domain = d
	}
	if domain == "" {
		return "", errNoFrom
	}
	return domain, nil
}

// domainOf is the domain of what stands for an address. The local part may be anything, as senders write it, but with
// two '@' in it there are two readings.
func domainOf(mailbox string) (string, error) {
	_, domain, ok := strings.Cut(mailbox, "@")
	if !ok || strings.Contains(domain, "@") || !utf8.ValidString(domain) {
		return "", errSeveralFrom
	}
	d, err := address.ParseDomain(strings.Trim(domain, " \t"))
	if err != nil || strings.HasPrefix(d, "[") {
		return "", errSeveralFrom
	}
	return d, nil
}

// addresses are the parts of an address list (RFC 5322 section 3.4) that stand for addresses: what is in angle brackets,
// or else all of a mailbox that is neither comment nor quoted. Names, comments and group names are left out.
func addresses(list string) []string {
	s := addressScanner{in: list}
	for s.pos < len(s.in) {
		s.step()
	}
	s.end()
	return s.out
}

type addressScanner struct {
	in  string
	pos int
	out []string

	bare     strings.Builder // outside of brackets, without quoted strings that are no local part
	angle    strings.Builder
	hasAngle bool
}

func (s *addressScanner) step() {
	c := s.in[s.pos]
	s.pos++
	switch c {
	case '(':
		s.skipComment()
	case '"':
		s.quoted()
	case '<':
		if s.hasAngle { // a second address without a comma: two
			s.end()
		}
		s.hasAngle = true
		s.brackets()
	case ',', ';':
		s.end()
	case ':': // what came before is the name of a group
		s.bare.Reset()
	case '\r', '\n':
	default:
		s.bare.WriteByte(c)
	}
}

// skipComment skips the rest of the comment whose parenthesis stands before pos.
func (s *addressScanner) skipComment() {
	n, _ := message.Comment(s.in[s.pos-1:])
	s.pos += n - 1
}

// quoted passes over a quoted string. Before an '@' it is a local part, of which only that it is there matters.
func (s *addressScanner) quoted() {
	for s.pos < len(s.in) && s.in[s.pos] != '"' {
		if s.in[s.pos] == '\\' {
			s.pos++
		}
		s.pos++
	}
	s.pos = min(s.pos+1, len(s.in))
	if rest := strings.TrimLeft(s.in[s.pos:min(s.pos+64, len(s.in))], " \t\r\n"); strings.HasPrefix(rest, "@") {
		s.bare.WriteByte('q')
	}
}

// brackets takes what stands in angle brackets; a source route before it goes.
func (s *addressScanner) brackets() {
	for s.pos < len(s.in) && s.in[s.pos] != '>' {
		c := s.in[s.pos]
		s.pos++
		switch c {
		case '(':
			s.skipComment()
		case '"':
			s.quoted()
			s.angle.WriteByte('q')
		case ' ', '\t', '\r', '\n':
		case ':':
			s.angle.Reset()
		default:
			s.angle.WriteByte(c)
		}
	}
	s.pos = min(s.pos+1, len(s.in))
}

// end finishes one mailbox.
func (s *addressScanner) end() {
	found := s.bare.String()
	if s.hasAngle {
		found = s.angle.String()
	}
	found = strings.Trim(found, " \t")
	if !s.hasAngle {
		found = strings.Join(strings.FieldsFunc(found, func(r rune) bool { return r == ' ' || r == '\t' }), " ")
	}
	if found != "" || s.hasAngle {
		s.out = append(s.out, found)
	}
	s.bare.Reset()
	s.angle.Reset()
	s.hasAngle = false
}
