package outbound

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

// What people do to deliveries and lanes by hand. None of it touches a delivery that is being sent:
// its fate is in the hands of another host.

// sqlHold: a delivery held by hand neither becomes due nor expires.
const sqlHold = `
UPDATE deliveries SET state = 'held', next_at = 'infinity', check_at = 'infinity', expires_at = 'infinity'
 WHERE organisation_id = $1 AND delivery_id = $2 AND state <> 'leased'`

// sqlRetry puts a delivery in front of its lane, and lets the lane be probed now. One that was held
// by hand has its full time again. In a lane that is paused nothing can be sent now, but what is held can be released.
const sqlRetry = `
WITH freed AS (
    UPDATE deliveries
       SET state = CASE WHEN attempts = 0 THEN 'queued' ELSE 'deferred' END, next_at = '-infinity',
           check_at = CASE WHEN isfinite(expires_at) THEN check_at ELSE now() + make_interval(secs => $3) END,
           expires_at = CASE WHEN isfinite(expires_at) THEN expires_at ELSE now() + make_interval(secs => $4) END
     WHERE organisation_id = $1 AND delivery_id = $2 AND state <> 'leased'
       AND CASE WHEN $5 THEN state = 'held' ELSE NOT EXISTS (SELECT FROM lanes l WHERE l.lane = deliveries.lane AND l.paused) END
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

const sqlState = `
SELECT state, coalesce(paused, false)
  FROM deliveries LEFT JOIN lanes USING (lane)
 WHERE organisation_id = $1 AND delivery_id = $2`

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

// sqlLane finds a lane that has a row of its own, as each has from its first claim on, or deliveries.
const sqlLane = `
SELECT coalesce((SELECT paused FROM lanes WHERE lane = $1), false)
 WHERE EXISTS (SELECT FROM lanes WHERE lane = $1)
    OR EXISTS (SELECT FROM deliveries WHERE lane = $1 AND state <> 'leased')`

// sqlDueNow makes due what waits in a lane for its next attempt. What is held stays so.
const sqlDueNow = `
UPDATE deliveries SET next_at = now()
 WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM deliveries
     WHERE lane = $1 AND state <> 'leased' AND state <> 'held' AND next_at > now() AND next_at < 'infinity'
     ORDER BY next_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED))`

const sqlRetryLane = `UPDATE lanes SET next_at = '-infinity', changed_at = now() WHERE lane = $1`

// Hold keeps a delivery back until Release or Cancel.
func (q *Queue) Hold(ctx context.Context, organisation int32, delivery id.ID) error {
	tag, err := q.pool.Exec(ctx, sqlHold, organisation, delivery)
	if err == nil && tag.RowsAffected() == 0 {
		err = untouched(ctx, q.pool, organisation, delivery, false)
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

// Retry makes a delivery, held or not, the next of its lane, and lets the lane be tried now; if that is paused, the error is
// ErrPaused.
func (q *Queue) Retry(ctx context.Context, organisation int32, delivery id.ID) error {
	return q.free(ctx, organisation, delivery, false)
}

func (q *Queue) free(ctx context.Context, organisation int32, delivery id.ID, onlyHeld bool) error {
	var lane string
	err := q.pool.QueryRow(ctx, sqlRetry, organisation, delivery, DelayNotice.Seconds(), Expiry.Seconds(), onlyHeld).Scan(&lane)
	if errors.Is(err, pgx.ErrNoRows) {
		err = untouched(ctx, q.pool, organisation, delivery, !onlyHeld)
	}
	if err != nil {
		return fmt.Errorf("let delivery go: %w", err)
	}
	q.Hint()
	return nil
}

// Cancel ends a delivery without sending it, and tells OnFinal.
func (q *Queue) Cancel(ctx context.Context, organisation int32, delivery id.ID) error {
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		finals, err := collectFinals(tx.Query(ctx, sqlCancel, organisation, delivery))
		if err == nil && len(finals) == 0 {
			err = untouched(ctx, tx, organisation, delivery, false)
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

// untouched tells why an action found no row to act on; only a retry minds that the lane is paused.
func untouched(ctx context.Context, db querier, organisation int32, delivery id.ID, retry bool) error {
	var state string
	var paused bool
	err := db.QueryRow(ctx, sqlState, organisation, delivery).Scan(&state, &paused)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNoDelivery
	case err != nil:
		return err
	case state == "leased":
		return ErrLeased
	case retry && paused:
		return ErrPaused
	}
	return ErrNoDelivery
}

// laneRows is how many deliveries of a lane are changed in one transaction.
const laneRows = 5000

// LaneNamed reads the name of a lane as people write it: a domain in any case and alphabet, or the own lane of an organisation
// with a relay. The error is ErrNoLane for what no lane can be called.
func LaneNamed(text string) (string, error) {
	lane := strings.ToLower(text)
	if organisation, ok := ownerOf(lane); ok {
		kind, _, _ := strings.Cut(lane, ":")
		return Relay{Kind: kind}.lane(organisation), nil
	}
	lane, err := address.ParseDomain(text)
	if err != nil {
		return "", fmt.Errorf("%q: %w: %w", text, ErrNoLane, err)
	}
	return lane, nil
}

// lanePaused tells whether a lane is paused. The error is ErrNoLane if nothing was ever sent there, nor waits.
func (q *Queue) lanePaused(ctx context.Context, lane string) (paused bool, err error) {
	err = q.pool.QueryRow(ctx, sqlLane, lane).Scan(&paused)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoLane
	}
	return paused, err
}

// PauseLane stops or continues a lane for all organisations. What is under way is not interrupted. Nothing expires in a lane
// that is paused, and what was near its end has its full time again when the lane goes on. A lane can be paused before anything
// was sent there; the error is ErrNoLane when such a one is to go on.
func (q *Queue) PauseLane(ctx context.Context, lane string, paused bool) error {
	if !paused {
		if _, err := q.lanePaused(ctx, lane); err != nil {
			return fmt.Errorf("resume lane: %w", err)
		}
	}
	for more := !paused; more; { // before the lane goes on: then nothing of it expires meanwhile
		tag, err := q.pool.Exec(ctx, sqlRestoreTime, lane, Expiry.Seconds(), laneRows)
		if err != nil {
			return fmt.Errorf("restore the time of what waits: %w", err)
		}
		more = tag.RowsAffected() == laneRows
	}
	if _, err := q.pool.Exec(ctx, sqlPauseLane, lane, paused); err != nil {
		return fmt.Errorf("pause lane: %w", err)
	}
	q.Hint()
	return nil
}

// RetryLane lets a lane that is backed off be tried now, and with it all that waits there for its next attempt, which may be hours
// away. The error is ErrNoLane if there is no such lane, and ErrPaused if it is paused.
func (q *Queue) RetryLane(ctx context.Context, lane string) error {
	paused, err := q.lanePaused(ctx, lane)
	if err == nil && paused {
		err = ErrPaused
	}
	for more := err == nil; more; {
		var tag pgconn.CommandTag
		tag, err = q.pool.Exec(ctx, sqlDueNow, lane, laneRows)
		more = err == nil && tag.RowsAffected() == laneRows
	}
	if err == nil {
		_, err = q.pool.Exec(ctx, sqlRetryLane, lane)
	}
	if err != nil {
		return fmt.Errorf("retry lane: %w", err)
	}
	q.Hint()
	return nil
}
