package outbound

import "time"

// schedule is how long to wait after the first attempt, the second, and so on; the last entry repeats.
var schedule = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
}

// laneSchedule is the same for a lane after the first failure in a row, the second, and so on. It
// ends sooner, because one probe an hour costs a dead site nothing and finds a revived one early.
var laneSchedule = schedule[:5]

// backoff is the wait after attempt number n, counted from 1. random is from [0, 1) and
// spreads the wait by ±10 %, so that letters deferred together do not come back together.
func backoff(n int, random float64) time.Duration {
	d := schedule[min(max(n, 1), len(schedule))-1]
	return d + time.Duration((random-0.5)*0.2*float64(d))
}

// seconds is a schedule as a query takes it.
func seconds(list []time.Duration) []float64 {
	out := make([]float64, len(list))
	for i, d := range list {
		out[i] = d.Seconds()
	}
	return out
}
