// Package pace leads work that is done now and then: in a loop over its turns, which ends with the context.
package pace

import (
	"context"
	"iter"
	"time"
)

// AtOnce has a turn now, and then one every interval until ctx ends. Turns that come while one still lasts are left out, but
// for one.
func AtOnce(ctx context.Context, interval time.Duration) iter.Seq[struct{}] {
	return turns(ctx, interval, true)
}

// Later is AtOnce without the turn now.
func Later(ctx context.Context, interval time.Duration) iter.Seq[struct{}] {
	return turns(ctx, interval, false)
}

func turns(ctx context.Context, interval time.Duration, atOnce bool) iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		if atOnce && !yield(struct{}{}) {
			return
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if ctx.Err() != nil || !yield(struct{}{}) {
				return
			}
		}
	}
}
