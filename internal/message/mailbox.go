package message

import (
	"bytes"
	"strings"
)

// maxMailboxes bounds an address list; the rest is dropped with a warning.
const maxMailboxes = 1000

// maxKept bounds the words before an unquoted comma that are taken for a part of the name.
const maxKept = 200

// mailboxes reads an address list (RFC 5322 section 3.4) and keeps every mailbox it can find: groups are
// flattened; semicolons separate like commas; a display name may hold an address, an unquoted
// comma or raw 8-bit text; a comment after a bare address is its name.
func (d *decoder) mailboxes(raw []byte) []Mailbox {
	if len(raw) == 0 {
		return nil
	}
	p := mailboxParser{s: unfold(raw), d: d}
	p.hasAngle, p.lastSemi = strings.IndexByte(p.s, '<') >= 0, strings.LastIndexByte(p.s, ';')
	p.run()
	return p.out
}

type mailboxParser struct {
	s   string
	d   *decoder
	out []Mailbox

	phrase  []byte // the display name, or a bare address, quotes undone
	addr    string // what stood in angle brackets
	angle   bool
	named   int    // length of phrase when the brackets were met
	quoted  bool   // the phrase had quotes
	comment string // the last comment
	kept    string // words before a comma that was no separator

	hasAngle, noQuote, noParen bool // of the whole: looked for once, so that the scan stays linear
	lastSemi                   int
}

func (p *mailboxParser) run() {
	for i := 0; i < len(p.s) && len(p.out) < maxMailboxes; {
		switch c := p.s[i]; c {
		case '"':
			i = p.quote(i)
		case '(':
			i = p.parens(i)
		case '<':
			i = p.brackets(i)
		case ',', ';':
			p.end(c)
			i++
		case '>':
			if !p.angle { // else one too many
				p.phrase = append(p.phrase, c)
			}
			i++
		case ':':
			i = p.colon(i)
		case '=':
			if _, n := scanWord(p.s[i:]); n > 0 {
				p.phrase = append(p.phrase, p.s[i:i+n]...)
				i += n
				continue
			}
			fallthrough
		default:
			p.phrase = append(p.phrase, c)
			i++
		}
	}
	p.end(0)
}

// quote reads a quoted string. In a local part its quotes belong to the address.
func (p *mailboxParser) quote(i int) int {
	if p.noQuote {
		return i + 1
	}
	var text []byte
	j := i + 1
	for ; j < len(p.s) && p.s[j] != '"'; j++ {
		if p.s[j] == '\\' && j+1 < len(p.s) {
			j++
		}
		text = append(text, p.s[j])
	}
	if j >= len(p.s) { // no closing quote: an ordinary character
		p.noQuote = true
		return i + 1
	}
	if j+1 < len(p.s) && p.s[j+1] == '@' {
		p.phrase = append(p.phrase, p.s[i:j+1]...)
		return j + 1
	}
	p.quoted = true
	p.phrase = append(p.phrase, text...)
	return j + 1
}

// parens reads a comment, nested ones included.
func (p *mailboxParser) parens(i int) int {
	if p.noParen {
		p.phrase = append(p.phrase, p.s[i])
		return i + 1
	}
	depth, j := 0, i
	var text []byte
	for ; j < len(p.s); j++ {
		switch c := p.s[j]; {
		case c == '\\' && j+1 < len(p.s):
			j++
			text = append(text, p.s[j])
			continue
		case c == '(':
			depth++
			if depth == 1 {
				continue
			}
		case c == ')':
			depth--
		}
		if depth == 0 {
			break
		}
		text = append(text, p.s[j])
	}
	if j >= len(p.s) { // not closed
		p.noParen = true
		p.phrase = append(p.phrase, p.s[i])
		return i + 1
	}
	p.comment = string(text)
	if n := len(p.phrase); n > 0 && n < maxKept && !p.angle && bytes.IndexByte(p.phrase, '@') < 0 && p.phrase[n-1] == ' ' {
		// "Bob (Sales) <b@example.com>": part of the name people see
		p.phrase = append(append(append(p.phrase, '('), text...), ')')
		p.comment = ""
	}
	return j + 1
}

// brackets reads an address in angle brackets. The last one of a mailbox counts.
func (p *mailboxParser) brackets(i int) int {
	rest := p.s[i+1:]
	end := strings.IndexByte(rest, '>')
	if end < 0 {
		end = strings.IndexAny(rest, ",; \t")
		if end < 0 {
			end = len(rest)
		}
	}
	inner := rest[:end]
	if again := strings.LastIndexByte(inner, '<'); again >= 0 { // "<<a@b>>"
		inner = inner[again+1:]
	}
	if p.angle && strings.IndexByte(inner, '@') < 0 {
		return min(i+end+2, len(p.s))
	}
	if between := bytes.TrimSpace(p.phrase[min(p.named, len(p.phrase)):]); p.angle && strings.IndexByte(p.addr, '@') >= 0 && len(between) > 0 {
		name := string(between) // "Ann <a@b> Carl <c@d>": the comma is missing
		p.phrase = p.phrase[:p.named]
		p.end(',')
		p.phrase = append(p.phrase, name...)
	}
	p.addr, p.angle, p.named = inner, true, len(p.phrase)
	return min(i+end+2, len(p.s))
}

// colon ends the name of a group, unless it belongs to an address or a source route.
func (p *mailboxParser) colon(i int) int {
	if len(p.phrase) > maxKept {
		p.phrase = append(p.phrase, ':')
		return i + 1
	}
	word := strings.TrimSpace(string(p.phrase))
	switch {
	case strings.EqualFold(word, "mailto"):
		p.phrase = p.phrase[:0]
	case strings.HasPrefix(word, "@"):
		p.phrase = p.phrase[:0]
	case strings.Contains(word, "[") && !strings.Contains(word, "]"), p.angle:
		p.phrase = append(p.phrase, ':')
	default:
		if p.isGroup(i) {
			p.reset()
		} else {
			p.phrase = append(p.phrase, ':')
		}
	}
	return i + 1
}

// isGroup tells whether the colon at i ends a group name: a semicolon must follow, or nothing at all.
func (p *mailboxParser) isGroup(i int) bool {
	return p.lastSemi > i || i+1 == len(p.s)
}

func (p *mailboxParser) reset() {
	p.phrase, p.addr, p.angle, p.named, p.quoted, p.comment, p.kept = p.phrase[:0], "", false, 0, false, "", ""
}

// end finishes a mailbox at a separator, or at the end (0).
func (p *mailboxParser) end(sep byte) {
	phrase := strings.TrimSpace(string(p.phrase))
	if !p.angle {
		p.bare(phrase, sep)
		return
	}
	addr := p.cleanAddress(p.addr)
	name := p.kept + phrase
	if name == "" {
		name = p.comment
	}
	if addr != "" {
		p.add(addr, name)
	} else if strings.IndexByte(phrase, '@') > 0 { // "a@b <>"
		p.add(p.cleanAddress(phrase), "")
	}
	p.reset()
}

// bare deals with a mailbox without angle brackets.
func (p *mailboxParser) bare(phrase string, sep byte) {
	switch {
	case phrase == "":
	case strings.IndexByte(phrase, '@') >= 0:
		name, addr := splitBare(phrase)
		if name == "" {
			name = p.comment
		}
		p.add(p.cleanAddress(addr), p.kept+name)
	case sep == ',' && p.comment == "" && p.hasAngle && !p.quoted && len(p.kept)+len(phrase) < maxKept:
		p.kept += phrase + ", " // "Doe, John <j@example.com>"
		p.phrase = p.phrase[:0]
		return
	default: // a user of the sender's own host: root (Cron Daemon)
		name := p.comment
		if open := strings.IndexByte(phrase, '('); open > 0 && strings.HasSuffix(phrase, ")") {
			phrase, name = strings.TrimSpace(phrase[:open]), phrase[open+1:len(phrase)-1]
		}
		if isLocalName(phrase) {
			p.add(phrase, name)
		}
	}
	p.reset()
}

func (p *mailboxParser) add(addr, name string) {
	if addr = CleanLine(p.d.raw(addr)); addr == "" {
		return
	}
	name = CleanLine(p.d.words(name))
	for len(name) >= 2 && (name[0] == '"' || name[0] == '\'') && name[len(name)-1] == name[0] {
		name = strings.TrimSpace(name[1 : len(name)-1])
	}
	p.out = append(p.out, Mailbox{Address: addr, Name: name})
}

// splitBare finds the address in words without brackets: "John Doe john@example.com".
func splitBare(phrase string) (name, addr string) {
	if strings.IndexByte(phrase, ' ') < 0 {
		return "", phrase
	}
	if q := strings.Index(phrase, `"@`); q > 0 { // a quoted local part may hold spaces
		if open := strings.IndexByte(phrase, '"'); open < q {
			return strings.TrimSpace(phrase[:open]), phrase[open:]
		}
	}
	tight := strings.ReplaceAll(strings.ReplaceAll(phrase, " @", "@"), "@ ", "@")
	if at := strings.LastIndexByte(tight, '@'); strings.Contains(tight[at:], " .") { // "a@b . example"
		tight = tight[:at] + strings.ReplaceAll(strings.Join(strings.Fields(tight[at:]), " "), " .", ".")
		tight = tight[:at] + strings.ReplaceAll(tight[at:], ". ", ".")
	}
	words := strings.Fields(tight)
	for i, w := range words {
		if strings.IndexByte(w, '@') > 0 && w[len(w)-1] != '@' {
			rest := append(append([]string{}, words[:i]...), words[i+1:]...)
			return strings.Join(rest, " "), w
		}
	}
	return "", phrase
}

// cleanAddress undoes what senders do to an address: white space, source routes, mailto:, stray
// brackets and quotes, an encoded word.
func (p *mailboxParser) cleanAddress(s string) string {
	s = strings.TrimSpace(dropComments(s))
	if strings.HasPrefix(s, "=?") {
		s = p.d.words(s)
	}
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	if strings.HasPrefix(s, "@") {
		if i := strings.IndexByte(s, ':'); i > 0 {
			s = s[i+1:]
		}
	}
	if !strings.HasPrefix(s, `"`) {
		s = strings.Join(strings.Fields(s), "")
	}
	if strings.Contains(s, ":;") { // a group without members
		return ""
	}
	s = strings.Trim(s, "<>',; \t")
	if strings.HasPrefix(s, `"`) && strings.HasSuffix(s, `"`) && strings.IndexByte(s, '@') > 0 {
		s = strings.Trim(s, `"`) // "a@b" in quotes as a whole
	}
	return s
}

// isLocalName tells whether s could be a user name without a domain.
func isLocalName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c == 0x7f || strings.IndexByte(`"<>()[]\:;,`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
