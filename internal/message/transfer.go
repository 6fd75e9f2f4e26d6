package message

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// decodeBase64 decodes src into dst, which must hold DecodedLen(len(src))+3 bytes, and returns how many
// bytes came out. Foreign characters are skipped; padding in the middle ends a group, not the text,
// because some senders glue encoded pieces together.
func decodeBase64(dst, src []byte) int {
	n := 0
	var acc uint32
	bits := 0
	for len(src) > 0 {
		// Whole lines of good characters, the usual case, are left to the standard library.
		if bits == 0 {
			if end := base64Run(src); end >= 4 {
				end -= end % 4
				m, err := base64.RawStdEncoding.Decode(dst[n:], src[:end])
				n += m
				if err == nil {
					src = src[end:]
					continue
				}
			}
		}
		c := base64Value[src[0]]
		src = src[1:]
		switch {
		case c < 64:
			acc, bits = acc<<6|uint32(c), bits+6
			if bits == 24 {
				dst[n], dst[n+1], dst[n+2] = byte(acc>>16), byte(acc>>8), byte(acc)
				n, acc, bits = n+3, 0, 0
			}
		case c == 64:
			n, acc, bits = n+flushBits(dst[n:], acc, bits), 0, 0
			if !base64Follows(src) {
				return n
			}
		}
	}
	return n + flushBits(dst[n:], acc, bits)
}

// base64Follows tells whether the first written line of b goes on with base64. Behind the padding some
// programs glue another piece, and mailing lists plain text.
func base64Follows(b []byte) bool {
	b = bytes.TrimLeft(b, "=\r\n \t")
	end, _ := lineEnd(b, 0)
	line := bytes.TrimRight(b[:end], "=\r \t")
	return base64Run(line) == len(line) && len(line) > 0
}

// maybeBase64 tells whether body can be base64: words with spaces between them are none.
func maybeBase64(body []byte) bool {
	const look = 20
	spaced, lines := 0, 0
	for pos := 0; pos < len(body) && lines < look; {
		end, next := lineEnd(body, pos)
		line := bytes.TrimSpace(body[pos:end])
		pos = next
		if len(line) == 0 {
			continue
		}
		lines++
		if bytes.IndexByte(line, ' ') > 0 {
			spaced++
		}
	}
	return 2*spaced < lines || lines == 0
}

// flushBits writes the whole bytes of an unfinished group.
func flushBits(dst []byte, acc uint32, bits int) int {
	switch bits {
	case 12:
		dst[0] = byte(acc >> 4)
		return 1
	case 18:
		dst[0], dst[1] = byte(acc>>10), byte(acc>>2)
		return 2
	}
	return 0
}

// base64Run is the length of the run of base64 characters at the start of b.
func base64Run(b []byte) int {
	for i, c := range b {
		if base64Value[c] >= 64 {
			return i
		}
	}
	return len(b)
}

// base64Value maps a character to its six bits; 64 is padding, 65 anything else.
var base64Value = func() (t [256]byte) {
	for i := range t {
		t[i] = 65
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	t['='] = 64
	return t
}()

// decodeTransfer undoes a Content-Transfer-Encoding. The result may share memory with body. known is
// false for an encoding nobody defined; the bytes are then kept as they are.
func decodeTransfer(body []byte, encoding string) (data []byte, known bool) {
	encoding = strings.Trim(encoding, " \t\";:.")
	if i := strings.IndexAny(encoding, " \t;("); i > 0 {
		encoding = encoding[:i]
	}
	switch encoding {
	case "base64", "base-64", "b", "x-base64":
		out := make([]byte, base64.StdEncoding.DecodedLen(len(body))+3)
		return out[:decodeBase64(out, body)], true
	case "quoted-printable", "quotedprintable", "quoted printable", "qp", "q", "quoted-printible":
		return appendQP(make([]byte, 0, len(body)), body), true
	case "x-uuencode", "uuencode", "x-uue", "uue":
		if _, data, _, ok := cutUU(body); ok {
			return data, true
		}
		return body, true
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "none", "7bits", "8bits":
		return body, true
	}
	return body, false
}

// freeUU is how large a uuencoded file may become, however short its lines are. Lines whose trailing spaces are lost stand for
// more octets than they have; larger files that grow are made to.
const freeUU = 64 << 10

// cutUU finds the first uuencoded file in body: its name, its bytes, and the text around it.
func cutUU(body []byte) (name string, data, rest []byte, ok bool) {
	start := uuStart(body)
	if start < 0 {
		return "", nil, body, false
	}
	end, next := lineEnd(body, start)
	name = string(bytes.TrimSpace(clipped(body[start+len("begin 644 ") : end])))
	out := make([]byte, 0, (len(body)-next)/4*3)
	for pos := next; pos < len(body); {
		end, after := lineEnd(body, pos)
		line := body[pos:end]
		if bytes.Equal(bytes.TrimSpace(line), []byte("end")) {
			rest = append(append(make([]byte, 0, len(body)-after+start), body[:start]...), body[after:]...)
			return name, out, rest, true
		}
		var good bool
		if out, good = appendUU(out, line); !good || len(out) > max(len(body), freeUU) {
			return "", nil, body, false
		}
		pos = after
	}
	return name, out, body[:start], true
}

// uuStart finds a line "begin <mode> <name>", or -1.
func uuStart(body []byte) int {
	for off := 0; ; {
		i := bytes.Index(body[off:], []byte("begin "))
		if i < 0 {
			return -1
		}
		at := off + i
		off = at + 6
		if (at > 0 && body[at-1] != '\n') || at+11 > len(body) || body[at+9] != ' ' {
			continue
		}
		if mode := body[at+6 : at+9]; isOctal(mode[0]) && isOctal(mode[1]) && isOctal(mode[2]) {
			return at
		}
	}
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// appendUU decodes one line; good is false when it is not uuencoded.
func appendUU(dst, line []byte) (out []byte, good bool) {
	line = bytes.TrimRight(line, "\r")
	if len(line) == 0 {
		return dst, true
	}
	if line[0] < ' ' || line[0] > '`' {
		return dst, false
	}
	n := int(line[0]-' ') & 63
	line = line[1:]
	if len(line) > n*4/3+8 {
		return dst, false
	}
	at := func(i int) byte {
		if i < len(line) {
			return (line[i] - ' ') & 63
		}
		return 0 // trailing spaces are often lost
	}
	for i := 0; n > 0; i += 4 {
		group := [3]byte{at(i)<<2 | at(i+1)>>4, at(i+1)<<4 | at(i+2)>>2, at(i+2)<<6 | at(i+3)}
		dst = append(dst, group[:min(n, 3)]...)
		n -= 3
	}
	return dst, true
}
