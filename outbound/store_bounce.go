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
    SELECT recipient, attempts, ticket_number, participant_no FROM deliveries WHERE organisation_id = $1 AND delivery_id = $2
    UNION ALL
    SELECT recipient, attempts, ticket_number, participant_no FROM deliveries_done WHERE organisation_id = $1 AND delivery_id = $2
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
SELECT known.recipient, f.delivery_id IS NOT NULL AS closed, coalesce(known.ticket_number, 0), coalesce(known.participant_no, 0)
  FROM known LEFT JOIN final f ON true`

// sqlLateNews tells, once, whether a report of a delay says something new: DelayNotice ($3, in seconds) has passed, and nobody was
// told of it, neither while the delivery was in the queue, nor by an earlier report, which stands in the log. $4 is its result.
const sqlLateNews = `
WITH told AS (
    UPDATE deliveries SET check_at = expires_at
     WHERE organisation_id = $1 AND delivery_id = $2 AND check_at < expires_at AND created_at <= now() - make_interval(secs => $3)
 RETURNING delivery_id
)
SELECT EXISTS (SELECT FROM told) OR EXISTS (
    SELECT FROM deliveries_done d
     WHERE d.organisation_id = $1 AND d.delivery_id = $2 AND d.outcome IN ('delivered', 'unknown')
       AND d.created_at <= now() - make_interval(secs => $3) AND d.finished_at < d.created_at + make_interval(secs => $3)
       AND NOT EXISTS (SELECT FROM attempts a
                        WHERE a.organisation_id = $1 AND a.delivery_id = $2 AND a.result = $4
                          AND a.at >= d.created_at + make_interval(secs => $3)))`

// sqlLockDone lets one report of a delay wait for another.
const sqlLockDone = `SELECT FROM deliveries_done WHERE organisation_id = $1 AND delivery_id = $2 FOR NO KEY UPDATE`

// lateNews tells whether somebody is to hear that a delivery is delayed. It must be asked before the report is logged.
func lateNews(ctx context.Context, db querier, organisation int32, delivery id.ID) (news bool, err error) {
	if _, err := db.Exec(ctx, sqlLockDone, organisation, delivery); err != nil {
		return false, err
	}
	err = db.QueryRow(ctx, sqlLateNews, organisation, delivery, DelayNotice.Seconds(), string(ResultLate)).Scan(&news)
	return news, err
}

// sqlComplained tells whether an earlier report of a complaint about the delivery is in the log.
const sqlComplained = `
SELECT EXISTS (SELECT FROM attempts WHERE organisation_id = $1 AND delivery_id = $2 AND result = $3 AND lower(reason) = ANY($4))`

// complainedBefore must be asked before a report is logged.
func complainedBefore(ctx context.Context, db querier, organisation int32, delivery id.ID) (before bool, err error) {
	err = db.QueryRow(ctx, sqlComplained, organisation, delivery, string(resultComplaint), complaints).Scan(&before)
	return before, err
}

// sqlLockDelivery waits for a worker that is recording the delivery at this moment, so that sqlVerdict sees
// where it went.
const sqlLockDelivery = `SELECT FROM deliveries WHERE organisation_id = $1 AND delivery_id = $2 FOR UPDATE`

// recordVerdict returns the delivery, nil if it is unknown, and whether this verdict closed it.
func recordVerdict(ctx context.Context, db querier, organisation int32, delivery id.ID, v verdict) (_ *Final, closed bool, err error) {
	if _, err := db.Exec(ctx, sqlLockDelivery, organisation, delivery); err != nil {
		return nil, false, err
	}
	f := Final{Organisation: organisation, Delivery: delivery, Outcome: Failed, Reason: storable(v.reason), Reply: storable(v.reply)}
	err = db.QueryRow(ctx, sqlVerdict, organisation, delivery, v.failed, string(v.result), f.Reason, storable(v.host), v.code,
		storable(v.enhanced), f.Reply).Scan(&f.Recipient, &closed, &f.Ticket, &f.Participant)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return &f, closed, nil
}

// sqlSiblings lists the deliveries that carry the same letter as one, itself among them, to the same site: another site
// knows nothing of them. A letter of its own has itself alone.
const sqlSiblings = `
WITH named AS MATERIALIZED (
    SELECT message_id, recipient, lane FROM deliveries WHERE organisation_id = $1 AND delivery_id = $2
    UNION ALL
    SELECT message_id, recipient, lane FROM deliveries_done WHERE organisation_id = $1 AND delivery_id = $2
    LIMIT 1
), others AS MATERIALIZED (
    SELECT s.delivery_id, s.recipient
      FROM named n
      JOIN shared_deliveries s ON s.organisation_id = $1 AND s.message_id = n.message_id
     CROSS JOIN LATERAL (
            SELECT lane FROM deliveries WHERE organisation_id = $1 AND delivery_id = s.delivery_id
             UNION ALL
            SELECT lane FROM deliveries_done WHERE organisation_id = $1 AND delivery_id = s.delivery_id) l
     WHERE l.lane = n.lane
     ORDER BY s.delivery_id LIMIT 1000
)
SELECT delivery_id, recipient FROM others
UNION ALL
SELECT $2, recipient FROM named WHERE NOT EXISTS (SELECT FROM others)`

func selectSiblings(ctx context.Context, db querier, organisation int32, delivery id.ID) ([]sibling, error) {
	rows, err := db.Query(ctx, sqlSiblings, organisation, delivery)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[sibling])
}
