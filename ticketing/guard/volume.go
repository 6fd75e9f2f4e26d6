package guard

import "time"

// Limit is a token bucket: Letters at once, and as many again over each Per.
type Limit struct {
	Letters int
	Per     time.Duration
}

// The buckets of one address in one ticket, and of one address in all.
var (
	TicketLimits  = limits{{10, 10 * time.Minute}, {15, 30 * time.Minute}, {25, time.Hour}, {50, 3 * time.Hour}, {100, 10 * time.Hour}}
	AddressLimits = limits{{30, 10 * time.Minute}, {60, 30 * time.Minute}, {120, time.Hour}, {240, 3 * time.Hour}, {360, 10 * time.Hour}}
)

const buckets = 5

type limits [buckets]Limit

// interval is the time in which one token comes back.
func (l Limit) interval() time.Duration { return l.Per / time.Duration(l.Letters) }

// volume holds of each bucket when it is full again; one that was never used is full. Such a moment is all there is to a
// token bucket: each letter moves it by one interval.
type volume [buckets]time.Time

// maxSilence ends the silence before half of a long bucket is back: whoever gets much mail for good reasons, an agent of a busy
// desk, then gets what comes back of it, and is not left in the dark for hours.
const maxSilence = 30 * time.Minute

// empty tells whether a bucket has no token, and when half of it is back: of several, the last to be.
func (v *volume) empty(of limits, now time.Time) (back time.Time, empty bool) {
	for i, l := range of {
		if v[i].Add(l.interval()).Sub(now) <= l.Per {
			continue
		}
		empty = true
		if half := v[i].Add(-l.Per / 2); half.After(back) {
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
