//go:build linux

package e2e

import (
	"slices"
	"strings"
	"testing"
)

// TestLoops: whatever answers us, we fall silent within three letters, and the ticket says so. Nothing here marks its
// letters as a machine's but the list that does.
func TestLoops(t *testing.T) {
	w := theWorld(t)
	need(t, python, swaks)
	d := newDesk(t, w)
	letters := 0
	for _, c := range []struct {
		way     string
		answers int    // letters that it sends us
		mails   int    // that we send it
		guard   string // that the last ticket names
	}{
		{"away-fresh", 2, 2, "same words"},
		{"away-list", 1, 1, "own words"},
		{"away-marked", 1, 1, "answering machine"},
	} {
		sender := c.way + "@" + customerDomain
		fromOutside(t, d, sender, d.support(), "I go on holiday "+c.way)
		letters += 1 + c.answers
		eventually(t, c.way+" answers all that it gets", func() bool { return len(d.letters(t)) == letters })
		// What a letter causes is committed with it: one more mail to the machine would be here now.
		got := slices.DeleteFunc(d.deliveries(t), func(x delivery) bool { return x.Recipient != sender })
		if len(got) != c.mails {
			t.Errorf("%s got %d letters, want %d", c.way, len(got), c.mails)
		}
		var said []string
		for _, e := range d.entries(t, d.tickets(t)[0].ID) {
			if e.Event == "loop.stopped" {
				said = append(said, e.Text)
			}
		}
		if len(said) != 1 || !strings.Contains(said[0], c.guard) || !strings.Contains(said[0], sender) {
			t.Errorf("%s: the ticket says %q, want one sentence about %q", c.way, said, c.guard)
		}
	}
}
