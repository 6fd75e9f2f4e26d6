package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// postfix is a Postfix of our own, apart from the system's: its own folders, ports and processes.
type postfix struct{ *peer }

// newPostfix starts a Postfix; lines are added to its main.cf.
func newPostfix(ctx context.Context, lines ...string) (*postfix, error) {
	if _, err := exec.LookPath("postfix"); err != nil {
		return nil, errors.New("there is no postfix: apt-get install postfix")
	}
	made, err := newPeer("postfix")
	if err != nil {
		return nil, err
	}
	p := &postfix{made}
	if err := p.start(ctx, lines); err != nil {
		p.stop()
		return nil, fmt.Errorf("start postfix: %w", err)
	}
	return p, nil
}

func (p *postfix) start(ctx context.Context, lines []string) error {
	if err := p.write(lines); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "postfix", "-c", p.conf(), "start").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return p.answers(ctx, 10*time.Second)
}

func (p *postfix) conf() string { return filepath.Join(p.dir, "conf") }

func (p *postfix) write(lines []string) error {
	if err := os.Chmod(p.dir, 0o755); err != nil {
		return err
	}
	for _, d := range []string{"conf", "queue", "data"} {
		if err := os.MkdirAll(filepath.Join(p.dir, d), 0o755); err != nil {
			return err
		}
	}
	if out, err := exec.Command("chown", "postfix", filepath.Join(p.dir, "data")).CombinedOutput(); err != nil {
		return fmt.Errorf("chown: %w: %s", err, out)
	}
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/log
maillog_file_prefixes = /tmp
myhostname = postfix.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
relay_domains = example.test
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
default_process_limit = 100
in_flow_delay = 0
message_size_limit = 60000000
%[2]s
`, p.dir, strings.Join(lines, "\n"))
	master := p.port + `  inet n - n - 100 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`
	for name, text := range map[string]string{"main.cf": main, "master.cf": master} {
		if err := os.WriteFile(filepath.Join(p.conf(), name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// master is the process id of Postfix's master.
func (p *postfix) master() int {
	text, _ := os.ReadFile(filepath.Join(p.dir, "queue", "pid", "master.pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// queued counts the letters in a queue of Postfix.
func (p *postfix) queued(queues ...string) (n int) {
	for _, q := range queues {
		filepath.WalkDir(filepath.Join(p.dir, "queue", q), func(_ string, d os.DirEntry, err error) error { //nolint:errcheck // files come and go
			if err == nil && !d.IsDir() {
				n++
			}
			return nil
		})
	}
	return n
}

// empty waits until Postfix has nothing left to deliver.
func (p *postfix) empty() error {
	for begin := time.Now(); p.queued("maildrop", "hold", "incoming", "active", "deferred") > 0; time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > 10*time.Minute {
			return errors.New("the queue was not empty after ten minutes")
		}
	}
	return nil
}

// clear deletes all letters.
func (p *postfix) clear() error {
	out, err := exec.Command("postsuper", "-c", p.conf(), "-d", "ALL").CombinedOutput()
	if err != nil {
		return fmt.Errorf("postsuper: %w: %s", err, out)
	}
	return nil
}

func (p *postfix) stop() {
	exec.Command("postfix", "-c", p.conf(), "stop").Run() //nolint:errcheck // the end
	p.peer.stop()
}
