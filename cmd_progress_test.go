package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestProgress: at each tick the last words are said, with the time since the beginning; without words nothing is, and nothing
// after the end.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	began := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ticks := make(chan time.Time) // a tick that is taken is said before the next one is, and before the end
	p := newProgress(&out, began, ticks)
	ticks <- began.Add(3 * time.Second)
	p.set("reads %s", "one\x1b[2J\nletter")
	ticks <- began.Add(6 * time.Second)
	ticks <- began.Add(9 * time.Second)
	p.set("not said: it was too short")
	p.close()
	if got, want := out.String(), "reads one[2J letter (6 s)\nreads one[2J letter (9 s)\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
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
