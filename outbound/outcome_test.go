package outbound

import (
	"testing"
	"time"

	"mxdesk/internal/bounce"
)

// TestEndOfTime: what becomes of a delivery at the end of its time, and before, by what happened to it.
func TestEndOfTime(t *testing.T) {
	noTLS := Attempt{Result: ResultDeferred, Reason: bounce.TLSRequired}
	for _, c := range []struct {
		name    string
		attempt Attempt
		broke   bool // before
		late    bool // there is no time for another attempt
		outcome Outcome
		reason  string
	}{
		{"deferred", notNow, false, false, "", notNow.Reason},
		{"deferred to the end", notNow, false, true, Failed, bounce.Expired},
		{"site away to the end", siteDown, false, true, Failed, bounce.Expired},
		{"no TLS to the end", noTLS, false, true, Failed, bounce.TLSRequired},
		{"lost", lost, false, false, "", bounce.Network},
		{"lost at the end", lost, false, true, Unknown, bounce.Network},
		{"lost twice", lost, true, false, Unknown, bounce.Network},
		{"lost, then deferred", notNow, true, false, "", notNow.Reason},
		{"lost, then deferred to the end", notNow, true, true, Unknown, bounce.Expired},
		{"lost, then away to the end", siteDown, true, true, Unknown, bounce.Expired},
		{"lost, then no TLS to the end", noTLS, true, true, Unknown, bounce.Expired},
		{"lost, then refused", nobody, true, true, Failed, nobody.Reason},
		{"lost, then delivered", taken, true, true, Delivered, ""},
	} {
		left := 48 * time.Hour
		if c.late {
			left = time.Second
		}
		got := decide(c.attempt, history{attempt: 2, broke: c.broke, left: left}, 0.5)
		if got.outcome != c.outcome || got.reason != c.reason {
			t.Errorf("%s: %q %q, want %q %q", c.name, got.outcome, got.reason, c.outcome, c.reason)
		}
	}
}

// TestDoubtAtTheEnd: a letter of which nobody knows whether it arrived is told as such, whoever finds that its time is over.
func TestDoubtAtTheEnd(t *testing.T) {
	for _, swept := range []bool{false, true} {
		x := newWorld(t)
		answer := lost
		w := x.worker(script(func(*Letter) Attempt { return answer }))
		d := x.send("a@x.test")[0]
		x.round(w)
		answer = notNow
		if swept {
			x.elapse(Expiry + time.Minute)
			if err := w.housekeeping(x.ctx); err != nil {
				t.Fatal(err)
			}
		} else {
			x.elapse(Expiry - time.Minute)
			x.round(w)
		}
		if got := x.state(d); got != "unknown expired" {
			t.Errorf("swept %v: %s", swept, got)
		}
		if n := one[int](x, `SELECT count(*) FROM suppressions`); n != 0 {
			t.Errorf("swept %v: it counts against the recipient", swept)
		}
	}
}
