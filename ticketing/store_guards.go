package ticketing

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/ticketing/guard"
)

// lockGuards is the advisory lock of whoever shares totals: class "mxg", and a number.
const lockGuards = 1

const sqlLockGuards = `SELECT pg_try_advisory_xact_lock(7173223, $1)`

func tryLockGuards(ctx context.Context, q querier) (ok bool, err error) {
	err = q.QueryRow(ctx, sqlLockGuards, lockGuards).Scan(&ok)
	return ok, err
}

const sqlSelectTotals = `
SELECT g.organisation_id, g.address, g.state
FROM unnest($1::integer[], $2::text[]) AS w(organisation_id, address)
JOIN guard_totals g ON g.organisation_id = w.organisation_id AND g.address = w.address`

func selectTotals(ctx context.Context, q querier, keys []addressKey) (map[addressKey]guard.Total, error) {
	rows, err := q.Query(ctx, sqlSelectTotals, addressOrganisations(keys), addressKeys(keys))
	if err != nil {
		return nil, err
	}
	found := map[addressKey]guard.Total{}
	var (
		k     addressKey
		state []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&k.organisation, &k.key, &state}, func() error {
		found[k] = guard.ReadTotal(state)
		return nil
	})
	return found, err
}

// The organisation may be gone meanwhile.
const sqlUpsertTotals = `
INSERT INTO guard_totals (organisation_id, address, state, forget_at)
SELECT w.organisation_id, w.address, w.state, w.forget_at
FROM unnest($1::integer[], $2::text[], $3::bytea[], $4::timestamptz[]) AS w(organisation_id, address, state, forget_at)
JOIN organisations o USING (organisation_id)
ON CONFLICT (organisation_id, address) DO UPDATE SET state = EXCLUDED.state, forget_at = EXCLUDED.forget_at`

// sqlDeleteTotals deletes some with each that is written, so they never become many.
const sqlDeleteTotals = `
DELETE FROM guard_totals WHERE ctid = ANY(ARRAY(SELECT ctid FROM guard_totals WHERE forget_at < $1 LIMIT 100 FOR UPDATE SKIP LOCKED))`

func upsertTotals(ctx context.Context, tx pgx.Tx, keys []addressKey, totals map[addressKey]guard.Total, now time.Time) error {
	var b pgx.Batch
	b.Queue(sqlDeleteTotals, now)
	b.Queue(sqlUpsertTotals, addressOrganisations(keys), addressKeys(keys),
		column(keys, func(k addressKey) []byte { t := totals[k]; return t.Stored() }),
		column(keys, func(k addressKey) time.Time { t := totals[k]; return t.Forgotten() }))
	return tx.SendBatch(ctx, &b).Close()
}

func addressOrganisations(keys []addressKey) []int32 {
	return column(keys, func(k addressKey) int32 { return k.organisation })
}

func addressKeys(keys []addressKey) []string {
	return column(keys, func(k addressKey) string { return k.key })
}
