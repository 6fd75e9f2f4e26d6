// Package serving is what the API and the public pages have in common as servers of HTTP: how they stop, and what they know
// of an answer when it has been given.
package serving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Run serves until ctx ends or a listener fails, then lets requests in progress end, for as long as grace. Each loop is a call
// of s.Serve or s.ServeTLS. All goroutines have ended when it returns; the error is nil after a clean stop.
func Run(ctx context.Context, s *http.Server, grace time.Duration, loops ...func() error) error {
	ended := make(chan error, len(loops))
	for _, loop := range loops {
		go func() { ended <- loop() }()
	}
	left := len(loops)
	var failed error
	select {
	case <-ctx.Done():
	case err := <-ended: // nobody closed it, so the system did
		left--
		failed = fmt.Errorf("serve HTTP: %w", err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := s.Shutdown(last)
	if err != nil {
		err = fmt.Errorf("requests were cut off when the server was stopped: %w", errors.Join(err, s.Close()))
	}
	for ; left > 0; left-- {
		<-ended
	}
	return errors.Join(failed, err)
}

// Answer is a ResponseWriter that remembers what was answered.
type Answer struct {
	http.ResponseWriter
	Status int // 0: nothing yet
}

// WriteHeader implements http.ResponseWriter.
func (w *Answer) WriteHeader(status int) {
	if w.Status == 0 && status >= http.StatusOK { // before it there may be provisional ones
		w.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *Answer) Write(p []byte) (int, error) {
	if w.Status == 0 {
		w.Status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets handlers reach the deadlines of the connection, through http.ResponseController.
func (w *Answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
