package smtptest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// talk says all at once and returns the first word of every line that comes back until the server hangs up.
func talk(t *testing.T, s *Server, lines ...string) string {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(nc, strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
	var codes []string
	for sc := bufio.NewScanner(nc); sc.Scan(); {
		word, _, _ := strings.Cut(sc.Text(), " ")
		if !strings.Contains(word, "-") {
			codes = append(codes, word)
		}
	}
	return strings.Join(codes, " ")
}

// TestFinalDot: the peer is as strict as the tests that use it need: only CRLF . CRLF ends a letter.
func TestFinalDot(t *testing.T) {
	s := New(t, Config{})
	body := "a\n.\nb\n.\r\nc\r\n.\nd\r\n..e\r\n"
	got := talk(t, s, "EHLO a\r\n", "MAIL FROM:<a@b> X=Y\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n", body, ".\r\n", "QUIT\r\n")
	if got != "220 250 250 250 354 250 221" {
		t.Fatal(got)
	}
	l := s.Letters()[0]
	if string(l.Raw) != body || string(l.Data) != strings.Replace(strings.Replace(body, "..e", ".e", 1), "\r\n.\nd", "\r\n\nd", 1) || l.From != "a@b" || l.FromParams != "X=Y" || l.Recipients[0] != "c@d" || l.Helo != "a" {
		t.Errorf("%+v, %q", l, l.Data)
	}
}

func TestOrder(t *testing.T) {
	s := New(t, Config{})
	got := talk(t, s, "RCPT TO:<a@b>\r\n", "DATA\r\n", "MAIL FROM:<>\r\n", "MAIL FROM:<>\r\n", "DATA\r\n", "RSET\r\n", "RCPT TO:<a@b>\r\n", "STARTTLS\r\n", "WHAT\r\n", "NOOP\r\n", "AUTH\r\n", "AUTH X\r\n", "QUIT\r\n")
	if got != "220 503 554 250 503 554 250 503 502 500 250 501 504 221" {
		t.Error(got)
	}
	if n := len(s.Letters()); n != 0 {
		t.Errorf("%d letters", n)
	}
}

func TestScriptAndWait(t *testing.T) {
	release := make(chan struct{})
	s := New(t, Config{Script: func(c Command) Action {
		switch {
		case c.Verb == Body:
			return Action{Wait: release}
		case c.Verb == "NOOP" && c.N == 2:
			return Action{Reply: "421 bye", Close: true}
		}
		return Action{}
	}})
	done := make(chan string)
	go func() {
		done <- talk(t, s, "MAIL FROM:<>\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n", "x\r\n.\r\n", "NOOP\r\n", "NOOP\r\n", "NOOP\r\n")
	}()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Wait(ended, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(release)
	if letters, err := s.Wait(t.Context(), 1); err != nil || string(letters[0].Data) != "x\r\n" {
		t.Errorf("%v, %v", letters, err)
	}
	if got := <-done; got != "220 250 250 354 250 250 421" {
		t.Error(got)
	}
	if s.Connections() != 1 || s.Commands()[0] != "1: MAIL FROM:<>" {
		t.Errorf("%d connections, %q", s.Connections(), s.Commands())
	}
}

// TestClose: a connection that waits for a signal which never comes does not keep the server.
func TestClose(t *testing.T) {
	reached := make(chan struct{})
	s, err := Start(Config{Script: func(Command) Action { close(reached); return Action{Wait: make(chan struct{})} }})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	<-reached
	s.Close()
	s.Close()
}
