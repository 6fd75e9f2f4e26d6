package message

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// maxWord bounds one encoded word. RFC 2047 allows 75 characters; mailers that forget to split write kilobytes.
const maxWord = 8 << 10

// word is the content of one encoded word (RFC 2047), its charset still to be undone.
type word struct {
	charset string
	data    []byte
}

// header is the text of an unstructured field: unfolded, encoded words decoded, on one line.
func (d *decoder) header(raw []byte) string {
	return CleanLine(d.words(unfold(raw)))
}

// words decodes the encoded words of s wherever they stand: inside quotes, glued to other text,
// with spaces in them. White space between two of them goes; bytes of neighbours with one charset are
// joined before they are decoded, because some mailers split characters. What is no encoded word stays.
func (d *decoder) words(s string) string {
	if !strings.Contains(s, "=?") {
		return d.raw(s)
	}
	var out strings.Builder
	out.Grow(len(s))
	var run word // not yet written
	flush := func() {
		if len(run.data) > 0 {
			text, _ := d.charset(run.data, run.charset)
			out.WriteString(text)
		}
		run = word{}
	}
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		w, n := scanWord(s[i:])
		if n == 0 {
			flush()
			out.WriteString(d.raw(s[:i+2]))
			s = s[i+2:]
			continue
		}
		if strings.TrimSpace(s[:i]) != "" || (i > 0 && run.data == nil) {
			flush()
			out.WriteString(d.raw(s[:i]))
		}
		if run.data != nil && charsetName(run.charset) != charsetName(w.charset) {
			flush()
		}
		run.charset = w.charset
		if run.data == nil {
			run.data = []byte{}
		}
		run.data = append(run.data, w.data...)
		s = s[i+n:]
	}
	flush()
	out.WriteString(d.raw(s))
	return out.String()
}

// raw is text outside encoded words: UTF-8 when valid (RFC 6532), else of the charset of the body, else guessed.
func (d *decoder) raw(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0x1b) < 0 {
		return s
	}
	if name := charsetName(d.hint); name != "" && name != "us-ascii" && name != "utf-8" {
		if text, ok := d.charset([]byte(s), d.hint); ok {
			return text
		}
	}
	return d.guess([]byte(s))
}

// scanWord reads the encoded word at the start of s and tells its length, 0 if there is none.
func scanWord(s string) (word, int) {
	const maxCharset = 60
	if !strings.HasPrefix(s, "=?") {
		return word{}, 0
	}
	head := s[2:min(len(s), maxCharset)]
	q := strings.IndexByte(head, '?')
	if q < 0 || q+4 > len(s)-2 {
		return word{}, 0
	}
	charset := head[:q]
	if strings.ContainsAny(charset, " \t=\"<>@,;") && strings.TrimSpace(charset) == "" {
		return word{}, 0
	}
	rest := s[2+q+1:]
	if len(rest) < 2 {
		return word{}, 0
	}
	enc, at := rest[0]|0x20, 1
	if rest[at] != '?' || (enc != 'q' && enc != 'b') {
		return word{}, 0
	}
	text := rest[2:min(len(rest), maxWord)]
	end := wordEnd(text, enc)
	if end < 0 {
		return word{}, 0
	}
	n := len(s) - len(rest) + 2 + end + 2
	if enc == 'b' {
		return word{charset, decodeB(text[:end])}, n
	}
	return word{charset, decodeQ(text[:end])}, n
}

// wordEnd finds the "?=" that ends the text of an encoded word. In a Q word a question mark should be
// encoded, but is not always: "what?=20now?=" ends at the second.
func wordEnd(text string, enc byte) int {
	end := strings.Index(text, "?=")
	for enc == 'q' && end >= 0 && end+4 <= len(text) && isHex(text[end+2]) && isHex(text[end+3]) {
		next := strings.Index(text[end+2:], "?=")
		if next < 0 || strings.Contains(text[end+2:end+2+next], "=?") {
			break
		}
		end += 2 + next
	}
	return end
}

func decodeQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

// decodeB decodes base64, whatever padding or strange characters it has.
func decodeB(s string) []byte {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(s))+3)
	n := decodeBase64(out, []byte(s))
	return out[:n]
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}

// appendQP decodes quoted-printable (RFC 2045 section 6.7) onto dst; what is not well-formed stays.
func appendQP(dst, src []byte) []byte {
	for len(src) > 0 {
		end, next := lineEnd(src, 0)
		line, newline := src[:end], src[end:next]
		src = src[next:]
		line = bytes.TrimRight(line, " \t\r")
		soft := false
		for len(line) > 0 {
			i := bytes.IndexByte(line, '=')
			if i < 0 {
				dst = append(dst, line...)
				break
			}
			dst = append(dst, line[:i]...)
			line = line[i:]
			switch {
			case len(line) >= 3 && isHex(line[1]) && isHex(line[2]):
				dst = append(dst, unhex(line[1])<<4|unhex(line[2]))
				line = line[3:]
			case len(line) == 1:
				soft, line = true, nil
			default:
				dst = append(dst, '=')
				line = line[1:]
			}
		}
		if !soft {
			dst = append(dst, newline...)
		}
	}
	return dst
}
