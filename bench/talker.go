package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// talkPatience is how long a talker waits for one answer.
const talkPatience = 20 * time.Second

// talker is one SMTP client that says what it is told to, right or wrong, and hears the answers.
type talker struct {
	conn net.Conn
	r    *bufio.Reader
}

// dialFrom connects; from is the client's own address, "" for any.
func dialFrom(ctx context.Context, from, to string) (*talker, error) {
	d := &net.Dialer{Timeout: talkPatience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	return over(conn), nil
}

func over(conn net.Conn) *talker { return &talker{conn: conn, r: bufio.NewReader(conn)} }

func (t *talker) close() { t.conn.Close() } //nolint:errcheck // nothing more is said

// send writes octets; that the server hung up is heard by the next answer.
func (t *talker) send(text string) {
	t.conn.SetWriteDeadline(time.Now().Add(talkPatience)) //nolint:errcheck // the write tells
	t.conn.Write([]byte(text))                            //nolint:errcheck // the next answer tells
}

// answer is the last line of the next answer without its line end; "" when the connection has ended or nothing comes.
func (t *talker) answer() string {
	t.conn.SetReadDeadline(time.Now().Add(talkPatience)) //nolint:errcheck // the read tells
	for {
		line, err := t.r.ReadString('\n')
		if err != nil {
			return ""
		}
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimRight(line, "\r\n")
		}
	}
}

// ask says one line and hears the answer.
func (t *talker) ask(line string) string {
	t.send(line + "\r\n")
	return t.answer()
}

// must goes through pairs of what is said and how its answer begins; "" as the first is the greeting.
func (t *talker) must(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] != "" {
			t.send(pairs[i] + "\r\n")
		}
		if got := t.answer(); !strings.HasPrefix(got, pairs[i+1]) {
			return fmt.Errorf("%.80q was answered %q, want %s", pairs[i], got, pairs[i+1])
		}
	}
	return nil
}

// upToData goes from the greeting to where the server waits for the letter.
func (t *talker) upToData(from, to string) error {
	return t.must("", "220", "EHLO client.test", "250", "MAIL FROM:<"+from+">", "250", "RCPT TO:<"+to+">", "250", "DATA", "354")
}
