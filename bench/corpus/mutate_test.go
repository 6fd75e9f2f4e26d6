package main

import (
	"bytes"
	"testing"

	"mxdesk/internal/bounce"
	"mxdesk/internal/message"
)

func TestDefect(t *testing.T) {
	for name, c := range map[string]struct {
		content message.Content
		want    string
	}{
		"sound":        {message.Content{Text: "Grüße", Attachments: []message.Attachment{{Data: []byte{0, 0xff}}}}, ""},
		"NUL":          {message.Content{Subject: "a\x00b"}, "content.Subject is not text"},
		"no UTF-8":     {message.Content{From: []message.Mailbox{{Name: "\xff"}}}, "content.From.Name is not text"},
		"in a report":  {message.Content{Bounce: &bounce.Report{Recipients: []bounce.Recipient{{Diagnostic: "\xc3"}}}}, "content.Bounce.Recipients.Diagnostic is not text"},
		"in a list":    {message.Content{References: []string{"a", "b\xed\xa0\x80"}}, "content.References is not text"},
		"broke down":   {message.Content{Warnings: []string{"internal: index out of range"}}, "internal: index out of range"},
		"in a nothing": {message.Content{Bounce: nil}, ""},
	} {
		if got := defect(&c.content); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A mutation is named by seed and number, so that a failure can be seen again; and it leaves the corpus as it is.
func TestMutationsAreRepeatable(t *testing.T) {
	raw := []byte("From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello =?utf-8?q?x?=\r\n--b--\r\n")
	letters := []corpusLetter{{"a", bytes.Clone(raw)}, {"b", []byte("x")}}
	one, two := newMutator(letters), newMutator(letters)
	changed := 0
	for i := range 2000 {
		a := bytes.Clone(one.letter(7, i))
		two.letter(9, i+1) // another mutation before must not matter
		if b := two.letter(7, i); !bytes.Equal(a, b) {
			t.Fatalf("mutation %d is not the same twice", i)
		}
		if !bytes.Equal(a, raw) {
			changed++
		}
		if why := check(a); why != "" {
			t.Errorf("mutation %d: %s", i, why)
		}
	}
	if !bytes.Equal(letters[0].raw, raw) {
		t.Error("a mutation wrote into the corpus")
	}
	if changed < 1500 {
		t.Errorf("only %d of 2000 mutations changed anything", changed)
	}
}

func TestPeakMemory(t *testing.T) {
	file := bytes.Repeat([]byte("a line of a long letter that is kept as it is, and more than once\r\n"), 60_000)
	raw := append([]byte("From: a@example.com\r\nContent-Type: text/plain\r\n\r\n"), file...)
	if got := peakMemory(raw); got < uint64(len(raw)) {
		t.Errorf("a letter of %d octets took %d", len(raw), got)
	}
}
