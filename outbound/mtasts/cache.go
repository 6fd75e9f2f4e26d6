package mtasts

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"mxdesk/internal/dns"
	"mxdesk/internal/report"
)

const (
	memoTime    = time.Minute     // how long the store is not asked again
	failureTime = 5 * time.Minute // how long a policy that could not be fetched is not tried again
	maxMemo     = 10_000          // domains; beyond it the memory starts anew
)

// RefreshTime is the age of a policy at which it is fetched again, at the latest; the earliest is half of what it may reach.
const RefreshTime = 24 * time.Hour

// Entry is a policy as it is remembered.
type Entry struct {
	Policy
	FetchedAt time.Time // zero: nothing is remembered
}

// valid tells whether the policy may still be believed.
func (e Entry) valid(now time.Time) bool {
	return !e.FetchedAt.IsZero() && now.Before(e.FetchedAt.Add(e.MaxAge))
}

// stale tells whether the policy is to be fetched, when the DNS now says id. One in use is fetched anew
// long before it runs out, else who blocks HTTPS on that day is rid of it.
func (e Entry) stale(id string, now time.Time) bool {
	return !e.valid(now) || e.ID != id || now.Sub(e.FetchedAt) >= min(e.MaxAge/2, RefreshTime)
}

// Store remembers policies for all nodes. Load returns the zero Entry for a domain it does not know.
type Store interface {
	Load(ctx context.Context, domain string) (Entry, error)
	Save(ctx context.Context, domain string, e Entry) error
}

// Cache finds the policy of a domain. Its exported fields are set once; it may be used by many goroutines.
type Cache struct {
	Resolver dns.Resolver
	Client   *http.Client
	Store    Store
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now

	flights singleflight.Group
	mu      sync.Mutex
	memory  map[string]memo
}

// memo spares the store a question a letter, and a policy host that is down a knock at each.
type memo struct {
	entry   Entry
	readAt  time.Time
	failed  time.Time // when a fetch last failed
	problem string    // id for which it failed
	why     string    // as TLS reports name it
}

// Policy is the policy of a domain, an A-label name; the zero Policy if it has none. Doc.go has the table. An error means
// that it is not known whether there is one.
func (c *Cache) Policy(ctx context.Context, domain string) (Policy, error) {
	v, err, _ := c.flights.Do(domain, func() (any, error) { return c.find(ctx, domain) })
	if err != nil {
		return Policy{}, err
	}
	return v.(Policy), nil
}

func (c *Cache) find(ctx context.Context, domain string) (Policy, error) {
	now := c.now()
	m, err := c.recall(ctx, domain, now)
	if err != nil {
		return Policy{}, err
	}
	records, _, err := c.Resolver.TXT(ctx, "_mta-sts."+domain)
	id, published := ParseRecord(records)
	failedNow := m.problem == id && now.Before(m.failed.Add(failureTime))
	if err == nil && published && m.entry.stale(id, now) && !failedNow {
		m = c.renew(ctx, domain, id, m)
	}
	if ctx.Err() != nil { // what was not found out says nothing
		return Policy{}, fmt.Errorf("MTA-STS policy of %s: %w", domain, ctx.Err())
	}
	c.keep(domain, m)
	if !m.entry.valid(now) {
		if err == nil && published && m.problem == id {
			return Policy{Problem: m.why}, nil
		}
		return Policy{}, nil
	}
	return m.entry.Policy, nil
}

// renew fetches the policy. What goes wrong leaves the old one as it is.
func (c *Cache) renew(ctx context.Context, domain, id string, m memo) memo {
	p, err := Fetch(ctx, c.Client, domain)
	if err != nil {
		c.Log.Warn("MTA-STS policy not renewed", "domain", domain, "id", id, "error", err)
		m.failed, m.problem, m.why = c.now(), id, problemOf(err)
		return m
	}
	p.ID = id
	m.entry = Entry{Policy: p, FetchedAt: c.now()}
	if err := c.Store.Save(ctx, domain, m.entry); err != nil { // it is fetched again when it is next needed
		c.Log.Warn("MTA-STS policy not stored", "domain", domain, "error", err)
	}
	return m
}

// problemOf is what a TLS report says of a policy that could not be fetched (RFC 8460 section 4.3.2.2).
func problemOf(err error) string {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return report.STSWebPKIInvalid
	case errors.Is(err, ErrPolicy):
		return report.STSInvalid
	}
	return report.STSFetchError
}

// recall asks the memory, then the store, and the memory again when the store is away.
func (c *Cache) recall(ctx context.Context, domain string, now time.Time) (memo, error) {
	c.mu.Lock()
	m, ok := c.memory[domain]
	c.mu.Unlock()
	if ok && now.Before(m.readAt.Add(memoTime)) {
		return m, nil
	}
	e, err := c.Store.Load(ctx, domain)
	switch {
	case err != nil && ok: // what we knew a moment ago holds as long as it said
		return m, nil
	case err != nil:
		return memo{}, fmt.Errorf("MTA-STS policy of %s: %w", domain, err)
	}
	if m.readAt = now; !m.entry.FetchedAt.After(e.FetchedAt) { // ours is newer when it could not be stored
		m.entry = e
	}
	return m, nil
}

func (c *Cache) keep(domain string, m memo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.memory[domain]; !known && (c.memory == nil || len(c.memory) >= maxMemo) {
		c.memory = map[string]memo{}
	}
	c.memory[domain] = m
}

func (c *Cache) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
