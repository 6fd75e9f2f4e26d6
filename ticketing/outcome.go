package ticketing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
	"mxdesk/outbound"
	"mxdesk/ticketing/notify"
)

// RecordFinal is outbound's callback: in the transaction that records what became of deliveries it writes failures into
// the tickets' histories and tells the owners. A delivery that arrived needs no line.
func (s *Service) RecordFinal(ctx context.Context, tx pgx.Tx, finals []outbound.Final) error {
	return s.recordEach(ctx, tx, slices.DeleteFunc(slices.Clone(finals), func(f outbound.Final) bool { return !failed(f) }), recordFailure)
}

// RecordDelay is outbound's callback for mails that have waited for hours: it is noted in the ticket, and the owner is
// told, not the customer.
func (s *Service) RecordDelay(ctx context.Context, tx pgx.Tx, waiting []outbound.Final) error {
	return s.recordEach(ctx, tx, slices.DeleteFunc(slices.Clone(waiting), func(f outbound.Final) bool { return f.Ticket == 0 }), recordDelay)
}

// recordEach loads the tickets of the deliveries, lets f write about each, and stores it.
func (s *Service) recordEach(ctx context.Context, tx pgx.Tx, finals []outbound.Final, f func(*world, *Organisation, outbound.Final)) error {
	if len(finals) == 0 {
		return nil
	}
	want := newWanted()
	for _, d := range finals {
		want.tickets[ticketKey{d.Organisation, d.Ticket}] = true
		if org := s.directory.Organisation(d.Organisation); org != nil {
			want.recent = max(want.recent, org.recentAlways)
		}
	}
	w := newWorld(s.clock().UTC().Truncate(time.Microsecond), s.directory.guards)
	if err := w.load(ctx, tx, want, false); err != nil {
		return fmt.Errorf("look up tickets of deliveries: %w", err)
	}
	for _, d := range finals {
		if org := s.directory.Organisation(d.Organisation); org != nil {
			f(w, org, d)
		}
	}
	if err := s.flush(ctx, tx, w, &pgx.Batch{}); err != nil {
		return err
	}
	s.directory.guards.record(w) // should the transaction fail yet, letters are counted that did not go: the guards bear it
	return nil
}

// flush writes what a world holds, with the mails, in one round trip, after what b holds already.
func (s *Service) flush(ctx context.Context, tx pgx.Tx, w *world, b *pgx.Batch) error {
	w.queue(b)
	s.queue.Enqueue(b, w.outgoing())
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

// recordDelay writes about one mail that waits.
func recordDelay(w *world, org *Organisation, f outbound.Final) {
	sc := &scene{world: w, org: org, by: actor{Name: org.Name, Proof: ProofSystem, NoAnswer: "no letter caused it"}}
	t := sc.find(f.Ticket)
	if t == nil {
		return
	}
	words := fmt.Sprintf("The mail to %s has not arrived yet; it is tried again.", f.Recipient)
	if f.Reply != "" {
		words += " The other server said: " + f.Reply
	}
	sc.event(t, "delivery.delayed", words)
	owner := org.Staff[t.Owner]
	if owner == nil || owner.told.Inactive || owner.told.Muted || t.byNumber(f.Participant) == t.participant(t.Owner) {
		return
	}
	if p := sc.participantOf(t, &owner.told); p.Subscribed {
		sc.sendDirect(t, p, templateDelayed, words)
	}
}

// failed tells whether somebody of a ticket did not get his mail.
func failed(f outbound.Final) bool {
	return f.Ticket != 0 && f.Outcome != outbound.Delivered && f.Outcome != outbound.Cancelled
}

// recordFailure writes the failure into the ticket's history and tells the owner, once: not again when a
// report repeats it, and not of mails to staff, nor of automatic ones that were suppressed.
func recordFailure(w *world, org *Organisation, f outbound.Final) {
	sc := &scene{world: w, org: org, by: actor{Name: org.Name, Proof: ProofSystem, NoAnswer: "no letter caused it"}}
	t := sc.find(f.Ticket)
	if t == nil {
		return
	}
	words := failureWords(f)
	e := Entry{
		Organisation: org.ID, Ticket: t.Number, ID: id.New(), Kind: EventEntry, Event: string(notify.DeliveryFailed),
		AuthorName: org.Name, Identity: ProofSystem, Body: words, CreatedAt: w.now,
	}
	sc.addEntry(e)
	sc.change(t)
	if p := t.byNumber(f.Participant); p != nil && p.Role != StaffRole && !f.Automatic {
		sc.tell(t, happening{event: notify.DeliveryFailed, entry: e, machine: "delivery report"})
	}
}

// recordComplaint ends the part that somebody has in a ticket who told his provider that its mail is unwanted (RFC 5965).
func recordComplaint(w *world, org *Organisation, f outbound.Final) {
	sc := &scene{world: w, org: org, by: actor{Name: org.Name, Proof: ProofSystem, NoAnswer: "no letter caused it"}}
	t := sc.find(f.Ticket)
	if t == nil {
		return
	}
	words := fmt.Sprintf("%s complained about our mail to his provider (%s).", f.Recipient, f.Reason)
	if p := t.byNumber(f.Participant); p != nil && p.Subscribed {
		p.Subscribed = false
		sc.touch(p)
		words += " He gets no more mail about this ticket, and nothing that a machine writes."
	}
	sc.change(t)
	sc.event(t, "participant.complained", words)
}

func failureWords(f outbound.Final) string {
	var words string
	switch f.Outcome {
	case outbound.Suppressed:
		words = fmt.Sprintf("Nothing was sent to %s: mail to this address failed before.", f.Recipient)
	case outbound.Unknown:
		words = fmt.Sprintf("It is not known whether the mail to %s arrived: the connection broke at its end.", f.Recipient)
	default:
		words = fmt.Sprintf("The mail to %s could not be delivered.", f.Recipient)
	}
	if f.Reason != "" {
		words += " Reason: " + f.Reason + "."
	}
	if f.Reply != "" {
		words += " The other server said: " + f.Reply
	}
	return words
}
