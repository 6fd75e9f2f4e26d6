package smtpclient

import (
	"bytes"
	"errors"
	"fmt"

	"mxdesk/internal/octets"
)

// ErrBody is wrapped by the error for a letter that may not go over the wire. It is a mistake of
// whoever composed it: trying again does not help.
var ErrBody = errors.New("letter is not fit for SMTP")

// maxLine is the longest line without its CRLF (RFC 5321 section 4.5.3.1.6).
const maxLine = 998

// CheckBody tells whether a letter can be sent as it is: CRLF line ends and no other CR or LF (a bare one is how
// letters are smuggled), no NUL, no line above 998 octets. The last line may lack its CRLF.
// eightBit tells whether it needs 8BITMIME (RFC 6152).
func CheckBody(body []byte) (eightBit bool, err error) {
	if bytes.IndexByte(body, 0) >= 0 {
		return false, fmt.Errorf("%w: a NUL", ErrBody)
	}
	for n := 1; len(body) > 0; n++ {
		line, rest, found := bytes.Cut(body, crlf[1:])
		body = rest
		if found {
			if len(line) == 0 || line[len(line)-1] != '\r' {
				return false, fmt.Errorf("%w: a bare LF in line %d", ErrBody, n)
			}
			line = line[:len(line)-1]
		}
		if len(line) > maxLine {
			return false, fmt.Errorf("%w: line %d is longer than %d octets", ErrBody, n, maxLine)
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			return false, fmt.Errorf("%w: a bare CR in line %d", ErrBody, n)
		}
		eightBit = eightBit || !octets.IsASCII(line)
	}
	return eightBit, nil
}

var (
	crlf    = []byte("\r\n")
	lineDot = []byte("\n.")
)

// blocks gathers small pieces into large writes. Its buffer keeps room for the final dot.
type blocks struct {
	buf   []byte
	write func([]byte) error
}

const endRoom = len("\r\n.\r\n")

func (b *blocks) put(p []byte) error {
	for len(p) > 0 {
		room := cap(b.buf) - endRoom - len(b.buf)
		if room == 0 {
			if err := b.write(b.buf); err != nil {
				return err
			}
			b.buf = b.buf[:0]
			continue
		}
		n := min(room, len(p))
		b.buf = append(b.buf, p[:n]...)
		p = p[n:]
	}
	return nil
}

// writeBody sends a letter that CheckBody accepted, dots doubled (RFC 5321 section 4.5.2), and the final dot, in
// blocks of the size of the buffer. The final dot is in the last block: when write fails, the server has
// not seen the end of the letter.
func writeBody(body, buffer []byte, write func([]byte) error) error {
	b := blocks{buf: buffer[:0], write: write}
	end := "\r\n.\r\n"
	if len(body) == 0 || bytes.HasSuffix(body, crlf) {
		end = ".\r\n"
	}
	if len(body) > 0 && body[0] == '.' {
		b.buf = append(b.buf, '.')
	}
	for {
		i := bytes.Index(body, lineDot)
		if i < 0 {
			break
		}
		if err := b.put(body[:i+len(lineDot)]); err != nil {
			return err
		}
		if err := b.put(lineDot[1:]); err != nil {
			return err
		}
		body = body[i+len(lineDot):]
	}
	if err := b.put(body); err != nil {
		return err
	}
	return write(append(b.buf, end...))
}
