package smtpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/octets"
)

// The hazards of the library under us, one test each: what a naive server on go-smtp does wrong is said in
// the comment, and must not happen.

// S1, pitfall 1: after CR CR LF the end of data is not seen, and commands are eaten; or another sequence is
// taken for the end, and a body becomes a second letter (CVE-2023-51764 to 51766).
func TestS1SmugglingOverDATA(t *testing.T) {
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\r\n.\r\n", "\r\n\x00.\r\n", "\n\n.\r\n", "\r\n.\r\r\n", "\x00\r\n.\r\n",
	} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			t.Parallel()
			backend := &fakeBackend{}
			p := start(t, backend).inData()
			p.send(letter("x" + end + "MAIL FROM:<smuggled@example.org>\r\nRCPT TO:<help@example.test>\r\nDATA\r\n" + letter("smuggled\r\n.\r\n")))
			p.want("554 5.6.0")
			if n := len(backend.taken()); n != 0 {
				t.Errorf("%d letters taken", n)
			}
		})
		t.Run(fmt.Sprintf("%q and wait", end), func(t *testing.T) {
			t.Parallel()
			// The client takes it for the end, and waits: it must be told, and then gets no more.
			if end == "\r\n.\r" {
				t.Skip("as yet the begin of the true end")
			}
			backend := &fakeBackend{}
			p := start(t, backend).inData()
			p.send(letter("x" + end))
			p.want("554 5.6.0")
			_, _ = io.WriteString(p.conn, "MAIL FROM:<a@example.org>\r\nRCPT TO:<help@example.test>\r\nDATA\r\n")
			if n := len(backend.taken()); n != 0 {
				t.Errorf("%d letters taken", n)
			}
		})
	}
}

// S1 over BDAT: the length frames the body, whatever is in it.
func TestS1SmugglingOverBDAT(t *testing.T) {
	for _, body := range []string{"x\n.\r\n", "x\r\r\n", "x\r", "\rx\r\n", "x\x00\r\n", "x\n"} {
		backend := &fakeBackend{}
		p := start(t, backend).greeted()
		text := letter(body + "MAIL FROM:<x@example.org>\r\n")
		p.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<help@example.test>\r\n")
		p.send(fmt.Sprintf("BDAT %d LAST\r\n%sNOOP\r\n", len(text), text))
		p.want("250 2.1.0")
		p.want("250 2.1.5")
		p.want("554 5.6.0")
		p.want("250 2.0.0 Nothing")
		if n := len(backend.taken()); n != 0 {
			t.Errorf("%q: %d letters taken", body, n)
		}
	}
}

// A CR at the end of one chunk and the LF at the begin of the next are one line end; a lone CR there is not.
func TestLineEndAcrossChunks(t *testing.T) {
	for second, want := range map[string]string{"\nx\r\n": "250 2.0.0 Accepted", "x\r\n": "554 5.6.0"} {
		p := start(t, &fakeBackend{}).greeted()
		first := letter("x\r")
		p.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<help@example.test>\r\n")
		p.send(fmt.Sprintf("BDAT %d\r\n%sBDAT %d LAST\r\n%s", len(first), first, len(second), second))
		p.want("250 2.1.0")
		p.want("250 2.1.5")
		p.want("250 2.0.0 Chunk")
		p.want(want)
	}
}

// S2, pitfall 2: a pause past the timeout within a body leaves the connection open, and the rest of the body is run
// as commands.
func TestS2PauseWithinBody(t *testing.T) {
	for name, begin := range map[string]string{
		"DATA": "DATA\r\n", "BDAT": "BDAT 1000 LAST\r\n", "between chunks": "BDAT 2\r\nx\r",
	} {
		t.Run(name, func(t *testing.T) {
			backend := &fakeBackend{}
			p := start(t, backend, func(c *Config) { c.DataIdle = 50 * time.Millisecond }).greeted()
			p.do("MAIL FROM:<a@example.org>\r\n", "250")
			p.do("RCPT TO:<help@example.test>\r\n", "250")
			p.send(begin)
			switch name {
			case "DATA":
				p.want("354")
				p.send(letter("half"))
			case "between chunks":
				p.want("250 2.0.0 Chunk")
			default:
				p.send(letter("half"))
			}
			p.want("421 4.4.2")
			_, _ = io.WriteString(p.conn, "\r\n.\r\nMAIL FROM:<x@example.org>\r\nRCPT TO:<help@example.test>\r\n")
			if n := len(backend.taken()); n != 0 {
				t.Errorf("%d letters taken", n)
			}
		})
	}
}

// A connection that is lost within the last chunk is taken by go-smtp for the end of the letter.
func TestConnectionLostWithinBody(t *testing.T) {
	for _, begin := range []string{"DATA\r\n", "BDAT 1000 LAST\r\n", "BDAT 10\r\n"} {
		backend := &fakeBackend{}
		r := start(t, backend)
		p := r.greeted()
		p.do("MAIL FROM:<a@example.org>\r\n", "250")
		p.do("RCPT TO:<help@example.test>\r\n", "250")
		p.send(begin + "From: a@e\r\n")
		p.conn.Close()
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
		if n := len(backend.taken()); n != 0 {
			t.Errorf("%q: %d letters taken", begin, n)
		}
	}
}

// S3: one deadline for all of DATA ends slow uploads that are well, and lets nearly idle ones live.
func TestS3DataDeadline(t *testing.T) {
	cfg := DefaultConfig()
	from := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		name    string
		elapsed time.Duration
		got     int64
		want    time.Duration // from the begin
	}{
		{"at the begin the grace counts", 0, 0, time.Minute},
		{"a small part gives no more time", 10 * time.Second, 1000, time.Minute},
		{"who is above the rate has time", 100 * time.Second, 150_000, 280 * time.Second},
		{"up to the rate", 100 * time.Second, 60_000, 120 * time.Second},
		{"and the cap", 550 * time.Second, 30 << 20, 10 * time.Minute},
		{"below the rate it is over", 100 * time.Second, 40_000, 80 * time.Second},
	} {
		if got := dataDeadline(&cfg, from, from.Add(c.elapsed), c.got).Sub(from); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// S3 on the wire: a client that always sends something, but too little, is sent away.
func TestS3MinimumRate(t *testing.T) {
	backend := &fakeBackend{}
	p := start(t, backend, func(c *Config) { c.DataGrace, c.MinDataRate = 100*time.Millisecond, 1_000_000_000 }).inData()
	go func() {
		for {
			if _, err := io.WriteString(p.conn, "x: y\r\n"); err != nil {
				return
			}
		}
	}()
	got, err := p.reply()
	if !strings.HasPrefix(got, "421 4.4.2") || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	p.conn.Close()
}

// S4, pitfall 19: an unknown error of the backend becomes 554 with its text.
func TestS4UnknownErrorsAreTemporary(t *testing.T) {
	secret := errors.New("FATAL: password authentication failed for user mxdesk\r\n250 ok")
	backend := &fakeBackend{deliver: func(context.Context, *message.Letter) (id.ID, error) { return id.ID{}, secret }}
	p := start(t, backend).inData()
	if got := p.do(letter("x\r\n.\r\n"), "451 4.3.0"); strings.Contains(got, "password") {
		t.Errorf("told the client: %q", got)
	}
	p.do("NOOP\r\n", "250") // the connection is kept
	backend.check = func(context.Context, address.Address, address.Address) error { return secret }
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "451 4.3.0 Local error")
}

// S4: every sentinel has its code, wrapped or not.
func TestS4Refusals(t *testing.T) {
	for err, want := range map[error]string{
		message.ErrNoSuchRecipient: "550 5.1.1", message.ErrNotOurDomain: "550 5.7.1", message.ErrOnlyBounces: "550 5.7.1",
		message.ErrDMARC: "550 5.7.1", message.ErrBlockedSender: "550 5.7.1",
		message.ErrUnregistered: "550 5.7.1", message.ErrLoop: "554 5.4.6", message.ErrTooManyBounceTo: "550 5.7.1",
		message.ErrStorageFull: "452 4.3.1", message.ErrMalformedFrom: "550 5.6.0", message.ErrPolicyRefusal: "550 5.7.1",
		message.ErrTryLater: "451 4.7.1", context.DeadlineExceeded: "451 4.3.0", io.ErrUnexpectedEOF: "451 4.3.0",
	} {
		got := string(replyTo(fmt.Errorf("act: %w", err)).appendTo(nil))
		if !strings.HasPrefix(got, want+" ") || strings.Contains(got, "act") {
			t.Errorf("%v: %q, want %s", err, got, want)
		}
	}
}

// S5: RCPT TO:<postmaster> is a syntax error. It is a mailbox of the default domain (RFC 5321 section 4.5.1).
func TestS5Postmaster(t *testing.T) {
	backend := &fakeBackend{}
	p := start(t, backend).greeted()
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<PostMaster> NOTIFY=NEVER\r\n", "250")
	p.do("DATA\r\n", "354")
	p.do(letter("x\r\n.\r\n"), "250")
	if got := backend.taken()[0].Recipients[0].String(); got != "postmaster@example.test" {
		t.Errorf("recipient %s", got)
	}
}

// S6: a second MAIL is accepted, with the recipients of the first.
func TestS6NestedMail(t *testing.T) {
	backend := &fakeBackend{}
	p := start(t, backend).greeted()
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("MAIL FROM:<b@example.org>\r\n", "503 5.5.1")
	p.do("DATA\r\n", "354")
	p.do(letter("x\r\n.\r\n"), "250")
	if got := backend.taken()[0].MailFrom.String(); got != "a@example.org" {
		t.Errorf("sender %s", got)
	}
}

// S7, pitfall 13: quotes are taken off, so that "x@evil.example"@example.org has two domains.
func TestS7QuotedLocalPart(t *testing.T) {
	backend := &fakeBackend{}
	p := start(t, backend).greeted()
	p.do("MAIL FROM:<\"x@evil.example> SIZE=1\"@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("RCPT TO:<HELP@EXAMPLE.TEST>\r\n", "250")
	p.do("DATA\r\n", "354")
	p.do(letter("x\r\n.\r\n"), "250")
	l := backend.taken()[0]
	if want := (address.Address{Local: "x@evil.example> SIZE=1", Domain: "example.org"}); l.MailFrom != want {
		t.Errorf("sender %+v", l.MailFrom)
	}
	if len(l.Recipients) != 1 {
		t.Errorf("recipients %v", l.Recipients)
	}
}

// S8: a letter of exactly the announced size is refused by DATA.
func TestS8ExactSize(t *testing.T) {
	const size = 35 << 20
	head := letter("")
	line := strings.Repeat("x", 76) + "\r\n"
	text := head + strings.Repeat(line, (size-len(head))/len(line))
	text += strings.Repeat("y", size-len(text)-2) + "\r\n"
	for name, send := range map[string]func(p *peer, text, want string){
		"DATA": func(p *peer, text, want string) {
			p.do("DATA\r\n", "354")
			p.do(text+".\r\n", want)
		},
		"BDAT": func(p *peer, text, want string) {
			p.do(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text), want)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var same bool
			backend := &fakeBackend{}
			backend.deliver = func(_ context.Context, l *message.Letter) (id.ID, error) {
				same = string(l.Raw) == text
				return l.ID, nil
			}
			p := start(t, backend).greeted()
			p.do("MAIL FROM:<a@example.org> SIZE=36700160\r\n", "250")
			p.do("RCPT TO:<help@example.test>\r\n", "250")
			send(p, text, "250 2.0.0 Accepted")
			if !same {
				t.Error("the letter is not what was sent")
			}
			p.do("MAIL FROM:<a@example.org>\r\n", "250")
			p.do("RCPT TO:<help@example.test>\r\n", "250")
			send(p, text+"z\r\n", "552 5.3.4")
			p.do("NOOP\r\n", "250")
			if n := len(backend.taken()); n != 1 {
				t.Errorf("%d letters taken", n)
			}
		})
	}
}

// S9: one limit for lines of commands and of letters, 2000 octets, refuses real mail.
func TestS9LineLengths(t *testing.T) {
	backend := &fakeBackend{}
	p := start(t, backend).inData()
	p.do(letter(strings.Repeat("x", 100<<10)+"\r\n.\r\n"), "250")
	p.do("MAIL FROM:<a@example.org> ENVID="+strings.Repeat("x", 1500)+"\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("DATA\r\n", "354")
	p.do(letter(strings.Repeat("x", 128<<10)+"\r\n.\r\n"), "554 5.6.0 Limit of line")
	p.do("NOOP "+strings.Repeat("x", 2041)+"\r\n", "250")
	p.send("NOOP " + strings.Repeat("x", 2042) + "\r\n")
	p.want("500 5.5.6")
	_, _ = io.WriteString(p.conn, "NOOP "+strings.Repeat("x", 100<<10)) // the server need not read it to the end
	if got, _ := p.reply(); !strings.HasPrefix(got, "500 5.5.6") {
		t.Errorf("%q", got)
	}
}

// S10: nothing counts connections, commands or letters.
func TestS10Limits(t *testing.T) {
	t.Run("total", func(t *testing.T) {
		r := start(t, &fakeBackend{}, func(c *Config) { c.MaxConnections = 1 })
		first := r.greeted()
		second := r.dial()
		second.want("421 4.3.2 Limit of connections in total")
		second.wantEnd()
		first.do("QUIT\r\n", "221")
	})
	t.Run("network", func(t *testing.T) {
		r := start(t, &fakeBackend{}, func(c *Config) { c.Exempt, c.MaxPerNetwork = []netip.Prefix{}, 1 })
		r.greeted()
		p := r.dial()
		p.want("421 4.7.0 Limit of connections from your network")
		p.wantEnd()
	})
	t.Run("new per minute", func(t *testing.T) {
		r := start(t, &fakeBackend{}, func(c *Config) { c.Exempt, c.MaxNewPerMinute = []netip.Prefix{}, 1 })
		r.greeted().do("QUIT\r\n", "221")
		p := r.dial()
		p.want("421 4.7.0 Limit of new connections per minute")
		p.wantEnd()
	})
	t.Run("commands", func(t *testing.T) {
		p := start(t, &fakeBackend{}, func(c *Config) { c.MaxCommands = 3 }).greeted()
		p.do("NOOP\r\n", "250")
		p.do("NOOP\r\n", "250")
		p.do("NOOP\r\n", "421 4.7.0 Limit of commands")
		p.wantEnd()
	})
	t.Run("letters", func(t *testing.T) {
		p := start(t, &fakeBackend{}, func(c *Config) { c.MaxMessages = 1 }).inData()
		p.do(letter("x\r\n.\r\n"), "250")
		p.do("MAIL FROM:<a@example.org>\r\n", "421 4.7.0 Limit of messages")
		p.wantEnd()
	})
	t.Run("recipients", func(t *testing.T) {
		p := start(t, &fakeBackend{}, func(c *Config) { c.MaxRecipients = 1 }).greeted()
		p.do("MAIL FROM:<a@example.org>\r\n", "250")
		p.do("RCPT TO:<help@example.test>\r\n", "250")
		p.do("RCPT TO:<support@example.test>\r\n", "452 4.5.3 Limit of recipients")
	})
	t.Run("refused recipients", func(t *testing.T) {
		p := start(t, &fakeBackend{}, func(c *Config) { c.MaxRefusedRecipients = 1 }).greeted()
		p.do("MAIL FROM:<a@example.org>\r\n", "250")
		p.do("RCPT TO:<a@example.test>\r\n", "550 5.1.1")
		p.do("RCPT TO:<b@example.test>\r\n", "550 5.1.1")
		p.want("421 4.7.0 Limit of refused")
		p.wantEnd()
	})
	t.Run("session time", func(t *testing.T) {
		p := start(t, &fakeBackend{}, func(c *Config) { c.SessionTimeout = 50 * time.Millisecond }).dial()
		p.want("220")
		p.want("421 4.4.2 Limit of session time")
		p.wantEnd()
	})
	t.Run("space", func(t *testing.T) {
		p := start(t, &fakeBackend{}, func(c *Config) { c.MinFree = 1 << 60 }).greeted()
		p.do("MAIL FROM:<a@example.org>\r\n", "452 4.3.1")
	})
	t.Run("queue", func(t *testing.T) {
		var full atomic.Bool
		p := start(t, &fakeBackend{}, func(c *Config) { c.QueueFull = full.Load }).greeted()
		full.Store(true)
		p.do("MAIL FROM:<a@example.org>\r\n", "451 4.3.1")
		p.do("MAIL FROM:<>\r\n", "250")
		p.do("RSET\r\n", "250")
		full.Store(false)
		p.do("MAIL FROM:<a@example.org>\r\n", "250")
	})
}

// S11, pitfall 19: a panic in Logout ends the process; one in the backend must cost one connection alone.
func TestS11Panics(t *testing.T) {
	backend := &fakeBackend{}
	r := start(t, backend)
	backend.check = func(context.Context, address.Address, address.Address) error { panic("check") }
	p := r.greeted()
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "421 4.3.0")
	p.wantEnd()
	backend.check = nil
	backend.deliver = func(context.Context, *message.Letter) (id.ID, error) { panic("deliver") }
	p = r.inData()
	p.do(letter("x\r\n.\r\n"), "421 4.3.0")
	p.wantEnd()
	p = r.greeted()
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do(fmt.Sprintf("BDAT %d LAST\r\n%s", len(letter("")), letter("")), "421 4.3.0")
	p.wantEnd()
	backend.deliver = nil
	r.inData().do(letter("x\r\n.\r\n"), "250 2.0.0")
	if log := r.log.String(); strings.Count(log, "panic in a session") != 3 || !strings.Contains(log, "stack=") {
		t.Errorf("log: %s", log)
	}
}

// S12: a stop waits for clients to leave, and does not tell them.
func TestS12StopTellsTheIdle(t *testing.T) {
	r := start(t, &fakeBackend{}, withTLS)
	idle := []*peer{r.dial(), r.greeted(), r.greeted()}
	idle[0].want("220")
	idle[1].startTLS()
	idle[1].do("EHLO x\r\n", "250")
	idle[2].do("MAIL FROM:<a@example.org>\r\n", "250")
	idle[2].send("RCPT TO:<he") // half a command
	r.stop()
	for _, p := range idle {
		p.want("421 4.3.2 Shutting down")
		p.wantEnd()
	}
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", r.Addrs()[0].String()); err == nil {
		t.Error("still listens")
	}
}

// S12: a letter in progress is taken, and then the client is told.
func TestS12StopFinishesLetters(t *testing.T) {
	backend := &fakeBackend{}
	delivering, goOn := make(chan struct{}), make(chan struct{})
	backend.deliver = func(_ context.Context, l *message.Letter) (id.ID, error) {
		if bytes.Contains(l.Raw, []byte("wait")) {
			close(delivering)
			<-goOn
		}
		return l.ID, nil
	}
	r := start(t, backend)
	reading, processing := r.inData(), r.inData()
	processing.send(letter("wait\r\n.\r\n"))
	<-delivering
	reading.send(letter("begin\r\n"))
	r.stop()
	idle, err := net.Dial("tcp", r.Addrs()[0].String())
	if err == nil { // accepted before the listener was closed
		idle.Close()
	}
	reading.send("end\r\n.\r\n")
	reading.want("250 2.0.0 Accepted")
	reading.want("421 4.3.2")
	close(goOn)
	processing.want("250 2.0.0 Accepted")
	processing.want("421 4.3.2")
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	if n := len(backend.taken()); n != 2 {
		t.Errorf("%d letters taken", n)
	}
}

// S12: a letter that never ends, and a backend that hangs until its context ends, do not hold up a stop for ever.
func TestS12StopIsBounded(t *testing.T) {
	backend := &fakeBackend{deliver: func(ctx context.Context, l *message.Letter) (id.ID, error) {
		<-ctx.Done()
		return id.ID{}, ctx.Err()
	}}
	r := start(t, backend, func(c *Config) { c.StopTimeout = 50 * time.Millisecond })
	reading, processing := r.inData(), r.inData()
	reading.send(letter("begin\r\n"))
	processing.send(letter("x\r\n.\r\n"))
	r.stop()
	if err := r.wait(); !errors.Is(err, ErrStopTimeout) {
		t.Errorf("Run returned %v", err)
	}
	if n := len(backend.taken()); n != 0 {
		t.Errorf("%d letters taken", n)
	}
}

// S13: there is no hook before the banner, and a name given to EHLO is echoed as it is.
func TestS13EarlyTalker(t *testing.T) {
	r := start(t, &fakeBackend{}, func(c *Config) { c.GreetDelay = patience })
	p := r.dial()
	p.do("EHLO client.example.org\r\nMAIL FROM:<a@example.org>\r\n", "554 5.5.1 You spoke before")
	p.wantEnd()
}

// S13: without a delay it is seen whether octets wait already.
func TestS13EarlyTalkerWithoutDelay(t *testing.T) {
	client, server := tcpPair(t)
	if _, err := io.WriteString(client, "EHLO x\r\n"); err != nil {
		t.Fatal(err)
	}
	arrived(t, server)
	w := &wire{srv: &Server{}, raw: server, conn: server, in: new([inBuffer]byte)}
	if !w.spokeFirst() {
		t.Error("what waits is not seen")
	}
	_, quiet := tcpPair(t)
	w.raw = quiet
	if w.spokeFirst() {
		t.Error("a quiet client is taken for an early talker")
	}
}

// S13, pitfall 16: what a client calls itself reaches no header as it is.
func TestS13Helo(t *testing.T) {
	backend := &fakeBackend{}
	r := start(t, backend)
	p := r.dial()
	p.want("220")
	if got := p.do("EHLO \xffx(y)é"+strings.Repeat("z", 300)+" [1.2.3.4]\r\n", "250"); strings.Contains(got, "\xff") {
		t.Errorf("reply %q", got)
	}
	p.do("MAIL FROM:<a@example.org>\r\n", "250")
	p.do("RCPT TO:<help@example.test>\r\n", "250")
	p.do("DATA\r\n", "354")
	p.do(letter("x\r\n.\r\n"), "250")
	l := backend.taken()[0]
	if len(l.Session.Helo) < 250 || len(l.Session.Helo) > 255 || !strings.HasPrefix(l.Session.Helo, "?x(y)?") || hasControl(l.Session.Helo) || !octets.IsASCII([]byte(l.Session.Helo)) {
		t.Errorf("helo %q", l.Session.Helo)
	}
	if !strings.HasPrefix(l.Received, "Received: from [127.0.0.1]\r\n\tby mx.example.test with ESMTP\r\n\tid "+l.ID.String()) {
		t.Errorf("received %q", l.Received)
	}
}

// S14: an HTTP request costs four errors before the connection ends, and its body is run as commands.
func TestS14HTTP(t *testing.T) {
	for _, verb := range []string{"GET / HTTP/1.1", "POST / HTTP/1.0", "CONNECT x:25 HTTP/1.1", "PRI * HTTP/2.0"} {
		p := start(t, &fakeBackend{}).dial()
		p.want("220")
		p.do(verb+"\r\nHost: x\r\n\r\nEHLO x\r\n", "554 5.5.1 This is a mail server")
		p.wantEnd()
	}
}

// S15: a failed handshake is answered in the clear, and the session goes on.
func TestS15FailedHandshake(t *testing.T) {
	p := start(t, &fakeBackend{}, withTLS).greeted()
	p.do("STARTTLS\r\n", "220")
	p.send("EHLO client.example.org\r\nMAIL FROM:<a@example.org>\r\n")
	rest, _ := io.ReadAll(p.r)
	if bytes.Contains(rest, []byte("250")) || bytes.Contains(rest, []byte("550")) {
		t.Errorf("answered in the clear: %q", rest)
	}
}

// S15, pitfall 12: a client that does not shake hands is not waited for.
func TestS15HandshakeTimeout(t *testing.T) {
	p := start(t, &fakeBackend{}, withTLS, func(c *Config) { c.HandshakeTimeout = 50 * time.Millisecond }).greeted()
	p.do("STARTTLS\r\n", "220")
	if _, err := io.ReadAll(p.r); err != nil && !errors.Is(err, io.EOF) {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Error("still connected")
		}
	}
}

// S16: Reset is called with the library's lock held; calling back deadlocks. All ways to a reset must return.
func TestS16Resets(t *testing.T) {
	backend := &fakeBackend{}
	r := start(t, backend, withTLS)
	p := r.greeted()
	for _, c := range []string{"RSET\r\n", "EHLO x\r\n", "HELO x\r\n"} {
		p.do("MAIL FROM:<a@example.org>\r\n", "250")
		p.do("RCPT TO:<help@example.test>\r\n", "250")
		p.do(c, "250")
		p.do("RCPT TO:<help@example.test>\r\n", "503")
	}
	p.startTLS()
	p.do("EHLO x\r\n", "250")
	p.do("RSET\r\n", "250")
	p.do("QUIT\r\n", "221")
	p.wantEnd()
}

// Pitfall 3 (CVE-2011-0411): what follows STARTTLS in the clear is run as if it had come by TLS.
func TestSTARTTLSInjection(t *testing.T) {
	backend := &fakeBackend{}
	p := start(t, backend, withTLS).greeted()
	p.send("STARTTLS\r\nEHLO injected\r\nMAIL FROM:<injected@example.org>\r\nRCPT TO:<help@example.test>\r\n")
	p.want("220")
	if p.r.Buffered() > 0 {
		t.Fatal("more than one reply")
	}
	state := p.handshake()
	if state.Version < 0x0303 || state.DidResume {
		t.Errorf("TLS %x", state.Version)
	}
	p.do("RCPT TO:<help@example.test>\r\n", "503 5.5.1 Say EHLO")
	p.do("EHLO client\r\n", "250")
	p.do("DATA\r\n", "503")
}

// Pitfall 12: the time for a command is that for the whole line; an octet now and then gains nothing.
func TestSlowlorisInCommand(t *testing.T) {
	p := start(t, &fakeBackend{}, func(c *Config) { c.IdleTimeout = 200 * time.Millisecond }).dial()
	p.want("220")
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	said := make(chan string, 1)
	go func() {
		got, _ := p.reply()
		said <- got
	}()
	for end := time.After(patience); ; { // a minute of octets, if nobody minds
		select {
		case <-end:
			t.Fatal("the client was waited for")
		case got := <-said:
			if !strings.HasPrefix(got, "421 4.4.2 Limit of idle") {
				t.Errorf("%q", got)
			}
			return
		case <-ticks.C:
			_, _ = io.WriteString(p.conn, "N")
		}
	}
}
