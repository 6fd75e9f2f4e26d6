//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// postfixServer is an instance of Postfix with folders of its own, the mail server of one domain.
type postfixServer struct {
	*process
	domain, listen, dir string
	lifeline            io.Closer
}

// The mailboxes of each server. Mail to "gone" is taken, and comes back later; "away-…" is an answering machine.
var (
	mailboxes = []string{"carl", "dora", "anna", "load", "gone", "away-path", "away-reply", "away-mute", "away-fresh", "away-list", "away-marked"}
	transport = "gone@DOMAIN closed:\n" +
		"away-path@DOMAIN vacation:\naway-reply@DOMAIN vacation:\naway-mute@DOMAIN vacation:\n" +
		"away-fresh@DOMAIN vacation:\naway-list@DOMAIN vacation:\naway-marked@DOMAIN vacation:\n"
)

// startPostfix starts the mail server of a domain; lines are added to its main.cf.
func startPostfix(w *world, domain, ip string, lines ...string) (*postfixServer, error) {
	p := &postfixServer{domain: domain, listen: fmt.Sprintf("%s:%d", ip, w.port), dir: filepath.Join(w.dir, domain)}
	if err := p.prepare(w, ip, lines); err != nil {
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
	cmd := exec.Command("/bin/sh", "-c", whileRead, "sh", filepath.Join(strings.TrimSpace(string(master)), "master"), "-s", "-c", p.config())
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+p.config())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if p.lifeline, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.process, err = launch(cmd)
	return p, err
}

// whileRead runs a program until the standard input ends. However this test program ends, Postfix must: it changes its user
// now and then, for which Linux takes the signal at the death of a parent from a process.
const whileRead = `"$@" </dev/null & read -r _; kill $!; wait $!`

func (p *postfixServer) config() string { return filepath.Join(p.dir, "etc") }

// prepare makes the folders and files of the instance.
func (p *postfixServer) prepare(w *world, ip string, lines []string) error {
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
	files["etc/main.cf"] += strings.Join(append(lines, ""), "\n")
	replace := strings.NewReplacer("DIR", p.dir, "DOMAIN", p.domain, "PORT", strconv.Itoa(w.port), "ADDRESS", ip, "LISTEN", p.listen)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(replace.Replace(text)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the instance.
func (p *postfixServer) stop() error {
	if err := p.lifeline.Close(); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("the Postfix of %s does not end\n%s", p.domain, p.logTail())
	}
}

// send hands a letter to the server as a user's program does.
func (p *postfixServer) send(t testing.TB, from, to string, letter string) {
	t.Helper()
	mustOutput(t, letter, "/usr/sbin/sendmail", "-C", p.config(), "-i", "-f", from, to)
}

// arrivals counts the letters that it took from a desk.
func (p *postfixServer) arrivals(d *desk) int { return len(p.find("(queue active)", "@"+d.name+">")) }

// mailbox is the Maildir of a user.
func (p *postfixServer) mailbox(name string) maildir {
	return maildir{filepath.Join(p.dir, "mail", name, "new"), p}
}

// logTail is for the words of a failure.
func (p *postfixServer) logTail() string {
	return "log of " + p.domain + ":\n" + p.tail(40, "postfix/anvil", ": disconnect from", ": removed")
}
