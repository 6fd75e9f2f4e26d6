package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/dns"
	"mxdesk/internal/mailauth/dkim"
	"mxdesk/internal/pace"
)

const (
	keeperEvery   = 30 * time.Second
	keeperBatch   = 100              // keys claimed at a time
	keeperFlight  = 8                // questions to the DNS at once
	keeperLookup  = 30 * time.Second // for one of them
	keeperLease   = 15 * time.Minute // longer than a batch can take
	keeperRenewal = 4                // domains that get new keys in one transaction: an RSA key takes a moment
)

// KeyKeeperConfig says how keys are kept. A zero field is the default.
type KeyKeeperConfig struct {
	Resolver dns.Resolver
	Now      func() time.Time      // time.Now
	Log      *slog.Logger          // slog.Default()
	Metrics  prometheus.Registerer // may be nil
}

// KeyKeeper leads DKIM keys through their life: it looks for them in the DNS, lets them sign, makes their successors and
// erases them. Any number of nodes may run one: each key is looked at by one of them.
type KeyKeeper struct {
	q    *Queue
	cfg  KeyKeeperConfig
	keys *prometheus.GaugeVec
}

// NewKeyKeeper returns a keeper of the keys in q's database. A second one with the same Metrics panics, as prometheus does.
func NewKeyKeeper(q *Queue, cfg KeyKeeperConfig) *KeyKeeper {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	k := &KeyKeeper{q: q, cfg: cfg, keys: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "mxdesk", Subsystem: "outbound", Name: "dkim_keys",
		Help: "DKIM keys by state; missing: signs, but the DNS does not show it; lost: does not sign for that reason.",
	}, []string{"state"})}
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(k.keys)
	}
	return k
}

// Run keeps keys until ctx ends.
func (k *KeyKeeper) Run(ctx context.Context) error {
	for range pace.AtOnce(ctx, keeperEvery) {
		if err := k.Pass(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Log.Warn("DKIM keys were not looked after", "error", err)
		}
	}
	return nil
}

// Pass does once all that is due.
func (k *KeyKeeper) Pass(ctx context.Context) error {
	return errors.Join(k.rotate(ctx), k.lookAtDue(ctx), k.measure(ctx))
}

// rotate makes successors for keys that have signed long enough.
func (k *KeyKeeper) rotate(ctx context.Context) error {
	return underLock(ctx, k.q.pool, "rotate DKIM keys", lockRotate, func(tx pgx.Tx) (more bool, err error) {
		now := k.cfg.Now()
		due, err := dueRotations(ctx, tx, now, keeperRenewal)
		for _, d := range due {
			if err == nil {
				err = k.succeed(ctx, tx, d, now)
			}
		}
		return len(due) == keeperRenewal, err
	})
}

func (k *KeyKeeper) succeed(ctx context.Context, tx pgx.Tx, d dueRotation, now time.Time) error {
	keys, err := GenerateKeys(d.Domain, now)
	if err != nil {
		return err
	}
	keys = slices.DeleteFunc(keys, func(key Key) bool { return slices.Contains(d.Waiting, key.Algorithm) })
	if err := AddKeys(ctx, tx, d.Organisation, keys, false, now); err != nil {
		return err
	}
	var selectors []string
	for _, key := range keys {
		selectors = append(selectors, key.Selector)
	}
	k.cfg.Log.Warn("DKIM keys are due for rotation: publish the new records that mxdesk dns prints",
		"organisation", d.Organisation, "domain", d.Domain, "selectors", selectors)
	return nil
}

// lookAtDue looks at every key whose time has come. No transaction is open while the DNS is asked.
func (k *KeyKeeper) lookAtDue(ctx context.Context) error {
	for {
		due, err := claimKeys(ctx, k.q.pool, k.cfg.Now(), keeperLease, keeperBatch)
		if err != nil {
			return err
		}
		failures := make([]error, len(due))
		slots := make(chan struct{}, keeperFlight)
		var looks sync.WaitGroup
		for i, key := range due {
			slots <- struct{}{}
			looks.Go(func() {
				defer func() { <-slots }()
				failures[i] = k.lookAt(ctx, key)
			})
		}
		looks.Wait()
		if err := errors.Join(failures...); err != nil || len(due) < keeperBatch {
			return err
		}
	}
}

// lookAt looks for one key in the DNS and takes the step that follows.
func (k *KeyKeeper) lookAt(ctx context.Context, key Key) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic at DKIM key %s: %v\n%s", key.RecordName(), p, debug.Stack())
		}
	}()
	asking, cancel := context.WithTimeout(ctx, keeperLookup)
	defer cancel()
	presence, why := dkim.Look(asking, k.cfg.Resolver, key.RecordName(), key.Public())
	if ctx.Err() != nil {
		return nil // we left; the claim ends by itself
	}
	now := k.cfg.Now()
	replaces, wanted, err := otherKeys(ctx, k.q.pool, key)
	if err != nil {
		return err
	}
	step := nextKeyState(keyFacts{
		State: key.State, Presence: presence, Age: now.Sub(key.since()), Seen: key.PublishedAt != nil,
		Missed: key.missed, Lost: key.Lost, Replaces: replaces, Wanted: wanted,
	})
	switch err := k.q.step(ctx, key, presence, step, now); {
	case errors.Is(err, ErrKeyState): // somebody was faster, by hand
		return nil
	case err != nil:
		return err
	}
	k.tell(key, presence, why, step)
	return nil
}

// tell logs what happened to a key.
func (k *KeyKeeper) tell(key Key, presence dkim.Presence, why string, s keyStep) {
	log := k.cfg.Log.With("organisation", key.Organisation, "domain", key.Domain, "record", key.RecordName(), "state", s.State, "reason", s.Reason)
	switch {
	case s.Lost && !key.Lost:
		log.Warn("a DKIM key vanished from the DNS: letters are not signed with it until it is back", "dns", why)
	case key.State == KeyActive && presence != dkim.Published && presence != dkim.Unclear:
		log.Warn("the DNS does not show a DKIM key that signs", "dns", why)
	case s.State != key.State || s.Lost != key.Lost || s.Signed:
		log.Info("DKIM key", "was", key.State)
	default:
		log.Debug("DKIM key", "dns", presence)
	}
}

var keyGauges = []string{KeyCreated, KeyPublished, KeyActive, "missing", "lost", KeyRetiring, KeyRemoved}

func (k *KeyKeeper) measure(ctx context.Context) error {
	counts, err := countKeys(ctx, k.q.pool)
	if err != nil {
		return err
	}
	for _, state := range keyGauges {
		k.keys.WithLabelValues(state).Set(float64(counts[state]))
	}
	return nil
}

// since is when the key came into its state.
func (k Key) since() time.Time {
	for _, at := range []*time.Time{k.RemovedAt, k.RetiringAt, k.ActiveAt} {
		if at != nil {
			return *at
		}
	}
	if k.State == KeyPublished && k.PublishedAt != nil {
		return *k.PublishedAt
	}
	return k.CreatedAt
}
