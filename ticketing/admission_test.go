package ticketing

import (
	"errors"
	"strings"
	"testing"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

func TestAdmit(t *testing.T) {
	failed := func(policy string, testing bool) message.Verdict {
		return message.Verdict{DMARC: message.DMARC{Result: message.Fail, Policy: policy, PolicyDomain: "b.test", Testing: testing}}
	}
	for _, c := range []struct {
		name   string
		in     admissionInput
		held   bool
		refuse error
	}{
		{"pass", admissionInput{verdict: message.Verdict{DMARC: message.DMARC{Result: message.Pass}}}, false, nil},
		{"no record", admissionInput{verdict: message.Verdict{DMARC: message.DMARC{Result: message.None}}}, false, nil},
		{"not checked", admissionInput{}, false, nil},
		{"DNS does not answer", admissionInput{verdict: message.Verdict{DMARC: message.DMARC{Result: message.TempError}}}, false, nil},
		{"policy none", admissionInput{verdict: failed("none", false)}, false, nil},
		{"quarantine", admissionInput{verdict: failed("quarantine", false)}, true, nil},
		{"reject", admissionInput{verdict: failed("reject", false)}, false, message.ErrDMARC},
		{"reject, held by setting", admissionInput{verdict: failed("reject", false), settings: Settings{HoldDMARCReject: true}}, true, nil},
		{"reject, testing", admissionInput{verdict: failed("reject", true)}, true, nil},
		{"quarantine, testing", admissionInput{verdict: failed("quarantine", true)}, false, nil},
		{"reject, to a return path of ours", admissionInput{verdict: failed("reject", false), signed: true}, false, nil},
		{"reject, exempt domain", admissionInput{verdict: failed("reject", false), settings: Settings{DMARCExempt: []string{"b.test"}}}, false, nil},
		{"reject, another domain is exempt", admissionInput{verdict: failed("reject", false), settings: Settings{DMARCExempt: []string{"ub.test"}}}, false, message.ErrDMARC},
		{"spam", admissionInput{verdict: message.Verdict{Spam: &message.Spam{Score: 11, Tag: true, Hold: true}}}, true, nil},
		{"spam, perhaps", admissionInput{verdict: message.Verdict{Spam: &message.Spam{Score: 7, Tag: true}}}, false, nil},
		{"spam, to a return path of ours", admissionInput{verdict: message.Verdict{Spam: &message.Spam{Score: 11, Hold: true}}, signed: true}, false, nil},
		{"blocked address", admissionInput{settings: Settings{BlockedSenders: []string{"a@mail.b.test"}}}, false, message.ErrBlockedSender},
		{"blocked domain above", admissionInput{settings: Settings{BlockedSenders: []string{"b.test"}}}, false, message.ErrBlockedSender},
	} {
		c.in.from = bare("a@mail.b.test")
		a := admit(c.in)
		if (a.hold != "") != c.held || !errors.Is(a.refuse, c.refuse) {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
}

func TestProve(t *testing.T) {
	me, other := id.New(), id.New()
	pass := func(domain string) message.Verdict {
		return message.Verdict{SPF: message.SPF{Result: message.Pass, Domain: domain}}
	}
	dkim := message.Verdict{DKIM: []message.DKIM{{Result: message.Fail, Domain: "b.test"}, {Result: message.Pass, Domain: "B.test"}}}
	withRecord := pass("b.test")
	withRecord.DMARC = message.DMARC{Result: message.Fail, Record: "v=DMARC1; p=none"}
	for _, c := range []struct {
		name   string
		v      message.Verdict
		tokens []id.ID
		want   Proof
	}{
		{"nothing", message.Verdict{}, nil, Unverified},
		{"own signed address", message.Verdict{}, []id.ID{other, me}, ProofToken},
		{"somebody else's signed address", message.Verdict{}, []id.ID{other}, Unverified},
		{"DMARC pass", message.Verdict{DMARC: message.DMARC{Result: message.Pass}}, nil, ProofVerified},
		{"no DMARC record, SPF of the very domain", pass("b.test"), nil, ProofVerified},
		{"no DMARC record, SPF of another domain", pass("evil.test"), nil, Unverified},
		{"no DMARC record, DKIM of the very domain", dkim, nil, ProofVerified},
		{"DMARC record and failure, whatever SPF says", withRecord, nil, Unverified},
	} {
		if got := prove("b.test", c.v, me, c.tokens); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := prove("b.test", message.Verdict{}, id.ID{}, []id.ID{{}}); got != Unverified {
		t.Errorf("a stranger has a token: %s", got)
	}
}

// set changes the organisation's settings.
func (d *desk) set(settings string) {
	d.t.Helper()
	if _, err := d.pool.Exec(d.t.Context(), `
		WITH r AS (UPDATE directory_revision SET revision = revision + 1 RETURNING revision)
		UPDATE organisations SET settings = $2, revision = r.revision FROM r WHERE organisation_id = $1`, d.org.ID, settings); err != nil {
		d.t.Fatal(err)
	}
	if err := d.dir.Refresh(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// A letter in a staff member's name that only its address speaks for is held; his own reply to the question releases it.
func TestStaffConfirms(t *testing.T) {
	d := newDesk(t)
	d.set(`{"staff_proof": "verified"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Question #close#", text: "My answer."})
	mails := d.sentMail()
	if len(mails) != 1 || mails[0].To != "anna@staff.test" || mails[0].Template != templateConfirm || !strings.Contains(mails[0].Text, "My answer.") {
		t.Fatalf("question %+v", mails)
	}
	if k := d.ticket(1); k.Status != New || len(d.entries(1)) != 1 {
		t.Fatalf("the held letter acted: %+v, %v", k, d.entries(1))
	}
	var confirm string
	if err := d.pool.QueryRow(t.Context(), `SELECT from_address FROM messages WHERE template = $1`, templateConfirm).Scan(&confirm); err != nil {
		t.Fatal(err)
	}
	// Her out-of-office note confirms nothing.
	d.must(mail{from: "anna@staff.test", to: []string{confirm}, subject: "Away", text: "I am away.", header: "Auto-Submitted: auto-replied\r\n"})
	if len(d.entries(1)) != 1 {
		t.Fatal("an automatic answer confirmed the letter")
	}
	d.must(mail{from: "anna@staff.test", to: []string{confirm}, subject: "Re: Question", text: "Yes."})
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
	d.refused(mail{from: "anna@staff.test", to: []string{confirm}, subject: "Re: Question", text: "Yes."}, message.ErrNoSuchRecipient)
}

// What DMARC asks to quarantine is held; released it becomes a ticket, rejected nothing.
func TestHeldLetter(t *testing.T) {
	d := newDesk(t)
	deliver := func(subject string) id.ID {
		t.Helper()
		l := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: subject, text: "hello " + subject}.letter(d.clock())
		l.Verdict.SPF.Result = message.Fail
		l.Verdict.DMARC = message.DMARC{Result: message.Fail, Policy: "quarantine", PolicyDomain: "client.test", Record: "v=DMARC1; p=quarantine"}
		if _, err := d.intake.Deliver(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		return l.ID
	}
	first, second := deliver("one"), deliver("two")
	if n := len(d.tickets()); n != 0 || len(d.sentMail()) != 0 {
		t.Fatalf("a held letter acted: %d tickets", n)
	}
	l, err := d.service.Letter(t.Context(), d.org.ID, first)
	if err != nil || l.Outcome != HeldLetter || !strings.Contains(l.Problem, "quarantine") {
		t.Fatalf("letter %+v, %v", l, err)
	}
	if err := d.intake.Release(t.Context(), d.org.ID, first); err != nil {
		t.Fatal(err)
	}
	if got := d.entries(1); len(got) != 1 || got[0] != "message: hello one" {
		t.Errorf("entries %v", got)
	}
	to(t, d.sentMail(), "carl@client.test")
	if l, err = d.service.Letter(t.Context(), d.org.ID, first); err != nil || l.Outcome != OpenedTicket || l.Ticket != 1 || l.Problem != "" {
		t.Errorf("released letter %+v, %v", l, err)
	}
	if err := d.intake.Release(t.Context(), d.org.ID, first); !errors.Is(err, ErrNotFound) {
		t.Errorf("released twice: %v", err)
	}
	if err := d.service.Reject(t.Context(), d.org.ID, second); err != nil {
		t.Error(err)
	}
	if err := d.intake.Release(t.Context(), d.org.ID, second); !errors.Is(err, ErrNotFound) || len(d.tickets()) != 1 {
		t.Errorf("a rejected letter was released: %v", err)
	}
}

func TestDMARCRejectIsRefused(t *testing.T) {
	d := newDesk(t)
	l := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"}.letter(d.clock())
	l.Verdict.DMARC = message.DMARC{Result: message.Fail, Policy: "reject", PolicyDomain: "client.test", Record: "v=DMARC1; p=reject"}
	if _, err := d.intake.Deliver(t.Context(), l); !errors.Is(err, message.ErrDMARC) {
		t.Fatalf("%v, want ErrDMARC", err)
	}
	if n := len(d.tickets()); n != 0 {
		t.Errorf("%d tickets", n)
	}
}
