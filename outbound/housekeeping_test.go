package outbound

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestExpiry: what a dead lane never let through is told late once, and ends when its time is over.
func TestExpiry(t *testing.T) {
	x := newWorld(t)
	var late []string
	x.q.OnDelay = func(_ context.Context, _ pgx.Tx, finals []Final) error {
		for _, f := range finals {
			late = append(late, f.Recipient)
		}
		return nil
	}
	w := x.worker(always(siteDown))
	ids := x.send("a@x.test", "b@x.test")
	sweep := func() {
		t.Helper()
		if err := w.housekeeping(x.ctx); err != nil {
			t.Fatal(err)
		}
	}
	x.round(w)
	x.elapse(DelayNotice - time.Minute)
	sweep()
	if late != nil {
		t.Errorf("told too early: %q", late)
	}
	x.elapse(2 * time.Minute)
	sweep()
	sweep()
	slices.Sort(late)
	if !slices.Equal(late, []string{"a@x.test", "b@x.test"}) {
		t.Errorf("told of the delay: %q", late)
	}
	x.elapse(Expiry)
	sweep()
	if x.state(ids[0]) != "failed expired" || x.state(ids[1]) != "failed expired" || len(x.told()) != 2 {
		t.Errorf("states %q, %q", x.state(ids[0]), x.state(ids[1]))
	}
}

// TestPausedLaneLosesNothing: in a lane that is paused nothing expires, in others it does; when it goes on, what waits there has
// time to be tried, and is still told of as late once.
func TestPausedLaneLosesNothing(t *testing.T) {
	x := newWorld(t)
	w := x.worker(always(siteDown))
	late := 0
	x.q.OnDelay = func(_ context.Context, _ pgx.Tx, list []Final) error {
		late += len(list)
		return nil
	}
	ids := x.send("a@x.test", "b@x.test", "c@y.test")
	held := ids[1]
	if err := x.q.Hold(x.ctx, testOrg, held); err != nil {
		t.Fatal(err)
	}
	if err := x.q.PauseLane(x.ctx, "x.test", true); err != nil {
		t.Fatal(err)
	}
	left := func() time.Duration {
		t.Helper()
		return time.Duration(one[float64](x, `SELECT extract(epoch FROM expires_at - now())::float8 FROM deliveries WHERE delivery_id = $1`, ids[0]) * float64(time.Second))
	}
	sweep := func() {
		t.Helper()
		if err := w.housekeeping(x.ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		x.elapse(DelayNotice + time.Minute)
		sweep()
		x.elapse(Expiry)
		sweep()
	}
	if got := x.told(); !slices.Equal(got, []string{"c@y.test failed expired"}) || late != 2 {
		t.Errorf("ended: %q; %d were told of as late", got, late)
	}
	x.elapse(Expiry - time.Hour) // an hour before its end
	if err := x.q.PauseLane(x.ctx, "x.test", false); err != nil {
		t.Fatal(err)
	}
	if got := left(); got < Expiry-time.Minute {
		t.Errorf("when the lane goes on, %v are left", got)
	}
	x.elapse(2 * time.Hour)
	sweep()
	if a, b := x.state(ids[0]), x.state(held); a != "queued" || b != "held" {
		t.Errorf("states %q, %q", a, b)
	}
	if !one[bool](x, `SELECT NOT isfinite(expires_at) FROM deliveries WHERE delivery_id = $1`, held) {
		t.Error("what is held by hand has an end")
	}
	x.elapse(26 * time.Hour)
	if err := x.q.PauseLane(x.ctx, "x.test", false); err != nil { // it is not paused
		t.Fatal(err)
	}
	if got := left(); got > Expiry-27*time.Hour {
		t.Errorf("a lane that was not paused gives time: %v are left", got)
	}
	x.elapse(Expiry)
	sweep()
	if got := x.told(); !slices.Equal(got, []string{"a@x.test failed expired"}) || x.state(held) != "held" {
		t.Errorf("ended: %q", got)
	}
}

// TestSweepGoesOn: however many wait in a paused lane, what follows them expires in the same round.
func TestSweepGoesOn(t *testing.T) {
	x := newWorld(t)
	fill(x, 3*sweepRows, "paused.test")
	one := x.send("a@x.test")[0]
	if err := x.q.PauseLane(x.ctx, "paused.test", true); err != nil {
		t.Fatal(err)
	}
	x.elapse(Expiry + time.Minute)
	x.exec(`UPDATE deliveries SET check_at = expires_at`)
	x.exec(`UPDATE deliveries SET check_at = check_at + interval '1 second' WHERE delivery_id = $1`, one)
	if err := x.worker(always(siteDown)).housekeeping(x.ctx); err != nil {
		t.Fatal(err)
	}
	if got := x.state(one); got != "failed expired" || len(x.told()) != 1 {
		t.Errorf("state %q", got)
	}
}

// TestRecount: connections that nobody has any more are given back to their lane, others are not.
func TestRecount(t *testing.T) {
	x := newWorld(t)
	w := x.worker(always(taken))
	x.send("a@x.test")
	if _, err := claimReady(x, w); err != nil {
		t.Fatal(err)
	}
	x.exec(`UPDATE lanes SET inflight = 9`)
	x.exec(`INSERT INTO lanes (lane, inflight) VALUES ('idle.test', 2)`)
	if err := w.housekeeping(x.ctx); err != nil {
		t.Fatal(err)
	}
	if n := one[int](x, `SELECT inflight FROM lanes WHERE lane = 'x.test'`); n != 1 {
		t.Errorf("%d batches of x.test, want 1", n)
	}
	if n := one[int](x, `SELECT inflight FROM lanes WHERE lane = 'idle.test'`); n != 0 {
		t.Errorf("%d batches of idle.test, want 0", n)
	}
}

// TestRenew: the leases of batches at work go on, others end.
func TestRenew(t *testing.T) {
	x := newWorld(t)
	w := x.worker(always(taken))
	mine, other := x.send("a@x.test")[0], x.send("b@y.test")[0]
	list, err := claimReady(x, w)
	if err != nil || len(list) != 2 {
		t.Fatalf("claim: %v, %v", list, err)
	}
	w.owe(list[0].owner)
	for range 3 {
		x.elapse(leaseTime - leaseRenew)
		if err := w.renewLeases(x.ctx); err != nil {
			t.Fatal(err)
		}
		if err := w.housekeeping(x.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if x.state(mine) != "leased" || x.state(other) != "deferred" {
		t.Errorf("states %q, %q", x.state(mine), x.state(other))
	}
}

func TestArchive(t *testing.T) {
	x := newWorld(t)
	w := x.worker(always(taken))
	for range 2 { // the second finds all done
		if err := w.archive(x.ctx); err != nil {
			t.Fatal(err)
		}
	}
	x.send("a@x.test")
	waiting := x.send("b@x.test")[0]
	if err := x.q.Hold(x.ctx, testOrg, waiting); err != nil {
		t.Fatal(err)
	}
	x.round(w)
	if n := one[int](x, `SELECT count(*) FROM ONLY attempts_default`); n != 0 {
		t.Errorf("%d attempts in the default partition", n)
	}
	if n := one[int](x, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'attempts'::regclass`); n != 4 {
		t.Errorf("%d partitions, want the default and three months", n)
	}
	x.exec(`CREATE TABLE attempts_201901 PARTITION OF attempts FOR VALUES FROM ('2019-01-01') TO ('2019-02-01')`)
	x.exec(`UPDATE deliveries_done SET finished_at = now() - interval '91 days'`)
	x.exec(`UPDATE messages SET created_at = now() - interval '101 days'`)
	x.exec(`UPDATE lanes SET changed_at = now() - interval '31 days'`)
	if err := w.archive(x.ctx); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]int{
		`SELECT count(*) FROM deliveries_done`:                            0,
		`SELECT count(*) FROM messages`:                                   1, // the other waits
		`SELECT count(*) FROM lanes`:                                      1,
		`SELECT count(*) FROM pg_class WHERE relname = 'attempts_201901'`: 0,
	} {
		if n := one[int](x, sql); n != want {
			t.Errorf("%s = %d, want %d", sql, n, want)
		}
	}
}

// TestStrayAttempts: what came while partitions were missing moves into them, whatever else is in the default one; a month
// that cannot be made does not keep back the next.
func TestStrayAttempts(t *testing.T) {
	x := newWorld(t)
	w := x.worker(always(taken))
	stray := func(when string) {
		t.Helper()
		x.exec(`INSERT INTO attempts (organisation_id, delivery_id, at, attempt, result, reply)
			SELECT 1, gen_random_uuid(), date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '` + when + `', 1, 'delivered', 'ok'`)
	}
	for _, when := range []string{"0", "1 day", "1 month", "6 months", "-1 second"} {
		stray(when)
	}
	month := one[time.Time](x, `SELECT date_trunc('month', now() AT TIME ZONE 'UTC')`)
	first, second := partitionName(month), partitionName(month.AddDate(0, 1, 0))
	x.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$`)
	x.exec(`CREATE TRIGGER refuse BEFORE DELETE ON attempts_default FOR EACH ROW
		WHEN (OLD.at >= '` + month.AddDate(0, 2, 0).Format(time.DateOnly) + `') EXECUTE FUNCTION refuse()`)
	x.exec(`UPDATE attempts SET at = '` + month.AddDate(0, 2, 9).Format(time.DateOnly) + `' WHERE at > now() + interval '100 days'`)
	if err := w.archive(x.ctx); err == nil {
		t.Error("a partition that could not be made is not reported")
	}
	for table, want := range map[string]int{first: 2, second: 1, "attempts_default": 2, "attempts": 5} {
		if n := one[int](x, `SELECT count(*) FROM `+table+` WHERE reply = 'ok'`); n != want {
			t.Errorf("%d rows in %s, want %d", n, table, want)
		}
	}
	x.exec(`DROP TRIGGER refuse ON attempts_default`)
	if err := w.archive(x.ctx); err != nil {
		t.Fatal(err)
	}
	if n := one[int](x, `SELECT count(*) FROM attempts_default`); n != 1 {
		t.Errorf("%d rows in the default partition, want that of the past", n)
	}
	if n := one[int](x, `SELECT count(*) FROM pg_indexes WHERE tablename = $1`, first); n != 1 {
		t.Errorf("%d indexes", n)
	}
}

func TestList(t *testing.T) {
	x := newWorld(t)
	a, b := x.send("a@x.test")[0], x.send("b@y.test")[0]
	x.round(x.worker(always(taken)))
	c, d := x.send("c@x.test")[0], x.send("d@x.test")[0]
	if err := x.q.Hold(x.ctx, testOrg, d); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		f    Filter
		want []string
	}{
		{"all", Filter{}, []string{d.String(), c.String(), b.String(), a.String()}},
		{"page", Filter{Limit: 2}, []string{d.String(), c.String()}},
		{"next page", Filter{Limit: 2, Before: c}, []string{b.String(), a.String()}},
		{"lane", Filter{Lane: "x.test"}, []string{d.String(), c.String(), a.String()}},
		{"state", Filter{State: "held"}, []string{d.String()}},
		{"outcome", Filter{State: "delivered", Lane: "y.test"}, []string{b.String()}},
		{"ticket", Filter{Ticket: 7, Limit: 1}, []string{d.String()}},
		{"other ticket", Filter{Ticket: 8}, nil},
		{"other organisation", Filter{Organisation: 2}, nil},
	} {
		if test.f.Organisation == 0 {
			test.f.Organisation = testOrg
		}
		list, err := x.q.Deliveries(x.ctx, test.f)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, info := range list {
			got = append(got, info.ID.String())
			if (info.NextAt == nil) != (info.ID != c) {
				t.Errorf("%s: due %v", info.Recipient, info.NextAt)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	depth, err := x.q.Depth(x.ctx)
	if err != nil || depth.States["queued"] != 1 || depth.States["held"] != 1 || depth.Oldest <= 0 {
		t.Errorf("depth %+v, %v", depth, err)
	}
}
