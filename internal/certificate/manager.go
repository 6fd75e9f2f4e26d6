package certificate

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/acme"

	"mxdesk/internal/pace"
)

// Config is what a Manager needs.
type Config struct {
	Pool      *pgxpool.Pool
	Directory string          // URL of the authority's directory
	Contact   string          // e-mail address for the authority; "": none
	Roots     []byte          // PEM, believed for the authority beside the system's
	Names     func() []string // what is to be certified, now; the first one is the mail server's own
	Kinds     []string        // challenges that the nodes answer. Empty: this node orders nothing, and has what others ordered

	Log        *slog.Logger
	Registerer prometheus.Registerer // nil: metrics are counted but not published
	Every      time.Duration         // how often the database is asked what is new and due; 0: 10 s
}

// Manager keeps the certificates of a node.
type Manager struct {
	cfg       Config
	store     store
	http      *http.Client
	places    chan struct{}
	temporary *tls.Certificate // until there is a real one
	current   atomic.Pointer[snapshot]
	attempts  *prometheus.CounterVec
}

// snapshot is what the node has now; it is never changed, only replaced.
type snapshot struct {
	names  []string // in lower case, each once
	byName map[string]*loaded
}

// loaded is a certificate as it was loaded.
type loaded struct {
	issued      int64
	certificate *tls.Certificate
}

const (
	defaultEvery = 10 * time.Second
	storeTime    = 30 * time.Second // for one look at the database
	maxProblem   = 500              // characters of what went wrong
)

// New makes a manager. It panics when Registerer knows its metrics already.
func New(cfg Config) (*Manager, error) {
	if cfg.Every == 0 {
		cfg.Every = defaultEvery
	}
	client, err := newHTTP(cfg.Roots)
	if err != nil {
		return nil, err
	}
	m := &Manager{cfg: cfg, store: store{cfg.Pool}, http: client, places: make(chan struct{}, maxPlaces), attempts: prometheus.NewCounterVec(
		prometheus.CounterOpts{Namespace: "mxdesk", Subsystem: "acme", Name: "attempts_total", Help: "Attempts to get a certificate."},
		[]string{"result"})}
	m.current.Store(&snapshot{byName: map[string]*loaded{}})
	m.look()
	if m.temporary, err = selfSigned(m.current.Load().names); err != nil {
		return nil, err
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(m.attempts, expiry{m})
	}
	return m, nil
}

// look takes over what names are wanted now.
func (m *Manager) look() *snapshot {
	old := m.current.Load()
	next := &snapshot{byName: map[string]*loaded{}}
	for _, name := range m.cfg.Names() {
		if name = normal(name); !slices.Contains(next.names, name) {
			next.names = append(next.names, name)
		}
	}
	for _, name := range next.names {
		if c := old.byName[name]; c != nil {
			next.byName[name] = c
		}
	}
	m.current.Store(next)
	return next
}

// Run follows the database, and orders what is due, until ctx ends. An authority that is slow does not keep it from
// seeing what other nodes got.
func (m *Manager) Run(ctx context.Context) error {
	ordering := make(chan struct{})
	go func() {
		defer close(ordering)
		if len(m.cfg.Kinds) > 0 {
			m.repeat(ctx, "certificates could not be ordered", m.orderDue)
		}
	}()
	m.repeat(ctx, "certificates could not be looked at; those from before are used", m.refresh)
	<-ordering
	m.http.CloseIdleConnections()
	return nil
}

// repeat does a step at once and then ever again. Of failures in a row the first one is told.
func (m *Manager) repeat(ctx context.Context, problem string, step func(context.Context) error) {
	failing := false
	for range pace.AtOnce(ctx, m.cfg.Every) {
		err := step(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			m.cfg.Log.Warn(problem, "error", err)
		}
		failing = err != nil
	}
}

// refresh loads what is new in the database.
func (m *Manager) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	now := m.look()
	states, err := m.store.states(ctx, now.names)
	if err != nil {
		return err
	}
	var fresh []string
	for _, s := range states {
		if c := now.byName[s.Name]; s.Issued > 0 && (c == nil || c.issued != s.Issued) {
			fresh = append(fresh, s.Name)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	certificates, err := m.store.certificates(ctx, fresh)
	if err != nil {
		return err
	}
	next := &snapshot{names: now.names, byName: map[string]*loaded{}}
	for name, c := range now.byName {
		next.byName[name] = c
	}
	for _, c := range certificates {
		assembled, err2 := assemble(c.Name, c.Chain, c.PrivateKey)
		if err2 != nil { // the others are taken
			err = errors.Join(err, fmt.Errorf("certificate of %s: %w", c.Name, err2))
			continue
		}
		next.byName[c.Name] = &loaded{c.Issued, assembled}
		m.cfg.Log.Info("certificate in use", "name", c.Name, "expires", assembled.Leaf.NotAfter)
	}
	m.current.Store(next)
	return err
}

// orderDue orders what is due, one name after the other: those of the configuration first, so that names which organisations
// add keep nobody waiting but each other.
func (m *Manager) orderDue(ctx context.Context) error {
	names := m.current.Load().names
	look, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := m.store.addNames(look, names); err != nil {
		return err
	}
	states, err := m.store.states(look, names)
	if err != nil {
		return err
	}
	for _, s := range states {
		if ctx.Err() != nil || !s.isDue(m.cfg.Directory) {
			continue
		}
		if err := m.attempt(ctx, s); err != nil {
			return err
		}
	}
	return m.store.prune(ctx)
}

// attempt claims a name, tries to have it certified, and records what came of it. Its error is one of the database.
func (m *Manager) attempt(ctx context.Context, s state) error {
	ours, err := m.store.claim(ctx, s, backoff(s.Failures), m.cfg.Directory)
	if err != nil || !ours {
		return err
	}
	m.cfg.Log.Info("certificate ordered", "name", s.Name, "attempt", s.Failures+1)
	limited, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	c, problem := m.obtain(limited, s)
	record, cancelRecord := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancelRecord()
	if problem == nil {
		if err := m.store.succeed(record, s.Name, s.Attempt+1, c); err != nil {
			return err
		}
		m.attempts.WithLabelValues("issued").Inc()
		m.cfg.Log.Info("certificate issued", "name", s.Name, "expires", c.certificate.Leaf.NotAfter)
		return nil
	}
	again := wait(s.Failures, retryAfter(problem))
	m.attempts.WithLabelValues("failed").Inc()
	m.cfg.Log.Error("certificate not issued; the one from before stays in use", "name", s.Name, "failures", s.Failures+1,
		"again_in", again.String(), "error", problem)
	return m.store.fail(record, s.Name, s.Attempt+1, printable(problem.Error()), again)
}

// obtain gets a certificate. What failed on the way, unjudged by the authority, is tried again at once: it would cost a new name
// ten minutes.
func (m *Manager) obtain(ctx context.Context, s state) (c *obtained, err error) {
	tries := 0
	for range pace.AtOnce(ctx, tryWait) {
		tries++
		if c, err = m.try(ctx, s); err == nil || tries == maxTries || !isUnjudged(err) {
			break
		}
		m.cfg.Log.Info("the certificate authority is asked once more", "name", s.Name, "error", err)
	}
	return c, err
}

// try goes the way to a certificate once.
func (m *Manager) try(ctx context.Context, s state) (*obtained, error) {
	client, err := m.newClient(ctx)
	if err != nil {
		return nil, err
	}
	o := &order{name: s.Name, failures: s.Failures, kinds: m.cfg.Kinds, client: client, store: m.store}
	return o.run(ctx)
}

// retryAfter is how long an authority that limits us asks us to wait.
func retryAfter(err error) time.Duration {
	if refusal, ok := errors.AsType[*acme.Error](err); ok {
		d, _ := acme.RateLimit(refusal)
		return d
	}
	return 0
}

// isUnjudged tells whether the authority did not get as far as our request: it could not be heard, or refused every nonce that it
// had just given (RFC 8555 section 6.5).
func isUnjudged(err error) bool {
	if refusal, ok := errors.AsType[*acme.Error](err); ok {
		return strings.HasSuffix(strings.ToLower(refusal.ProblemType), ":badnonce")
	}
	_, unheard := errors.AsType[*url.Error](err)
	return unheard
}

// printable is a text of bounded size that PostgreSQL can hold.
func printable(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
	if runes := []rune(text); len(runes) > maxProblem {
		return string(runes[:maxProblem])
	}
	return text
}

// selfSigned makes a certificate that proves nothing, but lets mail servers encrypt.
func selfSigned(names []string) (*tls.Certificate, error) {
	key, _, err := newKey()
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return nil, fmt.Errorf("make a temporary certificate: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "mxdesk, waiting for a certificate"}, DNSNames: names,
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make a temporary certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// expiry is the metric of when certificates end.
type expiry struct{ m *Manager }

var expiryDesc = prometheus.NewDesc("mxdesk_tls_certificate_expiry_timestamp_seconds",
	"When the certificate in use for a name ends, in Unix time.", []string{"name"}, nil)

// Describe implements prometheus.Collector.
func (e expiry) Describe(to chan<- *prometheus.Desc) { to <- expiryDesc }

// Collect implements prometheus.Collector.
func (e expiry) Collect(to chan<- prometheus.Metric) {
	for name, c := range e.m.current.Load().byName {
		to <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(c.certificate.Leaf.NotAfter.Unix()), name)
	}
}
