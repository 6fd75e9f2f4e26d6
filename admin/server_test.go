package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"mxdesk/outbound"
	"mxdesk/ticketing"
)

func compiled(s *huma.Schema) *regexp.Regexp { return regexp.MustCompile(s.Pattern) }

func TestLogAndMetrics(t *testing.T) {
	d := newDesk(t)
	g := d.do(404, ask{path: "/v1/tickets/tkt_77?organisation=org_1"})
	d.do(404, ask{path: "/v1/made/up"})
	line := "msg=request request=" + g.header.Get("Request-Id") + " organisation=1 method=GET path=/v1/tickets/{ticket} status=404 ms="
	if !strings.Contains(d.logged.String(), line) {
		t.Errorf("the log lacks %q:\n%s", line, d.logged)
	}
	families, err := d.metrics.Gather()
	d.must(err)
	counted := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			counted[f.GetName()+" "+strings.Join(labels, " ")] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for _, want := range []string{
		"mxdesk_api_requests_total GET /v1/tickets/{ticket} 404", "mxdesk_api_requests_total any none 404",
		"mxdesk_api_request_seconds GET /v1/tickets/{ticket}",
	} {
		if counted[want] != 1 {
			t.Errorf("%s is %v, want 1: %v", want, counted[want], counted)
		}
	}
}

// A handler that panics costs one request.
func TestPanic(t *testing.T) {
	var logged lockedBuffer
	a := New(Config{Queue: outbound.NewQueue(nil, outbound.QueueConfig{}), Log: slog.New(slog.NewTextHandler(&logged, nil))}) // no service: nil
	r := httptest.NewRequest("GET", "/v1/tickets", nil)
	r.Header.Set("Authorization", "Bearer mxd_secret")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if w.Code != 500 || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), w.Header().Get("Request-Id")) {
		t.Errorf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
	if text := logged.String(); !strings.Contains(text, "request panicked") || !strings.Contains(text, "callerOf") || strings.Contains(text, "mxd_secret") {
		t.Errorf("log:\n%s", text)
	}
}

// Without a database every answer is 503 with Retry-After, and says nothing of the database.
func TestDatabaseAway(t *testing.T) {
	d := newDesk(t)
	nowhere, err := pgxpool.New(context.Background(), "postgres://secret-user@127.0.0.1:1/mxdesk?connect_timeout=2")
	d.must(err)
	t.Cleanup(nowhere.Close)
	service, err := ticketing.NewService(nowhere, d.dir, d.queue, nil)
	d.must(err)
	a := New(Config{Service: service, Directory: d.dir, Queue: d.queue, Intake: d.intake, Log: slog.New(slog.DiscardHandler)})
	for _, path := range []string{"/v1/tickets", "/v1/health", "/readyz"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+d.tokens[ticketing.ReadRights])
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "secret-user") {
			t.Errorf("%s: %d %v\n%s", path, w.Code, w.Header(), w.Body)
		}
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if w.Code != 200 {
		t.Errorf("healthz: %d", w.Code)
	}
	metrics := Metrics(prometheus.NewRegistry(), service, false)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/metrics": 200, "/debug/pprof/": 404, "/v1/tickets": 404} {
		w := httptest.NewRecorder()
		metrics.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("metrics %s: %d, want %d", path, w.Code, want)
		}
	}
	w = httptest.NewRecorder()
	Metrics(prometheus.NewRegistry(), service, true).ServeHTTP(w, httptest.NewRequest("GET", "/debug/pprof/goroutine?debug=1", nil))
	if w.Code != 200 {
		t.Errorf("pprof: %d", w.Code)
	}
}

func TestAway(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{context.DeadlineExceeded, true},
		{io.ErrUnexpectedEOF, true},
		{&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, true},
		{sqlError("57P01"), true},
		{sqlError("08006"), true},
		{sqlError("40001"), true},
		{sqlError("42703"), false},
		{sqlError("23505"), false},
		{errors.New("something else"), false},
	} {
		if got := away(errors.Join(errors.New("read ticket"), test.err)); got != test.want {
			t.Errorf("%v: %v, want %v", test.err, got, test.want)
		}
	}
}

type sqlError string

func (e sqlError) Error() string    { return "SQLSTATE " + string(e) }
func (e sqlError) SQLState() string { return string(e) }

// A stop lets the request in progress end, and takes no new one.
func TestStop(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-release
		io.WriteString(w, "done") //nolint:errcheck // the test reads it
	})
	ctx, stop := context.WithCancel(context.Background())
	ended, answered := make(chan error, 1), make(chan string, 1)
	go func() { ended <- NewServer(handler, []net.Listener{listener}, slog.New(slog.DiscardHandler)).Run(ctx) }()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		resp, err := client.Get("http://" + listener.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close() //nolint:errcheck // read to its end
		answered <- string(text)
	}()
	<-began
	stop()
	for deadline := time.Now().Add(time.Minute); ; { // until the listener is closed
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			break
		}
		conn.Close() //nolint:errcheck // only to see whether it opens
		if time.Now().After(deadline) {
			t.Fatal("the listener stays open")
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("Run returned before the request ended: %v", err)
	default:
	}
	close(release)
	if text := <-answered; text != "done" {
		t.Errorf("the request in progress got %q", text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, ignore)
}

// Downloads wait for a place, and are told when none comes free.
func TestDownloadsAreFew(t *testing.T) {
	d := newDesk(t)
	letter := "/v1/letters/ltr_" + d.mail("One", "\nText").String() + "/raw"
	for range maxDownloads {
		d.api.downloads <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", letter, nil)
	r.Header.Set("Authorization", "Bearer "+d.tokens[ticketing.ReadRights])
	w := httptest.NewRecorder()
	d.api.ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	<-d.api.downloads
	d.do(200, ask{path: letter})
	if n := len(d.api.downloads); n != maxDownloads-1 {
		t.Errorf("%d places taken, want %d", n, maxDownloads-1)
	}
}

func BenchmarkListTickets(b *testing.B) {
	benchmark(b, "/v1/tickets?limit=50")
}

func BenchmarkGetTicket(b *testing.B) {
	benchmark(b, "/v1/tickets/tkt_1")
}

func benchmark(b *testing.B, path string) {
	d := newDesk(b)
	for range 60 {
		d.mail("A letter", "\nText")
	}
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "Bearer "+d.tokens[ticketing.ReadRights])
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		if d.api.ServeHTTP(w, r); w.Code != 200 {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}
