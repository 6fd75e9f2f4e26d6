package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// describe lists the attachments of c: name, type and size, "inline" when they are.
func describe(c *Content) string {
	var out []string
	for i := range c.Attachments {
		a := &c.Attachments[i]
		s := fmt.Sprintf("%s %s %d", a.Filename, a.ContentType, len(a.Data))
		if a.Inline {
			s += " inline"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

const head = "From: Ann <ann@example.com>\nTo: help@example.net\nSubject: x\nMIME-Version: 1.0\n"

func TestReadMIME(t *testing.T) {
	for name, c := range map[string]struct{ letter, text, files, warning string }{
		"plain":                {"Content-Type: text/plain\n\nHello\n", "Hello", "", ""},
		"no type":              {"\nHello\n", "Hello", "", ""},
		"base64":               {"Content-Transfer-Encoding: base64\n\nSGVs\nbG8=\n", "Hello", "", ""},
		"bad base64":           {"Content-Transfer-Encoding: base64\n\nSGVs!bG8\n", "Hello", "", ""},
		"no base64 at all":     {"Content-Transfer-Encoding: base64\n\nplain words stand here\nand here they go on\n", "plain words stand here\nand here they go on", "", "transfer-encoding"},
		"footer behind base64": {"Content-Transfer-Encoding: base64\n\nSGVsbG8=\n\n____\nlist footer, plain\n", "Hello", "", ""},
		"quoted-printable":     {"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: Quoted-Printable\n\nGr=C3=BC=\n=C3=9Fe =3D =zz  \n", "Grüße = =zz", "", ""},
		"unknown encoding":     {"Content-Transfer-Encoding: x-mine\n\nHello\n", "Hello", "", "transfer-encoding"},
		"latin-1":              {"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe \x96 x\n", "Grüße – x", "", ""},
		"wrong charset":        {"Content-Type: text/plain; charset=utf-8\n\nGr\xfc\xdfe\n", "Grüße", "", "charset-unknown"},
		"unknown charset":      {"Content-Type: text/plain; charset=nope\n\nGrüße\n", "Grüße", "", "charset-unknown"},
		"no charset":           {"Content-Type: text/plain\n\nGrüße\n", "Grüße", "", ""},
		"UTF-16":               {"Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n/v8ASABpIKw=\n", "Hi€", "", ""},
		"meta charset":         {"Content-Type: text/html\n\n<meta charset=windows-1251><p>\xcf\xf0\xe8</p>\n", "При", "", ""},
		"alternative":          {"Content-Type: multipart/alternative; boundary=b\n\n--b\n\nplain\n--b\nContent-Type: text/html\n\n<p>html</p>\n--b--\n", "plain", "", ""},
		"empty plain":          {"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n \n--b\nContent-Type: text/html\n\n<p>html</p>\n--b--\n", "html", "", ""},
		"two texts":            {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: image/png\n\nxyz\n--b\n\ntwo\n--b--\n", "one\n\ntwo", "attachment-1.png image/png 3", ""},
		"nested, boundary extended": {
			"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b-1\n\n--b-1\n\none\n--b-1--\n--b\nContent-Type: image/gif\n\nxyz\n--b--\n",
			"one", "attachment-1.gif image/gif 3", "",
		},
		"nested, boundary shared": {
			"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\none\n--b--\n--b\nContent-Type: image/gif\n\nxyz\n--b--\n",
			"one", "attachment-1.gif image/gif 3", "",
		},
		"no final boundary":   {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: image/gif\n\nxyz\n", "one", "attachment-1.gif image/gif 4", "mime-unterminated"},
		"no boundary at all":  {"Content-Type: multipart/mixed; boundary=b\n\nonly text\n", "only text", "", "mime-boundary"},
		"no boundary named":   {"Content-Type: multipart/mixed\n\n--zz\nContent-Type: text/plain\n\none\n--zz--\n", "one", "", "mime-boundary"},
		"wrong boundary":      {"Content-Type: multipart/mixed; boundary=b\n\n--zz\nContent-Type: text/plain\n\none\n--zz--\n", "one", "", "mime-boundary"},
		"junk after boundary": {"Content-Type: multipart/mixed; boundary=b\n\n--b junk\n\none\n--b-->\n", "one", "", ""},
		"two boundaries":      {"Content-Type: multipart/mixed; boundary=b; boundary=c\n\n--b\n\none\n--c\n\ntwo\n--b--\n", "one\n--c\n\ntwo", "", ""},
		"named text":          {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/plain; name=notes.txt\n\ntwo\n--b--\n", "one", "notes.txt text/plain 3", ""},
		"attached text":       {"Content-Disposition: attachment; filename=\"../../etc/passwd\"\n\nsecret\n", "", "passwd text/plain 7", ""},
		"inline image": {
			"Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>see <img src=\"cid:i@x\"></p>\n--b\nContent-Type: image/png\nContent-ID: <i@x>\n\nxyz\n--b--\n",
			"see", "attachment-1.png image/png 3 inline", "",
		},
		"embedded letter":   {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n\nFrom: b@c\n\ninner\n--b--\n", "one", "message-1.eml message/rfc822 16", ""},
		"digest":            {"Content-Type: multipart/digest; boundary=b\n\n--b\n\nFrom: b@c\n\ninner\n--b--\n", "", "message-1.eml message/rfc822 16", ""},
		"uuencode":          {"\nSee:\nbegin 644 a.txt\n#86)C\n`\nend\nBye\n", "See:\nBye", "a.txt application/octet-stream 3", ""},
		"flowed":            {"Content-Type: text/plain; format=flowed\n\none \ntwo\n\n> q \n> r\n -x\n-- \nAnn\n", "one two\n\n> q \n> r\n-x\n-- \nAnn", "", ""},
		"enriched":          {"Content-Type: text/enriched\n\n<bold>one</bold> <<two>\n", "one <two>", "", ""},
		"encoded multipart": {"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte("--b\n\none\n--b--\n")) + "\n", "one", "", "mime-encoding"},
		"type in disguise":  {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(append([]byte("MZ\x00\x00"), make([]byte, 96)...)) + "\n--b--\n", "", "a.png application/x-msdownload 100", ""},
	} {
		for _, eol := range []string{"\n", "\r\n"} {
			letter := head + c.letter
			if eol == "\r\n" {
				if strings.Contains(c.files, "eml") || strings.Contains(c.files, "passwd") || name == "no final boundary" {
					continue // their size counts line ends
				}
				letter = strings.ReplaceAll(letter, "\n", "\r\n")
			}
			got := Read([]byte(letter), Envelope{})
			if got.Text != c.text || describe(got) != c.files {
				t.Errorf("%s: text %q, files %q; want %q, %q", name, got.Text, describe(got), c.text, c.files)
			}
			if w := strings.Join(got.Warnings, "|"); c.warning == "" && w != "" || !strings.Contains(w, c.warning) {
				t.Errorf("%s: warnings %q, want %q", name, w, c.warning)
			}
		}
	}
}

func TestReadFields(t *testing.T) {
	c := Read([]byte("From: a@b.example\nFrom: \"C\" <c@d.example>\nReceived: x\nReceived: y\nTo: T: e@f.example;\nReply-To: r@s.example\nMessage-ID: <m@x>\n"+
		"In-Reply-To: <p@x>\nReferences: <o@x>\n <p@x>\nDate: nonsense\nDate: Mon, 6 Jan 2025 10:00:00 +0100\nSubject: Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nHello\n"), Envelope{})
	if c.FromFields != 2 || len(c.From) != 2 || c.From[1] != (Mailbox{"c@d.example", "C"}) || c.ReceivedFields != 2 || c.To[0].Address != "e@f.example" || c.ReplyTo[0].Address != "r@s.example" {
		t.Errorf("addresses: %+v", c)
	}
	if c.MessageID != "m@x" || c.InReplyTo[0] != "p@x" || len(c.References) != 2 || strings.Join(c.ThreadRefs, " ") != "p@x o@x" {
		t.Errorf("ids: %+v", c)
	}
	if c.Subject != "Re: Grüße" || c.SubjectClean != "Grüße" || c.Date.IsZero() {
		t.Errorf("subject %q, %q, date %v", c.Subject, c.SubjectClean, c.Date)
	}
	if !strings.Contains(strings.Join(c.Warnings, "|"), "multiple-from") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestAttachments(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 1000)
	c := Read([]byte(head+"Content-Type: application/octet-stream; name=\"r\xc3\xa9sum\xc3\xa9.bin\"\nContent-Transfer-Encoding: base64\nContent-ID: <q@x>\nContent-Disposition: inline\n\n"+base64.StdEncoding.EncodeToString(data)), Envelope{})
	if len(c.Attachments) != 1 {
		t.Fatalf("%d attachments", len(c.Attachments))
	}
	a := c.Attachments[0]
	if !bytes.Equal(a.Data, data) || a.SHA256 != sha256.Sum256(data) || a.Filename != "résumé.bin" || a.ContentID != "q@x" || !a.Inline || a.Disposition != "inline" || a.Declared != "application/octet-stream" {
		t.Errorf("%+v", a)
	}
}

func TestSafeFilename(t *testing.T) {
	for in, want := range map[string]string{
		"a.txt": "a.txt", "../../etc/passwd": "passwd", `C:\temp\x.txt`: "x.txt", "a\x00b\r\n.txt": "ab .txt", "  x  ": "x", ".htaccess": "_htaccess", "-rf": "_rf",
		"a<b>:c?.txt": "a_b__c_.txt", "": "", "..": "", "...": "", "/": "", "e\u0301.txt": "é.txt", "txt\u202efdp.exe": "txtfdp.exe", "x. . ": "x",
	} {
		if got := SafeFilename(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := SafeFilename(strings.Repeat("ü", 300) + ".pdf"); len(got) > maxFilename || !strings.HasSuffix(got, ".pdf") || !utf8.ValidString(got) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{"": "", "a\r\nb\rc\x00\x07d\te\f": "a\nb\ncd\te\n", "ü\xffx": "ü\ufffdx", "a\nb": "a\nb", "\x7f": ""} {
		if got := CleanText(in); got != want {
			t.Errorf("CleanText(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"": "", " a  b\r\n c\x00 ": "a b c", "ü\u202ex\u2069": "üx", "a\xffb": "a\ufffdb", "a\u0085b": "a b"} {
		if got := CleanLine(in); got != want {
			t.Errorf("CleanLine(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestHTMLText(t *testing.T) {
	for in, want := range map[string]string{
		"<p>one</p><p>two</p>":                                                      "one\n\ntwo",
		"<div>one</div><div>two</div>":                                              "one\ntwo",
		"one<br>two<br><br>three":                                                   "one\ntwo\n\nthree",
		"a&nbsp;b &amp; c&lt;d&#x20ac;":                                             "a b & c<d€",
		"  white \n\t space  ":                                                      "white space",
		"<style>x</style><script>y</script><title>z</title>a":                       "a",
		"<head><title>t</title><body>a":                                             "a",
		`<a href="https://example.com/x">here</a>`:                                  "here <https://example.com/x>",
		`<a href="https://example.com/">example.com</a>`:                            "example.com",
		`<a href="mailto:a@b.example">a@b.example</a>`:                              "a@b.example",
		`<a href="javascript:x()">here</a>`:                                         "here",
		"<ul><li>one<li>two</ul>":                                                   "- one\n- two",
		"<ul><li><p>one</p></li><li><p>two</p></li></ul>x":                          "- one\n\n- two\n\nx",
		"<ol><li>one</li><li>two</li></ol>":                                         "1. one\n2. two",
		"<ul><li>a<ul><li>b</ul><li>c</ul>":                                         "- a\n  - b\n- c",
		"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>": "a\tb\nc\td",
		"a<blockquote>b<blockquote>c</blockquote></blockquote>d":                    "a\n\n> b\n>\n>> c\n\nd",
		"<pre>a\n  b</pre>":                                                         "a\n  b",
		`x <img src="cid:a" alt="logo"> y`:                                          "x [logo] y",
		"<p>unclosed <b>tags":                                                       "unclosed tags",
		"</blockquote></div></ul>x":                                                 "x",
		"a<hr>b":                                                                    "a\n\n________________________________\nb",
		"":                                                                          "",
	} {
		if got := HTMLText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSanitizeHTML(t *testing.T) {
	has := func(id string) bool { return id == "known@x" }
	for in, want := range map[string]string{
		`<p onclick="x()">a</p>`:                                         `<p>a</p>`,
		`<script>x</script><style>y</style>a`:                            `a`,
		`<img src="https://evil.example/t.gif">`:                         `<img>`,
		`<img src="cid:known@x" alt="l">`:                                `<img src="cid:known@x" alt="l">`,
		`<img src="cid:other@x" alt="l">`:                                `<img alt="l">`,
		`<form action="x"><input name="p">a</form>`:                      `a`,
		`<iframe src="x"></iframe><object></object>a`:                    `a`,
		`<a href="javascript:x()">a</a>`:                                 `<a>a</a>`,
		`<p style="background:url(//evil.example)">a</p>`:                `<p>a</p>`,
		`<table background="//evil.example"><tr><td>a</td></tr></table>`: `<table><tr><td>a</td></tr></table>`,
	} {
		if got := SanitizeHTML(in, has); got != want {
			t.Errorf("%s\n  %s\n  want %s", in, got, want)
		}
	}
	link := SanitizeHTML(`<a href="https://example.com/">a</a>`, has)
	for _, s := range []string{`href="https://example.com/"`, "nofollow", "noreferrer", `target="_blank"`, "noopener"} {
		if !strings.Contains(link, s) {
			t.Errorf("link without %s: %s", s, link)
		}
	}
}

// tnefLetter packs one file, and the text of the letter, as Outlook does.
func tnefLetter(name string, data []byte, text string) []byte {
	b := []byte{0x78, 0x9f, 0x3e, 0x22, 1, 0}
	attr := func(level byte, id uint32, v []byte) {
		b = append(b, level)
		b = binary.LittleEndian.AppendUint32(b, id)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
		b = append(b, 0, 0) // checksum, which nobody checks
	}
	attr(1, attBody, append([]byte(text), 0))
	attr(2, attAttachRendData, make([]byte, 14))
	attr(2, attAttachTitle, append([]byte("SHORT~1.TXT"), 0))
	attr(2, attAttachData, data)
	props := binary.LittleEndian.AppendUint32(nil, 2)
	props = append(props, 0x03, 0, 0x05, 0x37, 1, 0, 0, 0) // PT_LONG, a method
	props = append(props, 0x1e, 0, 0x07, 0x37, 1, 0, 0, 0) // PT_STRING8, the long name
	props = binary.LittleEndian.AppendUint32(props, uint32(len(name)+1))
	props = append(append(props, name...), 0)
	attr(2, attAttachment, append(props, 0, 0, 0))
	return b
}

func TestTNEF(t *testing.T) {
	packed := tnefLetter("a long name.txt", []byte("file data"), "The text.")
	letter := func(b []byte) []byte {
		return []byte(head + "Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(b) + "\n")
	}
	c := Read(letter(packed), Envelope{})
	if c.Text != "The text." || len(c.Attachments) != 2 || c.Attachments[1].Filename != "a long name.txt" || string(c.Attachments[1].Data) != "file data" {
		t.Errorf("text %q, files %s, warnings %q", c.Text, describe(c), c.Warnings)
	}
	for n := range packed {
		Read(letter(packed[:n]), Envelope{}) // must not panic
	}
}

// TestHostile reads letters that were built to be slow or big: nothing is lost but what is beyond a limit, and that is said.
func TestHostile(t *testing.T) {
	for name, letter := range hostile {
		c := Read(letter(), Envelope{})
		if len(c.Attachments) > maxParts || len(c.Warnings) > maxWarnings {
			t.Errorf("%s: %d attachments, %d warnings", name, len(c.Attachments), len(c.Warnings))
		}
		if strings.HasPrefix(strings.Join(c.Warnings, "|"), "internal") {
			t.Errorf("%s: %q", name, c.Warnings)
		}
		check(t, c)
	}
}

// check tests what holds for every Content.
func check(t *testing.T, c *Content) {
	t.Helper()
	for _, s := range append([]string{c.MessageID, c.Subject, c.SubjectClean, c.Text, c.ReplyText, c.QuotedText, c.Signature, c.HTML}, c.Warnings...) {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			t.Errorf("bad text %q", s[:min(len(s), 200)])
		}
	}
	for _, list := range [][]Mailbox{c.From, c.Sender, c.ReplyTo, c.To, c.Cc} {
		for _, m := range list {
			if CleanLine(m.Address) != m.Address || CleanLine(m.Name) != m.Name || m.Address == "" {
				t.Errorf("bad mailbox %+v", m)
			}
		}
	}
	for _, id := range append(append([]string{}, c.References...), c.ThreadRefs...) {
		if CleanLine(id) != id || id == "" || id == c.MessageID && len(c.References) == 0 {
			t.Errorf("bad id %q", id)
		}
	}
	for i := range c.Attachments {
		a := &c.Attachments[i]
		if a.Filename == "" || SafeFilename(a.Filename) != a.Filename || a.SHA256 != sha256.Sum256(a.Data) || a.ContentType == "" {
			t.Errorf("bad attachment %q %q", a.Filename, a.ContentType)
		}
	}
	if strings.Contains(strings.ToLower(c.HTML), "<script") {
		t.Error("a script in the sanitised HTML")
	}
	if (c.Bounce != nil) != (c.Kind == Bounce || c.Kind == Delay || c.Kind == FeedbackReport) {
		t.Errorf("kind %s with report %v", c.Kind, c.Bounce)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(head + "\nHello\n"))
	f.Add(plainLetter(1 << 10))
	f.Add(alternativeLetter(1 << 10))
	f.Add([]byte(head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: image/png; name*0*=utf-8''%C3; name*1*=%BC\nContent-ID: <i@x>\n\nxyz\n--b--\n"))
	f.Add([]byte(head + "\nbegin 644 a\n#86)C\n`\nend\n"))
	f.Add([]byte(head + "Content-Type: text/html\n\n<blockquote type=cite><p>a<br>On 2025, b wrote:</blockquote>"))
	f.Add(append([]byte(head+"Content-Type: application/ms-tnef\n\n"), tnefLetter("n", []byte("d"), "t")...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		c := Read(raw, Envelope{})
		if !bytes.Equal(raw, before) {
			t.Fatal("the letter was changed")
		}
		for _, w := range c.Warnings {
			if strings.HasPrefix(w, "internal") {
				t.Fatal(w)
			}
		}
		check(t, c)
	})
}

// TestLongHTML: what is too long to be shown is attached.
func TestLongHTML(t *testing.T) {
	letter := htmlLetter("<p>first</p>" + strings.Repeat("<p>x</p>\r\n", maxHTML/10) + "<p>last</p>")
	c := Read(letter, Envelope{})
	if !strings.HasPrefix(c.Text, "first") || len(c.Attachments) != 1 || !bytes.Contains(c.Attachments[0].Data, []byte("last")) || !strings.Contains(strings.Join(c.Warnings, "|"), "html-too-long") {
		t.Errorf("text %.20q, files %s, warnings %q", c.Text, describe(c), c.Warnings)
	}
}

// What the letter says of itself is stored, and a text column takes neither NUL nor half a character.
func TestStoredTextIsText(t *testing.T) {
	c := Read([]byte("Message-ID: <p@"+strings.Repeat("\ufffd", 400)+".example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"+
		"--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: application/\xff\x00\r\n\r\ndata\r\n--b--\r\n"), Envelope{})
	if !utf8.ValidString(c.MessageID) || len(c.MessageID) > maxID {
		t.Errorf("Message-ID %q", c.MessageID)
	}
	if len(c.Attachments) != 1 || c.Attachments[0].Declared != "" || !utf8.ValidString(c.Attachments[0].ContentType) {
		t.Errorf("attachments %+v", c.Attachments)
	}
}
