package outbound

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/bounce"
)

// upsertFailures counts the hard failures f against their addresses. One is suppressed at once for reasons that cannot heal,
// and else after three within 14 days, which may be recorded together, for 60 days: until is when the row is forgotten. A
// complaint, which is no failure, stops automatic mail alone. Of a row that counts still, what says less than it does not change it; one that has run out is as good as none.
const upsertFailures = `
INSERT INTO suppressions AS s (organisation_id, address, reason, active, automatic_only, failed_at, until, detail)
SELECT DISTINCT ON (organisation_id, lower(address)) organisation_id, lower(address), reason, at_once OR n >= 3, automatic_only,
       array_fill(now(), ARRAY[n]), now() + interval '60 days', detail
  FROM (SELECT *, least(count(*) FILTER (WHERE NOT automatic_only) OVER (PARTITION BY organisation_id, lower(address)), 9)::int AS n
          FROM f) counted
 ORDER BY organisation_id, lower(address), at_once DESC, automatic_only
ON CONFLICT (organisation_id, address) DO UPDATE
   SET (reason, detail, until, active, automatic_only, failed_at, last_at) = (
        SELECT CASE WHEN less THEN s.reason ELSE EXCLUDED.reason END,
               CASE WHEN less THEN s.detail ELSE EXCLUDED.detail END,
               CASE WHEN less OR counts AND s.until IS NULL THEN s.until ELSE EXCLUDED.until END,
               EXCLUDED.active OR counts OR third,
               CASE WHEN less THEN s.automatic_only ELSE EXCLUDED.automatic_only END,
               CASE WHEN EXCLUDED.automatic_only THEN s.failed_at ELSE (EXCLUDED.failed_at || recent)[:10] END,
               now()
          FROM (SELECT s.active AND coalesce(s.until > now(), true) AS counts,
                       ARRAY(SELECT t FROM unnest(s.failed_at) t WHERE t > now() - interval '14 days' ORDER BY t DESC LIMIT 9) AS recent) a,
               LATERAL (SELECT NOT EXCLUDED.automatic_only AND cardinality(EXCLUDED.failed_at || recent) >= 3 AS third) b,
               LATERAL (SELECT counts AND CASE WHEN EXCLUDED.active THEN NOT s.automatic_only AND
                                                    (EXCLUDED.automatic_only OR cardinality(EXCLUDED.failed_at) >= 3)
                                               ELSE NOT (s.automatic_only AND third) END AS less) c)`

const sqlFail = `
WITH f AS (
    SELECT organisation_id, address, reason, at_once, automatic_only, detail
      FROM unnest($1::int[], $2::text[], $3::text[], $4::boolean[], $5::boolean[], $6::text[])
        AS f (organisation_id, address, reason, at_once, automatic_only, detail)
)` + upsertFailures

// strike tells what a failure for good says about the address: that it is to be suppressed at once, that it counts
// towards that, or, when the fault is ours or the letter's, nothing.
func strike(reason string) (atOnce, counts bool) {
	switch reason {
	case bounce.UserUnknown, bounce.HostUnknown, bounce.Suspended:
		return true, true
	case bounce.Moved, bounce.MailboxFull, bounce.NotAccepting, bounce.Expired, bounce.Filtered, bounce.Undefined:
		return false, true
	}
	return false, false
}

// failure is one hard failure of an address.
type failure struct {
	organisation  int32
	address       string
	reason        string
	atOnce        bool
	automaticOnly bool
	detail        string
}

// strike is what a result says against its address: 0 nothing, 1 that it counts, 2 that it is to be suppressed at once.
func (r result) strike() int {
	once, counts := strike(r.decision.reason)
	switch {
	case r.attempt == nil || r.decision.outcome != Failed || !counts:
		return 0
	case once:
		return 2
	}
	return 1
}

func recordFailures(ctx context.Context, db querier, list []failure) error {
	if len(list) == 0 {
		return nil
	}
	var (
		organisations              []int32
		addresses, reasons, detail []string
		once, automatic            []bool
	)
	for _, f := range list {
		organisations, addresses, reasons = append(organisations, f.organisation), append(addresses, f.address), append(reasons, f.reason)
		detail, once, automatic = append(detail, storable(f.detail)), append(once, f.atOnce), append(automatic, f.automaticOnly)
	}
	_, err := db.Exec(ctx, sqlFail, organisations, addresses, reasons, once, automatic, detail)
	return err
}

// Suppression is one address that failed, and whether it is written to.
type Suppression struct {
	Organisation  int32
	Address       string
	Reason        string
	Active        bool
	AutomaticOnly bool // letters in a person's words still go out
	Failures      int  // hard ones, lately
	FirstAt       time.Time
	LastAt        time.Time
	Until         *time.Time // nil: for good
	Detail        string     // the remote host's words
}

const sqlSuppressions = `
SELECT organisation_id, address, reason, active AND coalesce(until > now(), true), automatic_only, cardinality(failed_at),
       first_at, last_at, until, detail
  FROM suppressions
 WHERE organisation_id = $1 AND address > $2 AND (active AND coalesce(until > now(), true) OR $3)
 ORDER BY organisation_id, address
 LIMIT $4`

// Suppressions lists up to limit addresses behind after in the order of the alphabet; counted too, if all,
// those that failed but are still written to.
func (q *Queue) Suppressions(ctx context.Context, organisation int32, after string, limit int, all bool) ([]Suppression, error) {
	rows, err := q.pool.Query(ctx, sqlSuppressions, organisation, after, all, limit)
	if err != nil {
		return nil, fmt.Errorf("list suppressions: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Suppression])
	if err != nil {
		return nil, fmt.Errorf("list suppressions: %w", err)
	}
	return list, nil
}

const sqlLift = `DELETE FROM suppressions WHERE organisation_id = $1 AND address = lower($2)`

// Lift forgets what stands against an address: an admin says so. It tells whether there was anything.
func (q *Queue) Lift(ctx context.Context, organisation int32, address string) (bool, error) {
	tag, err := q.pool.Exec(ctx, sqlLift, organisation, address)
	if err != nil {
		return false, fmt.Errorf("lift suppression: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

const sqlLiftAll = `
DELETE FROM suppressions s
 USING unnest($1::int[], $2::text[], $3::boolean[]) AS w (organisation_id, address, proven)
 WHERE s.organisation_id = w.organisation_id AND s.address = w.address AND (w.proven OR NOT (s.active AND s.automatic_only))`

// QueueLift is Lift within somebody's batch, for several addresses in lower case: fresh human letters from them have come. What a
// complaint stopped goes on only if it is proven that he who complained wrote.
func (q *Queue) QueueLift(b *pgx.Batch, organisations []int32, addresses []string, proven []bool) {
	b.Queue(sqlLiftAll, organisations, addresses, proven)
}
