package message

import (
	"bytes"
	"strings"
)

// Limits of a header block; the rest is dropped with a warning (hazards of headers built to be slow).
const (
	maxHeader = 256 << 10
	maxFields = 1000
)

// field is one header field, its bytes still folded and encoded.
type field struct {
	name  string
	value []byte
}

// header is the fields of a letter or part in their order.
type header []field

// get returns the raw value of the first field of that name, or nil.
func (h header) get(name string) []byte {
	for i := range h {
		if len(h[i].name) == len(name) && strings.EqualFold(h[i].name, name) {
			return h[i].value
		}
	}
	return nil
}

// has tells whether there is a field of that name.
func (h header) has(name string) bool { return h.get(name) != nil }

// all returns the raw values of all fields of that name.
func (h header) all(name string) [][]byte {
	var v [][]byte
	for i := range h {
		if len(h[i].name) == len(name) && strings.EqualFold(h[i].name, name) {
			v = append(v, h[i].value)
		}
	}
	return v
}

// count tells how many fields of that name there are.
func (h header) count(name string) int {
	n := 0
	for i := range h {
		if len(h[i].name) == len(name) && strings.EqualFold(h[i].name, name) {
			n++
		}
	}
	return n
}

// token is the unfolded value of the first field of that name, in lower case, without surrounding space.
func (h header) token(name string) string {
	return strings.ToLower(strings.TrimSpace(unfold(h.get(name))))
}

// splitHeader parts a letter (top) or a MIME part into header and body. It mends what RFC 7103 section 7
// lists: an mbox "From " line, empty lines before the header of a letter, continuation lines that lost
// their white space, names with a space, a body that starts without an empty line, white space before
// the colon. warn is called for each kind of repair. When no line is a field that anybody knows,
// everything is body.
func splitHeader(raw []byte, top bool, warn func(code, detail string)) (header, []byte) {
	p := headerParser{raw: raw, warn: warn, start: -1, last: -1}
	pos := p.skipLead(top)
	body := p.parse(pos)
	if len(p.h) > 0 && !p.known {
		warn("header-missing", "no known field, all is text")
		return nil, raw[pos:]
	}
	return p.h, body
}

type headerParser struct {
	raw   []byte
	warn  func(code, detail string)
	h     header
	known bool // a field that mail knows was seen
	full  bool // maxFields reached

	start int // where the value of the last field starts; -1 when it cannot grow
	last  int // where the last line of the block that is a known field starts; -1 before it was looked for
}

func (p *headerParser) parse(pos int) []byte {
	p.h = make(header, 0, 24)
	for pos < len(p.raw) {
		end, next := lineEnd(p.raw, pos)
		line := p.raw[pos:end]
		switch {
		case len(line) == 0:
			return p.raw[next:]
		case isWSP(line[0]):
			if len(bytes.TrimSpace(line)) == 0 && !p.more(next) {
				return p.raw[next:]
			}
			p.extend(end)
		case p.add(line, pos):
		case p.more(next) || p.wrapped(line):
			p.mend(line, end)
		default:
			p.warn("header-end", "no empty line between header and body")
			return p.raw[pos:]
		}
		if next-len(line) > maxHeader {
			p.warn("header-too-long", "the header was cut")
			return p.afterBlank(next)
		}
		pos = next
	}
	return nil
}

// skipLead skips what may stand before the first field.
func (p *headerParser) skipLead(top bool) int {
	pos, blank := 0, 0
	if top {
		pos = len(p.raw) - len(bytes.TrimPrefix(p.raw, []byte("\xef\xbb\xbf")))
	}
	for start := pos; start < len(p.raw) && start < 4096; {
		end, next := lineEnd(p.raw, start)
		line := p.raw[start:end]
		switch {
		case isMboxLine(line):
			pos = next
		case top && len(bytes.TrimSpace(line)) == 0:
			blank++
		default:
			name, colon := fieldName(line)
			if blank > 0 && colon >= 0 && knownField(name) {
				p.warn("header-junk", "empty lines before the header")
				return start
			}
			return pos
		}
		start = next
	}
	return pos
}

// add takes a line if it is a field, and tells whether it is.
func (p *headerParser) add(line []byte, pos int) bool {
	name, colon := fieldName(line)
	if colon < 0 {
		return false
	}
	if len(p.h) >= maxFields {
		if !p.full {
			p.warn("header-too-long", "fields after the first 1000 are ignored")
			p.full, p.start = true, -1
		}
		return true
	}
	p.known = p.known || knownField(name)
	p.start = pos + colon + 1
	p.h = append(p.h, field{name: name})
	p.extend(pos + len(line))
	return true
}

// extend makes the last field reach up to end: a value is always one run of the raw bytes.
func (p *headerParser) extend(end int) {
	if p.start < 0 {
		return
	}
	f := &p.h[len(p.h)-1]
	if end-p.start > maxHeader {
		p.warn("header-too-long", "a field was cut: "+f.name)
		end = p.start + maxHeader
		f.value, p.start = p.raw[p.start:end:end], -1
		return
	}
	f.value = p.raw[p.start:end:end]
}

// mend deals with a line that is neither field nor continuation.
func (p *headerParser) mend(line []byte, end int) {
	if isMboxLine(line) || spacedName(line) || len(p.h) == 0 {
		p.warn("header-junk", "a line that is no field was dropped")
		p.start = -1
		return
	}
	p.warn("header-junk", "a line that is no field was taken as a continuation")
	p.extend(end)
}

// wrapped tells whether line is plainly the rest of the field above: parameters that lost their indent.
func (p *headerParser) wrapped(line []byte) bool {
	if p.start < 0 || bytes.IndexByte(line, '=') < 0 {
		return false
	}
	v := bytes.TrimSpace(p.h[len(p.h)-1].value)
	return len(v) > 0 && v[len(v)-1] == ';'
}

// more tells whether a known field starts at pos or later in the block, which ends at an empty line.
// The block is looked through once.
func (p *headerParser) more(pos int) bool {
	if p.last >= 0 {
		return p.last >= pos
	}
	p.last = 0
	for at := pos; at < len(p.raw) && at < maxHeader; {
		end, next := lineEnd(p.raw, at)
		if end == at {
			break
		}
		if name, colon := fieldName(p.raw[at:end]); colon >= 0 && knownField(name) {
			p.last = at
		}
		at = next
	}
	return p.last >= pos && p.last > 0
}

// afterBlank is what follows the next empty line, or nothing.
func (p *headerParser) afterBlank(pos int) []byte {
	for pos < len(p.raw) {
		end, next := lineEnd(p.raw, pos)
		if end == pos {
			return p.raw[next:]
		}
		pos = next
	}
	return nil
}

func isMboxLine(line []byte) bool {
	if _, colon := fieldName(line); colon >= 0 {
		return false
	}
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// spacedName tells whether line is a field but for the spaces in its name.
func spacedName(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	return i > 0 && i < 40 && bytes.Count(line[:i], []byte(" ")) <= 3 && bytes.IndexByte(line[:i], '=') < 0 &&
		bytes.IndexByte(line[:i], '@') < 0
}

// fieldName returns the name of a field and where its colon is, or -1. White space between
// the two, which RFC 5322 made obsolete, is allowed.
func fieldName(line []byte) (string, int) {
	for i, c := range line {
		if c == ':' {
			name := bytes.TrimRight(line[:i], " \t")
			if len(name) == 0 || len(name) > 126 {
				return "", -1
			}
			return string(name), i
		}
		if c <= ' ' || c >= 0x7f {
			if rest := bytes.TrimLeft(line[i:], " \t"); isWSP(c) && len(rest) > 0 && rest[0] == ':' {
				continue
			}
			return "", -1
		}
	}
	return "", -1
}

// lineEnd returns where the line at pos ends, without its line end, and where the next one starts.
// A line ends with LF or CRLF, or with CR alone when the letter has no LF at all nearby.
func lineEnd(b []byte, pos int) (end, next int) {
	i := bytes.IndexByte(b[pos:], '\n')
	if i < 0 {
		return len(b), len(b)
	}
	end, next = pos+i, pos+i+1
	if end > pos && b[end-1] == '\r' {
		end--
	}
	return end, next
}

func isWSP(c byte) bool { return c == ' ' || c == '\t' }

// unfold undoes folding (RFC 5322 section 2.2.3): line ends go, and so does doubled space around them.
func unfold(v []byte) string {
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return string(bytes.TrimSpace(v))
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c != '\n' && c != '\r' {
			out = append(out, c)
			continue
		}
		for i+1 < len(v) && (isWSP(v[i+1]) || v[i+1] == '\r' || v[i+1] == '\n') {
			i++
		}
		out = append(bytes.TrimRight(out, " \t"), ' ')
	}
	return string(bytes.TrimSpace(out))
}

// known names, beside those that start with content-, x-, list-, resent-, received, arc- or dkim-.
var knownNames = map[string]bool{
	"from": true, "to": true, "cc": true, "bcc": true, "subject": true, "date": true, "sender": true,
	"message-id": true, "in-reply-to": true, "references": true, "reply-to": true, "return-path": true,
	"delivered-to": true, "mime-version": true, "received": true, "precedence": true, "auto-submitted": true,
	"errors-to": true, "organization": true, "user-agent": true, "importance": true, "priority": true,
	"status": true, "thread-topic": true, "thread-index": true, "authentication-results": true,
	"comments": true, "keywords": true, "newsgroups": true, "path": true, "lines": true, "mailing-list": true,
	"disposition-notification-to": true, "feedback-id": true, "envelope-to": true, "apparently-to": true,
}

func knownField(name string) bool {
	var buf [32]byte
	if len(name) > 2 && name[1] == '-' && name[0]|0x20 == 'x' {
		return true
	}
	if len(name) > len(buf) {
		return false
	}
	lower := appendLower(buf[:0], name)
	if knownNames[string(lower)] {
		return true
	}
	for _, p := range [...]string{"content-", "list-", "resent-", "received-", "arc-", "dkim-"} {
		if len(lower) > len(p) && string(lower[:len(p)]) == p {
			return true
		}
	}
	return false
}

// appendLower appends s with its ASCII letters in lower case.
func appendLower(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
