package main

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// TestProgress: at each tick the last words are said, with the time since the beginning; without words nothing is, and nothing
// after the end.
func TestProgress(t *testing.T) {
	began := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ticks := make(chan time.Time)
	heard, out := io.Pipe() // who says something waits until it is heard
	lines := bufio.NewReader(heard)
	p := newProgress(out, began, ticks)
	p.set("reads %s", "one\x1b[2J\nletter")
	for seconds, want := range []string{3: "reads one[2J letter (3 s)\n", 6: "reads one[2J letter (6 s)\n"} {
		if want == "" {
			continue
		}
		ticks <- began.Add(time.Duration(seconds) * time.Second)
		if got, err := lines.ReadString('\n'); err != nil || got != want {
			t.Errorf("said %q, want %q: %v", got, want, err)
		}
	}
	p.set("not said: it was too short")
	p.close()
	var early bytes.Buffer
	(&progress{out: &early, began: began}).say(began.Add(3 * time.Second))
	if early.Len() > 0 || lines.Buffered() > 0 {
		t.Errorf("said %q without words, and %d octets after the end", early.String(), lines.Buffered())
	}
	var nobody *progress
	nobody.set("x")
	nobody.close()
}

// TestProgressOfCommands: commands that take long say so, and what they print is the same.
func TestProgressOfCommands(t *testing.T) {
	d := newDesk(t)
	ids := d.send("a@x.test", "b@x.test")
	for _, c := range []struct {
		args []string
		want string // the last words
	}{
		{append([]string{"queue", "hold", "--json"}, ids...), "1 of 2 deliveries, the next is " + ids[1]},
		{[]string{"dns", "--json", "--offline"}, "asks the DNS about desk.test, domain 2"},
		{[]string{"queue", "lanes", "--json"}, "reads the lanes: 1 so far"},
		{[]string{"reprocess", "--json"}, "waits for the database"},
	} {
		quiet, err := d.run(c.args...)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
		}
		var said bytes.Buffer
		d.progress = newProgress(&said, time.Now(), nil)
		told, err := d.run(c.args...)
		d.progress.close()
		if err != nil || told != quiet {
			t.Errorf("%v: %v, prints %s, without progress %s", c.args, err, told, quiet)
		}
		if d.progress.words != c.want || said.Len() > 0 {
			t.Errorf("%v: %q, want %q; too early %q", c.args, d.progress.words, c.want, said.String())
		}
		d.progress = nil
	}
	if out, err := d.run("--verbose", "queue", "cancel", "no-id", ids[0]); err == nil || !strings.Contains(out, ids[0]+" is cancelled") {
		t.Errorf("%v\n%s", err, out)
	}
}
