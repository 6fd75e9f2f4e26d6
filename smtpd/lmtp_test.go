package smtpd

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

// startLMTP runs a server on a Unix socket and returns a client of it.
func startLMTP(t *testing.T, backend Backend, changes ...func(*Config)) *peer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lmtp.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	changes = append(changes, func(c *Config) { c.Listen, c.LMTPListeners = nil, []net.Listener{l} })
	start(t, backend, changes...)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := newPeer(t, conn)
	p.want("220")
	return p
}

// After DATA there is a reply for each accepted recipient (RFC 2033 section 4.2), doubles too, though the letter is one.
func TestLMTP(t *testing.T) {
	backend := &fakeBackend{}
	p := startLMTP(t, backend, func(c *Config) { c.MaxPerNetwork, c.MaxNewPerMinute = 1, 1 })
	p.do("EHLO mx.example.org\r\n", "500 5.5.1 LMTP begins with LHLO")
	if caps := p.do("LHLO mx.example.org\r\n", "250"); strings.Contains(caps, "CHUNKING") ||
		!strings.Contains(caps, "250-PIPELINING\r\n") || !strings.Contains(caps, "250-ENHANCEDSTATUSCODES\r\n") {
		t.Errorf("offered: %q", caps)
	}
	p.do("BDAT 5 LAST\r\n", "500 5.5.1")
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("RCPT TO:<nobody@example.test>\r\n", "550 5.1.1")
	p.do("RCPT TO:<support@example.test>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("DATA\r\n", "354")
	p.do(letter("x\r\n.\r\n"), "250 2.0.0 <help@example.test> Accepted as ")
	p.want("250 2.0.0 <support@example.test> Accepted as ")
	p.want("250 2.0.0 <help@example.test> Accepted as ")
	p.do("NOOP\r\n", "250")
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("DATA\r\n", "354")
	p.do(letter("second\r\n.\r\n"), "250 2.0.0 <help@example.test> Accepted as ")
	p.do("QUIT\r\n", "221")
	p.wantEnd()
	taken := backend.taken()
	if len(taken) != 2 || len(taken[0].Recipients) != 2 || taken[0].Session.Protocol != "LMTP" || taken[0].Session.Client.IsValid() {
		t.Errorf("taken %+v", taken)
	}
}

// A letter that is refused is refused for all.
func TestLMTPRefusal(t *testing.T) {
	backend := &fakeBackend{deliver: func(context.Context, *message.Letter) (id.ID, error) { return id.ID{}, message.ErrTryLater }}
	p := startLMTP(t, backend)
	p.do("LHLO mx.example.org\r\n", "250")
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("RCPT TO:<support@example.test>\r\n", "250")
	p.do("DATA\r\n", "354")
	p.do(letter("x\r\n.\r\n"), "451 4.7.1 <help@example.test>")
	p.want("451 4.7.1 <support@example.test>")
	p.do("DATA\r\n", "503")
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("DATA\r\n", "354")
	p.do(letter("bare\nline\r\n.\r\n"), "554 5.6.0 <help@example.test>")
	p.do("QUIT\r\n", "221")
}

type verifierFunc func(context.Context, *message.Letter) message.Verdict

func (f verifierFunc) Verify(ctx context.Context, l *message.Letter) message.Verdict {
	return f(ctx, l)
}

var loopback = netip.MustParseAddr("127.0.0.1")

// LHLO is not for SMTP.
func TestLHLOOverSMTP(t *testing.T) {
	p := start(t, &fakeBackend{}).dial()
	p.want("220")
	p.do("LHLO client.example.org\r\n", "500 5.5.1")
	p.do("EHLO client.example.org\r\n", "250 ")
}

// The client that brings a letter by LMTP is not the one that SPF asks about.
func TestLMTPClientIsNotAuthenticated(t *testing.T) {
	var seen message.Session
	verifier := verifierFunc(func(_ context.Context, l *message.Letter) message.Verdict {
		seen = l.Session
		return message.Verdict{}
	})
	s := &Server{cfg: Config{Verifier: verifier}}
	l := &message.Letter{Session: message.Session{Protocol: "UTF8LMTP", Client: loopback, Helo: "mx.example.org"}, MailFrom: address.Address{Local: "a", Domain: "example.org"}}
	s.verify(context.Background(), l)
	if seen.Client.IsValid() || seen.Helo != "" || l.Session.Client != loopback {
		t.Errorf("seen %+v, kept %+v", seen, l.Session)
	}
	l.Session.Protocol = "ESMTPS"
	if s.verify(context.Background(), l); seen.Client != loopback {
		t.Errorf("over SMTP: %+v", seen)
	}
}
