package ticketing

import (
	"context"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

// The whole log is walked along its key, once; how many letters are old is known only afterwards.
const sqlSelectStaleLetters = `
SELECT letter_id FROM letters
WHERE organisation_id = $1 AND letter_id > COALESCE($2::uuid, '00000000-0000-0000-0000-000000000000') AND ($3 OR parser_version < $4)
ORDER BY letter_id LIMIT $5`

func selectStaleLetters(ctx context.Context, q querier, organisation int32, after id.ID, all bool, limit int) ([]id.ID, error) {
	rows, err := q.Query(ctx, sqlSelectStaleLetters, organisation, after, all, message.ParserVersion, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[id.ID])
}

// storedLetter is a letter as it is needed to read it again.
type storedLetter struct {
	Outcome  Outcome
	MailFrom string
	Ticket   int64
	Encoding string
	Raw      []byte
}

const sqlLockLetter = `
SELECT outcome, mail_from, COALESCE(ticket_number, 0) AS ticket, encoding, raw
FROM letters
WHERE organisation_id = $1 AND letter_id = $2 AND ($3 OR parser_version < $4)
FOR UPDATE`

// lockLetter returns nil when somebody else has read the letter again meanwhile, or it is gone.
func lockLetter(ctx context.Context, q querier, organisation int32, letter id.ID, all bool) (*storedLetter, error) {
	rows, err := q.Query(ctx, sqlLockLetter, organisation, letter, all, message.ParserVersion)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[storedLetter])
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

const sqlSelectLetterEntries = `
SELECT ticket_number, entry_id, mail_kind, body, COALESCE(full_text, ''), COALESCE(html, '')
FROM entries
WHERE organisation_id = $1 AND letter_id = $2 AND letter_id IS NOT NULL AND kind <> 'event'
ORDER BY entry_id`

func selectLetterEntries(ctx context.Context, q querier, organisation int32, letter id.ID) ([]Entry, error) {
	rows, err := q.Query(ctx, sqlSelectLetterEntries, organisation, letter)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Entry, error) {
		e := Entry{Organisation: organisation, Letter: letter}
		err := row.Scan(&e.Ticket, &e.ID, &e.MailKind, &e.Body, &e.FullText, &e.HTML)
		return e, err
	})
}

const sqlSelectEntryFiles = `
SELECT filename, content_type, declared_type, content_id, inline, sha256
FROM attachments
WHERE organisation_id = $1 AND ticket_number = $2 AND entry_id = $3
ORDER BY position`

// storedFile is a file of an entry, as far as reading a letter makes it.
type storedFile struct {
	Filename     string
	ContentType  string
	DeclaredType string
	ContentID    string
	Inline       bool
	SHA256       []byte
}

func selectEntryFiles(ctx context.Context, q querier, e Entry) ([]storedFile, error) {
	rows, err := q.Query(ctx, sqlSelectEntryFiles, e.Organisation, e.Ticket, e.ID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[storedFile])
}

const sqlUpdateEntryText = `
UPDATE entries SET mail_kind = $4, body = $5, full_text = NULLIF($6, ''), html = NULLIF($7, '')
WHERE organisation_id = $1 AND ticket_number = $2 AND entry_id = $3`

const sqlDeleteEntryFiles = `DELETE FROM attachments WHERE organisation_id = $1 AND ticket_number = $2 AND entry_id = $3`

// A letter that could not be processed has its words now, so it is an ordinary one.
const sqlUpdateLetterRead = `
UPDATE letters SET kind = $3, subject = $4, parser_version = $5,
    problem = CASE WHEN outcome = 'unprocessed' THEN NULL ELSE problem END,
    outcome = CASE WHEN outcome = 'unprocessed' THEN 'ticket' ELSE outcome END
WHERE organisation_id = $1 AND letter_id = $2`

const sqlUpdateUnreadSubject = `
UPDATE tickets SET subject = $3, version = version + 1
WHERE organisation_id = $1 AND number = $2 AND subject = $4`
