package outbound

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"mxdesk/internal/bounce"
)

// letterTime bounds one letter on the network, above all the timeouts of SMTP's steps.
const letterTime = 40 * time.Minute

// job carries one batch over one connection.
type job struct {
	w        *Worker
	batch    batch
	conn     Connection
	rest     []lease // not yet attempted
	unsent   []result
	lane     laneResult
	stopping <-chan struct{}
	log      *slog.Logger
}

// carry attempts the deliveries of a batch until it is empty, the site fails, or we are to stop, and
// reports each result at once, the last one together with the lane's. ctx bounds the network.
func (w *Worker) carry(ctx context.Context, stopping <-chan struct{}, b batch) {
	j := &job{w: w, batch: b, rest: b.leases, lane: laneResult{lane: b.lane}, stopping: stopping, log: w.log.With("lane", b.lane)}
	defer j.finish()
	j.conn = w.cfg.Transport.Open(b.lane)
	defer j.conn.Close()
	defer func() {
		if p := recover(); p != nil {
			j.log.Error("panic while delivering", "panic", p, "stack", string(debug.Stack()))
			j.crashed()
		}
	}()
	for len(j.rest) > 0 && !j.stopped() {
		list, err := contents(ctx, w.q.pool, j.rest)
		if err != nil {
			j.log.Warn("letters given back to the queue", "error", err)
			return
		}
		for i := range list {
			if j.stopped() || !j.next(ctx, &list[i]) {
				return
			}
		}
	}
}

func (j *job) stopped() bool {
	select {
	case <-j.stopping:
		return true
	default:
		return false
	}
}

// crashed counts the letter at hand as deferred: it had a part in the panic, and it may not come
// back at once.
func (j *job) crashed() {
	if len(j.rest) > 0 {
		j.settle(Attempt{Result: ResultDeferred, Reason: bounce.Undefined, Reply: "internal error"})
	}
}

// next attempts the first delivery of the rest; false means that the connection is of no more use.
func (j *job) next(ctx context.Context, c *content) bool {
	l := &j.rest[0]
	switch {
	case l.Suppressed:
		j.conclude(Suppressed)
		return true
	case !c.Found: // its organisation or its message was deleted
		j.conclude(Cancelled)
		return true
	}
	begun := time.Now()
	a, err := j.send(ctx, l, c)
	a.Took = time.Since(begun)
	switch {
	case errors.Is(err, errNoOrganisation):
		j.conclude(Cancelled)
		return true
	case errors.Is(err, errUnfit):
		j.log.Error("letter not composed", "delivery", l.DeliveryID, "ticket", l.TicketNumber, "error", err)
		j.settle(Attempt{Result: ResultDeferred, Reason: bounce.Undefined, Reply: clean(err.Error())})
		return true
	case err != nil:
		j.log.Warn("letters given back to the queue", "error", err)
		return false
	case ctx.Err() != nil && a.Result == ResultDeferred: // we left, not they
		return false
	case ctx.Err() == nil:
		j.learn(a)
	}
	j.settle(a)
	return !a.Site
}

// send composes, signs and sends one letter. An error means that it was not tried: it wraps errUnfit if the fault is
// the letter's, else it is the database's.
func (j *job) send(ctx context.Context, l *lease, c *content) (Attempt, error) {
	letter, release, err := j.w.compose(ctx, l, c)
	if err != nil {
		return Attempt{}, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, letterTime)
	defer cancel()
	return j.conn.Send(ctx, letter), nil
}

// learn takes from an attempt what it says of the lane.
func (j *job) learn(a Attempt) {
	if a.Site {
		j.lane.failed, j.lane.err = true, a.Reply
	} else if a.Host != "" {
		j.lane.answered = true
	}
	if a.TLS != "" {
		j.lane.tls = strings.TrimSpace(a.TLS + " " + a.TLSPolicy)
	}
}

// settle decides what becomes of the first delivery of the rest after an attempt.
func (j *job) settle(a Attempt) {
	l := j.rest[0]
	left := time.Duration(l.SecondsLeft * float64(time.Second))
	d := decide(a, history{attempt: l.Attempts, broke: l.Broke, left: left}, rand.Float64())
	j.w.metrics.attempts.WithLabelValues(string(a.Result)).Inc()
	j.log.Info("attempt", "delivery", l.DeliveryID, "ticket", l.TicketNumber, "attempt", l.Attempts, "result", a.Result,
		"outcome", d.outcome, "reason", d.reason, "host", a.Host, "ip", a.IP, "tls", a.TLS, "code", a.Code, "reply", a.Reply, "took", a.Took)
	j.report(result{lease: l, attempt: &a, decision: d})
}

// conclude ends the first delivery of the rest without an attempt.
func (j *job) conclude(o Outcome) {
	l := j.rest[0]
	j.log.Info("not sent", "delivery", l.DeliveryID, "ticket", l.TicketNumber, "outcome", o)
	j.report(result{lease: l, decision: decision{outcome: o}, undo: true})
}

// report hands a result over, but keeps the last one for finish.
func (j *job) report(r result) {
	j.rest = j.rest[1:]
	if len(j.rest) == 0 {
		j.unsent = append(j.unsent, r)
		return
	}
	j.w.recorder.in <- report{results: []result{r}}
}

// finish gives back what was not attempted and the batch's place in its lane, in one transaction.
func (j *job) finish() {
	for _, l := range j.rest {
		j.unsent = append(j.unsent, result{lease: l, undo: true})
	}
	j.w.recorder.in <- report{results: j.unsent, lane: &j.lane}
}
