package smtpclient

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestCheckBody(t *testing.T) {
	line := strings.Repeat("x", maxLine)
	for _, c := range []struct {
		in       string
		eightBit bool
	}{
		{"", false},
		{"a: b\r\n\r\ntext\r\n", false},
		{"no end", false},
		{line + "\r\n" + line + "\r\n", false},
		{line, false},
		{"a: b\r\n\r\nü\r\n", true},
		{"1234567\x80", true},
		{"12345678\x80", true},
		{"\x7f", false},
		{".\r\n..\r\n", false},
	} {
		if got, err := CheckBody([]byte(c.in)); err != nil || got != c.eightBit {
			t.Errorf("%.30q: %v, %v", c.in, got, err)
		}
	}
	for _, in := range []string{
		"\n", "a\n", "a\n\r\n", "\r", "a\r", "a\rb\r\n", "a\r\r\n", "a\r\nb\r", "a\r\n\r\r\n.\r\n", "a\r.\r", "a\r\n.\n", "a\x00b\r\n",
		line + "x\r\n", line + "x", "ok\r\n" + line + "x",
	} {
		if _, err := CheckBody([]byte(in)); !errors.Is(err, ErrBody) {
			t.Errorf("%.30q: %v, want ErrBody", in, err)
		}
	}
}

// receive is what a server makes of the stream: the text before the first CRLF . CRLF, dots undone, and what is behind.
func receive(stream []byte) (text, rest []byte) {
	if stream = append([]byte("\r\n"), stream...); bytes.Contains(stream, []byte("\r\n.\r\n")) {
		text, rest, _ = bytes.Cut(stream, []byte("\r\n.\r\n"))
		text = bytes.TrimPrefix(bytes.ReplaceAll(append(text, "\r\n"...), []byte("\r\n."), []byte("\r\n")), []byte("\r\n"))
	}
	return text, rest
}

func checkRoundTrip(t *testing.T, body []byte, blockSize int) {
	t.Helper()
	var stream []byte
	writes := 0
	err := writeBody(body, make([]byte, 0, blockSize), func(b []byte) error {
		if len(b) > blockSize {
			t.Fatalf("a block of %d octets", len(b))
		}
		stream = append(stream, b...)
		writes++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, rest := receive(stream)
	want := body
	if len(body) > 0 && !bytes.HasSuffix(body, crlf) {
		want = append(bytes.Clone(body), "\r\n"...)
	}
	if !bytes.Equal(text, want) || len(rest) > 0 {
		t.Fatalf("block %d: %q arrived as %q, with %q behind", blockSize, body, text, rest)
	}
	if limit := len(stream)/(blockSize-endRoom) + 2; writes > limit {
		t.Fatalf("%d writes for %d octets in blocks of %d", writes, len(stream), blockSize)
	}
}

func TestWriteBody(t *testing.T) {
	for _, body := range []string{
		"", ".", "..", ".\r\n", "..\r\n", "\r\n", "\r\n.\r\n", "a\r\n.\r\nb\r\n", "a\r\n.b\r\n..c\r\n...\r\n", "a", "a\r\n.", "\r\n\r\n.",
		strings.Repeat(".\r\n", 50), strings.Repeat("a.\r\n.", 50),
	} {
		for size := endRoom + 1; size < 40; size++ {
			checkRoundTrip(t, []byte(body), size)
		}
		checkRoundTrip(t, []byte(body), 64<<10)
	}
}

func TestWriteBodyStops(t *testing.T) {
	broken := errors.New("broken")
	for n := range 6 {
		calls := 0
		err := writeBody([]byte(strings.Repeat("a\r\n.\r\n", 10)), make([]byte, 0, 16), func([]byte) error {
			if calls++; calls > n {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) || calls != n+1 {
			t.Errorf("%d writes, %v", calls, err)
		}
	}
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{"a\r\n.\r\n", "\r\n.", ".a\r\nb", "\xff\r\n"} {
		f.Add([]byte(s), uint8(9))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		if _, err := CheckBody(body); err == nil {
			checkRoundTrip(t, body, endRoom+1+int(size))
		}
	})
}

func BenchmarkBody(b *testing.B) {
	body := bytes.Repeat([]byte("Some words of a letter, as they are found in lines of text.\r\n"), 1000)
	buf := make([]byte, 0, blockSize)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CheckBody(body); err != nil {
			b.Fatal(err)
		}
		if err := writeBody(body, buf, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
