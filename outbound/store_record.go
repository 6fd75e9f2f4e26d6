package outbound

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

// heardBefore finds the attempt r in the log.
const heardBefore = `
            SELECT FROM attempts a
             WHERE a.organisation_id = r.organisation_id AND a.delivery_id = r.delivery_id
               AND a.attempt = r.attempt AND a.result = r.result`

// sqlRecord ends attempts: rows with an outcome move to deliveries_done, the others wait for their next attempt, or
// are given back as if never claimed (undo). attempts is the fence: it grows with every claim, so
// a worker whose lease was taken back changes nothing once another has claimed the delivery,
// while before that its word still counts and spares the recipient a second copy. It was heard before if the log has it.
// Only what changed a row counts against its address, and what the log has is not logged again: a record is made again when the
// answer to its COMMIT was lost. An attempt that came too late to change anything was made all the same, and is logged.
const sqlRecord = `
WITH r AS MATERIALIZED (
    SELECT *
      FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::text[],
                  $7::float8[], $8::boolean[], $9::boolean[], $10::int[], $11::text[],
                  $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::int[], $20::int[])
           WITH ORDINALITY
        AS r (organisation_id, delivery_id, batch, attempt, outcome, reason, delay, broke, undo, code, reply,
              result, why, remote_host, remote_ip, tls, tls_policy, enhanced, took_ms, strike, n)
), gone AS (
    DELETE FROM deliveries d USING r
     WHERE r.outcome <> '' AND d.organisation_id = r.organisation_id AND d.delivery_id = r.delivery_id
       AND d.attempts = r.attempt AND (d.lease_owner = r.batch OR d.lease_owner IS NULL)
 RETURNING d.organisation_id, d.delivery_id, d.message_id, d.ticket_number, d.participant_no, d.recipient, d.lane,
           d.rfc_message_id, r.outcome, r.reason, d.attempts - r.undo::int AS attempts, d.created_at, r.code, r.reply, r.strike, r.n
), kept AS (
    UPDATE deliveries d
       SET state = CASE WHEN r.undo AND d.attempts = 1 THEN 'queued' ELSE 'deferred' END,
           attempts = d.attempts - r.undo::int, broke = d.broke OR r.broke,
           next_at = now() + make_interval(secs => r.delay), lease_owner = NULL, lease_until = NULL,
           last_code = CASE WHEN r.undo THEN d.last_code ELSE nullif(r.code, 0) END,
           last_text = CASE WHEN r.undo THEN d.last_text ELSE r.reply END
      FROM r
     WHERE r.outcome = '' AND d.organisation_id = r.organisation_id AND d.delivery_id = r.delivery_id
       AND d.attempts = r.attempt
       AND (d.lease_owner = r.batch OR d.state = 'deferred' AND NOT r.undo AND NOT EXISTS (` + heardBefore + `))
 RETURNING r.n
), logged AS (
    INSERT INTO attempts (organisation_id, delivery_id, attempt, result, reason, remote_host, remote_ip, tls, tls_policy,
                          code, enhanced, reply, took_ms)
    SELECT organisation_id, delivery_id, attempt, result, why, remote_host, remote_ip, tls, tls_policy,
           nullif(code, 0), enhanced, reply, took_ms
      FROM r
     WHERE result <> '' AND (n IN (SELECT n FROM gone UNION ALL SELECT n FROM kept) OR NOT EXISTS (` + heardBefore + `))
), f AS (
    SELECT organisation_id, recipient AS address, reason, strike > 1 AS at_once, false AS automatic_only, reply AS detail
      FROM gone WHERE strike > 0
), struck AS (` + upsertFailures + `
)
INSERT INTO deliveries_done (organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
                             rfc_message_id, outcome, reason, attempts, created_at, last_code, last_text)
SELECT organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane,
       rfc_message_id, outcome,
       CASE WHEN outcome = 'suppressed' THEN coalesce((
            SELECT s.reason FROM suppressions s WHERE s.organisation_id = gone.organisation_id AND s.address = lower(gone.recipient)), '')
       ELSE reason END, attempts, created_at, nullif(code, 0), reply
  FROM gone
RETURNING organisation_id, delivery_id, coalesce(ticket_number, 0), coalesce(participant_no, 0), recipient, outcome,
          reason, coalesce(last_text, '')`

// result is what a worker found of one delivery that it had leased.
type result struct {
	lease    lease
	attempt  *Attempt // nil: none was made
	decision decision
	undo     bool // the claim is undone: nothing was tried
}

func queueRecord(b *pgx.Batch, results []result, finals *[]Final) {
	var (
		n               = len(results)
		organisations   = make([]int32, n)
		ids, batches    = make([]id.ID, n), make([]id.ID, n)
		attempts        = make([]int, n)
		outcomes        = make([]string, n)
		reasons, words  = make([]string, n), make([]string, n)
		delays          = make([]float64, n)
		broke, undo     = make([]bool, n), make([]bool, n)
		codes           = make([]int, n)
		kinds, why      = make([]string, n), make([]string, n)
		hosts, ips      = make([]string, n), make([]string, n)
		tls, policies   = make([]string, n), make([]string, n)
		enhanced        = make([]string, n)
		took, againstIt = make([]int, n), make([]int, n)
	)
	for i, r := range results {
		organisations[i], ids[i], batches[i] = r.lease.OrganisationID, r.lease.DeliveryID, r.lease.LeaseOwner
		attempts[i], undo[i] = r.lease.Attempts, r.undo
		outcomes[i], reasons[i] = string(r.decision.outcome), r.decision.reason
		delays[i], broke[i] = r.decision.delay.Seconds(), r.decision.broke
		if a := r.attempt; a != nil {
			codes[i], words[i] = a.Code, storable(a.Reply)
			kinds[i], why[i] = string(a.Result), a.Reason
			hosts[i], ips[i], tls[i], policies[i] = storable(a.Host), a.IP, a.TLS, a.TLSPolicy
			enhanced[i], took[i] = storable(a.Enhanced), int(a.Took.Milliseconds())
			againstIt[i] = r.strike()
		}
	}
	b.Queue(sqlRecord, organisations, ids, batches, attempts, outcomes, reasons, delays, broke, undo, codes, words,
		kinds, why, hosts, ips, tls, policies, enhanced, took, againstIt).
		Query(func(rows pgx.Rows) (err error) {
			*finals, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Final])
			markAutomatic(*finals, results)
			return err
		})
}

// markAutomatic notes which of the finals that were suppressed are of automatic letters.
func markAutomatic(finals []Final, results []result) {
	automatic := map[id.ID]bool{}
	for _, r := range results {
		if r.decision.outcome == Suppressed {
			automatic[r.lease.DeliveryID] = r.lease.Automatic
		}
	}
	for i := range finals {
		finals[i].Automatic = automatic[finals[i].Delivery]
	}
}

// sqlFinishLanes counts batches out of their lanes. A site that answered, and whose connections held, is no longer failing and gets
// one more connection for each batch without trouble. One whose connections fail while it takes no letter is backed off, once for
// all that failed together, whatever it answered before. One that takes letters while connections fail may just want fewer of
// them: it gets half. The rows are locked in the order of their names.
const sqlFinishLanes = `
WITH r AS MATERIALIZED (
    SELECT lane, count(*)::int AS batches, bool_or(answered) AND NOT bool_or(failed) AS well,
           bool_or(failed) AS failed, bool_or(failed) AND NOT bool_or(delivered) AS dead,
           count(*) FILTER (WHERE answered AND NOT failed)::int AS clean, max(error) AS error,
           coalesce(max(tls) FILTER (WHERE tls LIKE 'plaintext%'), max(tls)) AS tls
      FROM unnest($1::text[], $2::boolean[], $3::boolean[], $4::text[], $5::text[], $8::boolean[])
        AS f (lane, answered, failed, error, tls, delivered)
     GROUP BY lane
), locked AS MATERIALIZED (
    SELECT lane, tls_seen FROM lanes WHERE lane = ANY($1) ORDER BY lane FOR NO KEY UPDATE
)
UPDATE lanes l
   SET inflight = greatest(l.inflight - r.batches, 0),
       max_inflight = CASE WHEN r.failed THEN greatest(l.max_inflight / 2, 1) ELSE least(l.max_inflight + r.clean, 20) END,
       fail_streak = CASE WHEN r.well THEN 0 WHEN r.dead AND l.next_at <= now() THEN l.fail_streak + 1 ELSE l.fail_streak END,
       next_at = CASE WHEN r.well THEN '-infinity'
                      WHEN r.dead AND l.next_at <= now()
                      THEN now() + make_interval(secs => $7 * ($6::float8[])[least(l.fail_streak + 1, cardinality($6::float8[]))])
                      ELSE l.next_at END,
       last_error = CASE WHEN r.well THEN '' WHEN r.dead THEN r.error ELSE l.last_error END,
       tls_seen = CASE WHEN r.tls <> '' THEN r.tls ELSE l.tls_seen END,
       changed_at = now()
  FROM r JOIN locked USING (lane)
 WHERE l.lane = r.lane
RETURNING l.lane, locked.tls_seen, r.tls`

// laneResult is what a batch found of its lane.
type laneResult struct {
	lane      string
	answered  bool   // the site had something to say of a letter
	delivered bool   // it took one
	failed    bool   // the connection failed, at its beginning or later
	err       string // why, printable
	tls       string // what it will remember; plaintext counts for more than TLS at the same time
}

func queueLanes(b *pgx.Batch, lanes []laneResult, lost *[]downgrade) {
	var (
		names                       []string
		answered, delivered, failed []bool
		errs, tls                   []string
	)
	for _, l := range lanes {
		names, errs, tls = append(names, l.lane), append(errs, storable(l.err)), append(tls, l.tls)
		answered, delivered, failed = append(answered, l.answered), append(delivered, l.delivered), append(failed, l.failed)
	}
	if len(names) > 0 {
		b.Queue(sqlFinishLanes, names, answered, failed, errs, tls, seconds(laneSchedule), 0.9+0.2*rand.Float64(), delivered).
			Query(func(rows pgx.Rows) error {
				all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[downgrade])
				*lost = slices.DeleteFunc(all, func(d downgrade) bool { return !d.happened() })
				return err
			})
	}
}

// record commits the results of batches, in one transaction with what onFinal does about them, and tells which lanes have lost
// their TLS.
func record(ctx context.Context, db beginner, results []result, lanes []laneResult, onFinal OnFinal) (lost []downgrade, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var b pgx.Batch
		var finals []Final
		if len(results) > 0 {
			queueRecord(&b, results, &finals)
		}
		queueLanes(&b, lanes, &lost)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		return callFinal(ctx, tx, onFinal, finals)
	})
	if err != nil {
		return nil, fmt.Errorf("record results: %w", err)
	}
	return lost, nil
}

// beginner is a pool or a connection.
type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

func callFinal(ctx context.Context, tx pgx.Tx, f OnFinal, finals []Final) error {
	if f == nil || len(finals) == 0 {
		return nil
	}
	if err := f(ctx, tx, finals); err != nil {
		return fmt.Errorf("%w: %w", errOnFinal, err)
	}
	return nil
}

// errOnFinal is wrapped by the errors of OnFinal and OnDelay.
var errOnFinal = errors.New("outcome not taken over")
