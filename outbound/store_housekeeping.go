package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/bounce"
)

// Advisory locks, one for each regular work: lockClass and a number.
const (
	lockClass      = 0x6d786f // "mxo"
	lockReap       = 1
	lockSweep      = 2
	lockPartitions = 3
	lockForget     = 4
	lockAttempts   = 9
	lockReports    = 20
	lockRotate     = 5
)

const sqlTryLock = `SELECT pg_try_advisory_xact_lock($1, $2)`

func tryLock(ctx context.Context, tx pgx.Tx, lock int) (ok bool, err error) {
	if err := tx.QueryRow(ctx, sqlTryLock, lockClass, lock).Scan(&ok); err != nil {
		return false, fmt.Errorf("advisory lock: %w", err)
	}
	return ok, nil
}

// sqlReap takes back leases that nobody renewed. The attempt stays counted and its next one set.
const sqlReap = `
UPDATE deliveries SET state = 'deferred', lease_owner = NULL, lease_until = NULL
 WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM deliveries
     WHERE state = 'leased' AND lease_until < now()
     ORDER BY lease_until LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED))`

// sqlLockBusyLanes and sqlRecount count again what batches are really out: the locks keep others from claiming
// between the two, and the second statement sees all that was committed before.
const (
	sqlLockBusyLanes = `SELECT lane FROM lanes WHERE inflight > 0 ORDER BY lane FOR NO KEY UPDATE SKIP LOCKED`
	sqlRecount       = `
UPDATE lanes l SET inflight = coalesce(r.batches, 0)
  FROM unnest($1::text[]) AS n (lane)
  LEFT JOIN (SELECT lane, count(DISTINCT lease_owner)::int AS batches FROM deliveries WHERE state = 'leased' GROUP BY lane) r USING (lane)
 WHERE l.lane = n.lane AND l.inflight <> coalesce(r.batches, 0)`
)

func reap(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, sqlReap); err != nil {
		return fmt.Errorf("expired leases: %w", err)
	}
	rows, err := tx.Query(ctx, sqlLockBusyLanes)
	if err != nil {
		return fmt.Errorf("lock busy lanes: %w", err)
	}
	lanes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("lock busy lanes: %w", err)
	}
	if len(lanes) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, sqlRecount, lanes); err != nil {
		return fmt.Errorf("recount lanes: %w", err)
	}
	return nil
}

// overdue are the first $1 rows whose time is over, whatever their lanes: what fails them and what postpones them look at the same
// ones, so that neither reads past many of the other's.
const overdue = `
        SELECT ctid, lane FROM deliveries
         WHERE check_at <= now() AND expires_at <= now() AND state <> 'leased'
         ORDER BY check_at LIMIT $1 FOR UPDATE SKIP LOCKED`

// What is over time in a lane that somebody paused has not failed: it has its full time again.
const (
	sqlPostpone = `
UPDATE deliveries SET check_at = now() + make_interval(secs => $2), expires_at = now() + make_interval(secs => $2)
 WHERE ctid = ANY(ARRAY(
    SELECT due.ctid FROM (` + overdue + `) due
     WHERE EXISTS (SELECT FROM lanes l WHERE l.lane = due.lane AND l.paused)))`
	sqlExpire = `
WITH gone AS (
    DELETE FROM deliveries
     WHERE ctid = ANY(ARRAY(
        SELECT due.ctid FROM (` + overdue + `) due
         WHERE NOT EXISTS (SELECT FROM lanes l WHERE l.lane = due.lane AND l.paused)))
 RETURNING organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
           rfc_message_id, broke, attempts, created_at, last_code, last_text
)
INSERT INTO deliveries_done (organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
                             rfc_message_id, outcome, reason, attempts, created_at, last_code, last_text)
SELECT organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
       rfc_message_id, CASE WHEN broke THEN 'unknown' ELSE 'failed' END, $2, attempts, created_at, last_code, last_text
  FROM gone
RETURNING organisation_id, delivery_id, coalesce(ticket_number, 0), coalesce(participant_no, 0), recipient, outcome,
          reason, coalesce(last_text, '')`
)

// expire fails what waited too long, in lanes that never let it through, and postpones what waits in paused ones.
func expire(ctx context.Context, tx pgx.Tx) (expired []Final, postponed int, err error) {
	tag, err := tx.Exec(ctx, sqlPostpone, sweepRows, Expiry.Seconds())
	if err != nil {
		return nil, 0, err
	}
	expired, err = collectFinals(tx.Query(ctx, sqlExpire, sweepRows, bounce.Expired))
	return expired, int(tag.RowsAffected()), err
}

// sqlTellLate: check_at is the time of the notice, then of the end.
const sqlTellLate = `
UPDATE deliveries SET check_at = expires_at
 WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM deliveries
     WHERE check_at <= now() AND check_at < expires_at
     ORDER BY check_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED))
RETURNING organisation_id, delivery_id, coalesce(ticket_number, 0), coalesce(participant_no, 0), recipient, '',
          '', coalesce(last_text, '')`

// tellLate lists, once each, deliveries that have waited for DelayNotice; their Outcome is "".
func tellLate(ctx context.Context, tx pgx.Tx) ([]Final, error) {
	return collectFinals(tx.Query(ctx, sqlTellLate, sweepRows))
}

func collectFinals(rows pgx.Rows, err error) ([]Final, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Final])
}

const sqlPartitionExists = `SELECT to_regclass($1) IS NOT NULL`

// monthsAhead is how far ahead partitions are made: a node may be down for some weeks.
const monthsAhead = 2

// maxStray is how many attempts are moved out of the default partition at once. It would be days of a busy queue.
const maxStray = 200_000

var errStray = errors.New("too many attempts are in the default partition; they go when they are old")

const sqlCountStray = `
SELECT count(*) FROM (SELECT FROM attempts_default WHERE at >= $1::timestamp AT TIME ZONE 'UTC' AND at < $2::timestamp AT TIME ZONE 'UTC' LIMIT $3) s`

// makePartition makes the partition of attempts for the month that many ahead, with what came for it while it was missing: one
// such row in the default partition would forbid it. The name and bounds are made here of the database's date, nothing of
// them comes from outside. Who writes an attempt waits meanwhile.
func makePartition(ctx context.Context, tx pgx.Tx, ahead int) error {
	month, err := thisMonth(ctx, tx)
	if err != nil {
		return err
	}
	month = month.AddDate(0, ahead, 0)
	next, name := month.AddDate(0, 1, 0), partitionName(month)
	var exists bool
	if err := tx.QueryRow(ctx, sqlPartitionExists, name).Scan(&exists); err != nil {
		return fmt.Errorf("look for %s: %w", name, err)
	}
	if exists {
		return nil
	}
	from, to := month.Format(time.DateOnly), next.Format(time.DateOnly)
	if err := run(ctx, tx, sqlBrief, `LOCK TABLE attempts_default IN ACCESS EXCLUSIVE MODE`); err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	var stray int
	if err := tx.QueryRow(ctx, sqlCountStray, month, next, maxStray+1).Scan(&stray); err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	if stray > maxStray {
		return fmt.Errorf("make %s: %w", name, errStray)
	}
	err = run(ctx, tx,
		fmt.Sprintf(`CREATE TABLE %s (LIKE attempts INCLUDING DEFAULTS)`, name),
		fmt.Sprintf(`WITH stray AS (DELETE FROM attempts_default WHERE at >= '%s' AND at < '%s' RETURNING *) INSERT INTO %s SELECT * FROM stray`, from, to, name),
		fmt.Sprintf(`ALTER TABLE attempts ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')`, name, from, to))
	if err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	return nil
}

// run executes statements without arguments, until one fails.
func run(ctx context.Context, tx pgx.Tx, statements ...string) error {
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

const sqlThisMonth = `SELECT date_trunc('month', now() AT TIME ZONE 'UTC')`

func thisMonth(ctx context.Context, tx pgx.Tx) (t time.Time, err error) {
	if err := tx.QueryRow(ctx, sqlThisMonth).Scan(&t); err != nil {
		return t, fmt.Errorf("read the date: %w", err)
	}
	return t, nil
}

func partitionName(month time.Time) string { return "attempts_" + month.Format("200601") }

// Rows that are only history go when they are older than the retention, some at a time; a message
// when nothing refers to it any more.
const (
	sqlForgetDone = `
DELETE FROM deliveries_done WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM deliveries_done WHERE finished_at < now() - make_interval(secs => $1) LIMIT $2))`
	sqlForgetMessages = `
DELETE FROM messages WHERE ctid = ANY(ARRAY(
    SELECT m.ctid FROM messages m
     WHERE m.created_at < now() - make_interval(secs => $1)
       AND NOT EXISTS (SELECT FROM deliveries d WHERE d.organisation_id = m.organisation_id AND d.message_id = m.message_id)
     LIMIT $2))`
	sqlForgetSuppressions = `
DELETE FROM suppressions WHERE ctid = ANY(ARRAY(SELECT ctid FROM suppressions WHERE until < now() LIMIT $1))`
	sqlForgetPolicies = `
DELETE FROM mta_sts_policies WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM mta_sts_policies WHERE fetched_at + make_interval(secs => max_age) < now() LIMIT $1))`
	// The lane of a domain with an MTA-STS policy lasts a year without letters, for as long as it does the policy is refreshed.
	sqlForgetLanes = `
DELETE FROM lanes WHERE ctid = ANY(ARRAY(
    SELECT l.ctid FROM lanes l
     WHERE l.changed_at < now() - interval '30 days' AND l.inflight = 0 AND NOT l.paused
       AND (l.changed_at < now() - interval '1 year' OR NOT EXISTS (SELECT FROM mta_sts_policies p WHERE p.domain = l.lane))
       AND NOT EXISTS (SELECT FROM deliveries d WHERE d.lane = l.lane AND d.state <> 'leased')
     LIMIT $1))`
	sqlOldPartitions = `
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'attempts'::regclass AND c.relname ~ '^attempts_[0-9]{6}$'
   AND c.relname < 'attempts_' || to_char(now() AT TIME ZONE 'UTC' - make_interval(secs => $1), 'YYYYMM')
 ORDER BY c.relname`
)

// forgetRows is how many rows of a table one transaction deletes.
const forgetRows = 2000

// forget deletes history older than the retention. A message outlives its deliveries by ten days.
func forget(ctx context.Context, tx pgx.Tx, retention time.Duration) (more bool, err error) {
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{sqlForgetDone, []any{retention.Seconds(), forgetRows}},
		{sqlForgetMessages, []any{(retention + 10*24*time.Hour).Seconds(), forgetRows}},
		{sqlForgetSuppressions, []any{forgetRows}},
		{sqlForgetPolicies, []any{forgetRows}},
		{sqlForgetLanes, []any{forgetRows}},
	} {
		tag, err := tx.Exec(ctx, s.sql, s.args...)
		if err != nil {
			return false, err
		}
		more = more || tag.RowsAffected() == forgetRows
	}
	return more, nil
}

// sqlBrief: to drop a partition locks its table for everybody. Rather than have them queue up behind a long question, it is
// left for the next time.
const sqlBrief = `SET LOCAL lock_timeout = '2s'`

// sqlForgetStray deletes what came while the partition of its month was missing.
const sqlForgetStray = `
DELETE FROM attempts_default WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM attempts_default WHERE at < now() - make_interval(secs => $1) LIMIT $2))`

// forgetAttempts drops the months that lie wholly before the retention, one in each transaction.
func forgetAttempts(ctx context.Context, tx pgx.Tx, retention time.Duration) (more bool, err error) {
	if _, err := tx.Exec(ctx, sqlBrief); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, sqlForgetStray, retention.Seconds(), forgetRows)
	if err != nil {
		return false, fmt.Errorf("forget stray attempts: %w", err)
	}
	rows, err := tx.Query(ctx, sqlOldPartitions, retention.Seconds())
	if err != nil {
		return false, err
	}
	old, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return false, err
	}
	if len(old) > 0 {
		if _, err := tx.Exec(ctx, "DROP TABLE "+pgx.Identifier{old[0]}.Sanitize()); err != nil {
			return false, fmt.Errorf("drop %s: %w", old[0], err)
		}
	}
	return len(old) > 1 || tag.RowsAffected() == forgetRows, nil
}

// listen calls hint with the payload of each notification, on a connection of its own, until ctx ends or it fails.
func listen(ctx context.Context, pool *pgxpool.Pool, hint func(node string)) error {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // nothing is lost with it
	}()
	if _, err := conn.Exec(ctx, "LISTEN mxdesk_outbound"); err != nil {
		return err
	}
	hint("") // what came while nobody listened
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		hint(n.Payload)
	}
}
