package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/pgtest"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// get asks a site, as if over TLS when the URL says so.
func get(s http.Handler, method, url string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, strings.NewReader("body"))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// policySite is a site with policies and nothing else.
func policySite(t *testing.T) (*Site, *ticketing.Directory) {
	t.Helper()
	_, directory := published(t)
	return New(Config{Directory: directory, MX: []string{"mx.enforced.test"}, Log: slog.New(slog.DiscardHandler)}), directory
}

// published has organisations with a policy in force, with one in testing, and with none.
func published(t testing.TB) (*pgxpool.Pool, *ticketing.Directory) {
	t.Helper()
	ctx, pool, log := context.Background(), pgtest.New(t), slog.New(slog.DiscardHandler)
	directory, err := ticketing.NewDirectory(ctx, pool, log)
	if err != nil {
		t.Fatal(err)
	}
	service, err := ticketing.NewService(pool, directory, outbound.NewQueue(pool, outbound.QueueConfig{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	for domain, settings := range map[string]string{
		"enforced.test": `{"mta_sts": "enforce", "mta_sts_max_age": 86400}`, "tested.test": `{"mta_sts": "testing"}`, "silent.test": `{}`,
		"broken.test": `{"mta_sts": "enforce\r\nmx: *.evil.test"}`,
	} {
		number, err := service.CreateOrganisation(ctx, ticketing.NewOrganisation{Name: domain, Address: "help@" + domain})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pool.Exec(ctx, `UPDATE organisations SET settings = $2 WHERE organisation_id = $1`, number, settings); err != nil {
			t.Fatal(err)
		}
	}
	if directory, err = ticketing.NewDirectory(ctx, pool, log); err != nil {
		t.Fatal(err)
	}
	return pool, directory
}

func TestPolicy(t *testing.T) {
	s, directory := policySite(t)
	const path = "/.well-known/mta-sts.txt"
	enforced := "version: STSv1\r\nmode: enforce\r\nmx: mx.enforced.test\r\nmax_age: 86400\r\n"
	for _, c := range []struct{ host, path, want string }{
		{"mta-sts.enforced.test", path, enforced},
		{"MTA-STS.Enforced.Test.:443", path, enforced},
		{"mta-sts.tested.test", path, strings.Replace(strings.Replace(enforced, "enforce\r", "testing\r", 1), "86400", "1209600", 1)},
		{"mta-sts.silent.test", path, ""},
		{"mta-sts.broken.test", path, ""},
		{"mta-sts.stranger.test", path, ""},
		{"mta-sts.mta-sts.enforced.test", path, ""},
		{"mta-sts.", path, ""},
		{"enforced.test", path, ""},
		{"mx.enforced.test", path, ""},
		{"mta-sts.enforced.test", "/robots.txt", ""},
		{"mta-sts.enforced.test", "/", ""},
		{"mta-sts.enforced.test", path + "/", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "https://x.test"+c.path, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		got := w.Body.String()
		if c.want == "" {
			if w.Code != http.StatusNotFound || strings.Contains(got, "STSv1") {
				t.Errorf("%s%s: %d %q, want 404", c.host, c.path, w.Code, got)
			}
			continue
		}
		if w.Code != http.StatusOK || got != c.want || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s%s: %d %q, want %q", c.host, c.path, w.Code, got, c.want)
		}
	}
	hosts := PolicyHosts(directory, []string{"mx.enforced.test"})
	slices.Sort(hosts)
	if want := []string{"mta-sts.enforced.test", "mta-sts.tested.test"}; !slices.Equal(hosts, want) {
		t.Errorf("hosts with policies: %v, want %v", hosts, want)
	}
}

func TestHardened(t *testing.T) {
	s := New(Config{Log: slog.New(slog.DiscardHandler)})
	for url, overTLS := range map[string]bool{"https://help.test/robots.txt": true, "http://help.test/none": false} {
		h := get(s, http.MethodGet, url).Header()
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Robots-Tag": "noindex, nofollow",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", url, name, got, want)
			}
		}
		if got := h.Get("Strict-Transport-Security") != ""; got != overTLS {
			t.Errorf("%s: Strict-Transport-Security is there: %v", url, got)
		}
	}
}

func TestRedirect(t *testing.T) {
	challenge := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "answer") })
	s := New(Config{URL: "https://help.test", Redirect: true, Challenges: challenge, Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct {
		method, url, path string
		code              int
		location          string
	}{
		{"GET", "http://evil.test/u/a%2Fb?c=d", "", 308, "https://help.test/u/a%2Fb?c=d"},
		{"HEAD", "http://help.test/", "", 308, "https://help.test/"},
		{"GET", "http://help.test//evil.test/", "", 404, ""},
		{"GET", "http://help.test/u/../a", "", 404, ""},
		{"POST", "http://help.test/u/abc", "", 403, ""},
		{"GET", "http://help.test/", ".evil.test/", 404, ""},
		{"GET", "http://help.test/.well-known/acme-challenge/abc", "", 200, ""},
		{"GET", "https://help.test/robots.txt", "", 200, ""},
	} {
		r := httptest.NewRequest(c.method, c.url, nil)
		if c.path != "" {
			r.URL.Path = c.path
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); w.Code != c.code || got != c.location {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.url, w.Code, got, c.code, c.location)
		}
	}
}

// A page that panics costs one request, and what clients make up makes neither metrics nor log lines.
func TestPanicLogAndMetrics(t *testing.T) {
	log, registry := &lockedBuffer{}, prometheus.NewRegistry()
	panics := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "late") {
			io.WriteString(w, "half")
		}
		panic("secret-of-the-page")
	})
	s := New(Config{Challenges: panics, Log: slog.New(slog.NewTextHandler(log, nil)), Registerer: registry})
	w := get(s, http.MethodGet, "http://help.test/.well-known/acme-challenge/early")
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("half an answer is not cut off: %v", p)
			}
		}()
		get(s, http.MethodGet, "http://help.test/.well-known/acme-challenge/late")
	}()
	get(s, http.MethodGet, "http://help.test/made/up")
	get(s, http.MethodDelete, "http://help.test/robots.txt")
	text := log.String()
	if !strings.Contains(text, "page panicked") || !strings.Contains(text, "TestPanicLogAndMetrics") || strings.Contains(text, "made/up") || strings.Contains(text, "early") {
		t.Errorf("log:\n%s", text)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var counted []string
	for _, m := range families[0].GetMetric() {
		counted = append(counted, m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue())
	}
	want := []string{
		"GET /.well-known/acme-challenge/{token} 200", "GET /.well-known/acme-challenge/{token} 500", "none 404", "none 405",
	}
	if !slices.Equal(counted, want) {
		t.Errorf("counted %q, want %q", counted, want)
	}
}

func TestBodyIsBounded(t *testing.T) {
	var read int64
	var err error
	s := New(Config{Log: slog.New(slog.DiscardHandler), Challenges: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		read, err = io.Copy(io.Discard, r.Body)
	})})
	r := httptest.NewRequest(http.MethodGet, "http://help.test/.well-known/acme-challenge/x", strings.NewReader(strings.Repeat("x", 2*maxBody)))
	s.ServeHTTP(httptest.NewRecorder(), r)
	if err == nil || read > maxBody {
		t.Errorf("%d octets of a body were read, %v", read, err)
	}
}
