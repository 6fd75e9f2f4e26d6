package guard

import "time"

// limit is a token bucket: letters at once, and as many again over each per.
type limit struct {
	letters int
	per     time.Duration
}

// The buckets of one address in one ticket, and of one address in all.
var (
	ticketLimits  = limits{{10, 10 * time.Minute}, {15, 30 * time.Minute}, {25, time.Hour}, {50, 3 * time.Hour}, {100, 10 * time.Hour}}
	addressLimits = limits{{30, 10 * time.Minute}, {60, 30 * time.Minute}, {120, time.Hour}, {240, 3 * time.Hour}, {360, 10 * time.Hour}}
)

const buckets = 5

type limits [buckets]limit

// interval is the time in which one token comes back.
func (l limit) interval() time.Duration { return l.per / time.Duration(l.letters) }

// volume holds of each bucket when it is full again; one that was never used is full. Such a moment is all there is to a
// token bucket: each letter moves it by one interval.
type volume [buckets]time.Time

// maxSilence ends the silence before half of a long bucket is back: whoever gets much mail for good reasons, an agent of a busy
// desk, then gets what comes back of it, and is not left in the dark for hours.
const maxSilence = 30 * time.Minute

// empty tells whether a bucket has no token, and when half of it is back: of several, the last to be.
func (v *volume) empty(of limits, now time.Time) (back time.Time, empty bool) {
	for i, l := range of {
		if v[i].Add(l.interval()).Sub(now) <= l.per {
			continue
		}
		empty = true
		if half := v[i].Add(-l.per / 2); half.After(back) {
			back = half
		}
	}
	if longest := now.Add(maxSilence); back.After(longest) {
		back = longest
	}
	return back, empty
}

func (v *volume) add(of limits, n int, now time.Time) {
	for i, l := range of {
		if v[i].Before(now) {
			v[i] = now
		}
		v[i] = v[i].Add(time.Duration(n) * l.interval())
	}
}
