package message

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestParseThreadIndex(t *testing.T) {
	root := "\x01\xdc\x4e\xa0\x9e\xe90123456789:;<=>?"
	code := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string]struct{ field, want string }{
		"first letter":   {code(root), root},
		"answer":         {code(root + "\x00\x01\x02\x03\x04"), root},
		"many answers":   {code(root + strings.Repeat("\x00\x01\x02\x03\x04", 300)), root},
		"folded":         {code(root)[:10] + "\r\n\t " + code(root)[10:], root},
		"too short":      {code(root[:21]), ""},
		"of no version":  {code("\x02" + root[1:]), ""},
		"not base64":     {"Re: our talk, of which there is much to say", ""},
		"far into space": {strings.Repeat(" ", 1000) + code(root), ""},
		"nothing":        {"", ""},
	} {
		if got := parseThreadIndex([]byte(c.field)); string(got) != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
