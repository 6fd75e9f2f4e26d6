package smtpclient

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func parse(s string) (Reply, []string, error) {
	return readReply(bufio.NewReaderSize(strings.NewReader(s), maxReplyLine))
}

func TestReadReply(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Reply
	}{
		{"250 ok\r\n", Reply{250, "", "ok"}},
		{"250\r\n", Reply{250, "", ""}},
		{"250 \r\n", Reply{250, "", ""}},
		{"250 ok\n", Reply{250, "", "ok"}},
		{"550 5.1.1 No such user\r\n", Reply{550, "5.1.1", "No such user"}},
		{"550-5.1.1 No such\r\n550-5.1.1 user\r\n550 5.1.1 here\r\n", Reply{550, "5.1.1", "No such user here"}},
		{"550-5.1.1 No such\r\n550 user\r\n", Reply{550, "5.1.1", "No such user"}},
		{"550-5.7.1 a\r\n550 5.7.26 b\r\n", Reply{550, "5.7.1", "a 5.7.26 b"}},
		{"550 5.1.1\r\n", Reply{550, "5.1.1", ""}},
		{"450 5.1.1 class does not fit\r\n", Reply{450, "", "5.1.1 class does not fit"}},
		{"550 5.1 x\r\n", Reply{550, "", "5.1 x"}},
		{"550 5.1.1234 x\r\n", Reply{550, "", "5.1.1234 x"}},
		{"550 5..1 x\r\n", Reply{550, "", "5..1 x"}},
		{"550 tab\there \x1b[31mred\x00 \xff \u202eback\r\n", Reply{550, "", "tab here ?[31mred? ? ?back"}},
		{"250 grüße\r\n", Reply{250, "", "grüße"}},
		{"250 ok\r\n250 next", Reply{250, "", "ok"}},
	} {
		got, _, err := parse(c.in)
		if err != nil || got != c.want {
			t.Errorf("%q: %#v, %v; want %#v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{
		"hello\r\n", "25\r\n", "2x0 ok\r\n", "150 ok\r\n", "650 ok\r\n", "250ok\r\n", "250-a\r\n251 b\r\n", "250-a\r\nb\r\n", "\r\n",
		"250 " + strings.Repeat("x", maxReplyLine) + "\r\n",
		strings.Repeat("250-"+strings.Repeat("x", 4000)+"\r\n", 20) + "250 ok\r\n",
		strings.Repeat("250-\r\n", 20_000) + "250 ok\r\n",
	} {
		if r, _, err := parse(in); !errors.Is(err, ErrProtocol) {
			t.Errorf("%.40q: %v, %v; want ErrProtocol", in, r, err)
		}
	}
	for _, in := range []string{"", "250", "250-a\r\n", "250 ok"} {
		if r, _, err := parse(in); !errors.Is(err, io.EOF) {
			t.Errorf("%.40q: %v, %v; want EOF", in, r, err)
		}
	}
	long, _, err := parse(strings.Repeat("250-"+strings.Repeat("ü", 300)+"\r\n", 20) + "250 ok\r\n")
	if err != nil || len(long.Text) > maxReplyText || !utf8.ValidString(long.Text) {
		t.Errorf("%d octets, %v", len(long.Text), err)
	}
}

func TestReplyString(t *testing.T) {
	for want, r := range map[string]Reply{"": {}, "250": {Code: 250}, "550 5.1.1 no": {550, "5.1.1", "no"}, "550 no": {550, "", "no"}} {
		if r.String() != want {
			t.Errorf("%q, want %q", r, want)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n", "250-\r\n250\r\n", "354\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, lines, err := parse(s)
		if err != nil {
			if r != (Reply{}) || lines != nil {
				t.Fatalf("a reply beside the error: %v", r)
			}
			return
		}
		if r.Code < 200 || r.Code > 599 || len(lines) == 0 {
			t.Fatalf("%#v of %d lines", r, len(lines))
		}
		if len(r.Text) > maxReplyText || strings.ContainsFunc(r.String(), func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Fatalf("not fit for a log: %q", r.String())
		}
		if r.Enhanced != "" && r.Enhanced[0] != byte('0'+r.Code/100) {
			t.Fatalf("%#v", r)
		}
	})
}
