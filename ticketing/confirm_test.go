package ticketing

import (
	"strings"
	"testing"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

func TestSaysCode(t *testing.T) {
	for text, want := range map[string]bool{
		"ABCDEF":                              true,
		"\n\n  abcdef.\n\nSent from my phone": true,
		"\u00a0\u200bABCDEF\u200b":            true,
		"*ABCDEF*\n":                          true,
		"\"abcdef\"":                          true,
		"":                                    false,
		"Yes.\nABCDEF":                        false,
		"ABCDEF please":                       false,
		"write the code ABCDEF as the first":  false,
		"I am away.\n\nYou wrote: ABCDEF":     false,
		"ABC DEF":                             false,
		"ABCDEFG":                             false,
	} {
		if got := saysCode(text, "ABCDEF"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// asked is a desk at which a letter in Anna's name is held, that came to her own address of ticket 1, and she is asked.
func asked(t *testing.T) (d *desk, question sent, confirm, code string) {
	t.Helper()
	d = newDesk(t)
	d.set(`{"staff_proof": "verified"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	held := d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #close#", text: "My answer."})
	mails := d.sentMail()
	if len(mails) != 1 || mails[0].To != "anna@staff.test" || mails[0].Template != templateConfirm || !strings.Contains(mails[0].Text, "My answer.") {
		t.Fatalf("question %+v", mails)
	}
	if k := d.ticket(1); k.Status != New || len(d.entries(1)) != 1 {
		t.Fatalf("the held letter acted: %+v, %v", k, d.entries(1))
	}
	if err := d.pool.QueryRow(t.Context(), `SELECT from_address FROM messages WHERE template = $1`, templateConfirm).Scan(&confirm); err != nil {
		t.Fatal(err)
	}
	code = d.org.Signer.ConfirmCode(held)
	if !strings.Contains(mails[0].Text, " "+code+" ") || saysCode(mails[0].Text, code) {
		t.Fatalf("the code %s must stand within a sentence: %s", code, mails[0].Text)
	}
	return d, mails[0], confirm, code
}

// A letter in a staff member's name that only its address speaks for is held; his own reply with the code releases it.
func TestStaffConfirms(t *testing.T) {
	d, question, confirm, code := asked(t)
	quoted := "\n\nOn Monday, Example wrote:\n> " + strings.ReplaceAll(question.Text, "\n", "\n> ")
	d.must(mail{from: "anna@staff.test", to: []string{confirm}, subject: "Re: Question", text: strings.ToLower(code) + quoted})
	if k := d.ticket(1); k.Status != Closed {
		t.Errorf("after the confirmation: %+v", k)
	}
	if got := d.entries(1); len(got) != 3 || got[1] != "reply: My answer." {
		t.Errorf("entries %v", got)
	}
	reply := to(t, d.sentMail(), "carl@client.test")
	if reply.FromName != "Anna Agent" || !strings.Contains(reply.Text, "My answer.") {
		t.Errorf("reply %+v", reply)
	}
	d.refused(mail{from: "anna@staff.test", to: []string{confirm}, subject: "Re: Question", text: code}, message.ErrNoSuchRecipient)
}

// What a machine, somebody else or a hasty person sends confirms nothing. Anna is told how, once.
func TestWhatConfirmsNothing(t *testing.T) {
	d, question, confirm, code := asked(t)
	failed := func(l *message.Letter) {
		l.Verdict.DMARC = message.DMARC{Result: message.Fail, Policy: "reject", PolicyDomain: "staff.test", Record: "v=DMARC1; p=reject"}
	}
	quarantined := func(l *message.Letter) {
		failed(l)
		l.Verdict.DMARC.Policy = "quarantine"
		l.Verdict.SPF.Result = message.Fail
	}
	for _, c := range []struct {
		name    string
		mail    mail
		verdict func(*message.Letter)
		refused bool
		told    int
	}{
		{"a marked vacation note", mail{from: "anna@staff.test", text: code, header: "Auto-Submitted: auto-replied\r\n"}, nil, false, 0},
		{"a forged From that DMARC disowns", mail{from: "anna@staff.test", text: code, messageID: "forged@client.test"}, failed, true, 0},
		{"the same, held", mail{from: "anna@staff.test", text: code, messageID: "held@client.test"}, quarantined, false, 0},
		{"the same letter as the held one again", mail{from: "anna@staff.test", text: code, messageID: "held@client.test"}, nil, false, 0},
		{"an unmarked vacation note that quotes without marks", mail{from: "anna@staff.test", text: "I am at the sea.\n\n" + question.Text}, nil, false, 1},
		{"a machine that sends everything back", mail{from: "anna@staff.test", text: question.Text}, nil, false, 0},
		{"yes", mail{from: "anna@staff.test", text: "Yes."}, nil, false, 0},
		{"somebody else who knows all", mail{from: "mallory@evil.test", text: code}, nil, false, 0},
	} {
		c.mail.to, c.mail.subject = []string{confirm}, "Re: Question"
		l := c.mail.letter(d.clock())
		if c.verdict != nil {
			c.verdict(l)
		}
		_, err := d.intake.Deliver(t.Context(), l)
		if (err != nil) != c.refused {
			t.Fatalf("%s: %v", c.name, err)
		}
		mails := d.sentMail()
		if len(d.entries(1)) != 1 || len(mails) != c.told {
			t.Fatalf("%s: entries %v, mails %+v", c.name, d.entries(1), mails)
		}
		if c.told > 0 && (mails[0].To != "anna@staff.test" || mails[0].Template != templateUnconfirmed || !strings.Contains(mails[0].Text, code)) {
			t.Errorf("%s: told %+v", c.name, mails[0])
		}
	}
	d.must(mail{from: "anna@staff.test", to: []string{confirm}, subject: "Re: Question", text: code})
	if k := d.ticket(1); k.Status != Closed {
		t.Errorf("after the confirmation at last: %+v", k)
	}
}

// An organisation's template may put the code wherever it likes: a machine that sends the question back, subject and all,
// confirms nothing by that.
func TestEchoConfirmsNothing(t *testing.T) {
	d := newDesk(t)
	d.set(`{"staff_proof": "verified"}`)
	if _, err := d.pool.Exec(t.Context(), `INSERT INTO templates (organisation_id, name, subject, body_text)
		VALUES ($1, $2, '#password#', $3)`, d.org.ID, templateConfirm, "#password#\n\nis the code."); err != nil {
		t.Fatal(err)
	}
	d.set(`{"staff_proof": "verified", "system_address": ""}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	held := d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #close#", text: "My answer."})
	question, code := to(t, d.sentMail(), "anna@staff.test"), d.org.Signer.ConfirmCode(held)
	if strings.Contains(question.Subject, code) || strings.Count(question.Text, code) < 2 {
		t.Errorf("the question: %+v", question)
	}
	confirm := d.org.Signer.Confirm("example.test", held).String()
	for _, text := range []string{question.Text, question.Subject + "\n" + question.Text} {
		d.must(mail{from: "anna@staff.test", to: []string{confirm}, subject: "Re: " + question.Subject, text: text})
		if got := d.entries(1); len(got) != 1 {
			t.Errorf("an echo confirmed: %v", got)
		}
	}
}

// Whoever got hold of the address of a staff member's ticket cannot fill his mailbox with questions: the guards hold for
// them, the ticket says so, and every letter is kept for an admin.
func TestQuestionsAreGuarded(t *testing.T) {
	d := newDesk(t)
	d.set(`{"staff_proof": "verified"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	const forged = 25
	for i := range forged {
		d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question", text: "Forged " + strings.Repeat("x", i)})
	}
	questions := len(d.sentMail())
	if questions == 0 || questions > 10 {
		t.Errorf("%d questions", questions)
	}
	if events := d.loopEvents(); len(events) != 1 || !strings.Contains(events[0], "anna@staff.test") {
		t.Errorf("events %q", events)
	}
	var held, asked int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE problem LIKE '%he is asked%') FROM letters WHERE outcome = 'held'`).Scan(&held, &asked); err != nil {
		t.Fatal(err)
	}
	if held != forged || asked != questions {
		t.Errorf("%d letters are held, of %d it says that he is asked; want %d and %d", held, asked, forged, questions)
	}
}

func TestWithCode(t *testing.T) {
	for _, c := range []struct{ text, markup, wantText, wantMarkup string }{
		{"Write ABCDEF.", "<p>Write ABCDEF</p>", "Write ABCDEF.", "<p>Write ABCDEF</p>"},
		{"Reply.\n", "", "Reply.\n\nTo confirm, write the code ABCDEF as the first line of your reply.\n", ""},
		{"Write:\nABCDEF", "<p>x</p>", "Write:\nABCDEF", "<p>x</p><p>To confirm, write the code ABCDEF as the first line of your reply.</p>"},
		{
			"ABCDEF\n\nis the code.", "<h1>ABCDEF</h1><p>is the code", "To confirm, write the code ABCDEF as the first line of your reply.\n\nABCDEF\n\nis the code.",
			"<p>To confirm, write the code ABCDEF as the first line of your reply.</p><h1>ABCDEF</h1><p>is the code",
		},
	} {
		if text, markup := withCode(c.text, c.markup, "ABCDEF"); text != c.wantText || markup != c.wantMarkup {
			t.Errorf("%q, %q", text, markup)
		}
	}
}

func TestConfirmCode(t *testing.T) {
	d := &Organisation{Signer: address.NewSigner(make([]byte, address.MinKey))}
	one, other := id.New(), id.New()
	code := d.Signer.ConfirmCode(one)
	if len(code) != 6 || strings.Trim(code, "ABCDEFGHJKLMNPQRSTUVWXYZ") != "" || code != d.Signer.ConfirmCode(one) || code == d.Signer.ConfirmCode(other) {
		t.Errorf("code %q", code)
	}
}
