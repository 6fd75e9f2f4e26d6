package certificate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"mxdesk/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

func TestStatements(t *testing.T) {
	statements := pgtest.Statements(t, ".")
	if len(statements) < 12 {
		t.Fatalf("%d statements found", len(statements))
	}
	pgtest.Prepare(t, pgtest.New(t), statements)
}

const name = "mail.example.test"

func newStore(t *testing.T) store {
	t.Helper()
	s := store{pgtest.New(t)}
	if err := s.addNames(t.Context(), []string{name}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s store) only(t *testing.T) state {
	t.Helper()
	all, err := s.states(t.Context(), []string{name, "unknown.test"})
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	return all[0]
}

func (s store) exec(t *testing.T, sql string) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// The server's own name stands first and is certified first, whatever names organisations add: an attempt takes minutes.
func TestFirstNameFirst(t *testing.T) {
	s := newStore(t)
	names := []string{name, "a.test", "z.test", "b.test"}
	if err := s.addNames(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	all, err := s.states(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range all {
		if got.Name != names[i] {
			t.Errorf("%d: %s, want %s", i, got.Name, names[i])
		}
	}
}

// made is a certificate that we signed ourselves, as if an authority had.
func made(t *testing.T) *obtained {
	t.Helper()
	c, err := selfSigned([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := assemble(name, c.Certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return &obtained{whole, key}
}

// Of eight nodes that see a name due at once, one gets it.
func TestClaim(t *testing.T) {
	s := newStore(t)
	was := s.only(t)
	if !was.Due || !was.Rested {
		t.Errorf("a new name: %+v", was)
	}
	var wg sync.WaitGroup
	var got atomic.Int32
	for range 8 {
		wg.Go(func() {
			ours, err := s.claim(t.Context(), was, backoff(0), "https://ca.test/dir")
			if err != nil {
				t.Error(err)
			}
			if ours {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Errorf("%d nodes got the claim", got.Load())
	}
	if now := s.only(t); now.Attempt != 1 || now.Failures != 1 || now.Due || now.Rested || now.Directory != "https://ca.test/dir" {
		t.Errorf("claimed: %+v", now)
	}
}

// Who was overtaken records nothing.
func TestFencing(t *testing.T) {
	s := newStore(t)
	for range 2 {
		if ours, err := s.claim(t.Context(), s.only(t), 0, "d"); err != nil || !ours {
			t.Fatal(ours, err)
		}
	}
	if err := s.succeed(t.Context(), name, 1, made(t)); !errors.Is(err, errOvertaken) {
		t.Errorf("an old attempt succeeds: %v", err)
	}
	if err := s.fail(t.Context(), name, 1, "old", time.Hour); err != nil {
		t.Fatal(err)
	}
	if now := s.only(t); now.Issued != 0 || !now.Due {
		t.Errorf("an old attempt left %+v", now)
	}
	if err := s.succeed(t.Context(), name, 2, made(t)); err != nil {
		t.Fatal(err)
	}
	if now := s.only(t); now.Issued != 1 || now.Due || now.Failures != 0 {
		t.Errorf("certified: %+v", now)
	}
}

// Of two keys that two nodes propose at once, both use the one that stays.
func TestOneAccount(t *testing.T) {
	s := newStore(t)
	var keys [4][]byte
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = s.account(t.Context(), "d", func() ([]byte, error) { return []byte{byte(i)}, nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, key := range keys {
		if !bytes.Equal(key, keys[0]) {
			t.Errorf("keys %v", keys)
		}
	}
}

func TestPrune(t *testing.T) {
	s := newStore(t)
	if ours, err := s.claim(t.Context(), s.only(t), 0, "d"); err != nil || !ours {
		t.Fatal(ours, err)
	}
	if err := s.succeed(t.Context(), name, 1, made(t)); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		sql  string
		left int
	}{
		{`UPDATE acme_certificates SET not_after = now() - interval '61 days'`, 1},          // still tried
		{`UPDATE acme_certificates SET next_attempt_at = now() - interval '31 days'`, 0},    // by nobody any more
		{`INSERT INTO acme_certificates (name, attempted_at) VALUES ('failing', now())`, 1}, // has no certificate yet
		{`UPDATE acme_certificates SET attempted_at = now() - interval '61 days'`, 1},       // due
		{`UPDATE acme_certificates SET next_attempt_at = now() - interval '31 days'`, 0},    // by nobody any more
		{`INSERT INTO acme_certificates (name) VALUES ('new')`, 1},                          // not tried yet
	} {
		s.exec(t, step.sql)
		if err := s.prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		var left int
		if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM acme_certificates`).Scan(&left); err != nil || left != step.left {
			t.Errorf("step %d: %d rows left, want %d; %v", i, left, step.left, err)
		}
	}
}

func newManager(t *testing.T, s store, change func(*Config)) (*Manager, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	c := Config{
		Pool: s.pool, Directory: "https://127.0.0.1:1/dir", Names: func() []string { return []string{name + ".", strings.ToUpper(name), "other.test"} },
		Kinds: []string{HTTP01}, Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	if change != nil {
		change(&c)
	}
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m, log
}

func TestAnswerHTTP(t *testing.T) {
	s := newStore(t)
	m, log := newManager(t, s, nil)
	if err := s.putChallenge(t.Context(), name, HTTP01, "token", []byte("token.thumb")); err != nil {
		t.Fatal(err)
	}
	ask := func(host, token string) string {
		r := httptest.NewRequest(http.MethodGet, "/.well-known/acme-challenge/x", nil)
		r.Host, r.URL.Path = host, "/.well-known/acme-challenge/"+token
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		return fmt.Sprint(w.Code, " ", w.Body.String())
	}
	for _, host := range []string{name, "MAIL.example.test", name + ":80", name + "."} {
		if got := ask(host, "token"); got != "200 token.thumb" {
			t.Errorf("%s: %s", host, got)
		}
	}
	for _, c := range [][2]string{
		{name, ""},
		{name, "tokeN"},
		{name, "token.thumb"},
		{"other.test", "token"},
		{"", "token"},
		{"[::1]:80", "token"},
		{strings.Repeat("a.", 500), "token"},
		{name, strings.Repeat("a", 300)},
		{name + "\x00", "token"},
		{"\xff", "token"},
	} {
		if got := ask(c[0], c[1]); got == "200 token.thumb" || strings.Contains(got, "thumb") {
			t.Errorf("%.40q asks for %.40q: %s", c[0], c[1], got)
		}
	}
	if log.Len() > 0 {
		t.Errorf("strangers fill the log: %s", log)
	}
	s.exec(t, `UPDATE acme_challenges SET expires_at = now()`)
	if got := ask(name, "token"); !strings.HasPrefix(got, "404") {
		t.Errorf("after its time: %s", got)
	}
	if err := s.putChallenge(t.Context(), name, TLSALPN01, "token", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := ask(name, "token"); !strings.HasPrefix(got, "404") {
		t.Errorf("for the other kind: %s", got)
	}
	for range maxPlaces {
		m.places <- struct{}{}
	}
	r := httptest.NewRequest(http.MethodGet, "/.well-known/acme-challenge/token", nil).WithContext(ended(t))
	w := httptest.NewRecorder()
	if m.ServeHTTP(w, r); w.Code != http.StatusServiceUnavailable {
		t.Errorf("with all places taken: %d", w.Code)
	}
}

func TestCertificates(t *testing.T) {
	s := newStore(t)
	registry := prometheus.NewRegistry()
	m, log := newManager(t, s, func(c *Config) { c.Registerer = registry })
	hello := func(name string) *tls.ClientHelloInfo { return &tls.ClientHelloInfo{ServerName: name} }
	if _, err := m.ForName(hello(name)); !errors.Is(err, ErrUnknownName) {
		t.Errorf("before there is one: %v", err)
	}
	if c, err := m.ForMail(hello("")); err != nil || c != m.temporary {
		t.Errorf("for mail before there is one: %v", err)
	}
	c := made(t)
	s.exec(t, `UPDATE acme_certificates SET attempt = 1`)
	if err := s.succeed(t.Context(), name, 1, c); err != nil {
		t.Fatal(err)
	}
	if err := m.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []func(*tls.ClientHelloInfo) (*tls.Certificate, error){m.ForName, m.ForMail} {
		if got, err := ask(hello("MAIL.Example.test.")); err != nil || !bytes.Equal(got.Certificate[0], c.certificate.Certificate[0]) {
			t.Errorf("%v", err)
		}
	}
	if _, err := m.ForName(hello("stranger.test")); !errors.Is(err, ErrUnknownName) {
		t.Errorf("for a stranger's name: %v", err)
	}
	if got, err := m.ForMail(hello("stranger.test")); err != nil || !bytes.Equal(got.Certificate[0], c.certificate.Certificate[0]) {
		t.Errorf("for mail to a stranger's name: %v", err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := false
	for _, f := range families {
		shown = shown || f.GetName() == "mxdesk_tls_certificate_expiry_timestamp_seconds" &&
			f.GetMetric()[0].GetGauge().GetValue() == float64(c.certificate.Leaf.NotAfter.Unix()) && f.GetMetric()[0].GetLabel()[0].GetValue() == name
	}
	if !shown {
		t.Errorf("no metric of the expiry: %v", families)
	}
	// One that cannot be read does not replace the one in use.
	s.exec(t, `UPDATE acme_certificates SET issued = 2, chain = ARRAY['\x00'::bytea]`)
	if err := m.refresh(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("a broken certificate: %v", err)
	}
	if _, err := m.ForName(hello(name)); err != nil {
		t.Errorf("after a broken one: %v", err)
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Errorf("log: %s", log)
	}
}

func TestAssemble(t *testing.T) {
	c, other := made(t), made(t)
	if _, err := assemble(name, c.certificate.Certificate, c.privateKey); err != nil {
		t.Error(err)
	}
	if !c.certificate.PrivateKey.(*ecdsa.PrivateKey).Equal(c.certificate.PrivateKey) {
		t.Error("the key is not what it was")
	}
	for what, err := range map[string]error{
		"another key":  second(assemble(name, c.certificate.Certificate, other.privateKey)),
		"another name": second(assemble("stranger.test", c.certificate.Certificate, c.privateKey)),
		"no chain":     second(assemble(name, nil, c.privateKey)),
		"nonsense":     second(assemble(name, [][]byte{{1}}, c.privateKey)),
		"no key":       second(assemble(name, c.certificate.Certificate, []byte{1})),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func second(_ *tls.Certificate, err error) error { return err }

// An authority that limits us is asked again when it said, and not before; one that answers nonsense after the back-off; one
// that never came to our order is tried a few times first.
func TestFailingAuthority(t *testing.T) {
	for _, c := range []struct {
		name     string
		status   int
		header   string
		body     string
		atLeast  time.Duration
		requests int32 // of the directory: one for each try
	}{
		{"limits", 429, "7200", `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many \u0000 orders"}`, 119 * time.Minute, 1},
		{"breaks", 400, "", `<html>`, 9 * time.Minute, 1},
		{"refuses the nonces it gave", 400, "", `{"type":"urn:ietf:params:acme:error:badNonce"}`, 9 * time.Minute, maxTries},
		{"hangs up", 0, "", "", 9 * time.Minute, maxTries},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			var requests atomic.Int32
			server := httptest.NewTLSServer(nil)
			t.Cleanup(server.Close)
			server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/dir" {
					requests.Add(1)
					fmt.Fprintf(w, `{"newNonce":"%[1]s/nonce","newAccount":"%[1]s/account","newOrder":"%[1]s/order"}`, server.URL)
					return
				}
				w.Header().Set("Replay-Nonce", "nonce")
				if r.URL.Path == "/nonce" {
					return
				}
				if c.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("Content-Type", "application/problem+json")
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			m, log := newManager(t, s, func(config *Config) {
				config.Directory = server.URL + "/dir"
				config.Names = func() []string { return []string{name} }
				config.Roots = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			})
			t.Cleanup(m.http.CloseIdleConnections)
			for range 3 { // the second and the third time nothing is due
				if err := m.orderDue(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n := requests.Load(); n != c.requests {
				t.Errorf("the directory was asked %d times, want %d", n, c.requests)
			}
			var seconds float64
			var problem string
			err := s.pool.QueryRow(t.Context(), `SELECT extract(epoch FROM next_attempt_at - now())::double precision, last_error
				FROM acme_certificates`).Scan(&seconds, &problem)
			if err != nil || seconds < c.atLeast.Seconds() || problem == "" {
				t.Errorf("again in %v seconds, want %v at least; %q, %v", seconds, c.atLeast, problem, err)
			}
			if !strings.Contains(log.String(), "certificate not issued") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{"good": "good", "a\x00b\xff": "ab", strings.Repeat("ü", 600): strings.Repeat("ü", 500)} {
		if got := printable(in); got != want {
			t.Errorf("%.20q becomes %.20q", in, got)
		}
	}
}

// ended is a context that is over.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
