package ticketing

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"mxdesk/outbound"
)

// A mail that failed or waits long stands in its ticket, and the owner is told; a mail to the owner himself only stands there.
func TestOutcomesAreTold(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #take#", text: "An answer."})
	d.sentMail()
	ofCarl, ofAnna := 0, 0
	for _, p := range d.ticket(1).Participants {
		if p.Person == d.anna {
			ofAnna = p.No
		} else {
			ofCarl = p.No
		}
	}
	record := func(f func(tx pgx.Tx) error) {
		t.Helper()
		if err := pgx.BeginFunc(t.Context(), d.pool, f); err != nil {
			t.Fatal(err)
		}
	}
	final := outbound.Final{Organisation: d.org.ID, Ticket: 1, Participant: ofCarl, Recipient: "carl@client.test", Outcome: outbound.Failed, Reason: "user_unknown", Reply: "no such user"}
	record(func(tx pgx.Tx) error { return d.service.RecordDelay(t.Context(), tx, []outbound.Final{final}) })
	delayed := to(t, d.sentMail(), "anna@staff.test")
	record(func(tx pgx.Tx) error {
		return d.service.RecordFinal(t.Context(), tx, []outbound.Final{final, {Organisation: d.org.ID, Ticket: 1, Participant: ofCarl, Outcome: outbound.Delivered}})
	})
	failure := to(t, d.sentMail(), "anna@staff.test")
	if delayed.Auto != "auto-generated" || !delayed.Unsubscribe {
		t.Errorf("the notice of a delay is %q, and answers nobody; that one can leave the ticket by it is %v", delayed.Auto, delayed.Unsubscribe)
	}
	if delayed.Template != templateDelayed || failure.Template != "delivery.failed/staff" {
		t.Errorf("told by %s and %s", delayed.Template, failure.Template)
	}
	stopped := outbound.Final{Organisation: d.org.ID, Ticket: 1, Participant: ofCarl, Recipient: "carl@client.test", Outcome: outbound.Suppressed, Reason: "mailbox_full"}
	record(func(tx pgx.Tx) error { return d.service.RecordFinal(t.Context(), tx, []outbound.Final{stopped}) })
	if m := to(t, d.sentMail(), "anna@staff.test"); m.Template != "delivery.failed/staff" || !strings.Contains(m.Text, "mailbox_full") {
		t.Errorf("of a suppressed reply told by %s: %s", m.Template, m.Text)
	}
	stopped.Automatic = true
	record(func(tx pgx.Tx) error { return d.service.RecordFinal(t.Context(), tx, []outbound.Final{stopped}) })
	if m := d.sentMail(); len(m) != 0 {
		t.Errorf("mail about automatic mail that was suppressed: %+v", m)
	}
	final.Participant, final.Recipient = ofAnna, "anna@staff.test"
	record(func(tx pgx.Tx) error { return d.service.RecordDelay(t.Context(), tx, []outbound.Final{final}) })
	record(func(tx pgx.Tx) error { return d.service.RecordFinal(t.Context(), tx, []outbound.Final{final}) })
	if m := d.sentMail(); len(m) != 0 {
		t.Errorf("mail about mail to the owner: %+v", m)
	}
	want := []string{"event: delivery.delayed", "event: delivery.failed", "event: delivery.failed", "event: delivery.failed", "event: delivery.delayed", "event: delivery.failed"}
	if got := d.entries(1); !slices.Equal(got[len(got)-len(want):], want) {
		t.Errorf("entries %v", got)
	}
}

// Who left the ticket, or switched notifications off, hears of no delay either, though the ticket is his.
func TestDelayIsNotToldToWhoWantsNoMail(t *testing.T) {
	for name, silence := range map[string]func(d *desk, reply string){
		"left the ticket": func(d *desk, reply string) {
			d.must(mail{from: "anna@staff.test", to: []string{reply}, subject: "Re: Question #unsubscribe#"})
		},
		"switched notifications off": func(d *desk, _ string) {
			d.exec(`UPDATE people SET preferences = '{"notifications_off": true}' WHERE kind = 'staff'`)
			d.set(`{"staff_proof": "token"}`) // and the node looks
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
			told := to(t, d.sentMail(), "anna@staff.test")
			d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #take#", text: "An answer."})
			silence(d, told.ReplyTo)
			d.sentMail()
			final := outbound.Final{Organisation: d.org.ID, Ticket: 1, Participant: 1, Recipient: "carl@client.test"}
			if err := pgx.BeginFunc(t.Context(), d.pool, func(tx pgx.Tx) error {
				return d.service.RecordDelay(t.Context(), tx, []outbound.Final{final})
			}); err != nil {
				t.Fatal(err)
			}
			if m := d.sentMail(); len(m) != 0 {
				t.Errorf("mail %+v", m)
			}
			if got := d.entries(1); got[len(got)-1] != "event: delivery.delayed" {
				t.Errorf("entries %v", got)
			}
		})
	}
}
