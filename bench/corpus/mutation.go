package main

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"unicode/utf8"

	"mxdesk/internal/message"
)

// smallLetter is the size up to which letters are mutated most of the time: most errors need few octets.
const smallLetter = 8 << 10

// mutator makes letters of letters.
type mutator struct {
	small, all [][]byte
	r          *rand.Rand
}

func newMutator(letters []corpusLetter) *mutator {
	m := &mutator{}
	for _, l := range letters {
		if len(l.raw) == 0 || len(l.raw) > maxLetter {
			continue
		}
		m.all = append(m.all, l.raw)
		if len(l.raw) <= smallLetter {
			m.small = append(m.small, l.raw)
		}
	}
	if len(m.small) == 0 {
		m.small = m.all
	}
	return m
}

// pick is one letter of the corpus, nearly always a small one.
func (m *mutator) pick() []byte {
	if m.r.IntN(50) == 0 {
		return m.all[m.r.IntN(len(m.all))]
	}
	return m.small[m.r.IntN(len(m.small))]
}

// mutations are the ways to damage a letter. They return new memory or s itself, and never write into s.
var mutations = []func(*mutator, []byte) []byte{
	(*mutator).flip, (*mutator).flip, (*mutator).splice, (*mutator).doubleField, (*mutator).boundary, (*mutator).truncate,
	(*mutator).repeat, (*mutator).relabel, (*mutator).insert, (*mutator).cut, (*mutator).nest,
}

// letter is the mutation with that number.
func (m *mutator) letter(seed uint64, number int) []byte {
	m.r = rand.New(rand.NewPCG(seed, uint64(number)))
	s := m.pick()
	for range 1 + m.r.IntN(4) {
		s = mutations[m.r.IntN(len(mutations))](m, s)
		s = s[:min(len(s), maxLetter)]
	}
	return s
}

// at is a place in s, its end included.
func (m *mutator) at(s []byte) int { return m.r.IntN(len(s) + 1) }

// within is a piece of s of at most n octets.
func (m *mutator) within(s []byte, n int) (from, to int) {
	from = m.at(s)
	return from, from + m.r.IntN(min(n, len(s)-from)+1)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// flip changes some octets.
func (m *mutator) flip(s []byte) []byte {
	s = bytes.Clone(s)
	for range min(len(s), 1+m.r.IntN(20)) {
		s[m.r.IntN(len(s))] ^= byte(1 << m.r.IntN(8))
	}
	return s
}

// splice goes on with the rest of another letter.
func (m *mutator) splice(s []byte) []byte {
	other := m.pick()
	return join(s[:m.at(s)], other[m.at(other):])
}

// lineAt is the line around a place, its end included.
func lineAt(s []byte, at int) (from, to int) {
	from = bytes.LastIndexByte(s[:at], '\n') + 1
	if end := bytes.IndexByte(s[at:], '\n'); end >= 0 {
		return from, at + end + 1
	}
	return from, len(s)
}

// doubleField writes a line again, near the start of the letter, where the header is.
func (m *mutator) doubleField(s []byte) []byte {
	if len(s) == 0 {
		return s
	}
	head := len(s)
	if i := bytes.Index(s, []byte("\n\r\n")); i > 0 {
		head = i
	}
	from, to := lineAt(s, m.r.IntN(head))
	to2 := m.r.IntN(head)
	_, at := lineAt(s, to2)
	return join(s[:at], bytes.Repeat(s[from:to], 1+m.r.IntN(30)), s[at:])
}

// boundary damages a line that begins with dashes, or the parameter that announces them.
func (m *mutator) boundary(s []byte) []byte {
	mark := [][]byte{[]byte("\n--"), []byte("boundary="), []byte("--\r\n"), []byte("\r\n\r\n")}[m.r.IntN(4)]
	var places []int
	for i := 0; len(places) < 200; {
		n := bytes.Index(s[i:], mark)
		if n < 0 {
			break
		}
		places = append(places, i+n)
		i += n + len(mark)
	}
	if len(places) == 0 {
		return m.cut(s)
	}
	at := places[m.r.IntN(len(places))] + m.r.IntN(len(mark)+4)
	at = min(at, len(s))
	if m.r.IntN(2) == 0 {
		return join(s[:at], s[min(len(s), at+1+m.r.IntN(4)):])
	}
	return join(s[:at], mark, s[at:])
}

// truncate ends the letter early.
func (m *mutator) truncate(s []byte) []byte { return s[:m.at(s)] }

// repeat writes a piece many times.
func (m *mutator) repeat(s []byte) []byte {
	from, to := m.within(s, 400)
	times := 1 + m.r.IntN(1+8192/(to-from+1))
	return join(s[:to], bytes.Repeat(s[from:to], times), s[to:])
}

// cut takes a piece away.
func (m *mutator) cut(s []byte) []byte {
	from, to := m.within(s, 200)
	return join(s[:from], s[to:])
}

// charsets, encodings and types that a letter may claim.
var claims = strings.Fields("utf-8 UTF-7 utf-16 utf-16le iso-2022-jp iso-2022-kr gb18030 gb2312 hz-gb-2312 big5 euc-kr euc-jp shift_jis koi8-r windows-1251 windows-1252 iso-8859-8-i " +
	"macintosh ibm866 us-ascii unknown-8bit x-nothing base64 quoted-printable 7bit binary uuencode x-uue yenc text/plain text/html multipart/mixed " +
	"multipart/alternative multipart/related multipart/report multipart/digest message/rfc822 message/partial message/delivery-status message/feedback-report text/calendar application/ms-tnef text/enriched")

// relabel changes what the letter says of its charset, encoding or type.
func (m *mutator) relabel(s []byte) []byte {
	label := [][]byte{[]byte("charset="), []byte("Content-Transfer-Encoding: "), []byte("Content-Type: "), []byte("=?")}[m.r.IntN(4)]
	i := bytes.Index(s, label)
	if i < 0 {
		return join([]byte("Content-Type: "+claims[m.r.IntN(len(claims))]+"; charset="+claims[m.r.IntN(len(claims))]+"\r\n"), s)
	}
	if next := bytes.Index(s[i+len(label):], label); next >= 0 && m.r.IntN(2) == 0 {
		i += len(label) + next
	}
	i += len(label)
	end := i + bytes.IndexAny(s[i:], "\r\n;? ")
	if end < i {
		end = len(s)
	}
	return join(s[:i], []byte(claims[m.r.IntN(len(claims))]), s[end:])
}

// odd are octets that parsers trip over.
var odd = []string{
	"\x00", "\xff\xfe", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xef\xbb\xbf", "\x1b$B", "\x1b(B", "~{", "+AAA-", "\r", "\n", "\r\n\r\n", "\r\n ", "=", "=?", "?=", "=\r\n", "%00", "&#0;", "&#xD800;",
	"<", ">", "(", ")", "\"", "\\", ",", ";", ":", "@", "<!--", "-->", "<![CDATA[", "<style>", "</", "<blockquote>", "<img src=\"cid:", "On 2024-01-01 a@b wrote:\r\n> ", "-----Original Message-----\r\n",
	"-- \r\n", "begin 644 a\r\n", "\r\n.\r\n", "From ", "\u202e", "\u0000", "\u2028", "\ufffd", strings.Repeat("a", 2000), strings.Repeat(">", 300), strings.Repeat("(", 300), strings.Repeat("=?utf-8?q?=00?= ", 40),
}

// insert puts odd octets somewhere.
func (m *mutator) insert(s []byte) []byte {
	at := m.at(s)
	return join(s[:at], bytes.Repeat([]byte(odd[m.r.IntN(len(odd))]), 1+m.r.IntN(8)), s[at:])
}

// nest makes the letter an attachment of itself.
func (m *mutator) nest(s []byte) []byte {
	head := []byte("Content-Type: multipart/mixed; boundary=n\r\n\r\n--n\r\nContent-Type: message/rfc822\r\n\r\n")
	return join(bytes.Repeat(head, 1+m.r.IntN(40)), s, []byte("\r\n--n--\r\n"))
}

// defect tells what is wrong with a reading: that the reader broke down, or a text that no database takes.
func defect(c *message.Content) string {
	for _, w := range c.Warnings {
		if strings.HasPrefix(w, "internal: ") {
			return w
		}
	}
	return badText(reflect.ValueOf(c), "content")
}

// badText finds a string, however deep, that is no UTF-8 or holds NUL, and tells where.
func badText(v reflect.Value, path string) string {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return path + " is not text"
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return badText(v.Elem(), path)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				if why := badText(v.Field(i), path+"."+f.Name); why != "" {
					return why
				}
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return ""
		}
		for i := range v.Len() {
			if why := badText(v.Index(i), path); why != "" {
				return why
			}
		}
	}
	return ""
}
