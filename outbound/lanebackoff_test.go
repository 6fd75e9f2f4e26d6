package outbound

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"mxdesk/internal/smtptest"
)

// TestFinishLanes: what batches of one lane, recorded together, make of it: its streak of failures, and whether it is backed off.
func TestFinishLanes(t *testing.T) {
	var (
		delivered = laneResult{answered: true, delivered: true}
		refused   = laneResult{answered: true}
		nothing   = laneResult{} // stopped, or given back
		away      = laneResult{failed: true, err: "connection refused"}
		tooFast   = laneResult{answered: true, failed: true, err: "421 too fast"}
		some      = laneResult{answered: true, delivered: true, failed: true, err: "421 enough"}
	)
	for _, c := range []struct {
		name    string
		batches []laneResult
		before  int // its streak
		streak  int
		off     bool // it is backed off
		limit   int  // of connections; it was 8
		err     string
	}{
		{"delivered", []laneResult{delivered}, 3, 0, false, 9, ""},
		{"refused, the connection held", []laneResult{refused}, 3, 0, false, 9, ""},
		{"nothing was tried", []laneResult{nothing}, 3, 3, false, 8, "before"},
		{"no connection", []laneResult{away}, 3, 4, true, 4, away.err},
		{"no connection, first time", []laneResult{away}, 0, 1, true, 4, away.err},
		{"an answer, then the connection ended", []laneResult{tooFast}, 0, 1, true, 4, tooFast.err},
		{"both of two", []laneResult{tooFast, tooFast}, 0, 1, true, 4, tooFast.err},
		{"one refused, another without connection", []laneResult{refused, away}, 0, 1, true, 4, away.err},
		{"some letters, then the connection ended", []laneResult{some}, 0, 0, false, 4, "before"},
		{"some letters, and a streak", []laneResult{some}, 2, 2, false, 4, "before"},
		{"one delivered, another without connection", []laneResult{delivered, away}, 0, 0, false, 4, "before"},
		{"some, another too fast", []laneResult{some, tooFast}, 0, 0, false, 4, "before"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t)
			for i := range c.batches {
				c.batches[i].lane = "x.test"
			}
			x.exec(`INSERT INTO lanes (lane, inflight, max_inflight, fail_streak, last_error) VALUES ('x.test', $1, 8, $2, 'before')`, len(c.batches), c.before)
			if _, err := record(x.ctx, x.pool, nil, c.batches, nil); err != nil {
				t.Fatal(err)
			}
			got := one[string](x, `SELECT format('%s, off %s, limit %s, out %s: %s', fail_streak, next_at > now(), max_inflight, inflight, last_error) FROM lanes`)
			want := fmt.Sprintf("%d, off %s, limit %d, out 0: %s", c.streak, map[bool]string{true: "t", false: "f"}[c.off], c.limit, c.err)
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestSlowDown: a host that defers a letter and then ends the connection is not asked again at once by all that waits.
func TestSlowDown(t *testing.T) {
	x := newWorld(t)
	var connections atomic.Int32
	peer := smtptest.New(t, smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
		switch {
		case c.Verb == smtptest.Connect:
			connections.Add(1)
		case c.Verb == "RCPT":
			return smtptest.Action{Reply: "450 4.7.1 slow down"}
		case c.Verb == "MAIL" && c.N > 1:
			return smtptest.Action{Reply: "421 4.7.0 come back later", Close: true}
		}
		return smtptest.Action{}
	}})
	var m []Message
	for i := range 60 {
		m = append(m, x.message(fmt.Sprintf("u%d@x.test", i)))
	}
	x.enqueue(m...)
	w := x.worker(smtpTo(t, peer.Addr()))
	x.round(w)
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections back to back, want 1", n)
	}
	if n := one[int](x, `SELECT count(*) FROM deliveries WHERE attempts = 0 AND state = 'queued'`); n != 58 {
		t.Errorf("%d of the others are as before, want 58", n)
	}
	x.elapse(2 * time.Minute)
	x.round(w)
	x.round(w)
	if n := connections.Load(); n > 3 {
		t.Errorf("%d connections after one more probe, want 3 at most", n)
	}
}
