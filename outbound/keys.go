package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/dns"
	"mxdesk/internal/mailauth/dkim"
)

// What can be wrong with a request about keys.
var (
	ErrNoDomain     = errors.New("no such domain")
	ErrNoKey        = errors.New("no such DKIM key")
	ErrKeyExists    = errors.New("keys with these selectors exist: wait a minute")
	ErrKeyState     = errors.New("the DKIM key is not in a state in which this can be done")
	ErrNotPublished = errors.New("the DNS does not show the DKIM key")
)

// DefaultRotation is how long keys sign, in days, before successors are made; the default of the column dkim_rotation_days.
const DefaultRotation = 180

// Domain is one domain that an organisation writes from.
type Domain struct {
	Name         string
	RequireDKIM  bool // letters wait rather than go out unsigned
	RotationDays int  // 0: never
	CreatedAt    time.Time
}

// DomainChange changes what is not nil.
type DomainChange struct {
	RequireDKIM  *bool
	RotationDays *int
}

// Domains lists the domains of an organisation.
func (q *Queue) Domains(ctx context.Context, organisation int32) ([]Domain, error) {
	return listDomains(ctx, q.pool, organisation, "")
}

// Domain finds one domain of an organisation.
func (q *Queue) Domain(ctx context.Context, organisation int32, domain string) (Domain, error) {
	list, err := listDomains(ctx, q.pool, organisation, domain)
	if err == nil && (domain == "" || len(list) == 0) {
		err = ErrNoDomain
	}
	if err != nil {
		return Domain{}, err
	}
	return list[0], nil
}

// ChangeDomain changes how letters of a domain are signed.
func (q *Queue) ChangeDomain(ctx context.Context, organisation int32, domain string, c DomainChange) error {
	return pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error { return changeDomain(ctx, tx, organisation, domain, c) })
}

// Keys lists the DKIM keys of an organisation, whatever their state.
func (q *Queue) Keys(ctx context.Context, organisation int32) ([]Key, error) {
	return listKeys(ctx, q.pool, organisation, "")
}

// KeysOf lists the DKIM keys of one domain.
func (q *Queue) KeysOf(ctx context.Context, organisation int32, domain string) ([]Key, error) {
	if domain == "" {
		return nil, ErrNoDomain
	}
	return listKeys(ctx, q.pool, organisation, domain)
}

// CreateKeys makes an RSA and an Ed25519 key. They sign when the DNS shows them.
func (q *Queue) CreateKeys(ctx context.Context, organisation int32, domain string, now time.Time) ([]Key, error) {
	keys, err := GenerateKeys(domain, now)
	if err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error { return AddKeys(ctx, tx, organisation, keys, false, now) })
	return keys, err
}

// ActivateKey lets a key sign, in place of others of its algorithm. The DNS must show it, unless resolver is nil:
// then it signs until it has been seen and vanishes. A key that retires can be taken back so.
func (q *Queue) ActivateKey(ctx context.Context, organisation int32, domain, selector string, resolver dns.Resolver, now time.Time) error {
	k, err := q.key(ctx, organisation, domain, selector)
	if err != nil {
		return err
	}
	if k.State == KeyRemoved || k.State == KeyActive && !k.Lost {
		return ErrKeyState
	}
	presence := k.Presence
	if resolver != nil {
		var why string
		if presence, why = dkim.Look(ctx, resolver, k.RecordName(), k.Public()); presence != dkim.Published {
			return fmt.Errorf("%w: %s", ErrNotPublished, why)
		}
	}
	return q.step(ctx, k, presence, keyStep{State: KeyActive, Unseen: resolver == nil, Next: lookAgain}, now)
}

// RetireKey stops a key from signing, save in place of a later one that is lost. One that never signed is removed at once.
func (q *Queue) RetireKey(ctx context.Context, organisation int32, domain, selector string, now time.Time) error {
	k, err := q.key(ctx, organisation, domain, selector)
	if err != nil {
		return err
	}
	switch k.State {
	case KeyActive:
		return q.step(ctx, k, k.Presence, keyStep{State: KeyRetiring, Missed: k.missed, Next: lookActive}, now)
	case KeyCreated, KeyPublished:
		return q.step(ctx, k, k.Presence, keyStep{State: KeyRemoved, Next: lookAgain}, now)
	}
	return ErrKeyState
}

func (q *Queue) key(ctx context.Context, organisation int32, domain, selector string) (Key, error) {
	keys, err := q.KeysOf(ctx, organisation, domain)
	if err != nil {
		return Key{}, err
	}
	for _, k := range keys {
		if k.Selector == selector {
			return k, nil
		}
	}
	return Key{}, ErrNoKey
}

// step records one step of a key's life that was decided for its state in k.
func (q *Queue) step(ctx context.Context, k Key, presence dkim.Presence, s keyStep, now time.Time) error {
	return pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		stored, err := storeStep(ctx, tx, k, presence, s, now)
		if err != nil {
			return fmt.Errorf("record the state of DKIM key %s: %w", k.RecordName(), err)
		}
		if !stored {
			return ErrKeyState
		}
		return nil
	})
}
