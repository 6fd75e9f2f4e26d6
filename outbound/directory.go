package outbound

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"mxdesk/internal/address"
)

// identity is what an organisation signs with, at one of its domains.
type identity struct {
	name       string
	listDomain string // the one domain that List-Id names
	signer     *address.Signer
	keys       []Key
	signed     bool // no letter may leave unsigned
}

// unsigned is the error for a letter of a domain that demands a signature (require_dkim) and has no key that signs. It is
// one of those that cannot be made as they are.
type unsigned struct{}

func (unsigned) Error() string { return "no DKIM key in DNS" }

// Is makes it an errUnfit, in its own words.
func (unsigned) Is(target error) bool { return target == errUnfit }

// directory keeps identities in memory. It asks for the number of the last change at most once a
// second, and forgets all when that has grown.
type directory struct {
	db  querier
	log *slog.Logger

	mu       sync.Mutex
	known    map[directoryKey]identity
	revision int64
	checked  time.Time
}

type directoryKey struct {
	organisation int32
	domain       string
}

const (
	directoryAge = time.Second
	maxKnown     = 10_000 // identities; beyond it starts anew
)

// identity finds what the organisation signs with at domain. Its error is unsigned when letters have to wait for a key.
func (d *directory) identity(ctx context.Context, number int32, domain string) (identity, error) {
	id, err := d.find(ctx, number, domain)
	if err == nil && id.signed && len(id.keys) == 0 {
		err = unsigned{}
	}
	return id, err
}

func (d *directory) find(ctx context.Context, number int32, domain string) (identity, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.refresh(ctx); err != nil {
		return identity{}, err
	}
	key := directoryKey{number, domain}
	if id, ok := d.known[key]; ok {
		return id, nil
	}
	name, secret, first, err := organisation(ctx, d.db, number)
	if err != nil {
		return identity{}, err
	}
	keys, err := signingKeys(ctx, d.db, number, domain)
	if err != nil {
		return identity{}, err
	}
	required, err := requiresDKIM(ctx, d.db, number, domain)
	if err != nil {
		return identity{}, err
	}
	if len(keys) == 0 {
		d.log.Warn("no DKIM key signs", "organisation", number, "domain", domain, "letters_wait", required)
	}
	id := identity{name: name, listDomain: cmp.Or(first, domain), signer: address.NewSigner(secret), keys: keys, signed: required}
	if len(d.known) >= maxKnown {
		d.known = nil
	}
	if d.known == nil {
		d.known = map[directoryKey]identity{}
	}
	d.known[key] = id
	return id, nil
}

func (d *directory) refresh(ctx context.Context) error {
	if time.Since(d.checked) < directoryAge {
		return nil
	}
	n, err := revision(ctx, d.db)
	if err != nil {
		return err
	}
	if n != d.revision {
		d.known = nil
	}
	d.revision, d.checked = n, time.Now()
	return nil
}
