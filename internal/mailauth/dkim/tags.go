package dkim

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
)

var (
	errTags   = errors.New("malformed tag list")
	errBase64 = errors.New("malformed base64")
	errNumber = errors.New("malformed number")
)

// maxTags bounds a tag list; those of signatures and keys have a dozen.
const maxTags = 64

// tags is a tag list of RFC 6376 section 3.2.
type tags struct {
	values map[string]string // surrounding white space removed
	first  string            // name of the first tag
	bStart int               // where the value of b= begins and ends, with its white space; -1 without b=
	bEnd   int
}

// parseTags parses a tag list. A name that occurs twice spoils all of it.
func parseTags(s string) (tags, error) {
	t := tags{values: make(map[string]string, 12), bStart: -1}
	for pos := 0; pos < len(s); {
		end := strings.IndexByte(s[pos:], ';')
		if end < 0 {
			end = len(s)
		} else {
			end += pos
		}
		part := s[pos:end]
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			if trimFWS(part) == "" && end == len(s) && len(t.values) > 0 {
				break // white space behind the last semicolon
			}
			return t, errTags
		}
		start := pos + len(name) + 1
		name = trimFWS(name)
		if _, twice := t.values[name]; twice || !isTagName(name) || !isTagValue(value) || len(t.values) == maxTags {
			return t, errTags
		}
		if len(t.values) == 0 {
			t.first = name
		}
		if name == "b" {
			t.bStart, t.bEnd = start, end
		}
		t.values[name] = trimFWS(value)
		pos = end + 1
	}
	if len(t.values) == 0 {
		return t, errTags
	}
	return t, nil
}

func isTagName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || (c < '0' || c > '9') && c != '_') {
			return false
		}
	}
	return s != ""
}

// isTagValue allows what section 3.2 allows, white space, and the UTF-8 of RFC 8616.
func isTagValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == 0x7f || c < ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

func trimFWS(s string) string { return strings.Trim(s, " \t\r\n") }

// removeFWS removes all white space, as values of base64 and names may have it anywhere.
func removeFWS(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
}

// list splits a value at colons.
func list(s string) []string {
	out := strings.Split(s, ":")
	for i := range out {
		out[i] = trimFWS(out[i])
	}
	return out
}

// has tells whether a list holds a word, in any case.
func has(words []string, word string) bool {
	for _, w := range words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

func decodeBase64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(removeFWS(s))
	if err != nil || len(b) == 0 {
		return nil, errBase64
	}
	return b, nil
}

// number parses a decimal number; one too long for 64 bits is the largest there is.
func number(s string) (int64, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, errNumber
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, nil
	}
	return n, nil
}

// decodeQP decodes the quoted-printable of section 2.11, in which i= is written.
func decodeQP(s string) (string, error) {
	s = removeFWS(s)
	if strings.IndexByte(s, '=') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errTags
		}
		v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil || strings.ToUpper(s[i+1:i+3]) != s[i+1:i+3] {
			return "", errTags
		}
		b.WriteByte(byte(v))
		i += 2
	}
	return b.String(), nil
}
