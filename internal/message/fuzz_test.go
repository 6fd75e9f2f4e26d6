package message

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// storable tells whether a text can go into a text column, whatever it came from.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// oneLine tells whether a text can go into a header field or a log as well.
func oneLine(s string) bool { return CleanLine(s) == s }

// FuzzFields gives one field's octets to every reader of fields.
func FuzzFields(f *testing.F) {
	for _, s := range []string{
		"<a@b> (c) \"d e\"@f\r\n\t<g>", "Mon, 2 Jan 2006 15:04:05 -0700 (MST)", "9999-12-31T23:59:59-12:00", "Tue Jan  3 04:05:06 PM CEST 2006",
		"Doe, John <j@x>, \"a\\\"b\" <c@d>; g: e@f (=?utf-8?q?n?=);", "=?utf-8?b?w7w=?= =?iso-2022-jp?b?GyRCJCI=?= \xff",
		"text/plain; charset*0*=utf-8'de'%C3; charset*1*=%BC; name=\"../a\\\"b.txt\"; format=flowed", "attachment; filename==?utf-8?q?a=3Bb?=; size=1",
		"Re: [x] AW[2]: Fwd: y (fwd)", "CON.txt . ", "<>", "=?utf-8?q?a?=\x1b$B", "\xa0",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := newDecoder()
		ids := parseIDs(raw)
		for _, id := range append(ids, parseMessageID(raw)) {
			if !oneLine(id) || len(id) > maxID {
				t.Fatalf("%q: id %q", raw, id)
			}
		}
		if len(ids) > maxIDs || len(threadRefs(ids, ids, "")) > len(ids) {
			t.Fatalf("%d ids", len(ids))
		}
		for _, m := range d.mailboxes(raw) {
			if m.Address == "" || !oneLine(m.Address) || !oneLine(m.Name) {
				t.Fatalf("%q: %+v", raw, m)
			}
		}
		for _, p := range d.contentField(raw).params {
			name := SafeFilename(p.value)
			if !utf8.ValidString(p.value) || SafeFilename(name) != name || !oneLine(name) || len(name) > maxFilename || strings.ContainsAny(name, `/\`) {
				t.Fatalf("%q: %q, file %q", raw, p.value, name)
			}
		}
		subject := d.header(raw)
		if !oneLine(subject) || !oneLine(CleanSubject(subject)) {
			t.Fatalf("%q: subject %q", raw, subject)
		}
		checkDate(t, raw)
	})
}

// checkDate holds that a date can be stored and shown in any zone.
func checkDate(t *testing.T, raw []byte) {
	when, _, ok := parseDate(raw)
	if !ok {
		return
	}
	back, err := time.Parse(time.RFC3339Nano, when.Format(time.RFC3339Nano))
	if _, jsonErr := when.UTC().MarshalJSON(); err != nil || !back.Equal(when) || jsonErr != nil {
		t.Fatalf("%q: %v, again %v, %v, %v", raw, when, back, err, jsonErr)
	}
}

// FuzzText gives a text to every reader of bodies.
func FuzzText(f *testing.F) {
	f.Add("Hello \nthere\n-- \nBob\n\nOn 1 May 2025, at 10:00, Ann <a@b> wrote:\n> old\n>> older\n", byte(0))
	f.Add("new\n\n-----Original Message-----\nFrom: a@b\nSent: Monday\nTo: c\nSubject: d\n\nold", byte(1))
	f.Add("<p>new</p><div class=gmail_quote>On x, y wrote:<blockquote type=cite><ol start=9><li>a<pre> b </ol>", byte(2))
	f.Add("new On 1 May 2025, Ann <a@b> wrote:\nAB> old\n\nX: a@b\nY: 2025\nZ: Re: Fire\n\nold", byte(8))
	f.Fuzz(func(t *testing.T, s string, how byte) {
		s = CleanText(s)
		lines := appendPlain(nil, joinFlowed(s, how&4 != 0))
		if how&2 != 0 {
			lines = htmlLines(s)
		}
		reply, quoted, signature := splitReply(lines, replyContext{forward: how&1 != 0, answer: how&8 != 0, subject: "Fire"})
		// A line may gain its quote marks and line ends, and nothing else.
		if n := len(reply) + len(quoted) + len(signature); !storable(reply+quoted+signature) || how&2 == 0 && n > len(s)+3*len(lines)+3 {
			t.Fatalf("%q: %q, %q, %q", s, reply, quoted, signature)
		}
		if text := HTMLText(s); !storable(text) {
			t.Fatalf("%q: %q", s, text)
		}
		autoPhrase(strings.ToLower(s))
		autoPrefix(strings.ToLower(s), true)
	})
}

// FuzzDecode undoes every transfer encoding and charset.
func FuzzDecode(f *testing.F) {
	for _, s := range [][3]string{
		{"SGVsbG8=", "base64", "utf-8"},
		{"a=C3=BC=\r\nb", "quoted-printable", "iso-8859-1"},
		{"begin 644 a\n#86)C\n`\nend\n", "x-uuencode", ""},
		{"begin 644 a\n6\n", "uue", ""},
		{"\x1b$B$\"\x1b(B", "8bit", "iso-2022-jp"},
		{"+AOQ-x", "7bit", "utf-7"},
		{"\x1b$)C\x0e0!\x0f", "", "iso-2022-kr"},
		{"\xff\xfea\x00", "binary", "utf-16"},
		{"\xe4\xf6\xfc", "", "unknown"},
		{"\x84\x31\x95\x33", "", "gb18030"},
	} {
		f.Add([]byte(s[0]), s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, body []byte, encoding, charset string) {
		data, _ := decodeTransfer(body, encoding)
		if len(data) > max(len(body)+3, freeUU) {
			t.Fatalf("%d octets of %d", len(data), len(body))
		}
		d := newDecoder()
		for _, c := range []string{charset, ""} {
			// An octet becomes at most one character, save in charsets whose octets stand for several.
			if text, _ := d.charset(data, c); !utf8.ValidString(text) || len(text) > 8*len(data)+8 {
				t.Fatalf("%q in %q: %q", data, c, text)
			}
		}
		if name, file, rest, ok := cutUU(body); ok && (len(name)+len(rest) > len(body) || len(file) > max(len(body), freeUU)) {
			t.Fatalf("%q holds %q, %d octets, and %q", body, name, len(file), rest)
		}
		if ctype := sniffType(cleanType(encoding), data); ctype == "" || !oneLine(ctype) {
			t.Fatalf("type %q", ctype)
		}
	})
}

func FuzzTNEF(f *testing.F) {
	f.Add(tnefLetter("name.txt", []byte("data"), "text"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isTNEF("", data) {
			return
		}
		c, _ := parseTNEF(data)
		if !utf8.ValidString(c.plain+c.html) || len(c.files) > maxTNEFFiles {
			t.Fatalf("%q: %+v", data, c)
		}
		octets := 0
		for _, a := range c.files {
			octets += len(a.Data)
			if !utf8.ValidString(a.Filename + a.ContentID) {
				t.Fatalf("%q: %+v", data, a)
			}
		}
		if octets > len(data) {
			t.Fatalf("%d octets became %d", len(data), octets)
		}
	})
}
