package ticketing

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

// stored is one message of the queue, with its deliveries.
type stored struct {
	Template, Text, HTML, SharedWith string
	Linked                           bool // attachments that do not travel are linked
	To, MessageIDs                   []string
}

func (d *desk) messages() map[string]stored {
	d.t.Helper()
	rows, err := d.pool.Query(context.Background(), `
		SELECT m.template, m.body_text, m.body_html, m.shared_with, m.links_until IS NOT NULL,
		       array_agg(d.recipient ORDER BY d.delivery_id), array_agg(DISTINCT d.rfc_message_id)
		FROM messages m JOIN deliveries d USING (organisation_id, message_id) GROUP BY m.organisation_id, m.message_id`)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]stored{}
	for rows.Next() {
		var m stored
		if err := rows.Scan(&m.Template, &m.Text, &m.HTML, &m.SharedWith, &m.Linked, &m.To, &m.MessageIDs); err != nil {
			d.t.Fatal(err)
		}
		all[m.Template] = m
	}
	return all
}

// withCarol is a desk with ticket 1 of Bob, to which Carol was copied, and Anna's address in it.
func withCarol(t *testing.T, settings string) (*desk, string) {
	t.Helper()
	d := newDesk(t)
	d.set(settings)
	d.dir.WebURL = "https://help.example.test"
	l := mail{from: "Bob <bob@client.test>", to: []string{"help@example.test"}, subject: "Question", text: "hello", header: "Cc: Carol <carol@client.test>\r\n"}
	d.must(l)
	return d, to(t, d.sentMail(), "anna@staff.test").ReplyTo
}

func TestOneMailToAll(t *testing.T) {
	d, anna := withCarol(t, `{"staff_proof": "token", "one_mail_to_all": true}`)
	d.must(mail{from: "anna@staff.test", to: []string{anna}, subject: "Re: Question", text: "the answer"})
	all := d.messages()
	m, there := all["reply.sent/requester"]
	if !there || len(all) != 1 || strings.Join(m.To, " ") != "bob@client.test carol@client.test" || len(m.MessageIDs) != 1 {
		t.Fatalf("%+v", all)
	}
	if want := `[{"name":"Bob","address":"bob@client.test"},{"name":"Carol","address":"carol@client.test"}]`; m.SharedWith != want {
		t.Errorf("names %s", m.SharedWith)
	}
	if strings.Contains(m.Text, "/u/") {
		t.Errorf("a letter to several says how one of them leaves: %s", m.Text)
	}
	// Everybody answers to the ticket; who it is, From says.
	reply := d.org.Signer.Ticket(bare("help@example.test"), address.TicketRef{Ticket: 1}).String()
	d.must(mail{from: "carol@client.test", to: []string{reply}, subject: "Re: Question", text: "I agree", header: "In-Reply-To: <" + m.MessageIDs[0] + ">\r\n"})
	d.must(mail{from: "eve@evil.test", to: []string{reply}, subject: "Re: Question", text: "me too"})
	if got := strings.Join(d.entries(1), "\n"); !strings.Contains(got, "message: I agree\n") || !strings.Contains(got, "me too (third party)") {
		t.Errorf("entries\n%s", got)
	}
	// Who is proven leaves by his answer; anybody's who uses his name does nothing.
	for _, proven := range []bool{false, true} {
		l := mail{from: "carol@client.test", to: []string{reply}, subject: "Re: Question #unsubscribe#"}.letter(d.clock())
		if proven {
			l.Verdict.DMARC = message.DMARC{Result: message.Pass, Domain: "client.test"}
		}
		if _, err := d.intake.Deliver(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.ticket(1).Participants {
			if left := !p.Subscribed; left != (proven && p.Address.Local == "carol") {
				t.Errorf("proven %v: %s has left: %v", proven, p.Address, left)
			}
		}
	}
	d.refused(mail{from: "carol@client.test", to: []string{d.org.Signer.Ticket(bare("help@example.test"), address.TicketRef{Ticket: 99}).String()}}, message.ErrNoSuchRecipient)

	d, anna = withCarol(t, `{"staff_proof": "token"}`)
	d.must(mail{from: "anna@staff.test", to: []string{anna}, subject: "Re: Question", text: "the answer"})
	if all := d.messages(); len(all) != 2 || all["reply.sent/requester"].SharedWith != "" || len(all["reply.sent/collaborator"].To) != 1 {
		t.Errorf("by default each has his own: %+v", all)
	}
}

// TestOneMailToASCII: who has an address that is not ASCII has a letter of his own, and the others' names only theirs.
func TestOneMailToASCII(t *testing.T) {
	for name, c := range map[string]struct {
		copied string
		want   string // recipients of each message
	}{
		"one of three": {"Carol <carol@client.test>, Jörg <jörg@client.test>", "bob@client.test carol@client.test; jörg@client.test"},
		"one of two":   {"Jörg <jörg@client.test>", "bob@client.test; jörg@client.test"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.set(`{"staff_proof": "token", "one_mail_to_all": true}`)
			d.must(mail{from: "Bob <bob@client.test>", to: []string{"help@example.test"}, subject: "Question", text: "hello", header: "Cc: " + c.copied + "\r\n"})
			anna := to(t, d.sentMail(), "anna@staff.test").ReplyTo
			d.must(mail{from: "anna@staff.test", to: []string{anna}, subject: "Re: Question", text: "the answer"})
			var got []string
			for _, m := range d.messages() {
				got = append(got, strings.Join(m.To, " "))
				if shared := len(m.To) > 1; shared != (m.SharedWith != "") || strings.Contains(m.SharedWith, "jörg") {
					t.Errorf("to %q, names %q", m.To, m.SharedWith)
				}
			}
			slices.Sort(got)
			if got := strings.Join(got, "; "); got != c.want {
				t.Errorf("letters to %s, want %s", got, c.want)
			}
		})
	}
}

var (
	leaveMark = regexp.MustCompile(`https://help\.example\.test/u/[0-9a-v]{26}\n`)
	fileLink  = regexp.MustCompile(`film\.mp4: https://help\.example\.test/a/([0-9a-z.]+)`)
)

// withFile is a letter with a picture in its HTML and a film beside it.
const withFile = `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m
`

const fileBody = `--m
Content-Type: multipart/related; boundary=r

--r
Content-Type: text/html

<p>Look at <b>this</b>: <img src="cid:pic@x"></p><div>On Monday you wrote:</div><blockquote>old words</blockquote>
--r
Content-Type: image/png; name=pic.png
Content-ID: <pic@x>
Content-Disposition: inline; filename=pic.png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--r--
--m
Content-Type: video/mp4
Content-Disposition: attachment; filename=film.mp4

film
--m--
`

func TestLinksInMails(t *testing.T) {
	d, anna := withCarol(t, `{"staff_proof": "token"}`)
	file := mail{from: "anna@staff.test", to: []string{anna}, subject: "Re: Question", text: fileBody, header: strings.ReplaceAll(withFile, "\n", "\r\n")}
	d.must(file)
	m := d.messages()["reply.sent/collaborator"]
	if !leaveMark.MatchString(m.Text) || !m.Linked {
		t.Errorf("no link to leave, or none to files: %+v", m)
	}
	if !strings.Contains(m.HTML, `<p>Look at <b>this</b>: <img src="cid:pic@x"></p>`) || strings.Contains(m.HTML, "old words") || strings.Contains(m.Text, "old words") {
		t.Errorf("HTML %s", m.HTML)
	}
	found := fileLink.FindStringSubmatch(m.Text)
	if found == nil {
		t.Fatalf("text %s", m.Text)
	}
	f, err := d.service.LinkedFile(context.Background(), found[1])
	var data strings.Builder
	if err == nil {
		err = d.service.CopyFile(context.Background(), &data, f)
	}
	if err != nil || f.Name != "film.mp4" || strings.TrimSpace(data.String()) != "film" {
		t.Errorf("%+v, %v: %q", f, err, data.String())
	}
	if m := d.messages()["reply.sent/requester"]; strings.Contains(m.Text, "/u/") {
		t.Errorf("the requester's mail %s", m.Text)
	}
	d.sentMail()

	d.set(`{"staff_proof": "token", "include_attachments": false}`)
	d.must(file)
	if m := d.messages()["reply.sent/collaborator"]; m.Linked || strings.Contains(m.HTML, "cid:") || fileLink.FindString(m.Text) == "" {
		t.Errorf("attachments stay here: %+v", m)
	}
	d.sentMail()

	file.subject = "Re: Question #note#"
	d.must(file)
	for name, m := range d.messages() {
		if m.Linked || strings.Contains(m.Text+m.HTML, "/a/") {
			t.Errorf("%s: a note's file is linked: %s", name, m.Text)
		}
	}
}
