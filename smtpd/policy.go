package smtpd

import (
	"bytes"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

// facts are what the decision on a letter rests on.
type facts struct {
	nullSender bool
	header     headerFacts
}

// headerFacts are what the header of a letter says of itself.
type headerFacts struct {
	octets        int // of the header block
	received      int // fields
	from          int // fields
	fromAddresses int // parsable addresses in the first From field; -1 when there is anything else in it
}

// admit decides on a letter that has arrived whole: the zero reply, or why it is refused. It is pure; the
// reasons come in the order in which they are cheapest to find.
func admit(f facts, cfg *Config) reply {
	switch {
	case f.header.octets > cfg.MaxHeader:
		return replyHeaderTooBig
	case f.header.received > cfg.MaxReceived:
		return replyTo(message.ErrLoop)
	case !f.nullSender && (f.header.from != 1 || f.header.fromAddresses != 1):
		// A bounce may have any From; all else has one, because DMARC (RFC 9989 section 5.3.1) and the people
		// who read it must mean the same one.
		return replyTo(message.ErrMalformedFrom)
	}
	return reply{}
}

// admitRecipient decides on one more recipient before the backend is asked.
func admitRecipient(tx *transaction) reply {
	if tx.sender.IsZero() && len(tx.recipients) > 0 {
		return replyTo(message.ErrTooManyBounceTo)
	}
	return reply{}
}

// readHeader looks over the header of raw, at most limit octets and one line of it.
func readHeader(raw []byte, limit int) headerFacts {
	var h headerFacts
	for h.octets <= limit && h.octets < len(raw) {
		field := cutField(raw[h.octets:])
		if len(field) <= 2 { // the empty line
			break
		}
		h.octets += len(field)
		name, body, ok := bytes.Cut(field, []byte(":"))
		switch name = bytes.TrimRight(name, " \t"); {
		case !ok:
		case bytes.EqualFold(name, []byte("Received")):
			h.received++
		case bytes.EqualFold(name, []byte("From")):
			if h.from++; h.from == 1 {
				h.fromAddresses = countAddresses(string(body))
			}
		}
	}
	return h
}

// cutField returns the first field of b with its continuation lines and line ends.
func cutField(b []byte) []byte {
	for end := 0; ; {
		i := bytes.IndexByte(b[end:], '\n')
		if i < 0 {
			return b
		}
		if end += i + 1; end <= 2 || end == len(b) || (b[end] != ' ' && b[end] != '\t') {
			return b[:end]
		}
	}
}

// countAddresses counts the mailboxes of an address list (RFC 5322 section 3.4), -1 when one of them is none.
// It reads display names as leniently as senders write them: only what stands for the address must be one.
func countAddresses(list string) int {
	n := 0
	for part := range mailboxes(list) {
		if part == "" {
			continue
		}
		if _, err := address.Parse(part); err != nil {
			return -1
		}
		n++
	}
	return n
}

// mailboxes yields what stands for the address in each part of an address list: what is in angle brackets, or
// else all that is neither comment nor white space. Quotes, comments and their escapes are heeded.
func mailboxes(list string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var plain, angle strings.Builder
		var hasAngle, inAngle, quoted bool
		flush := func() bool {
			found := strings.TrimSpace(plain.String())
			if hasAngle {
				found = angle.String()
			}
			plain.Reset()
			angle.Reset()
			hasAngle, inAngle = false, false
			return yield(found)
		}
		out := func(c byte) {
			switch {
			case inAngle:
				angle.WriteByte(c)
			case !hasAngle:
				plain.WriteByte(c)
			}
		}
		for i := 0; i < len(list); i++ {
			c := list[i]
			switch {
			case c == '\\' && quoted && i+1 < len(list):
				i++
				out(c)
				out(list[i])
			case quoted:
				quoted = c != '"'
				out(c)
			case c == '(':
				n, _ := message.Comment(list[i:])
				i += n - 1
			case c == '"':
				quoted = true
				out(c)
			case c == '<' && !inAngle:
				if hasAngle { // a second address without a comma
					if !flush() {
						return
					}
				}
				hasAngle, inAngle = true, true
			case c == '>' && inAngle:
				inAngle = false
			case (c == ',' || c == ';') && !inAngle:
				if !flush() {
					return
				}
			case c == ' ' || c == '\t' || c == '\r' || c == '\n':
				// Between the words of a display name; never within an address, so two words are none.
				if !inAngle {
					out(' ')
				}
			default:
				out(c)
			}
		}
		flush()
	}
}
