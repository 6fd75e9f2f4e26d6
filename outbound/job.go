package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"mxdesk/internal/address"
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

// errUnfit is wrapped by the error for a letter that cannot be made as it is stored.
var errUnfit = errors.New("letter cannot be composed")

// compose makes the letter of one delivery, signed. While a large
// one is in memory, its size is taken out of the worker's budget: release gives it back.
func (w *Worker) compose(ctx context.Context, l *lease, c *content) (_ *Letter, release func(), err error) {
	from, err := address.Parse(c.FromAddress)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: From: %w", errUnfit, err)
	}
	to, err := address.Parse(l.Recipient)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: recipient: %w", errUnfit, err)
	}
	who, err := w.directory.identity(ctx, l.OrganisationID, from.Domain)
	if err != nil {
		return nil, nil, err
	}
	d := &Draft{
		Delivery: l.DeliveryID, Organisation: who.name, FromName: c.FromName, From: from, ToName: l.RecipientName, To: to,
		Date: l.CreatedAt, MessageID: l.RFCMessageID, References: splitIDs(l.Refs), Automatic: c.AutoSubmitted,
		Unsubscribe: l.Unsubscribe, Subject: c.Subject, Text: c.BodyText, HTML: c.BodyHTML,
	}
	if l.TicketNumber != 0 {
		d.Thread = who.signer.Thread(l.TicketNumber)
	}
	if l.TicketNumber != 0 && l.ParticipantNo != 0 {
		d.ReplyTo = who.signer.Ticket(from, address.TicketRef{Ticket: l.TicketNumber, Participant: l.ParticipantNo})
	}
	if !validMessageID(d.MessageID) {
		d.MessageID = who.signer.MessageID(from.Domain, l.TicketNumber, l.DeliveryID)
	}
	release, err = w.attach(ctx, l, c, d)
	if err != nil {
		return nil, nil, err
	}
	w.cpu <- struct{}{}
	body, err := sign(Compose(d), who.keys)
	<-w.cpu
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("%w: %w", errUnfit, err)
	}
	return &Letter{
		Organisation: l.OrganisationID, Delivery: l.DeliveryID, To: to, Body: body,
		From: who.signer.ReturnPath(from.Domain, l.DeliveryID),
	}, release, nil
}

// smallLetter is what a letter may take in memory without asking.
const smallLetter = 256 << 10

// attach loads the attachments that travel with the letter, within the ceiling and the memory budget.
func (w *Worker) attach(ctx context.Context, l *lease, c *content, d *Draft) (release func(), err error) {
	var take, omit []attachmentRow
	if c.AttachEntry && !c.EntryID.IsZero() {
		list, err := listAttachments(ctx, w.q.pool, l.OrganisationID, c)
		if err != nil {
			return nil, err
		}
		take, omit = chooseAttachments(list, w.cfg.AttachmentBytes)
	}
	weight := int64(2 * (len(d.Text) + len(d.HTML)))
	positions := make([]int, len(take))
	for i, a := range take {
		weight += int64(a.Size) * 4 // decoded, encoded, signed, and growing in between
		positions[i] = a.Position
	}
	release = func() {}
	if weight = min(weight, w.cfg.MemoryBytes); weight > smallLetter {
		if err := w.memory.Acquire(ctx, weight); err != nil {
			return nil, fmt.Errorf("wait for memory: %w", err)
		}
		release = func() { w.memory.Release(weight) }
	}
	if len(take) > 0 {
		data, err := attachmentData(ctx, w.q.pool, l.OrganisationID, c, positions)
		if err != nil {
			release()
			return nil, err
		}
		for _, a := range take {
			d.Attachments = append(d.Attachments, a.file(data[a.Position]))
		}
	}
	for _, a := range omit {
		d.Omitted = append(d.Omitted, a.file(nil))
	}
	return release, nil
}

func (a attachmentRow) file(data []byte) Attachment {
	return Attachment{Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentID, Inline: a.Inline, Size: a.Size, Data: data}
}
