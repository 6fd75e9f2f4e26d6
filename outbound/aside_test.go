package outbound

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// TestLockedTicket: a ticket that is locked for long holds up its own results alone. They keep their leases, and the ticket
// is told when it is free; who must stop before that records them without telling.
func TestLockedTicket(t *testing.T) {
	wait, every := finalWait, asideEvery
	finalWait, asideEvery = 100*time.Millisecond, 10*time.Millisecond
	t.Cleanup(func() { finalWait, asideEvery = wait, every })
	x := newWorld(t)
	held := make(chan struct{}, 100)
	heard := x.q.OnFinal
	x.q.OnFinal = func(ctx context.Context, tx pgx.Tx, finals []Final) error {
		for _, f := range finals {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, f.Ticket); err != nil {
				select {
				case held <- struct{}{}:
				default:
				}
				return err
			}
		}
		return heard(ctx, tx, finals)
	}
	lock := func(ticket int64) pgx.Tx {
		tx, err := x.pool.Begin(x.ctx)
		if err == nil {
			_, err = tx.Exec(x.ctx, `SELECT pg_advisory_xact_lock($1)`, ticket)
		}
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	await := func(n int) {
		t.Helper()
		for range n {
			select {
			case <-held:
			case <-x.ctx.Done():
				t.Fatal("nothing was held up")
			}
		}
	}
	about := func(ticket int64, recipients ...string) Message {
		m := x.message(recipients...)
		m.Ticket = ticket
		return m
	}

	locked := lock(8)
	ids := x.enqueue(about(7, "a@x.test"), about(8, "b@x.test", "c@x.test"), about(9, "d@x.test", "e@x.test"), about(10, "f@y.test"))
	w := x.worker(always(taken))
	stop := start(x, w)
	x.await(4)
	await(3)
	x.elapse(leaseTime - time.Second)
	if err := w.renewLeases(x.ctx); err != nil {
		t.Fatal(err)
	}
	x.elapse(leaseTime - time.Second)
	if err := w.housekeeping(x.ctx); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"delivered", "leased", "leased", "delivered", "delivered", "delivered"} {
		if got := x.state(ids[i]); got != want {
			t.Errorf("%d: state %q while the ticket is locked, want %q", i, got, want)
		}
	}
	if err := locked.Rollback(x.ctx); err != nil {
		t.Fatal(err)
	}
	x.await(6)
	told := x.told()
	slices.Sort(told)
	want := []string{"a@x.test delivered", "b@x.test delivered", "c@x.test delivered", "d@x.test delivered", "e@x.test delivered", "f@y.test delivered"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}

	locked = lock(8)
	ids = x.enqueue(about(8, "b@x.test", "c@x.test"), about(9, "d@x.test"))
	x.q.Hint()
	x.await(1)
	await(3)
	stop()
	for _, d := range ids {
		if got := x.state(d); got != "delivered" {
			t.Errorf("state %q after the stop", got)
		}
	}
	if diff := cmp.Diff([]string{"d@x.test delivered"}, x.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if err := locked.Rollback(x.ctx); err != nil {
		t.Fatal(err)
	}
	if len(w.batches) != 0 {
		t.Errorf("%d batches are renewed still", len(w.batches))
	}
}

// TestAside: who waits too long, or behind too many, is not put aside.
func TestAside(t *testing.T) {
	var a aside
	of := func(ticket int64, o Outcome) report {
		return report{results: []result{{lease: lease{OrganisationID: 1, TicketNumber: ticket}, decision: decision{outcome: o}}}}
	}
	later := time.Now().Add(time.Hour)
	if a.add(putAside{of(1, Failed), time.Now().Add(-time.Second)}) || !a.add(putAside{of(1, Failed), later}) {
		t.Error("patience does not count")
	}
	if !a.concerns(of(1, Delivered)) || a.concerns(of(2, Failed)) || a.concerns(of(1, "")) {
		t.Error("the wrong report must wait")
	}
	for i := range maxAside {
		if got, want := a.add(putAside{of(int64(i), Failed), later}), i < maxAside-1; got != want {
			t.Fatalf("%d: %v", i, got)
		}
	}
	if n := len(a.take()); n != maxAside || a.concerns(of(1, Failed)) {
		t.Errorf("%d were put aside", n)
	}
}
