package bounce

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"mxdesk/internal/octets"
)

// Limits on what a stranger can make us read and keep.
const (
	maxText       = 256 << 10 // bytes read of one text or part
	maxLines      = 8000      // lines of a notice
	maxRecipients = 1000
	maxAddress    = 320  // RFC 3696 erratum 1690, and some air
	maxDiagnostic = 2000 // bytes kept of one diagnostic
	maxField      = 998  // bytes kept of any other field
	maxScan       = 8000 // bytes searched for words
)

// clean makes one line of s: valid UTF-8, white space squashed, no control or format
// characters, at most n bytes.
func clean(s string, n int) string {
	s = octets.Clip(s, 4*n)
	var b strings.Builder
	space := false
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			space = b.Len() > 0
			continue
		}
		if r == utf8.RuneError || unicode.Is(unicode.Cf, r) {
			continue
		}
		if b.Len()+utf8.RuneLen(r)+1 > n {
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// lines splits a text into lines without their ends, and no more than maxLines of them.
func lines(s string) []string {
	s = strings.ReplaceAll(octets.Clip(s, maxText), "\r\n", "\n")
	l := strings.SplitN(s, "\n", maxLines+1)
	if len(l) > maxLines {
		l = l[:maxLines]
	}
	return l
}
