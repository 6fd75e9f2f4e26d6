package outbound

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackoff(t *testing.T) {
	for n, want := range map[int]time.Duration{
		-1: time.Minute, 1: time.Minute, 2: 5 * time.Minute, 3: 15 * time.Minute, 4: 30 * time.Minute,
		5: time.Hour, 6: 2 * time.Hour, 7: 4 * time.Hour, 8: 8 * time.Hour, 9: 8 * time.Hour, 1000: 8 * time.Hour,
	} {
		if got := backoff(n, 0.5); got != want {
			t.Errorf("after attempt %d: %v, want %v", n, got, want)
		}
		if low, high := backoff(n, 0), backoff(n, 1); low != want*9/10 || high != want*11/10 {
			t.Errorf("after attempt %d: %v to %v", n, low, high)
		}
	}
}

// TestDecide: whatever happened before, an attempt ends the delivery exactly when it must.
func TestDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Attempt{
			Result: rapid.SampledFrom([]Result{ResultDelivered, ResultFailed, ResultDeferred, ResultBroke}).Draw(t, "result"),
			Reason: "spam", Site: rapid.Bool().Draw(t, "site"),
		}
		h := history{
			attempt: rapid.IntRange(1, 50).Draw(t, "attempt"), broke: rapid.Bool().Draw(t, "broke"),
			left: time.Duration(rapid.Int64Range(-int64(time.Hour), int64(Expiry)).Draw(t, "left")),
		}
		d := decide(a, h, rapid.Float64Range(0, 0.999).Draw(t, "random"))
		switch {
		case a.Result == ResultDelivered && d.outcome != Delivered,
			a.Result == ResultFailed && (d.outcome != Failed || d.reason != "spam"),
			a.Result == ResultBroke && h.broke && d.outcome != Unknown,
			a.Result == ResultDeferred && d.outcome != "" && (d.outcome != Failed || h.broke) && (d.outcome != Unknown || !h.broke),
			d.outcome == "" && (d.delay <= 0 || d.delay >= h.left),
			d.outcome == "" && d.broke != (h.broke || a.Result == ResultBroke):
			t.Fatalf("%+v after %+v: %+v", a, h, d)
		}
	})
}
