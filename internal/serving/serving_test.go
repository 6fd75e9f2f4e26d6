package serving

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const patience = time.Minute

// served runs a server on a listener of its own until stop is called; Run's error comes from ended.
func served(t *testing.T, grace time.Duration, h http.HandlerFunc) (l net.Listener, stop func(), ended chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	s := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	ended = make(chan error, 1)
	go func() { ended <- Run(ctx, s, grace, func() error { return s.Serve(l) }) }()
	return l, stop, ended
}

func result(t *testing.T, ended chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		t.Fatal("it does not end")
		return nil
	}
}

func TestRun(t *testing.T) {
	t.Run("a request in progress ends", func(t *testing.T) {
		begun, release, answer := make(chan struct{}), make(chan struct{}), make(chan string, 1)
		l, stop, ended := served(t, patience, func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-release
			io.WriteString(w, "whole")
		})
		go func() {
			resp, err := http.Get("http://" + l.Addr().String())
			if err != nil {
				answer <- err.Error()
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			answer <- string(body)
		}()
		<-begun
		stop()
		close(release)
		if got := <-answer; got != "whole" {
			t.Errorf("the answer is %q", got)
		}
		if err := result(t, ended); err != nil {
			t.Errorf("a clean stop is told as %v", err)
		}
	})
	t.Run("one that does not end is cut off", func(t *testing.T) {
		begun := make(chan struct{})
		l, stop, ended := served(t, time.Millisecond, func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
		})
		cut := make(chan error, 1)
		go func() {
			resp, err := http.Get("http://" + l.Addr().String())
			if err == nil {
				resp.Body.Close()
			}
			cut <- err
		}()
		<-begun
		stop()
		if err := result(t, ended); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the stop is told as %v", err)
		}
		if err := <-cut; err == nil {
			t.Error("there is an answer")
		}
	})
	t.Run("a listener fails", func(t *testing.T) {
		l, _, ended := served(t, patience, nil)
		l.Close()
		if err := result(t, ended); !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "serve HTTP: ") {
			t.Errorf("it is told as %v", err)
		}
	})
}

func TestAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(http.ResponseWriter)
		want   int
	}{
		"nothing":            {func(http.ResponseWriter) {}, 0},
		"only words":         {func(w http.ResponseWriter) { io.WriteString(w, "x") }, 200},
		"a status and words": {func(w http.ResponseWriter) { w.WriteHeader(404); io.WriteString(w, "x") }, 404},
		"a provisional one":  {func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(201) }, 201},
		"two":                {func(w http.ResponseWriter) { w.WriteHeader(204); w.WriteHeader(500) }, 204},
	} {
		under := httptest.NewRecorder()
		w := &Answer{ResponseWriter: under}
		c.handle(w)
		if w.Status != c.want {
			t.Errorf("%s: status %d, want %d", name, w.Status, c.want)
		}
		if w.Unwrap() != under {
			t.Errorf("%s: what lies under it is hidden", name)
		}
	}
}
