package smtpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fuzzState is one state of a session: where it begins, and what brings it about.
type fuzzState struct {
	name   string
	entry  func(*fuzzServers) string // the address to dial
	silent bool                      // the input comes before the greeting
	lines  []string                  // each is answered
	tls    bool                      // after STARTTLS, at once
	tail   string                    // then this, which is not
}

const inTransaction = "MAIL FROM:<a@example.org>\r\nRCPT TO:<help@example.test>\r\n"

var fuzzStates = []fuzzState{
	{name: "before the greeting", entry: (*fuzzServers).smtp, silent: true},
	{name: "greeted", entry: (*fuzzServers).smtp},
	{name: "EHLO", entry: (*fuzzServers).smtp, lines: []string{"EHLO x"}},
	{name: "HELO", entry: (*fuzzServers).smtp, lines: []string{"HELO x"}},
	{name: "encrypted", entry: (*fuzzServers).smtp, lines: []string{"EHLO x"}, tls: true},
	{name: "MAIL", entry: (*fuzzServers).smtp, lines: []string{"EHLO x", "MAIL FROM:<>"}},
	{name: "RCPT", entry: (*fuzzServers).smtp, lines: []string{"EHLO x", "MAIL FROM:<>", "RCPT TO:<help@example.test>"}},
	{name: "DATA", entry: (*fuzzServers).smtp, lines: []string{"EHLO x", "MAIL FROM:<a@example.org>", "RCPT TO:<help@example.test>", "DATA"}},
	{name: "in a chunk", entry: (*fuzzServers).smtp, lines: []string{"EHLO x", "MAIL FROM:<>", "RCPT TO:<help@example.test>", "BDAT 1\r\na"}, tail: "BDAT 4\r\n\n\r"},
	{name: "after a letter", entry: (*fuzzServers).smtp, lines: []string{"EHLO x", "MAIL FROM:<>", "RCPT TO:<help@example.test>", "DATA", "From: a@example.org\r\n\r\nx\r\n."}},
	{name: "LMTP", entry: (*fuzzServers).lmtp},
	{name: "LHLO", entry: (*fuzzServers).lmtp, lines: []string{"LHLO x"}},
	{name: "LMTP, DATA", entry: (*fuzzServers).lmtp, lines: []string{"LHLO x", "MAIL FROM:<>", "RCPT TO:<help@example.test>", "RCPT TO:<support@example.test>", "DATA"}},
	{name: "PROXY", entry: (*fuzzServers).proxy, silent: true},
}

// FuzzSession throws the same octets at a session in each of its states. Nothing may panic, hang or leak, and every reply is
// well formed.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		inTransaction + "BDAT 3 LAST\r\nx\r\nQUIT\r\n", "\r\n.\r\nQUIT\r\n", "x\n.\r\n", "BDAT 5\r\nRSET\r\n",
		"\x00\xff\r\n", "EHLO x\r\nSTARTTLS\r\n", "DATA\r\n.\r\n", "RCPT TO:<postmaster>\r\nRSET\r\nNOOP\r\n", "BDAT 99999999999 LAST\r\n",
		"LHLO x\r\n" + inTransaction + "DATA\r\n.\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nEHLO x\r\n", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00",
	} {
		f.Add(s)
	}
	servers := startFuzzServers(f)
	f.Fuzz(func(t *testing.T, input string) {
		for _, state := range fuzzStates {
			servers.play(t, state, input)
		}
		if text := servers.panicked.take(); text != "" {
			t.Errorf("%q: %s", input, text)
		}
	})
}

// fuzzServers are one server for SMTP and LMTP, and one behind a proxy.
type fuzzServers struct {
	open, proxied *Server
	socket        string
	panicked      panics
}

func (s *fuzzServers) smtp() string  { return s.open.Addrs()[0].String() }
func (s *fuzzServers) lmtp() string  { return s.socket }
func (s *fuzzServers) proxy() string { return s.proxied.Addrs()[0].String() }

func startFuzzServers(f *testing.F) *fuzzServers {
	s := &fuzzServers{socket: filepath.Join(f.TempDir(), "lmtp")}
	socket, err := net.Listen("unix", s.socket)
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	run := func(change func(*Config)) *Server {
		cfg := Config{
			Hostname: "mx.example.test", DefaultDomain: "example.test", Listen: []string{"127.0.0.1:0"}, SpoolDir: f.TempDir(),
			Log: slog.New(slog.NewTextHandler(&s.panicked, &slog.HandlerOptions{Level: slog.LevelError})),
		}
		change(&cfg)
		// The letters are not kept: a long run would fill the memory.
		server, err := New(cfg, &fakeBackend{forget: true})
		if err != nil {
			f.Fatal(err)
		}
		running.Go(func() {
			if err := server.Run(ctx); err != nil {
				f.Error(err)
			}
		})
		<-server.Ready()
		return server
	}
	s.open = run(func(c *Config) { withTLS(c); c.LMTPListeners = []net.Listener{socket} })
	s.proxied = run(fromLoopback)
	f.Cleanup(func() { cancel(); running.Wait() })
	return s
}

// play brings a session into a state, says the input and nothing more, and reads what is answered.
func (s *fuzzServers) play(t *testing.T, state fuzzState, input string) {
	address := state.entry(s)
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := newPeer(t, conn)
	if !state.silent {
		p.want("220")
	}
	for _, line := range state.lines {
		p.send(ended(line))
		if _, err := p.reply(); err != nil {
			t.Fatalf("%s: %q: %v", state.name, line, err)
		}
	}
	if state.tls {
		p.startTLS()
	}
	p.send(state.tail)
	_, _ = io.WriteString(p.conn, input)
	_ = p.conn.(interface{ CloseWrite() error }).CloseWrite()
	for {
		got, err := p.reply()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			t.Fatalf("%s, then %q: hangs", state.name, input)
		case err != nil && got != "" && errors.Is(err, io.EOF):
			t.Fatalf("%s, then %q: half a reply: %q", state.name, input, got)
		case err != nil:
			return
		}
	}
}

// ended is a line with its end; a chunk has none.
func ended(line string) string {
	if strings.HasPrefix(line, "BDAT") {
		return line
	}
	return line + "\r\n"
}

// panics keeps what the log says of a panic.
type panics struct {
	mu   sync.Mutex
	text string
}

func (p *panics) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "panic") {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.text += string(b)
	}
	return len(b), nil
}

func (p *panics) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.text
	p.text = ""
	return text
}
