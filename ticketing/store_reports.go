package ticketing

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

// waitingReport is a letter to a report address, not yet read.
type waitingReport struct {
	organisation int32
	letter       id.ID
	domain       string
}

const sqlInsertWaitingReports = `
INSERT INTO reports_waiting (organisation_id, letter_id, domain)
SELECT * FROM unnest($1::integer[], $2::uuid[], $3::text[])
ON CONFLICT DO NOTHING`

func (w *world) queueReports(b *pgx.Batch) {
	if rows := w.daily; len(rows) > 0 {
		b.Queue(sqlInsertWaitingReports,
			column(rows, func(r waitingReport) int32 { return r.organisation }),
			column(rows, func(r waitingReport) id.ID { return r.letter }),
			column(rows, func(r waitingReport) string { return r.domain }))
	}
}

// waitingLetter is what is stored of such a letter; raw is nil when it is too large to be read.
type waitingLetter struct {
	organisation int32
	letter       id.ID
	domain       string
	receivedAt   time.Time
	from         string
	verdict      []byte
	encoding     string
	raw          []byte
}

// sqlTakeWaitingReport takes one that no other node is at. Only the commit takes it away.
const sqlTakeWaitingReport = `
WITH taken AS (
    DELETE FROM reports_waiting
     WHERE ctid = (SELECT ctid FROM reports_waiting ORDER BY organisation_id, letter_id LIMIT 1 FOR UPDATE SKIP LOCKED)
 RETURNING organisation_id, letter_id, domain
)
SELECT t.organisation_id, t.letter_id, t.domain, l.received_at, l.from_address, l.verdict, l.encoding,
       CASE WHEN l.size <= $1 THEN l.raw END
  FROM taken t
  JOIN letters l ON l.organisation_id = t.organisation_id AND l.letter_id = t.letter_id`

func takeWaitingReport(ctx context.Context, q querier, maxSize int) (w waitingLetter, err error) {
	err = q.QueryRow(ctx, sqlTakeWaitingReport, maxSize).
		Scan(&w.organisation, &w.letter, &w.domain, &w.receivedAt, &w.from, &w.verdict, &w.encoding, &w.raw)
	return w, err
}

const sqlInsertReport = `
INSERT INTO reports (organisation_id, report_key, report_id, letter_id, received_at, kind, domain, submitter, authentic,
                     reporter, external_id, begins_at, ends_at, passed, failed, state, problem)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (organisation_id, report_key) DO NOTHING`

const sqlInsertReportLines = `
INSERT INTO report_lines (organisation_id, report_key, position, result, disposition, peer, detail, quantity)
SELECT $1, $2, l.position, l.result, l.disposition, l.peer, l.detail, l.quantity
  FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[]) WITH ORDINALITY
    AS l (result, disposition, peer, detail, quantity, position)`

// insertReport stores a report; fresh is false when it was there before.
func insertReport(ctx context.Context, q querier, organisation int32, r Report, lines []ReportLine) (fresh bool, err error) {
	key := r.key()
	tag, err := q.Exec(ctx, sqlInsertReport, organisation, key[:], r.ID, r.Letter, r.ReceivedAt, r.Kind, r.Domain, r.Submitter, r.Authentic,
		r.Reporter, r.ExternalID, r.BeginsAt, r.EndsAt, r.Passed, r.Failed, r.State, r.Problem)
	if err != nil {
		return false, fmt.Errorf("store report: %w", err)
	}
	if fresh = tag.RowsAffected() > 0; !fresh || len(lines) == 0 {
		return fresh, nil
	}
	_, err = q.Exec(ctx, sqlInsertReportLines, organisation, key[:],
		column(lines, func(l ReportLine) string { return l.Result }),
		column(lines, func(l ReportLine) string { return l.Disposition }),
		column(lines, func(l ReportLine) string { return l.Peer }),
		column(lines, func(l ReportLine) string { return l.Detail }),
		column(lines, func(l ReportLine) int64 { return l.Quantity }))
	if err != nil {
		return false, fmt.Errorf("store lines of a report: %w", err)
	}
	return true, nil
}

const sqlDeleteReports = `
DELETE FROM reports WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM reports WHERE received_at < $1 ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

// forgottenReports is how many reports one transaction deletes, each with its lines.
const forgottenReports = 200

// deleteReports deletes all old reports, some at a time.
func deleteReports(ctx context.Context, q querier, before time.Time) error {
	for {
		tag, err := q.Exec(ctx, sqlDeleteReports, before, forgottenReports)
		if err != nil || tag.RowsAffected() < forgottenReports {
			return err
		}
	}
}

const reportColumns = `report_id, letter_id, received_at, kind, domain, submitter, authentic, reporter, external_id, begins_at, ends_at,
       passed, failed, state, problem`

const sqlSelectReports = `
SELECT ` + reportColumns + `
  FROM reports
 WHERE organisation_id = $1 AND ($2 = '' OR kind = $2) AND ($3 = '' OR domain = $3) AND ($4 = '' OR state = $4)
   AND ($5::uuid IS NULL OR report_id < $5) AND report_id IS NOT NULL
 ORDER BY report_id DESC
 LIMIT $6`

const sqlSelectReport = `SELECT ` + reportColumns + ` FROM reports WHERE organisation_id = $1 AND report_id = $2`

const sqlSelectReportLines = `
SELECT l.result, l.disposition, l.peer, l.detail, l.quantity
  FROM reports r
  JOIN report_lines l ON l.organisation_id = r.organisation_id AND l.report_key = r.report_key
 WHERE r.organisation_id = $1 AND r.report_id = $2
 ORDER BY l.position`

func scanReport(row pgx.CollectableRow) (r Report, err error) {
	err = row.Scan(&r.ID, &r.Letter, &r.ReceivedAt, &r.Kind, &r.Domain, &r.Submitter, &r.Authentic, &r.Reporter, &r.ExternalID, &r.BeginsAt, &r.EndsAt,
		&r.Passed, &r.Failed, &r.State, &r.Problem)
	return r, err
}

func selectReports(ctx context.Context, q querier, organisation int32, f ReportFilter) ([]Report, error) {
	rows, err := q.Query(ctx, sqlSelectReports, organisation, f.Kind, f.Domain, f.State, f.Before, f.Limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanReport)
}

func selectReport(ctx context.Context, q querier, organisation int32, report id.ID) (Report, []ReportLine, error) {
	rows, err := q.Query(ctx, sqlSelectReport, organisation, report)
	if err != nil {
		return Report{}, nil, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanReport)
	if err != nil {
		return Report{}, nil, err
	}
	if rows, err = q.Query(ctx, sqlSelectReportLines, organisation, report); err != nil {
		return Report{}, nil, err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ReportLine])
	return r, lines, err
}

// sqlSelectReportDays adds up what began in a span of time, which is a year at most.
const sqlSelectReportDays = `
SELECT (r.begins_at AT TIME ZONE 'UTC')::date, r.domain, r.kind, l.result, l.disposition, sum(l.quantity)::bigint
  FROM reports r
  JOIN report_lines l ON l.organisation_id = r.organisation_id AND l.report_key = r.report_key
 WHERE r.organisation_id = $1 AND r.state = 'counted' AND r.begins_at >= $2 AND r.begins_at < $3
   AND ($4 = '' OR r.kind = $4) AND ($5 = '' OR r.domain = $5)
 GROUP BY 1, 2, 3, 4, 5
 ORDER BY 1 DESC, 2, 3, 4, 5
 LIMIT 5000`

func selectReportDays(ctx context.Context, q querier, organisation int32, f ReportDaysFilter) ([]ReportDay, error) {
	rows, err := q.Query(ctx, sqlSelectReportDays, organisation, f.From, f.To, f.Kind, f.Domain)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[ReportDay])
}
