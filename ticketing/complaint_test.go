package ticketing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

// feedback is a report by a provider about our letter of that Message-ID; path is what it says of its envelope sender.
func feedback(messageID, path string) mail {
	return mail{
		from: "feedback@provider.test", to: []string{support}, subject: "FW: x", header: report("feedback-report"),
		text: "--b\nContent-Type: text/plain\n\nA complaint.\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n" +
			path + "\n--b\nContent-Type: message/rfc822\n\nFrom: help@example.test\nMessage-ID: <" + messageID + ">\nSubject: x\n\nx\n--b--",
	}
}

// pathOf is the signed return path of the delivery to an address, which stays in the queue, and its Message-ID.
func (d *desk) pathOf(recipient string) (path address.Address, messageID string) {
	d.t.Helper()
	var delivery id.ID
	if err := d.pool.QueryRow(d.t.Context(), `SELECT delivery_id, rfc_message_id FROM deliveries WHERE recipient = $1`, recipient).Scan(&delivery, &messageID); err != nil {
		d.t.Fatal(err)
	}
	return d.org.Signer.ReturnPath("example.test", delivery), messageID
}

func (d *desk) suppressed() (n int) {
	d.t.Helper()
	if err := d.pool.QueryRow(d.t.Context(), `SELECT count(*) FROM suppressions`).Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// Whoever had a copy of an answer to our letter knows its Message-ID, and must not silence who answered. A provider has the
// letter, and with it the return path. Of several complaints about one letter the ticket hears once.
func TestComplaintNeedsTheReturnPath(t *testing.T) {
	for _, c := range []struct {
		name, recipient string
		path            func(a address.Address) string
		believed        bool
	}{
		{"agent, Message-ID alone", "anna@staff.test", func(address.Address) string { return "" }, false},
		{"customer, Message-ID alone", "carl@client.test", func(address.Address) string { return "Original-Mail-From: <x@example.test>\n" }, false},
		{"customer, wrong signature", "carl@client.test", func(a address.Address) string {
			return "Original-Mail-From: <" + strings.Replace(a.String(), "@", "a@", 1) + ">\n"
		}, false},
		{"customer, field", "carl@client.test", func(a address.Address) string { return "Original-Mail-From: <" + a.String() + ">\n" }, true},
		{"agent, in the letter", "anna@staff.test", func(a address.Address) string {
			return "\n--b\nContent-Type: message/rfc822\n\nReturn-Path: <" + a.String() + ">\nFrom: help@example.test\nSubject: x\n\nx\n"
		}, true},
		{"customer, hidden in the field and whole in the letter", "carl@client.test", func(a address.Address) string {
			return "Original-Mail-From: <redacted@example.test>\n\n--b\nContent-Type: text/rfc822-headers\n\nFrom: help@example.test\nReturn-Path: " + a.String() + "\nSubject: x\n"
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.must(mail{from: "carl@client.test", to: []string{support}, subject: "Question", text: "hello"})
			path, messageID := d.pathOf(c.recipient)
			for range 2 {
				d.must(feedback(messageID, c.path(path)))
			}
			events := 0
			for _, e := range d.entries(1) {
				if e == "event: participant.complained" {
					events++
				}
			}
			left := slices.ContainsFunc(d.ticket(1).Participants, func(p *Participant) bool {
				return p.Address.String() == c.recipient && !p.Subscribed
			})
			want := map[bool]int{true: 1}[c.believed]
			if n := d.suppressed(); n != want || events != want || left != c.believed {
				t.Errorf("%d suppressed, %d events, left %v; want %d", n, events, left, want)
			}
			if letters, err := d.service.Letters(t.Context(), d.org.ID, LetterFilter{Outcome: ClosedReport}); err != nil || len(letters) != 2 {
				t.Errorf("letters %+v, %v", letters, err)
			}
		})
	}
}

// Mail that failed is tried again after any letter that is not disowned; what a complaint stopped, when he who complained wrote.
func TestComplaintIsLiftedByItsAuthor(t *testing.T) {
	pass := message.Verdict{SPF: message.SPF{Result: message.Pass, Domain: "client.test"}, DMARC: message.DMARC{Result: message.None}}
	nothing := message.Verdict{SPF: message.SPF{Result: message.None}, DMARC: message.DMARC{Result: message.None}}
	disowned := message.Verdict{SPF: message.SPF{Result: message.SoftFail}, DMARC: message.DMARC{Result: message.None}}
	for _, c := range []struct {
		complaint bool
		verdict   message.Verdict
		stays     int
	}{{false, pass, 0}, {false, nothing, 0}, {false, disowned, 1}, {true, pass, 0}, {true, nothing, 1}, {true, disowned, 1}} {
		t.Run(fmt.Sprint(c.complaint, c.verdict.SPF.Result), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if _, err := d.pool.Exec(t.Context(), `INSERT INTO suppressions (organisation_id, address, reason, active, automatic_only, failed_at, until)
				VALUES ($1, 'carl@client.test', 'x', true, $2, '{}', now() + interval '50 days')`, d.org.ID, c.complaint); err != nil {
				t.Fatal(err)
			}
			l := mail{from: "carl@client.test", to: []string{support}, subject: "Question", text: "hello"}.letter(d.clock())
			l.Verdict = c.verdict
			if _, err := d.intake.Deliver(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if n := d.suppressed(); n != c.stays {
				t.Errorf("%d suppressed, want %d", n, c.stays)
			}
		})
	}
}

// The return path of any letter is known to its recipient. It admits reports, of which nothing is posted; any other letter to it is
// judged like all.
func TestReturnPathAdmitsReportsAlone(t *testing.T) {
	forged := message.Verdict{DMARC: message.DMARC{Result: message.Fail, Policy: "reject", PolicyDomain: "bank.test"}, SPF: message.SPF{Result: message.None}}
	for name, c := range map[string]struct {
		mail   mail
		refuse bool
	}{
		"report":       {mail{header: report("delivery-status"), text: fmt.Sprintf(deliveryReport, "failed", "5.1.1")}, false},
		"words":        {mail{text: "Open the file, please."}, true},
		"auto-replied": {mail{text: "Open the file, please.", header: "Auto-Submitted: auto-replied\r\n"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.must(mail{from: "carl@client.test", to: []string{support}, subject: "Question", text: "hello"})
			path, _ := d.pathOf("carl@client.test")
			m := c.mail
			m.from, m.null, m.to, m.subject = "director@bank.test", true, []string{path.String()}, "Urgent"
			l := m.letter(d.clock())
			l.Verdict = forged
			_, err := d.intake.Deliver(t.Context(), l)
			if (err != nil) != c.refuse {
				t.Errorf("error %v, want one: %v", err, c.refuse)
			}
			if got := d.entries(1); c.refuse && len(got) != 1 {
				t.Errorf("entries %v", got)
			}
		})
	}
}

// A mail program whose user presses "unsubscribe" writes to the address in List-Unsubscribe, and says that no person wrote. He
// leaves the ticket, without an answer; nobody makes others leave so.
func TestMailProgramUnsubscribes(t *testing.T) {
	const words = "Apple Mail sent this email to unsubscribe from the message “Question”."
	for name, c := range map[string]struct {
		from, subject, header string
		leaves                bool
	}{
		"with our subject":    {"carl@client.test", "#unsubscribe#", "Auto-Submitted: auto-replied\r\n", true},
		"with its own":        {"carl@client.test", "unsubscribe", "Auto-Submitted: auto-replied\r\n", true},
		"somebody else":       {"mallory@client.test", "#unsubscribe#", "Auto-Submitted: auto-replied\r\n", false},
		"somebody else's own": {"mallory@client.test", "unsubscribe", "Auto-Submitted: auto-replied\r\n", false},
		"away from his desk":  {"carl@client.test", "Re: Question #unsubscribe#", "Auto-Submitted: auto-replied\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.must(mail{from: "carl@client.test", to: []string{support}, subject: "Question", text: "hello"})
			ack := to(t, d.sentMail(), "carl@client.test")
			d.must(mail{from: c.from, to: []string{ack.ReplyTo}, subject: c.subject, header: c.header, text: words})
			left := slices.Contains(d.entries(1), "event: participant.left")
			subscribed := d.ticket(1).Participants[0].Subscribed
			if left != c.leaves || subscribed == c.leaves {
				t.Errorf("left %v, subscribed %v; entries %v", left, subscribed, d.entries(1))
			}
			if m := d.sentMail(); len(m) != 0 {
				t.Errorf("a machine is answered: %+v", m)
			}
		})
	}
}

// However many reports of one failure come at once, its ticket and owner hear of one.
func TestReportsAtOnceAreToldOnce(t *testing.T) {
	d := newDesk(t)
	d.must(mail{from: "carl@client.test", to: []string{support}, subject: "Question", text: "hello"})
	if _, err := d.service.Change(t.Context(), Actor{Organisation: d.org.ID, Name: "test"}, 1, 0, Patch{Owner: &d.anna}); err != nil {
		t.Fatal(err)
	}
	path, _ := d.pathOf("carl@client.test")
	errs := make(chan error)
	const reports = 12
	for i := range reports {
		m := mail{
			from: fmt.Sprintf("MAILER-DAEMON@mx%d.test", i), null: true, to: []string{path.String()}, subject: "Undelivered Mail",
			header: report("delivery-status"), text: fmt.Sprintf(deliveryReport, "failed", "5.2.2"),
		}
		go func() {
			_, err := d.deliver(m)
			errs <- err
		}()
	}
	for range reports {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	failures := 0
	for _, e := range d.entries(1) {
		if e == "event: delivery.failed" {
			failures++
		}
	}
	told := 0
	for _, s := range d.sentMail() {
		if s.Template == "delivery.failed/staff" {
			told++
		}
	}
	var counted int
	if err := d.pool.QueryRow(t.Context(), `SELECT cardinality(failed_at) FROM suppressions`).Scan(&counted); err != nil || failures != 1 || told != 1 || counted != 1 {
		t.Errorf("%d events, %d letters to the owner, counted %d times, %v", failures, told, counted, err)
	}
}
