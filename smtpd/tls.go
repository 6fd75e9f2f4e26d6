package smtpd

import (
	"crypto/tls"
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"mxdesk/internal/network"
)

// tlsConfig is what STARTTLS uses; nil when there is no certificate.
func tlsConfig(cfg *Config) *tls.Config {
	if cfg.GetCertificate == nil {
		return nil
	}
	return &tls.Config{
		GetCertificate: cfg.GetCertificate,
		MinVersion:     tls.VersionTLS12,
		// Some large senders fail when they resume a session against another node.
		SessionTicketsDisabled: true,
		Time:                   cfg.Now,
	}
}

// startTLS answers 220 and goes on over TLS. It lies below the wire, so the line discipline holds within it, and
// what a client sent after STARTTLS in the clear is forgotten (CVE-2011-0411). It tells whether
// the connection goes on.
func (w *wire) startTLS() bool {
	w.out = replyGoTLS.appendTo(w.out)
	w.flush()
	w.from, w.to = 0, 0
	if w.state == hungUp {
		return false
	}
	conn := tls.Server(w.raw, w.srv.tls)
	end := w.srv.cfg.Now().Add(w.srv.cfg.HandshakeTimeout)
	if !w.setDeadline(end) {
		w.lost(errStopping, reply{})
		return false
	}
	if err := conn.Handshake(); err != nil {
		// Nobody could read a reply now.
		w.srv.refused(w, replyHandshake)
		w.state = hungUp
		return false
	}
	state := conn.ConnectionState()
	w.mu.Lock()
	w.conn = conn
	w.handshake = strings.ReplaceAll(tls.VersionName(state.Version), " ", "") + " " + tls.CipherSuiteName(state.CipherSuite)
	w.mu.Unlock()
	return true
}

// setDeadline limits what is read and written next, unless the server stops.
func (w *wire) setDeadline(t time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.patient = false
	return !w.stopping && w.conn.SetDeadline(t) == nil
}

// open sends the banner, which go-smtp has written by now, unless the client spoke first: only programs that do not
// care for our replies do. It tells whether the connection goes on.
func (w *wire) open() bool {
	w.opened = true
	if !w.known() {
		return false
	}
	if !w.lmtp {
		w.listing = w.srv.cfg.Admission.client(w.client)
	}
	if w.listing == network.Blocked {
		w.out = w.out[:0] // in place of the banner
		w.hangUp(replyBlockedNetwork)
		return false
	}
	w.lookUp()
	if !w.spokeFirst() {
		return true
	}
	w.out = w.out[:0] // in place of the banner
	w.hangUp(replyEarlyTalker)
	return false
}

// known makes the client behind a proxy known, and counts it. It tells whether the connection goes on.
func (w *wire) known() bool {
	if !w.proxied {
		return true
	}
	if proxy := w.client; !w.unproxy() || w.client == proxy {
		return w.state != hungUp
	}
	if r := w.srv.limits.enterNetwork(w.client, w.srv.cfg.Now()); !r.isZero() {
		w.out = w.out[:0]
		w.hangUp(r)
		return false
	}
	w.counted = true
	return true
}

func (w *wire) spokeFirst() bool {
	if delay := w.srv.cfg.GreetDelay; delay > 0 {
		if !w.setDeadline(w.srv.cfg.Now().Add(delay)) {
			return false
		}
		n, err := w.conn.Read(w.in[:1])
		if n == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
			w.state = hungUp
		}
		return n > 0
	}
	sys, ok := w.raw.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sys.SyscallConn()
	if err != nil {
		return false
	}
	var n int
	var one [1]byte
	err = raw.Read(func(fd uintptr) bool {
		n, _, _ = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err == nil && n > 0
}
