//go:build linux

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mxdesk/internal/pgtest"
	"mxdesk/internal/postgres"
)

// databaseServer starts a PostgreSQL that is not mxdesk's, with safe settings, and returns its URL.
func databaseServer(t *testing.T, w *world, name string) string {
	t.Helper()
	dir := w.folder(t, name)
	server, err := postgres.Start(context.WithoutCancel(t.Context()), postgres.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server.URL()
}

// TestTwoNodes: one node takes letters, another one sends them and serves the API; they share a PostgreSQL and nothing else.
func TestTwoNodes(t *testing.T) {
	w := theWorld(t)
	url := with("database.url", `"`+databaseServer(t, w, "shared-database")+`"`)
	mouth := newDesk(t, w, url, with("roles", `["deliver", "api", "jobs"]`))
	ear := configured(t, w, url, with("roles", `["smtp"]`))
	ear.serve(t)
	letter := write("carl@"+customerDomain, mouth.support(), "Two of you", "Which one do I talk to?")
	sent := mustOutput(t, letter, program, "send", "--server", ear.smtp(), "--from", "carl@"+customerDomain, "--to", mouth.support(), "-")
	if ack := w.customers.mailbox("carl").await(t, mouth.name, 1); ack.get("Auto-Submitted") != "auto-replied" {
		t.Errorf("the acknowledgement has Auto-Submitted %q", ack.get("Auto-Submitted"))
	}
	w.staff.mailbox("anna").await(t, mouth.name, 1)
	if out := ear.command(t, "trace", idOf(t, sent)); !strings.Contains(out, "became ticket #1") {
		t.Errorf("trace on the node that took the letter:\n%s", out)
	}
	attempts := func(d *desk) int { return len(d.find(`"msg":"attempt"`)) }
	eventually(t, "the node that delivers tells of two attempts", func() bool { return attempts(mouth) >= 2 }) // after the letters are there
	if m, e := attempts(mouth), attempts(ear); m != 2 || e != 0 {
		t.Errorf("the node that delivers made %d attempts, want 2; the other one %d", m, e)
	}
	checkSignatures(t, w, mouth.name)
}

// TestUnsafeDatabaseIsRefused: a PostgreSQL that forgets in a power failure breaks the promise of 250, so mxdesk says so and ends.
func TestUnsafeDatabaseIsRefused(t *testing.T) {
	w := theWorld(t)
	d := configured(t, w, with("database.url", `"`+pgtest.EmptyURL(t)+`"`))
	out, err := output(t, "", program, "--config", d.config, "serve")
	if err == nil || !strings.Contains(out, "fsync") || strings.Count(strings.TrimSpace(out), "\n") > 0 {
		t.Errorf("want one sentence about fsync and a failure, got %v:\n%s", err, out)
	}
}

// TestStopUnderLoad: SIGTERM, later SIGKILL, each with a new start, while a mail server pushes letters. Every 250 that the mail
// server saw is a letter, every letter becomes one ticket, and the exit code after SIGTERM is 0.
func TestStopUnderLoad(t *testing.T) {
	w := theWorld(t)
	need(t, smtpSource)
	d := newDesk(t, w)
	const letters = 400
	mustOutput(t, "", smtpSource.path, "-s", "10", "-m", fmt.Sprint(letters), "-l", "4000",
		"-f", "load@"+customerDomain, "-t", d.support(), "inet:"+w.customers.listen)
	accepted := func() []string { return w.customers.find("status=sent", "to=<"+d.support()+">") }
	for _, end := range []struct {
		after int
		how   func() error
	}{
		{letters / 10, func() error { return d.stop() }},
		{letters / 2, func() error { d.kill(); return nil }},
	} {
		eventually(t, fmt.Sprintf("%d letters taken", end.after), func() bool { return len(accepted()) >= end.after })
		if err := end.how(); err != nil {
			t.Fatalf("%v\n%s", err, d.tail(20))
		}
		if n := len(accepted()); n >= letters {
			t.Fatal("all letters were taken before the end: the load is too small")
		}
		d.serve(t)
	}
	eventually(t, "all letters taken", func() bool { return len(accepted()) >= letters })
	checkPromises(t, d, accepted(), letters)
}

var acceptedID = regexp.MustCompile(`Accepted as ([0-9a-v]{26})`)

// checkPromises: the ids that a mail server was told are known, and there is one ticket for each letter.
func checkPromises(t *testing.T, d *desk, log []string, letters int) {
	t.Helper()
	known, messages := map[string]bool{}, map[string]bool{}
	for _, l := range d.letters(t) {
		known[strings.TrimPrefix(l.ID, "ltr_")] = true
		messages[l.MessageID] = true
		if l.Outcome != "ticket" {
			t.Errorf("letter %+v", l)
		}
	}
	told := map[string]bool{}
	for _, line := range log {
		id := acceptedID.FindStringSubmatch(line)
		if id == nil || !known[id[1]] {
			t.Errorf("a promise that nobody remembers: %s", line)
			continue
		}
		told[id[1]] = true
	}
	if len(told) != letters || len(known) != letters || len(messages) != letters || len(d.tickets(t)) != letters {
		t.Errorf("%d letters sent: %d ids told, %d letters and %d Message-IDs known, %d tickets", letters, len(told), len(known), len(messages), len(d.tickets(t)))
	}
}

// TestFullDisk: with a disk full there is nothing but "try again", and when there is room again everything goes on.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("fills file systems for ten seconds; ./dev e2e runs it")
	}
	t.Run("data folder", func(t *testing.T) {
		fullDisk(t, "data", func(d *desk, ballast string) {
			// Less than the least free space: refused before PostgreSQL feels it.
			fill(t, ballast, 512<<10)
			wantTryLater(t, d, "452 4.3.1")
			// Enough for a letter to begin, not to end.
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			fill(t, ballast, 2<<20)
			wantTryLater(t, d, "452 4.3.1")
		})
	})
	t.Run("PostgreSQL alone", func(t *testing.T) {
		fullDisk(t, "data/postgres", func(d *desk, ballast string) {
			fill(t, ballast, 0)
			for range 10 {
				wantTryLater(t, d, "451 4.3.")
			}
			if len(d.find("No space left on device")) == 0 {
				t.Error("PostgreSQL did not notice that its disk is full")
			}
		})
	})
}

// fullDisk tells the story for a small disk in a place of the desk's folder; whileFull fills it with the file ballast.
func fullDisk(t *testing.T, place string, whileFull func(d *desk, ballast string)) {
	w := theWorld(t)
	need(t, swaks)
	d := configured(t, w, with("smtp.min_free_space", `"1MiB"`))
	disk := filepath.Join(d.dir, place)
	mountSmall(t, disk, "200M")
	d.serve(t)
	d.setUp(t)
	dora := []string{"--server", d.ip, "--port", fmt.Sprint(w.port), "--from", "dora@" + customerDomain, "--to", d.support()}
	before := idOf(t, mustOutput(t, "", swaks.path, dora...))
	ballast := filepath.Join(disk, "ballast")
	whileFull(d, ballast)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	var out string
	eventually(t, "letters are taken again", func() (taken bool) {
		var err error
		out, err = output(t, "", swaks.path, dora...)
		return err == nil
	})
	for _, id := range []string{before, idOf(t, out)} {
		if _, code := d.request(t, "/v1/letters/ltr_"+id); code != http.StatusOK {
			t.Errorf("letter %s: %d", id, code)
		}
	}
	if n := len(d.tickets(t)); n != 2 {
		t.Errorf("%d tickets, want 2", n)
	}
}

// TestSmartHost: everything goes through one relay, which finds the way.
func TestSmartHost(t *testing.T) {
	w := theWorld(t)
	d := newDesk(t, w, with("outbound.transport", `"smtp://`+w.customers.listen+`"`))
	fromOutside(t, d, "dora@"+customerDomain, d.support(), "By way of others")
	l := w.staff.mailbox("anna").await(t, d.name, 1)
	if hops := l.header["Received"]; len(hops) != 2 || !strings.Contains(hops[0], "from mx."+customerDomain) || !strings.Contains(hops[1], "from mx."+d.name) {
		t.Errorf("Received: %q", hops)
	}
	w.customers.mailbox("dora").await(t, d.name, 1)
	checkSignatures(t, w, d.name)
}

// TestFirstMinute runs what `mxdesk serve --dev` tells a newcomer to run.
func TestFirstMinute(t *testing.T) {
	w := theWorld(t)
	need(t, swaks, curl)
	dir := w.folder(t, "first-minute")
	w.mu.Lock()
	w.lastDesk++
	ip := w.address(w.lastDesk)
	w.mu.Unlock()
	// Only the addresses differ from what everybody gets.
	env := []string{"MXDESK_SMTP_LISTEN=" + ip + ":2525", "MXDESK_API_LISTEN=" + ip + ":8025", "MXDESK_METRICS_LISTEN=" + ip + ":9025", "MXDESK_WEB_LISTEN=" + ip + ":8026"}
	p, err := start(dir, env, program, "serve", "--dev")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("%v\n%s", err, p.tail(20))
		}
	})
	eventually(t, "mxdesk tells what to try", func() bool { return len(p.find("Ctrl-C stops it.")) == 1 })
	told := func(begins string) string {
		for _, line := range p.log() {
			if _, after, found := strings.Cut(line, begins); found {
				return "cd '" + dir + "' && " + begins + after
			}
		}
		t.Fatalf("nobody told of %q:\n%s", begins, p.tail(30))
		return ""
	}
	for _, begins := range []string{"swaks ", program + " send "} {
		idOf(t, mustOutput(t, "", "/bin/sh", "-c", told(begins)))
	}
	if out := mustOutput(t, "", "/bin/sh", "-c", told("curl ")); strings.Count(out, `"subject":"Printer on fire"`) != 2 {
		t.Errorf("curl shows:\n%s", out)
	}
	eventually(t, "two acknowledgements and two notifications are in the outbox", func() bool {
		return strings.Count(mustOutput(t, "", "/bin/sh", "-c", told("ls -R ")), ".eml") == 4
	})
	if out := mustOutput(t, "", "/bin/sh", "-c", told(program+" trace ")); !strings.Contains(out, "became ticket #1") {
		t.Errorf("mxdesk trace prints:\n%s", out)
	}
}

// mountSmall mounts a file system of a size that can be filled; without the right to mount the test is skipped.
func mountSmall(t *testing.T, dir, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0755"); err != nil {
		t.Skipf("mounting is not allowed here, so there is no disk to fill: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// fill makes a file grow until no more than left bytes are free.
func fill(t *testing.T, file string, left int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(filepath.Dir(file), &fs); err != nil {
			t.Fatal(err)
		}
		room := int64(fs.Bavail)*fs.Bsize - left
		if room <= 0 {
			return
		}
		if _, err := f.Write(block[:min(room, int64(len(block)))]); err != nil {
			return // full
		}
	}
}

// wantTryLater sends a letter, of 3 MB that do not compress, that must hear a reply that begins so.
func wantTryLater(t *testing.T, d *desk, reply string) {
	t.Helper()
	noise := make([]byte, 2<<20)
	rand.Read(noise) //nolint:errcheck // it never fails
	var body strings.Builder
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(noise)), 76) {
		body.Write(append(line, '\n'))
	}
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte(body.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := output(t, "", swaks.path, "--server", d.ip, "--port", fmt.Sprint(d.w.port), "--from", "dora@"+customerDomain, "--to", d.support(),
		"--body", "@"+file, "--suppress-data")
	if err == nil || !strings.Contains(out, "<** "+reply) {
		t.Errorf("want a reply %s, got %v:\n%s", reply, err, out)
	}
}
