package outbound

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message/mail"
	"github.com/google/go-cmp/cmp"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/outbound/smtpclient"
)

var update = flag.Bool("update", false, "write the golden files anew")

func draft(change func(*Draft)) *Draft {
	d := &Draft{
		ID: id.ID{1, 2, 3}, Organisation: "Desk & Co", ListDomain: testDomain, FromName: "Desk", From: testFrom,
		To: address.Address{Local: "bob", Domain: "example.com"}, ToName: "Bob",
		ReplyTo: address.Address{Local: "help+7.2.abcdefghijklmnop", Domain: testDomain},
		Date:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), MessageID: "7.x.y@desk.test", Thread: newThread([16]byte{7}), Subject: "Printer on fire", Text: "Hello Bob,\n\nwe are on it.\n",
	}
	change(d)
	return d
}

// drafts are the letters whose bytes stand in testdata/compose.
func drafts() map[string]*Draft {
	png := Attachment{Filename: "logo.png", ContentType: "image/png", ContentID: "logo@desk.test", Data: []byte("not really a picture")}
	pdf := Attachment{Filename: "Rechnung für März.pdf", ContentType: "application/pdf", Data: bytes.Repeat([]byte("0123456789"), 20)}
	return map[string]*Draft{
		"person": draft(func(d *Draft) {
			d.Subject, d.References = "Re: AW: Printer on fire", []string{"root@desk.test", "q1@example.com"}
		}),
		"machine": draft(func(d *Draft) {
			d.Automatic, d.Unsubscribe, d.HTML = "auto-generated", true, "<p>Hello <b>Bob</b></p>"
		}),
		"unicode": draft(func(d *Draft) {
			d.FromName, d.ToName, d.Subject = "Jürgen Groß", "山田太郎", "Prüfung: Fußgängerübergänge müssen überprüft werden — größtenteils"
			d.Text = "Grüße = Küsse\n" + strings.Repeat("sehr ", 60) + "lang\n"
		}),
		"files": draft(func(d *Draft) {
			d.HTML, d.Attachments = `<img src="cid:logo@desk.test">`, []Attachment{png, pdf, {Filename: "mail.eml", ContentType: "message/rfc822", Data: []byte("Subject: x\r\n\r\n")}}
			d.Omitted = []Attachment{{Filename: "film<1>.mp4", Size: 1 << 30}}
		}),
		"inline without HTML": draft(func(d *Draft) { d.Attachments = []Attachment{png} }),
		"hostile": draft(func(d *Draft) {
			evil := "x\r\nBcc: all@example.com\r\n\r\nbody\x00\x1b[31m\u202etxt"
			d.FromName, d.ToName, d.Subject, d.Organisation = evil, `"quoted" <x@y>`, evil, evil
			d.References, d.Unsubscribe = []string{"a@b"}, true
			d.Text = "dot\n.\n..\nFrom here\rbare\n"
			d.Attachments = []Attachment{{Filename: "a\"b\r\nX: y.txt", ContentType: "text/html\r\nX: y", ContentID: "a>\r\nX: y", Data: []byte("z")}}
		}),
		"empty": draft(func(d *Draft) {
			d.FromName, d.ToName, d.Subject, d.Text, d.ReplyTo = "", "", " \t\r\n", "", address.Address{}
			d.Thread = nil
			d.Unsubscribe = true
		}),
		"from": draft(func(d *Draft) {
			d.Text = "From here on it works.\nFromage. From is a word, and\nFrom " + strings.Repeat("long ", 20) + "it goes."
		}),
		"encoded word": draft(func(d *Draft) { d.Subject, d.FromName = "=?utf-8?q?x?= and more", "=?utf-8?b?eA==?=" }),
	}
}

func TestCompose(t *testing.T) {
	for name, d := range drafts() {
		t.Run(name, func(t *testing.T) {
			got := Compose(d)
			file := filepath.Join("testdata", "compose", strings.ReplaceAll(name, " ", "-")+".eml")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
			checkLetter(t, got, d)
		})
	}
}

// checkLetter reads a letter back with another implementation.
func checkLetter(t *testing.T, letter []byte, d *Draft) {
	t.Helper()
	if eightBit, err := smtpclient.CheckBody(letter); err != nil || eightBit {
		t.Errorf("not fit for SMTP: 8 bit %v, %v", eightBit, err)
	}
	if bytes.Contains(letter, []byte("\nFrom ")) {
		t.Error("a line begins as letters do in an mbox file")
	}
	r, err := mail.CreateReader(bytes.NewReader(letter))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := r.Header.Subject()
	if want := strings.TrimSpace(clean(d.Subject)); err != nil || want != "" && subject != want || subject == "" {
		t.Errorf("subject %q, want %q, %v", subject, want, err)
	}
	for name, n := range map[string]int{"From": 1, "To": 1, "Subject": 1, "Bcc": 0, "X": 0, "Message-Id": 1, "Date": 1} {
		if got := len(r.Header.Values(name)); got != n {
			t.Errorf("%d fields %s, want %d", got, name, n)
		}
	}
	from, err := r.Header.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Address != d.From.String() || from[0].Name != clean(d.FromName) {
		t.Errorf("From %v, %v", from, err)
	}
	files, texts := 0, 0
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		kind := p.Header.Get("Content-Type")
		if strings.HasPrefix(kind, "text/plain; charset") || strings.HasPrefix(kind, "text/html; charset") {
			texts++
			want := d.Text
			if strings.HasPrefix(kind, "text/html") {
				want = d.HTML
			}
			want = strings.TrimRight(strings.ReplaceAll(want, "\r", "\n"), "\n") // the last line end may be the boundary's
			if got := strings.ReplaceAll(string(body), "\r\n", "\n"); !strings.HasPrefix(got, want) {
				t.Errorf("text %q, want %q", got, want)
			}
			continue
		}
		if !bytes.Equal(body, d.Attachments[files].Data) && len(d.Attachments) == 1 {
			t.Errorf("attachment %q", body)
		}
		files++
	}
	if files != len(d.Attachments) || texts == 0 {
		t.Errorf("%d files, want %d; %d texts", files, len(d.Attachments), texts)
	}
}

// FuzzCompose: whatever stands in the texts, the letter is fit for SMTP and its header is the one we wrote.
func FuzzCompose(f *testing.F) {
	f.Add("subject", "name", "text", "<p>html", "file.txt", "id@x")
	f.Add("a\r\nb: c", "\x00\"<>,", ".\r\n.", "", "x\"y", ">")
	f.Add(strings.Repeat("ü", 300), strings.Repeat("x", 2000), strings.Repeat("y", 3000), "\xff\xfe", strings.Repeat("é", 200), "")
	f.Fuzz(func(t *testing.T, subject, name, text, html, file, cid string) {
		d := draft(func(d *Draft) {
			d.Subject, d.FromName, d.ToName, d.Organisation, d.Unsubscribe = subject, name, subject, name, true
			d.Text, d.HTML, d.References = text, html, splitIDs(joinIDs(strings.Fields(cid)))
			d.Attachments = []Attachment{{Filename: file, ContentType: name, ContentID: cid, Data: []byte(text)}}
		})
		letter := Compose(d)
		if _, err := smtpclient.CheckBody(letter); err != nil {
			t.Fatal(err)
		}
		header, _, _ := strings.Cut(string(letter), "\r\n\r\n")
		for line := range strings.SplitSeq(header, "\r\n") {
			if strings.HasPrefix(line, " ") {
				continue
			}
			field, _, _ := strings.Cut(line, ":")
			switch field {
			case "Date", "From", "To", "Reply-To", "Subject", "Message-ID", "In-Reply-To", "References", "Thread-Topic", "Thread-Index",
				"List-Id", "List-Unsubscribe", "MIME-Version", "Content-Type":
			default:
				t.Fatalf("a field we did not write: %q", line)
			}
		}
		if !utf8.ValidString(header) {
			t.Fatal("header is not UTF-8")
		}
	})
}

// TestTextFiles: a text that travels as a file says what its letters are.
func TestTextFiles(t *testing.T) {
	for _, c := range []struct{ kind, data, want string }{
		{"text/plain", "Grüße", "text/plain; charset=utf-8"},
		{"text/csv", "名,前", "text/csv; charset=utf-8"},
		{"text/plain", "plain", "text/plain"},
		{"text/plain", "Gr\xfc\xdfe", "text/plain"}, // in some other charset
		{"application/pdf", "Grüße", "application/pdf"},
	} {
		letter := string(Compose(draft(func(d *Draft) {
			d.Attachments = []Attachment{{Filename: "f", ContentType: c.kind, Data: []byte(c.data)}}
		})))
		if !strings.Contains(letter, "\r\nContent-Type: "+c.want+"\r\nContent-Disposition: attachment;") {
			t.Errorf("%s %q: %s", c.kind, c.data, letter)
		}
	}
}

// TestRoom: what is set aside for words, mailboxes and files is at least what they take.
func TestRoom(t *testing.T) {
	room := func(d *Draft) int {
		n := headerRoom + len(d.Cc)*mailboxRoom + wordsSize(d.Text) + wordsSize(d.HTML)
		for _, a := range d.Attachments {
			n += encodedSize(len(a.Data))
		}
		return n
	}
	for _, text := range []string{
		" \n", "\t\n", " \r\n", "\n", "\r", "=", "é", "\x00", "x", "xxxxxxxxxx ", " ", "日本語\n", "=\n", "a =b\tc \n \n",
	} {
		for _, n := range []int{1, 75, 76, 77, 50_000} {
			d := draft(func(d *Draft) { d.Text, d.HTML = strings.Repeat(text, n), strings.Repeat(text, n) })
			if got := len(Compose(d)); got > room(d) {
				t.Errorf("%d times %q: %d octets, room for %d", n, text, got, room(d))
			}
		}
	}
	long := draft(func(d *Draft) {
		for range maxAlike {
			d.Cc = append(d.Cc, mailbox{strings.Repeat("Ü", 100), address.Address{Local: strings.Repeat("l", 64), Domain: strings.Repeat("d", 180) + ".test"}})
		}
		for _, size := range []int{0, 1, 56, 57, 58, 100_000} {
			d.Attachments = append(d.Attachments, Attachment{Filename: strings.Repeat("ä", 127), ContentType: "text/plain", ContentID: strings.Repeat("c", 500), Data: make([]byte, size)})
		}
	})
	if got := len(Compose(long)); got > room(long) {
		t.Errorf("with many recipients and files: %d octets, room for %d", got, room(long))
	}
}

// TestOneListOfAnOrganisation: a filter on List-Id finds all its letters, whichever of its domains they come from.
func TestOneListOfAnOrganisation(t *testing.T) {
	x := newWorld(t)
	x.exec(`INSERT INTO domains (organisation_id, domain, created_at) VALUES ($1, 'a-later.test', now() + interval '1 hour')`, testOrg)
	lists := map[string]string{}
	w := x.worker(script(func(l *Letter) Attempt {
		r, err := mail.CreateReader(bytes.NewReader(l.Body))
		if err != nil {
			t.Error(err)
			return taken
		}
		lists[l.From.Domain] = r.Header.Get("List-Id")
		return taken
	}))
	for _, domain := range []string{testDomain, "a-later.test"} {
		m := x.message("bob@x.test")
		m.From.Domain, m.Deliveries[0].Unsubscribe = domain, true
		x.enqueue(m)
	}
	x.round(w)
	const want = "Desk <tickets." + testDomain + ">"
	if len(lists) != 2 || lists[testDomain] != want || lists["a-later.test"] != want {
		t.Errorf("lists %v", lists)
	}
}

// TestThreadTopic: the topic is the subject of the customer's own first letter, whatever the answer's subject has in front.
func TestThreadTopic(t *testing.T) {
	for subject, want := range map[string]string{
		"Printer on fire":                 "Printer on fire",
		"[#7] Printer on fire":            "Printer on fire",
		"Re: [#7] Re: Printer on fire":    "Printer on fire",
		"Re: Printer on fire [#7]":        "Printer on fire",
		"[#8] Printer [office] on fire":   "[#8] Printer [office] on fire",
		"[#7]":                            "",
		"[#7] Prüfung":                    "Prüfung",
		"[#7] " + strings.Repeat("x", 70): strings.Repeat("x", 70),
	} {
		letter := Compose(draft(func(d *Draft) { d.Subject, d.Ticket = subject, 7 }))
		r, err := mail.CreateReader(bytes.NewReader(letter))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Header.Text("Thread-Topic"); err != nil || got != want {
			t.Errorf("%q: topic %q, %v, want %q", subject, got, err, want)
		}
	}
}

func TestCapReferences(t *testing.T) {
	number := func(n, size int) (list []string) {
		for i := range n {
			list = append(list, strings.Repeat("x", size)+string(rune('a'+i%26))+"@d.test")
		}
		return list
	}
	for _, c := range []struct{ in, size, want int }{{0, 5, 0}, {1, 5, 1}, {21, 5, 21}, {22, 5, 21}, {500, 5, 21}, {30, 100, 13}, {3, 500, 2}} {
		ids := number(c.in, c.size)
		got := capReferences(ids)
		bytes := 0
		for _, s := range got {
			bytes += len(s) + 3
		}
		if len(got) != c.want || bytes > maxReferencesBytes || c.in > 0 && got[0] != ids[0] || c.want > 1 && got[len(got)-1] != ids[len(ids)-1] {
			t.Errorf("%d ids of %d octets: kept %d (%d octets), want %d", c.in, c.size, len(got), bytes, c.want)
		}
	}
	if got := joinIDs([]string{"a@b", "c d@e", "", "f>@g", "h\r\n@i", "j@k"}); got != "a@b j@k" {
		t.Errorf("joinIDs kept %q", got)
	}
}
