package outbound

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

// Lengths of a lease. A worker that lives renews its leases; of one that died they are taken back.
const (
	leaseTime  = 2 * time.Minute
	leaseRenew = 30 * time.Second
)

// sqlPending walks the index deliveries_due from lane to lane, one descent each, so it costs the
// same whether a lane holds one row or 200,000. A lane that is ready has something due, is not
// paused or backed off, and has room for one more batch; while it fails, one batch probes it.
const sqlPending = `
WITH RECURSIVE pending AS (
    (SELECT lane, next_at FROM deliveries WHERE state <> 'leased' AND lane > $1 ORDER BY lane, next_at LIMIT 1)
    UNION ALL
    SELECT n.lane, n.next_at
      FROM pending p
     CROSS JOIN LATERAL (SELECT d.lane, d.next_at FROM deliveries d
                          WHERE d.state <> 'leased' AND d.lane > p.lane
                          ORDER BY d.lane, d.next_at LIMIT 1) n
)
SELECT p.lane,
       p.next_at <= now() AND (l.lane IS NULL OR l.next_at <= now() AND NOT l.paused
           AND l.inflight < CASE WHEN l.fail_streak > 0 THEN 1 ELSE l.max_inflight END) AS ready,
       l.lane IS NULL AS fresh,
       coalesce(l.fail_streak = 0 AND l.max_inflight > 2, false) AS proven,
       coalesce(extract(epoch FROM l.changed_at), 0)::float8 AS used
  FROM (SELECT lane, next_at FROM pending LIMIT $2) p
  LEFT JOIN lanes l ON l.lane = p.lane
 ORDER BY p.lane`

type pendingLane struct {
	Lane   string
	Ready  bool
	Fresh  bool    // it has no row yet
	Proven bool    // its site took letters of late without trouble: it has more than the connections that each lane begins with
	Used   float64 // when a batch of it last began or ended, in seconds since 1970; 0: never
}

// pending lists up to limit lanes that hold deliveries, in the order of their names, behind after.
func pending(ctx context.Context, db querier, after string, limit int) ([]pendingLane, error) {
	rows, err := db.Query(ctx, sqlPending, after, limit)
	if err != nil {
		return nil, fmt.Errorf("look for due lanes: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pendingLane])
	if err != nil {
		return nil, fmt.Errorf("look for due lanes: %w", err)
	}
	return list, nil
}

const sqlMakeLanes = `
INSERT INTO lanes (lane) SELECT lane FROM unnest($1::text[]) AS n (lane) ORDER BY lane ON CONFLICT DO NOTHING`

func makeLanes(ctx context.Context, db querier, lanes []string) error {
	if _, err := db.Exec(ctx, sqlMakeLanes, lanes); err != nil {
		return fmt.Errorf("make lanes: %w", err)
	}
	return nil
}

// sqlClaim leases one batch from each of the lanes, as far as $5 deliveries go. It waits for nobody: a lane or a row that another
// node has at this moment is skipped. The attempt is counted here and the next one set, so that a
// worker which dies each time cannot hammer anybody. The rows are found again by their place, because
// the planner takes a join for a reason to read the whole table.
const sqlClaim = `
WITH ready AS MATERIALIZED (
    SELECT lane, CASE WHEN fail_streak > 0 THEN 1 ELSE $2 END AS most, gen_random_uuid() AS batch
      FROM lanes
     WHERE lane = ANY($1) AND next_at <= now() AND NOT paused
       AND inflight < CASE WHEN fail_streak > 0 THEN 1 ELSE max_inflight END
     ORDER BY lane
       FOR NO KEY UPDATE SKIP LOCKED
), picked AS MATERIALIZED (
    SELECT d.tid
      FROM ready r
     CROSS JOIN LATERAL (SELECT ctid AS tid FROM deliveries
                          WHERE lane = r.lane AND state <> 'leased' AND next_at <= now()
                          ORDER BY next_at LIMIT r.most
                            FOR NO KEY UPDATE SKIP LOCKED) d
     LIMIT $5
), leased AS (
    UPDATE deliveries d
       SET state = 'leased', lease_owner = (SELECT batch FROM ready r WHERE r.lane = d.lane),
           lease_until = now() + make_interval(secs => $3), attempts = d.attempts + 1,
           next_at = now() + make_interval(secs => ($4::float8[])[least(d.attempts + 1, cardinality($4::float8[]))])
     WHERE d.ctid = ANY(ARRAY(SELECT tid FROM picked))
 RETURNING d.organisation_id, d.delivery_id, d.message_id, coalesce(d.ticket_number, 0) AS ticket_number,
           coalesce(d.participant_no, 0) AS participant_no, d.recipient, d.recipient_name, d.lane, d.rfc_message_id, d.refs,
           d.unsubscribe, d.automatic, d.require_tls, d.attempts, d.broke, d.lease_owner, d.created_at, d.expires_at
), counted AS (
    UPDATE lanes l SET inflight = l.inflight + 1, changed_at = now()
     WHERE l.lane = ANY(ARRAY(SELECT lane FROM leased))
)
SELECT organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, recipient_name, lane,
       rfc_message_id, refs, unsubscribe, automatic, require_tls, attempts, broke, lease_owner, created_at,
       extract(epoch FROM expires_at - now())::float8 AS seconds_left,
       EXISTS (SELECT FROM suppressions s
                WHERE s.organisation_id = leased.organisation_id AND s.address = lower(leased.recipient)
                  AND s.active AND (s.until IS NULL OR s.until > now())
                  AND (leased.automatic OR NOT s.automatic_only)) AS suppressed
  FROM leased
 ORDER BY lane, lease_owner, suppressed DESC, delivery_id`

// lease is one delivery that is ours to attempt.
type lease struct {
	OrganisationID int32
	DeliveryID     id.ID
	MessageID      id.ID
	TicketNumber   int64
	ParticipantNo  int
	Recipient      string
	RecipientName  string
	Lane           string
	RFCMessageID   string `db:"rfc_message_id"`
	Refs           string
	Unsubscribe    bool
	Automatic      bool // no person's words
	RequireTLS     bool `db:"require_tls"`
	Attempts       int  // the number of this attempt, from 1
	Broke          bool
	LeaseOwner     id.ID // its batch
	CreatedAt      time.Time
	SecondsLeft    float64 // until it expires
	Suppressed     bool
}

// batch is what one connection carries: deliveries of one lane.
type batch struct {
	lane   string
	owner  id.ID
	leases []lease
}

// maxClaimed bounds the deliveries that one statement claims, and so the time that it takes and keeps its rows locked:
// BenchmarkClaim tells 7.7 ms for 100 and 1.2 ms for 20, on a laden machine.
const maxClaimed = 20

// claim leases up to size deliveries of each of the lanes, in their order, up to maxClaimed in all.
func claim(ctx context.Context, db querier, lanes []string, size int) ([]batch, error) {
	rows, err := db.Query(ctx, sqlClaim, lanes, size, leaseTime.Seconds(), seconds(schedule), maxClaimed)
	if err != nil {
		return nil, fmt.Errorf("claim: %w", err)
	}
	leases, err := pgx.CollectRows(rows, pgx.RowToStructByName[lease])
	if err != nil {
		return nil, fmt.Errorf("claim: %w", err)
	}
	var list []batch
	for _, l := range leases {
		if n := len(list); n == 0 || list[n-1].owner != l.LeaseOwner {
			list = append(list, batch{lane: l.Lane, owner: l.LeaseOwner})
		}
		last := &list[len(list)-1]
		last.leases = append(last.leases, l)
	}
	return list, nil
}

const sqlRenew = `
UPDATE deliveries SET lease_until = now() + make_interval(secs => $2)
 WHERE state = 'leased' AND lease_until < now() + make_interval(secs => $3) AND lease_owner = ANY($1)`

// renew keeps the leases of batches that are still at work.
func renew(ctx context.Context, db querier, owners []id.ID) error {
	if _, err := db.Exec(ctx, sqlRenew, owners, leaseTime.Seconds(), (leaseTime - leaseRenew).Seconds()); err != nil {
		return fmt.Errorf("renew leases: %w", err)
	}
	return nil
}
