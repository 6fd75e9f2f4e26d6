package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/outbound/mtasts"
)

// policyStore keeps MTA-STS policies for all nodes.
type policyStore struct{ db querier }

// Policies is where the MTA-STS policies of other domains are remembered.
func (q *Queue) Policies() mtasts.Store { return policyStore{q.pool} }

const sqlLoadPolicy = `SELECT policy_id, mode, mx, max_age, fetched_at FROM mta_sts_policies WHERE domain = $1`

// Load satisfies mtasts.Store.
func (s policyStore) Load(ctx context.Context, domain string) (e mtasts.Entry, err error) {
	var mode string
	var seconds int
	err = s.db.QueryRow(ctx, sqlLoadPolicy, domain).Scan(&e.ID, &mode, &e.MX, &seconds, &e.FetchedAt)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return mtasts.Entry{}, nil
	case err != nil:
		return mtasts.Entry{}, fmt.Errorf("load MTA-STS policy: %w", err)
	}
	e.Mode, e.MaxAge = mtasts.Mode(mode), time.Duration(seconds)*time.Second
	return e, nil
}

// sqlSavePolicy: of two nodes that fetched at once, the later one counts.
const sqlSavePolicy = `
INSERT INTO mta_sts_policies AS p (domain, policy_id, mode, mx, max_age, fetched_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (domain) DO UPDATE
   SET policy_id = EXCLUDED.policy_id, mode = EXCLUDED.mode, mx = EXCLUDED.mx, max_age = EXCLUDED.max_age,
       fetched_at = EXCLUDED.fetched_at
 WHERE p.fetched_at < EXCLUDED.fetched_at`

// Save satisfies mtasts.Store.
func (s policyStore) Save(ctx context.Context, domain string, e mtasts.Entry) error {
	mx := e.MX
	if mx == nil {
		mx = []string{}
	}
	_, err := s.db.Exec(ctx, sqlSavePolicy, domain, e.ID, string(e.Mode), mx, int(e.MaxAge/time.Second), e.FetchedAt)
	if err != nil {
		return fmt.Errorf("save MTA-STS policy: %w", err)
	}
	return nil
}

// sqlClaimPolicies takes policies that are to be fetched again, those first that were tried longest ago: one that always fails must
// not keep the others from their turn. A policy that asks for nothing may run out, and so may that of a domain whose lane is forgotten.
const sqlClaimPolicies = `
UPDATE mta_sts_policies SET claimed_at = now()
 WHERE domain = ANY(ARRAY(
    SELECT domain FROM mta_sts_policies p
     WHERE mode <> 'none' AND fetched_at + make_interval(secs => max_age) > now()
       AND fetched_at + make_interval(secs => least(max_age / 2.0, $1)) <= now()
       AND claimed_at + make_interval(secs => $3) <= now()
       AND EXISTS (SELECT FROM lanes l WHERE l.lane = p.domain)
     ORDER BY claimed_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED))
RETURNING domain`

// claimPolicies names up to limit domains whose policies nobody else is about to fetch within the time.
func claimPolicies(ctx context.Context, db querier, limit int, within time.Duration) ([]string, error) {
	rows, err := db.Query(ctx, sqlClaimPolicies, mtasts.RefreshTime.Seconds(), limit, within.Seconds())
	if err != nil {
		return nil, fmt.Errorf("claim MTA-STS policies: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("claim MTA-STS policies: %w", err)
	}
	return list, nil
}
