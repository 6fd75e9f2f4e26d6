package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// TLSLevel is what a connection must be before a letter goes over it.
type TLSLevel int

// The levels, from the weakest to the strongest.
const (
	// TLSNone does not use TLS, for a server whose TLS is known to be broken.
	TLSNone TLSLevel = iota
	// TLSOpportunistic uses TLS when it is offered, with any certificate (RFC 7435). When the server offers it and
	// fails, Connect fails with ErrTLS: only the caller, who knows of policies, may connect again with TLSNone.
	TLSOpportunistic
	// TLSRequired insists on TLS, with any certificate.
	TLSRequired
	// TLSVerified insists on TLS with a certificate that passes Config.Verify or, without
	// it, is valid for Config.ServerName.
	TLSVerified
)

// String is the level as it goes into a log, where "required" is a policy: that of letters whose host must be verified.
func (l TLSLevel) String() string {
	return [...]string{"none", "opportunistic", "encrypted", "verified"}[l]
}

// VerifyFunc judges the server's certificate, as DANE does. An error ends the handshake.
type VerifyFunc func(tls.ConnectionState) error

// Why there is no TLS.
var (
	ErrTLS        = errors.New("TLS failed")
	ErrNoTLS      = errors.New("the server does not offer STARTTLS")
	ErrTLSMissing = errors.New("TLS needed first")
	// ErrInjection is what somebody on the way gets who writes behind the reply to STARTTLS (CVE-2021-38371).
	ErrInjection = errors.New("plaintext behind the reply to STARTTLS")
)

// secure brings the connection to the level that was asked for, and says EHLO again: what was announced in
// plaintext is forgotten (RFC 3207 section 4.2).
func (c *Client) secure(ctx context.Context) error {
	if c.tls != nil || c.cfg.TLS == TLSNone {
		return nil
	}
	if !c.ext.StartTLS {
		if c.cfg.TLS == TLSOpportunistic {
			return nil
		}
		return c.fail(&Error{Phase: PhaseTLS, Err: ErrNoTLS})
	}
	r, _, err := c.command(PhaseTLS, c.cfg.Timeouts.Data, "STARTTLS")
	if err != nil {
		return c.late(err)
	}
	if r.Code != 220 {
		return c.fail(&Error{Phase: PhaseTLS, Reply: r, Err: fmt.Errorf("%w: refused", ErrTLS)})
	}
	if c.br.Buffered() > 0 {
		return c.fail(&Error{Phase: PhaseTLS, Err: ErrInjection})
	}
	if err := c.handshake(ctx); err != nil {
		return err
	}
	return c.late(c.hello())
}

// late makes of an error around the handshake one of opportunistic TLS: a server may hang up as soon as it hears STARTTLS, and by
// TLS 1.3 it may end the handshake, because it wants a certificate of ours, when we have ended it already.
func (c *Client) late(err error) error {
	var e *Error
	if c.cfg.TLS == TLSOpportunistic && errors.As(err, &e) && e.Reply.Code == 0 {
		return &Error{Phase: e.Phase, Err: fmt.Errorf("%w: %w", ErrTLS, e.Err)}
	}
	return err
}

func (c *Client) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience(PhaseTLS, c.cfg.Timeouts.TLS))
	defer cancel()
	if err := c.nc.SetDeadline(time.Time{}); err != nil {
		return c.fail(&Error{Phase: PhaseTLS, Err: err})
	}
	conn := tls.Client(c.nc, c.tlsConfig())
	if err := conn.HandshakeContext(ctx); err != nil {
		return c.fail(&Error{Phase: PhaseTLS, Err: fmt.Errorf("%w: %w", ErrTLS, err)})
	}
	state := conn.ConnectionState()
	c.nc, c.tls = conn, &state
	c.br.Reset(conn)
	return nil
}

// tlsConfig is BaseTLS (roots, session cache) with the checks of the level.
func (c *Client) tlsConfig() *tls.Config {
	cfg := &tls.Config{}
	if c.cfg.BaseTLS != nil {
		cfg = c.cfg.BaseTLS.Clone()
	}
	cfg.ServerName = c.cfg.ServerName
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.InsecureSkipVerify = c.cfg.TLS != TLSVerified || c.cfg.Verify != nil
	if c.cfg.TLS == TLSVerified && c.cfg.Verify != nil {
		cfg.VerifyConnection = c.cfg.Verify
	}
	return cfg
}

// TLS is the state of the TLS connection, nil in plaintext.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// TLSName is version and cipher suite for logs, "TLS1.3 TLS_AES_128_GCM_SHA256", or "" in plaintext.
func (c *Client) TLSName() string {
	if c.tls == nil {
		return ""
	}
	version := tls.VersionName(c.tls.Version)
	return version[:3] + version[4:] + " " + tls.CipherSuiteName(c.tls.CipherSuite)
}
