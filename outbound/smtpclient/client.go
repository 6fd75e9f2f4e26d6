package smtpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"mxdesk/internal/address"
)

// Phase is a step of the conversation: the one at which something happened or failed.
type Phase string

// The phases, in the order of a session.
const (
	PhaseGreeting Phase = "greeting"
	PhaseHello    Phase = "ehlo"
	PhaseTLS      Phase = "starttls"
	PhaseAuth     Phase = "auth"
	PhaseMail     Phase = "mail"
	PhaseRcpt     Phase = "rcpt"
	PhaseData     Phase = "data"
	PhaseBody     Phase = "body"  // while the letter is written
	PhaseFinal    Phase = "final" // the reply to the final dot
	PhaseQuit     Phase = "quit"  // also NOOP and RSET
)

// Error is why a connection failed. Either the server refused, and Reply says so, or Err tells the cause.
type Error struct {
	Phase Phase
	Reply Reply
	Err   error
}

// Error implements error.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return fmt.Sprintf("%s: the server said %s", e.Phase, e.Reply)
	case e.Reply.Code == 0:
		return fmt.Sprintf("%s: %v", e.Phase, e.Err)
	default:
		return fmt.Sprintf("%s: %v (the server said %s)", e.Phase, e.Err, e.Reply)
	}
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrClosed is wrapped by what a method returns after the connection ended.
var ErrClosed = errors.New("connection is closed")

// Timeouts bound each wait for the server. A zero field is the default, which is that of RFC 5321 section 4.5.3.2
// where it has one. They bound one step; the context bounds the whole.
type Timeouts struct {
	Greeting time.Duration // 5 min; also EHLO
	TLS      time.Duration // 2 min for the handshake
	Mail     time.Duration // 5 min; also AUTH, RSET and NOOP
	Rcpt     time.Duration // 5 min
	Data     time.Duration // 2 min
	Block    time.Duration // 3 min for each write
	Final    time.Duration // 10 min
	Quit     time.Duration // 5 s
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		field    *time.Duration
		standard time.Duration
	}{
		{&t.Greeting, 5 * time.Minute},
		{&t.TLS, 2 * time.Minute},
		{&t.Mail, 5 * time.Minute},
		{&t.Rcpt, 5 * time.Minute},
		{&t.Data, 2 * time.Minute},
		{&t.Block, 3 * time.Minute},
		{&t.Final, 10 * time.Minute},
		{&t.Quit, 5 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.standard
		}
	}
	return t
}

// Config says how to greet a server.
type Config struct {
	Name       string      // our name in EHLO: a domain or an address literal
	TLS        TLSLevel    // what the connection must be
	Implicit   bool        // TLS from the first byte (RFC 8314), instead of STARTTLS; not with TLSNone
	ServerName string      // the server's host name, for SNI and the certificate
	Verify     VerifyFunc  // for TLSVerified: replaces the check against ServerName and the roots
	BaseTLS    *tls.Config // roots and session cache; nil: the system's roots, no resumption
	Auth       *Auth       // nil: no authentication
	Timeouts   Timeouts
	Hurried    func() bool // tells whether others wait for the place that this connection takes; nil: never. See hurriedWait
}

// Extensions is what a server announced in reply to EHLO. Without EHLO all is zero.
type Extensions struct {
	StartTLS   bool
	Pipelining bool // RFC 2920
	EightBit   bool // 8BITMIME, RFC 6152
	SMTPUTF8   bool // RFC 6531
	DSN        bool // RFC 3461
	RequireTLS bool // REQUIRETLS, RFC 8689
	Size       int64
	HasSize    bool     // RFC 1870; Size 0 means no limit
	MaxRcpt    int      // LIMITS RCPTMAX (RFC 9422), 0 if not told
	MaxMail    int      // LIMITS MAILMAX: MAIL commands a connection, whatever became of them, 0 if not told
	MaxDomains int      // LIMITS RCPTDOMAINMAX: domains of the recipients of one letter, 0 if not told
	Auth       []string // mechanisms, in upper case
}

// Client is one connection to a server. It is used by one goroutine at a time.
type Client struct {
	nc      net.Conn
	br      *bufio.Reader
	cfg     Config
	ext     Extensions
	tls     *tls.ConnectionState
	open    bool  // a mail transaction may be open at the server
	mails   int   // MAIL commands sent
	letters int   // taken by the server
	broken  error // why the connection can no longer be used
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxReplyLine) }}

// Connect makes a Client of a new connection: greeting, EHLO, TLS as asked, authentication. On failure it closes
// the connection and returns an *Error; it never falls back to less than was asked (see TLSLevel).
// The context bounds Connect alone.
func Connect(ctx context.Context, nc net.Conn, cfg Config) (*Client, error) {
	cfg.Timeouts = cfg.Timeouts.withDefaults()
	c := &Client{nc: nc, br: readers.Get().(*bufio.Reader), cfg: cfg}
	c.br.Reset(nc)
	if err := c.within(ctx, c.start); err != nil {
		return nil, err
	}
	if c.broken != nil { // the context ended just now
		return nil, &Error{Phase: PhaseHello, Err: c.broken}
	}
	return c, nil
}

func (c *Client) start(ctx context.Context) error {
	if _, err := address.ParseDomain(c.cfg.Name); err != nil {
		return c.fail(&Error{Phase: PhaseHello, Err: fmt.Errorf("our own name: %w", err)})
	}
	if c.cfg.Implicit {
		if err := c.handshake(ctx); err != nil {
			return err
		}
	}
	if r, _, err := c.read(PhaseGreeting, c.cfg.Timeouts.Greeting); err != nil {
		return err
	} else if !r.Positive() {
		return c.fail(&Error{Phase: PhaseGreeting, Reply: r})
	}
	if err := c.hello(); err != nil {
		return err
	}
	if err := c.secure(ctx); err != nil {
		return err
	}
	return c.authenticate()
}

// hello sends EHLO, or HELO to a server that does not know it (RFC 5321 section 3.2).
func (c *Client) hello() error {
	c.ext = Extensions{}
	r, lines, err := c.command(PhaseHello, c.cfg.Timeouts.Greeting, "EHLO "+c.cfg.Name)
	if err != nil {
		return err
	}
	if r.Positive() {
		c.ext = parseExtensions(lines[1:])
		return nil
	}
	if r.Permanent() {
		if r, _, err = c.command(PhaseHello, c.cfg.Timeouts.Greeting, "HELO "+c.cfg.Name); err != nil {
			return err
		}
	}
	if !r.Positive() {
		return c.fail(&Error{Phase: PhaseHello, Reply: r})
	}
	return nil
}

// parseExtensions reads the lines of the reply to EHLO behind the first. Keywords are in any case
// (RFC 5321 section 4.1.1.1).
func parseExtensions(lines []string) (x Extensions) {
	for _, line := range lines {
		word := strings.Fields(strings.ToUpper(line))
		if len(word) == 0 {
			continue
		}
		switch keyword, values := word[0], word[1:]; keyword {
		case "STARTTLS":
			x.StartTLS = true
		case "PIPELINING":
			x.Pipelining = true
		case "8BITMIME":
			x.EightBit = true
		case "SMTPUTF8":
			x.SMTPUTF8 = true
		case "REQUIRETLS":
			x.RequireTLS = true
		case "DSN":
			x.DSN = true
		case "AUTH":
			x.Auth = values
		case "SIZE":
			x.HasSize = true
			if len(values) > 0 {
				x.Size, _ = strconv.ParseInt(values[0], 10, 64)
				x.Size = max(x.Size, 0)
			}
		case "LIMITS":
			for _, v := range values {
				name, number, _ := strings.Cut(v, "=")
				n, err := strconv.Atoi(number)
				if err != nil || n < 1 {
					continue
				}
				switch name {
				case "RCPTMAX":
					x.MaxRcpt = n
				case "MAILMAX":
					x.MaxMail = n
				case "RCPTDOMAINMAX":
					x.MaxDomains = n
				}
			}
		}
	}
	return x
}

// Extensions is what the server announced, after TLS.
func (c *Client) Extensions() Extensions { return c.ext }

// Letters is how many letters the server took on this connection.
func (c *Client) Letters() int { return c.letters }

// Mails is how many MAIL commands were sent on this connection.
func (c *Client) Mails() int { return c.mails }

// RemoteAddr is the other end of the connection.
func (c *Client) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Err is nil while the connection can be used, and otherwise why it cannot.
func (c *Client) Err() error { return c.broken }

// Noop asks whether the server is still there. An error ends the connection.
func (c *Client) Noop(ctx context.Context) error { return c.simple(ctx, "NOOP") }

// Reset ends an open transaction. Send does it by itself when needed.
func (c *Client) Reset(ctx context.Context) error { return c.simple(ctx, "RSET") }

func (c *Client) simple(ctx context.Context, verb string) error {
	return c.within(ctx, func(context.Context) error {
		r, _, err := c.command(PhaseQuit, c.cfg.Timeouts.Mail, verb)
		if err != nil {
			return err
		}
		if !r.Positive() {
			return c.fail(&Error{Phase: PhaseQuit, Reply: r})
		}
		c.open = c.open && verb != "RSET"
		return nil
	})
}

// Quit says goodbye, waits a moment for the answer, and closes the connection, all within Timeouts.Quit: the server may be in the
// middle of a line, or read nothing.
func (c *Client) Quit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeouts.Quit)
	defer cancel()
	_ = c.within(ctx, func(context.Context) error {
		_, _, err := c.command(PhaseQuit, c.cfg.Timeouts.Quit, "QUIT")
		return err
	})
	c.Close()
}

// Close ends the connection without a word. It may be called more than once.
func (c *Client) Close() { _ = c.fail(ErrClosed) }

// fail ends the connection, keeps the first cause, and returns err.
func (c *Client) fail(err error) error {
	if c.broken == nil {
		c.broken = err
		_ = c.nc.Close() // what went wrong is known already
		c.br.Reset(nil)
		readers.Put(c.br)
		c.br = nil
	}
	return err
}

// within runs a conversation that ends with the context: its end closes the connection, which wakes
// every read and write.
func (c *Client) within(ctx context.Context, talk func(context.Context) error) error {
	if c.broken != nil {
		return &Error{Phase: PhaseQuit, Err: fmt.Errorf("%w: %w", ErrClosed, c.broken)}
	}
	nc := c.nc
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	err := talk(ctx)
	if !stop() && c.broken == nil {
		_ = c.fail(ctx.Err())
	}
	var e *Error
	if err != nil && ctx.Err() != nil && errors.As(err, &e) && e.Reply.Code == 0 {
		return &Error{Phase: e.Phase, Err: fmt.Errorf("%w: %w", ctx.Err(), e.Err)}
	}
	return err
}

// command sends one line and reads the reply.
func (c *Client) command(p Phase, timeout time.Duration, line string) (Reply, []string, error) {
	if err := c.write(p, []byte(line+"\r\n")); err != nil {
		return Reply{}, nil, err
	}
	return c.read(p, timeout)
}

// write sends a block. Bytes that wait to be read before we asked anything are a reply to something
// we have not said, and no reply behind them could be believed; only a goodbye (421) is understood.
func (c *Client) write(p Phase, block []byte) error {
	if c.br.Buffered() > 0 {
		r, _, err := c.read(p, c.cfg.Timeouts.Block)
		if err != nil {
			return err
		}
		return c.fail(&Error{Phase: p, Reply: r, Err: fmt.Errorf("%w: a reply that nobody asked for", ErrProtocol)})
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.patience(p, c.cfg.Timeouts.Block))); err != nil {
		return c.fail(&Error{Phase: p, Err: err})
	}
	if _, err := c.nc.Write(block); err != nil {
		return c.fail(&Error{Phase: p, Err: fmt.Errorf("write: %w", err)})
	}
	return nil
}

// read takes one reply. 421 means that the server is going away, whatever the phase
// (RFC 5321 section 3.8): the connection ends, and the error holds the reply.
func (c *Client) read(p Phase, timeout time.Duration) (Reply, []string, error) {
	err := c.await(p, time.Now().Add(timeout))
	if err != nil {
		return Reply{}, nil, c.fail(&Error{Phase: p, Err: fmt.Errorf("read: %w", err)})
	}
	r, lines, err := readReply(c.br)
	if err != nil {
		return Reply{}, nil, c.fail(&Error{Phase: p, Err: fmt.Errorf("read: %w", err)})
	}
	if r.Code == 421 {
		return r, nil, c.fail(&Error{Phase: p, Reply: r})
	}
	return r, lines, nil
}
