package ticketing

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

const sqlSelectOrganisationIDs = `SELECT organisation_id FROM organisations ORDER BY organisation_id`

func selectOrganisationIDs(ctx context.Context, q querier) ([]int32, error) {
	rows, err := q.Query(ctx, sqlSelectOrganisationIDs)
	if err != nil {
		return nil, fmt.Errorf("list organisations: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return nil, fmt.Errorf("list organisations: %w", err)
	}
	return ids, nil
}

const sqlDeleteOldLetters = `
DELETE FROM letters WHERE organisation_id = $1 AND letter_id = ANY(ARRAY(
    SELECT l.letter_id FROM letters l
     WHERE l.organisation_id = $1 AND l.outcome IN ('bounce', 'rejected', 'unhandled', 'over_limit')
       AND l.received_at < now() - make_interval(secs => $2)
       AND NOT EXISTS (SELECT FROM entries e WHERE e.organisation_id = l.organisation_id AND e.letter_id = l.letter_id AND e.kind <> 'event')
     ORDER BY l.organisation_id, l.letter_id LIMIT $3
       FOR UPDATE SKIP LOCKED))`

func deleteOldLetters(ctx context.Context, q querier, organisation int32, before time.Duration, limit int) (more bool, err error) {
	tag, err := q.Exec(ctx, sqlDeleteOldLetters, organisation, before.Seconds(), limit)
	if err != nil {
		return false, fmt.Errorf("remove old letters: %w", err)
	}
	return tag.RowsAffected() == int64(limit), nil
}

const sqlTakeLooseLetters = `
DELETE FROM loose_letters WHERE ctid = ANY(ARRAY(SELECT ctid FROM loose_letters LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING organisation_id, letter_id`

const sqlDeleteLooseLetters = `
DELETE FROM letters l USING unnest($1::int[], $2::uuid[]) AS w (organisation_id, letter_id)
 WHERE l.organisation_id = w.organisation_id AND l.letter_id = w.letter_id AND l.outcome NOT IN ('held', 'unprocessed')
   AND NOT EXISTS (SELECT FROM entries e WHERE e.organisation_id = l.organisation_id AND e.letter_id = l.letter_id AND e.kind <> 'event')`

func deleteLooseLetters(ctx context.Context, tx pgx.Tx, limit int) (more bool, err error) {
	return deleteLoose[id.ID](ctx, tx, sqlTakeLooseLetters, sqlDeleteLooseLetters, limit)
}

const sqlTakeLooseBlobs = `
DELETE FROM loose_blobs WHERE ctid = ANY(ARRAY(SELECT ctid FROM loose_blobs LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING organisation_id, sha256`

// sqlDeleteLooseBlobs: should somebody add a reference at this very moment, one of both waits for the other, and an intake
// that finds the file gone does its batch again.
const sqlDeleteLooseBlobs = `
DELETE FROM blobs b USING unnest($1::int[], $2::bytea[]) AS w (organisation_id, sha256)
 WHERE b.organisation_id = w.organisation_id AND b.sha256 = w.sha256
   AND NOT EXISTS (SELECT FROM attachments a WHERE a.organisation_id = b.organisation_id AND a.sha256 = b.sha256)`

func deleteLooseBlobs(ctx context.Context, tx pgx.Tx, limit int) (more bool, err error) {
	return deleteLoose[[]byte](ctx, tx, sqlTakeLooseBlobs, sqlDeleteLooseBlobs, limit)
}

// deleteLoose takes some of what was noted and removes of it what nobody refers to.
func deleteLoose[K any](ctx context.Context, tx pgx.Tx, take, remove string, limit int) (more bool, err error) {
	rows, err := tx.Query(ctx, take, limit)
	if err != nil {
		return false, fmt.Errorf("take what may be loose: %w", err)
	}
	var organisations []int32
	var keys []K
	var organisation int32
	var key K
	_, err = pgx.ForEachRow(rows, []any{&organisation, &key}, func() error {
		organisations, keys = append(organisations, organisation), append(keys, key)
		key = *new(K) // the next one gets bytes of its own
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("take what may be loose: %w", err)
	}
	if len(keys) == 0 {
		return false, nil
	}
	if _, err := tx.Exec(ctx, remove, organisations, keys); err != nil {
		return false, fmt.Errorf("remove what is loose: %w", err)
	}
	return len(keys) == limit, nil
}
