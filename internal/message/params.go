package message

import (
	"sort"
	"strconv"
	"strings"

	"mxdesk/internal/octets"
)

// contentField is a Content-Type or Content-Disposition: a value and its parameters (RFC 2045 section 5.1).
type contentField struct {
	value  string // lower case
	params []param
}

type param struct{ name, value string } // name in lower case; value decoded

// get returns a parameter. Of several with one name the first counts (other readers differ: an attack).
func (c contentField) get(name string) string {
	for _, p := range c.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// contentField reads a field, whatever is wrong with it: missing semicolons, stray quotes,
// unquoted names with spaces, continuations and charsets of RFC 2231, encoded words in parameters.
func (d *decoder) contentField(raw []byte) contentField {
	if len(raw) == 0 {
		return contentField{}
	}
	s := unfold(raw)
	i := strings.IndexAny(s, ";")
	if i < 0 {
		i = len(s)
		// "text/plain charset=utf-8": the semicolon is missing.
		if sp := strings.IndexAny(s, " \t"); sp > 0 && strings.IndexByte(s[sp:], '=') > 0 {
			i = sp
		}
	}
	c := contentField{value: strings.ToLower(strings.Trim(dropComments(s[:i]), " \t\"'"))}
	if slash := strings.IndexByte(c.value, '/'); slash >= 0 {
		c.value = strings.ReplaceAll(c.value, " ", "")
	}
	if i >= len(s) {
		return c
	}
	c.params = splitParams(s[i:])
	c.params = d.join2231(c.params)
	for j := range c.params {
		p := &c.params[j]
		if strings.Contains(p.value, "=?") || !octets.IsASCII([]byte(p.value)) {
			p.value = d.words(p.value)
		}
	}
	return c
}

// dropComments removes comments in parentheses (RFC 5322 section 3.2.2).
func dropComments(s string) string {
	open := strings.IndexByte(s, '(')
	if open < 0 {
		return s
	}
	var out strings.Builder
	for ; open >= 0; open = strings.IndexByte(s, '(') {
		out.WriteString(s[:open])
		n, _ := Comment(s[open:])
		s = s[open+n:]
	}
	return out.String() + s
}

// Comment is the length of the comment that s begins with (RFC 5322 section 3.2.2), those within it included. One that is not
// closed takes the rest of s.
func Comment(s string) (n int, closed bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(s), false
}

// splitParams reads "; name=value" up to 100 times.
func splitParams(s string) []param {
	const maxParams = 100
	var params []param
	for len(params) < maxParams {
		s = strings.TrimLeft(s, "; \t,")
		eq := strings.IndexByte(s, '=')
		if eq < 0 {
			break
		}
		name := strings.ToLower(strings.TrimSpace(s[:eq]))
		if semi := strings.LastIndexByte(name, ';'); semi >= 0 {
			name = strings.TrimSpace(name[semi+1:]) // a word without a value before it
		}
		var value string
		value, s = paramValue(strings.TrimLeft(s[eq+1:], " \t"), strings.Contains(name, "name"))
		if name != "" {
			params = append(params, param{name, value})
		}
	}
	return params
}

// paramValue reads one value and returns what follows it. Unquoted file names may hold spaces.
func paramValue(s string, isName bool) (value, rest string) {
	if s == "" || (s[0] != '"' && s[0] != '\'') || (s[0] == '\'' && !quotedBy(s, '\'')) {
		end := strings.IndexByte(s, ';')
		if end < 0 {
			end = len(s)
		}
		value, rest = s[:end], s[end:]
		if strings.HasPrefix(value, "=?") {
			if w := encodedRun(s); w > end {
				return s[:w], s[w:]
			}
		}
		if sp := strings.IndexAny(value, " \t"); sp > 0 && !isName {
			value, rest = value[:sp], s[sp:]
		} else if sp > 0 && nextParam(value[sp:]) {
			value, rest = value[:sp], s[sp:]
		}
		return strings.Trim(value, " \t\""), rest
	}
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case c == quote:
			return b.String(), s[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	// The closing quote is missing: the value ends at the next semicolon.
	value, rest, _ = strings.Cut(s[1:], ";")
	return strings.TrimSpace(value), rest
}

// quotedBy tells whether s, which starts with quote, has a closing one before the next parameter.
func quotedBy(s string, quote byte) bool {
	i := strings.IndexByte(s[1:], quote)
	return i >= 0 && (i+2 == len(s) || strings.IndexByte("; \t", s[i+2]) >= 0)
}

// nextParam tells whether s looks like another parameter whose semicolon is missing.
func nextParam(s string) bool {
	s = strings.TrimSpace(s)
	for _, name := range [...]string{"charset=", "name=", "filename=", "format=", "size=", "boundary=", "type="} {
		if len(s) > len(name) && strings.EqualFold(s[:len(name)], name) {
			return true
		}
	}
	return false
}

// encodedRun is the length of the encoded words at the start of s: an unquoted one may hold a semicolon.
func encodedRun(s string) int {
	n := 0
	for {
		skip := len(s[n:]) - len(strings.TrimLeft(s[n:], " \t"))
		if !strings.HasPrefix(s[n+skip:], "=?") {
			return n
		}
		_, w := scanWord(s[n+skip:])
		if w == 0 {
			return n
		}
		n += skip + w
	}
}

// piece is one continuation of an RFC 2231 parameter.
type piece struct {
	no      int
	encoded bool
	value   string
}

// join2231 joins continuations and undoes percent-encoding (RFC 2231 sections 3 and 4). The result stands
// before a plain parameter of the same name: a sender who gives both gives the plain one to old readers.
func (d *decoder) join2231(params []param) []param {
	star := false
	for _, p := range params {
		star = star || strings.IndexByte(p.name, '*') >= 0
	}
	if !star {
		return params
	}
	pieces := map[string][]piece{}
	var names []string
	out := make([]param, 0, len(params))
	for _, p := range params {
		base, tail, found := strings.Cut(p.name, "*")
		if !found {
			out = append(out, p)
			continue
		}
		no, encoded := strings.CutSuffix(tail, "*")
		n, err := strconv.Atoi(no)
		if tail == "" {
			n, encoded, err = 0, true, nil
		}
		if err != nil || n < 0 {
			continue
		}
		if pieces[base] == nil {
			names = append(names, base)
		}
		pieces[base] = append(pieces[base], piece{n, encoded, p.value})
	}
	joined := make([]param, 0, len(params))
	for _, name := range names {
		joined = append(joined, param{name, d.joinPieces(pieces[name])})
	}
	return append(joined, out...)
}

func (d *decoder) joinPieces(ps []piece) string {
	sort.SliceStable(ps, func(i, j int) bool { return ps[i].no < ps[j].no })
	charset, first := "", true
	var raw []byte
	last := -1
	for _, p := range ps {
		if p.no == last {
			continue // a repeated piece: the first counts
		}
		last = p.no
		v := p.value
		if first {
			if c, rest, ok := cutCharset(v); ok && p.encoded {
				charset, v = c, rest
			}
			first = false
		}
		if p.encoded {
			raw = appendPercent(raw, v)
		} else {
			raw = append(raw, v...)
		}
	}
	if strings.Contains(string(raw), "=?") {
		return d.words(string(raw))
	}
	s, _ := d.charset(raw, charset)
	return s
}

// cutCharset splits charset'language'text.
func cutCharset(v string) (charset, rest string, ok bool) {
	charset, rest, ok = strings.Cut(v, "'")
	if !ok {
		return "", v, false
	}
	_, rest, ok = strings.Cut(rest, "'")
	if !ok {
		return "", v, false
	}
	return charset, rest, true
}

func appendPercent(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			dst = append(dst, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		dst = append(dst, s[i])
	}
	return dst
}
