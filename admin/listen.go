package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"mxdesk/internal/serving"
)

// The bounds of a connection.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 30 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 2 * time.Minute
	stopTimeout    = 20 * time.Second // for requests in progress when the server is stopped
	maxHeader      = 64 << 10
	maxConnections = 500 // of one listener
)

// Server serves HTTP on listeners that somebody opened.
type Server struct {
	http      *http.Server
	listeners []net.Listener
}

// NewServer prepares a server; Run makes it serve. It owns the listeners.
func NewServer(handler http.Handler, listeners []net.Listener, log *slog.Logger) *Server {
	return &Server{listeners: listeners, http: &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
}

// Run serves until ctx ends, then lets requests in progress end. All its goroutines have ended when it returns; the
// error is nil after a clean stop. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	loops := make([]func() error, len(s.listeners))
	for i, l := range s.listeners {
		loops[i] = func() error { return s.http.Serve(netutil.LimitListener(l, maxConnections)) }
	}
	return serving.Run(ctx, s.http, stopTimeout, loops...)
}
