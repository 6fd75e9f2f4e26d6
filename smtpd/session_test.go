package smtpd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

// verdictOf is a Verifier that finds the same in every letter.
type verdictOf message.Verdict

func (v verdictOf) Verify(context.Context, *message.Letter) message.Verdict {
	return message.Verdict(v)
}

func TestLetterFacts(t *testing.T) {
	backend := &fakeBackend{}
	verdict := message.Verdict{SPF: message.SPF{Result: message.Pass}}
	r := start(t, backend, withTLS, func(c *Config) { c.Verifier = verdictOf(verdict) })
	p := r.greeted()
	p.startTLS()
	p.do("EHLO client.example.org\r\n", "250")
	p.do("MAIL FROM:<a@example.org> SMTPUTF8\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("RCPT TO:<support@example.test>\r\n", "250")
	p.do("DATA\r\n", "354")
	text := letter("..x\r\n")
	reply := p.do(strings.Replace(text, "..x", "...x", 1)+".\r\n", "250 2.0.0 Accepted as ")
	l := backend.taken()[0]
	if string(l.Raw) != text {
		t.Errorf("raw %q", l.Raw)
	}
	if got := strings.TrimSpace(strings.TrimPrefix(reply, "250 2.0.0 Accepted as ")); got != l.ID.String() {
		t.Errorf("reply names %q, the letter is %v", got, l.ID)
	}
	s := l.Session
	if s.Client.String() != "127.0.0.1" || s.Helo != "client.example.org" || s.Protocol != "UTF8SMTPS" || !s.SMTPUTF8 || s.ID.IsZero() ||
		!strings.HasPrefix(s.TLS, "TLS1.3 TLS_") {
		t.Errorf("session %+v", s)
	}
	if l.Verdict.SPF.Result != message.Pass || len(l.Recipients) != 2 {
		t.Errorf("letter %+v", l)
	}
	head := "Received: from client.example.org ([127.0.0.1])\r\n\tby mx.example.test with UTF8SMTPS (TLS1.3 TLS_"
	if !strings.HasPrefix(l.Received, head) || strings.Contains(l.Received, "help@") {
		t.Errorf("received %q", l.Received)
	}
}

// REQUIRETLS (RFC 8689) is offered within TLS alone, and the letter keeps that it was asked for; the next one does not.
func TestRequireTLS(t *testing.T) {
	backend := &fakeBackend{}
	p := start(t, backend, withTLS).dial()
	p.want("220")
	if clear := p.do("EHLO client.example.org\r\n", "250"); strings.Contains(clear, "REQUIRETLS") {
		t.Errorf("offered in the clear: %q", clear)
	}
	p.startTLS()
	for _, l := range []struct{ params, hello string }{{" REQUIRETLS", "EHLO"}, {"", "EHLO"}, {" REQUIRETLS", "HELO"}} {
		p.do(l.hello+" client.example.org\r\n", "250")
		p.do("MAIL FROM:<a@example.org>"+l.params+"\r\n", "250")
		p.do("RCPT TO:<help@example.test>\r\n", "250")
		p.do("DATA\r\n", "354")
		p.do(letter("x\r\n.\r\n"), "250")
		taken := backend.taken()
		if got := taken[len(taken)-1].Session.RequireTLS; got != (l.params != "") {
			t.Errorf("%q: %v", l.params, got)
		}
	}
}

func TestReceived(t *testing.T) {
	tx := transaction{recipients: []address.Address{{Local: "help", Domain: "example.test"}}}
	from := message.Session{Client: netip.MustParseAddr("2001:db8::1"), Helo: "client.example.org", Protocol: "ESMTP"}
	l := tx.letter(from, nil, "mx.example.test", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	want := "Received: from client.example.org ([IPv6:2001:db8::1])\r\n\tby mx.example.test with ESMTP\r\n\tid " + l.ID.String() +
		"\r\n\tfor <help@example.test>;\r\n\tSun, 01 Mar 2026 12:00:00 +0000\r\n"
	if l.Received != want {
		t.Errorf("%q, want %q", l.Received, want)
	}
}

// The id in the reply is the one that Deliver returned: that of the first copy when a letter comes again.
func TestReplyNamesTheIDOfTheBackend(t *testing.T) {
	first := id.New()
	p := start(t, again(first)).inData()
	p.do(letter("x\r\n.\r\n"), "250 2.0.0 Accepted as "+first.String())
}

// again is a Backend that has taken every letter before, under this id.
type again id.ID

func (again) CheckRecipient(context.Context, address.Address, address.Address) error { return nil }

func (a again) Deliver(context.Context, *message.Letter) (message.Taken, error) {
	return message.Taken{ID: id.ID(a)}, nil
}

// Of a letter that is held the reply names the reason, in SMTP and in LMTP, and so does the log.
func TestReplyNamesTheReasonOfHolding(t *testing.T) {
	backend := &fakeBackend{held: "spam-held"}
	r := start(t, backend)
	reply := r.inData().do(letter("x\r\n.\r\n"), "250 2.0.0 Held for review [spam-held] as ")
	if want := backend.taken()[0].ID.String(); !strings.HasSuffix(strings.TrimSpace(reply), " "+want) || !strings.Contains(r.log.String(), "held=spam-held") {
		t.Errorf("%q, log %s", reply, r.log)
	}
}

// A letter is not taken after its sender has given up waiting.
func TestProcessingTimeout(t *testing.T) {
	backend := &fakeBackend{deliver: func(ctx context.Context, l *message.Letter) (id.ID, error) {
		<-ctx.Done()
		return id.ID{}, fmt.Errorf("committing: %w", ctx.Err())
	}}
	p := start(t, backend, func(c *Config) { c.ProcessingTimeout = 20 * time.Millisecond }).inData()
	p.do(letter("x\r\n.\r\n"), "451 4.3.0 Processing took too long")
	p.do("NOOP\r\n", "250")
}

// A letter above SpoolAbove lies in a file without a name, and is whole.
func TestSpool(t *testing.T) {
	var dir string
	var left []os.DirEntry
	backend := &fakeBackend{deliver: func(_ context.Context, l *message.Letter) (v id.ID, err error) {
		left, err = os.ReadDir(dir)
		return l.ID, err
	}}
	r := start(t, backend, func(c *Config) { dir, c.SpoolAbove = c.SpoolDir, 100_000 })
	for _, size := range []int{99_000, 100_000, 101_000, 1_000_000} {
		p := r.inData()
		text := letter(strings.Repeat("0123456789abcdef\r\n", size/18+1))[:size-2] + "\r\n"
		if strings.HasSuffix(text, "\r\r\n") {
			text = text[:len(text)-3] + "x\r\n"
		}
		p.do(text+".\r\n", "250")
		taken := backend.taken()
		if got := string(taken[len(taken)-1].Raw); got != text {
			t.Errorf("%d octets: got %d, other ones", len(text), len(got))
		}
		if len(left) != 0 {
			t.Errorf("in the spool folder: %v", left)
		}
	}
}

// A spool folder that fails is our fault, not the sender's.
func TestSpoolFails(t *testing.T) {
	var dir string
	r := start(t, &fakeBackend{}, func(c *Config) { dir, c.SpoolAbove = c.SpoolDir, 1000 })
	p := r.inData()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	p.do(letter(strings.Repeat("x\r\n", 1000)+".\r\n"), "451 4.3.0")
	p.do("NOOP\r\n", "250")
}

func TestNewRefusesBadConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no name": func(c *Config) { c.Hostname = "" }, "no address": func(c *Config) { c.Listen = nil },
		"command line": func(c *Config) { c.MaxCommandLine = 100 }, "text line": func(c *Config) { c.MaxTextLine = 80 },
		"size": func(c *Config) { c.MaxSize = 2 << 30 },
	} {
		cfg := Config{Hostname: "mx.example.test", Listen: []string{"127.0.0.1:0"}}
		if _, err := New(cfg, discard{}); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if _, err := New(cfg, discard{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRunFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, cfg := range map[string]Config{
		"address in use":  {Listen: []string{"127.0.0.1:0", taken.Addr().String()}, SpoolDir: t.TempDir()},
		"no spool folder": {Listen: []string{"127.0.0.1:0"}, SpoolDir: "/no/such/folder"},
	} {
		cfg.Hostname = "mx.example.test"
		s, err := New(cfg, discard{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(context.Background()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMetricsAndLog(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	backend := &fakeBackend{}
	r := start(t, backend, func(c *Config) { c.Metrics = reg })
	p := r.inData()
	p.do(letter("x\r\n.\r\n"), "250")
	p.do("MAIL FROM:<ä\u202e@example.org> SMTPUTF8\r\n", "250")
	p.do("RCPT TO:<\u202enobody@example.test>\r\n", "550 5.1.1")
	p.do("QUIT\r\n", "221")
	p.wantEnd()
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"mxdesk_smtp_letters_total": 1, "mxdesk_smtp_refusals_total no-such-recipient": 1, "mxdesk_smtp_sessions_open": 0,
		"mxdesk_smtp_sessions_total": 1, "mxdesk_smtp_reply_seconds": 1, "mxdesk_smtp_filter_errors_total": 0,
		"mxdesk_smtp_letter_bytes_total": float64(len(backend.taken()[0].Raw)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	log := r.log.String()
	l := backend.taken()[0]
	for _, part := range []string{`msg="letter accepted" session=` + l.Session.ID.String() + " letter=" + l.ID.String(), "reason=no-such-recipient", `u202enobody`} {
		if !strings.Contains(log, part) {
			t.Errorf("no %q in the log:\n%s", part, log)
		}
	}
	if strings.Contains(log, "\u202e") {
		t.Error("a stranger's character went into the log as it is")
	}
}

// Many clients at once, with and without TLS, each with letters of its own.
func TestConcurrentSessions(t *testing.T) {
	backend := &fakeBackend{}
	r := start(t, backend, withTLS)
	var wg sync.WaitGroup
	for i := range 20 {
		p := r.dial()
		wg.Go(func() {
			p.t = goroutine{t}
			p.want("220")
			p.do("EHLO x\r\n", "250")
			if i%2 == 0 {
				p.startTLS()
				p.do("EHLO x\r\n", "250")
			}
			for j := range 5 {
				p.do("MAIL FROM:<a@example.org>\r\n", "250")
				p.do("RCPT TO:<help@example.test>\r\n", "250")
				p.do("DATA\r\n", "354")
				p.do(letter(strings.Repeat(fmt.Sprintf("%d.%d\r\n", i, j), 1000)+".\r\n"), "250")
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, l := range backend.taken() {
		lines := strings.Split(strings.TrimSuffix(strings.TrimPrefix(string(l.Raw), letter("")), "\r\n"), "\r\n")
		for _, line := range lines {
			if line != lines[0] {
				t.Fatalf("letters are mixed: %q, %q", lines[0], line)
			}
		}
		seen[lines[0]] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d different letters, want 100", len(seen))
	}
}

// goroutine makes Fatalf fit for one that is not the test's own.
type goroutine struct{ testing.TB }

func (g goroutine) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
