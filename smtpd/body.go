package smtpd

import (
	"bytes"
	"errors"
	"time"
)

// readBody reads the body of a letter into st (nil: nowhere) up to its end. The reply is zero when the
// body is whole and clean. Otherwise either its end was found all the same and the connection goes on, or the
// connection has been hung up: nothing of a body is ever taken for a command (CVE-2023-51764).
func (w *wire) readBody(st *store) reply {
	lines := lineCheck{max: w.srv.cfg.MaxTextLine}
	var r reply
	if w.state == awaitsChunk {
		r = w.readChunks(st, &lines)
	} else {
		r = w.readText(st, &lines)
	}
	if w.state != hungUp {
		w.state = owesEndMark
	}
	if r.isZero() {
		r = lines.fault
	}
	if r.isZero() {
		r = st.fault()
	}
	return r
}

// readText reads the body that follows DATA, up to CRLF.CRLF and nothing else (RFC 5321 section 4.1.1.4).
func (w *wire) readText(st *store, lines *lineCheck) reply {
	scan := textScanner{atStart: true}
	for {
		text, n, done := scan.next(w.in[w.from:w.to])
		w.from += n
		if lines.add(text); lines.fault.isZero() {
			st.append(text)
		}
		if done {
			lines.finish()
			return reply{}
		}
		if n > 0 {
			continue
		}
		if r := w.fillBody(lines.fault); !r.isZero() {
			return r
		}
	}
}

// readChunks reads the body that BDAT brings (RFC 3030), and the commands between its chunks.
func (w *wire) readChunks(st *store, lines *lineCheck) reply {
	for c := w.cmd; ; {
		for left := c.octets; left > 0; {
			if w.from == w.to {
				if r := w.fillBody(reply{}); !r.isZero() {
					return r
				}
			}
			part := w.in[w.from:min(int64(w.to), int64(w.from)+left)]
			w.from += len(part)
			left -= int64(len(part))
			lines.add(part)
			st.append(part)
		}
		if c.last {
			lines.finish()
			return reply{}
		}
		if r := st.fault(); !r.isZero() {
			return r // the reply to this chunk; go-smtp then answers 503 to those that follow
		}
		w.answer(replyChunk)
		var r reply
		if c, r = w.nextChunk(); !r.isZero() {
			return r
		}
	}
}

// nextChunk reads commands up to the next BDAT. A command that ends the letter is put back for go-smtp, which is
// then told that the letter failed.
func (w *wire) nextChunk() (command, reply) {
	for {
		line, rep := w.readLine(w.bodyDeadline(), replyTooSlow, true)
		if w.state == hungUp {
			return command{}, replyGone
		}
		var c command
		if rep.isZero() {
			c, rep = parseCommand(line, w.srv.cfg.DefaultDomain)
		}
		if rep.isZero() && c.verb == "BDAT" {
			return c, reply{}
		}
		if rep = w.judge(c, rep); rep.isZero() {
			switch c.verb {
			case "RSET", "EHLO", "HELO", "QUIT":
				w.stashed, w.swallow = &c, true
				return command{}, replyAborted
			case "NOOP":
				rep = replyNoop
			default:
				rep = replyInChunks
			}
		}
		if w.answer(rep); w.state == hungUp {
			return command{}, replyGone
		}
	}
}

// skipChunk reads over a chunk whose BDAT was refused.
func (w *wire) skipChunk() {
	w.bodyFrom, w.bodyGot = w.srv.cfg.Now(), 0
	for w.skip > 0 {
		if w.from == w.to {
			if r := w.fillBody(reply{}); !r.isZero() {
				return
			}
		}
		n := min(int64(w.to-w.from), w.skip)
		w.from += int(n)
		w.skip -= n
	}
}

// quiet is how long a body that is refused already may pause until we no longer wait for its end: a client
// that believes another sequence to be the end of data is waiting for the reply.
const quiet = 500 * time.Millisecond

// fillBody reads more of a body. The reply is not zero when the connection has been hung up.
func (w *wire) fillBody(fault reply) reply {
	deadline := w.bodyDeadline()
	if !fault.isZero() {
		if soon := w.srv.cfg.Now().Add(quiet); soon.Before(deadline) {
			deadline = soon
		}
	}
	before := w.to - w.from
	err := w.fill(deadline, true)
	w.bodyGot += int64(w.to - w.from - before)
	switch {
	case err == nil && w.bodyGot > 2*w.srv.cfg.MaxSize:
		w.hangUp(replyTooBig)
		return replyTooBig
	case err == nil:
		return reply{}
	case errors.Is(err, errTimeout) && !fault.isZero():
		w.hangUp(fault)
		return fault
	}
	w.lost(err, replyTooSlow)
	return replyGone
}

// bodyDeadline is when the next octet of a body must have come.
func (w *wire) bodyDeadline() time.Time {
	return dataDeadline(&w.srv.cfg, w.bodyFrom, w.srv.cfg.Now(), w.bodyGot)
}

// dataDeadline is the earliest of: the idle time from now, the time for a whole letter, and the moment at which
// a body of got octets falls below the least rate, which does not count before the grace has passed.
func dataDeadline(cfg *Config, from, now time.Time, got int64) time.Time {
	end := from.Add(min(cfg.DataTimeout, max(cfg.DataGrace, time.Duration(got)*time.Second/time.Duration(cfg.MinDataRate))))
	if idle := now.Add(cfg.DataIdle); idle.Before(end) {
		return idle
	}
	return end
}

// textScanner finds the end of data and takes off the dots that RFC 5321 section 4.5.2 puts before lines.
type textScanner struct {
	atStart bool // the next octet begins a line
}

// next looks at the octets that have come so far. It returns a part of them that is text, how many it has
// used up, and whether the end of data was among those; none used up means that it must see more.
func (s *textScanner) next(b []byte) (text []byte, n int, done bool) {
	if s.atStart && len(b) > 0 && b[0] == '.' {
		switch {
		case bytes.HasPrefix(b, []byte(".\r\n")):
			return nil, 3, true
		case len(b) == 1 || (len(b) == 2 && b[1] == '\r'):
			return nil, 0, false
		}
		s.atStart = false
		return nil, 1, false
	}
	end := bytes.Index(b, []byte("\r\n."))
	switch {
	case end >= 0:
		end += 2
	case len(b) > 0 && b[len(b)-1] == '\r':
		end = len(b) - 1 // perhaps the begin of the end
	default:
		end = len(b)
	}
	if end > 0 {
		s.atStart = bytes.HasSuffix(b[:end], []byte("\r\n"))
	}
	return b[:end], end, false
}

// lineCheck holds the lines of a body against RFC 5321 section 2.3.8, in parts as they come.
type lineCheck struct {
	max    int // octets of a line with its CRLF
	length int // of the line so far
	prev   byte
	fault  reply // the first one found
}

// add looks at the next part.
func (l *lineCheck) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if bytes.IndexByte(b, 0) >= 0 {
		l.found(replyNUL)
	}
	pairs := 0 // CRs of this part that an LF follows
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			l.length += len(b) - at
			break
		}
		switch lf := at + i; {
		case lf > 0 && b[lf-1] == '\r':
			pairs++
		case lf > 0 || l.prev != '\r':
			l.found(replyBareLine)
		}
		if l.length+i+1 > l.max {
			l.found(replyTextLine)
		}
		l.length = 0
		at += i + 1
	}
	if l.length > l.max {
		l.found(replyTextLine)
	}
	if l.prev == '\r' && b[0] != '\n' {
		l.found(replyBareLine)
	}
	l.prev = b[len(b)-1]
	if l.prev == '\r' {
		pairs++ // the next part says
	}
	if bytes.Count(b, []byte{'\r'}) != pairs {
		l.found(replyBareLine)
	}
}

// finish looks at the end.
func (l *lineCheck) finish() {
	if l.prev == '\r' {
		l.found(replyBareLine)
	}
}

func (l *lineCheck) found(r reply) {
	if l.fault.isZero() {
		l.fault = r
	}
}
