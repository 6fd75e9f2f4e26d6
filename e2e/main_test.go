//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/pgtest"
)

// patience is how long a story waits for one thing to happen, on a machine that does much else.
const patience = time.Minute

var (
	root    string // the folder of this run
	program string // the built mxdesk
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer func() { os.RemoveAll(root) }() // nothing while root is ""
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	for _, variable := range os.Environ() { // options of somebody's own mxdesk
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "MXDESK_") && !strings.HasPrefix(name, "MXDESK_TEST_") {
			os.Unsetenv(name)
		}
	}
	code := pgtest.Runner{M: m}.Run()
	if err := errors.Join(shared.close(), interop.write()); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	return code
}

const rootPrefix = "mxdesk-e2e-"

// prepare makes the folder, removes those of runs that were killed, and builds mxdesk.
func prepare() (err error) {
	if root, err = os.MkdirTemp("", rootPrefix); err != nil {
		return err
	}
	if err = os.Chmod(root, 0o755); err != nil { // PostgreSQL and Postfix pass it as other users
		return err
	}
	old, err := filepath.Glob(filepath.Join(filepath.Dir(root), rootPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range old {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Hour {
			os.RemoveAll(dir) // what is not ours stays
		}
	}
	program = filepath.Join(root, "mxdesk")
	if out, err := exec.Command("go", "build", "-o", program, "mxdesk").CombinedOutput(); err != nil {
		return fmt.Errorf("build mxdesk: %w\n%s", err, out)
	}
	return nil
}

// peer is a program of others, and the Debian package that has it.
type peer struct{ path, debian string }

// The peers. Python is Debian's, because its modules are.
var (
	postfix    = peer{"/usr/sbin/postfix", "postfix"}
	smtpSource = peer{"/usr/sbin/smtp-source", "postfix"}
	curl       = peer{"/usr/bin/curl", "curl"}
	swaks      = peer{"/usr/bin/swaks", "swaks"}
	haproxy    = peer{"/usr/sbin/haproxy", "haproxy"}
	rspamd     = peer{"/usr/bin/rspamd", "rspamd"}
	python     = peer{"/usr/bin/python3", "python3"}
	perl       = peer{"/usr/bin/perl", "perl"}
	dkimpy     = peer{"/usr/lib/python3/dist-packages/dkim", "python3-dkim"}
	dnspython  = peer{"/usr/lib/python3/dist-packages/dns", "python3-dnspython"}
	nacl       = peer{"/usr/lib/python3/dist-packages/nacl", "python3-nacl"}
	mailDKIM   = peer{"/usr/share/perl5/Mail/DKIM/Verifier.pm", "libmail-dkim-perl"}
)

// need ends the test when a peer is missing: as a failure, unless it was said that its package is not there.
func need(t testing.TB, peers ...peer) {
	t.Helper()
	without := strings.Fields(os.Getenv("MXDESK_TEST_WITHOUT"))
	for _, p := range peers {
		var missing string
		if _, err := os.Stat(p.path); err != nil {
			missing = fmt.Sprintf("%s is missing: install Debian's package %s", p.path, p.debian)
		} else if p == postfix && os.Getuid() != 0 {
			missing = "only root can run Postfix: run the stories as root"
		}
		switch {
		case missing == "":
		case slices.Contains(without, p.debian):
			t.Skipf("%s (MXDESK_TEST_WITHOUT=%s)", missing, strings.Join(without, " "))
		default:
			t.Fatalf("%s, or set MXDESK_TEST_WITHOUT=%s to skip what needs it", missing, p.debian)
		}
	}
}

// eventually waits until what holds; it looks every 20 ms, because programs of others send no signals.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !within(t.Context(), patience, holds) {
		t.Fatalf("waited %v, and still not: %s", patience, what)
	}
}

func within(ctx context.Context, d time.Duration, holds func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// output runs a program to its end and returns what it printed.
func output(t testing.TB, stdin string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mustOutput is output of a program that must succeed.
func mustOutput(t testing.TB, stdin string, name string, args ...string) string {
	t.Helper()
	out, err := output(t, stdin, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return out
}
