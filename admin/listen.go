package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
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
	ended := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { ended <- s.http.Serve(netutil.LimitListener(l, maxConnections)) }()
	}
	left := len(s.listeners)
	var failed error
	select {
	case <-ctx.Done():
	case err := <-ended: // nobody closed it, so the system did
		left--
		failed = fmt.Errorf("serve HTTP: %w", err)
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := s.http.Shutdown(grace)
	if err != nil {
		err = fmt.Errorf("requests were cut off when the server was stopped: %w", errors.Join(err, s.http.Close()))
	}
	for ; left > 0; left-- {
		<-ended
	}
	return errors.Join(failed, err)
}
