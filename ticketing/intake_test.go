package ticketing

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/outbound"
)

// The main job as one story: a letter opens a ticket, staff answer by mail, the customer answers, the ticket closes and
// opens again.
func TestStory(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "Carl Customer <carl@client.test>", to: []string{"help@example.test"}, subject: "Printer on fire", text: "It burns.", messageID: "first@client.test"})

	ticket := d.ticket(1)
	if ticket.Status != New || ticket.Subject != "Printer on fire" || ticket.Via != "email" {
		t.Fatalf("ticket %+v", ticket)
	}
	mails := d.sentMail()
	ack, told := to(t, mails, "carl@client.test"), to(t, mails, "anna@staff.test")
	if len(mails) != 2 || ack.Auto != "auto-replied" || ack.Subject != "[#1] Printer on fire" || !strings.Contains(ack.Refs, "first@client.test") {
		t.Fatalf("acknowledgement %+v", ack)
	}
	if !strings.Contains(told.Text, "It burns.") || told.FromName != "Carl Customer" {
		t.Fatalf("notification %+v", told)
	}

	d.must(mail{from: "Anna <anna@staff.test>", to: []string{told.ReplyTo}, subject: "Re: [#1] Printer on fire #take#", text: "Use water.\n\nOn Monday Carl wrote:\n> It burns."})
	ticket = d.ticket(1)
	if ticket.Status != InProgress && ticket.Status != Waiting || ticket.Owner != d.anna {
		t.Fatalf("after the reply: %+v", ticket)
	}
	mails = d.sentMail()
	reply := to(t, mails, "carl@client.test")
	if len(mails) != 1 || reply.FromName != "Anna Agent" || reply.Auto != "" || strings.Contains(reply.Subject, "#take#") ||
		!strings.Contains(reply.Text, "Use water.") || strings.Contains(reply.Text, "It burns") {
		t.Fatalf("reply %+v", mails)
	}
	if refs := strings.Fields(reply.Refs); !slices.Contains(refs, "first@client.test") || !slices.Contains(refs, ack.MessageID) {
		t.Errorf("references of the reply: %v", refs)
	}

	d.must(mail{from: "carl@client.test", to: []string{reply.ReplyTo}, subject: "Re: [#1] Printer on fire", text: "It helped. #close# is for you."})
	if s := d.ticket(1).Status; s != InProgress {
		t.Errorf("status after the customer's answer: %s", s)
	}
	told = to(t, d.sentMail(), "anna@staff.test")

	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: [#1] Printer on fire #close#", text: "\n> It helped."})
	if s := d.ticket(1).Status; s != Closed {
		t.Errorf("status after #close#: %s", s)
	}
	d.sentMail()

	d.must(mail{from: "carl@client.test", to: []string{reply.ReplyTo}, subject: "Re: [#1] Printer on fire", text: "It burns again."})
	if s := d.ticket(1).Status; s != InProgress {
		t.Errorf("status after the answer to a closed ticket: %s", s)
	}
	want := []string{
		"message: It burns.", "reply: Use water.", "event: ticket.taken", "message: It helped. #close# is for you.",
		"event: ticket.closed", "message: It burns again.", "event: ticket.reopened",
	}
	if diff := cmp.Diff(want, d.entries(1)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if n := len(d.tickets()); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
}

func TestNoteNeverReachesTheCustomer(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: [#1] x #TECH#", text: "He is a pest."})
	for _, m := range d.sentMail() {
		t.Errorf("a note was mailed to %s", m.To)
	}
	if got := d.entries(1); got[1] != "note: He is a pest." {
		t.Errorf("entries %v", got)
	}
}

func TestSpoofedStaffNeverActs(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	// Carl writes in Anna's name to the address he was given, and to the support address with our Message-ID.
	for _, m := range []mail{
		{from: "anna@staff.test", to: []string{ack.ReplyTo}, subject: "Re: [#1] x #close#", text: "Go away."},
		{from: "anna@staff.test", to: []string{"help@example.test"}, subject: "Re: x #close#", text: "Go away!", header: "In-Reply-To: <" + ack.MessageID + ">\r\n"},
	} {
		d.must(m)
		if tk := d.ticket(1); tk.Status == Closed {
			t.Fatal("a spoofed command closed the ticket")
		}
		for _, s := range d.sentMail() {
			if s.To == "carl@client.test" {
				t.Errorf("spoofed staff words went to the customer: %+v", s)
			}
		}
	}
	want := []string{
		"message: hello", "message: Go away. (third party)", "event: identity.unverified",
		"message: Go away! (third party)", "event: identity.unverified",
	}
	if diff := cmp.Diff(want, d.entries(1)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestSameLetterAgain(t *testing.T) {
	d := newDesk(t)
	m := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello", messageID: "same@client.test"}
	first := d.must(m)
	if again := d.must(m); again != first {
		t.Errorf("the same letter got id %s, first %s", again, first)
	}
	if n := len(d.tickets()); n != 1 {
		t.Fatalf("%d tickets, want 1", n)
	}
	d.later(dedupeWindow + time.Hour)
	if again := d.must(m); again == first {
		t.Error("after the window the letter is a new one")
	}
}

// A letter without Message-ID, in the same words every day, is a new one every day; sent again soon it is the same.
func TestSameNamelessLetter(t *testing.T) {
	d := newDesk(t)
	m := mail{from: "robot@client.test", to: []string{"help@example.test"}, subject: "Alarm", text: "The disk is full.", messageID: "x@client.test"}
	deliver := func() id.ID {
		t.Helper()
		l := m.letter(d.clock())
		l.Raw = bytes.Replace(l.Raw, []byte("Message-ID: <x@client.test>\r\n"), nil, 1)
		taken, err := d.intake.Deliver(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		return taken.ID
	}
	first := deliver()
	d.later(namelessWindow / 2)
	if again := deliver(); again != first {
		t.Error("sent again soon it is stored twice")
	}
	d.later(24 * time.Hour)
	if again := deliver(); again == first || len(d.tickets()) != 2 {
		t.Errorf("on the next day it is skipped: %d tickets", len(d.tickets()))
	}
}

// Concurrent copies of one letter, over several writers, are stored once.
func TestSameLetterAtOnce(t *testing.T) {
	d := newDesk(t)
	l := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"}.letter(d.clock())
	var wg sync.WaitGroup
	for range 16 {
		copied := *l
		copied.ID = mail{from: "a@b.test", to: []string{"help@example.test"}}.letter(d.clock()).ID
		wg.Go(func() {
			if _, err := d.intake.Deliver(context.Background(), &copied); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(d.tickets()); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
}

// Many customers, some the same, at once: every letter is a ticket, every customer one person.
func TestConcurrentLetters(t *testing.T) {
	d := newDesk(t)
	var letters []*message.Letter
	for i := range 120 {
		letters = append(letters, mail{from: "c" + string(rune('a'+i%7)) + "@client.test", to: []string{"help@example.test"}, subject: "n", text: strings.Repeat("x", i+1)}.letter(d.clock()))
	}
	var wg sync.WaitGroup
	for _, l := range letters {
		wg.Go(func() {
			if got, err := d.intake.Deliver(context.Background(), l); err != nil || got.ID != l.ID {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
	var tickets, customers int
	if err := d.pool.QueryRow(context.Background(), `SELECT (SELECT count(*) FROM tickets), (SELECT count(*) FROM people WHERE kind = 'customer')`).Scan(&tickets, &customers); err != nil {
		t.Fatal(err)
	}
	if tickets != 120 || customers != 7 {
		t.Errorf("%d tickets, %d customers; want 120, 7", tickets, customers)
	}
}

func TestCheckRecipient(t *testing.T) {
	d := newDesk(t)
	d.organisation("Other", "other.test")
	delivery := id.New()
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	for _, c := range []struct {
		to     string
		sender string
		want   error
	}{
		{"help@example.test", "a@b.test", nil},
		{"HELP@example.test", "a@b.test", nil},
		{"postmaster@example.test", "a@b.test", nil},
		{"Abuse@example.test", "", nil},
		{"Postmaster@mx.host.test", "a@b.test", nil},
		{"help@mx.host.test", "a@b.test", message.ErrNotOurDomain},
		{"postmaster@host.test", "a@b.test", message.ErrNotOurDomain},
		{ack.ReplyTo, "anybody@b.test", nil},
		{strings.ToUpper(ack.ReplyTo), "anybody@b.test", nil},
		{strings.Replace(ack.ReplyTo, "+1.", "+2.", 1), "a@b.test", message.ErrNoSuchRecipient},
		{strings.Replace(ack.ReplyTo, "@example.test", "@other.test", 1), "a@b.test", message.ErrNoSuchRecipient},
		{"help+anything@example.test", "a@b.test", message.ErrNoSuchRecipient},
		{"nobody@example.test", "a@b.test", message.ErrNoSuchRecipient},
		{"help@elsewhere.test", "a@b.test", message.ErrNotOurDomain},
		{"help%elsewhere.test@example.test", "a@b.test", message.ErrNoSuchRecipient},
		{`"help@elsewhere.test"@example.test`, "a@b.test", message.ErrNoSuchRecipient},
		{d.org.Signer.ReturnPath("example.test", delivery).String(), "", nil},
		{d.org.Signer.ReturnPath("example.test", delivery).String(), "a@b.test", message.ErrOnlyBounces},
		{d.org.Signer.ReturnPath("other.test", delivery).String(), "", message.ErrNoSuchRecipient},
	} {
		sender := bare("x@y.test")
		if c.sender == "" {
			sender.Local, sender.Domain = "", ""
		}
		if err := d.intake.CheckRecipient(context.Background(), sender, bare(c.to)); err != c.want {
			t.Errorf("%s from <%s>: %v, want %v", c.to, c.sender, err, c.want)
		}
	}
}

// An organisation, or an address of one, that was made a moment ago by another node is not refused; while the database
// is away nobody is.
func TestCheckNewRecipient(t *testing.T) {
	d := newDesk(t)
	sender := bare("a@b.test")
	check := func(to string) error { return d.intake.CheckRecipient(t.Context(), sender, bare(to)) }
	if err := check("help@new.test"); err != message.ErrNotOurDomain {
		t.Errorf("before it is made: %v", err)
	}
	other, err := NewDirectory(t.Context(), d.pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := NewService(d.pool, other, outbound.NewQueue(d.pool, outbound.QueueConfig{}), d.clock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.CreateOrganisation(t.Context(), NewOrganisation{Name: "New", Address: "help@new.test"}); err != nil {
		t.Fatal(err)
	}
	if err := check("help@new.test"); err != nil {
		t.Errorf("when it is made: %v", err)
	}
	if err := check("nobody@new.test"); err != message.ErrNoSuchRecipient {
		t.Errorf("another address there: %v", err)
	}
	d.pool.Close()
	if err := check("help@newer.test"); err == nil || errors.Is(err, message.ErrNotOurDomain) {
		t.Errorf("while the database is away: %v", err)
	}
}

// Letters to the postmaster of this machine go to the first organisation, whatever its domains are.
func TestPostmasterOfTheMachine(t *testing.T) {
	d := newDesk(t)
	d.organisation("Other", "other.test")
	d.must(mail{from: "carl@client.test", to: []string{"postmaster@mx.host.test"}, subject: "Your server", text: "It is slow."})
	if got := d.entries(1); len(got) != 1 || got[0] != "message: It is slow." {
		t.Errorf("entries %v", got)
	}
	if ack := to(t, d.sentMail(), "carl@client.test"); !strings.HasSuffix(ack.ReplyTo, "@example.test") {
		t.Errorf("answered from %s", ack.ReplyTo)
	}
}

func TestMachinesGetNoAnswer(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")

	d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Out of office", text: "I am away.", header: "Auto-Submitted: auto-replied\r\n"})
	if n := d.sentMail(); len(n) != 0 {
		t.Errorf("an out-of-office note caused mail: %+v", n)
	}
	if got := d.entries(1); len(got) != 3 || got[2] != "event: loop.stopped" {
		t.Errorf("the note is not in the ticket, or that it ends there: %v", got)
	}
	d.must(mail{from: "robot@client.test", to: []string{"help@example.test"}, subject: "Report", text: "42", header: "Auto-Submitted: auto-generated\r\n"})
	if n := len(d.tickets()); n != 1 {
		t.Errorf("a robot opened a ticket: %d", n)
	}
	d.must(mail{from: "news@client.test", to: []string{"help@example.test"}, subject: "News", text: "new", header: "List-Id: <news.client.test>\r\n"})
	for _, m := range d.sentMail() {
		if m.To == "news@client.test" {
			t.Error("a list was answered")
		}
	}
	letters, err := d.service.Letters(context.Background(), d.org.ID, LetterFilter{Outcome: Unhandled})
	if err != nil || len(letters) != 1 || letters[0].Subject != "Report" {
		t.Errorf("unhandled: %+v, %v", letters, err)
	}
}

func TestAutoresponseBudget(t *testing.T) {
	d := newDesk(t)
	acks := func() (n int) {
		for _, m := range d.sentMail() {
			if m.To == "carl@client.test" {
				n++
			}
		}
		return n
	}
	for i := range 8 {
		d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: strings.Repeat("x", i+1)})
	}
	if n := acks(); n != 5 {
		t.Errorf("%d acknowledgements in five minutes, want 5", n)
	}
	d.later(6 * time.Minute)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "later"})
	if n := acks(); n != 1 {
		t.Errorf("%d acknowledgements after the window, want 1", n)
	}
}

// Five in any five minutes, not five in each of those that follow each other.
func TestAutoresponseBudgetSlides(t *testing.T) {
	d := newDesk(t)
	letter := 0
	write := func(letters int) (acks int) {
		for range letters {
			letter++
			d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: strings.Repeat("x", letter)})
		}
		for _, m := range d.sentMail() {
			if m.To == "carl@client.test" {
				acks++
			}
		}
		return acks
	}
	first := write(1)
	d.later(4*time.Minute + 50*time.Second)
	second := write(6)
	d.later(20 * time.Second)
	third := write(6)
	d.later(4*time.Minute + 40*time.Second)
	if fourth := write(6); first != 1 || second != 4 || third != 1 || fourth != 4 {
		t.Errorf("acknowledgements %d, %d, %d and %d, want 1, 4, 1 and 4", first, second, third, fourth)
	}
}

func TestOneOfOurOwnLettersComesBack(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	d.refused(mail{from: "help@example.test", to: []string{"help@example.test"}, subject: "x", text: "hello", messageID: ack.MessageID}, message.ErrLoop)
}

func TestUnsubscribe(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"})
	mails := d.sentMail()
	ack, told := to(t, mails, "carl@client.test"), to(t, mails, "anna@staff.test")
	d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: x #unsub#", text: ""})
	if m := d.sentMail(); len(m) != 1 || m[0].To != "carl@client.test" {
		t.Fatalf("confirmation: %+v", m)
	}
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: x", text: "An answer."})
	if m := d.sentMail(); len(m) != 0 {
		t.Errorf("mail to somebody who left: %+v", m)
	}
	if got := d.entries(1); slices.Contains(got, "message: ") {
		t.Errorf("an empty entry was posted: %v", got)
	}
}

// A letter that makes the decision panic is stored with a plain ticket, and so is one that makes the reader panic.
func TestPanicStillBecomesATicket(t *testing.T) {
	d := newDesk(t)
	l := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "bad", text: "boom"}.letter(d.clock())
	j, err := d.intake.prepare(context.Background(), l)
	if err != nil {
		t.Fatal(err)
	}
	j.content = nil // what a bug might do
	d.intake.commitOne(j, d.intake.commit([]*job{j}))
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
	if got := d.entries(1); len(got) != 2 || got[1] != "event: letter.unread" {
		t.Errorf("entries %v", got)
	}
	raw, err := d.service.RawLetter(context.Background(), d.org.ID, l.ID)
	if err != nil || string(raw) != l.Received+string(l.Raw) {
		t.Errorf("raw letter: %q, %v", raw, err)
	}
	files, err := d.service.Attachments(context.Background(), d.org.ID, 1)
	if err != nil || len(files) != 1 || files[0].Filename != "letter.eml" {
		t.Errorf("attachments %+v, %v", files, err)
	}
}

// A held letter on which we fail when it is confirmed is stored with a plain ticket too, and does not refuse the confirmation for ever.
func TestPanicOfConfirmedLetter(t *testing.T) {
	d, _, confirm, code := asked(t)
	l := mail{from: "anna@staff.test", to: []string{confirm}, subject: "Re: Question", text: code}.letter(d.clock())
	j, err := d.intake.prepare(context.Background(), l)
	if err != nil || len(j.parcels) != 2 {
		t.Fatalf("%d parcels, %v", len(j.parcels), err)
	}
	j.parcels[1].job.content = nil // what a bug might do
	d.intake.commitOne(j, d.intake.commit([]*job{j}))
	if err := <-j.done; err != nil {
		t.Fatal(err)
	}
	if got := d.entries(d.tickets()[0].Number); !slices.Contains(got, "event: letter.unread") {
		t.Errorf("entries %v", got)
	}
}

// A letter to a ticket of long ago, at an organisation that took its addresses away, is refused: there is nowhere to put it.
func TestNoAddressIsLeft(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	if _, err := d.service.Change(t.Context(), Actor{Organisation: d.org.ID, Name: "test"}, 1, 0, Patch{Status: new(Closed)}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.pool.Exec(t.Context(), `DELETE FROM support_addresses`); err != nil {
		t.Fatal(err)
	}
	d.set(`{"reopen_days": 0}`)
	d.later(time.Hour)
	d.refused(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: x", text: "more"}, message.ErrNoSuchRecipient)
}

// One letter on which PostgreSQL fails does not fail the others of its batch: it is stored with a plain ticket.
func TestBadLetterFailsAlone(t *testing.T) {
	d := newDesk(t)
	var jobs []*job
	for _, text := range []string{"good", "bad", "fine"} {
		j, err := d.intake.prepare(context.Background(), mail{from: text + "@client.test", to: []string{"help@example.test"}, subject: text, text: text}.letter(d.clock()))
		if err != nil {
			t.Fatal(err)
		}
		if text == "bad" {
			j.content.ReplyText = "not UTF-8: \xff"
		}
		jobs = append(jobs, j)
	}
	d.intake.commitAll(jobs)
	for i, j := range jobs {
		if err := <-j.done; err != nil {
			t.Errorf("letter %d: %v", i, err)
		}
	}
	plain := 0
	for _, k := range d.tickets() {
		if slices.Contains(d.entries(k.Number), "event: letter.unread") {
			plain++
		}
	}
	if n := len(d.tickets()); n != 3 || plain != 1 {
		t.Errorf("%d tickets, %d of them plain; want 3 and 1", n, plain)
	}
}

func TestUnregisteredSenderIsRefused(t *testing.T) {
	d := newDesk(t)
	if _, err := d.pool.Exec(context.Background(), `
		WITH r AS (UPDATE directory_revision SET revision = revision + 1 RETURNING revision)
		UPDATE organisations SET settings = '{"accept_unregistered": false}', revision = r.revision FROM r`); err != nil {
		t.Fatal(err)
	}
	if err := d.dir.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	d.refused(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"}, message.ErrUnregistered)
	if n := len(d.tickets()); n != 0 {
		t.Errorf("%d tickets", n)
	}
}

// Two organisations in one transaction: each has its letter, its customer and its ticket, and nothing of the other.
func TestOrganisationsAreApart(t *testing.T) {
	d := newDesk(t)
	other := d.organisation("Other", "other.test")
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test", "help@other.test"}, subject: "both", text: "hello", messageID: "both@client.test"})
	ack := to(t, d.sentMail(), "carl@client.test")
	for _, o := range []*Organisation{d.org, other} {
		list, err := d.service.Tickets(context.Background(), o.ID, TicketFilter{})
		if err != nil || len(list) != 1 || list[0].Number != 1 {
			t.Errorf("%s: %+v, %v", o.Name, list, err)
		}
	}
	// A Message-ID and a reference of one mean nothing to the other.
	d.must(mail{from: "dora@client.test", to: []string{"help@other.test"}, subject: "Re: both", text: "mine", header: "In-Reply-To: <" + ack.MessageID + ">\r\n"})
	list, err := d.service.Tickets(context.Background(), other.ID, TicketFilter{})
	if err != nil || len(list) != 2 {
		t.Errorf("other organisation: %d tickets, %v; want 2", len(list), err)
	}
}

// With from_name_for_all no person's name stands before the support address.
func TestFromNameForAll(t *testing.T) {
	for settings, want := range map[string]struct{ staff, customer string }{
		`{"staff_proof": "token"}`:                            {"Carl", "Anna Agent"},
		`{"staff_proof": "token", "from_name_for_all": true}`: {"Example", "Example"},
	} {
		d := newDesk(t)
		d.set(settings)
		d.must(mail{from: "Carl <carl@client.test>", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
		mails := d.sentMail()
		told := to(t, mails, "anna@staff.test")
		if told.FromName != want.staff {
			t.Errorf("%s: staff are told by %q, want %q", settings, told.FromName, want.staff)
		}
		if ack := to(t, mails, "carl@client.test"); ack.FromName != "Example" {
			t.Errorf("%s: acknowledged by %q", settings, ack.FromName)
		}
		d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question", text: "An answer."})
		answer := to(t, d.sentMail(), "carl@client.test")
		if answer.FromName != want.customer || answer.Auto != "" {
			t.Errorf("%s: answered by %q, want %q", settings, answer.FromName, want.customer)
		}
	}
}
