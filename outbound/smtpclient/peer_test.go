package smtpclient

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"mxdesk/internal/smtptest"
)

// peer is a server that we did not write.
type peer struct{ letters chan string }

func (p *peer) NewSession(*smtp.Conn) (smtp.Session, error) { return &peerSession{p: p}, nil }

type peerSession struct {
	p   *peer
	got strings.Builder
}

func (s *peerSession) Reset()        { s.got.Reset() }
func (s *peerSession) Logout() error { return nil }

func (s *peerSession) Mail(from string, o *smtp.MailOptions) error {
	s.got.WriteString("from " + from + " " + string(o.Body) + " " + string(o.Return) + " " + o.EnvelopeID + "\n")
	return nil
}

func (s *peerSession) Rcpt(to string, o *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "unknown@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.got.WriteString("to " + to + " " + string(o.OriginalRecipient) + "\n")
	return nil
}

func (s *peerSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.got.Write(b)
	s.p.letters <- s.got.String()
	return err
}

// TestPeer talks to go-smtp's server, TLS, DSN, UTF-8 and a letter of several blocks with dots in every place.
func TestPeer(t *testing.T) {
	p := &peer{letters: make(chan string, 10)}
	config, roots := smtptest.Certificate(t, "mx.test")
	server := smtp.NewServer(p)
	server.Domain, server.TLSConfig, server.EnableDSN, server.EnableSMTPUTF8 = "mx.test", config, true, true
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(ln) }()
	defer func() { _ = server.Close(); <-served }()

	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Connect(within(t), nc, Config{Name: "desk.test", TLS: TLSVerified, ServerName: "mx.test", BaseTLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	env := envelope(t, "unknown@x.test", "jürgen@x.test", "b+c@x.test")
	env.ID = "an id"
	body := "Subject: ü\r\n\r\n" + strings.Repeat(".\r\n..\r\n"+strings.Repeat("line .\r\n", 20), 1000)
	want := "from bounce@desk.example.test 8BITMIME HDRS an id\nto jürgen@x.test \nto b+c@x.test b+c@x.test\n" + body
	for range 3 {
		res := c.Send(within(t), env, []byte(body))
		if res.Err != nil || res.Recipients[0].Reply.Enhanced != "5.1.1" || res.Recipients[1].Status != Delivered || res.Recipients[2].Status != Delivered {
			t.Fatalf("%+v", res)
		}
		if got := <-p.letters; got != want {
			t.Fatalf("%d octets of %d arrived: %.200q", len(got), len(want), got)
		}
	}
	only := c.Send(within(t), envelope(t, "unknown@x.test"), []byte(body))
	next := c.Send(within(t), envelope(t, "a@x.test"), bytes.Repeat([]byte("x\r\n"), 3))
	if only.Recipients[0].Status != Refused || next.Recipients[0].Status != Delivered || c.Letters() != 4 {
		t.Errorf("%+v, %+v", only, next)
	}
	c.Quit(within(t))
}
