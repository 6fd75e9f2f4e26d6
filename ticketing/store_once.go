package ticketing

import (
	"context"

	"github.com/jackc/pgx/v5"
)

const sqlDeleteOnce = `
DELETE FROM idempotency_keys WHERE (organisation_id, key) IN (
    SELECT organisation_id, key FROM idempotency_keys
    WHERE organisation_id = $1 AND created_at < now() - interval '24 hours'
    ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED)`

// A key that is there fails the transaction: isRepeated.
const sqlInsertOnce = `
INSERT INTO idempotency_keys (organisation_id, key, request, ticket_number, entry_id) VALUES ($1, $2, $3, $4, $5)`

func queueOnce(b *pgx.Batch, organisation int32, o *onceRow) {
	b.Queue(sqlDeleteOnce, organisation)
	b.Queue(sqlInsertOnce, organisation, o.key, o.request, o.ticket, o.entry)
}

const sqlSelectOnce = `
SELECT e.organisation_id, e.ticket_number, e.entry_id, e.kind, e.author_id, e.author_name, e.author_address, e.identity, e.third_party,
       e.mail_kind, e.body, COALESCE(e.full_text, ''), COALESCE(e.html, ''), e.event, e.letter_id, e.created_at, k.request
FROM idempotency_keys k
JOIN entries e ON e.organisation_id = k.organisation_id AND e.ticket_number = k.ticket_number AND e.entry_id = k.entry_id
WHERE k.organisation_id = $1 AND k.key = $2`

func selectOnce(ctx context.Context, q querier, organisation int32, key []byte) (e Entry, request []byte, err error) {
	err = q.QueryRow(ctx, sqlSelectOnce, organisation, key).Scan(&e.Organisation, &e.Ticket, &e.ID, &e.Kind, &e.Author, &e.AuthorName,
		&e.AuthorAddress, &e.Identity, &e.ThirdParty, &e.MailKind, &e.Body, &e.FullText, &e.HTML, &e.Event, &e.Letter, &e.CreatedAt, &request)
	return e, request, err
}
