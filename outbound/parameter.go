package outbound

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a MIME parameter, in octets: of its value, and of one piece of it on a line.
const (
	maxParameter = 255
	maxPiece     = 60
)

// parameter is a MIME parameter, as words between which the field may be folded: quoted when it is plain ASCII, else as RFC
// 2231 section 4 has it, and in numbered pieces (section 3) when it is long. The value is clean already.
func parameter(name, value string) []string {
	if len(value) > maxParameter {
		value = strings.TrimSpace(strings.ToValidUTF8(value[:maxParameter], ""))
	}
	var pieces []string
	var piece strings.Builder
	plain := isPlain(value)
	for _, r := range value {
		next := encodeParameter(r, plain)
		if piece.Len()+len(next) > maxPiece {
			pieces = append(pieces, piece.String())
			piece.Reset()
		}
		piece.WriteString(next)
	}
	pieces = append(pieces, piece.String())
	words := make([]string, len(pieces))
	for i, p := range pieces {
		number, end := "", ""
		if len(pieces) > 1 {
			number = "*" + strconv.Itoa(i)
		}
		if i < len(pieces)-1 {
			end = ";"
		}
		switch {
		case plain:
			words[i] = name + number + `="` + p + `"` + end
		case i == 0:
			words[i] = name + number + "*=utf-8''" + p + end
		default:
			words[i] = name + number + "*=" + p + end
		}
	}
	return words
}

// isPlain tells whether a quoted string can hold s without anybody taking it for something encoded.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return !strings.Contains(s, "=?") && !strings.Contains(s, "''")
}

func encodeParameter(r rune, plain bool) string {
	switch {
	case plain && (r == '"' || r == '\\'):
		return `\` + string(r)
	case plain, r < utf8.RuneSelf && isToken(strings.ToLower(string(r))) && !strings.ContainsRune("*'%", r):
		return string(r)
	}
	var b strings.Builder
	for _, c := range []byte(string(r)) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
