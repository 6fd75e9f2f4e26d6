package outbound

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A report whose OnFinal runs out of time speaks of a ticket that somebody has locked, most likely. It is put aside, with
// what else speaks of that ticket, and tried again now and then; the others go on. Its leases are renewed meanwhile.
const (
	asideFor = 10 * time.Minute // then it is recorded without telling the ticket
	maxAside = 1000
)

// Variables for tests.
var (
	finalWait  = 3 * time.Second // for OnFinal, each time
	asideEvery = 5 * time.Second
)

// ticketRef is one ticket of one organisation.
type ticketRef struct {
	organisation int32
	number       int64
}

// putAside is a report that waits for a ticket.
type putAside struct {
	report
	until time.Time // patience ends
}

// aside is what waits for tickets; the zero value is ready.
type aside struct {
	list    []putAside
	tickets map[ticketRef]int // how many of list speak of it
}

// tickets are those that OnFinal is told of by the report.
func (g report) tickets() (list []ticketRef) {
	for _, res := range g.results {
		if t := (ticketRef{res.lease.OrganisationID, res.lease.TicketNumber}); res.decision.outcome != "" && t.number != 0 {
			list = append(list, t)
		}
	}
	return list
}

// concerns tells whether the report must wait: its ticket is one that others wait for.
func (a *aside) concerns(g report) bool {
	return len(a.tickets) > 0 && slices.ContainsFunc(g.tickets(), func(t ticketRef) bool { return a.tickets[t] > 0 })
}

// add puts a report aside, unless it waited too long or too many wait.
func (a *aside) add(p putAside) bool {
	if len(a.list) >= maxAside || !time.Now().Before(p.until) {
		return false
	}
	if a.tickets == nil {
		a.tickets = map[ticketRef]int{}
	}
	for _, t := range p.tickets() {
		a.tickets[t]++
	}
	a.list = append(a.list, p)
	return true
}

// take empties the list and forgets the tickets.
func (a *aside) take() []putAside {
	list := a.list
	*a = aside{}
	return list
}

// bounded gives f its time.
func bounded(f OnFinal) OnFinal {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, tx pgx.Tx, finals []Final) error {
		ctx, cancel := context.WithTimeout(ctx, finalWait)
		defer cancel()
		return f(ctx, tx, finals)
	}
}

// heldUp tells whether OnFinal ran out of time: ours, or that of the server (lock_timeout, statement_timeout).
func heldUp(err error) bool {
	if !errors.Is(err, errOnFinal) {
		return false
	}
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		return pg.Code == "55P03" || pg.Code == "57014"
	}
	return errors.Is(err, context.DeadlineExceeded)
}
