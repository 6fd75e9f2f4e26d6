package web

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/serving"
)

// The bounds of a connection. The first one holds for the TLS handshake too.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second // a page with more to send sets its own by http.ResponseController
	idleTimeout   = 30 * time.Second
	stopTimeout   = 10 * time.Second // for requests in progress when the server is stopped
	maxHeader     = 16 << 10
	maxStreams    = 32 // of one HTTP/2 connection
)

// acmeProtocol is what a certificate authority asks for by ALPN (RFC 8737 section 6.2).
const acmeProtocol = "acme-tls/1"

// GetCertificate finds the certificate for a handshake; an error ends it.
type GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// ServerConfig is what a Server needs.
type ServerConfig struct {
	Handler     http.Handler
	Plain, TLS  []net.Listener // the server owns them
	Certificate GetCertificate // for TLS
	Challenge   GetCertificate // answers TLS-ALPN-01; nil: there is no ACME

	MaxConnections int            // at one time; more are closed at once
	MaxPerNetwork  int            // of these, from one client network (IPv4 /32, IPv6 /64)
	Exempt         []netip.Prefix // networks that MaxPerNetwork spares

	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Server serves HTTP/1.1 on plain listeners, and HTTP/2 too on those with TLS.
type Server struct {
	cfg    ServerConfig
	http   *http.Server
	limits *limits
}

// NewServer prepares a server; Run makes it serve.
func NewServer(cfg ServerConfig) *Server {
	return &Server{cfg: cfg, limits: newLimits(cfg), http: &http.Server{
		Handler: cfg.Handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		TLSConfig: tlsConfig(cfg), ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug), // strangers fill it
	}}
}

// tlsConfig serves certificates, and to a certificate authority that asks for nothing else its challenge.
func tlsConfig(cfg ServerConfig) *tls.Config {
	// Without its name here, a server whose plain listener began first would offer HTTP/2 and not speak it.
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cfg.Certificate, NextProtos: []string{"h2", "http/1.1"}}
	if cfg.Challenge == nil {
		return c
	}
	challenge := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cfg.Challenge, NextProtos: []string{acmeProtocol}}
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Equal(hello.SupportedProtos, []string{acmeProtocol}) {
			return challenge, nil
		}
		return nil, nil
	}
	return c
}

// Run serves until ctx ends, then lets requests in progress end. All its goroutines have ended when it returns; the
// error is nil after a clean stop. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	var loops []func() error
	for _, l := range s.cfg.Plain {
		loops = append(loops, func() error { return s.http.Serve(&gate{l, s.limits}) })
	}
	for _, l := range s.cfg.TLS {
		loops = append(loops, func() error { return s.http.ServeTLS(&gate{l, s.limits}, "", "") })
	}
	return serving.Run(ctx, s.http, stopTimeout, loops...)
}
