// Package smtptest is the other side of a conversation in tests: an SMTP server on a loopback
// port that does what it should, except where the test's script says otherwise, and keeps what it got.
package smtptest

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The verbs a script sees beside those of SMTP: the new connection, before the greeting, and the final dot.
const (
	Connect = "CONNECT"
	Body    = "BODY"
)

// Config is how a Server behaves. The zero value is a polite server without TLS.
type Config struct {
	Addr       string      // "127.0.0.1:0" if empty
	Name       string      // "mx.test" if empty
	Extensions []string    // announced after EHLO beside STARTTLS; nil: those of DefaultExtensions
	TLS        *tls.Config // STARTTLS is offered if set (see Certificate)
	Implicit   bool        // TLS from the first byte instead
	// Script may replace the answer to a command. It is called by the goroutines of the connections.
	Script func(Command) Action
}

// DefaultExtensions is what a Server announces when nothing else is asked for.
func DefaultExtensions() []string {
	return []string{"PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "AUTH PLAIN LOGIN XOAUTH2"}
}

// Command is one thing the client did.
type Command struct {
	Verb string // in upper case: EHLO, MAIL, …, Connect or Body
	Line string // as received, without CRLF
	Conn int    // number of the connection, from 1
	N    int    // how many of this verb the connection had, this one included
	TLS  bool
}

// Action is what the server does instead of its usual answer. The zero value is the usual.
type Action struct {
	Reply string          // sent with a CRLF behind; it may hold several lines, and any nonsense
	Close bool            // hang up, after Reply if there is one
	Wait  <-chan struct{} // first wait for this, or for the end of the server
}

// Letter is one letter the server took.
type Letter struct {
	Conn       int
	Helo       string
	TLS        bool
	Auth       []string // what the client said when it authenticated: mechanism and decoded answers
	From       string   // without brackets
	FromParams string
	Recipients []string
	RcptParams []string // of each recipient
	Raw        []byte   // the lines before the final dot, as they were sent
	Data       []byte   // without the doubled dots
}

// Server is an SMTP server for one test.
type Server struct {
	cfg  Config
	ln   net.Listener
	quit chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a letter came
	conns   map[net.Conn]bool
	count   int
	letters []Letter
	log     []string
}

// New starts a server, which ends with the test.
func New(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatalf("start the SMTP peer: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server that ends with Close, for programs and for tests of several processes.
func Start(cfg Config) (*Server, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Name == "" {
		cfg.Name = "mx.test"
	}
	if cfg.Extensions == nil {
		cfg.Extensions = DefaultExtensions()
	}
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, ln: ln, quit: make(chan struct{}), changed: make(chan struct{}), conns: make(map[net.Conn]bool)}
	s.wg.Go(s.accept)
	return s, nil
}

// Addr is the address and port the server listens on.
func (s *Server) Addr() netip.AddrPort { return s.ln.Addr().(*net.TCPAddr).AddrPort() }

// Close hangs up on everybody and waits until all goroutines ended.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.quit:
	default:
		close(s.quit)
	}
	_ = s.ln.Close()
	for nc := range s.conns {
		_ = nc.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Letters is what the server took up to now.
func (s *Server) Letters() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.letters)
}

// Wait returns the letters when there are n of them.
func (s *Server) Wait(ctx context.Context, n int) ([]Letter, error) {
	for {
		s.mu.Lock()
		letters, changed := slices.Clone(s.letters), s.changed
		s.mu.Unlock()
		if len(letters) >= n {
			return letters, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return letters, fmt.Errorf("%d letters of %d: %w", len(letters), n, ctx.Err())
		}
	}
}

// Connections is how many connections there were.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Commands is every line the server got outside of letters, "1: EHLO client.test", in order.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *Server) accept() {
	for {
		nc, err := s.ln.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		select {
		case <-s.quit:
			s.mu.Unlock()
			_ = nc.Close()
			return
		default:
		}
		s.count++
		s.conns[nc] = true
		c := &conn{s: s, no: s.count, seen: make(map[string]int)}
		s.mu.Unlock()
		s.wg.Go(func() {
			defer s.drop(nc)
			if s.cfg.Implicit {
				c.tls = true
				c.use(tls.Server(nc, s.cfg.TLS))
			} else {
				c.use(nc)
			}
			c.serve()
			_ = c.bw.Flush()
		})
	}
}

func (s *Server) drop(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, nc)
	_ = nc.Close()
}

func (s *Server) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, line)
}

func (s *Server) keep(l Letter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = append(s.letters, l)
	close(s.changed)
	s.changed = make(chan struct{})
}

// conn is one connection and the letter it is in.
type conn struct {
	s      *Server
	no     int
	nc     net.Conn
	br     *bufio.Reader
	bw     *bufio.Writer
	tls    bool
	helo   string
	auth   []string
	seen   map[string]int
	letter *Letter // nil outside a transaction
}

func (c *conn) use(nc net.Conn) {
	c.nc, c.br, c.bw = nc, bufio.NewReader(nc), bufio.NewWriter(nc)
}

func (c *conn) serve() {
	if _, ok := c.answer(Connect, "", "220 "+c.s.cfg.Name+" ESMTP"); !ok {
		return
	}
	for {
		line, err := c.line()
		if err != nil {
			return
		}
		c.s.note(fmt.Sprintf("%d: %s", c.no, line))
		verb, _, _ := strings.Cut(line, " ")
		if verb = strings.ToUpper(verb); !c.command(verb, line) || verb == "QUIT" {
			return
		}
	}
}

// line reads one line. Replies wait until the client has nothing more to say, as pipelining servers do.
func (c *conn) line() (string, error) {
	if c.br.Buffered() == 0 {
		if err := c.bw.Flush(); err != nil {
			return "", err
		}
	}
	line, err := c.br.ReadString('\n')
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

// answer sends the usual reply, or what the script says. It returns the code's first digit, and whether to go on.
func (c *conn) answer(verb, line, usual string) (class byte, ok bool) {
	c.seen[verb]++
	var a Action
	if c.s.cfg.Script != nil {
		a = c.s.cfg.Script(Command{Verb: verb, Line: line, Conn: c.no, N: c.seen[verb], TLS: c.tls})
	}
	if a.Wait != nil {
		if c.bw.Flush() != nil {
			return 0, false
		}
		select {
		case <-a.Wait:
		case <-c.s.quit:
			return 0, false
		}
	}
	if a.Reply == "" {
		if a.Close {
			return 0, false
		}
		a.Reply = usual
	}
	if _, err := c.bw.WriteString(a.Reply + "\r\n"); err != nil {
		return 0, false
	}
	return a.Reply[0], !a.Close
}
