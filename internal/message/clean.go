package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanText makes s fit for a text column and for display: valid UTF-8 (bad bytes become U+FFFD),
// no NUL, line ends as LF, no other C0 control but the tab. It returns s itself when nothing is to do.
func CleanText(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf {
			clean = utf8.ValidString(s[i:]) && !hasBadControl(s[i:])
			break
		} else if (c < ' ' && c != '\n' && c != '\t') || c == 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	run := 0 // start of what is good and not yet written
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		put := ""
		switch {
		case c == '\r':
			if i+1 >= len(s) || s[i+1] != '\n' {
				put = "\n"
			}
		case c == '\f' || c == '\v':
			put = "\n"
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			put = "\ufffd"
		}
		b.WriteString(s[run:i])
		b.WriteString(put)
		i++
		run = i
	}
	b.WriteString(s[run:])
	return b.String()
}

func hasBadControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < ' ' && c != '\n' && c != '\t') || c == 0x7f {
			return true
		}
	}
	return false
}

// CleanLine makes s fit for a header field, a log line or a subject: valid UTF-8 on one line without any control
// character or bidirectional override, runs of white space as one space, trimmed.
func CleanLine(s string) string {
	ok := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || (c == ' ' && (i == 0 || i == len(s)-1 || s[i+1] == ' ')) {
			ok = false
			break
		}
	}
	if ok {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
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
