package ticketing

import (
	"testing"
	"time"

	"mxdesk/internal/message"
)

// requireTLS takes the mails queued since the last call: whether all, and whether some of them leave over verified TLS alone.
func (d *desk) requireTLS() (all, some bool) {
	d.t.Helper()
	if err := d.pool.QueryRow(d.t.Context(), `
		WITH sent AS (DELETE FROM deliveries RETURNING require_tls)
		SELECT bool_and(require_tls), bool_or(require_tls) FROM sent`).Scan(&all, &some); err != nil {
		d.t.Fatal(err)
	}
	return all, some
}

// What carries the words of a letter that came with REQUIRETLS leaves over verified TLS alone, to customers and staff; what other letters
// of the ticket cause does not, nor what asks for less.
func TestRequireTLS(t *testing.T) {
	d := newDesk(t)
	d.set(`{"staff_proof": "verified"}`)
	check := func(act string, want bool) {
		t.Helper()
		if all, some := d.requireTLS(); all != want || some != want {
			t.Errorf("%s: all of the mails require TLS: %v, some: %v; want %v", act, all, some, want)
		}
	}
	question := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello", tlsOnly: true}
	d.must(question)
	check("a letter with REQUIRETLS", true)
	more := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Re: [#1] Question", text: "more"}
	more.header = "TLS-Required: No\r\n"
	d.must(more)
	check("a letter of the same ticket without", false)

	d.set(`{"staff_proof": "verified", "require_tls": true}`)
	more.text = "and more"
	d.must(more)
	check("a setting that demands it, and a letter that asks for less", true)
	d.set(`{"staff_proof": "verified"}`)

	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Another", text: "hello again"})
	told := to(t, d.sentMail(), "anna@staff.test")
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Another", text: "My answer.", tlsOnly: true})
	check("the question whether a held letter is his", true)

	spam := mail{from: "eve@client.test", to: []string{"help@example.test"}, subject: "Offer", text: "buy", tlsOnly: true}
	l := spam.letter(d.clock())
	l.Verdict.SPF.Result = message.Pass
	l.Verdict.Spam = &message.Spam{Score: 9, Hold: true}
	if _, err := d.intake.Deliver(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if err := d.intake.Release(t.Context(), d.org.ID, l.ID); err != nil {
		t.Fatal(err)
	}
	check("a held letter that was released", true)
}

// All mail about a ticket that requires TLS leaves over verified TLS alone, whoever causes it, and so does that of the ticket which
// continues it; mail about others does not.
func TestTicketRequiresTLS(t *testing.T) {
	d := newDesk(t)
	check := func(act string, want bool) {
		t.Helper()
		if all, some := d.requireTLS(); all != want || some != want {
			t.Errorf("%s: all of the mails require TLS: %v, some: %v; want %v", act, all, some, want)
		}
	}
	anna := Actor{Organisation: d.org.ID, Person: d.anna}
	change := func(p Patch) {
		t.Helper()
		if _, err := d.service.Change(t.Context(), anna, 1, 0, p); err != nil {
			t.Fatal(err)
		}
	}
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	check("a new ticket", false)
	yes, no, closed := true, false, Closed
	change(Patch{RequireTLS: &yes})
	if got := d.entries(1); !d.ticket(1).RequireTLS || got[len(got)-1] != "event: ticket.tls_changed" {
		t.Errorf("requires TLS: %v; entries %v", d.ticket(1).RequireTLS, got)
	}
	if _, err := d.service.Reply(t.Context(), anna, 1, "An answer."); err != nil {
		t.Fatal(err)
	}
	check("an answer", true)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Re: [#1] Question", text: "more"})
	check("a letter of the customer", true)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Another", text: "hello again"})
	check("another ticket", false)
	change(Patch{Status: &closed})
	d.later(31 * 24 * time.Hour)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Re: [#1] Question", text: "It is me again."})
	if k := d.ticket(3); k.Follows != 1 {
		t.Fatalf("ticket %+v", k)
	}
	check("a ticket that continues it", true)
	change(Patch{RequireTLS: &no})
	if _, err := d.service.Reply(t.Context(), anna, 1, "A last answer."); err != nil {
		t.Fatal(err)
	}
	check("an answer, when it is not required any more", false)
}
