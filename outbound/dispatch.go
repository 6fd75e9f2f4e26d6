package outbound

import (
	"cmp"
	"context"
	"slices"
	"time"
)

const (
	pollBusy  = time.Second
	pollIdle  = 5 * time.Second
	maxLanes  = 1000 // looked at in one pass
	maxClaim  = 64   // lanes claimed from in one statement
	errorWait = time.Second
	// restFactor keeps the dispatcher, when hints come thick, from spending more than a sixth of its time on looking.
	restFactor = 5
	maxRest    = 250 * time.Millisecond
	// pressureTime is how long it is believed that lanes wait for a place among the probes, when none were seen since.
	pressureTime = time.Minute
)

// dispatch claims batches and starts a job for each, until ctx ends; the jobs' network is bounded by work.
func (w *Worker) dispatch(ctx, work context.Context) {
	failing := false
	var lanes ring
	var looked time.Duration // since the last rest
	for ctx.Err() == nil {
		p, err := w.pass(ctx, work, lanes.after)
		rest := lanes.rest(p)
		looked += p.took
		switch {
		case err != nil && ctx.Err() == nil:
			if !failing {
				w.log.Error("cannot claim deliveries", "error", err)
			}
			failing = true
			pause(ctx, errorWait)
			continue
		case !rest:
			failing = false
			continue
		}
		failing = false
		poll := pollIdle
		if p.busy {
			poll = pollBusy
		}
		pause(ctx, min(restFactor*looked, maxRest))
		looked = 0
		w.await(ctx, poll)
	}
}

// ring is the way of the dispatcher round the lanes. Each round begins behind those that were claimed from last: else the first
// ones would take whatever room their sites have got during a rest, and those behind would wait for them.
type ring struct {
	after string // lane behind which the next pass begins
	began string // lane behind which this round began
	last  string // lane behind those that were claimed from last
}

// rest goes on behind a pass, and tells whether all lanes were looked at and it is time to rest.
func (r *ring) rest(p passed) bool {
	if p.claimed {
		r.last = p.next
	}
	switch {
	case p.more:
		r.after = p.next
		return false
	case r.began != "": // now the lanes before
		r.after, r.began = "", ""
		return false
	}
	r.after, r.began = r.last, r.last
	return true
}

// await waits for a hint or for the time to poll.
func (w *Worker) await(ctx context.Context, poll time.Duration) {
	t := time.NewTimer(poll)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-w.q.wake:
	case <-t.C:
	}
}

// passed is what one pass found.
type passed struct {
	next    string        // lane behind which the next pass begins
	more    bool          // there is more to do at once
	claimed bool          // something was
	busy    bool          // something waits or is under way
	took    time.Duration // to look
}

// pass looks for lanes that are ready, behind after, and claims one batch from each, as far as there are
// free connections. Lanes take turns: the next pass begins where this one ended.
func (w *Worker) pass(ctx, work context.Context, after string) (passed, error) {
	free := cap(w.slots) - len(w.slots)
	if free == 0 { // a job that ends wakes us
		return passed{next: after, busy: true}, nil
	}
	begun := time.Now()
	list, err := pending(ctx, w.q.pool, after, maxLanes)
	if err != nil {
		return passed{next: after}, err
	}
	p := passed{more: len(list) == maxLanes, busy: len(list) > 0 || len(w.slots) > 0, took: time.Since(begun)}
	if p.more {
		p.next = list[maxLanes-1].Lane
	}
	places := (cap(w.slots) + 1) / 2
	c := choose(list, w.sites.crowded(list), min(free, maxClaim), places-int(w.probes.Load()), (places+1)/2-int(w.firsts.Load()))
	if c.waiting {
		w.pressed.Store(begun.UnixNano())
	}
	if c.cut {
		p.next, p.more = c.ready[len(c.ready)-1], true
	}
	if len(c.fresh) > 0 {
		if err := makeLanes(ctx, w.q.pool, c.fresh); err != nil {
			return p, err
		}
	}
	for ready := c.ready; len(ready) > 0 && ctx.Err() == nil; {
		batches, err := w.start(ctx, work, ready, c.probes)
		if err != nil {
			return p, err
		}
		p.claimed = p.claimed || len(batches) > 0
		p.more = p.more || p.claimed
		if claimed(batches) < maxClaimed {
			break
		}
		// The statement went through the lanes in their order; those behind the last one have had no turn.
		ready = ready[slices.Index(ready, batches[len(batches)-1].lane)+1:]
	}
	return p, nil
}

// choice is which lanes a pass claims from.
type choice struct {
	ready   []string
	fresh   []string         // of these: without a row
	probes  map[string]int64 // of these: those that have not proved themselves, with 1 for one that was never tried
	cut     bool             // there are more behind the last one
	waiting bool             // some that have not proved themselves found no place among the probes
}

// choose takes the first lanes that are ready and not crowded out, at most free of them, and at most probes of those whose sites
// have not proved themselves: were there no such bound, a hundred sites that take connections and say nothing would hold all
// there are. Of the probes first are meant for lanes that were never tried.
func choose(list []pendingLane, crowded map[string]bool, free, probes, first int) choice {
	list = slices.DeleteFunc(slices.Clone(list), func(l pendingLane) bool { return !l.Ready || crowded[l.Lane] })
	later := unprobed(list, probes, first)
	c := choice{probes: map[string]int64{}, waiting: len(later) > 0}
	for _, l := range list {
		if later[l.Lane] {
			continue
		}
		if len(c.ready) == free {
			c.cut = true
			break
		}
		c.ready = append(c.ready, l.Lane)
		switch {
		case l.Proven:
		case l.Used == 0:
			c.probes[l.Lane] = 1
		default:
			c.probes[l.Lane] = 0
		}
		if l.Fresh {
			c.fresh = append(c.fresh, l.Lane)
		}
	}
	return c
}

// unprobed names the lanes that have not proved themselves and are more than the probes. Lanes that were never tried have the first
// places of these, the rest are of those that were left alone longest: else a hundred that stay unproven would keep those with names
// behind theirs waiting for ever, and so would new ones that never end.
func unprobed(list []pendingLane, probes, first int) map[string]bool {
	var fresh, tried []pendingLane
	for _, l := range list {
		switch {
		case l.Proven:
		case l.Used == 0:
			fresh = append(fresh, l)
		default:
			tried = append(tried, l)
		}
	}
	slices.SortStableFunc(tried, func(a, b pendingLane) int { return cmp.Compare(a.Used, b.Used) })
	probes = max(probes, 0)
	again := min(probes-min(probes, len(fresh), max(first, 0)), len(tried))
	out := map[string]bool{}
	for _, l := range append(fresh[min(probes-again, len(fresh)):], tried[again:]...) {
		out[l.Lane] = true
	}
	return out
}

// start claims from the lanes and starts the jobs. ctx ends a claim only before it is made, so that
// no lease is taken of which nobody knows.
func (w *Worker) start(ctx, work context.Context, lanes []string, probes map[string]int64) ([]batch, error) {
	begun := time.Now()
	claimCtx, cancel := context.WithTimeout(work, recordWait)
	defer cancel()
	batches, err := claim(claimCtx, w.q.pool, lanes, w.cfg.BatchSize)
	w.metrics.claim.Observe(time.Since(begun).Seconds())
	if err != nil {
		return nil, err
	}
	for _, b := range batches {
		v := w.sites.begin(b.lane)
		first, unproven := probes[b.lane]
		probe := int64(0)
		if unproven {
			probe, v.hurried = 1, w.probesAwaited
		}
		w.slots <- struct{}{}
		w.probes.Add(probe)
		w.firsts.Add(first)
		w.owe(b.owner) // the report of its end
		w.jobs.Go(func() {
			w.carry(work, ctx.Done(), b, v)
			v.end()
			w.probes.Add(-probe)
			w.firsts.Add(-first)
			<-w.slots
		})
	}
	return batches, nil
}

// probesAwaited tells whether lanes wait for a place among the probes.
func (w *Worker) probesAwaited() bool {
	return time.Since(time.Unix(0, w.pressed.Load())) < pressureTime
}

// claimed counts the deliveries of batches.
func claimed(batches []batch) (n int) {
	for _, b := range batches {
		n += len(b.leases)
	}
	return n
}
