package outbound

import (
	"mime"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

// FuzzFields: whatever words people choose, a field has no line that they ended, none that is too long, and programs of others
// read in it what our own cleaning left of the words.
func FuzzFields(f *testing.F) {
	for _, s := range hostileWords() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, words string) {
		var h header
		h.text("Subject", words)
		h.mailboxes("From", mailbox{words, address.Address{Local: "a", Domain: "x.test"}})
		name := message.SafeFilename(words)
		h.field("Content-Disposition", append([]string{"attachment;"}, parameter("filename", name)...)...)
		text := h.String()
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
			if len(line) > 998 || line == "" || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
				t.Fatalf("%q: line %q", words, line)
			}
		}
		m, err := mail.ReadMessage(strings.NewReader(text + "\r\n"))
		if err != nil || len(m.Header) != 3 {
			t.Fatalf("%q: %q, %v", words, text, err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if want := clean(words); err != nil || utf8.ValidString(words) && subject != want {
			t.Fatalf("%q is read as %q, want %q, %v", words, subject, want, err)
		}
		if from, err := m.Header.AddressList("From"); err != nil || len(from) != 1 || from[0].Address != "a@x.test" || from[0].Name != clean(words) {
			t.Fatalf("%q is read as %v, %v", words, from, err)
		}
	})
}

// FuzzReferred: the pictures that a text shows are some of the attachments, and none of them twice.
func FuzzReferred(f *testing.F) {
	f.Add(`<img src="cid:a%40b"><img src="cid:&amp;">`, "a@b", "&")
	f.Fuzz(func(t *testing.T, text, one, other string) {
		list := []Attachment{{ContentID: one}, {ContentID: other}, {ContentID: one}}
		within, beside := splitInline(text, list)
		if len(within)+len(beside) != len(list) || len(within) > 2 {
			t.Fatalf("%d and %d", len(within), len(beside))
		}
		ids := capReferences(slices.DeleteFunc(strings.Fields(text), func(id string) bool { return !validMessageID(id) }))
		if len(ids) > maxReferences || len(strings.Join(ids, "> <")) > maxReferencesBytes+maxMessageID {
			t.Fatalf("%d ids", len(ids))
		}
	})
}
