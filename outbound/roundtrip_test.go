package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	netmail "net/mail"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
	"mxdesk/internal/octets"
)

// readBack is what another program read of a letter.
type readBack struct {
	Subject, From, FromName string
	Cc                      []string
	Text                    string
	Structure               string // types of the parts, in order
	Files                   []string
	Defects                 []string
}

// pythonReader reads letters, each as a line of JSON, with the parser of Python's library and says what it found.
const pythonReader = `
import base64, email, email.policy, json, sys
def defects(part):
    found = [type(d).__name__ for d in part.defects]
    for name, value in part.items():
        found += [name + ": " + type(d).__name__ for d in getattr(value, "defects", ())]
    for sub in part.iter_parts() if part.is_multipart() else ():
        found += defects(sub)
    return found
def structure(part):
    if part.is_multipart():
        return part.get_content_subtype() + "(" + " ".join(structure(p) for p in part.iter_parts()) + ")"
    return part.get_content_type()
for line in sys.stdin:
    m = email.message_from_bytes(base64.b64decode(line), policy=email.policy.default)
    a = m["From"].addresses[0]
    text = m.get_body(("plain",)).get_content()
    print(json.dumps({
        "Subject": str(m["Subject"]), "From": a.addr_spec, "FromName": a.display_name,
        "Cc": [c.display_name + " " + c.addr_spec for c in m["Cc"].addresses] if "Cc" in m else None, "Text": text, "Structure": structure(m),
        "Files": [p.get_filename() for p in m.walk() if p.get_filename()] or None, "Defects": defects(m) or None}))
`

// hostileWords are put where people can put words: subjects, names, file names.
func hostileWords() []string {
	list := []string{
		"plain", "two words", "Grüße aus Köln", "日本語の件名です。とても長い件名ですから折り返されるはずです。もっと長くしましょう。", "=?utf-8?q?x?=", "a =?utf-8?b?eA==?= b",
		"x\r\nBcc: all@evil.test", "\r\n\r\nbody", "tab\tand\vmore", "\x00\x01\x1b[31m", "a\u202eb\u2066c", "\ufefftext", "\xff\xfebroken", "quote\"and\\slash",
		"comma, semi; <angle@x.test> (comment)", "''", "utf-8''x", "%41%zz", "a%20b", "dots...", ".hidden", "=", "==", "_under_score_", "?=", "=?", "a@b",
		"🙂🙃 and 👩‍👩‍👧‍👧 families", "e\u0301 combining", strings.Repeat("x", 61), strings.Repeat("word ", 100), strings.Repeat("ü", 200), strings.Repeat("日", 70),
		strings.Repeat("x", 300), strings.Repeat("a b", 85) + "ü", "name*0*=x; y=z", "con.txt:stream", `\"; filename="evil.exe`, "line\u2028sep\u0085nel", "非常に長い" + strings.Repeat("ä b", 60),
	}
	return list
}

// hostileDrafts puts each of the words everywhere, and varies what stands beside it.
func hostileDrafts() (list []*Draft) {
	for i, s := range hostileWords() {
		list = append(list, draft(func(d *Draft) {
			d.Subject, d.FromName, d.ToName, d.Organisation, d.Unsubscribe, d.LeaveURL = s, s, s, s, true, "https://help.desk.test/u/1.7.2.abc"
			d.Text = "Words:\n" + message.CleanText(s) + "\n.\n..\nFrom here\n" + strings.Repeat("long ", 300) + "\n"
			d.Cc = []mailbox{{s, address.Address{Local: "carol", Domain: "client.test"}}, {"Dan", address.Address{Local: "odd name", Domain: "client.test"}}}
			if i%2 == 0 {
				d.HTML = `<p>Words <img src="cid:pic%40desk.test"></p>`
				d.Attachments = append(d.Attachments, Attachment{Filename: s, ContentType: "image/png", ContentID: "pic@desk.test", Data: []byte("png")})
			}
			if i%3 > 0 {
				d.Attachments = append(d.Attachments, Attachment{Filename: s, ContentType: s, ContentID: s, Data: []byte(s)})
			}
		}))
	}
	return list
}

// expected is what a reader should find.
func expected(d *Draft) readBack {
	want := readBack{Subject: clean(d.Subject), From: d.From.String(), FromName: clean(d.FromName), Text: strings.TrimSpace(d.Text)}
	if want.Subject == "" {
		want.Subject = "(no subject)"
	}
	for _, m := range d.Cc {
		want.Cc = append(want.Cc, strings.TrimSpace(clean(m.Name)+" "+m.Address.String()))
	}
	want.Structure = "text/plain"
	if d.HTML != "" {
		want.Structure = "alternative(text/plain related(text/html image/png))"
	}
	beside := len(d.Attachments)
	if d.HTML != "" {
		beside--
	}
	if beside > 0 {
		want.Structure = "mixed(" + want.Structure + " application/octet-stream)"
	}
	for _, a := range d.Attachments {
		name := clean(a.Filename)
		if len(name) > maxParameter {
			name = strings.TrimSpace(strings.ToValidUTF8(name[:maxParameter], ""))
		}
		if name == "" {
			name = "attachment"
		}
		want.Files = append(want.Files, name)
	}
	return want
}

// ignoreSpaceInNames: Python leaves the spaces between the encoded words of a display name, against RFC 2047 section 6.2. Our own
// reader and net/mail read these names exactly.
var ignoreSpaceInNames = cmp.FilterPath(func(p cmp.Path) bool {
	return strings.HasSuffix(p.String(), "FromName") || strings.HasPrefix(p.String(), "Cc")
}, cmp.Comparer(func(a, b string) bool { return strings.ReplaceAll(a, " ", "") == strings.ReplaceAll(b, " ", "") }))

// TestReadByPython: Python's parser finds nothing to complain of, and exactly what was put in.
func TestReadByPython(t *testing.T) {
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		if slices.Contains(strings.Fields(os.Getenv("MXDESK_TEST_WITHOUT")), "python3") {
			t.Skip("python3 is left out")
		}
		t.Fatal("python3 is missing: install Debian's package python3, or set MXDESK_TEST_WITHOUT=python3")
	}
	drafts := hostileDrafts()
	var input bytes.Buffer
	for _, d := range drafts {
		out, err := json.Marshal(Compose(d)) // base64
		if err != nil {
			t.Fatal(err)
		}
		input.Write(bytes.Trim(out, `"`))
		input.WriteByte('\n')
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-I", "-c", pythonReader)
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stderr = &input, &complaint
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	read := json.NewDecoder(bytes.NewReader(output))
	for _, d := range drafts {
		var got readBack
		if err := read.Decode(&got); err != nil {
			t.Fatal(err)
		}
		got.Text = strings.TrimSpace(strings.ReplaceAll(got.Text, "\r\n", "\n"))
		if diff := cmp.Diff(expected(d), got, ignoreSpaceInNames); diff != "" {
			t.Errorf("%q (-want +got):\n%s", d.Subject, diff)
		}
	}
}

// TestReadByUs: our own reader finds what was put in, and net/mail the fields.
func TestReadByUs(t *testing.T) {
	for _, d := range hostileDrafts() {
		letter, want := Compose(d), expected(d)
		for line := range strings.SplitSeq(string(letter), "\r\n") {
			if len(line) > 255 || !octets.IsASCII([]byte(line)) {
				t.Errorf("%q: a line of %d octets: %q", d.Subject, len(line), line)
			}
		}
		c := message.Read(letter, message.Envelope{})
		if c.Subject != want.Subject || len(c.From) != 1 || c.From[0].Address != want.From || c.From[0].Name != strings.Trim(want.FromName, "'") || len(c.Warnings) != 0 {
			t.Errorf("%q: read %q from %+v, warnings %q", d.Subject, c.Subject, c.From, c.Warnings)
		}
		if strings.TrimSpace(c.Text) != want.Text || len(c.Attachments) != len(d.Attachments) {
			t.Errorf("%q: text %q, %d files", d.Subject, c.Text, len(c.Attachments))
		}
		for i, a := range c.Attachments {
			decoded := strings.Contains(want.Files[i], "=?") // our reader decodes these wherever they stand, as people's mail wants it
			if a.Filename != message.SafeFilename(want.Files[i]) && !decoded || a.Inline != (i == 0 && d.HTML != "") {
				t.Errorf("%q: file %+v, want %q", d.Subject, a.Filename, want.Files[i])
			}
		}
		m, err := netmail.ReadMessage(bytes.NewReader(letter))
		if err != nil {
			t.Fatal(err)
		}
		list, err := m.Header.AddressList("Cc")
		if err != nil || len(list) != 2 || list[0].Name != clean(d.Cc[0].Name) {
			t.Errorf("%q: Cc %v, %v", d.Subject, list, err)
		}
		for name, want := range map[string]string{
			"List-Unsubscribe":      "<https://help.desk.test/u/1.7.2.abc>, <mailto:help%2B7.2.abcdefghijklmnop@desk.test?subject=%23unsubscribe%23>",
			"List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Precedence": "", "Bcc": "", "Auto-Submitted": "",
		} {
			if got := m.Header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

// TestFolding: header lines stay within 78 octets, but for words that cannot be parted: ids and addresses.
func TestFolding(t *testing.T) {
	for _, d := range hostileDrafts() {
		d.Cc, d.LeaveURL = nil, ""
		header, _, _ := strings.Cut(string(Compose(d)), "\r\n\r\n")
		for line := range strings.SplitSeq(header, "\r\n") {
			if len(line) > 78 && !strings.Contains(line, "mailto:") {
				t.Errorf("%d octets: %s", len(line), line)
			}
		}
	}
}

func TestParameter(t *testing.T) {
	for value, want := range map[string]string{
		"a.pdf":                  `filename="a.pdf"`,
		`say "hi"\`:              `filename="say \"hi\"\\"`,
		"ü.pdf":                  `filename*=utf-8''%C3%BC.pdf`,
		"it''s":                  `filename*=utf-8''it%27%27s`,
		strings.Repeat("x", 70):  `filename*0="` + strings.Repeat("x", 60) + `"; filename*1="xxxxxxxxxx"`,
		strings.Repeat("ü", 15):  `filename*0*=utf-8''` + strings.Repeat("%C3%BC", 10) + `; filename*1*=` + strings.Repeat("%C3%BC", 5),
		strings.Repeat("ü", 300): "",
	} {
		got := strings.Join(parameter("filename", value), " ")
		if want != "" && got != want {
			t.Errorf("%q: %s", value, got)
		}
		if n := strings.Count(got, "%C3%BC"); want == "" && n != maxParameter/2 {
			t.Errorf("%d characters are left", n)
		}
	}
}

// TestShared: what deliveries share is the same to the last octet; what each has for itself is not.
func TestShared(t *testing.T) {
	x := newWorld(t)
	letters := map[string]string{}
	w := x.worker(script(func(l *Letter) Attempt { letters[l.To.String()] = string(l.Body); return taken }))
	w.cfg.WebURL = "https://help.desk.test"
	own := x.message("a@x.test", "b@y.test")
	own.Text = "To leave: " + LeaveMark(w.cfg.WebURL, own.ID) + "\n"
	for i := range own.Deliveries {
		own.Deliveries[i].Unsubscribe = true
	}
	shared := x.message("c@x.test", "d@y.test")
	shared.Shared, shared.Deliveries[0].Name = true, "Carl"
	shared.Deliveries[0].Unsubscribe, shared.Deliveries[1].Unsubscribe = true, true
	x.enqueue(own, shared)
	x.round(w)
	if a, b := letters["a@x.test"], letters["b@y.test"]; a == b || len(letters) < 3 {
		t.Fatalf("%d letters", len(letters))
	}
	for i, who := range []string{"a@x.test", "b@y.test"} {
		token := x.signer.LeaveToken(testOrg, address.TicketRef{Ticket: 7, Participant: i + 1})
		m, err := netmail.ReadMessage(strings.NewReader(letters[who]))
		if err != nil {
			t.Fatal(err)
		}
		text := message.Read([]byte(letters[who]), message.Envelope{}).Text
		if got := m.Header.Get("List-Unsubscribe"); !strings.HasPrefix(got, "<https://help.desk.test/u/"+token+">, <mailto:") || !strings.Contains(text, "/u/"+token) {
			t.Errorf("%s: %s\n%s", who, got, text)
		}
	}
	if letters["c@x.test"] != letters["d@y.test"] {
		t.Errorf("one is\n%s\nthe other\n%s", letters["c@x.test"], letters["d@y.test"])
	}
	for _, want := range []string{"\r\nTo: Carl <c@x.test>\r\n", "\r\nCc: <d@y.test>\r\n", fmt.Sprintf("\r\nReply-To: Desk <%s>\r\n", x.signer.Ticket(testFrom, address.TicketRef{Ticket: 7}))} {
		if !strings.Contains(letters["c@x.test"], want) {
			t.Errorf("no %q in\n%s", want, letters["c@x.test"])
		}
	}
	if got := letters["c@x.test"]; !strings.Contains(got, "\r\nList-Id: ") || strings.Contains(got, "List-Unsubscribe") || strings.Contains(got, "unsubscribe%23") {
		t.Errorf("a letter to several says how one of them leaves:\n%s", got)
	}
}
