package smtpd

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/network"
	"mxdesk/internal/pace"
)

// Rates are letters a minute; 0 is no limit. Each is a bucket that holds the letters of one minute.
type Rates struct {
	Sender       int // from one envelope sender
	SenderDomain int // from senders of one domain
	Network      int // from one client network (/32, /64)
	Recipient    int // to one of our addresses
}

// SharedRates are the buckets of all nodes together.
type SharedRates interface {
	// Spend takes letters out of the buckets with these keys and sizes, and returns, in the same order, what each has
	// left: negative when all nodes together took more than there was.
	Spend(ctx context.Context, keys []string, letters, perMinute []int) (left []float64, err error)
}

// rates are the buckets of this node. A letter is weighed here alone, so it never waits for a database; what was taken
// is told to the other nodes once a second, and what they took is learned.
type rates struct {
	cfg    Rates
	exempt []netip.Prefix

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	perMinute int
	tokens    float64
	at        time.Time
	spent     int // since it was last told
}

const (
	maxBuckets = 1 << 16
	shareEvery = time.Second
	maxShared  = 500 // buckets told at once
)

func newRates(cfg *Config) *rates {
	return &rates{cfg: cfg.Rates, exempt: cfg.Exempt, buckets: map[string]*bucket{}}
}

// rateKey is a bucket from which a letter takes, and the reply when it is empty.
type rateKey struct {
	key       string
	perMinute int
	over      reply
}

// keys are the buckets of a letter. The sender of bounces is everybody, so it has none.
func (r *rates) keys(client netip.Addr, sender address.Address, recipients []address.Address) []rateKey {
	keys := make([]rateKey, 0, 3+len(recipients))
	add := func(kind, of string, perMinute int, over reply) {
		if perMinute > 0 {
			keys = append(keys, rateKey{kind + of, perMinute, over})
		}
	}
	add("network ", network.Of(client).String(), r.cfg.Network, replyRateNetwork)
	if !sender.IsZero() {
		add("sender ", sender.Key(), r.cfg.Sender, replyRateSender)
		add("domain ", sender.Domain, r.cfg.SenderDomain, replyRateDomain)
	}
	for _, to := range recipients {
		add("recipient ", to.Key(), r.cfg.Recipient, replyRateRecipient)
	}
	return keys
}

// take takes one letter from each bucket, or from none when one of them is empty.
func (r *rates) take(keys []rateKey, now time.Time) reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		if b := r.bucket(k, now); b.tokens < 1 {
			return k.over
		}
	}
	for _, k := range keys {
		b := r.bucket(k, now)
		b.tokens--
		b.spent++
	}
	return reply{}
}

// bucket finds or makes a bucket, and fills it up to now.
func (r *rates) bucket(k rateKey, now time.Time) *bucket {
	b := r.buckets[k.key]
	if b == nil {
		if len(r.buckets) >= maxBuckets {
			r.makeRoom(now)
		}
		b = &bucket{perMinute: k.perMinute, tokens: float64(k.perMinute), at: now}
		r.buckets[k.key] = b
	}
	b.fill(now)
	return b
}

func (b *bucket) fill(now time.Time) {
	if now.After(b.at) {
		b.tokens = min(float64(b.perMinute), b.tokens+now.Sub(b.at).Minutes()*float64(b.perMinute))
		b.at = now
	}
}

// makeRoom forgets the buckets that are full, which are as good as new, and then any until half of the room is free.
func (r *rates) makeRoom(now time.Time) {
	for key, b := range r.buckets {
		if b.fill(now); b.tokens >= float64(b.perMinute) && b.spent == 0 {
			delete(r.buckets, key)
		}
	}
	for key := range r.buckets {
		if len(r.buckets) <= maxBuckets/2 {
			return
		}
		delete(r.buckets, key)
	}
}

// share tells the other nodes what was taken until ctx ends. While they cannot be told, the limits hold for
// this node alone.
func (s *Server) share(ctx context.Context) {
	failed := false
	for range pace.Later(ctx, shareEvery) {
		err := s.rates.shareOnce(ctx, s.cfg.SharedRates, s.cfg.Now)
		if err != nil && !failed && ctx.Err() == nil {
			s.cfg.Log.Warn("rates hold for this node alone", "error", err)
		}
		failed = err != nil
	}
}

func (r *rates) shareOnce(ctx context.Context, shared SharedRates, now func() time.Time) error {
	keys, letters, perMinute := r.untold()
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*shareEvery)
	defer cancel()
	left, err := shared.Spend(ctx, keys, letters, perMinute)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, key := range keys {
		b := r.buckets[key]
		switch {
		case b == nil: // forgotten meanwhile
		case err != nil:
			b.spent += letters[i]
		case i < len(left):
			b.tokens, b.at = left[i]-float64(b.spent), now()
		}
	}
	return err
}

// untold takes out what has not been told yet.
func (r *rates) untold() (keys []string, letters, perMinute []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, b := range r.buckets {
		if b.spent == 0 {
			continue
		}
		keys, letters, perMinute = append(keys, key), append(letters, b.spent), append(perMinute, b.perMinute)
		if b.spent = 0; len(keys) == maxShared {
			break
		}
	}
	return keys, letters, perMinute
}
