package pace

import (
	"context"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurns(t *testing.T) {
	for name, c := range map[string]struct {
		turns func(context.Context, time.Duration) iter.Seq[struct{}]
		lasts time.Duration // each turn
		want  []time.Duration
	}{
		"at once":         {AtOnce, 0, []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute}},
		"later":           {Later, 0, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}},
		"at once, slowly": {AtOnce, 150 * time.Second, []time.Duration{0, 150 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 210*time.Second)
				defer cancel()
				begin := time.Now()
				var got []time.Duration
				for range c.turns(ctx, time.Minute) {
					got = append(got, time.Since(begin))
					select {
					case <-time.After(c.lasts):
					case <-ctx.Done():
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("turns at %v, want %v", got, c.want)
				}
				if c.lasts == 0 && time.Since(begin) != 210*time.Second {
					t.Errorf("it ended after %v, not with its context", time.Since(begin))
				}
			})
		})
	}
}

// Who has enough leaves the loop.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		for range AtOnce(t.Context(), time.Minute) {
			break
		}
		for range Later(t.Context(), time.Minute) {
			if n++; n == 2 {
				break
			}
		}
		if n != 2 {
			t.Errorf("%d turns", n)
		}
	})
}
