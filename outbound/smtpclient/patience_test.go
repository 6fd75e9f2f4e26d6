package smtpclient

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatience: a silent server has the times of RFC 5321, and half a minute while others wait; only for the answer to the final dot it
// has its time always.
func TestPatience(t *testing.T) {
	never, always := func() bool { return false }, func() bool { return true }
	for _, c := range []struct {
		name    string
		hurried func() bool
		silent  string // the command to which the server says nothing; "": it does not greet
		after   time.Duration
		status  Status
	}{
		{"nobody can wait", nil, "", 5 * time.Minute, Deferred},
		{"nobody waits", never, "", 5 * time.Minute, Deferred},
		{"somebody waits", always, "", 30 * time.Second, Deferred},
		{"EHLO", always, "EHLO", 30 * time.Second, Deferred},
		{"MAIL", always, "MAIL", 30 * time.Second, Deferred},
		{"RCPT, nobody waits", never, "RCPT", 5 * time.Minute, Deferred},
		{"the final dot", always, ".", 10 * time.Minute, Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer theirs.Close() //nolint:errcheck // it ends
				go speak(theirs, c.silent)
				begun := time.Now()
				status, err := deliver(t, ours, c.hurried)
				if took := time.Since(begun); err == nil || took != c.after || status != c.status {
					t.Errorf("it gave up after %v (%v, %v), want %v, %v", took, status, err, c.after, c.status)
				}
			})
		})
	}
}

// TestPatienceEnds: who begins to wait while a server is silent does not wait for the five minutes.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close() //nolint:errcheck // it ends
		begun := time.Now()
		_, err := deliver(t, ours, func() bool { return time.Since(begun) > 70*time.Second })
		if took := time.Since(begun); took != 90*time.Second || !strings.Contains(fmt.Sprint(err), "others waited") {
			t.Errorf("it gave up after %v: %v", took, err)
		}
	})
}

// TestPatienceWithTheSlow: a server that answers within its time is heard to the end, whoever waits.
func TestPatienceWithTheSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close() //nolint:errcheck // it ends
		go speak(&late{theirs, 25 * time.Second}, "nothing")
		if status, err := deliver(t, ours, func() bool { return true }); err != nil || status != Delivered {
			t.Errorf("%v, %v", status, err)
		}
	})
}

// late is a connection whose writes come late.
type late struct {
	net.Conn
	by time.Duration
}

func (l *late) Write(b []byte) (int, error) {
	<-time.After(l.by)
	return l.Conn.Write(b)
}

// speak is a server that answers until it hears what it is silent to.
func speak(nc net.Conn, silent string) {
	if silent == "" {
		return
	}
	fmt.Fprint(nc, "220 slow.example.test\r\n") //nolint:errcheck // the client sees it
	in, body := bufio.NewScanner(nc), false
	for in.Scan() {
		line := in.Text()
		switch {
		case body && line != ".":
			continue
		case strings.HasPrefix(line, silent):
			continue
		}
		body = line == "DATA"
		if body {
			fmt.Fprint(nc, "354 go on\r\n") //nolint:errcheck // the client sees it
		} else {
			fmt.Fprint(nc, "250 fine\r\n") //nolint:errcheck // the client sees it
		}
	}
}

// deliver sends one letter.
func deliver(t *testing.T, nc net.Conn, hurried func() bool) (Status, error) {
	c, err := Connect(context.Background(), nc, Config{Name: "desk.example.test", Hurried: hurried})
	if err != nil {
		return Deferred, err
	}
	defer c.Close()
	res := c.Send(context.Background(), envelope(t, "a@slow.example.test"), []byte("Subject: a\r\n\r\na\r\n"))
	return res.Recipients[0].Status, res.Err
}
