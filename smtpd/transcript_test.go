package smtpd

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestTranscripts plays the talks of testdata. Each line begins with
//
//	C:  a line that the client sends, with CRLF
//	C!  octets that it sends, as a Go string without its quotes
//	S:  what the last line of the next reply begins with
//	S~  a line that the last reply contains
//	S.  the server closes the connection
//	T:  STARTTLS is asked for, answered and done
//	L:  how many letters have been taken in the end
//
// # begins a comment.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			backend := &fakeBackend{}
			play(t, start(t, backend, withTLS).dial(), backend, string(text))
		})
	}
}

func play(t *testing.T, p *peer, backend *fakeBackend, text string) {
	last := ""
	for no, line := range strings.Split(text, "\n") {
		if len(line) < 2 || line[0] == '#' {
			continue
		}
		p.t = at{t, no + 1}
		arg := strings.TrimPrefix(line[2:], " ")
		switch line[:2] {
		case "C:":
			p.send(arg + "\r\n")
		case "C!":
			octets, err := strconv.Unquote(`"` + arg + `"`)
			if err != nil {
				t.Fatalf("line %d: %v", no+1, err)
			}
			p.send(octets)
		case "S:":
			last = p.want(arg)
		case "S~":
			if !strings.Contains("\r\n"+last, "\r\n"+arg+"\r\n") {
				t.Fatalf("line %d: no line %q in %q", no+1, arg, last)
			}
		case "S.":
			p.wantEnd()
		case "T:":
			p.startTLS()
		case "L:":
			if n := strconv.Itoa(len(backend.taken())); n != arg {
				t.Fatalf("line %d: %s letters taken, want %s", no+1, n, arg)
			}
		default:
			t.Fatalf("line %d: %q", no+1, line)
		}
	}
}

// at names the line of a transcript in what fails.
type at struct {
	testing.TB
	line int
}

func (a at) Fatalf(format string, args ...any) {
	a.Helper()
	a.TB.Fatalf("line "+strconv.Itoa(a.line)+": "+format, args...)
}
