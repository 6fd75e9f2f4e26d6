package certificate

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// ErrUnknownName ends handshakes for names that are not ours, or have no certificate yet.
var ErrUnknownName = errors.New("no certificate for this name")

const (
	maxToken   = 256             // far above the length of any token
	maxName    = 253             // of a DNS name
	maxPlaces  = 8               // for questions to the database that strangers caused
	answerTime = 5 * time.Second // for one of them
)

var nameForm = regexp.MustCompile(`^[a-z0-9.-]+$`)

// ServeHTTP answers HTTP-01 (RFC 8555 section 8.3). The path's last part is the token.
func (m *Manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, token := r.Host, r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	if len(token) > maxToken {
		http.NotFound(w, r)
		return
	}
	expected, answer, err := m.challenge(r.Context(), name, HTTP01)
	switch {
	case err != nil:
		m.cfg.Log.Warn("challenge not answered", "name", name, "error", err)
		http.Error(w, "Please try again.", http.StatusServiceUnavailable)
	case answer == nil || subtle.ConstantTimeCompare([]byte(token), []byte(expected)) == 0:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(answer) //nolint:errcheck // the authority asks again
	}
}

// Challenge answers TLS-ALPN-01 (RFC 8737), for handshakes in which the client wants that protocol and no other.
func (m *Manager) Challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := normal(hello.ServerName)
	_, answer, err := m.challenge(hello.Context(), name, TLSALPN01)
	if err != nil {
		m.cfg.Log.Warn("challenge not answered", "name", name, "error", err)
		return nil, err
	}
	if answer == nil {
		return nil, ErrUnknownName
	}
	c, err := tls.X509KeyPair(answer, answer)
	if err != nil {
		return nil, fmt.Errorf("read the answer to a challenge: %w", err)
	}
	return &c, nil
}

// ForName finds the certificate of the name that the client asks for. Web browsers always name one.
func (m *Manager) ForName(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := m.current.Load().byName[normal(hello.ServerName)]; c != nil {
		return c.certificate, nil
	}
	return nil, ErrUnknownName
}

// ForMail is ForName for SMTP: who names nothing of ours gets the certificate of the first name, and before there is any
// one that we signed ourselves. Most mail servers take what they get, and would else send in the clear.
func (m *Manager) ForMail(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c, err := m.ForName(hello); err == nil {
		return c, nil
	}
	if now := m.current.Load(); len(now.names) > 0 {
		if c := now.byName[now.names[0]]; c != nil {
			return c.certificate, nil
		}
	}
	return m.temporary, nil
}

// normal is a name as the configuration and the domains have it.
func normal(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// challenge asks the database for an answer. Only names of ours ever have one: what is not being ordered is not there.
// Strangers can make us ask, so only a few ask at a time.
func (m *Manager) challenge(ctx context.Context, name, kind string) (token string, answer []byte, err error) {
	if name = normal(name); len(name) > maxName || !nameForm.MatchString(name) {
		return "", nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	select {
	case m.places <- struct{}{}:
		defer func() { <-m.places }()
	case <-ctx.Done():
		return "", nil, fmt.Errorf("wait for other challenges: %w", ctx.Err())
	}
	return m.store.challenge(ctx, name, kind)
}
