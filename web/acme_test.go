package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/acmetest"
	"mxdesk/internal/certificate"
	"mxdesk/internal/dns"
	"mxdesk/internal/pgtest"
)

const patience = 60 * time.Second

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v, and still not: %s", patience, what)
		}
	}
}

// run runs a part until the test ends, and waits for it.
func run(t *testing.T, part func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- part(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("it does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

func listener(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Addr().(*net.TCPAddr).Port
}

// acmeWorld is an authority, and two nodes: one that orders and serves nothing, and one that serves and orders nothing. So every
// challenge is answered by a node that did not order.
type acmeWorld struct {
	t              *testing.T
	pool           *pgxpool.Pool
	ca             *acmetest.CA
	issuers        *x509.CertPool
	log            *lockedBuffer
	orders, serves *certificate.Manager
	config         certificate.Config // of the node that orders
	stopOrders     func()
	tlsAddress     string
}

func newACMEWorld(t *testing.T, names []string, kinds ...string) *acmeWorld {
	t.Helper()
	w := &acmeWorld{t: t, pool: pgtest.New(t), log: &lockedBuffer{}}
	plain, httpPort := listener(t)
	secure, tlsPort := listener(t)
	w.tlsAddress = secure.Addr().String()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the nodes:\n%s", w.log)
		}
	})
	zone := dns.Fake{}
	for _, name := range names {
		zone[name] = dns.Records{A: []string{"127.0.0.1"}}
	}
	w.ca = acmetest.Start(t, zone, httpPort, tlsPort)
	w.issuers = w.ca.Issuers(t)
	log := slog.New(slog.NewTextHandler(w.log, nil))
	w.config = certificate.Config{
		Pool: w.pool, Directory: w.ca.Directory, Contact: "admin@example.test", Roots: w.ca.Roots, Names: func() []string { return names },
		Log: log, Every: 50 * time.Millisecond,
	}
	passive := w.config
	w.serves = w.manager(passive)
	run(t, w.serves.Run)
	site := New(Config{Challenges: w.serves, Log: log})
	run(t, NewServer(ServerConfig{
		Handler: site, Plain: []net.Listener{plain}, TLS: []net.Listener{secure}, Certificate: w.serves.ForName, Challenge: w.serves.Challenge,
		MaxConnections: 100, MaxPerNetwork: 100, Log: log,
	}).Run)
	w.config.Kinds = kinds
	w.orders = w.manager(w.config)
	w.stopOrders = run(t, w.orders.Run)
	return w
}

func (w *acmeWorld) manager(c certificate.Config) *certificate.Manager {
	w.t.Helper()
	m, err := certificate.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// serial is that of the certificate which the serving node shows for a name, "" when it has none that the authority issued.
func (w *acmeWorld) serial(name string) string {
	conn, err := tls.Dial("tcp", w.tlsAddress, &tls.Config{ServerName: name, RootCAs: w.issuers})
	if err != nil {
		return ""
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func (w *acmeWorld) exec(sql string) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql); err != nil {
		w.t.Fatal(err)
	}
}

// number asks the database.
func (w *acmeWorld) number(sql string) (n int) {
	w.t.Helper()
	if err := w.pool.QueryRow(w.t.Context(), sql).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestACMEAcrossNodes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{certificate.HTTP01, certificate.TLSALPN01} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			names := []string{"mail.example.test", "mta-sts.example.test"}
			w := newACMEWorld(t, names, kind)
			first := map[string]string{}
			for _, name := range names {
				eventually(t, "a certificate for "+name+" on the node that did not order it", func() bool {
					first[name] = w.serial(name)
					return first[name] != ""
				})
			}
			if n := w.number(`SELECT count(*) FROM acme_challenges`); n != 0 {
				t.Errorf("%d answers to challenges are left", n)
			}
			// SMTP shows the first name's to who asks for nothing of ours, the web shows nothing.
			if c, err := w.serves.ForMail(&tls.ClientHelloInfo{ServerName: "stranger.test"}); err != nil || c.Leaf.SerialNumber.String() != first[names[0]] {
				t.Errorf("for mail to a stranger's name: %v, %v", c, err)
			}
			if _, err := tls.Dial("tcp", w.tlsAddress, &tls.Config{ServerName: "stranger.test", InsecureSkipVerify: true}); err == nil {
				t.Error("a handshake for a stranger's name came to its end")
			}
			if n := w.number(`SELECT count(*) FROM acme_certificates`); n != len(names) {
				t.Errorf("%d names in the database, want %d", n, len(names))
			}
			// With a third of its life left it is renewed, and the other node shows the new one.
			if n := w.number(`SELECT count(*) FROM acme_certificates WHERE failures = 0
				AND next_attempt_at = not_after - (not_after - not_before) / 3`); n != len(names) {
				t.Errorf("%d names are renewed in time, want %d", n, len(names))
			}
			w.exec(`UPDATE acme_certificates SET next_attempt_at = now() WHERE name = 'mail.example.test'`)
			eventually(t, "a renewed certificate on the node that did not order it", func() bool {
				now := w.serial(names[0])
				return now != "" && now != first[names[0]]
			})
			if now := w.serial(names[1]); now != first[names[1]] {
				t.Errorf("the certificate of %s was renewed too", names[1])
			}
		})
	}
}

// After a failed attempt the other kind of challenge is tried: the way to one port may be closed.
func TestACMEOtherChallenge(t *testing.T) {
	t.Parallel()
	w := newACMEWorld(t, []string{"mail.example.test"}, certificate.HTTP01, certificate.TLSALPN01)
	overHTTP := func() int {
		return strings.Count(w.log.String(), `route="GET /.well-known/acme-challenge/{token}" status=200`)
	}
	var before string
	eventually(t, "a certificate", func() bool { before = w.serial("mail.example.test"); return before != "" })
	asked := overHTTP()
	if asked == 0 {
		t.Errorf("nobody asked for HTTP-01:\n%s", w.log)
	}
	w.exec(`UPDATE acme_certificates SET failures = 1, next_attempt_at = now()`)
	eventually(t, "a certificate by the other challenge", func() bool {
		now := w.serial("mail.example.test")
		return now != "" && now != before
	})
	if n := overHTTP(); n != asked {
		t.Errorf("HTTP-01 was asked for again:\n%s", w.log)
	}
}

// An authority that is away, or a name that it cannot reach, costs one attempt a back-off, whoever restarts meanwhile; the
// certificate from before is shown on.
func TestACMEFails(t *testing.T) {
	t.Parallel()
	w := newACMEWorld(t, []string{"mail.example.test"}, certificate.HTTP01)
	var before string
	eventually(t, "a certificate", func() bool { before = w.serial("mail.example.test"); return before != "" })
	w.ca.Stop()
	w.exec(`UPDATE acme_certificates SET next_attempt_at = now()`)
	eventually(t, "a failed attempt", func() bool {
		return w.number(`SELECT count(*) FROM acme_certificates WHERE failures = 1 AND last_error LIKE '%sign in at the certificate authority%'
			AND next_attempt_at > now() + interval '9 minutes'`) == 1
	})
	if log := w.log.String(); !strings.Contains(log, `msg="certificate not issued; the one from before stays in use" name=mail.example.test failures=1 again_in=10m0s`) {
		t.Errorf("log:\n%s", log)
	}
	attempts := w.number(`SELECT attempt FROM acme_certificates`)
	w.stopOrders()
	again := w.manager(w.config)
	run(t, again.Run)
	eventually(t, "the certificate on a node that began now", func() bool {
		_, err := again.ForName(&tls.ClientHelloInfo{ServerName: "mail.example.test"})
		return err == nil
	})
	if n := w.number(`SELECT attempt FROM acme_certificates`); n != attempts {
		t.Errorf("%d attempts after a restart, want %d", n, attempts)
	}
	if now := w.serial("mail.example.test"); now != before {
		t.Errorf("certificate %s is shown, want the one from before, %s", now, before)
	}
}
