package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

// A client that answers its own earlier note keeps the subject. The command is not new, but what was marked as for
// staff alone must stay with staff.
func TestNoteInTheSameSubjectStaysANote(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	for _, words := range []string{"Carl is difficult.", "And he is late with his bills."} {
		d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #note#", text: words})
	}
	if got := d.entries(1); len(got) != 3 || got[1] != "note: Carl is difficult." || got[2] != "note: And he is late with his bills." {
		t.Errorf("entries %v", got)
	}
	for _, m := range d.sentMail() {
		if m.To == "carl@client.test" {
			t.Errorf("the customer was sent %+v", m)
		}
	}
}

// However many commands stand before it.
func TestNoteBehindManyCommandsStaysANote(t *testing.T) {
	d, mails := agentWrites(t, "Re: Question "+strings.Repeat("#tag a# ", 25)+"#note#", "Carl is difficult.")
	if got := d.entries(1); got[1] != "note: Carl is difficult." {
		t.Errorf("entries %v", got)
	}
	for _, m := range mails {
		if m.To == "carl@client.test" {
			t.Errorf("the customer was sent %+v", m)
		}
	}
}

// Only the sender's letter just before counts: a command that is written anew after another letter runs again.
func TestCommandRunsAgainAfterAnotherLetter(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	for _, subject := range []string{"Re: Question #close#", "Re: Question", "Re: Question #close#"} {
		d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: subject, text: "Words for " + subject})
	}
	if s := d.ticket(1).Status; s != Closed {
		t.Errorf("status %s", s)
	}
}

// A reply long after the end opens a ticket; that people in its Cc are known already must not keep it out.
func TestLateReplyWithKnownPeopleInCc(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "bob@client.test", to: []string{"help@example.test"}, subject: "Other", text: "hello"})
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question #close#", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: Question #close#", text: "Done."})
	d.later(31 * 24 * time.Hour)
	d.must(mail{
		from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: Question", text: "Once more.",
		header: "Cc: Bob <bob@client.test>\r\n",
	})
	k := d.ticket(d.tickets()[0].Number)
	if k.Follows != ack.Ticket || len(k.Participants) != 3 {
		t.Errorf("ticket %+v", k)
	}
}

// A letter that is refused is not stored, so the same one right behind it must not be acknowledged as known.
func TestRefusedLetterIsNotKnown(t *testing.T) {
	d := newDesk(t)
	d.set(`{"accept_unregistered": false}`)
	l := mail{from: "eve@client.test", to: []string{"help@example.test"}, subject: "Hello", text: "hello"}.letter(d.clock())
	again := *l
	again.ID = id.New()
	var jobs []*job
	for _, letter := range []*message.Letter{l, &again} {
		j, err := d.intake.prepare(context.Background(), letter)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	d.intake.commitAll(jobs)
	for i, j := range jobs {
		if err := <-j.done; err != nil {
			t.Fatal(err)
		}
		if letter, err := j.receipt(); !errors.Is(err, message.ErrUnregistered) {
			t.Errorf("letter %d: %v, %v", i, letter, err)
		}
	}
}

// Somebody who takes part in one ticket is a stranger in the other one whose address he got hold of.
func TestThirdPartyInTheSecondTicket(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Carl's", text: "hello"})
	carl := to(t, d.sentMail(), "carl@client.test")
	d.must(mail{from: "bob@client.test", to: []string{"help@example.test"}, subject: "Bob's", text: "hello"})
	bob := to(t, d.sentMail(), "bob@client.test")
	d.must(mail{from: "carl@client.test", to: []string{carl.ReplyTo, bob.ReplyTo}, subject: "Re: Carl's", text: "More."})
	if got := d.entries(carl.Ticket); got[1] != "message: More." {
		t.Errorf("Carl's ticket: %v", got)
	}
	if got := d.entries(bob.Ticket); got[1] != "message: More. (third party)" {
		t.Errorf("Bob's ticket: %v", got)
	}
}

// Many tickets can hold one Message-ID, when a client gives all its letters the same one. An answer to it
// must not lock them all.
func TestOneMessageIDInManyTickets(t *testing.T) {
	d := newDesk(t)
	const kept = 10 // ticketsOfID
	const many = kept + 10
	for i := range many {
		d.must(mail{
			from: fmt.Sprintf("c%d@client.test", i), to: []string{"help@example.test"}, subject: "Hello", text: "hello", messageID: "same@client.test",
		})
	}
	last := fmt.Sprintf("c%d@client.test", many-1)
	answer := mail{from: last, to: []string{"help@example.test"}, subject: "Re: Hello", text: "more", header: "In-Reply-To: <same@client.test>\r\n"}
	j, err := d.intake.prepare(context.Background(), answer.letter(d.clock()))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(d.clock(), d.dir.guards)
	if err := w.load(context.Background(), d.pool, wantedBy([]*job{j}), false); err != nil {
		t.Fatal(err)
	}
	if len(w.tickets) != kept {
		t.Errorf("%d tickets were locked, want %d", len(w.tickets), kept)
	}
	d.must(answer)
	newest := d.tickets()[0].Number
	if got := d.entries(newest); len(got) != 2 {
		t.Errorf("entries of #%d, the ticket of %s: %v", newest, last, got)
	}
}

// A letter to a desk of many agents is stored once for them all, each with a reply address and references of his own.
func TestOneMessageForManyAgents(t *testing.T) {
	d := newDesk(t)
	for i := range 5 {
		if _, err := d.service.AddStaff(t.Context(), d.org.ID, NewStaff{
			Name: fmt.Sprintf("Agent %d", i), Address: fmt.Sprintf("a%d@staff.test", i), Role: "technician", Preferences: []string{"unassigned_new"},
		}); err != nil {
			t.Fatal(err)
		}
	}
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	var messages, deliveries, participants int
	if err := d.pool.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM messages), count(*), count(DISTINCT participant_no) FROM deliveries`).Scan(&messages, &deliveries, &participants); err != nil {
		t.Fatal(err)
	}
	if messages != 2 || deliveries != 7 || participants != 7 {
		t.Errorf("%d messages, %d deliveries to %d participants; want 2, 7 and 7", messages, deliveries, participants)
	}
	ids := map[string]bool{}
	for _, m := range d.sentMail() {
		ids[m.MessageID] = true
		if m.Ticket != 1 || m.Refs == "" || m.To != "carl@client.test" && !strings.Contains(m.Text, "hello") {
			t.Errorf("mail %+v", m)
		}
	}
	if len(ids) != 7 {
		t.Errorf("%d Message-IDs", len(ids))
	}
}

// Batches of two writers lock the addresses they write in one order, or each would wait for the other.
func TestAddressesAreWrittenInOrder(t *testing.T) {
	w := newWorld(time.Now(), nil)
	s := scene{world: w, org: &Organisation{ID: 1}}
	for i := range 50 {
		name := fmt.Sprintf("c%d@client.test", (i*37)%50)
		if c := s.correspondent(bare(name), ""); i%2 == 0 {
			c.fresh, c.added = false, 1
		}
	}
	w.customers = slices.DeleteFunc(w.customers, func(c *Correspondent) bool { return !c.fresh })
	var b pgx.Batch
	w.queuePeople(&b)
	checked := 0
	for _, q := range b.QueuedQueries {
		if q.SQL == sqlInsertPersonAddresses || q.SQL == sqlUpdateBudgets {
			checked++
			if keys := q.Arguments[1].([]string); len(keys) != 25 || !slices.IsSorted(keys) {
				t.Errorf("%s: %v", q.SQL, keys)
			}
		}
	}
	if checked != 2 {
		t.Errorf("%d statements write addresses, want 2", checked)
	}
}

// A customer cannot make a mailing list of his ticket.
func TestCollaboratorsAreBounded(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	if _, err := d.pool.Exec(t.Context(), `
		WITH p AS (INSERT INTO people (organisation_id, person_id, kind)
		           SELECT $1, gen_random_uuid(), 'customer' FROM generate_series(3, $2) RETURNING person_id)
		INSERT INTO participants (organisation_id, ticket_number, participant_no, person_id, role, address)
		SELECT $1, 1, row_number() OVER () + 2, person_id, 'collaborator', 'c' || row_number() OVER () || '@client.test' FROM p`,
		d.org.ID, maxCollaborators+1); err != nil {
		t.Fatal(err)
	}
	d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: Question #cc x@client.test# #cc y@client.test#", text: "For all."})
	if n := d.ticket(1).collaborators(); n != maxCollaborators {
		t.Errorf("%d collaborators, want %d", n, maxCollaborators)
	}
}

// deliverVerified delivers a letter whose From the sender's domain vouches for.
func (d *desk) deliverVerified(m mail) {
	d.t.Helper()
	l := m.letter(d.clock())
	l.Verdict.DMARC.Result, l.Verdict.DMARC.Domain = message.Pass, l.MailFrom.Domain
	if _, err := d.intake.Deliver(d.t.Context(), l); err != nil {
		d.t.Fatal(err)
	}
}

// The first letter of a ticket can be for staff alone too, whoever its Cc names.
func TestNoteOpensATicketThatCustomersDoNotHearOf(t *testing.T) {
	d := newDesk(t)
	d.set(`{"preset": "followers"}`)
	d.deliverVerified(mail{
		from: "anna@staff.test", to: []string{"help@example.test"}, subject: "Plan #note#", text: "Do not tell Carl.", header: "Cc: carl@client.test\r\n",
	})
	if got := d.entries(1); got[0] != "note: Do not tell Carl." {
		t.Errorf("entries %v", got)
	}
	for _, m := range d.sentMail() {
		if m.To == "carl@client.test" {
			t.Errorf("the customer was sent %+v", m)
		}
	}
}

// What a staff member marks as a note stays one when nothing proves that he wrote it.
func TestUnprovenNoteStaysANote(t *testing.T) {
	d := newDesk(t)
	d.set(`{"preset": "followers"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	d.must(mail{
		from: "anna@staff.test", to: []string{"help@example.test"}, subject: "Re: Question #note#", text: "Carl is difficult.",
		header: "In-Reply-To: <" + ack.MessageID + ">\r\n",
	})
	if got := d.entries(1); got[1] != "note: Carl is difficult. (third party)" {
		t.Errorf("entries %v", got)
	}
	for _, m := range d.sentMail() {
		if m.To == "carl@client.test" {
			t.Errorf("the customer was sent %+v", m)
		}
	}
}

// A stranger's letter to an address that takes strangers and to one that does not opens one ticket, whichever stands first.
func TestUnregisteredAtTwoAddresses(t *testing.T) {
	d := newDesk(t)
	if _, err := d.pool.Exec(t.Context(), `
		WITH c AS (INSERT INTO categories (organisation_id, name) VALUES ($1, 'VIP') RETURNING category_id)
		INSERT INTO support_addresses (organisation_id, address, category_id, settings)
		SELECT $1, 'vip@example.test', category_id, '{"accept_unregistered": false}' FROM c`, d.org.ID); err != nil {
		t.Fatal(err)
	}
	d.set(`{}`)
	both := []string{"help@example.test", "vip@example.test"}
	d.must(mail{from: "eve@client.test", to: both, subject: "One", text: "hello"})
	slices.Reverse(both)
	d.must(mail{from: "mallory@client.test", to: both, subject: "Two", text: "hello"})
	d.refused(mail{from: "trudy@client.test", to: []string{"vip@example.test"}, subject: "Three", text: "hello"}, message.ErrUnregistered)
	for _, k := range d.tickets() {
		if k.SupportAddress != "help@example.test" {
			t.Errorf("ticket %+v", k)
		}
	}
	if n := len(d.tickets()); n != 2 {
		t.Errorf("%d tickets, want 2", n)
	}
}
