package outbound

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lines are folded at foldAt octets where a space allows; nothing written here comes near the 998
// of RFC 5322 section 2.1.1, because every word is bounded: an encoded word by 75 octets, an id by
// maxMessageID, an address by RFC 5321.
const (
	foldAt  = 76
	maxText = 1000 // octets of an unstructured value or a display name
	maxWord = 60   // octets of a word that is not encoded for its length
)

// header writes the fields of one letter. Whatever it is given, it writes no control character but
// its own CRLFs.
type header struct{ strings.Builder }

// field writes a structured field: words that are separated, and may be folded, at spaces.
func (h *header) field(name string, words ...string) {
	h.WriteString(name)
	h.WriteByte(':')
	col := len(name) + 1
	for i, w := range words {
		if i > 0 && col+1+len(w) > foldAt {
			h.WriteString("\r\n")
			col = 0
		}
		h.WriteByte(' ')
		col += 1 + len(w)
		h.WriteString(strings.Map(dropControl, w))
	}
	h.WriteString("\r\n")
}

// text writes an unstructured field (RFC 5322 section 2.2.1), encoded by RFC 2047 where needed.
func (h *header) text(name, value string) {
	value = clean(value)
	if plainWords(value) {
		h.field(name, strings.Fields(value)...)
		return
	}
	h.field(name, encodeWords(value, foldAt-len(name)-len(": "))...)
}

// mailboxes writes a field with addresses and perhaps their display names.
func (h *header) mailboxes(name string, list ...mailbox) {
	var words []string
	for i, m := range list {
		words = append(words, phrase(m.Name)...)
		address := "<" + m.Address.String() + ">"
		if i < len(list)-1 {
			address += ","
		}
		words = append(words, address)
	}
	h.field(name, words...)
}

// phrase is a display name as words (RFC 5322 section 3.2.5).
func phrase(s string) []string {
	s = clean(s)
	switch {
	case s == "":
		return nil
	case !plainWords(s):
		return encodeWords(s, maxEncoded-len("Reply-To: "))
	case strings.ContainsAny(s, `()<>[]:;@\,."`):
		return strings.Fields(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`)
	}
	return strings.Fields(s)
}

// clean makes one short line of printable text: no controls, no characters that change the
// direction of what stands around them, single spaces.
func clean(s string) string {
	if len(s) > 4*maxText {
		s = s[:4*maxText]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Bidi_Control, r), r == '\uFEFF':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxText {
		return s
	}
	cut := maxText - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// plainWords tells whether s can stand as it is: printable ASCII that nobody takes for an encoded
// word, in words short enough to fold.
func plainWords(s string) bool {
	word := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c >= 0x7f || c == '=' && i+1 < len(s) && s[i+1] == '?' {
			return false
		}
		if word++; c == ' ' {
			word = 0
		}
		if word > maxWord {
			return false
		}
	}
	return true
}

// maxEncoded is the longest encoded word (RFC 2047 section 2).
const maxEncoded = 75

// encodeWords writes s as encoded words (RFC 2047): Q while most of it can be read so, else B. No character is torn apart.
// The first word has at most room octets, because the name of the field stands before it.
func encodeWords(s string, room int) []string {
	wide := 0
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			wide++
		}
	}
	encode, size := encodeQ, func(r rune) int { return len(encodeRune(r)) }
	if wide*2 > len(s) {
		encode, size = encodeB, func(r rune) int { return (utf8.RuneLen(r)*4 + 2) / 3 }
	}
	const around = len("=?utf-8?q?") + len("?=") + len("==") // and what pads the last character of B
	var words []string
	start, used := 0, 0
	for i, r := range s {
		n := size(r)
		if i > start && around+used+n > room {
			words = append(words, encode(s[start:i]))
			start, used, room = i, 0, maxEncoded
		}
		used += n
	}
	return append(words, encode(s[start:]))
}

func encodeB(s string) string {
	return "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
}

func encodeQ(s string) string {
	var b strings.Builder
	b.WriteString("=?utf-8?q?")
	for _, r := range s {
		b.WriteString(encodeRune(r))
	}
	b.WriteString("?=")
	return b.String()
}

// encodeRune is r in the Q encoding as a phrase allows it (RFC 2047 section 5, rule 3).
func encodeRune(r rune) string {
	switch {
	case r == ' ':
		return "_"
	case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		return string(r)
	}
	var q strings.Builder
	for _, c := range []byte(string(r)) {
		q.WriteByte('=')
		q.WriteString(strings.ToUpper(hex.EncodeToString([]byte{c})))
	}
	return q.String()
}

func dropControl(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}
