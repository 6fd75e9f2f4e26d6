package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mxdesk/internal/address"
	"mxdesk/internal/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute // on a machine that does much else

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// counting notes what the client writes, a write at a time.
type counting struct {
	net.Conn
	writes []string
}

func (c *counting) Write(b []byte) (int, error) {
	c.writes = append(c.writes, string(b))
	return c.Conn.Write(b)
}

func dial(t testing.TB, s *smtptest.Server) *counting {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return &counting{Conn: nc}
}

func connect(t testing.TB, s *smtptest.Server, cfg Config) (*Client, *counting) {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "desk.example.test"
	}
	nc := dial(t, s)
	c, err := Connect(within(t), nc, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, nc
}

func mailbox(t testing.TB, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func envelope(t testing.TB, rcpts ...string) Envelope {
	e := Envelope{From: mailbox(t, "bounce@desk.example.test")}
	for _, r := range rcpts {
		e.Recipients = append(e.Recipients, mailbox(t, r))
	}
	return e
}

var letter = []byte("Subject: hello\r\n\r\ntext\r\n.dot\r\n")

func TestDialogue(t *testing.T) {
	s := smtptest.New(t, smtptest.Config{})
	c, nc := connect(t, s, Config{})
	nc.writes = nil
	for range 3 {
		res := c.Send(within(t), envelope(t, "a@x.test", "b@x.test"), letter)
		for _, f := range res.Recipients {
			if f.Status != Delivered || f.Phase != PhaseFinal || f.Reply.Code != 250 || f.Err != nil {
				t.Errorf("%+v", f)
			}
		}
		if res.Err != nil {
			t.Error(res.Err)
		}
	}
	want := []string{
		"MAIL FROM:<bounce@desk.example.test> SIZE=30\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n",
		"Subject: hello\r\n\r\ntext\r\n..dot\r\n.\r\n",
	}
	if want = slices.Concat(want, want, want); !slices.Equal(nc.writes, want) {
		t.Errorf("written: %q", nc.writes)
	}
	if c.Letters() != 3 || c.Err() != nil || c.TLSName() != "" {
		t.Errorf("%d letters, %v, TLS %q", c.Letters(), c.Err(), c.TLSName())
	}
	if err := c.Noop(within(t)); err != nil {
		t.Error(err)
	}
	c.Quit(within(t))
	if err := c.Noop(within(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Quit: %v", err)
	}
	if res := c.Send(within(t), envelope(t, "a@x.test"), letter); res.Recipients[0].Status != Deferred || !errors.Is(res.Recipients[0].Err, ErrClosed) {
		t.Errorf("after Quit: %+v", res)
	}
	letters, err := s.Wait(within(t), 3)
	if err != nil {
		t.Fatal(err)
	}
	if got := letters[0]; got.Helo != "desk.example.test" || string(got.Data) != string(letter) || got.From != "bounce@desk.example.test" || !slices.Equal(got.Recipients, []string{"a@x.test", "b@x.test"}) {
		t.Errorf("%+v", got)
	}
	if cmds := s.Commands(); cmds[len(cmds)-1] != "1: QUIT" {
		t.Errorf("%q", cmds)
	}
}

// TestQuitOfTheSilent: a goodbye takes no longer than Timeouts.Quit, even from a server that began to say something else.
func TestQuitOfTheSilent(t *testing.T) {
	nc := dial(t, smtptest.New(t, smtptest.Config{}))
	half := &halfLine{Conn: nc}
	c, err := Connect(within(t), half, Config{Name: "desk.example.test", Timeouts: Timeouts{Quit: time.Millisecond, Block: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	half.more = true
	if err := c.Noop(within(t)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Quit(context.Background())
	}()
	select {
	case <-done:
	case <-within(t).Done():
		t.Error("the goodbye does not end")
		_ = nc.Close()
		<-done
	}
}

// halfLine adds to what is read the beginning of a line that never ends.
type halfLine struct {
	net.Conn
	more bool
}

func (c *halfLine) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:len(b)-1])
	if c.more && n > 0 {
		b[n], c.more = '2', false
		n++
	}
	return n, err
}

func TestExtensions(t *testing.T) {
	got := parseExtensions([]string{"starttls", "Pipelining", "8bitmime", "SmtpUtf8", "dsn", "size 1000", "LIMITS MAILMAX=5 rcptmax=7 RCPTDOMAINMAX=1 X=", "AUTH plain LOGIN", "", "X-OTHER 1"})
	want := Extensions{StartTLS: true, Pipelining: true, EightBit: true, SMTPUTF8: true, DSN: true, Size: 1000, HasSize: true, MaxRcpt: 7, MaxMail: 5, MaxDomains: 1}
	if !slices.Equal(got.Auth, []string{"PLAIN", "LOGIN"}) {
		t.Errorf("%q", got.Auth)
	}
	got.Auth = nil
	if got.StartTLS != want.StartTLS || got.MaxRcpt != want.MaxRcpt || got.MaxMail != want.MaxMail || got.MaxDomains != want.MaxDomains || got.Size != want.Size || !got.Pipelining || !got.EightBit || !got.SMTPUTF8 || !got.DSN || !got.HasSize {
		t.Errorf("%+v", got)
	}
	odd := parseExtensions([]string{"SIZE", "LIMITS RCPTMAX=0 MAILMAX=-1 RCPTMAX=x RCPTDOMAINMAX=0", "XSTARTTLS"})
	if !odd.HasSize || odd.Size != 0 || odd.MaxRcpt != 0 || odd.MaxMail != 0 || odd.MaxDomains != 0 || odd.StartTLS {
		t.Errorf("%+v", odd)
	}
	if x := parseExtensions([]string{"SIZE -5"}); x.Size != 0 {
		t.Errorf("%+v", x)
	}
}

// on answers one verb, the nth time it comes in a connection; n = 0 is every time.
func on(verb string, n int, a smtptest.Action) func(smtptest.Command) smtptest.Action {
	return func(c smtptest.Command) smtptest.Action {
		if c.Verb == verb && (n == 0 || c.N == n) {
			return a
		}
		return smtptest.Action{}
	}
}

func TestConnectFailures(t *testing.T) {
	never := make(chan struct{})
	short := Timeouts{Greeting: 30 * time.Millisecond}
	flood := strings.Repeat("220-"+strings.Repeat("x", 1000)+"\r\n", 100)
	for _, c := range []struct {
		name   string
		script func(smtptest.Command) smtptest.Action
		cfg    Config
		phase  Phase
		code   int
		err    error
	}{
		{"554 greeting", on("CONNECT", 0, smtptest.Action{Reply: "554 go away"}), Config{}, PhaseGreeting, 554, nil},
		{"421 greeting", on("CONNECT", 0, smtptest.Action{Reply: "421 4.7.0 later"}), Config{}, PhaseGreeting, 421, nil},
		{"no SMTP", on("CONNECT", 0, smtptest.Action{Reply: "SSH-2.0-x"}), Config{}, PhaseGreeting, 0, ErrProtocol},
		{"flood", on("CONNECT", 0, smtptest.Action{Reply: flood}), Config{}, PhaseGreeting, 0, ErrProtocol},
		{"hang up", on("CONNECT", 0, smtptest.Action{Close: true}), Config{}, PhaseGreeting, 0, io.EOF},
		{"silence", on("CONNECT", 0, smtptest.Action{Wait: never}), Config{Timeouts: short}, PhaseGreeting, 0, os.ErrDeadlineExceeded},
		{"EHLO later", on("EHLO", 0, smtptest.Action{Reply: "451 4.3.0 later"}), Config{}, PhaseHello, 451, nil},
		{"EHLO 421", on("EHLO", 0, smtptest.Action{Reply: "421 bye", Close: true}), Config{}, PhaseHello, 421, nil},
		{"greeted before it said anything", on("CONNECT", 0, smtptest.Action{Reply: "220 a\r\n250 b"}), Config{}, PhaseHello, 250, ErrProtocol},
		{"a name with a line end", nil, Config{Name: "a\r\nMAIL FROM:<>"}, PhaseHello, 0, address.ErrSyntax},
		{"a name of two words", nil, Config{Name: "a b"}, PhaseHello, 0, address.ErrSyntax},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := smtptest.New(t, smtptest.Config{Script: c.script})
			if c.cfg.Name == "" {
				c.cfg.Name = "desk.example.test"
			}
			nc := dial(t, s)
			client, err := Connect(within(t), nc, c.cfg)
			var e *Error
			if !errors.As(err, &e) || client != nil || e.Phase != c.phase || e.Reply.Code != c.code {
				t.Fatalf("%+v, %v", client, err)
			}
			if c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			if _, err := nc.Conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the connection is still open: %v", err)
			}
		})
	}
}

func TestHelo(t *testing.T) {
	s := smtptest.New(t, smtptest.Config{Script: on("EHLO", 0, smtptest.Action{Reply: "502 5.5.1 what?"})})
	c, _ := connect(t, s, Config{TLS: TLSOpportunistic})
	if res := c.Send(within(t), envelope(t, "a@x.test"), letter); res.Recipients[0].Status != Delivered {
		t.Errorf("%+v", res)
	}
	letters := s.Letters()
	if len(letters) != 1 || letters[0].FromParams != "" || letters[0].Helo != "desk.example.test" {
		t.Errorf("%+v", letters)
	}
}

func TestTLS(t *testing.T) {
	server, roots := smtptest.Certificate(t, "mx.test")
	refusing := errors.New("not this certificate")
	base := &tls.Config{RootCAs: roots}
	reply := func(s string) func(smtptest.Command) smtptest.Action {
		return on("STARTTLS", 0, smtptest.Action{Reply: s})
	}
	for _, c := range []struct {
		name    string
		offered bool
		script  func(smtptest.Command) smtptest.Action
		cfg     Config
		want    error // nil: connected
		secure  bool
	}{
		{"none, offered", true, nil, Config{TLS: TLSNone}, nil, false},
		{"opportunistic, offered", true, nil, Config{TLS: TLSOpportunistic}, nil, true},
		{"opportunistic, wrong name", true, nil, Config{TLS: TLSOpportunistic, ServerName: "other.test"}, nil, true},
		{"opportunistic, not offered", false, nil, Config{TLS: TLSOpportunistic}, nil, false},
		{"opportunistic, refused", true, reply("454 4.7.0 not now"), Config{TLS: TLSOpportunistic}, ErrTLS, false},
		{"opportunistic, no TLS behind 220", true, on("STARTTLS", 0, smtptest.Action{Reply: "220 go", Close: true}), Config{TLS: TLSOpportunistic}, ErrTLS, false},
		{"injected replies", true, reply("220 go\r\n250-PIPELINING\r\n250 AUTH PLAIN"), Config{TLS: TLSOpportunistic}, ErrInjection, false},
		{"half a reply injected", true, reply("220 go\r\n250-PIPE"), Config{TLS: TLSRequired}, ErrInjection, false},
		{"required, offered", true, nil, Config{TLS: TLSRequired}, nil, true},
		{"required, not offered", false, nil, Config{TLS: TLSRequired}, ErrNoTLS, false},
		{"required, refused", true, reply("502 no"), Config{TLS: TLSRequired}, ErrTLS, false},
		{"verified", true, nil, Config{TLS: TLSVerified, ServerName: "mx.test", BaseTLS: base}, nil, true},
		{"verified, wrong name", true, nil, Config{TLS: TLSVerified, ServerName: "other.test", BaseTLS: base}, ErrTLS, false},
		{"verified, unknown root", true, nil, Config{TLS: TLSVerified, ServerName: "mx.test"}, ErrTLS, false},
		{"verified, not offered", false, nil, Config{TLS: TLSVerified, ServerName: "mx.test", BaseTLS: base}, ErrNoTLS, false},
		{"own check passes", true, nil, Config{TLS: TLSVerified, ServerName: "other.test", Verify: func(tls.ConnectionState) error { return nil }}, nil, true},
		{"own check fails", true, nil, Config{TLS: TLSVerified, ServerName: "mx.test", BaseTLS: base, Verify: func(tls.ConnectionState) error { return refusing }}, refusing, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := smtptest.Config{Script: c.script}
			if c.offered {
				cfg.TLS = server
			}
			s := smtptest.New(t, cfg)
			c.cfg.Name = "desk.example.test"
			client, err := Connect(within(t), dial(t, s), c.cfg)
			if c.want != nil {
				if !errors.Is(err, c.want) || client != nil {
					t.Fatalf("%v, want %v", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if (client.TLS() != nil) != c.secure || strings.HasPrefix(client.TLSName(), "TLS1.3 TLS_") != c.secure {
				t.Errorf("TLS %q", client.TLSName())
			}
			if res := client.Send(within(t), envelope(t, "a@x.test"), letter); res.Recipients[0].Status != Delivered {
				t.Errorf("%+v", res)
			}
			if got := s.Letters(); len(got) != 1 || got[0].TLS != c.secure || got[0].Helo != "desk.example.test" {
				t.Errorf("%+v", got)
			}
			if c.secure && client.Extensions().StartTLS {
				t.Error("what was announced in plaintext is still believed")
			}
		})
	}
}

func TestImplicitTLS(t *testing.T) {
	server, roots := smtptest.Certificate(t, "mx.test")
	s := smtptest.New(t, smtptest.Config{TLS: server, Implicit: true})
	c, _ := connect(t, s, Config{TLS: TLSVerified, Implicit: true, ServerName: "mx.test", BaseTLS: &tls.Config{RootCAs: roots}})
	if res := c.Send(within(t), envelope(t, "a@x.test"), letter); res.Recipients[0].Status != Delivered || c.TLS() == nil {
		t.Errorf("%+v", res)
	}
	_, err := Connect(within(t), dial(t, s), Config{Name: "a.test", TLS: TLSVerified, Implicit: true, ServerName: "other.test", BaseTLS: &tls.Config{RootCAs: roots}})
	if !errors.Is(err, ErrTLS) {
		t.Errorf("wrong name: %v", err)
	}
	plain := smtptest.New(t, smtptest.Config{})
	if _, err := Connect(within(t), dial(t, plain), Config{Name: "a.test", TLS: TLSRequired, Implicit: true}); !errors.Is(err, ErrTLS) {
		t.Errorf("a server without TLS: %v", err)
	}
}

func TestAuth(t *testing.T) {
	server, _ := smtptest.Certificate(t, "mx.test")
	secret := "s3cret"
	user := Auth{Username: "desk", Password: secret}
	token := Auth{Username: "desk", Token: secret + strings.Repeat("x", 2000)}
	open := user
	open.AllowPlaintext = true
	all := []string{"AUTH PLAIN LOGIN XOAUTH2"}
	for _, c := range []struct {
		name    string
		auth    Auth
		tls     bool
		offered []string
		script  func(smtptest.Command) smtptest.Action
		want    []string // nil: an error
		code    int
	}{
		{"PLAIN", user, true, all, nil, []string{"PLAIN", "\x00desk\x00" + secret}, 0},
		{"LOGIN", user, true, []string{"auth login"}, nil, []string{"LOGIN", "desk", secret}, 0},
		{"XOAUTH2", token, true, all, nil, []string{"XOAUTH2", "user=desk\x01auth=Bearer " + token.Token + "\x01\x01"}, 0},
		{"plaintext", user, false, all, nil, nil, 0},
		{"plaintext allowed", open, false, all, nil, []string{"PLAIN", "\x00desk\x00" + secret}, 0},
		{"token, but no XOAUTH2", token, true, []string{"AUTH PLAIN"}, nil, nil, 0},
		{"nothing offered", user, true, []string{}, nil, nil, 0},
		{"refused", user, true, all, on("AUTH", 0, smtptest.Action{Reply: "535 5.7.8 wrong"}), nil, 535},
		{"not now", user, true, all, on("AUTH", 0, smtptest.Action{Reply: "454 4.7.0 later"}), nil, 454},
		{"XOAUTH2 explains", token, true, all, on("AUTH", 0, smtptest.Action{Reply: "334 eyJzdGF0dXMiOiI0MDAifQ=="}), nil, 535},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := smtptest.Config{Extensions: c.offered, Script: c.script}
			if c.tls {
				cfg.TLS = server
			}
			s := smtptest.New(t, cfg)
			client, err := Connect(within(t), dial(t, s), Config{Name: "a.test", TLS: TLSOpportunistic, Auth: &c.auth})
			if c.want == nil {
				var e *Error
				if !errors.Is(err, ErrAuth) || !errors.As(err, &e) || e.Phase != PhaseAuth || e.Reply.Code != c.code || strings.Contains(err.Error(), secret) {
					t.Fatalf("%v", err)
				}
				if cmds := strings.Join(s.Commands(), " "); !c.tls && strings.Contains(cmds, "AUTH") {
					t.Errorf("said in plaintext: %s", cmds)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client.Send(within(t), envelope(t, "a@x.test"), letter)
			if got := s.Letters(); len(got) != 1 || !slices.Equal(got[0].Auth, c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}
