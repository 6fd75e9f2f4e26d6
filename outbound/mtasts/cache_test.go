package mtasts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a policy host for example.com and what is believed of it.
type site struct {
	handler http.HandlerFunc
	client  *http.Client

	mu   sync.Mutex
	hits int
}

// newSite serves what its handler says, with a certificate for the names.
func newSite(t *testing.T, names ...string) *site {
	s := &site{handler: serve(enforced)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.hits++
		s.mu.Unlock()
		s.handler(w, r)
	}))
	cfg, roots := smtptest.Certificate(t, names...)
	server.TLS = cfg
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s.client = NewClient(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	})
	s.client.Transport.(*http.Transport).TLSClientConfig = cfg.Clone()
	s.client.Transport.(*http.Transport).TLSClientConfig.Certificates = nil
	s.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots
	return s
}

func serve(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}
}

func fail(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

func TestFetch(t *testing.T) {
	for _, c := range []struct {
		name    string
		cert    string
		handler http.HandlerFunc
		want    error
	}{
		{"policy", "mta-sts.example.com", serve(enforced), nil},
		{"another's certificate", "example.com", serve(enforced), ErrFetch},
		{"not found", "mta-sts.example.com", fail, ErrFetch},
		{"elsewhere", "mta-sts.example.com", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/moved" {
				serve(enforced)(w, r)
				return
			}
			http.Redirect(w, r, "/moved", http.StatusFound)
		}, ErrFetch},
		{"a page", "mta-sts.example.com", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, enforced)
		}, ErrFetch},
		{"nonsense", "mta-sts.example.com", serve("hello"), ErrPolicy},
		{"endless", "mta-sts.example.com", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("x: y\n", 1000)); err != nil {
					return
				}
			}
		}, ErrPolicy},
		{"cut short", "mta-sts.example.com", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, enforced)
		}, ErrFetch},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, c.cert)
			s.handler = c.handler
			if p, err := Fetch(t.Context(), s.client, "example.com"); !errors.Is(err, c.want) || err == nil && !p.Enforced() {
				t.Errorf("%+v, %v; want %v", p, err, c.want)
			}
		})
	}
}

// memory is a Store; broken makes it fail.
type memory struct {
	entries map[string]Entry
	broken  bool
}

var errBroken = errors.New("broken")

func (m *memory) Load(_ context.Context, domain string) (Entry, error) {
	if m.broken {
		return Entry{}, errBroken
	}
	return m.entries[domain], nil
}

func (m *memory) Save(_ context.Context, domain string, e Entry) error {
	if m.broken {
		return errBroken
	}
	m.entries[domain] = e
	return nil
}

// TestCache goes through the table of doc.go, one step after the other.
func TestCache(t *testing.T) {
	s, store := newSite(t, "mta-sts.example.com"), &memory{entries: map[string]Entry{}}
	record := func(id string) dns.Fake {
		return dns.Fake{"_mta-sts.example.com": {TXT: []string{"v=STSv1; id=" + id}}}
	}
	silent, gone := dns.Fake{"_mta-sts.example.com": {Fail: true}}, dns.Fake{}
	testing := serve(strings.Replace(enforced, "enforce", "testing", 1))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &Cache{Client: s.client, Store: store, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
	for i, step := range []struct {
		after   time.Duration
		zone    dns.Fake
		handler http.HandlerFunc
		mode    Mode
		id      string
		hits    int // in all
	}{
		{0, gone, fail, "", "", 0},                                        // 0: nothing published
		{0, silent, fail, "", "", 0},                                      // 1: DNS away, nothing known
		{0, record("1"), fail, "", "", 1},                                 // 2: published, not to be had
		{time.Minute, record("1"), serve(enforced), "", "", 1},            // 3: not asked again so soon
		{5 * time.Minute, record("1"), serve(enforced), Enforce, "1", 2},  // 4: now it is
		{time.Minute, record("1"), fail, Enforce, "1", 2},                 // 5: remembered
		{2 * time.Minute, gone, fail, Enforce, "1", 2},                    // 6: nobody can take it away
		{2 * time.Minute, silent, fail, Enforce, "1", 2},                  // 7
		{0, record("2"), fail, Enforce, "1", 3},                           // 8: a new one, not to be had
		{0, record("2"), testing, Enforce, "1", 3},                        // 9: not asked again so soon
		{0, record("3"), testing, Testing, "3", 4},                        // 10: unless it is another
		{time.Minute, record("4"), serve(enforced), Enforce, "4", 5},      // 11
		{12 * time.Hour, record("4"), fail, Enforce, "4", 6},              // 12: half its life over: refreshed, in vain
		{10 * time.Minute, record("4"), serve(enforced), Enforce, "4", 7}, // 13: and again
		{11*time.Hour + 55*time.Minute, gone, fail, Enforce, "4", 7},      // 14: lives on from there
		{13 * time.Hour, silent, fail, "", "", 7},                         // 15: run out
		{0, record("4"), serve(enforced), Enforce, "4", 8},                // 16
	} {
		now = now.Add(step.after)
		c.Resolver, s.handler = step.zone, step.handler
		p, err := c.Policy(t.Context(), "example.com")
		if err != nil || p.Mode != step.mode || p.ID != step.id || s.hits != step.hits {
			t.Fatalf("step %d: %+v, %v after %d fetches; want %s %q after %d", i, p, err, s.hits, step.mode, step.id, step.hits)
		}
	}
	c.Resolver, s.handler = gone, fail
	other := &Cache{Client: s.client, Store: store, Log: c.Log, Now: c.Now, Resolver: gone}
	if p, err := other.Policy(t.Context(), "example.com"); err != nil || p.ID != "4" {
		t.Errorf("another node: %+v, %v", p, err)
	}
	store.broken = true
	if p, err := c.Policy(t.Context(), "example.com"); err != nil || p.ID != "4" {
		t.Errorf("store away, in memory: %+v, %v", p, err)
	}
	now = now.Add(2 * time.Minute)
	if p, err := c.Policy(t.Context(), "example.com"); err != nil || p.ID != "4" {
		t.Errorf("store away for longer: %+v, %v", p, err)
	}
	if p, err := c.Policy(t.Context(), "example.org"); !errors.Is(err, errBroken) {
		t.Errorf("store away, nothing in memory: %+v, %v; an error was expected", p, err)
	}
	c.Resolver, s.handler = record("5"), serve(enforced)
	if p, err := c.Policy(t.Context(), "example.com"); err != nil || p.ID != "5" {
		t.Errorf("store away, a new policy: %+v, %v", p, err)
	}
	now, store.broken = now.Add(2*time.Minute), false
	c.Resolver, s.handler = gone, fail
	if p, err := c.Policy(t.Context(), "example.com"); err != nil || p.ID != "5" {
		t.Errorf("store back with an older policy: %+v, %v", p, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if p, err := c.Policy(ended, "example.org"); !errors.Is(err, context.Canceled) {
		t.Errorf("context ended: %+v, %v", p, err)
	}
}

// TestCacheBound: more domains than the memory holds are no more memory.
func TestCacheBound(t *testing.T) {
	c := &Cache{Store: &memory{}, Resolver: dns.Fake{}, Log: slog.New(slog.DiscardHandler)}
	for i := range maxMemo + 10 {
		if _, err := c.Policy(t.Context(), fmt.Sprintf("d%d.example", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.memory); n != 10 {
		t.Errorf("%d domains in memory", n)
	}
}
