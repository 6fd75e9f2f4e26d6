package ticketing

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
	"mxdesk/outbound"
	"mxdesk/ticketing/notify"
)

// RecordFinal is outbound's callback: in the transaction that records what became of deliveries it writes failures into
// the tickets' histories and tells the owners. A delivery that arrived needs no line.
func (s *Service) RecordFinal(ctx context.Context, tx pgx.Tx, finals []outbound.Final) error {
	want := newWanted()
	for _, f := range finals {
		if failed(f) {
			want.tickets[ticketKey{f.Organisation, f.Ticket}] = true
		}
	}
	if len(want.tickets) == 0 {
		return nil
	}
	w := newWorld(s.clock().UTC().Truncate(time.Microsecond))
	if err := w.load(ctx, tx, want, false); err != nil {
		return fmt.Errorf("look up tickets of deliveries: %w", err)
	}
	for _, f := range finals {
		org := s.directory.Organisation(f.Organisation)
		if failed(f) && org != nil {
			recordFailure(w, org, f)
		}
	}
	b := &pgx.Batch{}
	w.queue(b)
	s.queue.Enqueue(b, w.messages)
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

// failed tells whether somebody of a ticket did not get his mail.
func failed(f outbound.Final) bool {
	return f.Ticket != 0 && f.Outcome != outbound.Delivered && f.Outcome != outbound.Cancelled
}

// recordFailure writes the failure into the ticket's history and tells the owner, once: not again when a
// report repeats it, and not of mails to staff.
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
	if p := t.byNumber(f.Participant); p != nil && p.Role != StaffRole && f.Outcome != outbound.Suppressed {
		sc.tell(t, happening{event: notify.DeliveryFailed, entry: e, machine: "delivery report"})
	}
}

func failureWords(f outbound.Final) string {
	var words string
	switch f.Outcome {
	case outbound.Suppressed:
		words = fmt.Sprintf("Nothing was sent to %s: mail to this address failed before.", f.Recipient)
	case outbound.Unknown:
		words = fmt.Sprintf("It is not known whether the mail to %s arrived: the connection broke twice at its end.", f.Recipient)
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
