package ticketing

import (
	"bytes"
	"strings"
	"testing"

	"mxdesk/internal/message"
)

// A report that quotes a Message-ID of ours, and did not come to the return path, can be by anybody who has seen the letter.
func TestReportBesideTheReturnPathChangesNothing(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	d.must(mail{
		from: "MAILER-DAEMON@mallory.test", null: true, to: []string{"help@example.test"}, subject: "Undelivered Mail Returned to Sender",
		header: "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
		text: "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.client.test\n\nFinal-Recipient: rfc822; carl@client.test\n" +
			"Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n" +
			"--b\nContent-Type: message/rfc822\n\nFrom: help@example.test\nMessage-ID: <" + ackID(t, d) + ">\nSubject: x\n\nx\n--b--",
	})
	if got := d.entries(1); len(got) != 1 {
		t.Errorf("entries %v", got)
	}
	var suppressed int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM suppressions`).Scan(&suppressed); err != nil || suppressed != 0 {
		t.Errorf("%d addresses are suppressed, %v", suppressed, err)
	}
	letters, err := d.service.Letters(t.Context(), d.org.ID, LetterFilter{Outcome: ClosedReport})
	if err != nil || len(letters) != 1 {
		t.Errorf("letters %+v, %v", letters, err)
	}
}

// A letter whose domain disowns it, or that nothing shows to be from it, is a ticket, but nobody is written to in answer: that
// would be backscatter.
func TestDisownedLetterIsNotAnswered(t *testing.T) {
	none, noDMARC := message.SPF{Result: message.None}, message.DMARC{Result: message.None, Policy: "none"}
	signed := func(domain string) []message.DKIM { return []message.DKIM{{Result: message.Pass, Domain: domain}} }
	for name, c := range map[string]struct {
		verdict message.Verdict
		answers int
	}{
		"SPF fails":                  {message.Verdict{SPF: message.SPF{Result: message.Fail, Domain: "client.test"}}, 0},
		"SPF fails softly":           {message.Verdict{SPF: message.SPF{Result: message.SoftFail, Domain: "client.test"}}, 0},
		"DMARC fails":                {message.Verdict{DMARC: message.DMARC{Result: message.Fail, Policy: "none"}}, 0},
		"nothing is checked":         {message.Verdict{}, 1},
		"nothing is published":       {message.Verdict{SPF: none, DMARC: noDMARC}, 0},
		"SPF of its domain passes":   {message.Verdict{SPF: message.SPF{Result: message.Pass, Domain: "client.test"}, DMARC: noDMARC}, 1},
		"SPF of another passes":      {message.Verdict{SPF: message.SPF{Result: message.Pass, Domain: "evil.test"}, DMARC: noDMARC}, 0},
		"its own signature holds":    {message.Verdict{SPF: none, DMARC: noDMARC, DKIM: signed("client.test")}, 1},
		"another's signature holds":  {message.Verdict{SPF: none, DMARC: noDMARC, DKIM: signed("evil.test")}, 0},
		"the DNS gives no answer":    {message.Verdict{SPF: message.SPF{Result: message.TempError}, DMARC: message.DMARC{Result: message.TempError}}, 0},
		"DMARC passes":               {message.Verdict{SPF: none, DMARC: message.DMARC{Result: message.Pass, Domain: "client.test"}}, 1},
		"SPF fails, but DMARC holds": {message.Verdict{SPF: message.SPF{Result: message.Fail}, DMARC: message.DMARC{Result: message.Pass, Domain: "client.test"}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			l := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"}.letter(d.clock())
			l.Verdict = c.verdict
			if _, err := d.intake.Deliver(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if n := len(d.tickets()); n != 1 {
				t.Errorf("%d tickets", n)
			}
			answers := 0
			for _, s := range d.sentMail() {
				if s.To == "carl@client.test" {
					answers++
				}
			}
			if answers != c.answers {
				t.Errorf("%d answers, want %d", answers, c.answers)
			}
		})
	}
}

// A From field of a bounce may be malformed, and DMARC may be asked about another domain than the address that is read out of it:
// a pass for that one proves no member of staff.
func TestPassOfAnotherDomainProvesNobody(t *testing.T) {
	d := newDesk(t)
	d.set(`{"staff_proof": "verified"}`)
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "Question", text: "hello"})
	told := to(t, d.sentMail(), "anna@staff.test")
	for _, null := range []bool{true, false} {
		m := mail{from: "anna@staff.test", null: null, to: []string{told.ReplyTo}, subject: "Re: Question #close#", text: "Forged."}
		l := m.letter(d.clock())
		l.Raw = bytes.Replace(l.Raw, []byte("From: anna@staff.test"), []byte(`From: @evil.test "anna@staff.test`), 1)
		l.Verdict.DMARC = message.DMARC{Result: message.Pass, Domain: "evil.test", Record: "v=DMARC1; p=reject"}
		if got := message.Read(l.Raw, message.Envelope{}).From; len(got) == 0 || got[0].Address != "anna@staff.test" {
			t.Fatalf("the reader finds %+v, so this test tests nothing", got)
		}
		if _, err := d.intake.Deliver(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		letters, err := d.service.Letters(t.Context(), d.org.ID, LetterFilter{Limit: 1})
		if err != nil || len(letters) != 1 || strings.Contains(string(letters[0].Trace), "is verified") {
			t.Errorf("%+v, %v", letters, err)
		}
	}
	if k := d.ticket(1); k.Status == Closed {
		t.Error("the ticket was closed")
	}
}
