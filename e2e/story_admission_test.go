//go:build linux

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGreylisting: a stranger's Postfix is put off, comes again and gets through. Whom the desk has written to is not put
// off again, and neither is who comes back.
func TestGreylisting(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until a mail server tries again; ./dev e2e runs it")
	}
	w := theWorld(t)
	d := newDesk(t, w, with("admission.greylisting", "true"), with("admission.greylist_delay", `"3s"`))
	deferred := func() int { return len(w.customers.find("status=deferred", "to=<"+d.support()+">", "451 4.7.1")) }
	sent := func() int { return len(w.customers.find("status=sent", "to=<"+d.support()+">")) }
	says(t, w, carl, d.support(), write(carl, d.support(), "The first time", "Who are you?"))
	eventually(t, "the letter is put off", func() bool { return deferred() > 0 })
	if n := len(d.letters(t)); n != 0 && sent() == 0 {
		t.Errorf("%d letters are there, and Postfix was told that none is", n)
	}
	eventually(t, "the letter gets through", func() bool { return sent() == 1 })
	w.customers.mailbox("carl").await(t, d.name, 1)
	before := deferred()
	says(t, w, carl, d.support(), write(carl, d.support(), "The second time", "We know each other."))
	eventually(t, "the second letter is taken", func() bool { return sent() == 2 })
	if n := deferred() - before; n != 0 {
		t.Errorf("the second letter was put off %d times", n)
	}
	if n := len(d.tickets(t)); n != 2 {
		t.Errorf("%d tickets, want 2", n)
	}
}

// gtube is the pattern that every filter takes for spam.
const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

// TestRspamd: Debian's rspamd judges what comes. Without it letters are taken, and each says so.
func TestRspamd(t *testing.T) {
	if testing.Short() {
		t.Skip("needs rspamd; ./dev e2e runs it")
	}
	w := theWorld(t)
	need(t, rspamd)
	ip := w.address(185)
	filter := startRspamd(t, w, ip)
	d := newDesk(t, w, with("spam.rspamd_url", `"http://`+ip+`:11333"`))
	says(t, w, carl, d.support(), write(carl, d.support(), "A clean letter", "Hello?"))
	w.staff.mailbox("anna").await(t, d.name, 1)
	says(t, w, dora, d.support(), write(dora, d.support(), "Buy this", gtube))
	eventually(t, "the letter is refused", func() bool {
		return len(w.customers.find("status=bounced", "to=<"+d.support()+">", "said: 550 5.7.1 This message looks like spam")) == 1
	})
	verdicts := func() (spam []string) {
		for _, l := range d.letters(t) {
			spam = append(spam, string(one[struct {
				Verdict struct{ Spam rawJSON }
			}](t, d, "/v1/letters/"+l.ID).Verdict.Spam))
		}
		return spam
	}
	if got := verdicts(); len(got) != 1 || !strings.Contains(got[0], `"score"`) || strings.Contains(got[0], "unreachable\":true") {
		t.Errorf("verdicts of the filter: %q", got)
	}
	if err := filter.stop(); err != nil {
		t.Fatal(err)
	}
	says(t, w, carl, d.support(), write(carl, d.support(), "While nobody looks", gtube))
	eventually(t, "the letter is taken", func() bool { return len(d.letters(t)) == 2 })
	if got := verdicts(); !strings.Contains(got[0], "unreachable\":true") {
		t.Errorf("without the filter its verdict is %q", got)
	}
	eventually(t, "the log tells of it", func() bool { return len(d.find("a letter was not filtered")) == 1 })
}

// rawJSON is a piece of an answer as it came.
type rawJSON string

// UnmarshalJSON implements json.Unmarshaler.
func (r *rawJSON) UnmarshalJSON(text []byte) error {
	*r = rawJSON(text)
	return nil
}

// startRspamd starts a filter with the least configuration, and waits until it answers.
func startRspamd(t *testing.T, w *world, ip string) *process {
	t.Helper()
	dir := w.folder(t, "rspamd")
	config := filepath.Join(dir, "rspamd.conf")
	// The list of all public suffixes takes it minutes to compile.
	if err := os.WriteFile(filepath.Join(dir, "suffixes"), []byte("test\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("DIR", dir, "LISTEN", ip+":11333", "RESOLVER", w.address(1)).Replace(readFile(t, "testdata/rspamd.conf"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := start(dir, nil, rspamd.path, "-f", "-i", "-c", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of rspamd:\n%s", p.tail(20))
		}
	})
	listens := func() bool {
		nc, err := net.Dial("tcp", ip+":11333")
		if err == nil {
			err = nc.Close()
		}
		return err == nil
	}
	if !within(t.Context(), patience, func() bool { return !p.alive() || listens() }) || !p.alive() {
		t.Fatalf("rspamd does not listen\n%s", p.tail(20))
	}
	return p
}
