package ticketing

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/ticketing/guard"
)

// wanted is what a world must hold before letters can be decided on: the keys to look up.
type wanted struct {
	letters   map[threadKey]bool
	addresses map[addressKey]bool
	threads   map[threadKey]bool
	tickets   map[ticketKey]bool
	returned  map[deliveryKey]bool
	held      map[letterKey]bool
	recent    int // public entries of each ticket
}

func newWanted() *wanted {
	return &wanted{
		letters: map[threadKey]bool{}, addresses: map[addressKey]bool{}, threads: map[threadKey]bool{},
		tickets: map[ticketKey]bool{}, returned: map[deliveryKey]bool{}, held: map[letterKey]bool{},
	}
}

const sqlSelectDupes = `
SELECT l.organisation_id, l.dedupe, l.letter_id, l.received_at
FROM unnest($1::integer[], $2::bytea[]) AS w(organisation_id, dedupe)
JOIN letters l ON l.organisation_id = w.organisation_id AND l.dedupe = w.dedupe`

// Letters that are still held, locked: two who release one at the same time must not both do it.
const sqlLockHeld = `
SELECT l.organisation_id, l.letter_id, l.asked_again
FROM unnest($1::integer[], $2::uuid[]) AS w(organisation_id, letter_id)
JOIN letters l ON l.organisation_id = w.organisation_id AND l.letter_id = w.letter_id
WHERE l.outcome = 'held'
ORDER BY l.organisation_id, l.letter_id
FOR UPDATE OF l`

// Locked in the order of their keys: two nodes that take letters of one address at once would each give it the whole budget of
// automatic answers, and both answer the same words.
const sqlLockCorrespondents = `
SELECT a.organisation_id, a.address, a.written, a.person_id, p.name, p.kind = 'staff', p.state = 'inactive',
       a.auto_count, a.auto_since, a.auto_day_count, a.auto_day_since, a.guard
FROM unnest($1::integer[], $2::text[]) AS w(organisation_id, address)
JOIN person_addresses a ON a.organisation_id = w.organisation_id AND a.address = w.address
JOIN people p ON p.organisation_id = a.organisation_id AND p.person_id = a.person_id
ORDER BY a.organisation_id, a.address
FOR NO KEY UPDATE OF a`

// The ticket of a delivery, whether it is under way or done.
const sqlSelectReturned = `
SELECT w.organisation_id, w.delivery_id, COALESCE(d.ticket_number, f.ticket_number, 0)
FROM unnest($1::integer[], $2::uuid[]) AS w(organisation_id, delivery_id)
LEFT JOIN deliveries d ON d.organisation_id = w.organisation_id AND d.delivery_id = w.delivery_id
LEFT JOIN deliveries_done f ON f.organisation_id = w.organisation_id AND f.delivery_id = w.delivery_id`

// Some clients give many letters the same Message-ID. The newest tickets that hold it are enough; to read and lock all
// would let strangers make every answer slow.
const ticketsOfID = `CROSS JOIN LATERAL (
        SELECT organisation_id, hash, ticket_number FROM message_ids
        WHERE organisation_id = w.organisation_id AND hash = w.hash
        ORDER BY ticket_number DESC LIMIT 10) m`

const sqlSelectThreads = `
SELECT m.organisation_id, m.hash, m.ticket_number
FROM unnest($1::integer[], $2::bytea[]) AS w(organisation_id, hash)
` + ticketsOfID + `
ORDER BY m.ticket_number DESC`

// The tickets that are named, directly, by a Message-ID or by a delivery, and those they were merged into; locked in the
// order of their keys, so that two batches cannot wait for each other.
const cteNamedTickets = `
WITH RECURSIVE named AS (
    SELECT w.organisation_id, w.number, 0 AS hops FROM unnest($1::integer[], $2::bigint[]) AS w(organisation_id, number)
    UNION
    SELECT m.organisation_id, m.ticket_number, 0
    FROM unnest($3::integer[], $4::bytea[]) AS w(organisation_id, hash)
    ` + ticketsOfID + `
    UNION
    SELECT w.organisation_id, COALESCE(d.ticket_number, f.ticket_number), 0
    FROM unnest($5::integer[], $6::uuid[]) AS w(organisation_id, delivery_id)
    LEFT JOIN deliveries d ON d.organisation_id = w.organisation_id AND d.delivery_id = w.delivery_id
    LEFT JOIN deliveries_done f ON f.organisation_id = w.organisation_id AND f.delivery_id = w.delivery_id
), chain AS (
    SELECT organisation_id, number, hops FROM named
    UNION
    SELECT t.organisation_id, t.merged_into, c.hops + 1
    FROM chain c JOIN tickets t ON t.organisation_id = c.organisation_id AND t.number = c.number
    WHERE t.merged_into IS NOT NULL AND c.hops < 10
)`

const sqlSelectNamedTickets = cteNamedTickets + `
SELECT t.organisation_id, t.number, t.subject, t.status, t.priority, t.via, t.category_id, t.support_address, t.requester_id,
       t.owner_id, t.tags, t.minutes_spent, t.version, t.created_at, t.updated_at, t.closed_at, t.due_at,
       COALESCE(t.merged_into, 0), COALESCE(t.follows, 0), t.require_tls
FROM tickets t
WHERE (t.organisation_id, t.number) IN (SELECT organisation_id, number FROM chain)
ORDER BY t.organisation_id, t.number`

const sqlLockTickets = sqlSelectNamedTickets + `
FOR UPDATE OF t`

const sqlSelectParticipants = cteNamedTickets + `
SELECT p.organisation_id, p.ticket_number, p.participant_no, p.person_id, p.name, p.role, p.address, p.subscribed, p.refs, p.last_commands, p.guard
FROM participants p
WHERE (p.organisation_id, p.ticket_number) IN (SELECT organisation_id, number FROM chain)
ORDER BY p.organisation_id, p.ticket_number, p.participant_no`

// sqlSelectRecent reads what is needed of entries to show their words and to know who answered last. Of very long words the
// beginning is enough.
const sqlSelectRecent = cteNamedTickets + `
SELECT c.organisation_id, c.number, e.entry_id, e.kind, e.author_id, e.author_name, e.body, e.created_at
FROM (SELECT DISTINCT organisation_id, number FROM chain) c
CROSS JOIN LATERAL (
    (SELECT entry_id, kind, author_id, author_name, left(body, 65536) AS body, created_at FROM entries
      WHERE organisation_id = c.organisation_id AND ticket_number = c.number AND kind IN ('message', 'reply')
      ORDER BY entry_id DESC LIMIT $7)
    UNION
    (SELECT entry_id, kind, author_id, author_name, left(body, 65536), created_at FROM entries
      WHERE organisation_id = c.organisation_id AND ticket_number = c.number AND kind = 'reply' AND author_id IS NOT NULL
      ORDER BY entry_id DESC LIMIT 1)) e
ORDER BY e.entry_id DESC`

// Every statement of an intake finds its rows by their keys. Planning that anew for each batch, with its arguments and the
// statistics of the moment, costs more than doing it; and a plan made while a table was small must not read it
// whole when it has grown.
const sqlPlanByKey = `
SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`

// load reads what is wanted in one round trip, which also begins the transaction when begin is set.
func (w *world) load(ctx context.Context, q querier, want *wanted, begin bool) error {
	b := &pgx.Batch{}
	if begin {
		b.Queue("BEGIN")
		b.Queue(sqlPlanByKey)
	}
	if len(want.letters) > 0 {
		orgs, hashes := threadColumns(want.letters)
		b.Queue(sqlSelectDupes, orgs, hashes).Query(w.scanDupes)
	}
	if len(want.held) > 0 {
		keys := slices.Collect(maps.Keys(want.held))
		b.Queue(sqlLockHeld,
			column(keys, func(k letterKey) int32 { return k.organisation }),
			column(keys, func(k letterKey) id.ID { return k.letter })).Query(w.scanHeld)
	}
	if len(want.addresses) > 0 {
		keys := slices.Collect(maps.Keys(want.addresses))
		b.Queue(sqlLockCorrespondents,
			column(keys, func(k addressKey) int32 { return k.organisation }),
			column(keys, func(k addressKey) string { return k.key })).Query(w.scanCorrespondents)
	}
	if len(want.tickets)+len(want.threads)+len(want.returned) > 0 {
		w.queueTickets(b, want, true)
	}
	return q.SendBatch(ctx, b).Close()
}

func (w *world) queueTickets(b *pgx.Batch, want *wanted, lock bool) {
	threadOrgs, hashes := threadColumns(want.threads)
	numbers := slices.Collect(maps.Keys(want.tickets))
	returned := slices.Collect(maps.Keys(want.returned))
	returnedOrgs := column(returned, func(k deliveryKey) int32 { return k.organisation })
	deliveries := column(returned, func(k deliveryKey) id.ID { return k.delivery })
	args := []any{
		column(numbers, func(k ticketKey) int32 { return k.organisation }),
		column(numbers, func(k ticketKey) int64 { return k.number }),
		threadOrgs, hashes, returnedOrgs, deliveries,
	}
	if len(threadOrgs) > 0 {
		b.Queue(sqlSelectThreads, threadOrgs, hashes).Query(w.scanThreads)
	}
	if len(returned) > 0 {
		b.Queue(sqlSelectReturned, returnedOrgs, deliveries).Query(w.scanReturned)
	}
	tickets := sqlSelectNamedTickets
	if lock {
		tickets = sqlLockTickets
	}
	b.Queue(tickets, args...).Query(w.scanTickets)
	b.Queue(sqlSelectParticipants, args...).Query(w.scanParticipants)
	if want.recent > 0 {
		b.Queue(sqlSelectRecent, append(args, want.recent)...).Query(w.scanRecent)
	}
}

func threadColumns(keys map[threadKey]bool) (orgs []int32, hashes [][]byte) {
	for k := range keys {
		orgs, hashes = append(orgs, k.organisation), append(hashes, k.hash[:])
	}
	return orgs, hashes
}

// column makes the array of one column of rows.
func column[R, T any](rows []R, value func(R) T) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = value(r)
	}
	return out
}

func (w *world) scanDupes(rows pgx.Rows) error {
	var (
		k    threadKey
		d    dupe
		hash []byte
	)
	_, err := pgx.ForEachRow(rows, []any{&k.organisation, &hash, &d.letter, &d.receivedAt}, func() error {
		k.hash = hash16(hash)
		w.letters[k] = d
		return nil
	})
	return err
}

func (w *world) scanHeld(rows pgx.Rows) error {
	var (
		k    letterKey
		told bool
	)
	_, err := pgx.ForEachRow(rows, []any{&k.organisation, &k.letter, &told}, func() error {
		w.held[k], w.askedAgain[k] = true, told
		return nil
	})
	return err
}

func (w *world) scanCorrespondents(rows pgx.Rows) error {
	var (
		k       addressKey
		written string
		memory  []byte
		c       Correspondent
	)
	dest := []any{
		&k.organisation, &k.key, &written, &c.Person, &c.Name, &c.Staff, &c.Inactive,
		&c.Auto.Count, &c.Auto.Since, &c.Auto.DayCount, &c.Auto.DaySince, &memory,
	}
	_, err := pgx.ForEachRow(rows, dest, func() error {
		a, err := address.Parse(written)
		if err != nil {
			return fmt.Errorf("stored address of %s: %w", c.Person, err)
		}
		found := c
		found.Organisation, found.Address, found.memory = k.organisation, a, guard.ReadMemory(memory)
		w.addresses[k] = &found
		return nil
	})
	return err
}

func (w *world) scanThreads(rows pgx.Rows) error {
	var (
		k      threadKey
		hash   []byte
		number int64
	)
	_, err := pgx.ForEachRow(rows, []any{&k.organisation, &hash, &number}, func() error {
		k.hash = hash16(hash)
		w.threads[k] = append(w.threads[k], number)
		return nil
	})
	return err
}

func (w *world) scanReturned(rows pgx.Rows) error {
	var (
		k      deliveryKey
		number int64
	)
	_, err := pgx.ForEachRow(rows, []any{&k.organisation, &k.delivery, &number}, func() error {
		w.returned[k] = number
		return nil
	})
	return err
}

func (w *world) scanTickets(rows pgx.Rows) error {
	for rows.Next() {
		var t Ticket
		err := rows.Scan(&t.Organisation, &t.Number, &t.Subject, &t.Status, &t.Priority, &t.Via, &t.Category, &t.SupportAddress, &t.Requester,
			&t.Owner, &t.Tags, &t.MinutesSpent, &t.Version, &t.CreatedAt, &t.UpdatedAt, &t.ClosedAt, &t.DueAt,
			&t.MergedInto, &t.Follows, &t.RequireTLS)
		if err != nil {
			return err
		}
		w.tickets[ticketKey{t.Organisation, t.Number}] = &t
	}
	return rows.Err()
}

func (w *world) scanRecent(rows pgx.Rows) error {
	for rows.Next() {
		var e Entry
		if err := rows.Scan(&e.Organisation, &e.Ticket, &e.ID, &e.Kind, &e.Author, &e.AuthorName, &e.Body, &e.CreatedAt); err != nil {
			return err
		}
		k := ticketKey{e.Organisation, e.Ticket}
		w.recent[k] = append(w.recent[k], e)
	}
	return rows.Err()
}

func (w *world) scanParticipants(rows pgx.Rows) error {
	for rows.Next() {
		var p Participant
		var addr string
		var line []byte
		err := rows.Scan(&p.Organisation, &p.Ticket, &p.No, &p.Person, &p.Name, &p.Role, &addr, &p.Subscribed, &p.Refs, &p.LastCommands, &line)
		if err != nil {
			return err
		}
		if p.Address, err = address.Parse(addr); err != nil {
			return fmt.Errorf("stored address of a participant of #%d: %w", p.Ticket, err)
		}
		p.line = guard.ReadLine(line)
		if t := w.tickets[ticketKey{p.Organisation, p.Ticket}]; t != nil {
			t.Participants = append(t.Participants, &p)
		}
	}
	return rows.Err()
}
