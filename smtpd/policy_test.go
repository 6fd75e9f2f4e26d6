package smtpd

import (
	"strings"
	"testing"
)

func TestAdmit(t *testing.T) {
	cfg := DefaultConfig()
	trace := "Received: from x by y; z\r\n"
	for _, c := range []struct {
		name, raw string
		null      bool
		want      string
	}{
		{"one address", "From: a@example.org\r\n\r\nFrom: b\r\n", false, ""},
		{"a name, a comment, folding", "from:\r\n \"A, B\" (c, <d@e.example>)\r\n\t<a@example.org>\r\n\r\n", false, ""},
		{"a name that looks like an address", "From: b@example.net <a@example.org>\r\n\r\n", false, ""},
		{"a name that is not UTF-8", "From: M\xfcller <a@example.org>\r\n\r\n", false, ""},
		{"white space before the colon", "From : a@example.org\r\n\r\n", false, ""},
		{"a comma at the end", "From: a@example.org,\r\n\r\n", false, ""},
		{"no From", "Subject: x\r\n\r\nFrom: a@example.org\r\n", false, "malformed-from"},
		{"two fields", "From: a@example.org\r\nFrom: a@example.org\r\n\r\n", false, "malformed-from"},
		{"two addresses", "From: a@example.org, b@example.org\r\n\r\n", false, "malformed-from"},
		{"two addresses without a comma", "From: <a@example.org> <b@example.org>\r\n\r\n", false, "malformed-from"},
		{"an address and a comment's", "From: a@example.org, (b@example.org)\r\n\r\n", false, ""},
		{"no address", "From: nobody\r\n\r\n", false, "malformed-from"},
		{"an empty group", "From: undisclosed:;\r\n\r\n", false, "malformed-from"},
		{"words are no address", "From: John Doe a@example.org\r\n\r\n", false, "malformed-from"},
		{"a bounce may have any From", "From: nobody\r\nFrom: x\r\n\r\n", true, ""},
		{"a bounce may have none", "x", true, ""},
		{"nothing at all", "", false, "malformed-from"},
		{"fifty hops", strings.Repeat(trace, 50) + "From: a@example.org\r\n\r\n", false, ""},
		{"fifty-one hops", strings.Repeat(trace, 51) + "From: a@example.org\r\n\r\n", false, "loop"},
		{"a bounce loops as well", strings.Repeat(trace, 51) + "\r\n", true, "loop"},
		{"Received in the body counts not", "From: a@example.org\r\n\r\n" + strings.Repeat(trace, 51), false, ""},
		{"a large header", "From: a@example.org\r\nX: " + strings.Repeat("x\r\n y", 60_000) + "\r\n\r\n", false, "header-size"},
		{"a header without end", "From: a@example.org\r\n" + strings.Repeat("X: y\r\n", 50_000), true, "header-size"},
	} {
		f := facts{nullSender: c.null, header: readHeader([]byte(c.raw), cfg.MaxHeader)}
		if got := admit(f, &cfg).reason; got != c.want {
			t.Errorf("%s: %q, want %q (%+v)", c.name, got, c.want, f.header)
		}
	}
}

// FuzzHeader: no header panics or is read beyond its end.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("From: a@b.example\r\nReceived: x\r\n y\r\n\r\nz"))
	f.Add([]byte("From: \"a\\\" (b\\)) <c@d>,;<"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h := readHeader(raw, 1000)
		if h.octets > len(raw) || h.received+h.from > len(raw)/5 {
			t.Fatalf("%+v of %d octets", h, len(raw))
		}
	})
}
