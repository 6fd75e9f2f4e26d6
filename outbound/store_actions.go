package outbound

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

// What people do to deliveries and lanes by hand. None of it touches a delivery that is being sent:
// its fate is in the hands of another host.

// sqlHold: a delivery held by hand neither becomes due nor expires.
const sqlHold = `
UPDATE deliveries SET state = 'held', next_at = 'infinity', check_at = 'infinity', expires_at = 'infinity'
 WHERE organisation_id = $1 AND delivery_id = $2 AND state <> 'leased'`

// sqlRetry puts a delivery in front of its lane, and lets the lane be probed now. One that was held
// by hand has its full time again.
const sqlRetry = `
WITH freed AS (
    UPDATE deliveries
       SET state = CASE WHEN attempts = 0 THEN 'queued' ELSE 'deferred' END, next_at = '-infinity',
           check_at = CASE WHEN isfinite(expires_at) THEN check_at ELSE now() + make_interval(secs => $3) END,
           expires_at = CASE WHEN isfinite(expires_at) THEN expires_at ELSE now() + make_interval(secs => $4) END
     WHERE organisation_id = $1 AND delivery_id = $2 AND state <> 'leased' AND (state = 'held' OR NOT $5)
 RETURNING lane
), probed AS (
    UPDATE lanes SET next_at = '-infinity' WHERE lane = (SELECT lane FROM freed) AND next_at > now()
)
SELECT lane FROM freed`

const sqlCancel = `
WITH gone AS (
    DELETE FROM deliveries
     WHERE organisation_id = $1 AND delivery_id = $2 AND state <> 'leased'
 RETURNING organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
           rfc_message_id, attempts, created_at, last_code, last_text
)
INSERT INTO deliveries_done (organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
                             rfc_message_id, outcome, attempts, created_at, last_code, last_text)
SELECT organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
       rfc_message_id, 'cancelled', attempts, created_at, last_code, last_text
  FROM gone
RETURNING organisation_id, delivery_id, coalesce(ticket_number, 0), coalesce(participant_no, 0), recipient, outcome,
          reason, coalesce(last_text, '')`

// sqlCancelSeen takes back what waits out its grace period for a participant who has seen it meanwhile.
const sqlCancelSeen = `
WITH gone AS (
    DELETE FROM deliveries
     WHERE organisation_id = $1 AND ticket_number = $2 AND participant_no = $3 AND state = 'held' AND isfinite(next_at) AND cancel_if_seen
 RETURNING organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
           rfc_message_id, attempts, created_at
)
INSERT INTO deliveries_done (organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
                             rfc_message_id, outcome, reason, attempts, created_at)
SELECT organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
       rfc_message_id, 'cancelled', 'seen', attempts, created_at
  FROM gone`

const sqlState = `SELECT state FROM deliveries WHERE organisation_id = $1 AND delivery_id = $2`

const sqlPauseLane = `
INSERT INTO lanes (lane, paused) VALUES ($1, $2)
ON CONFLICT (lane) DO UPDATE SET paused = EXCLUDED.paused, changed_at = now()`

// sqlRestoreTime gives what waits in a paused lane, and has not its full time any more, that time again, but for a day at most:
// so a short pause touches nothing. What is held by hand has no end to move.
const sqlRestoreTime = `
UPDATE deliveries
   SET check_at = CASE WHEN check_at < expires_at THEN check_at ELSE now() + make_interval(secs => $2) END,
       expires_at = now() + make_interval(secs => $2)
 WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM deliveries
     WHERE lane = $1 AND state <> 'leased' AND next_at < 'infinity' AND expires_at < now() + make_interval(secs => $2) - interval '1 day'
       AND EXISTS (SELECT FROM lanes WHERE lane = $1 AND paused)
     ORDER BY next_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED))`

const sqlRetryLane = `UPDATE lanes SET next_at = '-infinity', changed_at = now() WHERE lane = $1`

// Hold keeps a delivery back until Release or Cancel.
func (q *Queue) Hold(ctx context.Context, organisation int32, delivery id.ID) error {
	tag, err := q.pool.Exec(ctx, sqlHold, organisation, delivery)
	if err == nil && tag.RowsAffected() == 0 {
		err = untouched(ctx, q.pool, organisation, delivery)
	}
	if err != nil {
		return fmt.Errorf("hold delivery: %w", err)
	}
	return nil
}

// Release lets a held delivery go; one that is not held is ErrNoDelivery.
func (q *Queue) Release(ctx context.Context, organisation int32, delivery id.ID) error {
	return q.free(ctx, organisation, delivery, true)
}

// Retry makes a delivery, held or not, the next of its lane, and lets the lane be tried now.
func (q *Queue) Retry(ctx context.Context, organisation int32, delivery id.ID) error {
	return q.free(ctx, organisation, delivery, false)
}

func (q *Queue) free(ctx context.Context, organisation int32, delivery id.ID, onlyHeld bool) error {
	var lane string
	err := q.pool.QueryRow(ctx, sqlRetry, organisation, delivery, DelayNotice.Seconds(), Expiry.Seconds(), onlyHeld).Scan(&lane)
	if errors.Is(err, pgx.ErrNoRows) {
		err = untouched(ctx, q.pool, organisation, delivery)
	}
	if err != nil {
		return fmt.Errorf("release delivery: %w", err)
	}
	q.Hint()
	return nil
}

// Cancel ends a delivery without sending it, and tells OnFinal.
func (q *Queue) Cancel(ctx context.Context, organisation int32, delivery id.ID) error {
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		finals, err := collectFinals(tx.Query(ctx, sqlCancel, organisation, delivery))
		if err == nil && len(finals) == 0 {
			err = untouched(ctx, tx, organisation, delivery)
		}
		if err != nil {
			return err
		}
		return callFinal(ctx, tx, q.OnFinal, finals)
	})
	if err != nil {
		return fmt.Errorf("cancel delivery: %w", err)
	}
	return nil
}

// QueueCancelSeen appends to b the statement that cancels what waits out its grace period (Delivery.Hold, CancelSeen) for
// a participant who has seen the message in another way. OnFinal is not told: the caller knows.
func (q *Queue) QueueCancelSeen(b *pgx.Batch, organisation int32, ticket int64, participant int) {
	b.Queue(sqlCancelSeen, organisation, ticket, participant)
}

// CancelSeen is QueueCancelSeen by itself; it tells how many deliveries were cancelled.
func (q *Queue) CancelSeen(ctx context.Context, organisation int32, ticket int64, participant int) (int, error) {
	tag, err := q.pool.Exec(ctx, sqlCancelSeen, organisation, ticket, participant)
	if err != nil {
		return 0, fmt.Errorf("cancel what was seen: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// untouched tells why an action found no row to act on.
func untouched(ctx context.Context, db querier, organisation int32, delivery id.ID) error {
	var state string
	err := db.QueryRow(ctx, sqlState, organisation, delivery).Scan(&state)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNoDelivery
	case err != nil:
		return err
	case state == "leased":
		return ErrLeased
	}
	return ErrNoDelivery
}

// restoreRows is how many deliveries have their time restored in one transaction.
const restoreRows = 5000

// PauseLane stops or continues a lane for all organisations. What is under way is not interrupted. Nothing expires in a lane
// that is paused, and what was near its end has its full time again when the lane goes on.
func (q *Queue) PauseLane(ctx context.Context, lane string, paused bool) error {
	for more := !paused; more; { // before the lane goes on: then nothing of it expires meanwhile
		tag, err := q.pool.Exec(ctx, sqlRestoreTime, lane, Expiry.Seconds(), restoreRows)
		if err != nil {
			return fmt.Errorf("restore the time of what waits: %w", err)
		}
		more = tag.RowsAffected() == restoreRows
	}
	if _, err := q.pool.Exec(ctx, sqlPauseLane, lane, paused); err != nil {
		return fmt.Errorf("pause lane: %w", err)
	}
	q.Hint()
	return nil
}

// RetryLane lets a lane that is backed off be tried now.
func (q *Queue) RetryLane(ctx context.Context, lane string) error {
	if _, err := q.pool.Exec(ctx, sqlRetryLane, lane); err != nil {
		return fmt.Errorf("retry lane: %w", err)
	}
	q.Hint()
	return nil
}
