package outbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/mtasts"
)

// policySite is the policy host of all domains; fail makes it silent.
type policySite struct {
	keeper *PolicyKeeper
	mu     sync.Mutex
	fail   bool
	asked  []string
	busy   int
	most   int           // fetches at once
	hold   chan struct{} // nil: none waits; else each waits until it is closed
	held   chan struct{}
}

func newPolicySite(x *world, domains ...string) *policySite {
	s := &policySite{held: make(chan struct{}, policyBatch)}
	var names []string
	zone := dns.Fake{}
	for _, d := range domains {
		names = append(names, "mta-sts."+d)
		zone["_mta-sts."+d] = dns.Records{TXT: []string{"v=STSv1; id=1"}}
	}
	x.t.Helper()
	cfg, roots := smtptest.Certificate(x.t, names...)
	server := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	server.TLS, server.Config.ErrorLog = cfg, slog.NewLogLogger(slog.DiscardHandler, 0)
	server.StartTLS()
	x.t.Cleanup(server.Close)
	client := mtasts.NewClient(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	})
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	log := quiet()
	s.keeper = &PolicyKeeper{
		Queue: x.q, Log: log, Cache: &mtasts.Cache{Resolver: zone, Client: client, Store: x.q.Policies(), Log: log},
	}
	return s
}

func (s *policySite) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, strings.TrimPrefix(r.Host, "mta-sts."))
	s.busy++
	s.most = max(s.most, s.busy)
	fail, hold := s.fail, s.hold
	s.mu.Unlock()
	if hold != nil {
		s.held <- struct{}{}
		<-hold
	}
	s.mu.Lock()
	s.busy--
	s.mu.Unlock()
	if fail {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprint(w, "version: STSv1\nmode: enforce\nmx: mx.test\nmax_age: 864000\n")
}

// pass lets the keeper work once, and tells which domains were asked.
func (s *policySite) pass(x *world) []string {
	x.t.Helper()
	s.mu.Lock()
	s.asked = nil
	s.mu.Unlock()
	if err := s.keeper.pass(x.ctx); err != nil {
		x.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.asked)
	return s.asked
}

// remember puts a policy into the store, as fetched some time ago.
func (x *world) remember(domain string, mode mtasts.Mode, life, age time.Duration) {
	x.t.Helper()
	p := mtasts.Policy{ID: "1", Mode: mode, MX: []string{"mx.test"}, MaxAge: life}
	if err := x.q.Policies().Save(x.ctx, domain, mtasts.Entry{Policy: p, FetchedAt: time.Now().Add(-age)}); err != nil {
		x.t.Fatal(err)
	}
}

// TestPoliciesAreRefreshed: without any letter, a policy is fetched again when half its life or a day is over, and one that
// cannot be fetched is obeyed until it runs out.
func TestPoliciesAreRefreshed(t *testing.T) {
	x := newWorld(t)
	const day, hour = 24 * time.Hour, time.Hour
	all := []struct {
		domain    string
		mode      mtasts.Mode
		life, age time.Duration
		lane      bool
		due       bool
	}{
		{"day.test", mtasts.Enforce, 30 * day, 25 * hour, true, true},
		{"half.test", mtasts.Testing, 10 * hour, 6 * hour, true, true},
		{"young.test", mtasts.Enforce, 30 * day, 23 * hour, true, false},
		{"younger.test", mtasts.Enforce, 10 * hour, 4 * hour, true, false},
		{"none.test", mtasts.None, 30 * day, 25 * hour, true, false},
		{"gone.test", mtasts.Enforce, 10 * hour, 11 * hour, true, false},
		{"forgotten.test", mtasts.Enforce, 30 * day, 25 * hour, false, false},
	}
	var domains, due []string
	for _, c := range all {
		domains = append(domains, c.domain)
		x.remember(c.domain, c.mode, c.life, c.age)
		if c.lane {
			x.exec(`INSERT INTO lanes (lane) VALUES ($1)`, c.domain)
		}
		if c.due {
			due = append(due, c.domain)
		}
	}
	s := newPolicySite(x, domains...)
	s.fail = true
	if got := s.pass(x); !slices.Equal(got, due) {
		t.Errorf("asked for %q, want %q", got, due)
	}
	for _, d := range due {
		if p, err := s.keeper.Cache.Policy(x.ctx, d); err != nil || p.ID != "1" || p.Mode == "" {
			t.Errorf("%s: a policy that could not be fetched again: %+v, %v", d, p, err)
		}
	}
	s.fail = false
	s.keeper.Cache = &mtasts.Cache{Resolver: s.keeper.Cache.Resolver, Client: s.keeper.Cache.Client, Store: s.keeper.Cache.Store, Log: s.keeper.Log} // that remembers no failure
	x.elapse(policyLease)
	if got := s.pass(x); !slices.Equal(got, due) {
		t.Errorf("asked again for %q, want %q", got, due)
	}
	if got := s.pass(x); len(got) > 0 {
		t.Errorf("asked for %q when all were new", got)
	}
	if n := one[int](x, `SELECT count(*) FROM mta_sts_policies WHERE max_age = 864000 AND fetched_at > now() - interval '1 hour'`); n != len(due) {
		t.Errorf("%d new policies, want %d", n, len(due))
	}
}

// TestOneNodeRefreshes: what one node has claimed another leaves alone, and each asks few hosts at once.
func TestOneNodeRefreshes(t *testing.T) {
	x := newWorld(t)
	var domains []string
	for i := range 3 * policyFlight {
		domains = append(domains, fmt.Sprintf("d%d.test", i))
		x.remember(domains[i], mtasts.Enforce, 48*time.Hour, 30*time.Hour)
		x.exec(`INSERT INTO lanes (lane) VALUES ($1)`, domains[i])
	}
	s := newPolicySite(x, domains...)
	s.hold = make(chan struct{})
	first := make(chan error, 1)
	go func() { first <- s.keeper.pass(x.ctx) }()
	for range policyFlight {
		select {
		case <-s.held:
		case <-x.ctx.Done():
			t.Fatal("the first node asks nobody")
		}
	}
	other := newPolicySite(x, domains...)
	if got := other.pass(x); len(got) > 0 {
		t.Errorf("two nodes ask: %q", got)
	}
	close(s.hold)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) != len(domains) || s.most != policyFlight {
		t.Errorf("asked %d hosts, %d at once", len(s.asked), s.most)
	}
	x.exec(`UPDATE mta_sts_policies SET fetched_at = now() - interval '8 days'`)
	if got := other.pass(x); len(got) > 0 {
		t.Errorf("asked again at once: %q", got)
	}
	x.elapse(policyLease)
	if got := other.pass(x); len(got) != len(domains) {
		t.Errorf("later the other asked %d hosts", len(got))
	}
}

// panics is a resolver that panics at one name.
type panics struct {
	dns.Resolver
	at string
}

func (p panics) TXT(ctx context.Context, name string) ([]string, bool, error) {
	if name == p.at {
		panic("TXT")
	}
	return p.Resolver.TXT(ctx, name)
}

// TestOnePolicyFails: what goes wrong with the policy of one domain keeps none of the others from its turn.
func TestOnePolicyFails(t *testing.T) {
	x := newWorld(t)
	var domains []string
	for i := range policyBatch + 5 {
		domains = append(domains, fmt.Sprintf("d%02d.test", i))
		x.remember(domains[i], mtasts.Enforce, 48*time.Hour, 30*time.Hour)
		x.exec(`INSERT INTO lanes (lane) VALUES ($1)`, domains[i])
	}
	x.exec(`UPDATE mta_sts_policies SET claimed_at = claimed_at - interval '1 hour' WHERE domain = $1`, domains[0])
	s := newPolicySite(x, domains...)
	s.keeper.Cache.Resolver = panics{s.keeper.Cache.Resolver, "_mta-sts." + domains[0]}
	if got := s.pass(x); !slices.Equal(got, domains[1:]) {
		t.Errorf("asked for %d policies, want all %d but the first", len(got), len(domains))
	}
}

// TestLanesWithPolicies: the lane of a domain with a policy is kept for a year, another one for a month.
func TestLanesWithPolicies(t *testing.T) {
	x := newWorld(t)
	for lane, days := range map[string]int{"new.test": 20, "old.test": 40, "policy.test": 40, "ancient.test": 370} {
		x.exec(`INSERT INTO lanes (lane, changed_at) VALUES ($1, now() - make_interval(days => $2))`, lane, days)
	}
	x.remember("policy.test", mtasts.Enforce, 48*time.Hour, 0)
	x.remember("ancient.test", mtasts.Enforce, 48*time.Hour, 0)
	if err := x.worker(Discard{}).archive(x.ctx); err != nil {
		t.Fatal(err)
	}
	if got := one[string](x, `SELECT string_agg(lane, ' ' ORDER BY lane) FROM lanes`); got != "new.test policy.test" {
		t.Errorf("lanes %s", got)
	}
}
