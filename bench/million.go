package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/ticketing"
)

// million measures whether the database's size matters: intake into an empty and into a filled one, in turn, and
// the first page of the ticket list.
func (c *benchCmd) million(ctx context.Context, top *cli) error {
	fmt.Printf("\nfilled database: %d tickets, %d entries\n", c.Tickets, 3*c.Tickets)
	empty, emptyPool, err := readyInstance(ctx, top.Mxdesk, "discard:")
	if err != nil {
		return err
	}
	defer empty.remove()
	defer empty.stop() //nolint:errcheck // the figures are printed
	defer emptyPool.Close()
	full, fullPool, err := readyInstance(ctx, top.Mxdesk, "discard:")
	if err != nil {
		return err
	}
	defer full.remove()
	defer full.stop() //nolint:errcheck // the figures are printed
	defer fullPool.Close()
	begin := time.Now()
	if err := fillDatabase(ctx, fullPool, c.Tickets); err != nil {
		return err
	}
	fmt.Printf("filled in %v\n", time.Since(begin).Round(time.Second))
	root := func(in *instance) func() int { return func() int { return in.cmd.Process.Pid } }
	a := target{"filled", full.smtp, root(full), countSince(ctx, fullPool), nil}
	b := target{"empty", empty.smtp, root(empty), countSince(ctx, emptyPool), nil}
	l := load{"s=10 4K", 10, 4096, false}
	var inFull, inEmpty []result
	for range c.Rounds {
		r, err := c.measure(ctx, a, l)
		if err != nil {
			return fmt.Errorf("filled: %w", err)
		}
		inFull = append(inFull, r)
		if r, err = c.measure(ctx, b, l); err != nil {
			return fmt.Errorf("empty: %w", err)
		}
		inEmpty = append(inEmpty, r)
		fmt.Printf("filled %6.0f/s %.2f s CPU per 1,000    empty %6.0f/s %.2f s\n", inFull[len(inFull)-1].rate, inFull[len(inFull)-1].cpu, r.rate, r.cpu)
	}
	rate := ratios(inEmpty, inFull, func(r result) float64 { return r.rate })
	fmt.Printf("empty / filled: %.2f (%.2f-%.2f)\n", rate[1], rate[0], rate[2])
	return printList(ctx, fullPool)
}

// countSince counts letters by the newest rows alone, so that counting costs the same in both.
func countSince(ctx context.Context, pool *pgxpool.Pool) func() (int, error) {
	return func() (n int, err error) {
		err = pool.QueryRow(ctx, `SELECT count(*) FROM letters WHERE from_address = 'carl@customer.test'`).Scan(&n)
		return n, err
	}
}

// fillDatabase makes tickets of 10,000 customers, with three entries and one letter each.
func fillDatabase(ctx context.Context, pool *pgxpool.Pool, tickets int) error {
	for _, sql := range []string{
		`INSERT INTO people (organisation_id, person_id, kind, name)
		 SELECT 1, md5('p' || i)::uuid, 'customer', 'Customer ' || i FROM generate_series(1, 10000) i`,
		`INSERT INTO person_addresses (organisation_id, address, person_id, written)
		 SELECT 1, 'f' || i || '@filled.test', md5('p' || i)::uuid, 'f' || i || '@filled.test' FROM generate_series(1, 10000) i`,
		`INSERT INTO tickets (organisation_id, number, subject, status, via, category_id, support_address, requester_id, created_at, updated_at, closed_at)
		 SELECT 1, i, 'Subject of ticket ' || i, CASE WHEN i % 20 = 0 THEN 'new' ELSE 'closed' END, 'email',
		        (SELECT min(category_id) FROM categories), 'help@example.test', md5('p' || (i % 10000 + 1))::uuid, now(), now(), CASE WHEN i % 20 = 0 THEN NULL ELSE now() END
		 FROM generate_series(1, TICKETS) i`,
		`INSERT INTO participants (organisation_id, ticket_number, participant_no, person_id, role, address)
		 SELECT 1, i, 1, md5('p' || (i % 10000 + 1))::uuid, 'requester', 'f' || (i % 10000 + 1) || '@filled.test' FROM generate_series(1, TICKETS) i`,
		`INSERT INTO entries (organisation_id, ticket_number, entry_id, kind, author_name, identity, body, created_at)
		 SELECT 1, i, gen_random_uuid(), 'message', 'Somebody', 'unverified', repeat('Some words about a thing. ', 8), now() FROM generate_series(1, TICKETS) i, generate_series(1, 3)`,
		`INSERT INTO message_ids (organisation_id, hash, ticket_number) SELECT 1, decode(md5('m' || i), 'hex'), i FROM generate_series(1, TICKETS) i`,
		`INSERT INTO letters (organisation_id, letter_id, received_at, mail_from, rcpt_to, from_address, subject, message_id, kind, outcome, ticket_number, size,
		                      session, trace, received_field, parser_version, dedupe, encoding, raw)
		 SELECT 1, gen_random_uuid(), now(), '', 'help@example.test', 'f@filled.test', 's', 'm', 'human', 'ticket', i, 100, '{}', '{}', '', 1,
		        decode(md5('d' || i), 'hex'), 'identity', 'raw' FROM generate_series(1, TICKETS) i`,
		`UPDATE ticket_numbers SET next = next + TICKETS`,
	} {
		if _, err := pool.Exec(ctx, strings.ReplaceAll(sql, "TICKETS", strconv.Itoa(tickets))); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	_, err := pool.Exec(ctx, `VACUUM (ANALYZE)`)
	if err == nil {
		_, err = pool.Exec(ctx, `CHECKPOINT`)
	}
	return err
}

// printList tells how long the first page of the ticket list takes, whole and by status.
func printList(ctx context.Context, pool *pgxpool.Pool) error {
	s, err := ticketing.NewService(pool, nil, nil, nil)
	if err != nil {
		return err
	}
	for name, f := range map[string]ticketing.TicketFilter{"all": {}, "status new": {Status: ticketing.New}, "unowned": {Unowned: true}} {
		var times []time.Duration
		for range 50 {
			begin := time.Now()
			list, err := s.Tickets(ctx, 1, f)
			if err != nil || len(list) == 0 {
				return fmt.Errorf("list %s: %d tickets, %w", name, len(list), err)
			}
			times = append(times, time.Since(begin))
		}
		slices.Sort(times)
		fmt.Printf("first page of the ticket list, %s: p50 %.1f ms, p99 %.1f ms\n", name,
			float64(times[25].Microseconds())/1000, float64(times[49].Microseconds())/1000)
	}
	return nil
}
