package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mxdesk/internal/mailauth/dkim"
)

// keyColumns are what collectKeys reads.
const keyColumns = `organisation_id, domain, selector, algorithm, state, lost, missed, presence, private_key,
       created_at, published_at, active_at, retiring_at, removed_at, looked_at`

// sqlKeys lists all keys of an organisation, those of one domain unless it is "".
const sqlKeys = `
SELECT ` + keyColumns + `
  FROM dkim_keys
 WHERE organisation_id = $1 AND ($2 = '' OR domain = $2)
 ORDER BY domain, created_at, selector`

func listKeys(ctx context.Context, db querier, organisation int32, domain string) ([]Key, error) {
	keys, err := collectKeys(db.Query(ctx, sqlKeys, organisation, domain))
	if err != nil {
		return nil, fmt.Errorf("list DKIM keys: %w", err)
	}
	return keys, nil
}

func collectKeys(rows pgx.Rows, err error) ([]Key, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		var k Key
		var der []byte
		err := row.Scan(&k.Organisation, &k.Domain, &k.Selector, &k.Algorithm, &k.State, &k.Lost, &k.missed, &k.Presence, &der,
			&k.CreatedAt, &k.PublishedAt, &k.ActiveAt, &k.RetiringAt, &k.RemovedAt, &k.LookedAt)
		if err != nil || der == nil {
			return k, err
		}
		return parseKey(k, der)
	})
}

// sqlChanged tells all nodes that an organisation sends in another way: signs with other keys, has another relay.
const sqlChanged = `
WITH changed AS (
    UPDATE directory_revision SET revision = revision + 1 RETURNING revision
)
UPDATE organisations o SET revision = c.revision FROM changed c WHERE o.organisation_id = $1`

func changed(ctx context.Context, tx pgx.Tx, organisation int32) error {
	if _, err := tx.Exec(ctx, sqlChanged, organisation); err != nil {
		return fmt.Errorf("tell of changed settings: %w", err)
	}
	return nil
}

const sqlAddKey = `
INSERT INTO dkim_keys (organisation_id, domain, selector, algorithm, private_key, state, created_at, active_at, look_at)
VALUES ($1, $2, $3, $4, $5, CASE WHEN $6 THEN 'active' ELSE 'created' END, $7, CASE WHEN $6 THEN $7::timestamptz END, $7)`

// AddKeys stores new keys in the caller's transaction. They wait until the DNS shows them, or sign at once when active says
// so. The domain must be the organisation's.
func AddKeys(ctx context.Context, tx pgx.Tx, organisation int32, keys []Key, active bool, now time.Time) error {
	for _, k := range keys {
		der, err := k.marshal()
		if err == nil {
			_, err = tx.Exec(ctx, sqlAddKey, organisation, k.Domain, k.Selector, k.Algorithm, der, active, now)
		}
		var conflict *pgconn.PgError
		switch {
		case errors.As(err, &conflict) && conflict.Code == "23505":
			err = ErrKeyExists
		case errors.As(err, &conflict) && conflict.Code == "23503":
			err = ErrNoDomain
		}
		if err != nil {
			return fmt.Errorf("add DKIM key %s: %w", k.RecordName(), err)
		}
	}
	return changed(ctx, tx, organisation)
}

// sqlClaimKeys takes keys whose look is due, so that no other node looks at them at the same time.
const sqlClaimKeys = `
UPDATE dkim_keys SET look_at = $1::timestamptz + make_interval(secs => $2)
 WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM dkim_keys WHERE look_at <= $1 ORDER BY look_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED))
RETURNING ` + keyColumns

func claimKeys(ctx context.Context, db querier, now time.Time, lease time.Duration, limit int) ([]Key, error) {
	keys, err := collectKeys(db.Query(ctx, sqlClaimKeys, now, lease.Seconds(), limit))
	if err != nil {
		return nil, fmt.Errorf("claim DKIM keys: %w", err)
	}
	return keys, nil
}

// sqlOtherKeys tells of the other active keys of the algorithm.
const sqlOtherKeys = `
SELECT coalesce(bool_or(NOT lost), false), coalesce(bool_and(lost), false)
  FROM dkim_keys
 WHERE organisation_id = $1 AND domain = $2 AND algorithm = $3 AND selector <> $4 AND state = 'active'`

// otherKeys tells whether another active key of the algorithm signs, and whether there are some and all of them are lost.
func otherKeys(ctx context.Context, db querier, k Key) (sign, lost bool, err error) {
	if err := db.QueryRow(ctx, sqlOtherKeys, k.Organisation, k.Domain, k.Algorithm, k.Selector).Scan(&sign, &lost); err != nil {
		return false, false, fmt.Errorf("look for other DKIM keys: %w", err)
	}
	return sign, lost, nil
}

// sqlStepKey: the state that the decision was made for is the fence. Whatever leaves a state leaves its times.
const sqlStepKey = `
UPDATE dkim_keys
   SET state = $5, missed = $6, lost = $7, presence = $8, look_at = $9::timestamptz + make_interval(secs => $10), looked_at = $9,
       published_at = CASE WHEN $11 THEN NULL WHEN $8 = 'published' THEN coalesce(published_at, $9) ELSE published_at END,
       active_at    = CASE WHEN $5 = 'active' AND state <> 'active' THEN $9 ELSE active_at END,
       retiring_at  = CASE WHEN $5 <> 'retiring' THEN NULL WHEN $12 THEN $9 ELSE coalesce(retiring_at, $9) END,
       removed_at   = CASE WHEN $5 = 'removed' THEN coalesce(removed_at, $9) END,
       private_key  = CASE WHEN $5 <> 'removed' THEN private_key END
 WHERE organisation_id = $1 AND domain = $2 AND selector = $3 AND state = $4`

const sqlForgetKey = `DELETE FROM dkim_keys WHERE organisation_id = $1 AND domain = $2 AND selector = $3 AND state = $4`

// sqlRetireOthers: a key that begins to sign takes over from all others of its algorithm. What they missed tells whether they can stand
// in for it.
const sqlRetireOthers = `
UPDATE dkim_keys SET state = 'retiring', retiring_at = $5, lost = false, look_at = $5::timestamptz + interval '1 hour'
 WHERE organisation_id = $1 AND domain = $2 AND algorithm = $3 AND selector <> $4 AND state = 'active'`

// storeStep records what a look at k led to; false when k changed meanwhile.
func storeStep(ctx context.Context, tx pgx.Tx, k Key, presence dkim.Presence, s keyStep, now time.Time) (bool, error) {
	if s.State == "" {
		_, err := tx.Exec(ctx, sqlForgetKey, k.Organisation, k.Domain, k.Selector, k.State)
		return err == nil, err
	}
	tag, err := tx.Exec(ctx, sqlStepKey, k.Organisation, k.Domain, k.Selector, k.State,
		s.State, s.Missed, s.Lost, string(presence), now, s.Next.Seconds(), s.Unseen, s.Signed)
	if err != nil || tag.RowsAffected() == 0 {
		return false, err
	}
	begins := s.State == KeyActive && k.State != KeyActive
	if begins {
		if _, err := tx.Exec(ctx, sqlRetireOthers, k.Organisation, k.Domain, k.Algorithm, k.Selector, now); err != nil {
			return false, err
		}
	}
	standIn := s.State == KeyRetiring && ((s.Missed == 0) != (k.missed == 0) || k.PublishedAt == nil && presence == dkim.Published)
	if begins || (k.State == KeyActive) != (s.State == KeyActive) || s.Lost != k.Lost || standIn {
		return true, changed(ctx, tx, k.Organisation)
	}
	return true, nil
}

// sqlDueRotations lists domains with a key that has signed long enough, and has no successor yet.
const sqlDueRotations = `
SELECT d.organisation_id, d.domain,
       ARRAY(SELECT w.algorithm FROM dkim_keys w
              WHERE w.organisation_id = d.organisation_id AND w.domain = d.domain AND w.state IN ('created', 'published'))
  FROM domains d
 WHERE d.dkim_rotation_days > 0
   AND EXISTS (SELECT FROM dkim_keys k
                WHERE k.organisation_id = d.organisation_id AND k.domain = d.domain AND k.state = 'active'
                  AND k.active_at < $1::timestamptz - make_interval(days => d.dkim_rotation_days)
                  AND NOT EXISTS (SELECT FROM dkim_keys w
                                   WHERE w.organisation_id = d.organisation_id AND w.domain = d.domain AND w.algorithm = k.algorithm
                                     AND w.state IN ('created', 'published')))
 ORDER BY 1, 2 LIMIT $2`

// dueRotation is a domain that is to get new keys.
type dueRotation struct {
	Organisation int32
	Domain       string
	Waiting      []string // algorithms of which a key waits already
}

func dueRotations(ctx context.Context, tx pgx.Tx, now time.Time, limit int) ([]dueRotation, error) {
	rows, err := tx.Query(ctx, sqlDueRotations, now, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[dueRotation])
}

const sqlCountKeys = `
SELECT CASE WHEN lost THEN 'lost' WHEN state = 'active' AND presence IN ('missing', 'different') THEN 'missing' ELSE state END, count(*)
  FROM dkim_keys GROUP BY 1`

// countKeys counts keys by state; lost and missing are states of their own here.
func countKeys(ctx context.Context, db querier) (map[string]int, error) {
	rows, err := db.Query(ctx, sqlCountKeys)
	if err != nil {
		return nil, fmt.Errorf("count DKIM keys: %w", err)
	}
	counts := map[string]int{}
	var state string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error { counts[state] = n; return nil })
	if err != nil {
		return nil, fmt.Errorf("count DKIM keys: %w", err)
	}
	return counts, nil
}

const sqlDomains = `
SELECT domain, require_dkim, dkim_rotation_days, created_at
  FROM domains WHERE organisation_id = $1 AND ($2 = '' OR domain = $2) ORDER BY domain`

func listDomains(ctx context.Context, db querier, organisation int32, domain string) ([]Domain, error) {
	rows, err := db.Query(ctx, sqlDomains, organisation, domain)
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Domain])
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", err)
	}
	return list, nil
}

const sqlChangeDomain = `
UPDATE domains SET require_dkim = coalesce($3, require_dkim), dkim_rotation_days = coalesce($4, dkim_rotation_days)
 WHERE organisation_id = $1 AND domain = $2`

func changeDomain(ctx context.Context, tx pgx.Tx, organisation int32, domain string, c DomainChange) error {
	tag, err := tx.Exec(ctx, sqlChangeDomain, organisation, domain, c.RequireDKIM, c.RotationDays)
	if err != nil {
		return fmt.Errorf("change domain: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNoDomain
	}
	return changed(ctx, tx, organisation)
}
