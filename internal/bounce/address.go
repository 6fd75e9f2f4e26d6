package bounce

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"mxdesk/internal/octets"
)

// found is an address in a line, and where it stands there: line[start:end].
type found struct {
	addr       string
	start, end int
}

// maxPerLine bounds the addresses taken from one line.
const maxPerLine = 20

// findAddresses finds the addresses of a line of free text. The work is linear: nothing is
// looked at twice but the maxLocal bytes before an at sign.
func findAddresses(line string) []found {
	var list []found
	from := 0
	for len(list) < maxPerLine {
		i := strings.IndexByte(line[from:], '@')
		if i < 0 {
			return list
		}
		at := from + i
		start, end := localStart(line, from, at), domainEnd(line, at+1)
		from = max(end, at+1)
		if start == at || end == at+1 {
			continue
		}
		start, end = unglue(line, start, at, end)
		list = append(list, found{unquote(strings.ToLower(line[start:end])), start, end})
	}
	return list
}

// localStart returns where the local part that ends before at begins.
func localStart(line string, from, at int) int {
	low := max(from, at-maxAddress)
	if at > low && line[at-1] == '"' {
		if q := strings.LastIndexByte(line[low:at-1], '"'); q >= 0 {
			return low + q
		}
		return at
	}
	i := at
	for i > low {
		r, size := utf8.DecodeLastRuneInString(line[low:i])
		if r >= utf8.RuneSelf && !unicode.IsLetter(r) || r < utf8.RuneSelf && !isAtext(byte(r)) {
			break
		}
		i -= size
	}
	for i < at && strings.IndexByte(".'`*|=", line[i]) >= 0 {
		if line[i] == '=' && strings.HasPrefix(line[i:], "=?") {
			break
		}
		i++ // signs that more often belong to the text than to the address
	}
	return i
}

// domainEnd returns where the domain that begins at i ends. A domain has a dot, or is an
// address literal, or is a bare host name within angle brackets.
func domainEnd(line string, i int) int {
	if i < len(line) && line[i] == '[' {
		if q := strings.IndexByte(line[i:min(len(line), i+64)], ']'); q > 0 {
			return i + q + 1
		}
		return i
	}
	end := i
	for end < len(line) && end-i < 255 {
		r, size := utf8.DecodeRuneInString(line[end:])
		ok := r == '.' || r == '-' || r == '_' || r < utf8.RuneSelf && isAlnum(byte(r)) ||
			r >= utf8.RuneSelf && r != utf8.RuneError && unicode.IsLetter(r)
		if !ok {
			break
		}
		end += size
	}
	for end > i && strings.IndexByte(".-_", line[end-1]) >= 0 {
		end--
	}
	dot := strings.IndexByte(line[i:end], '.')
	closed := end < len(line) && line[end] == '>'
	if dot <= 0 && !(closed && end > i) {
		return i
	}
	return end
}

// unglue takes off what only stands beside an address, in scripts that set no spaces: "them@there.example에", and
// "向them@there.example". A name or domain in such a script stays whole.
func unglue(line string, start, at, end int) (int, int) {
	last := at + 1 + strings.LastIndexByte(line[at+1:end], '.') + 1
	if last < end && line[last] < utf8.RuneSelf {
		if i := strings.IndexFunc(line[last:end], spaceless); i > 0 {
			end = last + i
		}
	}
	if strings.IndexFunc(line[at:end], spaceless) >= 0 {
		return start, end
	}
	if i := strings.LastIndexFunc(line[start:at], spaceless); i >= 0 {
		_, size := utf8.DecodeRuneInString(line[start+i:])
		if i += start + size; line[i] >= 'A' && isAlnum(line[i]) {
			start = i
		}
	}
	return start, end
}

// spaceless reports whether r is of a script that sets no spaces, or none before its particles.
func spaceless(r rune) bool {
	return r >= utf8.RuneSelf && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isAtext(c byte) bool {
	return isAlnum(c) || strings.IndexByte(".!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// fieldAddress reads the value of a recipient field of RFC 3464, "type; address". It is more
// liberal than findAddresses: a mailbox without domain is an address here.
func fieldAddress(value string) string {
	if _, rest, ok := strings.Cut(value, ";"); ok {
		value = rest
	}
	value = strings.TrimSpace(value)
	if i := strings.IndexByte(value, '<'); i >= 0 {
		if j := strings.LastIndexByte(value, '>'); j > i {
			value = value[i+1 : j]
		}
	}
	value = strings.Trim(value, "<> \t',;")
	for _, p := range []string{"smtp:", "mailto:"} {
		if len(value) > len(p) && strings.EqualFold(value[:len(p)], p) {
			value = value[len(p):]
		}
	}
	value = unquote(unescape(value))
	if strings.ContainsAny(value, " \t") {
		if f := findAddresses(octets.Clip(value, maxField)); len(f) > 0 {
			value = f[0].addr // a comment, or a command line, beside it
		}
	}
	return strings.ToLower(clean(value, maxAddress))
}

// unquote takes the quotation marks off a local part that can do without them.
func unquote(a string) string {
	i := strings.LastIndex(a, "\"@")
	if i < 2 || a[0] != '"' || strings.ContainsAny(a[1:i], "\" \t\\@<>,;") {
		return a
	}
	return a[1:i] + a[i+1:]
}

// unescape undoes the two escapes that are seen in addresses: \x{N} of RFC 6533, and the
// xtext forms of plus and equals sign, which are never meant literally.
func unescape(s string) string {
	s = strings.NewReplacer("+2B", "+", "+3D", "=").Replace(s)
	if !strings.Contains(s, `\x{`) {
		return s
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, `\x{`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		hex, after, ok := strings.Cut(rest, "}")
		n, err := strconv.ParseUint(hex, 16, 32)
		if !ok || err != nil || n > unicode.MaxRune {
			b.WriteString(`\x{`)
			s = rest
			continue
		}
		b.WriteRune(rune(n))
		s = after
	}
}

// whole reports whether a has both a local part and a domain.
func whole(a string) bool {
	i := strings.LastIndexByte(a, '@')
	return i > 0 && i < len(a)-1 && !strings.ContainsAny(a, " \t<>")
}
