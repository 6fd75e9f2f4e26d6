package template

import (
	"strings"
	"unicode/utf8"
)

// oneLine is s as it may stand in a header field or within a line: white space and control characters become
// one space, and characters that turn the direction of writing around are dropped, because with them a
// name can pass for another.
func oneLine(s string) string {
	if isPlain(s, false) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range strings.ToValidUTF8(s, "") {
		switch {
		case r <= ' ' || r >= 0x7f && r <= 0xa0 || r == '\u2028' || r == '\u2029':
			space = true
			continue
		case turns(r):
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

// manyLines is s as it may stand in a body: LF line ends, no control characters but tabs, no white space at the ends.
func manyLines(s string) string {
	if isPlain(s, true) {
		return strings.TrimSpace(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	s = strings.ToValidUTF8(s, "")
	for i, r := range s {
		switch {
		case r == '\r' && i+1 < len(s) && s[i+1] == '\n':
		case r == '\r', r == '\u2028', r == '\u2029':
			b.WriteByte('\n')
		case r < ' ' && r != '\n' && r != '\t', r >= 0x7f && r < 0xa0, turns(r):
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// turns tells whether r changes the direction of writing: embeddings, overrides and isolates of UAX 9.
func turns(r rune) bool { return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' }

// isPlain is the quick way past what nearly every value is: ASCII without control characters.
func isPlain(s string, lines bool) bool {
	before := byte(' ')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x7f || c < ' ' && (!lines || c != '\n' && c != '\t') || !lines && c == ' ' && before == ' ' {
			return false
		}
		before = c
	}
	return lines || before != ' ' || s == ""
}

// appendHTML writes plain text as HTML: escaped, line ends as <br>, spaces kept. With links, what looks like a web
// address becomes one.
func appendHTML(dst []byte, s string, links bool) []byte {
	start := false // of a line, or after a space: there a space would get lost
	for i := 0; i < len(s); {
		c := s[i]
		if links && c == 'h' && (i == 0 || !isName(s[i-1])) {
			if n := urlLen(s[i:]); n > 0 {
				dst = appendLink(dst, s[i:i+n], s[i:i+n])
				i += n
				start = false
				continue
			}
		}
		i++
		switch c {
		case '\n':
			dst = append(dst, "<br>\n"...)
		case ' ':
			if start {
				dst = append(dst, "&nbsp;"...)
			} else {
				dst = append(dst, ' ')
			}
		default:
			dst = appendEscaped(dst, c)
		}
		start = c == '\n' || c == ' '
	}
	return dst
}

// escaped writes a text of one line.
func escaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		dst = appendEscaped(dst, s[i])
	}
	return dst
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '&':
		return append(dst, "&amp;"...)
	case '<':
		return append(dst, "&lt;"...)
	case '>':
		return append(dst, "&gt;"...)
	case '"':
		return append(dst, "&#34;"...)
	case '\'':
		return append(dst, "&#39;"...)
	}
	return append(dst, c)
}

// appendLink writes a link, or the words alone if the target is none that a reader may be sent to.
func appendLink(dst []byte, url, words string) []byte {
	if !webLink(url) {
		return escaped(dst, words)
	}
	dst = append(dst, `<a href="`...)
	dst = escaped(dst, url)
	dst = append(dst, `">`...)
	dst = escaped(dst, words)
	return append(dst, "</a>"...)
}

func webLink(url string) bool { return hasScheme(url, "https://", "http://", "mailto:") }

// urlLen is the length of the web address that s begins with, 0 if none, without the punctuation that ends a sentence.
func urlLen(s string) int {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return 0
	}
	n := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r == '<' || r == '>' || r == '"' || r == 0x7f || r == utf8.RuneError || r == 0xa0
	})
	if n < 0 {
		n = len(s)
	}
	opened := strings.Contains(s[:n], "(")
	for n > 0 {
		c := s[n-1]
		if !strings.ContainsRune(".,;:!?'*_]}", rune(c)) && (c != ')' || opened) {
			break
		}
		n--
	}
	if n <= len("https://") {
		return 0
	}
	return n
}
