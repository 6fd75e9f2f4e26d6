package ticketing

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
)

// letterRow is one letter as stored for one organisation.
type letterRow struct {
	organisation  int32
	letter        id.ID
	receivedAt    time.Time
	mailFrom      string
	rcptTo        string
	fromAddress   string
	subject       string
	messageID     string
	kind          string
	outcome       Outcome
	ticket        int64
	size          int
	session       []byte // JSON
	verdict       []byte // JSON or nil
	trace         []byte // JSON
	received      string
	parserVersion int
	problem       string
	dedupe        hash16
	encoding      string
	raw           []byte
}

const sqlRenewLetters = `
UPDATE letters l SET dedupe = NULL
FROM unnest($1::integer[], $2::bytea[]) AS w(organisation_id, dedupe)
WHERE l.organisation_id = w.organisation_id AND l.dedupe = w.dedupe`

const sqlInsertPeople = `
INSERT INTO people (organisation_id, person_id, kind, name, created_at)
SELECT organisation_id, person_id, 'customer', name, $4
FROM unnest($1::integer[], $2::uuid[], $3::text[]) AS w(organisation_id, person_id, name)`

const sqlInsertPersonAddresses = `
INSERT INTO person_addresses (organisation_id, address, person_id, written, auto_count, auto_since, auto_day_count, auto_day_since, guard)
SELECT organisation_id, address, person_id, written, added, $7, added, $7, guard
FROM unnest($1::integer[], $2::text[], $3::uuid[], $4::text[], $5::integer[], $6::bytea[]) AS w(organisation_id, address, person_id, written, added, guard)`

// The budget is counted up, not set: two batches may answer the same address at once.
const sqlUpdateBudgets = `
UPDATE person_addresses a SET
    auto_count     = CASE WHEN a.auto_since < w.since THEN w.added ELSE a.auto_count + w.added END,
    auto_since     = GREATEST(a.auto_since, w.since),
    auto_day_count = CASE WHEN a.auto_day_since < w.day_since THEN w.added ELSE a.auto_day_count + w.added END,
    auto_day_since = GREATEST(a.auto_day_since, w.day_since),
    guard          = w.guard
FROM unnest($1::integer[], $2::text[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::bytea[])
     AS w(organisation_id, address, added, since, day_since, guard)
WHERE a.organisation_id = w.organisation_id AND a.address = w.address`

const sqlInsertTickets = `
INSERT INTO tickets (organisation_id, number, subject, status, priority, via, category_id, support_address, requester_id, owner_id,
                     created_at, updated_at, closed_at, due_at, follows, tags, minutes_spent, thread_index, require_tls)
SELECT organisation_id, number, subject, status, priority, via, category_id, support_address, requester_id, owner_id,
       at, at, closed_at, due_at, NULLIF(follows, 0), string_to_array(tags, ' '), minutes_spent, thread_index, require_tls
FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[], $9::uuid[], $10::uuid[],
            $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::bigint[], $15::text[], $16::integer[], $17::bytea[], $18::boolean[])
     AS w(organisation_id, number, subject, status, priority, via, category_id, support_address, requester_id, owner_id,
          at, closed_at, due_at, follows, tags, minutes_spent, thread_index, require_tls)`

const sqlUpdateTickets = `
UPDATE tickets t SET
    status = w.status, priority = w.priority, category_id = w.category_id, owner_id = w.owner_id, tags = string_to_array(w.tags, ' '),
    minutes_spent = w.minutes_spent, version = w.version, updated_at = w.updated_at, closed_at = w.closed_at, due_at = w.due_at,
    require_tls = w.require_tls
FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::text[], $5::integer[], $6::uuid[], $7::text[], $8::integer[], $9::integer[],
            $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::boolean[])
     AS w(organisation_id, number, status, priority, category_id, owner_id, tags, minutes_spent, version, updated_at, closed_at, due_at,
          require_tls)
WHERE t.organisation_id = w.organisation_id AND t.number = w.number`

const sqlInsertParticipants = `
INSERT INTO participants (organisation_id, ticket_number, participant_no, person_id, name, role, address, subscribed, refs, last_commands, guard)
SELECT * FROM unnest($1::integer[], $2::bigint[], $3::integer[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::text[], $10::text[], $11::bytea[])`

const sqlUpdateParticipants = `
UPDATE participants p SET subscribed = w.subscribed, refs = w.refs, last_commands = w.last_commands, guard = w.guard
FROM unnest($1::integer[], $2::bigint[], $3::integer[], $4::boolean[], $5::text[], $6::text[], $7::bytea[])
     AS w(organisation_id, ticket_number, participant_no, subscribed, refs, last_commands, guard)
WHERE p.organisation_id = w.organisation_id AND p.ticket_number = w.ticket_number AND p.participant_no = w.participant_no`

const sqlInsertLetters = `
INSERT INTO letters (organisation_id, letter_id, received_at, mail_from, rcpt_to, from_address, subject, message_id, kind, outcome,
                     ticket_number, size, session, verdict, trace, received_field, parser_version, problem, dedupe, encoding, raw)
SELECT organisation_id, letter_id, received_at, mail_from, rcpt_to, from_address, subject, message_id, kind, outcome,
       NULLIF(ticket_number, 0), size, session, verdict, trace, received_field, parser_version, NULLIF(problem, ''), dedupe, encoding, raw
FROM unnest($1::integer[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
            $11::bigint[], $12::integer[], $13::jsonb[], $14::jsonb[], $15::jsonb[], $16::text[], $17::integer[], $18::text[], $19::bytea[], $20::text[], $21::bytea[])
     AS w(organisation_id, letter_id, received_at, mail_from, rcpt_to, from_address, subject, message_id, kind, outcome,
          ticket_number, size, session, verdict, trace, received_field, parser_version, problem, dedupe, encoding, raw)`

const sqlUpdateReleased = `
UPDATE letters l SET outcome = w.outcome, ticket_number = NULLIF(w.ticket_number, 0), trace = w.trace, problem = NULLIF(w.problem, '')
FROM unnest($1::integer[], $2::uuid[], $3::text[], $4::bigint[], $5::jsonb[], $6::text[])
     AS w(organisation_id, letter_id, outcome, ticket_number, trace, problem)
WHERE l.organisation_id = w.organisation_id AND l.letter_id = w.letter_id`

const sqlUpdateAskedAgain = `
UPDATE letters l SET asked_again = true
FROM unnest($1::integer[], $2::uuid[]) AS w(organisation_id, letter_id)
WHERE l.organisation_id = w.organisation_id AND l.letter_id = w.letter_id`

const sqlInsertEntries = `
INSERT INTO entries (organisation_id, ticket_number, entry_id, kind, author_id, author_name, author_address, identity, third_party,
                     mail_kind, body, full_text, html, event, letter_id, created_at)
SELECT organisation_id, ticket_number, entry_id, kind, author_id, author_name, author_address, identity, third_party,
       mail_kind, body, NULLIF(full_text, ''), NULLIF(html, ''), event, letter_id, created_at
FROM unnest($1::integer[], $2::bigint[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::boolean[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::uuid[], $16::timestamptz[])
     AS w(organisation_id, ticket_number, entry_id, kind, author_id, author_name, author_address, identity, third_party,
          mail_kind, body, full_text, html, event, letter_id, created_at)`

const sqlInsertBlobs = `
INSERT INTO blobs (organisation_id, sha256, data)
SELECT * FROM unnest($1::integer[], $2::bytea[], $3::bytea[])
ON CONFLICT DO NOTHING`

const sqlInsertAttachments = `
INSERT INTO attachments (organisation_id, ticket_number, entry_id, position, filename, content_type, declared_type, content_id, inline, size, sha256)
SELECT * FROM unnest($1::integer[], $2::bigint[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[], $10::integer[], $11::bytea[])`

const sqlInsertMessageIDs = `
INSERT INTO message_ids (organisation_id, hash, ticket_number)
SELECT * FROM unnest($1::integer[], $2::bytea[], $3::bigint[])
ON CONFLICT DO NOTHING`

// queue appends every row the world made or changed to the batch, parents before children.
func (w *world) queue(b *pgx.Batch) {
	w.queuePeople(b)
	w.queueTicketRows(b)
	w.queueParticipants(b)
	w.queueLetters(b)
	w.queueReports(b)
	w.queueEntries(b)
	w.queueAttachments(b)
	if rows := w.ids; len(rows) > 0 {
		b.Queue(sqlInsertMessageIDs,
			column(rows, func(r threadRow) int32 { return r.organisation }),
			column(rows, func(r threadRow) []byte { return r.hash[:] }),
			column(rows, func(r threadRow) int64 { return r.ticket }))
	}
}

// queuePeople writes addresses in the order of their keys: two batches that write the same ones then wait for each other
// in one direction only.
func (w *world) queuePeople(b *pgx.Batch) {
	if rows := slices.SortedFunc(slices.Values(w.customers), byAddress); len(rows) > 0 {
		orgs := column(rows, func(c *Correspondent) int32 { return c.Organisation })
		ids := column(rows, func(c *Correspondent) id.ID { return c.Person })
		b.Queue(sqlInsertPeople, orgs, ids, column(rows, func(c *Correspondent) string { return c.Name }), w.now)
		b.Queue(sqlInsertPersonAddresses, orgs,
			column(rows, func(c *Correspondent) string { return c.Address.Key() }), ids,
			column(rows, func(c *Correspondent) string { return c.Address.String() }),
			column(rows, func(c *Correspondent) int32 { return int32(c.added) }),
			column(rows, func(c *Correspondent) []byte { return c.memory.Stored() }), w.now)
	}
	var answered []*Correspondent
	for _, c := range w.addresses {
		if (c.added > 0 || c.remembered) && !c.fresh {
			answered = append(answered, c)
		}
	}
	slices.SortFunc(answered, byAddress)
	if len(answered) > 0 {
		b.Queue(sqlUpdateBudgets,
			column(answered, func(c *Correspondent) int32 { return c.Organisation }),
			column(answered, func(c *Correspondent) string { return c.Address.Key() }),
			column(answered, func(c *Correspondent) int32 { return int32(c.added) }),
			column(answered, func(c *Correspondent) time.Time { return c.Auto.Since }),
			column(answered, func(c *Correspondent) time.Time { return c.Auto.DaySince }),
			column(answered, func(c *Correspondent) []byte { return c.memory.Stored() }))
	}
}

func byAddress(a, b *Correspondent) int {
	return cmp.Or(cmp.Compare(a.Organisation, b.Organisation), cmp.Compare(a.Address.Key(), b.Address.Key()))
}

func (w *world) queueTicketRows(b *pgx.Batch) {
	if rows := w.opened; len(rows) > 0 {
		b.Queue(sqlInsertTickets,
			column(rows, func(t *Ticket) int32 { return t.Organisation }),
			column(rows, func(t *Ticket) int64 { return t.Number }),
			column(rows, func(t *Ticket) string { return t.Subject }),
			column(rows, func(t *Ticket) string { return string(t.Status) }),
			column(rows, func(t *Ticket) string { return t.Priority }),
			column(rows, func(t *Ticket) string { return t.Via }),
			column(rows, func(t *Ticket) int32 { return t.Category }),
			column(rows, func(t *Ticket) string { return t.SupportAddress }),
			column(rows, func(t *Ticket) id.ID { return t.Requester }),
			column(rows, func(t *Ticket) id.ID { return t.Owner }),
			column(rows, func(t *Ticket) time.Time { return t.CreatedAt }),
			column(rows, func(t *Ticket) *time.Time { return t.ClosedAt }),
			column(rows, func(t *Ticket) *time.Time { return t.DueAt }),
			column(rows, func(t *Ticket) int64 { return t.Follows }),
			column(rows, tagColumn),
			column(rows, func(t *Ticket) int32 { return int32(t.MinutesSpent) }),
			column(rows, func(t *Ticket) []byte { return t.threadIndex }),
			column(rows, func(t *Ticket) bool { return t.RequireTLS }))
	}
	if rows := w.changed; len(rows) > 0 {
		b.Queue(sqlUpdateTickets,
			column(rows, func(t *Ticket) int32 { return t.Organisation }),
			column(rows, func(t *Ticket) int64 { return t.Number }),
			column(rows, func(t *Ticket) string { return string(t.Status) }),
			column(rows, func(t *Ticket) string { return t.Priority }),
			column(rows, func(t *Ticket) int32 { return t.Category }),
			column(rows, func(t *Ticket) id.ID { return t.Owner }),
			column(rows, tagColumn),
			column(rows, func(t *Ticket) int32 { return int32(t.MinutesSpent) }),
			column(rows, func(t *Ticket) int32 { return int32(t.Version) }),
			column(rows, func(t *Ticket) time.Time { return t.UpdatedAt }),
			column(rows, func(t *Ticket) *time.Time { return t.ClosedAt }),
			column(rows, func(t *Ticket) *time.Time { return t.DueAt }),
			column(rows, func(t *Ticket) bool { return t.RequireTLS }))
	}
}

func (w *world) queueParticipants(b *pgx.Batch) {
	if rows := w.joined; len(rows) > 0 {
		b.Queue(sqlInsertParticipants,
			column(rows, func(p *Participant) int32 { return p.Organisation }),
			column(rows, func(p *Participant) int64 { return p.Ticket }),
			column(rows, func(p *Participant) int32 { return int32(p.No) }),
			column(rows, func(p *Participant) id.ID { return p.Person }),
			column(rows, func(p *Participant) string { return p.Name }),
			column(rows, func(p *Participant) string { return string(p.Role) }),
			column(rows, func(p *Participant) string { return p.Address.String() }),
			column(rows, func(p *Participant) bool { return p.Subscribed }),
			column(rows, func(p *Participant) string { return p.Refs }),
			column(rows, func(p *Participant) string { return p.LastCommands }),
			column(rows, func(p *Participant) []byte { return p.line.Stored() }))
	}
	if rows := w.touched; len(rows) > 0 {
		b.Queue(sqlUpdateParticipants,
			column(rows, func(p *Participant) int32 { return p.Organisation }),
			column(rows, func(p *Participant) int64 { return p.Ticket }),
			column(rows, func(p *Participant) int32 { return int32(p.No) }),
			column(rows, func(p *Participant) bool { return p.Subscribed }),
			column(rows, func(p *Participant) string { return p.Refs }),
			column(rows, func(p *Participant) string { return p.LastCommands }),
			column(rows, func(p *Participant) []byte { return p.line.Stored() }))
	}
}

func (w *world) queueLetters(b *pgx.Batch) {
	if rows := w.renewed; len(rows) > 0 {
		b.Queue(sqlRenewLetters,
			column(rows, func(k threadKey) int32 { return k.organisation }),
			column(rows, func(k threadKey) []byte { return k.hash[:] }))
	}
	if keys := w.toldHow; len(keys) > 0 {
		b.Queue(sqlUpdateAskedAgain,
			column(keys, func(k letterKey) int32 { return k.organisation }),
			column(keys, func(k letterKey) id.ID { return k.letter }))
	}
	if rows := w.released; len(rows) > 0 {
		b.Queue(sqlUpdateReleased,
			column(rows, func(r letterRow) int32 { return r.organisation }),
			column(rows, func(r letterRow) id.ID { return r.letter }),
			column(rows, func(r letterRow) string { return string(r.outcome) }),
			column(rows, func(r letterRow) int64 { return r.ticket }),
			column(rows, func(r letterRow) []byte { return r.trace }),
			column(rows, func(r letterRow) string { return r.problem }))
	}
	rows := w.rows
	if len(rows) == 0 {
		return
	}
	b.Queue(sqlInsertLetters,
		column(rows, func(r letterRow) int32 { return r.organisation }),
		column(rows, func(r letterRow) id.ID { return r.letter }),
		column(rows, func(r letterRow) time.Time { return r.receivedAt }),
		column(rows, func(r letterRow) string { return r.mailFrom }),
		column(rows, func(r letterRow) string { return r.rcptTo }),
		column(rows, func(r letterRow) string { return r.fromAddress }),
		column(rows, func(r letterRow) string { return r.subject }),
		column(rows, func(r letterRow) string { return r.messageID }),
		column(rows, func(r letterRow) string { return r.kind }),
		column(rows, func(r letterRow) string { return string(r.outcome) }),
		column(rows, func(r letterRow) int64 { return r.ticket }),
		column(rows, func(r letterRow) int32 { return int32(r.size) }),
		column(rows, func(r letterRow) []byte { return r.session }),
		column(rows, func(r letterRow) []byte { return r.verdict }),
		column(rows, func(r letterRow) []byte { return r.trace }),
		column(rows, func(r letterRow) string { return r.received }),
		column(rows, func(r letterRow) int32 { return int32(r.parserVersion) }),
		column(rows, func(r letterRow) string { return r.problem }),
		column(rows, func(r letterRow) []byte { return r.dedupe[:] }),
		column(rows, func(r letterRow) string { return r.encoding }),
		column(rows, func(r letterRow) []byte { return r.raw }))
}

func (w *world) queueEntries(b *pgx.Batch) {
	rows := w.entries
	if len(rows) == 0 {
		return
	}
	b.Queue(sqlInsertEntries,
		column(rows, func(e Entry) int32 { return e.Organisation }),
		column(rows, func(e Entry) int64 { return e.Ticket }),
		column(rows, func(e Entry) id.ID { return e.ID }),
		column(rows, func(e Entry) string { return string(e.Kind) }),
		column(rows, func(e Entry) id.ID { return e.Author }),
		column(rows, func(e Entry) string { return e.AuthorName }),
		column(rows, func(e Entry) string { return e.AuthorAddress }),
		column(rows, func(e Entry) string { return string(e.Identity) }),
		column(rows, func(e Entry) bool { return e.ThirdParty }),
		column(rows, func(e Entry) string { return e.MailKind }),
		column(rows, func(e Entry) string { return e.Body }),
		column(rows, func(e Entry) string { return e.FullText }),
		column(rows, func(e Entry) string { return e.HTML }),
		column(rows, func(e Entry) string { return e.Event }),
		column(rows, func(e Entry) id.ID { return e.Letter }),
		column(rows, func(e Entry) time.Time { return e.CreatedAt }))
}

func (w *world) queueAttachments(b *pgx.Batch) {
	rows := w.attachments
	if len(rows) == 0 {
		return
	}
	orgs := column(rows, func(a attachmentRow) int32 { return a.organisation })
	hashes := column(rows, func(a attachmentRow) []byte { return a.SHA256[:] })
	b.Queue(sqlInsertBlobs, orgs, hashes, column(rows, func(a attachmentRow) []byte { return a.Data }))
	b.Queue(sqlInsertAttachments, orgs,
		column(rows, func(a attachmentRow) int64 { return a.ticket }),
		column(rows, func(a attachmentRow) id.ID { return a.entry }),
		column(rows, func(a attachmentRow) int32 { return int32(a.position) }),
		column(rows, func(a attachmentRow) string { return a.Filename }),
		column(rows, func(a attachmentRow) string { return a.ContentType }),
		column(rows, func(a attachmentRow) string { return a.Declared }),
		column(rows, func(a attachmentRow) string { return a.ContentID }),
		column(rows, func(a attachmentRow) bool { return a.Inline }),
		column(rows, func(a attachmentRow) int32 { return int32(len(a.Data)) }), hashes)
}

// tagColumn writes tags for string_to_array; a tag holds no space.
func tagColumn(t *Ticket) string { return strings.Join(t.Tags, " ") }
