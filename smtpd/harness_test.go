package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen, on a machine that does much else; nothing is asserted about it.
const patience = time.Minute

// fakeBackend serves example.test: help@, support@ and postmaster@ exist. Its functions, when set, decide first.
type fakeBackend struct {
	check   func(ctx context.Context, sender, recipient address.Address) error
	deliver func(ctx context.Context, l *message.Letter) (id.ID, error)
	forget  bool // keep no letter
	held    string

	mu      sync.Mutex
	letters []message.Letter
}

func (f *fakeBackend) CheckRecipient(ctx context.Context, sender, recipient address.Address) error {
	if f.check != nil {
		return f.check(ctx, sender, recipient)
	}
	switch local := strings.ToLower(recipient.Local); {
	case recipient.Domain != "example.test":
		return message.ErrNotOurDomain
	case local != "help" && local != "support" && local != "postmaster":
		return message.ErrNoSuchRecipient
	}
	return nil
}

func (f *fakeBackend) Deliver(ctx context.Context, l *message.Letter) (message.Taken, error) {
	if f.deliver != nil {
		if v, err := f.deliver(ctx, l); err != nil {
			return message.Taken{ID: v}, err
		}
	}
	receipt := message.Taken{ID: l.ID, Held: f.held}
	if f.forget {
		return receipt, nil
	}
	kept := *l
	kept.Raw = bytes.Clone(l.Raw)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.letters = append(f.letters, kept)
	return receipt, nil
}

func (f *fakeBackend) taken() []message.Letter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.letters
}

// running is a server of a test, stopped at its end.
type running struct {
	*Server
	t     *testing.T
	log   *syncBuffer
	stop  context.CancelFunc
	ended chan error
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// taken waits until the server has taken n connections over from the system.
func (r *running) taken(n int) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		r.mu.Lock()
		have := len(r.wires)
		r.mu.Unlock()
		if have >= n {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the server took %d connections, not %d", have, n)
		}
	}
}

// start runs a server on loopback; each change edits its Config.
func start(t *testing.T, backend Backend, changes ...func(*Config)) *running {
	t.Helper()
	log := &syncBuffer{}
	cfg := Config{
		Hostname: "mx.example.test", DefaultDomain: "example.test", Listen: []string{"127.0.0.1:0"}, SpoolDir: t.TempDir(),
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	for _, change := range changes {
		change(&cfg)
	}
	s, err := New(cfg, backend)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Server: s, t: t, log: log, stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := r.wait(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		if t.Failed() {
			t.Logf("log of the server:\n%s", log)
		}
	})
	select {
	case <-s.Ready():
	case <-time.After(patience):
		t.Fatal("the server does not listen")
	}
	return r
}

// wait returns what Run returned, nil at the second call.
func (r *running) wait() error {
	select {
	case err, open := <-r.ended:
		if open {
			close(r.ended)
		}
		return err
	case <-time.After(patience):
		return errors.New("Run does not return")
	}
}

// peer is a client that says exactly what it is told.
type peer struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func (r *running) dial() *peer {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.Addrs()[0].String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return newPeer(r.t, conn)
}

func newPeer(t testing.TB, conn net.Conn) *peer {
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &peer{t, conn, bufio.NewReader(conn)}
}

// greeted dials and says EHLO.
func (r *running) greeted() *peer {
	p := r.dial()
	p.want("220")
	p.do("EHLO client.example.org\r\n", "250")
	return p
}

// inData is a client that has been asked for the body.
func (r *running) inData() *peer {
	p := r.greeted()
	p.do("MAIL FROM:<a@example.org>\r\n", "250 2.1.0")
	p.do("RCPT TO:<help@example.test>\r\n", "250 2.1.5")
	p.do("DATA\r\n", "354")
	return p
}

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, s); err != nil {
		p.t.Fatalf("sending %.40q: %v", s, err)
	}
}

// reply reads one reply, all its lines.
func (p *peer) reply() (string, error) {
	var all strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return all.String() + line, err
		}
		all.WriteString(line)
		if !strings.HasSuffix(line, "\r\n") || len(line) < 6 {
			return all.String(), errors.New("malformed reply")
		}
		if line[3] == ' ' {
			return all.String(), nil
		}
	}
}

// want reads a reply whose last line begins with prefix.
func (p *peer) want(prefix string) string {
	p.t.Helper()
	got, err := p.reply()
	last := got
	if i := strings.LastIndex(strings.TrimSuffix(got, "\r\n"), "\r\n"); i >= 0 {
		last = got[i+2:]
	}
	if err != nil || !strings.HasPrefix(last, prefix) {
		p.t.Fatalf("reply %q, %v; want %s", got, err, prefix)
	}
	return got
}

func (p *peer) do(s, prefix string) string {
	p.t.Helper()
	p.send(s)
	return p.want(prefix)
}

// wantEnd reads to the end of the connection, which brings nothing more.
func (p *peer) wantEnd() {
	p.t.Helper()
	rest, err := io.ReadAll(p.r)
	var timeout net.Error
	if len(rest) > 0 || (errors.As(err, &timeout) && timeout.Timeout()) {
		p.t.Fatalf("the connection goes on: %q, %v", rest, err)
	}
}

// startTLS upgrades and says EHLO again.
func (p *peer) startTLS() tls.ConnectionState {
	p.t.Helper()
	p.do("STARTTLS\r\n", "220")
	return p.handshake()
}

func (p *peer) handshake() tls.ConnectionState {
	p.t.Helper()
	conn := tls.Client(p.conn, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	p.conn, p.r = conn, bufio.NewReader(conn)
	return conn.ConnectionState()
}

// letter is a clean one with a body.
func letter(body string) string {
	return "From: A <a@example.org>\r\nSubject: hello\r\n\r\n" + body
}

var testCert = sync.OnceValue(newTestCert)

func newTestCert() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"mx.example.test"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// withTLS offers STARTTLS.
func withTLS(cfg *Config) {
	cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c := testCert()
		return &c, nil
	}
}

// tcpPair is a connection over loopback, both ends of it.
func tcpPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// arrived waits until conn has something to read, and leaves it there.
func arrived(t *testing.T, conn net.Conn) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		n, _, _ := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return n > 0
	})
	if err != nil {
		t.Fatal(err)
	}
}
