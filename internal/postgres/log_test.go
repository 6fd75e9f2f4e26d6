package postgres

import (
	"log/slog"
	"strings"
	"testing"
)

func TestLogWriter(t *testing.T) {
	j := newJournal()
	w := &logWriter{logger: slog.New(j)}
	for _, part := range []string{
		"LOG:  ready\nERROR:  dupli", "cate key\nDETAIL:  Key exists.\nSTATEMENT:  INSERT\n\tINTO x\n",
		"\nFATAL:  could not open\nHINT:  Free some space.\n", "PANIC:  no space", " left\nplain: words",
	} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.flush()
	want := `INFO ready
WARN duplicate key
WARN Key exists.
WARN INSERT
WARN INTO x
WARN could not open
WARN Free some space.
ERROR no space left
ERROR plain: words`
	if got := j.String(); got != want {
		t.Errorf("logged\n%s\nwant\n%s", got, want)
	}
	if got := w.lastComplaint(); got != "no space left" {
		t.Errorf("complaint %q", got)
	}
}

func TestLogWriterWhileStarting(t *testing.T) {
	j := newJournal()
	w := &logWriter{logger: slog.New(j)}
	w.routine.Store(true)
	w.Write([]byte("LOG:  listening\nWARNING:  strange\n"))
	if got, want := j.String(), "DEBUG listening\nWARN strange"; got != want {
		t.Errorf("logged\n%s\nwant\n%s", got, want)
	}
}

func FuzzLogWriter(f *testing.F) {
	f.Add([]byte("LOG:  a\nFATAL:  b\n\tc\n"), 3)
	f.Add([]byte(strings.Repeat("x", maxLogLine+9)+"\nLOG:  "), 1)
	f.Fuzz(func(t *testing.T, out []byte, step int) {
		j := newJournal()
		w := &logWriter{logger: slog.New(j)}
		for step = max(step, 1); len(out) > 0; {
			n, err := w.Write(out[:min(step, len(out))])
			if n != min(step, len(out)) || err != nil {
				t.Fatal(n, err)
			}
			out = out[n:]
			if len(w.partial) > maxLogLine {
				t.Fatalf("%d octets kept", len(w.partial))
			}
		}
	})
}
