package outbound

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/id"
	reports "mxdesk/internal/report"
)

const sqlAddTLSResults = `
INSERT INTO tls_results AS t (day, domain, result_key, policy, policy_text, policy_mx, result, sending_ip, receiving_mx, receiving_ip, reason, sessions)
SELECT * FROM unnest($1::date[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                     $11::text[], $12::bigint[])
ON CONFLICT (day, domain, result_key) DO UPDATE SET sessions = t.sessions + excluded.sessions`

const sqlAddDMARCResults = `
INSERT INTO dmarc_results AS d (day, domain, result_key, record, letters)
SELECT * FROM unnest($1::date[], $2::text[], $3::bytea[], $4::jsonb[], $5::bigint[])
ON CONFLICT (day, domain, result_key) DO UPDATE SET letters = d.letters + excluded.letters`

// addResults adds up, in the order of the keys, so that two nodes wait for each other in one direction only.
func addResults(ctx context.Context, pool *pgxpool.Pool, tls map[resultKey]*tlsResult, dmarc map[resultKey]*dmarcResult) error {
	var b pgx.Batch
	if len(tls) > 0 {
		c, rows := resultKeyColumns(tls)
		b.Queue(sqlAddTLSResults, c.days, c.domains, c.hashes,
			column(rows, func(r *tlsResult) string { return r.Policy }),
			column(rows, func(r *tlsResult) string { return storable(strings.Join(r.Lines, "\n")) }),
			column(rows, func(r *tlsResult) string { return storable(strings.Join(r.MX, "\n")) }),
			column(rows, func(r *tlsResult) string { return r.Result }),
			column(rows, func(r *tlsResult) string { return r.LocalIP }),
			column(rows, func(r *tlsResult) string { return storable(r.Host) }),
			column(rows, func(r *tlsResult) string { return r.RemoteIP }),
			column(rows, func(r *tlsResult) string { return storable(r.Reason) }),
			column(rows, func(r *tlsResult) int64 { return r.sessions }))
	}
	if len(dmarc) > 0 {
		c, rows := resultKeyColumns(dmarc)
		b.Queue(sqlAddDMARCResults, c.days, c.domains, c.hashes,
			column(rows, func(r *dmarcResult) []byte { return r.fact }),
			column(rows, func(r *dmarcResult) int64 { return r.letters }))
	}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, &b).Close() })
	if err != nil {
		return fmt.Errorf("add results: %w", err)
	}
	return nil
}

type resultColumns struct {
	days    []time.Time
	domains []string
	hashes  [][]byte
}

func resultKeyColumns[T any](m map[resultKey]T) (c resultColumns, rows []T) {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b resultKey) int {
		return cmp.Or(a.day.Compare(b.day), cmp.Compare(a.domain, b.domain), bytes.Compare(a.hash[:], b.hash[:]))
	})
	for _, k := range keys {
		c.days, c.domains, c.hashes = append(c.days, k.day), append(c.domains, storable(k.domain)), append(c.hashes, k.hash[:])
		rows = append(rows, m[k])
	}
	return c, rows
}

func column[R, V any](rows []R, f func(R) V) []V {
	out := make([]V, len(rows))
	for i, r := range rows {
		out[i] = f(r)
	}
	return out
}

// sqlOweTLS and sqlOweDMARC make a row for each domain of which something was seen on the last days. Each report is due at a
// moment of its own in the first hours of the next day: others send theirs then, too.
const (
	sqlOweTLS = `
INSERT INTO reports_owed (kind, day, domain, next_at)
SELECT 'tls', day, domain, (day + 1)::timestamp AT TIME ZONE 'UTC' + interval '15 minutes' + random() * interval '4 hours'
  FROM (SELECT DISTINCT day, domain FROM tls_results WHERE day >= $1::date - 2 AND day < $1::date) s
ON CONFLICT DO NOTHING`
	sqlOweDMARC = `
INSERT INTO reports_owed (kind, day, domain, next_at)
SELECT 'dmarc', day, domain, (day + 1)::timestamp AT TIME ZONE 'UTC' + interval '15 minutes' + random() * interval '4 hours'
  FROM (SELECT DISTINCT day, domain FROM dmarc_results WHERE day >= $1::date - 2 AND day < $1::date) s
ON CONFLICT DO NOTHING`
)

const (
	sqlForgetTLSResults = `
DELETE FROM tls_results WHERE ctid = ANY(ARRAY(SELECT ctid FROM tls_results WHERE day < $1::date LIMIT $2))`
	sqlForgetDMARCResults = `
DELETE FROM dmarc_results WHERE ctid = ANY(ARRAY(SELECT ctid FROM dmarc_results WHERE day < $1::date LIMIT $2))`
	sqlForgetReportsOwed = `
DELETE FROM reports_owed WHERE ctid = ANY(ARRAY(SELECT ctid FROM reports_owed WHERE day < $1::date LIMIT $2))`
)

// forgetResults deletes some of what is older than resultAge.
func forgetResults(ctx context.Context, tx pgx.Tx, now time.Time) (more bool, err error) {
	for _, sql := range []string{sqlForgetTLSResults, sqlForgetDMARCResults, sqlForgetReportsOwed} {
		tag, err := tx.Exec(ctx, sql, utcDay(now.Add(-resultAge)), forgetRows)
		if err != nil {
			return false, err
		}
		more = more || tag.RowsAffected() == forgetRows
	}
	return more, nil
}

// keepOwed makes the rows of reports that are due.
func keepOwed(ctx context.Context, tx pgx.Tx, now time.Time, tls, dmarc bool) error {
	if !tls && !dmarc {
		return nil
	}
	var b pgx.Batch
	if tls {
		b.Queue(sqlOweTLS, utcDay(now.Add(-dayEndsLate)))
	}
	if dmarc {
		b.Queue(sqlOweDMARC, utcDay(now.Add(-dayEndsLate)))
	}
	return tx.SendBatch(ctx, &b).Close()
}

// sqlClaimOwed takes one that is due. The attempt counts and the next one is set at once, so a node that dies at it makes it late,
// not lost.
const sqlClaimOwed = `
UPDATE reports_owed SET attempts = attempts + 1, next_at = $1::timestamptz + least(attempts + 1, 8) * interval '30 minutes'
 WHERE (kind, day, domain) = (
    SELECT kind, day, domain FROM reports_owed
     WHERE state = 'pending' AND next_at <= $1 AND kind = ANY($2)
     ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING kind, day, domain, attempts, destinations`

// owed is a report that is to be sent.
type owed struct {
	kind         string
	day          time.Time
	domain       string
	attempts     int
	destinations []reports.Destination // those that have not got it
	planned      bool                  // destinations were looked up
}

func claimOwed(ctx context.Context, db querier, now time.Time, kinds []string) (*owed, error) {
	var o owed
	var destinations []byte
	err := db.QueryRow(ctx, sqlClaimOwed, now, kinds).Scan(&o.kind, &o.day, &o.domain, &o.attempts, &destinations)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim a report: %w", err)
	}
	if o.planned = destinations != nil; o.planned {
		if err := json.Unmarshal(destinations, &o.destinations); err != nil {
			return nil, fmt.Errorf("destinations of a report: %w", err)
		}
	}
	return &o, nil
}

// sqlUpdateOwed: the number of the attempt is the fence.
const sqlUpdateOwed = `
UPDATE reports_owed SET state = $5, destinations = $6, detail = $7 WHERE kind = $1 AND day = $2 AND domain = $3 AND attempts = $4`

// errOvertaken: so much time went by that another node claimed the report.
var errOvertaken = errors.New("another attempt began meanwhile")

func updateOwed(ctx context.Context, db querier, o *owed, state, detail string) error {
	destinations, err := json.Marshal(o.destinations)
	if err != nil {
		return fmt.Errorf("record a report: %w", err)
	}
	tag, err := db.Exec(ctx, sqlUpdateOwed, o.kind, o.day, o.domain, o.attempts, state, destinations, storable(detail))
	if err == nil && tag.RowsAffected() == 0 {
		err = errOvertaken
	}
	if err != nil {
		return fmt.Errorf("record a report: %w", err)
	}
	return nil
}

const sqlSelectTLSResults = `
SELECT policy, policy_text, policy_mx, result, sending_ip, receiving_mx, receiving_ip, reason, sessions
  FROM tls_results WHERE day = $1 AND domain = $2
 ORDER BY policy, policy_text, sessions DESC, result_key
 LIMIT $3`

// tlsRow is a row of tls_results.
type tlsRow struct {
	Policy, PolicyText, PolicyMX, Result, SendingIP, ReceivingMX, ReceivingIP, Reason string

	Sessions int64
}

func selectTLSResults(ctx context.Context, db querier, day time.Time, domain string) ([]tlsRow, error) {
	rows, err := db.Query(ctx, sqlSelectTLSResults, day, domain, maxReported)
	if err != nil {
		return nil, fmt.Errorf("load TLS results: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r tlsRow, err error) {
		err = row.Scan(&r.Policy, &r.PolicyText, &r.PolicyMX, &r.Result, &r.SendingIP, &r.ReceivingMX, &r.ReceivingIP, &r.Reason, &r.Sessions)
		return r, err
	})
}

const sqlSelectDMARCResults = `
SELECT record, letters FROM dmarc_results WHERE day = $1 AND domain = $2 ORDER BY letters DESC, result_key LIMIT $3`

func selectDMARCResults(ctx context.Context, db querier, day time.Time, domain string) ([]DMARCFact, error) {
	rows, err := db.Query(ctx, sqlSelectDMARCResults, day, domain, maxReported)
	if err != nil {
		return nil, fmt.Errorf("load DMARC results: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (f DMARCFact, err error) {
		var text []byte
		var letters int64
		if err := row.Scan(&text, &letters); err != nil {
			return f, err
		}
		err = json.Unmarshal(text, &f)
		f.Record.Count = letters
		return f, err
	})
}

const sqlOrganisationOfDomain = `SELECT organisation_id FROM domains WHERE domain = $1`

func organisationOfDomain(ctx context.Context, db querier, domain string) (organisation int32, err error) {
	if err := db.QueryRow(ctx, sqlOrganisationOfDomain, domain).Scan(&organisation); err != nil {
		return 0, fmt.Errorf("find whose domain %s is: %w", domain, err)
	}
	return organisation, nil
}

const sqlAddBody = `INSERT INTO message_bodies (organisation_id, message_id, body, any_tls) VALUES ($1, $2, $3, $4)`

// EnqueuePrepared puts a message into the queue whose body is ready: the rest of the header, from Content-Type on, an empty line
// and the body, CRLF line ends, ASCII. Its texts must be empty. anyTLS: it leaves whatever TLS policies say.
func (q *Queue) EnqueuePrepared(ctx context.Context, tx pgx.Tx, m Message, body []byte, anyTLS bool) error {
	if err := q.EnqueueTx(ctx, tx, []Message{m}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sqlAddBody, m.Organisation, m.ID, body, anyTLS); err != nil {
		return fmt.Errorf("enqueue body: %w", err)
	}
	return nil
}

const sqlBody = `SELECT body, any_tls FROM message_bodies WHERE organisation_id = $1 AND message_id = $2`

// preparedBody is the body of a prepared message, nil for another.
func preparedBody(ctx context.Context, db querier, organisation int32, message id.ID) (body []byte, anyTLS bool, err error) {
	err = db.QueryRow(ctx, sqlBody, organisation, message).Scan(&body, &anyTLS)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("load body: %w", err)
	}
	return body, anyTLS, nil
}
