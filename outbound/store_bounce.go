package outbound

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

// sqlVerdict logs what a report said and, if it said "failed" ($3), closes the delivery: one still in the queue (a
// report can be faster than our own record of the reply it follows), or one that was believed to have
// arrived.
const sqlVerdict = `
WITH known AS MATERIALIZED (
    SELECT recipient, attempts FROM deliveries WHERE organisation_id = $1 AND delivery_id = $2
    UNION ALL
    SELECT recipient, attempts FROM deliveries_done WHERE organisation_id = $1 AND delivery_id = $2
), gone AS (
    DELETE FROM deliveries WHERE organisation_id = $1 AND delivery_id = $2 AND $3
 RETURNING organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
           rfc_message_id, attempts, created_at
), moved AS (
    INSERT INTO deliveries_done (organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
                                 rfc_message_id, outcome, reason, attempts, created_at, last_code, last_text)
    SELECT organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
           rfc_message_id, 'failed', $5, attempts, created_at, nullif($7, 0), $9
      FROM gone
 RETURNING organisation_id, delivery_id, ticket_number, participant_no, recipient, outcome, reason, last_text
), changed AS (
    UPDATE deliveries_done SET outcome = 'failed', reason = $5, last_code = nullif($7, 0), last_text = $9
     WHERE organisation_id = $1 AND delivery_id = $2 AND $3 AND outcome IN ('delivered', 'unknown')
 RETURNING organisation_id, delivery_id, ticket_number, participant_no, recipient, outcome, reason, last_text
), logged AS (
    INSERT INTO attempts (organisation_id, delivery_id, attempt, result, reason, remote_host, code, enhanced, reply)
    SELECT $1, $2, attempts, $4, $5, $6, nullif($7, 0), $8, $9 FROM known
), final AS (
    SELECT * FROM moved UNION ALL SELECT * FROM changed
)
SELECT known.recipient, f.delivery_id IS NOT NULL AS closed, coalesce(f.ticket_number, 0), coalesce(f.participant_no, 0)
  FROM known LEFT JOIN final f ON true`

// sqlLockDelivery waits for a worker that is recording the delivery at this moment, so that sqlVerdict sees
// where it went.
const sqlLockDelivery = `SELECT FROM deliveries WHERE organisation_id = $1 AND delivery_id = $2 FOR UPDATE`

// recordVerdict returns the delivery's recipient, "" if it is unknown, and its outcome if that is new.
func recordVerdict(ctx context.Context, db querier, organisation int32, delivery id.ID, v verdict) (recipient string, _ *Final, err error) {
	if _, err := db.Exec(ctx, sqlLockDelivery, organisation, delivery); err != nil {
		return "", nil, err
	}
	f := Final{Organisation: organisation, Delivery: delivery, Outcome: Failed, Reason: storable(v.reason), Reply: storable(v.reply)}
	var closed bool
	err = db.QueryRow(ctx, sqlVerdict, organisation, delivery, v.failed, string(v.result), f.Reason, storable(v.host), v.code,
		storable(v.enhanced), f.Reply).Scan(&f.Recipient, &closed, &f.Ticket, &f.Participant)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", nil, nil
	case err != nil || !closed:
		return f.Recipient, nil, err
	}
	return f.Recipient, &f, nil
}
