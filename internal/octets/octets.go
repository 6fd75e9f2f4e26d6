// Package octets answers small questions about texts from outside: whether one is ASCII, and where it can be cut.
package octets

import (
	"encoding/binary"
	"unicode/utf8"
)

// IsASCII tells whether b holds no octet above 127. A string that is converted for it is not copied.
func IsASCII(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Clip cuts s to at most n octets, between two characters.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
