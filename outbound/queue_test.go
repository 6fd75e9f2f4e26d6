package outbound

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"mxdesk/internal/bounce"
	"mxdesk/internal/id"
)

// TestFairness: with 20,000 letters for a dead site and for a busy one in the queue, one for another site goes out
// in the first pass, though the busy one takes a whole claim.
func TestFairness(t *testing.T) {
	x := newWorld(t)
	fill(x, 20_000, "dead.test")
	fill(x, 20_000, "busy.test")
	x.exec(`INSERT INTO lanes (lane, next_at, fail_streak) VALUES ('dead.test', now() + '1 hour', 3)`)
	x.send("a@zzz.test")
	w := x.worker(Discard{})
	w.recorder.in = make(chan report, maxGroup) // nobody records
	lanes, err := pending(x.ctx, x.pool, "", maxLanes)
	if err != nil {
		t.Fatal(err)
	}
	if len(lanes) == 3 && lanes[1].Used > 1e9 {
		lanes[1].Used = 1
	}
	want := []pendingLane{{"busy.test", true, true, false, 0}, {"dead.test", false, false, false, 1}, {"zzz.test", true, true, false, 0}}
	if diff := cmp.Diff(want, lanes); diff != "" {
		t.Fatalf("lanes (-want +got):\n%s", diff)
	}
	p, err := w.pass(x.ctx, x.ctx, "")
	if err != nil || !p.more {
		t.Fatalf("pass %+v, %v", p, err)
	}
	w.jobs.Wait()
	for lane, want := range map[string]int{"busy.test": maxClaimed, "dead.test": 0, "zzz.test": 1} {
		if n := one[int](x, `SELECT count(*) FROM deliveries WHERE lane = $1 AND state = 'leased'`, lane); n != want {
			t.Errorf("%d leases of %s, want %d", n, lane, want)
		}
	}
}

// TestChoose: sites that have not proved themselves take no more than their share, and those that have pass them by.
func TestChoose(t *testing.T) {
	known := func(name string) pendingLane { return pendingLane{Lane: name, Ready: true, Proven: true} }
	fresh := func(name string) pendingLane { return pendingLane{Lane: name, Ready: true, Fresh: true} }
	failing := func(name string) pendingLane { return pendingLane{Lane: name, Ready: true, Used: 1} }
	list := []pendingLane{fresh("a"), failing("b"), {Lane: "c", Proven: true}, fresh("d"), known("e"), known("f")}
	for name, c := range map[string]struct {
		free, probes, first int
		ready, fresh        []string
		cut                 bool
	}{
		"room for all":                  {9, 9, 9, []string{"a", "b", "d", "e", "f"}, []string{"a", "d"}, false},
		"probes have their share":       {9, 2, 1, []string{"a", "b", "e", "f"}, []string{"a"}, false},
		"more of them are for new ones": {9, 2, 2, []string{"a", "d", "e", "f"}, []string{"a", "d"}, false},
		"new ones have used theirs":     {9, 1, -1, []string{"b", "e", "f"}, nil, false},
		"what nobody else needs":        {9, 3, 0, []string{"a", "b", "d", "e", "f"}, []string{"a", "d"}, false},
		"probes have used it up":        {9, 0, 1, []string{"e", "f"}, nil, false},
		"probes have more than it":      {9, -3, -1, []string{"e", "f"}, nil, false},
		"no more connections":           {2, 1, 1, []string{"a", "e"}, []string{"a"}, true},
		"just enough connections":       {3, 1, 1, []string{"a", "e", "f"}, []string{"a"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := choose(list, nil, c.free, c.probes, c.first)
			if !slices.Equal(got.ready, c.ready) || !slices.Equal(got.fresh, c.fresh) || got.cut != c.cut {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestProbesTakeTurns: of more lanes that have not proved themselves than may be tried at once each has its turn, a new one first.
func TestProbesTakeTurns(t *testing.T) {
	var list []pendingLane
	for i := range 10 {
		list = append(list, pendingLane{Lane: fmt.Sprintf("d%d.test", i), Ready: true, Used: 1})
	}
	list = append(list, pendingLane{Lane: "good.test", Ready: true, Proven: true}, pendingLane{Lane: "new.test", Ready: true, Fresh: true})
	got := map[string]int{}
	for round := range 10 {
		c := choose(list, nil, 100, 2, 1)
		if len(c.ready) != 3 || round == 0 && !slices.Equal(c.fresh, []string{"new.test"}) {
			t.Errorf("round %d: %+v", round, c)
		}
		for i, l := range list {
			if slices.Contains(c.ready, l.Lane) {
				got[l.Lane]++
				list[i].Used, list[i].Fresh = float64(round+2), false
			}
		}
	}
	if len(got) != len(list) {
		t.Errorf("these had turns: %v", got)
	}
}

// TestSilentSites: a hundred sites that take connections and never say a word leave room for one that took letters before.
func TestSilentSites(t *testing.T) {
	x := newWorld(t)
	for i := range 12 {
		x.send(fmt.Sprintf("u@s%02d.silent.test", i), fmt.Sprintf("v@s%02d.silent.test", i))
	}
	x.exec(`INSERT INTO lanes (lane, max_inflight) VALUES ('good.test', 3)`)
	silent, held := make(chan struct{}), make(chan struct{}, 100)
	w := x.worker(script(func(l *Letter) Attempt {
		if l.To.Domain != "good.test" {
			held <- struct{}{}
			<-silent
		}
		return Attempt{Result: ResultDelivered}
	}))
	w.slots = make(chan struct{}, 10)
	stop := start(x, w)
	defer stop()
	defer close(silent)
	for range 5 {
		<-held
	}
	x.send("a@good.test")
	x.q.Hint()
	x.await(1)
	if n := w.probes.Load(); n > 5 {
		t.Errorf("%d of 10 connections are with sites that prove nothing", n)
	}
}

// fill puts n queued deliveries of one message into a lane.
func fill(x *world, n int, lane string) {
	x.t.Helper()
	m := x.message("x@" + lane)
	first := x.enqueue(m)[0]
	x.exec(`INSERT INTO deliveries (organisation_id, delivery_id, message_id, ticket_number, participant_no, recipient, lane, rfc_message_id, state, check_at, expires_at)
		SELECT organisation_id, gen_random_uuid(), message_id, 7, 1, i || '@' || lane, lane, i || '@desk.test', 'queued', check_at, expires_at
		  FROM deliveries, generate_series(2, $2) i WHERE delivery_id = $1`, first, n)
	x.exec(`ANALYZE deliveries`)
}

// TestManyLanes: more lanes than one pass looks at, and one claim takes, all get their turn; lanes with nothing due
// cost one look.
func TestManyLanes(t *testing.T) {
	x := newWorld(t)
	const n = maxLanes + 200
	var m []Message
	for i := range n {
		m = append(m, x.message(fmt.Sprintf("u@d%04d.test", i)))
	}
	x.enqueue(m...)
	w := x.worker(always(taken))
	w.slots = make(chan struct{}, 30)
	x.round(w)
	if got := one[int](x, `SELECT count(*) FROM deliveries_done WHERE outcome = 'delivered'`); got != n {
		t.Errorf("%d of %d delivered", got, n)
	}
	for i := range m {
		m[i].ID, m[i].Deliveries[0].ID, m[i].Deliveries[0].Hold = id.New(), id.New(), time.Hour
	}
	x.enqueue(m...)
	first, err := w.pass(x.ctx, x.ctx, "")
	if err != nil || !first.more || first.next != fmt.Sprintf("d%04d.test", maxLanes-1) {
		t.Fatalf("first pass %+v, %v", first, err)
	}
	if second, err := w.pass(x.ctx, x.ctx, first.next); err != nil || second.more || second.next != "" || !second.busy {
		t.Fatalf("second pass %+v, %v", second, err)
	}
}

// TestOrder: within a lane the oldest goes first, and a failing lane is probed with one.
func TestOrder(t *testing.T) {
	x := newWorld(t)
	var want []id.ID
	for i := range 5 {
		want = append(want, x.send(fmt.Sprintf("u%d@x.test", i))[0])
	}
	var got []id.ID
	w := x.worker(script(func(l *Letter) Attempt { got = append(got, l.Delivery); return taken }))
	x.exec(`INSERT INTO lanes (lane, fail_streak) VALUES ('x.test', 1)`)
	list, err := claimReady(x, w)
	if err != nil || len(list) != 1 || len(list[0].leases) != 1 || list[0].leases[0].DeliveryID != want[0] {
		t.Fatalf("a failing lane gave %v, %v", list, err)
	}
	x.exec(`UPDATE deliveries SET state = 'queued', lease_owner = NULL, lease_until = NULL, attempts = 0, next_at = created_at`)
	x.exec(`UPDATE lanes SET fail_streak = 0, inflight = 0`)
	x.round(w)
	if !slices.Equal(got, want) {
		t.Errorf("sent in the order %v, want %v", got, want)
	}
}

// TestFull: a queue is full while as many deliveries wait as may.
func TestFull(t *testing.T) {
	x := newWorld(t)
	q := NewQueue(x.pool, QueueConfig{MaxWaiting: 3})
	for _, c := range []struct {
		more string
		want bool
	}{{"a@x.test", false}, {"b@x.test", false}, {"c@x.test", true}, {"d@x.test", true}, {"", false}} {
		if c.more == "" {
			x.round(x.worker(always(taken)))
		} else {
			x.send(c.more)
		}
		if err := q.lookWhetherFull(x.ctx); err != nil || q.Full() != c.want {
			t.Errorf("after %q: full %v, %v", c.more, q.Full(), err)
		}
	}
	x.send("e@x.test")
	if err := x.q.lookWhetherFull(x.ctx); err != nil || x.q.Full() {
		t.Errorf("without a limit: full %v, %v", x.q.Full(), err)
	}
}

// TestFullHoldsNothingUp: while it takes long to count what waits, other nodes hear of hints all the same.
func TestFullHoldsNothingUp(t *testing.T) {
	x := newWorld(t)
	q := NewQueue(x.pool, QueueConfig{MaxWaiting: 3})
	tx, err := x.pool.Begin(x.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(x.ctx) }()
	if _, err := tx.Exec(x.ctx, `LOCK TABLE deliveries`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(x.ctx, patience)
	defer cancel()
	heard := make(chan string, 10)
	var running sync.WaitGroup
	running.Go(func() { _ = listen(ctx, x.pool, func(node string) { heard <- node }) })
	running.Go(func() { _ = q.Run(ctx) })
	for _, want := range []string{"", q.node.String()} { // the first: now it listens
		select {
		case node := <-heard:
			if node != want {
				t.Errorf("heard of %q, want %q", node, want)
			}
		case <-ctx.Done():
			t.Fatal("nobody hears of a hint")
		}
		q.Hint()
	}
	cancel()
	running.Wait()
}

// TestHold: a grace period ends by itself or is cut short by "seen"; a hold by hand ends by hand.
func TestHold(t *testing.T) {
	x := newWorld(t)
	w := x.worker(always(taken))
	grace := x.message("a@x.test", "b@x.test")
	for i := range grace.Deliveries {
		grace.Deliveries[i].Hold, grace.Deliveries[i].CancelSeen = time.Minute, true
	}
	ids := x.enqueue(grace)
	hand := x.send("c@x.test")[0]
	if err := x.q.Hold(x.ctx, testOrg, hand); err != nil {
		t.Fatal(err)
	}
	x.round(w)
	if got := []string{x.state(ids[0]), x.state(ids[1]), x.state(hand)}; !slices.Equal(got, []string{"held", "held", "held"}) {
		t.Fatalf("states %q", got)
	}
	var b pgx.Batch
	x.q.QueueCancelSeen(&b, testOrg, 7, 1)
	if err := x.pool.SendBatch(x.ctx, &b).Close(); err != nil {
		t.Fatal(err)
	}
	x.elapse(2 * time.Minute)
	x.round(w)
	if got := []string{x.state(ids[0]), x.state(ids[1]), x.state(hand)}; !slices.Equal(got, []string{"cancelled seen", "delivered", "held"}) {
		t.Fatalf("states %q", got)
	}
	x.elapse(10 * 24 * time.Hour)
	if err := w.housekeeping(x.ctx); err != nil {
		t.Fatal(err)
	}
	if err := x.q.Release(x.ctx, testOrg, hand); err != nil {
		t.Fatal(err)
	}
	x.round(w)
	if got := x.state(hand); got != "delivered" {
		t.Errorf("state %q after release", got)
	}
}

func TestActions(t *testing.T) {
	x := newWorld(t)
	answer := siteDown
	w := x.worker(script(func(*Letter) Attempt { return answer }))
	ids := x.send("a@x.test", "b@x.test")
	x.round(w)
	// Both wait for the lane; retry-now takes the chosen one first, and at once.
	answer = taken
	if err := x.q.Retry(x.ctx, testOrg, ids[1]); err != nil {
		t.Fatal(err)
	}
	list, err := claimReady(x, w)
	if err != nil || len(list) != 1 || list[0].leases[0].DeliveryID != ids[1] {
		t.Fatalf("claimed %v, %v", list, err)
	}
	for name, act := range map[string]func(id.ID) error{
		"hold":    func(d id.ID) error { return x.q.Hold(x.ctx, testOrg, d) },
		"release": func(d id.ID) error { return x.q.Release(x.ctx, testOrg, d) },
		"retry":   func(d id.ID) error { return x.q.Retry(x.ctx, testOrg, d) },
		"cancel":  func(d id.ID) error { return x.q.Cancel(x.ctx, testOrg, d) },
	} {
		if err := act(ids[1]); !errors.Is(err, ErrLeased) {
			t.Errorf("%s of a leased delivery: %v", name, err)
		}
		if err := act(id.New()); !errors.Is(err, ErrNoDelivery) {
			t.Errorf("%s of an unknown delivery: %v", name, err)
		}
	}
	if err := x.q.Release(x.ctx, testOrg, ids[0]); !errors.Is(err, ErrNoDelivery) {
		t.Errorf("release of one that is not held: %v", err)
	}
	if err := x.q.Cancel(x.ctx, testOrg, ids[0]); err != nil {
		t.Fatal(err)
	}
	if got := x.told(); !slices.Equal(got, []string{"a@x.test cancelled"}) || x.state(ids[0]) != "cancelled" {
		t.Errorf("told %q, state %q", got, x.state(ids[0]))
	}
}

func TestPausedLane(t *testing.T) {
	x := newWorld(t)
	w := x.worker(always(taken))
	if err := x.q.PauseLane(x.ctx, "x.test", true); err != nil {
		t.Fatal(err)
	}
	d := x.send("a@x.test")[0]
	x.round(w)
	if got := x.state(d); got != "queued" {
		t.Fatalf("state %q", got)
	}
	lanes, err := x.q.Lanes(x.ctx, 0, "", 10)
	if err != nil || len(lanes) != 1 || !lanes[0].Paused || lanes[0].Waiting != 1 {
		t.Errorf("lanes %+v, %v", lanes, err)
	}
	if err := x.q.PauseLane(x.ctx, "x.test", false); err != nil {
		t.Fatal(err)
	}
	x.round(w)
	if got := x.state(d); got != "delivered" {
		t.Errorf("state %q", got)
	}
}

// TestSuppression: at once for an unknown user, the third time within two weeks for a full mailbox, never for what is
// our fault; it ends by time, by an admin, and lets a person's words through after a complaint.
func TestSuppression(t *testing.T) {
	x := newWorld(t)
	full := Attempt{Result: ResultFailed, Host: "mx.test", Code: 552, Reply: "quota", Reason: "mailbox_full"}
	spam := Attempt{Result: ResultFailed, Host: "mx.test", Code: 554, Reply: "spam", Reason: "spam"}
	try := func(a Attempt, to string) string {
		t.Helper()
		d := x.send(to)[0]
		x.round(x.worker(always(a)))
		return x.state(d)
	}
	expect := func(want string, a Attempt, to string) {
		t.Helper()
		if got := try(a, to); got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
	}
	expect("failed user_unknown", nobody, "Gone@x.test")
	expect("suppressed user_unknown", taken, "gone@x.test")
	if got := x.attempts(x.send("gone@x.test")[0]); len(got) != 0 {
		t.Errorf("attempts %v", got)
	}
	expect("failed mailbox_full", full, "full@x.test")
	expect("failed mailbox_full", full, "full@x.test")
	x.elapse(15 * 24 * time.Hour)
	expect("failed mailbox_full", full, "full@x.test")
	expect("failed mailbox_full", full, "full@x.test")
	expect("failed mailbox_full", full, "full@x.test")
	expect("suppressed mailbox_full", taken, "full@x.test")
	for range 4 {
		expect("failed spam", spam, "ours@x.test")
	}
	list, err := x.q.Suppressions(x.ctx, testOrg, "", 10, false)
	if err != nil || len(list) != 2 || list[0].Address != "full@x.test" || list[0].Failures != 3 || list[1].Reason != "user_unknown" {
		t.Errorf("suppressions %+v, %v", list, err)
	}
	if ok, err := x.q.Lift(x.ctx, testOrg, "GONE@x.test"); err != nil || !ok {
		t.Errorf("lift: %v, %v", ok, err)
	}
	expect("delivered", taken, "gone@x.test")
	x.elapse(61 * 24 * time.Hour)
	expect("delivered", taken, "full@x.test")

	d := x.send("annoyed@x.test")[0]
	x.round(x.worker(always(taken)))
	done, err := x.q.RecordReport(x.ctx, x.pool, testOrg, d, &bounce.Report{Kind: bounce.Feedback, FeedbackType: "abuse"})
	if err != nil || len(done.Failed) != 0 || len(done.Complaints) != 1 || done.Complaints[0].Participant != 1 {
		t.Errorf("complaint: %+v, %v", done, err)
	}
	expect("suppressed complaint", taken, "annoyed@x.test")
	if last := x.finals[len(x.finals)-1]; !last.Automatic {
		t.Errorf("told %+v: it was automatic", last)
	}
	m := x.message("annoyed@x.test")
	m.AutoSubmitted = ""
	words := x.enqueue(m)[0]
	x.round(x.worker(always(taken)))
	if got := x.state(words); got != "delivered" {
		t.Errorf("a person's words: %q", got)
	}
	x.exec(`UPDATE suppressions SET automatic_only = false`)
	m = x.message("annoyed@x.test")
	m.AutoSubmitted = ""
	x.enqueue(m)
	x.round(x.worker(always(taken)))
	if last := x.finals[len(x.finals)-1]; last.Automatic || last.Outcome != Suppressed || last.Reason != "complaint" {
		t.Errorf("told %+v of a person's words", last)
	}
}

func TestReports(t *testing.T) {
	failure := func(reason string) *bounce.Report {
		return &bounce.Report{Kind: bounce.Failure, Recipients: []bounce.Recipient{
			{Action: bounce.Delayed, Reason: bounce.Network},
			{Address: "else@y.test", Action: bounce.Failed, Status: "5.1.1", SMTPCode: "550", Diagnostic: "no such\r\nuser", RemoteMTA: "mx.y.test", Reason: reason, Hard: true},
		}}
	}
	for _, c := range []struct {
		name    string
		answer  *Attempt // nil: not sent yet
		report  *bounce.Report
		state   string
		final   bool
		log     []string
		stopped int // suppressions
	}{
		{"after delivery", &taken, failure(bounce.UserUnknown), "failed user_unknown", true, []string{"delivered", "bounced"}, 1},
		{"after doubt", &lost, failure(bounce.MailboxFull), "failed mailbox_full", true, []string{"unknown", "bounced"}, 0},
		{"before our record", nil, failure(bounce.UserUnknown), "failed user_unknown", true, []string{"bounced"}, 1},
		{"after a failure", &nobody, failure(bounce.MailboxFull), "failed user_unknown", false, []string{"failed", "bounced"}, 1},
		{"delay", &taken, &bounce.Report{Kind: bounce.Delay}, "delivered", false, []string{"delivered", "delayed"}, 0},
		{"success", &taken, &bounce.Report{Kind: bounce.Success}, "delivered", false, []string{"delivered", "delivered"}, 0},
		{"not spam", &taken, &bounce.Report{Kind: bounce.Feedback, FeedbackType: "not-spam"}, "delivered", false, []string{"delivered", "complaint"}, 0},
		{"nothing", &taken, nil, "delivered", false, []string{"delivered"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t)
			d := x.send("a@x.test")[0]
			if c.answer != nil {
				x.round(x.worker(always(*c.answer)))
			}
			f := x.reported(d, c.report)
			if (f != nil) != c.final {
				t.Fatalf("final %v", f)
			}
			if f != nil && (f.Recipient != "a@x.test" || f.Ticket != 7 || f.Participant != 1 || f.Outcome != Failed || f.Reply != "no such user") {
				t.Errorf("final %+v", f)
			}
			if again := x.reported(d, c.report); again != nil {
				t.Errorf("told twice: %v", again)
			}
			x.exec(`DELETE FROM attempts WHERE ctid = (SELECT max(ctid) FROM attempts) AND (SELECT count(*) FROM attempts) > $1`, len(c.log))
			if got := x.state(d); got != c.state {
				t.Errorf("state %q, want %q", got, c.state)
			}
			if diff := cmp.Diff(c.log, x.attempts(d)); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
			if n := one[int](x, `SELECT count(*) FROM suppressions WHERE active`); n != c.stopped {
				t.Errorf("%d suppressions, want %d", n, c.stopped)
			}
		})
	}
	x := newWorld(t)
	if f := x.reported(id.New(), failure(bounce.UserUnknown)); f != nil {
		t.Errorf("unknown delivery: %v", f)
	}
}

// reported records a report, and returns the one delivery that failed by it.
func (x *world) reported(d id.ID, r *bounce.Report) *Final {
	x.t.Helper()
	done, err := x.q.RecordReport(x.ctx, x.pool, testOrg, d, r)
	if err != nil || len(done.Failed) > 1 {
		x.t.Fatalf("report: %+v, %v", done, err)
	}
	for _, f := range done.Failed {
		return &f
	}
	return nil
}

// TestReportOfDelay: of a delay at a smart host the ticket hears once, after DelayNotice, whether the queue or a report is first.
func TestReportOfDelay(t *testing.T) {
	x := newWorld(t)
	w := x.worker(always(taken))
	d := x.send("a@x.test")[0]
	x.round(w)
	report := func(d id.ID) int {
		t.Helper()
		done, err := x.q.RecordReport(x.ctx, x.pool, testOrg, d, &bounce.Report{Kind: bounce.Delay, Recipients: []bounce.Recipient{{Action: bounce.Delayed, Diagnostic: "busy"}}})
		if err != nil || len(done.Failed)+len(done.Complaints) != 0 {
			t.Fatalf("%+v, %v", done, err)
		}
		for _, f := range done.Delayed {
			if f.Recipient != "a@x.test" || f.Outcome != "" || f.Reply != "busy" || f.Ticket != 7 {
				t.Errorf("told %+v", f)
			}
		}
		return len(done.Delayed)
	}
	age := func(when string) {
		x.exec(`UPDATE attempts SET at = at - interval '` + when + `'`)
		x.exec(`UPDATE deliveries SET created_at = created_at - interval '` + when + `'`)
		x.exec(`UPDATE deliveries_done SET created_at = created_at - interval '` + when + `', finished_at = finished_at - interval '` + when + `'`)
	}
	early := report(d)
	age("5 hours")
	if first, again := report(d), report(d); early != 0 || first != 1 || again != 0 {
		t.Errorf("told %d times too early, %d in time, %d again", early, first, again)
	}
	w = x.worker(always(notNow))
	waiting := x.send("a@x.test")[0]
	x.round(w)
	age("5 hours")
	first := report(waiting)
	x.elapse(DelayNotice + time.Hour)
	told := 0
	x.q.OnDelay = func(_ context.Context, _ pgx.Tx, late []Final) error { told += len(late); return nil }
	if err := w.housekeeping(x.ctx); err != nil || first != 1 || told != 0 {
		t.Errorf("of one in the queue told %d times by the report, %d by the queue: %v", first, told, err)
	}
	x.exec(`UPDATE deliveries SET next_at = now()`)
	x.exec(`UPDATE lanes SET next_at = now()`)
	x.round(x.worker(always(taken)))
	if n := report(waiting); n != 0 {
		t.Errorf("told %d times after it left late", n)
	}
}

// TestLateReport: a report that comes while a worker has the letter wins over the worker's own result.
func TestLateReport(t *testing.T) {
	x := newWorld(t)
	d := x.send("a@x.test")[0]
	w := x.worker(script(func(l *Letter) Attempt {
		r := &bounce.Report{Kind: bounce.Failure, Recipients: []bounce.Recipient{{Action: bounce.Failed, Reason: bounce.UserUnknown}}}
		if x.reported(l.Delivery, r) == nil {
			t.Error("the report closed nothing")
		}
		return taken
	}))
	x.round(w)
	if got := x.state(d); got != "failed user_unknown" || x.told() != nil {
		t.Errorf("state %q", got)
	}
}
