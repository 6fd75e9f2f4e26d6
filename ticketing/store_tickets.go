package ticketing

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

const sqlSelectTickets = `
SELECT t.number, t.subject, t.status, t.priority, t.via, t.category_id AS category, t.support_address, t.requester_id AS requester,
       p.name AS requester_name, COALESCE(a.address, '') AS requester_email, t.owner_id AS owner, t.tags,
       t.created_at, t.updated_at, t.closed_at, t.due_at
FROM tickets t
JOIN people p ON p.organisation_id = t.organisation_id AND p.person_id = t.requester_id
LEFT JOIN LATERAL (
    SELECT address FROM person_addresses a
    WHERE a.organisation_id = t.organisation_id AND a.person_id = t.requester_id
    ORDER BY a.is_primary DESC, a.address LIMIT 1) a ON true
WHERE t.organisation_id = $1 AND t.number < $2 AND t.merged_into IS NULL`

// selectTickets puts the statement together from fixed parts: one that tests every filter, given or not, would be
// planned without an index.
func selectTickets(ctx context.Context, q querier, organisation int32, f TicketFilter) ([]TicketSummary, error) {
	before := f.Before
	if before <= 0 {
		before = math.MaxInt64
	}
	sql, args := sqlSelectTickets, []any{organisation, before}
	filter := func(given bool, condition string, value any) {
		if given {
			args = append(args, value)
			sql += fmt.Sprintf(condition, len(args))
		}
	}
	filter(f.Status != "", ` AND t.status = $%d`, f.Status)
	if f.Status != "" && f.Status != Closed {
		sql += ` AND t.status <> 'closed'` // so that the planner knows the index of open tickets fits, whatever the parameter
	}
	filter(f.Category != 0, ` AND t.category_id = $%d`, f.Category)
	filter(!f.Owner.IsZero(), ` AND t.owner_id = $%d`, f.Owner)
	filter(f.Unowned, ` AND (t.owner_id IS NULL) = $%d`, true)
	filter(!f.Requester.IsZero(), ` AND t.requester_id = $%d`, f.Requester)
	filter(true, ` ORDER BY t.number DESC LIMIT $%d`, f.Limit)
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[TicketSummary])
}

const sqlSelectEntries = `
SELECT organisation_id, ticket_number, entry_id, kind, author_id, author_name, author_address, identity, third_party, mail_kind,
       body, COALESCE(full_text, ''), COALESCE(html, ''), event, letter_id, created_at
FROM entries
WHERE organisation_id = $1 AND ticket_number = $2 AND entry_id > COALESCE($3::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY entry_id LIMIT $4`

func selectEntries(ctx context.Context, q querier, organisation int32, number int64, after id.ID, limit int) ([]Entry, error) {
	rows, err := q.Query(ctx, sqlSelectEntries, organisation, number, after, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Entry, err error) {
		err = row.Scan(&e.Organisation, &e.Ticket, &e.ID, &e.Kind, &e.Author, &e.AuthorName, &e.AuthorAddress, &e.Identity, &e.ThirdParty, &e.MailKind,
			&e.Body, &e.FullText, &e.HTML, &e.Event, &e.Letter, &e.CreatedAt)
		return e, err
	})
}

const sqlSelectAttachments = `
SELECT entry_id AS entry, position, filename, content_type, content_id, inline, size, sha256
FROM attachments
WHERE organisation_id = $1 AND ticket_number = $2
ORDER BY entry_id, position LIMIT 5000`

func selectAttachments(ctx context.Context, q querier, organisation int32, number int64) ([]Attachment, error) {
	rows, err := q.Query(ctx, sqlSelectAttachments, organisation, number)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Attachment])
}

const sqlSelectAttachment = `
SELECT a.entry_id, a.position, a.filename, a.content_type, a.content_id, a.inline, a.size, a.sha256, b.data
FROM attachments a JOIN blobs b ON b.organisation_id = a.organisation_id AND b.sha256 = a.sha256
WHERE a.organisation_id = $1 AND a.ticket_number = $2 AND a.entry_id = $3 AND a.position = $4`

func selectAttachment(ctx context.Context, q querier, organisation int32, number int64, entry id.ID, position int) (a Attachment, data []byte, err error) {
	err = q.QueryRow(ctx, sqlSelectAttachment, organisation, number, entry, position).
		Scan(&a.Entry, &a.Position, &a.Filename, &a.ContentType, &a.ContentID, &a.Inline, &a.Size, &a.SHA256, &data)
	return a, data, err
}

const letterColumns = `
SELECT letter_id AS id, received_at, mail_from, rcpt_to, from_address AS from, subject, message_id, kind, outcome,
       COALESCE(ticket_number, 0) AS ticket, size, session, verdict, trace, COALESCE(problem, '') AS problem
FROM letters
WHERE organisation_id = $1`

const sqlSelectLetters = letterColumns + `
  AND letter_id < COALESCE($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND ($3 = '' OR outcome = $3) AND letter_id >= $5
  AND ($6 = '' OR lower(from_address) = $6 OR lower(mail_from) = $6 OR $6 = ANY(string_to_array(lower(rcpt_to), ' ')))
ORDER BY letter_id DESC LIMIT $4`

const sqlSelectLettersOfTicket = letterColumns + `
  AND letter_id < COALESCE($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND ($3 = '' OR outcome = $3) AND letter_id >= $5
  AND ($6 = '' OR lower(from_address) = $6 OR lower(mail_from) = $6 OR $6 = ANY(string_to_array(lower(rcpt_to), ' ')))
  AND ticket_number = $7
ORDER BY letter_id DESC LIMIT $4`

func selectLetters(ctx context.Context, q querier, organisation int32, f LetterFilter) ([]LetterSummary, error) {
	since := id.ID{15: 1} // the zero one is NULL
	if !f.Since.IsZero() {
		since = id.At(f.Since)
	}
	if until := id.At(f.Until); !f.Until.IsZero() && (f.Before.IsZero() || bytes.Compare(until[:], f.Before[:]) < 0) {
		f.Before = until
	}
	sql, args := sqlSelectLetters, []any{organisation, f.Before, string(f.Outcome), f.Limit, since, strings.ToLower(f.Address)}
	if f.Ticket != 0 {
		sql, args = sqlSelectLettersOfTicket, append(args, f.Ticket)
	}
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[LetterSummary])
}

const sqlSelectLetter = letterColumns + ` AND letter_id = $2`

func selectLetter(ctx context.Context, q querier, organisation int32, letter id.ID) (LetterSummary, error) {
	rows, err := q.Query(ctx, sqlSelectLetter, organisation, letter)
	if err != nil {
		return LetterSummary{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[LetterSummary])
}

// Looking for an address reads the log from its new end; the planner stops at the limit.
const sqlSelectTraced = letterColumns + `
  AND ($2::uuid IS NULL OR letter_id = $2) AND ($3 = '' OR message_id = $3) AND ($4 = '' OR lower(from_address) = $4)
ORDER BY letter_id DESC LIMIT $5`

func selectTraced(ctx context.Context, q querier, organisation int32, letter id.ID, messageID, from string) ([]LetterSummary, error) {
	rows, err := q.Query(ctx, sqlSelectTraced, organisation, letter, messageID, from, maxTraced+1)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[LetterSummary])
}

const sqlSelectRaw = `
SELECT received_field, verdict, encoding, raw FROM letters WHERE organisation_id = $1 AND letter_id = $2`

// rawRow is what the export of a letter is made of.
type rawRow struct {
	received string
	verdict  []byte // nil: not checked
	encoding string
	raw      []byte
}

func selectRaw(ctx context.Context, q querier, organisation int32, letter id.ID) (r rawRow, err error) {
	err = q.QueryRow(ctx, sqlSelectRaw, organisation, letter).Scan(&r.received, &r.verdict, &r.encoding, &r.raw)
	return r, err
}

const sqlSelectPeople = `
SELECT p.person_id, p.name, p.kind, COALESCE(array_agg(a.written ORDER BY a.is_primary DESC, a.address) FILTER (WHERE a.written IS NOT NULL), '{}')
FROM people p
LEFT JOIN person_addresses a ON a.organisation_id = p.organisation_id AND a.person_id = p.person_id
WHERE p.organisation_id = $1 AND p.person_id = ANY($2::uuid[])
GROUP BY p.person_id, p.name, p.kind`

func selectPeople(ctx context.Context, q querier, organisation int32, persons []id.ID) (map[id.ID]Customer, error) {
	rows, err := q.Query(ctx, sqlSelectPeople, organisation, persons)
	if err != nil {
		return nil, err
	}
	found := map[id.ID]Customer{}
	var c Customer
	_, err = pgx.ForEachRow(rows, []any{&c.Person, &c.Name, &c.Kind, &c.Emails}, func() error {
		found[c.Person] = c
		return nil
	})
	return found, err
}

const sqlSelectHeld = `
SELECT letter_id, received_at, mail_from, rcpt_to, session, verdict, received_field, encoding, raw
FROM letters WHERE organisation_id = $1 AND letter_id = $2 AND outcome = 'held'`

func selectHeld(ctx context.Context, q querier, organisation int32, letter id.ID) (r heldRow, err error) {
	err = q.QueryRow(ctx, sqlSelectHeld, organisation, letter).
		Scan(&r.id, &r.receivedAt, &r.mailFrom, &r.rcptTo, &r.session, &r.verdict, &r.received, &r.encoding, &r.raw)
	return r, err
}

const sqlSelectIsHeld = `SELECT EXISTS (SELECT FROM letters WHERE organisation_id = $1 AND letter_id = $2 AND outcome = 'held')`

func selectIsHeld(ctx context.Context, q querier, organisation int32, letter id.ID) (held bool, err error) {
	err = q.QueryRow(ctx, sqlSelectIsHeld, organisation, letter).Scan(&held)
	return held, err
}

const sqlUpdateRejected = `
UPDATE letters SET outcome = 'rejected' WHERE organisation_id = $1 AND letter_id = $2 AND outcome = 'held'`

func updateRejected(ctx context.Context, q querier, organisation int32, letter id.ID) error {
	tag, err := q.Exec(ctx, sqlUpdateRejected, organisation, letter)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return err
}
