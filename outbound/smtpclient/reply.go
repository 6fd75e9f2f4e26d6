package smtpclient

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what a server may make us read and keep.
const (
	maxReplyLine  = 4096     // octets; RFC 5321 section 4.5.3.1.5 says 512
	maxReplyBytes = 64 << 10 // octets of one reply, all its lines
	maxReplyText  = 1024     // octets of Reply.Text
)

// ErrProtocol is wrapped by the error for anything that is not SMTP.
var ErrProtocol = errors.New("the server does not speak SMTP")

// Reply is what a server answered. The zero value means that it did not.
type Reply struct {
	Code     int    // 200 to 599
	Enhanced string // status code of RFC 3463, as "5.1.1"; "" if there is none
	Text     string // of all lines, without the codes: printable, at most 1,024 octets
}

// String is the reply as it goes into a log: "550 5.1.1 No such user".
func (r Reply) String() string {
	if r.Code == 0 {
		return ""
	}
	parts := []string{fmt.Sprint(r.Code)}
	for _, s := range []string{r.Enhanced, r.Text} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}

// Positive tells whether the server did what it was asked.
func (r Reply) Positive() bool { return r.Code/100 == 2 }

// Permanent tells whether asking again is of no use.
func (r Reply) Permanent() bool { return r.Code/100 == 5 }

// readReply reads one reply; lines are its texts as they came, for EHLO. A bare LF ends a line too:
// there is nothing that a server could smuggle to us with one.
func readReply(br *bufio.Reader) (r Reply, lines []string, err error) {
	total := 0
	for {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return Reply{}, nil, fmt.Errorf("%w: a line above %d octets", ErrProtocol, maxReplyLine)
		} else if err != nil {
			return Reply{}, nil, err
		}
		if total += len(line); total > maxReplyBytes {
			return Reply{}, nil, fmt.Errorf("%w: a reply above %d octets", ErrProtocol, maxReplyBytes)
		}
		code, more, text, ok := parseReplyLine(line)
		if !ok || len(lines) > 0 && code != r.Code {
			return Reply{}, nil, fmt.Errorf("%w: %q", ErrProtocol, printable(string(line), 80))
		}
		r.Code = code
		lines = append(lines, text)
		if !more {
			r.Enhanced, r.Text = joinLines(code, lines)
			return r, lines, nil
		}
	}
}

// parseReplyLine takes apart `Reply-code [ SP / "-" textstring ]` (RFC 5321 section 4.2).
func parseReplyLine(line []byte) (code int, more bool, text string, ok bool) {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !isDigit(line[1]) || !isDigit(line[2]) {
		return 0, false, "", false
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, false, "", true
	}
	return code, line[3] == '-', string(line[4:]), line[3] == '-' || line[3] == ' '
}

// joinLines makes one text of the lines. The enhanced code that servers repeat on each line is told once.
func joinLines(code int, lines []string) (enhanced, text string) {
	var b strings.Builder
	for _, line := range lines {
		if e, rest := cutEnhanced(code, line); e != "" && (enhanced == "" || enhanced == e) {
			enhanced, line = e, rest
		}
		if line = strings.TrimSpace(line); line == "" || b.Len() > maxReplyText {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
	return enhanced, printable(b.String(), maxReplyText)
}

// cutEnhanced splits "5.1.1 text" (RFC 2034) when the class fits the code.
func cutEnhanced(code int, s string) (enhanced, rest string) {
	word, rest, _ := strings.Cut(s, " ")
	part := strings.Split(word, ".")
	if len(part) != 3 || part[0] != string(rune('0'+code/100)) {
		return "", s
	}
	for _, p := range part {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return "", s
		}
	}
	return word, rest
}

// printable makes a server's words safe for logs, pages and letters: valid UTF-8 without controls, format
// characters or line ends, at most limit octets.
func printable(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\t' {
			r = ' '
		}
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
