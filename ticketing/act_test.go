package ticketing

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mxdesk/internal/message"
)

// agentWrites opens a ticket of Carl's and lets Anna answer the notification with a subject and a text.
func agentWrites(t *testing.T, subject, text string) (*desk, []sent) {
	t.Helper()
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: subject, text: text})
	return d, d.sentMail()
}

func TestStaffCommands(t *testing.T) {
	for _, c := range []struct {
		subject string
		text    string
		check   func(*Ticket) bool
		events  []string
	}{
		{"Re: Question #close#", "", func(k *Ticket) bool { return k.Status == Closed && k.ClosedAt != nil }, []string{"event: ticket.closed"}},
		{"#CLOSE# Re: Question", "Bye.", func(k *Ticket) bool { return k.Status == Closed }, []string{"reply: Bye.", "event: ticket.closed"}},
		{"Re: Question #take#", "", func(k *Ticket) bool { return !k.Owner.IsZero() && k.Status == InProgress }, []string{"event: ticket.taken"}},
		{"Re: Question #assign anna agent#", "", func(k *Ticket) bool { return !k.Owner.IsZero() }, []string{"event: ticket.assigned"}},
		{"Re: Question #waiting#", "", func(k *Ticket) bool { return k.Status == Waiting }, []string{"event: ticket.status_changed"}},
		{"Re: Question #priority high# #tag vip# #time 15m#", "", func(k *Ticket) bool {
			return k.Priority == "high" && k.Tags[0] == "vip" && k.MinutesSpent == 15
		}, []string{"event: ticket.priority_changed", "event: ticket.tagged", "event: ticket.time_spent"}},
		{"Re: Question #due 2027-01-02#", "", func(k *Ticket) bool { return k.DueAt != nil && k.DueAt.Year() == 2027 }, []string{"event: ticket.due"}},
		{"Re: Question #cc bob@client.test#", "", func(k *Ticket) bool {
			return len(k.Participants) == 3 && k.Participants[2].Role == Collaborator
		}, []string{"event: participant.added"}},
		{"Re: Question #note# #take#", "Internal.", func(k *Ticket) bool { return !k.Owner.IsZero() && k.Status == InProgress }, []string{"note: Internal.", "event: ticket.taken"}},
	} {
		t.Run(c.subject, func(t *testing.T) {
			d, mails := agentWrites(t, c.subject, c.text)
			if k := d.ticket(1); !c.check(k) {
				t.Errorf("ticket %+v", k)
			}
			if diff := cmp.Diff(append([]string{"message: hello"}, c.events...), d.entries(1)); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			for _, m := range mails {
				if strings.Contains(m.Subject, "#close#") || m.To == "anna@staff.test" {
					t.Errorf("mail %+v", m)
				}
			}
		})
	}
}

// A command that cannot be done is told to the staff member, and the words are posted all the same.
func TestRefusedCommandIsAnswered(t *testing.T) {
	d, mails := agentWrites(t, "Re: Question #assign nobody# #priority silly#", "My answer.")
	receipt := to(t, mails, "anna@staff.test")
	if receipt.Template != templateReceipt || !strings.Contains(receipt.Text, "#assign nobody# - not done") {
		t.Errorf("receipt %+v", receipt)
	}
	if reply := to(t, mails, "carl@client.test"); !strings.Contains(reply.Text, "My answer.") {
		t.Errorf("reply %+v", reply)
	}
	if got := d.entries(1); got[1] != "reply: My answer." {
		t.Errorf("entries %v", got)
	}
}

func TestHelpCommand(t *testing.T) {
	_, mails := agentWrites(t, "#help#", "")
	if m := to(t, mails, "anna@staff.test"); !strings.Contains(m.Text, "#take#") || len(mails) != 1 {
		t.Errorf("help %+v", mails)
	}
}

// Clients answer their own earlier letter: the command in its subject does not run again.
func TestCommandRunsOnce(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: Question #close#", text: "Done."})
	if s := d.ticket(1).Status; s != Closed {
		t.Fatalf("status %s", s)
	}
	d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: Question #close#", text: "No, wait!"})
	if s := d.ticket(1).Status; s != InProgress {
		t.Errorf("status %s: the command ran twice", s)
	}
}

func TestCustomersMayNotDoWhatStaffDo(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: Question #take# #priority urgent#", text: "Hurry."})
	if k := d.ticket(1); !k.Owner.IsZero() || k.Priority != "normal" {
		t.Errorf("ticket %+v", k)
	}
	for _, m := range d.sentMail() {
		if m.To == "carl@client.test" {
			t.Errorf("a customer got a receipt: %+v", m)
		}
	}
}

// A stranger who got hold of a reply address adds an entry that is marked, and learns nothing.
func TestThirdParty(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	d.must(mail{from: "eve@evil.test", to: []string{ack.ReplyTo}, subject: "Re: Question #close# #cc eve@evil.test#", text: "Tell me all."})
	if k := d.ticket(1); k.Status == Closed || len(k.Participants) != 2 {
		t.Errorf("ticket %+v", k)
	}
	for _, m := range d.sentMail() {
		if m.To != "anna@staff.test" || !strings.Contains(m.FromName, "unverified sender") {
			t.Errorf("mail to %s from %s", m.To, m.FromName)
		}
	}
	if got := d.entries(1); got[1] != "message: Tell me all. (third party)" {
		t.Errorf("entries %v", got)
	}
}

func TestReopenWindow(t *testing.T) {
	d, mails := agentWrites(t, "Re: Question #close#", "Bye.")
	reply := to(t, mails, "carl@client.test")
	d.later(31 * 24 * time.Hour)
	d.must(mail{from: "carl@client.test", to: []string{reply.ReplyTo}, subject: "Re: [#1] Question", text: "Again."})
	if s := d.ticket(1).Status; s != Closed {
		t.Errorf("the old ticket is %s", s)
	}
	if k := d.ticket(2); k.Follows != 1 || k.Subject != "Question" {
		t.Errorf("the new ticket %+v", k)
	}
}

func TestCollaboratorsFromCc(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello", header: "Cc: Bob <bob@client.test>, help@example.test\r\n"})
	told := to(t, d.sentMail(), "anna@staff.test")
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question", text: "An answer."})
	mails := d.sentMail()
	toBob := to(t, mails, "bob@client.test")
	if len(mails) != 2 || toBob.ReplyTo == to(t, mails, "carl@client.test").ReplyTo {
		t.Fatalf("mails %+v", mails)
	}
	root := d.org.Signer.ThreadRoot("example.test", 1)
	for _, m := range append(mails, told) { // one root for all, and it is in our domain
		if strings.Fields(m.Refs)[0] != root {
			t.Errorf("References of the letter to %s: %s, want %s first", m.To, m.Refs, root)
		}
	}
	d.must(mail{from: "bob@client.test", to: []string{toBob.ReplyTo}, subject: "Re: Question", text: "Me too."})
	if got := d.entries(1); got[2] != "message: Me too." {
		t.Errorf("entries %v", got)
	}
}

// A ticket that is moved writes from its new category; its letters stay in the thread that each of them has seen.
func TestMovedTicketWritesFromItsCategory(t *testing.T) {
	d := newDesk(t)
	d.exec(`INSERT INTO domains (organisation_id, domain) SELECT organisation_id, 'sales.test' FROM organisations`)
	d.exec(`INSERT INTO categories (organisation_id, name) SELECT organisation_id, n FROM organisations, unnest(ARRAY['Sales', 'Nowhere']) n`)
	d.exec(`INSERT INTO support_addresses (organisation_id, address, category_id)
		SELECT organisation_id, a, category_id FROM categories, unnest(ARRAY['second@sales.test', 'first@sales.test']) a WHERE name = 'Sales'`)
	d.set(`{"staff_proof": "token"}`)
	root := d.org.Signer.ThreadRoot("example.test", 1)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	for _, c := range []struct{ category, want string }{
		{"Sales", "first@sales.test"}, {"Nowhere", "help@example.test"}, {"Sales", "first@sales.test"}, {"General", "help@example.test"},
	} {
		d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #category " + c.category + "#", text: "An answer from " + c.category})
		d.later(time.Hour)
		d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question", text: "It is from " + c.category})
		var last sent
		for _, m := range d.sentMail() {
			if m.To == "carl@client.test" {
				last = m
			}
		}
		reply := bare(last.ReplyTo)
		if from := bare(c.want); !strings.HasPrefix(reply.Local, from.Local+"+") || reply.Domain != from.Domain || !strings.HasSuffix(last.MessageID, "@"+from.Domain) {
			t.Errorf("in %s: Reply-To %s, Message-ID %s, want those of %s", c.category, last.ReplyTo, last.MessageID, c.want)
		}
		if strings.Fields(last.Refs)[0] != root {
			t.Errorf("in %s: References %s", c.category, last.Refs)
		}
		d.must(mail{from: "carl@client.test", to: []string{last.ReplyTo}, subject: "Re: Question", text: "Thanks, " + c.category})
		if n := len(d.tickets()); n != 1 {
			t.Fatalf("%d tickets", n)
		}
	}
}

// The report about a delivery closes it and stands in the ticket; it makes no ticket.
func TestBounceClosesDelivery(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	var delivery string
	if err := d.pool.QueryRow(t.Context(), `SELECT delivery_id::text FROM deliveries WHERE recipient = 'carl@client.test'`).Scan(&delivery); err != nil {
		t.Fatal(err)
	}
	_, did, ok := d.org.Signer.ParseMessageID(ackID(t, d))
	if !ok {
		t.Fatal("the acknowledgement's Message-ID is not ours")
	}
	report := mail{
		from: "MAILER-DAEMON@client.test", null: true, to: []string{d.org.Signer.ReturnPath("example.test", did).String()}, subject: "Undelivered Mail Returned to Sender",
		header: "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
		text: "--b\nContent-Type: text/plain\n\nYour mail did not arrive.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.client.test\n\n" +
			"Final-Recipient: rfc822; carl@client.test\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n--b--",
	}
	d.must(report)
	if n := len(d.tickets()); n != 1 {
		t.Errorf("%d tickets", n)
	}
	if got := d.entries(1); len(got) != 2 || got[1] != "event: delivery.failed" {
		t.Errorf("entries %v", got)
	}
	// A second, different report about the same delivery changes nothing.
	report.messageID, report.subject = "other@client.test", "Undeliverable"
	d.must(report)
	if got := d.entries(1); len(got) != 2 {
		t.Errorf("entries after the second report %v", got)
	}
	letters, err := d.service.Letters(t.Context(), d.org.ID, LetterFilter{Outcome: ClosedReport})
	if err != nil || len(letters) != 2 || letters[0].Kind != string(message.Bounce) {
		t.Errorf("letters %+v, %v", letters, err)
	}
}

func ackID(t *testing.T, d *desk) (messageID string) {
	t.Helper()
	if err := d.pool.QueryRow(t.Context(), `SELECT rfc_message_id FROM deliveries WHERE recipient = 'carl@client.test'`).Scan(&messageID); err != nil {
		t.Fatal(err)
	}
	return messageID
}

// Whoever forges the requester's From, and knows the ticket's number, can write into it but command nothing.
func TestForgedRequesterCommandsNothing(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	d.sentMail()
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Re: [#1] Question #close# #cc eve@evil.test#", text: "Tell Eve."})
	if k := d.ticket(1); k.Status == Closed || len(k.Participants) != 2 {
		t.Errorf("ticket %+v", k)
	}
	if got := d.entries(1); len(got) != 2 || got[1] != "message: Tell Eve." {
		t.Errorf("entries %v", got)
	}
}

// The owner is told of a letter in his own name that nothing proves.
func TestOwnerIsToldOfForgery(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	mails := d.sentMail()
	told, ack := to(t, mails, "anna@staff.test"), to(t, mails, "carl@client.test")
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #take#", text: "An answer."})
	d.sentMail()
	d.must(mail{from: "anna@staff.test", to: []string{ack.ReplyTo}, subject: "Re: Question", text: "I am Anna."})
	if m := to(t, d.sentMail(), "anna@staff.test"); !strings.Contains(m.FromName, "unverified sender") {
		t.Errorf("mail %+v", m)
	}
}
