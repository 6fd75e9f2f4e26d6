package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/bounce"
	"mxdesk/internal/id"
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
	noRoom   bool // at the site
	lane     laneResult
	guide    Guide
	stopping <-chan struct{}
	log      *slog.Logger
}

// carry attempts the deliveries of a batch until it is empty, the site fails, or we are to stop, and
// reports each result at once, the last one together with the lane's. ctx bounds the network.
func (w *Worker) carry(ctx context.Context, stopping <-chan struct{}, b batch, g Guide) {
	j := &job{w: w, batch: b, rest: b.leases, lane: laneResult{lane: b.lane}, guide: g, stopping: stopping, log: w.log.With("lane", b.lane)}
	defer j.finish()
	stay, err := w.q.moveLeased(ctx, b)
	if err != nil {
		j.log.Warn("letters given back to the queue", "error", err)
		return
	}
	j.rest = stay
	j.conn = w.cfg.Transport.Open(b.lane)
	defer j.conn.Close()
	if c, ok := j.conn.(Visitor); ok {
		c.Ask(g)
	}
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
		for done := 0; done < len(list); {
			before := len(j.rest)
			if j.stopped() || !j.next(ctx, &list[done]) {
				return
			}
			done += before - len(j.rest)
		}
	}
}

// stopped tells whether the rest is to be given back: when we are to stop, and when a site that has taken nothing yet holds a place
// for which others wait.
func (j *job) stopped() bool {
	select {
	case <-j.stopping:
		return true
	default:
		return j.lane.answered && !j.lane.delivered && j.guide.Hurried()
	}
}

// crashed counts the letter at hand as deferred: it had a part in the panic, and it may not come
// back at once.
func (j *job) crashed() {
	if len(j.rest) > 0 {
		j.settle(j.take(1)[0], Attempt{Result: ResultDeferred, Reason: bounce.Undefined, Reply: "internal error"})
	}
}

// take removes the first deliveries of the rest.
func (j *job) take(n int) []lease {
	first := j.rest[:n]
	j.rest = j.rest[n:]
	return first
}

// maxAlike is how many recipients every server must take at once (RFC 5321 section 4.5.3.1.8).
const maxAlike = 100

// alike is how many deliveries at the front of the rest carry the very same letter.
func (j *job) alike(c *content) int {
	first, n := &j.rest[0], 1
	for c.SharedWith != "" && n < min(len(j.rest), maxAlike) {
		l := &j.rest[n]
		if l.Suppressed || l.OrganisationID != first.OrganisationID || l.MessageID != first.MessageID || l.RequireTLS != first.RequireTLS ||
			l.RFCMessageID != first.RFCMessageID || l.Refs != first.Refs || l.Unsubscribe != first.Unsubscribe || !l.CreatedAt.Equal(first.CreatedAt) {
			break
		}
		n++
	}
	return n
}

// next attempts the first delivery of the rest, with those that carry the same letter; false means that the connection is
// of no more use.
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
	group := j.rest[:j.alike(c)]
	list, err := j.send(ctx, group, c)
	switch {
	case errors.Is(err, errNoOrganisation):
		j.conclude(Cancelled)
		return true
	case errors.Is(err, errUnfit):
		j.log.Error("letter not composed", "delivery", l.DeliveryID, "ticket", l.TicketNumber, "error", err)
		j.settle(j.take(1)[0], Attempt{Result: ResultDeferred, Reason: bounce.Undefined, Reply: clean(err.Error())})
		return true
	case err != nil:
		j.log.Warn("letters given back to the queue", "error", err)
		return false
	}
	return j.settleAll(ctx, j.take(len(group)), list)
}

// settleAll settles deliveries that were attempted together. Of those that found no connection the first has probed it;
// the others are given back as if never claimed, and so are all that found no room at the site.
func (j *job) settleAll(ctx context.Context, group []lease, list []Attempt) (usable bool) {
	usable = true
	for i, a := range list {
		untried := a.Untried || ctx.Err() != nil && a.Result == ResultDeferred
		usable = usable && !a.Site && !untried
		if untried || i > 0 && a.Site && a.Result == ResultDeferred {
			j.noRoom = j.noRoom || a.Untried
			j.giveBack(group[i])
			continue
		}
		if ctx.Err() == nil {
			j.learn(a)
		}
		j.settle(group[i], a)
	}
	return usable
}

// send composes, signs and sends the letter of the group. An error means that it was not tried: it wraps errUnfit if the
// fault is the letter's, else it is the database's.
func (j *job) send(ctx context.Context, group []lease, c *content) ([]Attempt, error) {
	begun := time.Now()
	letter, release, err := j.w.compose(ctx, &group[0], c)
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, letterTime)
	defer cancel()
	to, ids := []address.Address{letter.To}, []id.ID{letter.Delivery}
	for _, l := range group[1:] {
		a, err := address.Parse(l.Recipient)
		if err != nil {
			return nil, fmt.Errorf("%w: recipient: %w", errUnfit, err)
		}
		to, ids = append(to, a), append(ids, l.DeliveryID)
	}
	list := sendAll(ctx, j.conn, letter, to, ids)
	for i := range list {
		list[i].Took = time.Since(begun)
	}
	return list, nil
}

// learn takes from an attempt what it says of the lane.
func (j *job) learn(a Attempt) {
	if a.Site {
		j.lane.failed, j.lane.err = true, a.Reply
	} else if a.Host != "" {
		j.lane.answered = true
		j.lane.delivered = j.lane.delivered || a.Result == ResultDelivered
	}
	if memo := tlsMemo(a); memo != "" && !isPlaintext(j.lane.tls) {
		j.lane.tls = memo
	}
}

// settle decides what becomes of a delivery after an attempt.
func (j *job) settle(l lease, a Attempt) {
	left := time.Duration(l.SecondsLeft * float64(time.Second))
	d := decide(a, history{attempt: l.Attempts, broke: l.Broke, left: left}, rand.Float64())
	j.w.metrics.attempts.WithLabelValues(string(a.Result)).Inc()
	if level := tlsLevel(a); level != "" {
		j.w.metrics.delivered.WithLabelValues(level).Inc()
	}
	j.log.Info("attempt", "delivery", l.DeliveryID, "ticket", l.TicketNumber, "attempt", l.Attempts, "result", a.Result,
		"outcome", d.outcome, "reason", d.reason, "host", a.Host, "ip", a.IP, "tls", a.TLS, "tls_policy", a.TLSPolicy, "code", a.Code, "reply", a.Reply, "took", a.Took)
	j.report(result{lease: l, attempt: &a, decision: d})
}

// conclude ends the first delivery of the rest without an attempt.
func (j *job) conclude(o Outcome) {
	l := j.take(1)[0]
	j.log.Info("not sent", "delivery", l.DeliveryID, "ticket", l.TicketNumber, "outcome", o)
	j.report(result{lease: l, decision: decision{outcome: o}, undo: true})
}

// report hands a result over, but keeps those of the last letter for finish.
func (j *job) report(r result) {
	if len(j.rest) == 0 {
		j.unsent = append(j.unsent, r)
		return
	}
	j.w.owe(j.batch.owner)
	j.w.recorder.in <- report{owner: j.batch.owner, results: []result{r}}
}

// giveBack returns a delivery to the queue as if it had never been claimed. If it found no room it keeps its place in the lane, before
// all that came later; else it may have a part in what went wrong, and lets the others go first.
func (j *job) giveBack(l lease) {
	r := result{lease: l, undo: true}
	if j.noRoom {
		r.decision.delay = min(-time.Since(l.CreatedAt), 0)
	}
	j.unsent = append(j.unsent, r)
}

// finish gives back what was not attempted and the batch's place in its lane, in one transaction.
func (j *job) finish() {
	for _, l := range j.rest {
		j.giveBack(l)
	}
	j.w.recorder.in <- report{owner: j.batch.owner, results: j.unsent, lane: &j.lane}
}
