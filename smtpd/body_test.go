package smtpd

import (
	"bytes"
	"strings"
	"testing"
)

// readSlowly is the meaning of textScanner and lineCheck, an octet at a time: the body, how many octets
// it took up to its end (0: no end), and whether it is clean.
func readSlowly(in []byte, maxLine int) (body []byte, used int, clean bool) {
	clean = true
	lineFrom, prev, atStart := 0, byte(0), true
	for i := 0; i < len(in); i++ {
		if atStart && in[i] == '.' {
			if bytes.HasPrefix(in[i:], []byte(".\r\n")) {
				return body, i + 3, clean
			}
			atStart, prev = false, 0
			continue
		}
		c := in[i]
		if c == 0 || (c == '\n') != (prev == '\r') {
			clean = false
		}
		body = append(body, c)
		if len(body)-lineFrom > maxLine {
			clean = false
		}
		if c == '\n' {
			lineFrom = len(body)
		}
		atStart = c == '\n' && prev == '\r'
		prev = c
	}
	return body, 0, clean
}

// readInParts gives the scanner in as it would come from the network, cut every step octets.
func readInParts(in []byte, step, maxLine int) (body []byte, used int, clean bool) {
	scan, lines := textScanner{atStart: true}, lineCheck{max: maxLine}
	from := 0
	for to := 0; ; to = min(to+step, len(in)) {
		for {
			text, n, done := scan.next(in[from:to])
			from += n
			lines.add(text)
			body = append(body, text...)
			if done {
				lines.finish()
				return body, from, lines.fault.isZero()
			}
			if n == 0 {
				break
			}
		}
		if to == len(in) {
			return body, 0, lines.fault.isZero()
		}
	}
}

// FuzzBody: however a body is cut into reads, its text, its end and its faults are the same.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		"a\r\n.\r\nQUIT\r\n", ".\r\n", "..\r\n.\r\n", "\r\r\n.\r\n", "a\n.\r\n.\r\n", "a\r\n.\r", "\r\n.\n\r\n.\r\n", "a\x00\r\n.\r\n",
		".a\r\n.b\r\n..\r\n.\r\n", ".\r.\r\n", "\n", "\r", "a\r\n.\r\r\n.\r\n", ".\nx\r\n.\r\n",
	} {
		f.Add([]byte(s), 1)
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		step = max(step%64, 1)
		const maxLine = 20
		wantBody, wantUsed, wantClean := readSlowly(in, maxLine)
		body, used, clean := readInParts(in, step, maxLine)
		if used != wantUsed {
			t.Fatalf("end at %d, want %d", used, wantUsed)
		}
		if wantUsed == 0 {
			return // what is not complete is refused anyway
		}
		if !bytes.Equal(body, wantBody) || clean != wantClean {
			t.Fatalf("%q, clean %v; want %q, %v", body, clean, wantBody, wantClean)
		}
	})
}

// FuzzLineCheck: the same for what BDAT brings, where no dots count.
func FuzzLineCheck(f *testing.F) {
	for _, s := range []string{"a\r\nb", "\r", "\n", "a\rb", "\r\n\r\n", "a\r\r\n", "\x00", strings.Repeat("x", 30)} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		step = max(step%64, 1)
		lines := lineCheck{max: 20}
		for from := 0; from < len(in); from += step {
			lines.add(in[from:min(from+step, len(in))])
		}
		lines.finish()
		clean := bytes.IndexByte(in, 0) < 0
		for _, line := range bytes.Split(in, []byte("\r\n")) {
			clean = clean && !bytes.ContainsAny(line, "\r\n")
		}
		for _, line := range bytes.SplitAfter(in, []byte("\n")) {
			clean = clean && len(line) <= 20
		}
		if got := lines.fault.isZero(); got != clean {
			t.Fatalf("%q in steps of %d: clean %v, want %v", in, step, got, clean)
		}
	})
}

// FuzzCommand: what go-smtp is given holds no control character, and no address that we did not read.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		"MAIL FROM:<a@b.example> SIZE=1", `RCPT TO:<"a\"> b"@c.example>`, "EHLO \xff", "BDAT 10 LAST", "BDAT -1", "STARTTLS", "mail from:<>",
		"RCPT TO:<postmaster>", "MAIL FROM:<@x:y@z>", "GET / HTTP/1.1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, r := parseCommand(line, "example.test")
		if !r.isZero() {
			if r.code < 400 {
				t.Fatalf("refused with %d", r.code)
			}
			return
		}
		if !verbs[c.verb] || hasControl(strings.ReplaceAll(c.line, "\t", "")) || c.octets < 0 {
			t.Fatalf("%q became %+v", line, c)
		}
		if again, r := parseCommand(c.line, "example.test"); c.verb == "MAIL" && (!r.isZero() || again.path != c.path) {
			t.Fatalf("%q: %+v, then %+v, %+v", line, c, again, r)
		}
	})
}

func BenchmarkBody(b *testing.B) {
	in := []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 208) + ".\r\n")
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		scan, lines := textScanner{atStart: true}, lineCheck{max: 1000}
		for from, done := 0, false; !done; {
			var text []byte
			var n int
			text, n, done = scan.next(in[from:])
			lines.add(text)
			from += n
		}
	}
}
