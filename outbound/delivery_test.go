package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

// TestOutcomes: what each result of an attempt leads to, at once and when it repeats.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		name    string
		results []Attempt // one for each attempt
		wait    time.Duration
		state   string
		log     []string
		told    []string
	}{
		{"delivered", []Attempt{taken}, 0, "delivered", []string{"delivered"}, []string{"a@x.test delivered"}},
		{"refused", []Attempt{nobody}, 0, "failed user_unknown", []string{"failed"}, []string{"a@x.test failed user_unknown"}},
		{"deferred", []Attempt{notNow}, 0, "deferred", []string{"deferred"}, nil},
		{"deferred, then delivered", []Attempt{notNow, taken}, time.Hour, "delivered", []string{"deferred", "delivered"}, []string{"a@x.test delivered"}},
		{"site down, then delivered", []Attempt{siteDown, taken}, time.Hour, "delivered", []string{"deferred", "delivered"}, []string{"a@x.test delivered"}},
		{"deferred until it expires", []Attempt{notNow, notNow}, 119*time.Hour + 59*time.Minute, "failed expired", []string{"deferred", "deferred"}, []string{"a@x.test failed expired"}},
		{"lost once", []Attempt{lost}, 0, "deferred", []string{"unknown"}, nil},
		{"lost, then delivered", []Attempt{lost, taken}, time.Hour, "delivered", []string{"unknown", "delivered"}, []string{"a@x.test delivered"}},
		{"lost, then refused", []Attempt{lost, nobody}, time.Hour, "failed user_unknown", []string{"unknown", "failed"}, []string{"a@x.test failed user_unknown"}},
		{"lost twice", []Attempt{lost, lost}, time.Hour, "unknown network", []string{"unknown", "unknown"}, []string{"a@x.test unknown network"}},
		{"lost, deferred, lost", []Attempt{lost, notNow, lost}, time.Hour, "unknown network", []string{"unknown", "deferred", "unknown"}, []string{"a@x.test unknown network"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t)
			n := 0
			w := x.worker(script(func(*Letter) Attempt { n++; return c.results[n-1] }))
			d := x.send("a@x.test")[0]
			for i := range c.results {
				if i > 0 {
					x.elapse(c.wait)
				}
				x.round(w)
			}
			if n != len(c.results) {
				t.Errorf("%d attempts, want %d", n, len(c.results))
			}
			if got := x.state(d); got != c.state {
				t.Errorf("state %q, want %q", got, c.state)
			}
			if diff := cmp.Diff(c.log, x.attempts(d)); diff != "" {
				t.Errorf("log of attempts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.told, x.told()); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			if n := one[int](x, `SELECT coalesce(sum(inflight), 0) FROM lanes`); n != 0 {
				t.Errorf("%d batches under way in the end", n)
			}
		})
	}
}

// TestSchedule: an address that always says "later" is tried at the times of the schedule, ±10 %, and not between.
func TestSchedule(t *testing.T) {
	x := newWorld(t)
	n := 0
	w := x.worker(script(func(*Letter) Attempt { n++; return notNow }))
	d := x.send("a@x.test")[0]
	x.round(w)
	for i, step := range []time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 8 * time.Hour,
	} {
		x.elapse(step*9/10 - 10*time.Second)
		x.round(w)
		if n != i+1 {
			t.Fatalf("attempt %d came too early", i+2)
		}
		x.elapse(step*2/10 + 10*time.Second)
		x.round(w)
		if n != i+2 {
			t.Fatalf("attempt %d did not come within %v", i+2, step*11/10)
		}
	}
	if got := x.state(d); got != "deferred" {
		t.Errorf("state %q", got)
	}
}

// TestLaneBackoff: a dead site costs the one letter that probed it an attempt, and nobody else.
func TestLaneBackoff(t *testing.T) {
	x := newWorld(t)
	var mu sync.Mutex // lanes are served at the same time
	tried := map[string]int{}
	dead := true
	w := x.worker(script(func(l *Letter) Attempt {
		mu.Lock()
		defer mu.Unlock()
		tried[l.To.Domain]++
		if dead && l.To.Domain == "dead.test" {
			return siteDown
		}
		return taken
	}))
	var m []Message
	for i := range 30 {
		m = append(m, x.message(fmt.Sprintf("u%d@dead.test", i)), x.message(fmt.Sprintf("u%d@good.test", i)))
	}
	x.enqueue(m...)
	x.round(w)
	if tried["dead.test"] != 1 || tried["good.test"] != 30 {
		t.Fatalf("tried %v", tried)
	}
	untouched := `SELECT count(*) FROM deliveries WHERE attempts = 0 AND state = 'queued'`
	if n := one[int](x, untouched); n != 29 {
		t.Errorf("%d of the others are as before, want 29", n)
	}
	x.round(w)
	if tried["dead.test"] != 1 {
		t.Error("a lane that is backed off was tried")
	}
	x.elapse(67 * time.Second)
	x.round(w)
	x.round(w)
	if tried["dead.test"] != 2 {
		t.Errorf("%d probes after a minute, want one more", tried["dead.test"])
	}
	if n := one[int](x, `SELECT fail_streak FROM lanes WHERE lane = 'dead.test'`); n != 2 {
		t.Errorf("fail streak %d", n)
	}
	dead = false
	x.elapse(6 * time.Minute)
	x.round(w)
	if n := one[int](x, `SELECT count(*) FROM deliveries_done WHERE outcome = 'delivered' AND lane = 'dead.test'`); n != 30 {
		t.Errorf("%d delivered when the site was back, want all 30", n)
	}
	if n := one[int](x, `SELECT fail_streak FROM lanes WHERE lane = 'dead.test'`); n != 0 {
		t.Errorf("fail streak %d after a success", n)
	}
}

// TestConcurrency: a lane grows by one connection for each batch without trouble, to 20, and halves when one fails.
func TestConcurrency(t *testing.T) {
	x := newWorld(t)
	answer := taken
	w := x.worker(script(func(*Letter) Attempt { return answer }))
	w.cfg.BatchSize = 1
	limit := func() int { return one[int](x, `SELECT max_inflight FROM lanes WHERE lane = 'x.test'`) }
	var m []Message
	for i := range 40 {
		m = append(m, x.message(fmt.Sprintf("u%d@x.test", i)))
	}
	x.enqueue(m...)
	x.round(w)
	if limit() != 20 {
		t.Errorf("limit %d after 40 good batches, want 20", limit())
	}
	answer = siteDown
	x.send("v@x.test")
	x.round(w)
	if limit() != 10 {
		t.Errorf("limit %d after a failure, want 10", limit())
	}
}

// TestFence: a worker whose lease was taken back changes nothing once another has claimed, while before that its
// word still counts.
func TestFence(t *testing.T) {
	x := newWorld(t)
	deliver := func(l lease) result {
		a := taken
		return result{lease: l, attempt: &a, decision: decision{outcome: Delivered}}
	}
	claimOne := func() lease {
		t.Helper()
		if err := makeLanes(x.ctx, x.pool, []string{"x.test"}); err != nil {
			t.Fatal(err)
		}
		list, err := claim(x.ctx, x.pool, []string{"x.test"}, 20)
		if err != nil || len(list) != 1 || len(list[0].leases) != 1 {
			t.Fatalf("claim: %v, %v", list, err)
		}
		return list[0].leases[0]
	}
	takeBack := func() {
		t.Helper()
		x.elapse(leaseTime + time.Second)
		if err := x.worker(Discard{}).housekeeping(x.ctx); err != nil {
			t.Fatal(err)
		}
	}
	d := x.send("a@x.test")[0]
	first := claimOne()
	if list, err := claim(x.ctx, x.pool, []string{"x.test"}, 20); err != nil || len(list) != 0 {
		t.Fatalf("claimed twice: %v, %v", list, err)
	}
	takeBack()
	if got := x.state(d); got != "deferred" {
		t.Fatalf("state %q after the lease ended", got)
	}
	if n := one[int](x, `SELECT inflight FROM lanes WHERE lane = 'x.test'`); n != 0 {
		t.Fatalf("%d batches counted after the lease ended", n)
	}
	x.elapse(time.Hour)
	second := claimOne()
	if second.Attempts != 2 {
		t.Errorf("attempt %d, want 2", second.Attempts)
	}
	if _, err := record(x.ctx, x.pool, []result{deliver(first)}, nil, x.q.OnFinal); err != nil {
		t.Fatal(err)
	}
	if got := x.state(d); got != "leased" || x.told() != nil {
		t.Errorf("state %q: the late worker was heard", got)
	}
	takeBack()
	if _, err := record(x.ctx, x.pool, []result{deliver(second)}, nil, x.q.OnFinal); err != nil {
		t.Fatal(err)
	}
	if got := x.state(d); got != "delivered" || len(x.told()) != 1 {
		t.Errorf("state %q: a late word that nobody contradicts was not heard", got)
	}
	if got := x.attempts(d); !slices.Equal(got, []string{"delivered", "delivered"}) {
		t.Errorf("attempts %v: both were made, though one changed nothing", got)
	}
}

// TestRecordedTwice: a record that is made again, because the answer to its COMMIT was lost, counts nothing twice; of a late
// worker's deferral, too, the first telling counts.
func TestRecordedTwice(t *testing.T) {
	x := newWorld(t)
	full := Attempt{Result: ResultFailed, Host: "mx.test", Code: 552, Reply: "quota", Reason: "mailbox_full"}
	ids := x.send("full@x.test", "later@x.test", "back@x.test", "reaped@y.test", "held@y.test")
	list, err := claimReady(x, x.worker(Discard{}))
	if err != nil {
		t.Fatal(err)
	}
	var results []result
	for _, b := range list {
		for _, l := range b.leases {
			switch l.DeliveryID {
			case ids[0]:
				results = append(results, result{lease: l, attempt: &full, decision: decision{outcome: Failed, reason: full.Reason}})
			case ids[2]:
				results = append(results, result{lease: l, undo: true})
			default:
				results = append(results, result{lease: l, attempt: &lost, decision: decision{reason: lost.Reason, broke: true, delay: time.Hour}})
			}
		}
	}
	x.exec(`UPDATE deliveries SET state = 'deferred', lease_owner = NULL, lease_until = NULL WHERE lane = 'y.test'`)
	if err := x.q.Hold(x.ctx, testOrg, ids[4]); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := record(x.ctx, x.pool, results, nil, x.q.OnFinal); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"failed mailbox_full [failed]", "deferred [unknown]", "queued []", "deferred [unknown]", "held [unknown]"} {
		if got := fmt.Sprint(x.state(ids[i]), " ", x.attempts(ids[i])); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	if n := one[int](x, `SELECT cardinality(failed_at) FROM suppressions WHERE address = 'full@x.test' AND NOT active`); n != 1 {
		t.Errorf("%d failures counted against the address", n)
	}
	if n := one[int](x, `SELECT count(*) FROM deliveries WHERE broke`); n != 2 || len(x.told()) != 1 {
		t.Errorf("%d deliveries broke", n)
	}
}

// TestDeadWorker: the letters of a worker that died after claiming go out later, with the same Message-ID and
// as the next attempt.
func TestDeadWorker(t *testing.T) {
	x := newWorld(t)
	d := x.send("a@x.test")[0]
	var bodies []string
	w := x.worker(script(func(l *Letter) Attempt { bodies = append(bodies, string(l.Body)); return taken }))
	// The remote host takes the letter, and then we die: nothing is recorded.
	list, err := claimReady(x, w)
	if err != nil || len(list) != 1 {
		t.Fatalf("claim: %v, %v", list, err)
	}
	in := make(chan report, 10)
	w.recorder.in = in
	w.carry(x.ctx, make(chan struct{}), list[0], w.sites.begin(list[0].lane))
	if len(bodies) != 1 || x.state(d) != "leased" {
		t.Fatalf("%d letters, state %s", len(bodies), x.state(d))
	}
	x.elapse(leaseTime + time.Second)
	if err := w.housekeeping(x.ctx); err != nil {
		t.Fatal(err)
	}
	x.round(w)
	if len(bodies) != 2 || bodies[0] != bodies[1] {
		t.Errorf("%d letters, which must be the same:\n%s", len(bodies), strings.Join(bodies, "\n----\n"))
	}
	if got := x.state(d); got != "delivered" {
		t.Errorf("state %q", got)
	}
}

func claimReady(x *world, w *Worker) ([]batch, error) {
	lanes, err := pending(x.ctx, x.pool, "", 10)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, l := range lanes {
		names = append(names, l.Lane)
	}
	if err := makeLanes(x.ctx, x.pool, names); err != nil {
		return nil, err
	}
	return claim(x.ctx, x.pool, names, w.cfg.BatchSize)
}

// TestCallbackFails: a callback that fails for one delivery holds up nobody, and no letter is sent twice for it.
func TestCallbackFails(t *testing.T) {
	impatient(t)
	for name, fail := range map[string]func(context.Context, pgx.Tx) error{
		"in the database": func(ctx context.Context, tx pgx.Tx) error { return tx.QueryRow(ctx, `SELECT 1/0`).Scan(new(int)) },
		"by itself":       func(context.Context, pgx.Tx) error { return errors.New("no such ticket") },
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t)
			heard := x.q.OnFinal
			x.q.OnFinal = func(ctx context.Context, tx pgx.Tx, finals []Final) error {
				if slices.ContainsFunc(finals, func(f Final) bool { return f.Recipient == "bad@x.test" }) {
					return fail(ctx, tx)
				}
				return heard(ctx, tx, finals)
			}
			ids := x.send("good@x.test", "bad@x.test", "fine@y.test")
			x.round(x.worker(always(taken)))
			for _, d := range ids {
				if got := x.state(d); got != "delivered" {
					t.Errorf("state %q", got)
				}
			}
			told := x.told()
			slices.Sort(told)
			if diff := cmp.Diff([]string{"fine@y.test delivered", "good@x.test delivered"}, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// failingDB is a database that is away as often as fails says, then there.
type failingDB struct {
	beginner
	fails int
}

func (f *failingDB) Begin(ctx context.Context) (pgx.Tx, error) {
	if f.fails != 0 {
		f.fails--
		return nil, io.ErrUnexpectedEOF
	}
	return f.beginner.Begin(ctx)
}

// TestDatabaseAway: results wait for the database to come back; when it does not and we are to stop, we
// stop, and the delivery is not lost.
func TestDatabaseAway(t *testing.T) {
	impatient(t)
	x := newWorld(t)
	w := x.worker(always(taken))
	w.recorder.db = &failingDB{beginner: x.pool, fails: 50}
	d := x.send("a@x.test")[0]
	x.round(w)
	if got := x.state(d); got != "delivered" {
		t.Errorf("state %q after the database came back", got)
	}
	w.recorder.db = &failingDB{beginner: x.pool, fails: -1}
	d = x.send("b@x.test")[0]
	list, err := claimReady(x, w)
	if err != nil {
		t.Fatal(err)
	}
	w.recorder.over = time.Now().Add(-time.Second) // patience is over
	w.recorder.in = make(chan report, 10)
	w.carry(x.ctx, nil, list[0], w.sites.begin(list[0].lane))
	close(w.recorder.in)
	stop := make(chan struct{})
	close(stop)
	w.recorder.run(stop)
	if got := x.state(d); got != "leased" {
		t.Errorf("state %q after the database stayed away", got)
	}
}

// TestPanic: the letter at hand is deferred, the rest of its batch goes back to the queue.
func TestPanic(t *testing.T) {
	x := newWorld(t)
	n := 0
	w := x.worker(script(func(l *Letter) Attempt {
		if n++; l.To.Local == "b" && n <= 3 {
			panic("boom")
		}
		return taken
	}))
	ids := x.send("a@x.test", "b@x.test", "c@x.test")
	x.round(w)
	if got := []string{x.state(ids[0]), x.state(ids[1]), x.state(ids[2])}; !slices.Equal(got, []string{"delivered", "deferred", "delivered"}) {
		t.Errorf("states %q", got)
	}
	if n := one[int](x, `SELECT inflight FROM lanes WHERE lane = 'x.test'`); n != 0 {
		t.Errorf("%d batches counted", n)
	}
}

// TestGone: what belongs to a deleted message or organisation is not sent and does not come back.
func TestGone(t *testing.T) {
	x := newWorld(t)
	d := x.send("a@x.test")[0]
	x.exec(`DELETE FROM messages`)
	x.round(x.worker(always(taken)))
	if got := x.state(d); got != "cancelled" {
		t.Errorf("state %q", got)
	}
}

// TestUnfit: a letter that cannot be composed waits like any other and expires; others go on.
func TestUnfit(t *testing.T) {
	x := newWorld(t)
	m := x.message("a@x.test")
	m.From = address.Address{Local: "x", Domain: "not an address"} // which Parse would not give
	bad, good := x.enqueue(m)[0], id.ID{}
	good = x.send("b@x.test")[0]
	x.round(x.worker(always(taken)))
	if x.state(bad) != "deferred" || x.state(good) != "delivered" {
		t.Errorf("states %q, %q", x.state(bad), x.state(good))
	}
	if n := one[int](x, `SELECT fail_streak FROM lanes WHERE lane = 'x.test'`); n != 0 {
		t.Error("the lane suffers for it")
	}
}
