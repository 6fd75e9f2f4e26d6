package admission

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/pace"
)

// Store is the memory. It satisfies smtpd.Greylist and smtpd.SharedRates.
type Store struct {
	Pool *pgxpool.Pool
	Log  *slog.Logger
}

const pruneEvery = time.Hour

// Run deletes what is too old, once an hour, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	for range pace.AtOnce(ctx, pruneEvery) {
		if err := s.prune(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("old facts of strangers stay", "error", err)
		}
	}
	return nil
}

// hash is what stands for a name.
func hash(parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s", len(p), p)
	}
	return h.Sum(nil)[:16]
}

// Whoever has an address with an organisation was written to: the first letter of a person is acknowledged,
// and others got their address by being written to. The primary key is read once for each organisation.
const sqlKnown = `SELECT EXISTS (SELECT FROM greylist_known WHERE sender = $1)
    OR EXISTS (SELECT FROM organisations o JOIN person_addresses a ON a.organisation_id = o.organisation_id AND a.address = $2)`

// Known tells whether letters from sender need not wait. sender is an address in lower case.
func (s *Store) Known(ctx context.Context, sender string) (known bool, err error) {
	if err := s.Pool.QueryRow(ctx, sqlKnown, hash(sender), sender).Scan(&known); err != nil {
		return false, fmt.Errorf("look for a known sender: %w", err)
	}
	return known, nil
}

const sqlTried = `INSERT INTO greylist (triple) VALUES ($1)
ON CONFLICT (triple) DO UPDATE SET last_at = greatest(greylist.last_at, now())
RETURNING extract(epoch FROM last_at - first_at)::double precision`

// Tried records an attempt and returns how long ago the first one was.
func (s *Store) Tried(ctx context.Context, network netip.Prefix, sender, recipient string) (time.Duration, error) {
	var seconds float64
	if err := s.Pool.QueryRow(ctx, sqlTried, hash(network.String(), sender, recipient)).Scan(&seconds); err != nil {
		return 0, fmt.Errorf("record an attempt: %w", err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// Once a day is enough to know who is still about.
const sqlPassed = `INSERT INTO greylist_known (sender) VALUES ($1)
ON CONFLICT (sender) DO UPDATE SET last_at = now() WHERE greylist_known.last_at < now() - interval '1 day'`

// Passed records that a letter of sender was authenticated.
func (s *Store) Passed(ctx context.Context, sender string) error {
	if _, err := s.Pool.Exec(ctx, sqlPassed, hash(sender)); err != nil {
		return fmt.Errorf("record a known sender: %w", err)
	}
	return nil
}

// The buckets are taken in the order of their keys, so that two nodes never wait for each other. What was spent is the
// difference between a full bucket and the one that would be inserted.
const sqlSpend = `INSERT INTO rate_buckets AS b (bucket, per_minute, tokens)
SELECT bucket, per_minute, greatest(per_minute - letters, -per_minute)
FROM unnest($1::bytea[], $2::integer[], $3::integer[]) AS spent (bucket, letters, per_minute)
ORDER BY bucket
ON CONFLICT (bucket) DO UPDATE SET
    per_minute = excluded.per_minute, at = now(),
    tokens = greatest(-excluded.per_minute, least(excluded.per_minute,
        b.tokens + extract(epoch FROM greatest(now() - b.at, interval '0')) / 60 * excluded.per_minute)
        - (excluded.per_minute - excluded.tokens))
RETURNING bucket, tokens`

// Spend takes letters out of buckets, which hold perMinute letters and fill within a minute, and returns what
// is left in each. The three slices are of one length, and no key stands in them twice.
func (s *Store) Spend(ctx context.Context, keys []string, letters, perMinute []int) ([]float64, error) {
	hashes := make([][]byte, len(keys))
	place := make(map[string]int, len(keys))
	for i, key := range keys {
		hashes[i] = hash(key)
		place[string(hashes[i])] = i
	}
	rows, err := s.Pool.Query(ctx, sqlSpend, hashes, letters, perMinute)
	if err != nil {
		return nil, fmt.Errorf("share rates: %w", err)
	}
	left := make([]float64, len(keys))
	var bucket []byte
	var tokens float64
	_, err = pgx.ForEachRow(rows, []any{&bucket, &tokens}, func() error {
		left[place[string(bucket)]] = tokens
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("share rates: %w", err)
	}
	return left, nil
}

// Old rows are deleted page by page, in the order of the key: these tables are as large as strangers make them. $1 is where the
// page before ended; the answer is where this one does. A row that somebody uses is left for the next time.
//
// Who never came again is forgotten soon, who did after the longest pause that a sender of monthly letters makes.
const sqlPruneGreylist = `
WITH page AS (SELECT triple FROM greylist WHERE triple > $1 ORDER BY triple LIMIT $2),
     old AS (
    SELECT g.triple FROM greylist g JOIN page USING (triple)
     WHERE g.last_at < now() - CASE WHEN g.last_at - g.first_at < interval '1 minute' THEN interval '2 days' ELSE interval '36 days' END
       FOR UPDATE OF g SKIP LOCKED),
     gone AS (DELETE FROM greylist WHERE triple IN (SELECT triple FROM old))
SELECT triple FROM page ORDER BY triple DESC LIMIT 1`

const sqlPruneKnown = `
WITH page AS (SELECT sender FROM greylist_known WHERE sender > $1 ORDER BY sender LIMIT $2),
     old AS (
    SELECT k.sender FROM greylist_known k JOIN page USING (sender) WHERE k.last_at < now() - interval '400 days' FOR UPDATE OF k SKIP LOCKED),
     gone AS (DELETE FROM greylist_known WHERE sender IN (SELECT sender FROM old))
SELECT sender FROM page ORDER BY sender DESC LIMIT 1`

const sqlPruneRates = `
WITH page AS (SELECT bucket FROM rate_buckets WHERE bucket > $1 ORDER BY bucket LIMIT $2),
     old AS (
    SELECT r.bucket FROM rate_buckets r JOIN page USING (bucket) WHERE r.at < now() - interval '2 minutes' FOR UPDATE OF r SKIP LOCKED),
     gone AS (DELETE FROM rate_buckets WHERE bucket IN (SELECT bucket FROM old))
SELECT bucket FROM page ORDER BY bucket DESC LIMIT 1`

// pruneRows is how many rows one transaction looks at.
const pruneRows = 2000

func (s *Store) prune(ctx context.Context) error {
	for _, statement := range []string{sqlPruneGreylist, sqlPruneKnown, sqlPruneRates} {
		last := []byte{}
		for {
			err := s.Pool.QueryRow(ctx, statement, last, pruneRows).Scan(&last)
			if errors.Is(err, pgx.ErrNoRows) {
				break
			}
			if err != nil {
				return fmt.Errorf("delete old facts: %w", err)
			}
		}
	}
	return nil
}
