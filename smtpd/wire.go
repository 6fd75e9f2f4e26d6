package smtpd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"mxdesk/internal/id"
	"mxdesk/internal/network"
)

// wireState says what the client's next octet is.
type wireState int

const (
	awaitsCommand wireState = iota
	awaitsText              // after 354: the body of a letter, up to CRLF.CRLF
	awaitsChunk             // the octets of a BDAT chunk
	owesEndMark             // the body is over; go-smtp, which has not seen it, still wants its end
	hungUp                  // nothing more is read or written
)

// wire is the net.Conn that go-smtp is given. It sees every octet first: it hands commands over one by
// one, in lines that are whole and clean, so that nothing lies unread in the library; the body of a
// letter it keeps from the library altogether and gives to the session (body.go); and it writes what was answered
// when it has to wait for the client, so that a pipeline costs one write. TLS lies below it.
//
// Everything but stop and kill is called by the one goroutine that go-smtp runs for the connection.
type wire struct {
	srv    *Server
	id     id.ID
	ctx    context.Context // ends when the server gives up on the connection
	client netip.Addr
	born   time.Time

	raw net.Conn // TCP

	mu        sync.Mutex
	conn      net.Conn // raw, later TLS over it
	stopping  bool     // the server stops: no further command
	patient   bool     // what is read now is a letter, which stop lets come to its end
	handshake string   // version and cipher suite of TLS, "" before

	in       *[inBuffer]byte
	from, to int    // in[from:to] has been read and not used
	out      []byte // has been answered and not sent
	pending  []byte // handed to go-smtp in parts

	state    wireState
	opened   bool    // the banner has been sent
	greeted  bool    // HELO or EHLO, since TLS if there is TLS
	esmtp    bool    // it was EHLO
	cmd      command // the one that go-smtp works on
	begins   bool    // it asks for a body, and go-smtp has not answered yet
	swallow  bool    // the next reply of go-smtp is for us alone
	stashed  *command
	skip     int64     // octets of a chunk that nobody wants
	lingers  bool      // the client may be writing still: let it read our last words
	bodyFrom time.Time // when the body began
	bodyGot  int64

	saying bool   // within a reply of several lines
	reason string // why the session refuses, said before go-smtp writes the reply

	lookup *lookup // what the DNS says of the client; nil when it is not asked
	lmtp   bool    // the client is a mail server of ours that speaks LMTP

	listing network.Listing // of the client, in the configuration
	proxied bool            // the connection begins with a PROXY header
	counted bool            // limits has counted it for the client's network

	commands, bad, refused, letters int
}

// The ends of a read that are not octets.
var (
	errTimeout  = errors.New("timeout")
	errStopping = errors.New("server stops")
	errGone     = errors.New("connection lost")
)

// errHungUp is what go-smtp takes quietly for the end of a connection.
var errHungUp = io.EOF

// inBuffers are shared by connections, one after the other.
var inBuffers = sync.Pool{New: func() any { return new([inBuffer]byte) }}

// longAgo is a deadline that makes a blocked read return.
var longAgo = time.Unix(1, 0)

// Read hands go-smtp the next command line, or the end mark of a body that the session has read.
func (w *wire) Read(p []byte) (n int, err error) {
	defer w.caught(&err)
	for len(w.pending) == 0 {
		if w.skip > 0 {
			w.skipChunk()
		}
		switch w.state {
		case awaitsCommand:
			w.nextCommand()
		case awaitsText, awaitsChunk: // a session that failed before it read the body
			w.readBody(nil)
		case owesEndMark:
			w.state, w.pending = awaitsCommand, []byte(".\r\n")
		}
		if w.state == hungUp {
			return 0, errHungUp
		}
	}
	n = copy(p, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}

// nextCommand reads lines until one is for go-smtp, or the connection has ended.
func (w *wire) nextCommand() {
	if !w.opened && !w.open() {
		return
	}
	var c command
	if w.stashed != nil {
		c, w.stashed = *w.stashed, nil
	} else {
		deadline, tooLate := w.commandDeadline()
		line, rep := w.readLine(deadline, tooLate, false)
		if w.state == hungUp {
			return
		}
		if rep.isZero() {
			c, rep = parseCommand(line, w.srv.cfg.DefaultDomain)
		}
		if rep = w.judge(c, rep); !rep.isZero() {
			w.answer(rep)
			return
		}
	}
	w.act(c)
}

// judge adds to the verdict on a line what depends on the connection.
func (w *wire) judge(c command, rep reply) reply {
	w.commands++
	switch {
	case w.commands > w.srv.cfg.MaxCommands:
		return replyTooManyCommands
	case !rep.isZero():
		return rep
	case (c.verb == "LHLO") != w.lmtp && (c.verb == "LHLO" || c.verb == "EHLO" || c.verb == "HELO"):
		return replyLHLO
	case c.verb == "BDAT" && w.lmtp: // not offered
		return replyUnknown
	case c.verb == "STARTTLS" && w.srv.tls == nil:
		return replyNoTLS
	case c.verb == "STARTTLS" && w.handshake != "":
		return replyTLSAlready
	case !w.greeted && (c.verb == "MAIL" || c.verb == "RCPT" || c.verb == "DATA"):
		return replyHelloFirst
	case w.from < w.to && (c.verb == "EHLO" || c.verb == "HELO" || c.verb == "LHLO" || c.verb == "DATA"):
		// RFC 2920 section 3.1: the reply to these must be awaited. Who cannot wait does not read our
		// replies, or somebody else's words are in his mouth.
		return replyPipelining
	}
	return reply{}
}

// act prepares what go-smtp is told of a command; what it is not told is answered here.
func (w *wire) act(c command) {
	w.cmd, w.reason = c, ""
	switch c.verb {
	case "HELP":
		w.answer(replyHelp)
		return
	case "STARTTLS":
		// go-smtp forgets the transaction by RSET; to it the connection goes on.
		if !w.startTLS() {
			return
		}
		w.swallow, w.greeted = true, false
		c.line = "RSET"
	case "BDAT":
		if !w.greeted {
			w.skip = c.octets
			w.answer(replyHelloFirst)
			return
		}
		w.begins = true
	case "DATA":
		w.begins = true
	}
	w.pending = append([]byte(c.line), "\r\n"...)
}

// commandDeadline is the end of the time for the next command, and what is said then.
func (w *wire) commandDeadline() (time.Time, reply) {
	idle := w.srv.cfg.Now().Add(w.srv.cfg.IdleTimeout)
	if end := w.born.Add(w.srv.cfg.SessionTimeout); end.Before(idle) {
		return end, replySessionTime
	}
	return idle, replyIdle
}

// readLine returns the next line without its CRLF, or the reply to a malformed one. The time for
// all of it is limited, not that between two octets.
func (w *wire) readLine(deadline time.Time, tooLate reply, patient bool) (string, reply) {
	for seen := 0; ; {
		if i := bytes.IndexByte(w.in[w.from+seen:w.to], '\n'); i >= 0 {
			line := w.in[w.from : w.from+seen+i+1]
			w.from += len(line)
			return checkLine(line, w.srv.cfg.MaxCommandLine)
		}
		if w.to-w.from > w.srv.cfg.MaxCommandLine {
			// Where the next command begins is not known; nor does a client that does this care.
			w.hangUp(replyLineTooLong)
			return "", reply{}
		}
		if w.from < w.to && !isText(w.in[w.from]) {
			w.hangUp(replyNotSMTP)
			return "", reply{}
		}
		seen = w.to - w.from
		if err := w.fill(deadline, patient); err != nil {
			w.lost(err, tooLate)
			return "", reply{}
		}
	}
}

// checkLine holds a line with its LF against RFC 5321 section 2.3.8.
func checkLine(line []byte, limit int) (string, reply) {
	switch n := len(line); {
	case n > limit:
		return "", replyLineTooLong
	case n < 2 || line[n-2] != '\r':
		return "", replyLineEnd
	default:
		return string(line[:n-2]), reply{}
	}
}

// isText tells a line of words from a TLS handshake or other noise by its first octet.
func isText(c byte) bool { return c >= ' ' && c < 0x7f || c == '\r' || c == '\t' }

// fill sends what is owed and reads at least one octet more. patient is set for the body of a
// letter, which goes on when the server stops.
func (w *wire) fill(deadline time.Time, patient bool) error {
	w.flush()
	if w.from == w.to {
		w.from, w.to = 0, 0
	} else if w.to == len(w.in) {
		w.to = copy(w.in[:], w.in[w.from:w.to])
		w.from = 0
	}
	w.mu.Lock()
	w.patient = patient
	if w.stopping && !patient {
		w.mu.Unlock()
		return errStopping
	}
	err := w.conn.SetReadDeadline(deadline)
	w.mu.Unlock()
	if err != nil {
		return errGone
	}
	n, err := w.conn.Read(w.in[w.to:])
	w.to += n
	switch {
	case n > 0:
		return nil
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return errGone
	case !patient && w.isStopping():
		return errStopping
	}
	return errTimeout
}

// lost ends the connection after a read that brought nothing.
func (w *wire) lost(err error, tooLate reply) {
	switch {
	case errors.Is(err, errTimeout):
		w.hangUp(tooLate)
	case errors.Is(err, errStopping):
		w.hangUp(replyStopping)
	default:
		w.state, w.out = hungUp, w.out[:0]
	}
}

// stop ends the connection as soon as no letter is in progress.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
	if !w.patient {
		_ = w.conn.SetReadDeadline(longAgo)
	}
}

// kill ends the connection at once.
func (w *wire) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.raw.Close()
}

func (w *wire) isStopping() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopping
}

// caught turns a panic in the wire into the end of this one connection.
func (w *wire) caught(err *error) {
	if p := recover(); p != nil {
		w.panicked(p)
		*err = errHungUp
	}
}

func (w *wire) panicked(p any) {
	w.srv.cfg.Log.Error("panic in a session", "session", w.id.String(), "panic", p, "stack", string(debug.Stack()))
	w.hangUp(replyPanic)
}

// Close is called by go-smtp, once or twice, when the connection is over.
func (w *wire) Close() (err error) {
	if w.in == nil {
		return nil
	}
	defer w.end()
	defer w.caught(&err)
	w.flush()
	if w.lingers {
		w.linger()
	}
	return w.conn.Close()
}

// linger lets a client that is writing still read our last words: closing with octets unread would
// reset the connection, and the words would be lost.
func (w *wire) linger() {
	half, ok := w.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = w.conn.SetReadDeadline(w.srv.cfg.Now().Add(time.Second))
	for n := 0; n < 1<<20; {
		k, err := w.conn.Read(w.in[:])
		if n += k; err != nil {
			return
		}
	}
}

// end gives back what the connection held.
func (w *wire) end() {
	_ = w.raw.Close()
	w.lookup.forget()
	w.state = hungUp
	inBuffers.Put(w.in)
	w.in = nil
	w.from, w.to = 0, 0
	w.srv.closed(w)
}

func (w *wire) LocalAddr() net.Addr  { return w.raw.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr { return w.raw.RemoteAddr() }

// The deadlines of go-smtp are too coarse (one for a whole letter); the wire sets its own.

func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
