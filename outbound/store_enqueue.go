package outbound

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

// querier is a pool, a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const sqlEnqueueMessages = `
INSERT INTO messages (organisation_id, message_id, ticket_number, entry_id, template, from_name, from_address,
                      auto_submitted, subject, body_text, body_html, attach_entry, shared_with, links_until)
SELECT organisation_id, message_id, nullif(ticket_number, 0), entry_id, template, from_name, from_address,
       auto_submitted, subject, body_text, body_html, attach_entry, shared_with, links_until
  FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[],
              $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[], $13::text[], $14::timestamptz[])
    AS m (organisation_id, message_id, ticket_number, entry_id, template, from_name, from_address,
          auto_submitted, subject, body_text, body_html, attach_entry, shared_with, links_until)`

func enqueueMessages(b *pgx.Batch, messages []Message) {
	var (
		n                            = len(messages)
		organisations                = make([]int32, n)
		ids, entries                 = make([]id.ID, n), make([]id.ID, n)
		tickets                      = make([]int64, n)
		templates, names, froms      = make([]string, n), make([]string, n), make([]string, n)
		autos, subjects, texts, html = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		attach                       = make([]bool, n)
		shared                       = make([]string, n)
		links                        = make([]*time.Time, n)
	)
	for i := range messages {
		m := &messages[i]
		organisations[i], ids[i], tickets[i], entries[i] = m.Organisation, m.ID, m.Ticket, m.Entry
		templates[i], names[i], froms[i] = storable(m.Template), storable(m.FromName), m.From.String()
		autos[i], subjects[i] = m.AutoSubmitted, storable(m.Subject)
		texts[i], html[i], attach[i], shared[i] = storable(m.Text), storable(m.HTML), m.AttachEntry, m.sharedWith()
		if !m.LinksUntil.IsZero() {
			links[i] = &m.LinksUntil
		}
	}
	b.Queue(sqlEnqueueMessages, organisations, ids, tickets, entries, templates, names, froms, autos, subjects, texts, html, attach, shared, links)
}

const sqlEnqueueDeliveries = `
INSERT INTO deliveries (organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient,
                        recipient_name, lane, rfc_message_id, refs, unsubscribe, automatic, state, next_at, check_at, expires_at,
                        require_tls, cancel_if_seen)
SELECT organisation_id, delivery_id, message_id, nullif(ticket_number, 0), nullif(participant_no, 0), recipient,
       recipient_name, lane, rfc_message_id, refs, unsubscribe, automatic,
       CASE WHEN hold > 0 THEN 'held' ELSE 'queued' END, now() + make_interval(secs => hold),
       now() + make_interval(secs => hold + $14), now() + make_interval(secs => hold + $15), require_tls, cancel_if_seen
  FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::int[], $6::text[],
              $7::text[], $8::text[], $9::text[], $10::text[], $11::boolean[], $12::boolean[], $13::float8[], $16::boolean[], $17::boolean[])
    AS d (organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient,
          recipient_name, lane, rfc_message_id, refs, unsubscribe, automatic, hold, require_tls, cancel_if_seen)`

// enqueueDeliveries queues nothing for a message without recipients.
func enqueueDeliveries(b *pgx.Batch, messages []Message, lane func(int32, address.Address) string) {
	var (
		organisations, participants []int32
		ids, parents                []id.ID
		tickets                     []int64
		recipients, names, lanes    []string
		messageIDs, refs            []string
		unsubscribe, automatic      []bool
		tls, seen                   []bool
		holds                       []float64
	)
	for _, m := range messages {
		for i, d := range m.Deliveries {
			if first := &m.Deliveries[0]; m.Shared && i > 0 {
				d.MessageID, d.References, d.Unsubscribe = first.MessageID, first.References, first.Unsubscribe
			}
			organisations, participants = append(organisations, m.Organisation), append(participants, int32(d.Participant))
			ids, parents, tickets = append(ids, d.ID), append(parents, m.ID), append(tickets, m.Ticket)
			recipients, names = append(recipients, d.Recipient.String()), append(names, storable(d.Name))
			lanes = append(lanes, lane(m.Organisation, d.Recipient))
			messageIDs, refs = append(messageIDs, storable(d.MessageID)), append(refs, joinIDs(d.References))
			unsubscribe, automatic = append(unsubscribe, d.Unsubscribe), append(automatic, m.AutoSubmitted != "")
			holds, tls, seen = append(holds, d.Hold.Seconds()), append(tls, m.RequireTLS), append(seen, d.CancelSeen)
		}
	}
	if len(ids) == 0 {
		return
	}
	b.Queue(sqlEnqueueDeliveries, organisations, ids, parents, tickets, participants, recipients, names, lanes,
		messageIDs, refs, unsubscribe, automatic, holds, DelayNotice.Seconds(), Expiry.Seconds(), tls, seen)
}

const sqlEnqueueShared = `
INSERT INTO shared_deliveries (organisation_id, message_id, delivery_id, recipient)
SELECT organisation_id, message_id, delivery_id, recipient
  FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::text[]) AS s (organisation_id, message_id, delivery_id, recipient)`

// enqueueShared notes who gets the very same letter.
func enqueueShared(b *pgx.Batch, messages []Message) {
	var organisations []int32
	var parents, ids []id.ID
	var recipients []string
	for _, m := range messages {
		if !m.Shared || len(m.Deliveries) < 2 {
			continue
		}
		for _, d := range m.Deliveries {
			organisations, parents, ids = append(organisations, m.Organisation), append(parents, m.ID), append(ids, d.ID)
			recipients = append(recipients, d.Recipient.String())
		}
	}
	if len(ids) > 0 {
		b.Queue(sqlEnqueueShared, organisations, parents, ids, recipients)
	}
}

const sqlNotify = `SELECT pg_notify('mxdesk_outbound', $1)`

func notify(ctx context.Context, db querier, node id.ID) error {
	_, err := db.Exec(ctx, sqlNotify, node.String())
	return err
}

// splitIDs reads the refs column.
func splitIDs(refs string) []string { return strings.Fields(refs) }
