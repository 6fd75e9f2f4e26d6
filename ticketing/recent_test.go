package ticketing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

// newBoss adds an administrator, who has access to every category and wants to hear of what nobody owns.
func (d *desk) newBoss() id.ID {
	d.t.Helper()
	boss, err := d.service.AddStaff(d.t.Context(), d.org.ID, NewStaff{
		Name: "Bob Boss", Address: "bob@staff.test", Role: "administrator", Preferences: []string{"unassigned_new", "unassigned_reply"},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.org = d.dir.Organisation(d.org.ID)
	return boss
}

// Who is told that a ticket was moved to him reads what it is about: its latest public words, and no note.
func TestMovedTicketIsShown(t *testing.T) {
	d := newDesk(t)
	d.newBoss()
	d.exec(`INSERT INTO categories (organisation_id, name) SELECT organisation_id, n FROM organisations, unnest(ARRAY['Sales', 'Billing']) n`)
	d.set(`{"staff_proof": "token"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "Where is my invoice?"})
	told := to(t, d.sentMail(), "anna@staff.test")
	moved := func() sent {
		t.Helper()
		for _, m := range d.sentMail() {
			if m.To == "bob@staff.test" && m.Template == "ticket.moved/staff" {
				return m
			}
		}
		t.Fatal("nobody is told of the move")
		return sent{}
	}
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #note#", text: "He never pays."})
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #category Billing#"})
	if m := moved(); !strings.Contains(m.Text, "Where is my invoice?") || strings.Contains(m.Text, "never pays") {
		t.Errorf("by a command: %s", m.Text)
	}
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #category Sales#", text: "My colleague will look."})
	if m := moved(); !strings.Contains(m.Text, "My colleague will look.") || strings.Contains(m.Text, "Where is") {
		t.Errorf("with words: %s", m.Text)
	}
	var general int32
	for _, c := range d.org.Categories {
		if c.Name == "General" {
			general = c.ID
		}
	}
	if _, err := d.service.Change(t.Context(), Actor{Organisation: d.org.ID, Person: d.anna}, 1, 0, Patch{Category: &general}); err != nil {
		t.Fatal(err)
	}
	if m := moved(); !strings.Contains(m.Text, "My colleague will look.") {
		t.Errorf("by the API: %s", m.Text)
	}
}

// An organisation of the preset "department" has the agent who answered last told of new words, though he does not own the ticket.
func TestLastRespondentIsTold(t *testing.T) {
	d := newDesk(t)
	d.newBoss()
	d.set(`{"staff_proof": "token", "preset": "department"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	d.sentMail()
	if _, err := d.service.Reply(t.Context(), Actor{Organisation: d.org.ID, Person: d.anna}, 1, "An answer."); err != nil {
		t.Fatal(err)
	}
	reply := to(t, d.sentMail(), "carl@client.test")
	d.must(mail{from: "carl@client.test", to: []string{reply.ReplyTo}, subject: "Re: Question", text: "Thanks."})
	d.must(mail{from: "carl@client.test", to: []string{reply.ReplyTo}, subject: "Re: Question", text: "And one thing more."})
	mails := d.sentMail()
	if len(mails) != 2 || mails[0].To != "anna@staff.test" || mails[1].To != "anna@staff.test" {
		t.Errorf("mails %+v", mails)
	}
}

// An organisation of the preset "broadcast" tells of a moved ticket those who could not see it before, and nobody else.
func TestMovedTicketIsTold(t *testing.T) {
	d := newDesk(t)
	d.newBoss()
	if _, err := d.service.AddStaff(t.Context(), d.org.ID, NewStaff{Name: "Mia Member", Address: "mia@staff.test", Role: "technician"}); err != nil {
		t.Fatal(err)
	}
	d.exec(`DELETE FROM category_members WHERE person_id = (SELECT person_id FROM people WHERE name = 'Mia Member')`)
	d.exec(`INSERT INTO categories (organisation_id, name) SELECT organisation_id, 'Sales' FROM organisations`)
	d.exec(`INSERT INTO category_members (organisation_id, category_id, person_id)
		SELECT c.organisation_id, c.category_id, p.person_id FROM categories c, people p WHERE c.name = 'Sales' AND p.name = 'Mia Member'`)
	d.set(`{"staff_proof": "token", "preset": "broadcast"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #category Sales#"})
	if m := d.sentMail(); len(m) != 1 || m[0].To != "mia@staff.test" {
		t.Errorf("mails %+v", m)
	}
}

// Rules about the status hold however it changes: by a command, by words, or by the API.
func TestStatusIsTold(t *testing.T) {
	d := newDesk(t)
	d.newBoss()
	d.exec(`UPDATE organisations SET policy = '{"preset": "owner-first", "rules": [
		{"event": "ticket.reopened", "notify": ["administrators"]}, {"event": "ticket.status_changed", "notify": ["administrators"]},
		{"event": "ticket.created", "notify": ["category_members", "requester"]}]}'`)
	d.set(`{"staff_proof": "token"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	mails := d.sentMail()
	anna := to(t, mails, "anna@staff.test").ReplyTo
	carl := d.org.Signer.Ticket(bare("help@example.test"), address.TicketRef{Ticket: 1, Participant: 1}).String()
	status := func(s Status) func() {
		return func() {
			if _, err := d.service.Change(t.Context(), Actor{Organisation: d.org.ID, Person: d.anna}, 1, 0, Patch{Status: &s}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, c := range []struct {
		act  func()
		want string
	}{
		{func() { d.must(mail{from: "anna@staff.test", to: []string{anna}, subject: "Re: Question #waiting#"}) }, "ticket.status_changed"},
		{func() {
			d.must(mail{from: "carl@client.test", to: []string{carl}, subject: "Re: Question", text: "Here it is."})
		}, "ticket.status_changed"},
		{func() { d.must(mail{from: "anna@staff.test", to: []string{anna}, subject: "Re: Question #close#"}) }, ""},
		{func() {
			d.must(mail{from: "carl@client.test", to: []string{carl}, subject: "Re: Question", text: "One thing more."})
		}, "ticket.reopened"},
		{status(Closed), ""},
		{func() { d.must(mail{from: "anna@staff.test", to: []string{anna}, subject: "Re: Question #reopen#"}) }, "ticket.reopened"},
		{func() {
			d.must(mail{from: "anna@staff.test", to: []string{anna}, subject: "Re: Question", text: "An answer."})
		}, "ticket.status_changed"},
		{status(Closed), ""},
		{status(InProgress), "ticket.reopened"},
	} {
		d.later(time.Hour)
		c.act()
		var got []string
		for _, m := range d.sentMail() {
			got = append(got, m.To+" "+m.Template)
		}
		var want []string
		if c.want != "" {
			want = []string{"bob@staff.test " + c.want + "/staff"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("step %d: %v, want %v", i, got, want)
		}
	}
}

// An organisation of the preset "followers" posts a message when a ticket is closed, and its followers are told of that as of any
// message; it counts as a machine's, and is posted once.
func TestRulePostsMessage(t *testing.T) {
	d := newDesk(t)
	d.set(`{"staff_proof": "token", "preset": "followers"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello", header: "Cc: Bob <bob@client.test>\r\n"})
	d.sentMail()
	closed := Closed
	if _, err := d.service.Change(t.Context(), Actor{Organisation: d.org.ID, Person: d.anna}, 1, 0, Patch{Status: &closed}); err != nil {
		t.Fatal(err)
	}
	const words = "The ticket is closed. Write again if there is more to say, and it opens again."
	if got := d.entries(1); len(got) != 3 || got[1] != "event: ticket.closed" || got[2] != "reply: "+words || d.ticket(1).Status != Closed {
		t.Errorf("entries %v, status %s", got, d.ticket(1).Status)
	}
	mails := d.sentMail()
	for _, who := range []string{"carl@client.test", "bob@client.test"} {
		if m := to(t, mails, who); m.Template[:len("reply.sent/")] != "reply.sent/" || !strings.Contains(m.Text, words) || m.Auto != "auto-generated" || m.FromName != "Example" {
			t.Errorf("mail %+v", m)
		}
	}
	if len(mails) != 2 {
		t.Errorf("%d mails", len(mails))
	}
	d.later(time.Hour)
	d.must(mail{from: "carl@client.test", to: []string{to(t, mails, "carl@client.test").ReplyTo}, subject: "Re: Question #close#", text: "Thanks."})
	var byLetter int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM entries WHERE kind = 'reply' AND letter_id IS NOT NULL`).Scan(&byLetter); err != nil {
		t.Fatal(err)
	}
	if got := d.entries(1); got[len(got)-1] != "reply: "+words || byLetter != 0 {
		t.Errorf("closed by a letter: entries %v; %d of what was posted would be read anew from it", got, byLetter)
	}
}
