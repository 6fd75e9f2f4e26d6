package main

import (
	"fmt"
	"net"
	"sync"
)

// maxWireLine is the longest line without its CRLF that a mail server may send (RFC 5321 section 4.5.3.1.6), and the dot that
// is put before a dot.
const maxWireLine = 998 + 1

// strictListener looks at every octet that clients send: lines end with CRLF, are not too long, and hold no NUL.
type strictListener struct {
	net.Listener

	mu     sync.Mutex
	faults []string
}

// Accept implements net.Listener.
func (l *strictListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &strictConn{Conn: conn, found: l.fault}, nil
}

func (l *strictListener) fault(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, what)
}

// all are the faults so far.
func (l *strictListener) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.faults...)
}

type strictConn struct {
	net.Conn
	found func(string)
	last  byte
	line  int // octets of the line so far
}

// Read implements net.Conn.
func (c *strictConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for _, b := range p[:n] {
		c.octet(b)
	}
	return n, err
}

func (c *strictConn) octet(b byte) {
	switch {
	case b == 0:
		c.found("a NUL")
	case b == '\n' && c.last != '\r':
		c.found("a bare LF")
	case b != '\n' && c.last == '\r':
		c.found("a bare CR")
	}
	switch b {
	case '\n':
		if c.line > maxWireLine {
			c.found(fmt.Sprintf("a line of %d octets", c.line))
		}
		c.line = 0
	case '\r':
	default:
		c.line++
	}
	c.last = b
}
