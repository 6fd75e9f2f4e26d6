//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// postfixServer is an instance of Postfix with folders of its own, the mail server of one domain.
type postfixServer struct {
	*process
	domain, listen, dir string
}

// The mailboxes of each server. Mail to "gone" is taken, and comes back later; "away-…" is an answering machine.
var (
	mailboxes = []string{"carl", "dora", "anna", "load", "gone", "away-path", "away-reply", "away-mute"}
	transport = "gone@DOMAIN closed:\n" +
		"away-path@DOMAIN vacation:\naway-reply@DOMAIN vacation:\naway-mute@DOMAIN vacation:\n"
)

func startPostfix(w *world, domain, ip string) (*postfixServer, error) {
	p := &postfixServer{domain: domain, listen: fmt.Sprintf("%s:%d", ip, w.port), dir: filepath.Join(w.dir, domain)}
	if err := p.prepare(w, ip); err != nil {
		return nil, err
	}
	// check makes the queue folders.
	if out, err := exec.Command(postfix.path, "-c", p.config(), "check").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("postfix check: %w\n%s", err, out)
	}
	master, err := exec.Command("/usr/sbin/postconf", "-h", "daemon_directory").Output()
	if err != nil {
		return nil, err
	}
	// -s keeps the standard output, where postlogd writes the log.
	p.process, err = start(p.dir, []string{"MAIL_CONFIG=" + p.config()}, filepath.Join(strings.TrimSpace(string(master)), "master"), "-s", "-c", p.config())
	return p, err
}

func (p *postfixServer) config() string { return filepath.Join(p.dir, "etc") }

// prepare makes the folders and files of the instance.
func (p *postfixServer) prepare(w *world, ip string) error {
	mailOwner, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(mailOwner.Uid)
	if err != nil {
		return err
	}
	for _, dir := range []string{"etc", "queue/etc", "data", "mail"} {
		if err := os.MkdirAll(filepath.Join(p.dir, dir), 0o755); err != nil {
			return err
		}
	}
	const nobody = 65534
	if err := errors.Join(os.Chown(filepath.Join(p.dir, "data"), uid, -1), os.Chown(filepath.Join(p.dir, "mail"), nobody, nobody)); err != nil {
		return err
	}
	if _, _, err := certificate(p.dir, "mx."+p.domain); err != nil {
		return err
	}
	var boxes strings.Builder
	for _, name := range mailboxes {
		fmt.Fprintf(&boxes, "%s@%s %s/\n", name, p.domain, name)
	}
	files := map[string]string{
		"mailboxes": boxes.String(), "transport": transport, "queue/etc/resolv.conf": "nameserver " + w.address(1) + "\n",
	}
	for from, to := range map[string]string{"main.cf": "etc/main.cf", "master.cf": "etc/master.cf", "vacation.py": "vacation.py", "closed.sh": "closed.sh"} {
		text, err := os.ReadFile(filepath.Join("testdata", from))
		if err != nil {
			return err
		}
		files[to] = string(text)
	}
	replace := strings.NewReplacer("DIR", p.dir, "DOMAIN", p.domain, "PORT", strconv.Itoa(w.port), "ADDRESS", ip, "LISTEN", p.listen)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(replace.Replace(text)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the instance. Postfix's master dies of the signal that ends it.
func (p *postfixServer) stop() error {
	err := p.process.stop()
	if s, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() && s.Signal() == syscall.SIGTERM {
		return nil
	}
	return err
}

// send hands a letter to the server as a user's program does.
func (p *postfixServer) send(t testing.TB, from, to string, letter string) {
	t.Helper()
	mustOutput(t, letter, "/usr/sbin/sendmail", "-C", p.config(), "-i", "-f", from, to)
}

// mailbox is the Maildir of a user.
func (p *postfixServer) mailbox(name string) maildir {
	return maildir{filepath.Join(p.dir, "mail", name, "new"), p}
}

// logTail is for the words of a failure.
func (p *postfixServer) logTail() string {
	return "log of " + p.domain + ":\n" + p.tail(15)
}
