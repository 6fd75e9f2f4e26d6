package ticketing

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

// twoParts is a letter in two parts, as a value of mail.
func twoParts(from string, to ...string) mail {
	return mail{
		from: from, to: to, subject: "Files",
		header: "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
		text:   "--b\nContent-Type: text/html\n\n<p>See <b>this</b>.</p>\n--b\nContent-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment\n\n%PDF-1.4 x\n--b--",
	}
}

// state is all that reading a letter again may change.
type state struct {
	Bodies []string
	Files  []string
	Kinds  []string
}

func (d *desk) state(number int64) (s state) {
	d.t.Helper()
	ctx := context.Background()
	entries, err := d.service.Entries(ctx, d.org.ID, number, id.ID{}, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range entries {
		s.Bodies = append(s.Bodies, e.Body+"|"+e.FullText+"|"+e.HTML)
		s.Kinds = append(s.Kinds, e.MailKind)
		files, err := d.service.Attachments(ctx, d.org.ID, number)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, f := range files {
			_, data, err := d.service.AttachmentContent(ctx, d.org.ID, number, f.Entry, f.Position)
			if err != nil {
				d.t.Fatal(err)
			}
			s.Files = append(s.Files, f.Filename+"|"+f.ContentType+"|"+string(data))
		}
	}
	return s
}

func (d *desk) exec(sql string, args ...any) {
	d.t.Helper()
	if _, err := d.pool.Exec(context.Background(), sql, args...); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) reprocess(r Reprocess) Reprocessed {
	d.t.Helper()
	r.Failed = func(letter id.ID, err error) { d.t.Errorf("letter %s: %v", letter, err) }
	done, err := d.service.Reprocess(context.Background(), r)
	if err != nil {
		d.t.Fatal(err)
	}
	return done
}

// What an older reader made of letters is replaced, in every ticket that a letter went into; nothing else happens.
func TestReprocess(t *testing.T) {
	d := newDesk(t)
	d.must(twoParts("carl@client.test", "help@example.test"))
	told := to(t, d.sentMail(), "anna@staff.test")
	d.must(mail{from: "anna@staff.test", to: []string{told.ReplyTo}, subject: "Re: Files", text: "Thanks.\n\nOn Monday, 2 March 2026 Carl <carl@client.test> wrote:\n> See this."})
	d.must(mail{from: "dora@client.test", to: []string{"help@example.test"}, subject: "Other", text: "hello"})
	d.sentMail()
	before := []state{d.state(1), d.state(2)}
	tickets := d.tickets()

	d.exec(`UPDATE letters SET parser_version = 0, kind = 'bulk' WHERE ticket_number = 1`)
	d.exec(`UPDATE entries SET body = 'damaged', full_text = 'damaged', html = '<p>damaged', mail_kind = 'bulk' WHERE ticket_number = 1 AND kind <> 'event'`)
	d.exec(`DELETE FROM attachments`)
	d.exec(`DELETE FROM blobs`)
	d.exec(`UPDATE entries SET body = 'by hand' WHERE ticket_number = 2`)

	if got, want := d.reprocess(Reprocess{}), (Reprocessed{Read: 2, Changed: 2}); got.Read != want.Read || got.Changed != want.Changed {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if diff := cmp.Diff(before[0], d.state(1)); diff != "" {
		t.Errorf("ticket 1 (-before +after):\n%s", diff)
	}
	if got := d.state(2).Bodies[0]; got != "by hand||" {
		t.Errorf("a letter that is not old was read again: %q", got)
	}
	if diff := cmp.Diff(tickets, d.tickets()); diff != "" {
		t.Errorf("tickets (-before +after):\n%s", diff)
	}
	if m := d.sentMail(); len(m) != 0 {
		t.Errorf("reading again caused mail: %+v", m)
	}
	letters, err := d.service.Letters(context.Background(), d.org.ID, LetterFilter{Ticket: 1})
	if err != nil || len(letters) != 2 || letters[0].Kind != "human" || letters[0].Outcome != AddedEntry {
		t.Errorf("letters %+v, %v", letters, err)
	}

	if got := d.reprocess(Reprocess{}); got.Read != 0 {
		t.Errorf("a second run read %d letters", got.Read)
	}
	if got := d.reprocess(Reprocess{All: true}); got.Read != 3 || got.Changed != 1 {
		t.Errorf("all: %+v", got)
	}
	if diff := cmp.Diff(before, []state{d.state(1), d.state(2)}); diff != "" {
		t.Errorf("after all (-before +after):\n%s", diff)
	}
}

func TestReprocessGoesOn(t *testing.T) {
	d := newDesk(t)
	var letters []id.ID
	for range reprocessPage + 3 {
		letters = append(letters, d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"}))
	}
	slices.SortFunc(letters, func(a, b id.ID) int { return slices.Compare(a[:], b[:]) })
	d.exec(`UPDATE letters SET parser_version = 0`)

	ctx, stop := context.WithCancel(context.Background())
	done, err := d.service.Reprocess(ctx, Reprocess{Progress: func(Reprocessed) { stop() }})
	if !errors.Is(err, context.Canceled) || done.Read != reprocessPage || done.Last != letters[reprocessPage-1] {
		t.Fatalf("stopped run: %+v, %v", done, err)
	}
	if got := d.reprocess(Reprocess{}); got.Read != 3 || got.Last != letters[reprocessPage+2] {
		t.Errorf("second run: %+v", got)
	}
	if got := d.reprocess(Reprocess{All: true, After: letters[reprocessPage]}); got.Read != 2 {
		t.Errorf("all after one letter: %+v", got)
	}
}

// A letter on which the program failed becomes what it would have been, in the ticket that was made for it.
func TestReprocessUnprocessed(t *testing.T) {
	d := newDesk(t)
	l := twoParts("carl@client.test", "help@example.test").letter(d.clock())
	j, err := d.intake.prepare(context.Background(), l)
	if err != nil {
		t.Fatal(err)
	}
	j.content, j.problem = &message.Content{Kind: message.Human}, "the letter could not be read"
	for _, p := range j.parcels {
		p.sort()
		p.subject = ""
	}
	if err := d.intake.commit([]*job{j}); err != nil {
		t.Fatal(err)
	}
	if tk := d.ticket(1); tk.Subject != unreadSubject {
		t.Fatalf("ticket %+v", tk)
	}
	d.sentMail()
	if got := d.reprocess(Reprocess{Organisation: d.org.ID, Letter: l.ID}); got.Read != 1 || got.Changed != 1 {
		t.Fatalf("%+v", got)
	}
	s := d.state(1)
	if s.Bodies[0] != "See this.||<p>See <b>this</b>.</p>" || s.Files[0] != "a.pdf|application/pdf|%PDF-1.4 x" {
		t.Errorf("entry %+v", s)
	}
	if tk := d.ticket(1); tk.Subject != "Files" {
		t.Errorf("subject %q", tk.Subject)
	}
	got, err := d.service.Letter(context.Background(), d.org.ID, l.ID)
	if err != nil || got.Outcome != OpenedTicket || got.Problem != "" || got.Subject != "Files" {
		t.Errorf("letter %+v, %v", got, err)
	}
	if m := d.sentMail(); len(m) != 0 {
		t.Errorf("mail %+v", m)
	}
}

// One damaged letter is told and stays; the others are read.
func TestReprocessDamaged(t *testing.T) {
	d := newDesk(t)
	bad := d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"})
	d.must(mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "y", text: "hello"})
	d.exec(`UPDATE letters SET parser_version = 0`)
	d.exec(`UPDATE letters SET encoding = 'zstd', raw = 'no zstd' WHERE letter_id = $1`, bad)
	var told []id.ID
	done, err := d.service.Reprocess(context.Background(), Reprocess{Failed: func(letter id.ID, _ error) { told = append(told, letter) }})
	if err != nil || done.Read != 1 || done.Failed != 1 || len(told) != 1 || told[0] != bad {
		t.Errorf("%+v, %v, told %v", done, err, told)
	}
	if _, err := d.service.Reprocess(context.Background(), Reprocess{Letter: id.New()}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a letter that does not exist: %v", err)
	}
}
