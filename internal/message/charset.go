package message

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/wlynxg/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"mxdesk/internal/octets"
)

// Limits of guessing a charset, which is slow: how much of one text the detector sees, and of all texts of a letter.
const (
	maxDetect      = 64 << 10
	maxDetectTotal = 256 << 10
)

// decoder turns bytes into text, for one letter.
type decoder struct {
	hint   string // charset of raw 8-bit text in headers, when the letter tells one
	budget int    // bytes that the detector may still see

	known map[string]encoding.Encoding // charsets looked up before; nil for a name that nobody knows
}

func newDecoder() *decoder { return &decoder{budget: maxDetectTotal} }

// lookup finds the encoding of a normalised name, or nil. A letter has no more than maxLookups of them.
func (d *decoder) lookup(name string) encoding.Encoding {
	const maxLookups = 50
	enc, found := d.known[name]
	if found || len(d.known) >= maxLookups {
		return enc
	}
	if d.known == nil {
		d.known = make(map[string]encoding.Encoding, 4)
	}
	enc = lookupCharset(name)
	d.known[name] = enc
	return enc
}

// charset turns bytes into valid UTF-8: by the declared charset, else as UTF-8 if it is,
// else by what the bytes look like, else as windows-1252. ok is false when the declared charset is unknown or
// the bytes are not in it.
func (d *decoder) charset(b []byte, declared string) (s string, ok bool) {
	name := charsetName(declared)
	ascii := octets.IsASCII(b)
	switch name {
	case "", "us-ascii", "utf-8":
		if ascii && bytes.IndexByte(b, 0x1b) < 0 {
			return string(b), true
		}
		if utf8.Valid(b) && !ascii {
			return strings.TrimPrefix(string(b), "\ufeff"), name != "us-ascii"
		}
		return d.guess(b), ascii
	case "utf-7":
		return decodeUTF7(b), true
	case "iso-2022-kr":
		return d.shifted(b, korean.EUCKR), true
	case "iso-2022-cn", "iso-2022-cn-ext":
		return d.shifted(b, simplifiedchinese.GBK), true
	}
	enc := d.lookup(name)
	if name == "iso-8859-1" && !ascii && utf8.Valid(b) {
		// Windows programs call windows-1252 iso-8859-1, and the Web agrees. Bytes that happen to be UTF-8 were
		// not made by one of them: here the name means what it says.
		enc = charmap.ISO8859_1
	}
	if enc == nil {
		if ascii {
			return string(b), false
		}
		return d.guess(b), false
	}
	if ascii && asciiSuperset(enc) {
		return string(b), true
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return d.guess(b), false
	}
	// A multi-byte charset that yields many replacement characters was declared wrongly.
	if bad := bytes.Count(out, []byte("\ufffd")); bad > 0 && utf8.Valid(b) && !ascii {
		return string(b), false
	}
	return strings.TrimPrefix(string(out), "\ufeff"), true
}

// guess decodes text whose charset nobody told, or told wrongly.
func (d *decoder) guess(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if utf8.Valid(b) && bytes.IndexByte(b, 0x1b) < 0 {
		return strings.TrimPrefix(string(b), "\ufeff")
	}
	if mostlyUTF8(b) {
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	if name := d.detect(b); name != "" {
		if out, err := d.lookup(name).NewDecoder().Bytes(b); err == nil && !bytes.Contains(out, []byte("\ufffd")) {
			return string(out)
		}
	}
	if octets.IsASCII(b) {
		return string(b)
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	return string(out)
}

// detect names the charset that b looks like, "" when it is not sure or the budget is spent.
func (d *decoder) detect(b []byte) string {
	b = b[:min(len(b), maxDetect, d.budget)]
	if len(b) == 0 {
		return ""
	}
	const least = 4 << 10 // what the detector costs at least
	d.budget -= max(len(b), min(least, d.budget))
	r := chardet.Detect(b)
	name := charsetName(r.Encoding)
	if r.Confidence < 0.6 || name == "us-ascii" || name == "utf-8" || strings.HasPrefix(name, "mac") || d.lookup(name) == nil {
		return ""
	}
	return name
}

// mostlyUTF8 tells whether b is UTF-8 that was damaged in a few places, such as by a cut in the middle of a character.
func mostlyUTF8(b []byte) bool {
	good, bad := 0, 0
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			bad++
		} else {
			good++
		}
		i += n
	}
	return good > 0 && good >= 4*bad
}

// aliases of charset names that neither htmlindex nor IANA know.
var aliases = map[string]string{
	"utf8": "utf-8", "unicode-1-1-utf-8": "utf-8", "cp65001": "utf-8", "utf-8mb4": "utf-8", "utf8mb4": "utf-8",
	"ascii": "us-ascii", "ansi_x3.4-1968": "us-ascii", "646": "us-ascii", "7bit": "us-ascii", "8bit": "", "default": "",
	"unknown": "", "unknown-8bit": "", "x-unknown": "", "_autodetect": "", "none": "", "binary": "", "iso-8859-8-i": "iso-8859-8",
	"unicode-1-1-utf-7": "utf-7", "x-unicode-1-1-utf-7": "utf-7", "csunicode11utf7": "utf-7", "unicode-2-0-utf-7": "utf-7",
	"x-gbk": "gbk", "cp936": "gbk", "ms936": "gbk", "gb_2312-80": "gbk", "gb2312-80": "gbk", "euc-cn": "gbk", "cp950": "big5", "big5-eten": "big5",
	"cp949": "euc-kr", "ms949": "euc-kr", "uhc": "euc-kr", "ks_c_5601-1987": "euc-kr", "ks_c_5601": "euc-kr", "ksc5601": "euc-kr",
	"cp932": "shift_jis", "ms932": "shift_jis", "windows-932": "shift_jis", "sjis": "shift_jis", "x-sjis-jp": "shift_jis",
	"iso-2022-jp-1": "iso-2022-jp", "iso-2022-jp-2": "iso-2022-jp", "iso-2022-jp-ms": "iso-2022-jp", "cp50220": "iso-2022-jp", "cp50221": "iso-2022-jp", "jis": "iso-2022-jp",
	"iso2022jp": "iso-2022-jp", "iso2022-jp": "iso-2022-jp", "iso-2022-jp-3": "iso-2022-jp", "latin1": "windows-1252", "latin-1": "windows-1252",
	"ansi": "windows-1252", "x-ansi": "windows-1252", "windows": "windows-1252", "x-mac-roman": "macintosh", "mac": "macintosh", "x-roman8": "hp-roman8",
	"unicode": "utf-16", "ucs-2": "utf-16", "iso-10646-ucs-2": "utf-16", "ucs-4": "utf-32", "iso-10646-ucs-4": "utf-32", "tis620": "windows-874",
	"cp-850": "cp850", "dos-850": "cp850", "x-cp850": "cp850", "x-user-defined": "windows-1252", "hz": "hz-gb-2312", "visual": "iso-8859-8",
}

// charsetName normalises a charset label.
func charsetName(label string) string {
	if label == "" || label == "utf-8" || label == "us-ascii" {
		return label
	}
	var buf [40]byte
	n := appendLower(buf[:0], strings.Trim(label, " \t\"'<>;,"))
	s := string(n)
	s, _, _ = strings.Cut(s, "*") // RFC 2231 section 5: the language
	s, _, _ = strings.Cut(s, " ")
	for _, prefix := range [...]string{"charset=", "x-cp", "x-win-", "win-"} {
		if rest, found := strings.CutPrefix(s, prefix); found && len(rest) > 2 {
			switch prefix {
			case "charset=":
				s = rest
			case "x-cp":
				s = "cp" + rest
			case "x-win-", "win-":
				s = "windows-" + rest
			}
		}
	}
	if a, found := aliases[s]; found {
		return a
	}
	return strings.ReplaceAll(s, "iso-8859_", "iso-8859-")
}

// lookupCharset finds the encoding of a normalised name, or nil. The names of the Web come first: they
// read iso-8859-1 as windows-1252 and gb2312 as gbk, which is what senders mean.
func lookupCharset(name string) encoding.Encoding {
	switch name {
	case "", "replacement":
		return nil
	case "utf-32", "utf-32be":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	case "utf-32le":
		return utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)
	case "utf-16":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case "gbk", "gb2312":
		return simplifiedchinese.GB18030
	case "hz-gb-2312":
		return simplifiedchinese.HZGB2312
	}
	if e, err := htmlindex.Get(name); err == nil && e != encoding.Replacement {
		return e
	}
	for _, try := range [...]string{name, strings.Replace(name, "iso8859-", "iso-8859-", 1), strings.Replace(name, "cp", "windows-", 1), strings.Replace(name, "cp", "ibm", 1)} {
		if e, err := htmlindex.Get(try); err == nil && e != encoding.Replacement {
			return e
		}
		if e, err := ianaindex.IANA.Encoding(try); err == nil && e != nil {
			return e
		}
	}
	return nil
}

// asciiSuperset tells whether ASCII bytes mean themselves in enc. ISO-2022-JP and HZ, UTF-16 and
// EBCDIC are the ones where they do not.
func asciiSuperset(enc encoding.Encoding) bool {
	const probe = "~{Az09\x1b$B!@"
	s, err := enc.NewDecoder().String(probe)
	return err == nil && s == probe
}

// shifted decodes ISO-2022-KR and ISO-2022-CN: between SO and SI two 7-bit bytes are one
// character, which the EUC form of the charset has with the high bits set.
func (d *decoder) shifted(b []byte, enc encoding.Encoding) string {
	out := make([]byte, 0, len(b))
	in := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == 0x0e:
			in = true
		case c == 0x0f:
			in = false
		case c == 0x1b && i+3 < len(b) && b[i+1] == '$':
			i += 3 // a designator, ESC $ ) C
		case c == '\n':
			in = false
			out = append(out, c)
		case in && c > ' ':
			out = append(out, c|0x80)
		default:
			out = append(out, c)
		}
	}
	s, err := enc.NewDecoder().Bytes(out)
	if err != nil {
		return d.guess(b)
	}
	return string(s)
}

// decodeUTF7 follows RFC 2152; what is not well-formed stays as it is.
func decodeUTF7(b []byte) string {
	var s strings.Builder
	s.Grow(len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '+' {
			if b[i] < utf8.RuneSelf {
				s.WriteByte(b[i])
			} else {
				s.WriteRune(utf8.RuneError)
			}
			continue
		}
		end := i + 1
		for end < len(b) && isBase64(b[end]) {
			end++
		}
		if end == i+1 {
			s.WriteByte('+')
			if end < len(b) && b[end] == '-' {
				i++
			}
			continue
		}
		raw := make([]byte, base64.RawStdEncoding.DecodedLen(end-i-1))
		n, err := base64.RawStdEncoding.Decode(raw, b[i+1:end])
		if err != nil && n == 0 {
			s.Write(b[i:end])
			i = end - 1
			continue
		}
		units := make([]uint16, 0, n/2)
		for j := 0; j+1 < n; j += 2 {
			units = append(units, uint16(raw[j])<<8|uint16(raw[j+1]))
		}
		s.WriteString(string(utf16.Decode(units)))
		i = end - 1
		if end < len(b) && b[end] == '-' {
			i++
		}
	}
	return s.String()
}

func isBase64(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
}
