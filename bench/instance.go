package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/dns"
	"mxdesk/internal/postgres"
)

// instance is one mxdesk with a private PostgreSQL, in a folder of its own.
type instance struct {
	node
	dir   string
	smtp  string      // address
	text  string      // of the configuration
	names *dns.Server // an empty DNS, so that authentication costs what it costs and nobody else is asked
}

// node is one running mxdesk.
type node struct {
	program string
	config  string // path
	log     *os.File
	cmd     *exec.Cmd
	ended   chan struct{} // closed when it has ended
}

// newInstance makes the folder and the configuration; lines are added to its section [outbound]. Its DNS is empty
// unless they name one.
func newInstance(program, transport string, lines ...string) (*instance, error) {
	dir, err := os.MkdirTemp("/tmp", "mxdesk-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the database runs as another user
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	api, err := freePort()
	if err != nil {
		return nil, err
	}
	in := &instance{node: node{program: program, config: filepath.Join(dir, "mxdesk.toml")}, dir: dir, smtp: "127.0.0.1:" + port}
	in.text = fmt.Sprintf(`hostname = "mx.example.test"
data_dir = %q
[smtp]
listen = [%q]
messages_per_connection = 100000
[admission]
check_sender_domain = false
rate_per_sender = 0
rate_per_sender_domain = 0
rate_per_network = 0
rate_per_recipient = 0
[api]
listen = ["127.0.0.1:%s"]
[metrics]
listen = []
[log]
level = "warn"
[outbound]
transport = %q
allow_private_destinations = true
%s
`, filepath.Join(dir, "data"), in.smtp, api, transport, strings.Join(lines, "\n"))
	if !slices.Contains(lines, "[dns]") {
		// Customers are proven, so that each has an answer.
		if in.names, err = dns.Serve("127.0.0.1:0", dns.Fake{"customer.test": {TXT: []string{senderHere}}}); err != nil {
			return nil, err
		}
		in.text += fmt.Sprintf("[dns]\nresolvers = [%q]\n", in.names.Addr.String())
	}
	if err := in.configure(in.text); err != nil {
		return nil, err
	}
	if in.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	return in, nil
}

// configure writes the configuration; it holds from the next start.
func (in *instance) configure(text string) error { return os.WriteFile(in.config, []byte(text), 0o600) }

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// start starts the program; it does not wait until it is ready.
func (n *node) start() error {
	n.cmd = exec.Command(n.program, "--config", n.config, "serve")
	n.cmd.Stderr, n.cmd.Stdout = n.log, n.log
	if err := n.cmd.Start(); err != nil {
		return err
	}
	n.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		cmd.Wait() //nolint:errcheck // it is killed often
		close(ended)
	}(n.cmd, n.ended)
	return nil
}

// ready waits until the program greets.
func (in *instance) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", in.smtp)
		if err == nil {
			conn.SetDeadline(time.Now().Add(5 * time.Second)) //nolint:errcheck // the read tells
			greeting := make([]byte, 4)
			_, err = conn.Read(greeting)
			conn.Close() //nolint:errcheck // it was only a look
			if err == nil && string(greeting[:3]) == "220" {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("mxdesk did not get ready; its log is %s", in.log.Name())
		case <-in.ended:
			return fmt.Errorf("mxdesk ended; its log is %s", in.log.Name())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// command runs another command of the program.
func (in *instance) command(args ...string) error {
	out, err := exec.Command(in.program, append([]string{"--config", in.config}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mxdesk %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// pool opens the instance's database, when it takes connections.
func (in *instance) pool(ctx context.Context) (*pgxpool.Pool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		pool, err := in.tryPool(ctx)
		if err == nil || ctx.Err() != nil {
			return pool, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (in *instance) tryPool(ctx context.Context) (*pgxpool.Pool, error) {
	url, err := postgres.Attach(filepath.Join(in.dir, "data", "postgres"))
	if err != nil {
		return nil, err
	}
	pool, err := postgres.Pool(context.WithoutCancel(ctx), url, 4)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// postmaster is the process id of the database server, or 0.
func (in *instance) postmaster() int {
	return postmasterOf(filepath.Join(in.dir, "data", "postgres", "data"))
}

// postmasterOf is the process id of the server on a data directory, or 0.
func postmasterOf(data string) int {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return pid
}

// senderHere is the SPF record of who sends from this machine.
const senderHere = "v=spf1 ip4:127.0.0.0/8 -all"

// testZone is a DNS in which every domain's mail goes to a host of this machine: all to the shared one, or, if that is "", each
// to its own.
func testZone(shared string) dns.Fake {
	zone := dns.Fake{}
	for i := range domains {
		mx := cmp.Or(shared, "mx."+domain(i))
		zone[mx] = dns.Records{A: []string{"127.0.0.1"}}
		zone[domain(i)] = dns.Records{MX: []dns.MX{{Preference: 10, Host: mx}}, TXT: []string{senderHere}}
	}
	return zone
}

// kill ends the program without a word.
func (n *node) kill() {
	n.cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-n.ended
}

// stop ends the program as an operator does.
func (in *instance) stop() error {
	if in.cmd == nil {
		return nil
	}
	in.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	select {
	case <-in.ended:
	case <-time.After(time.Minute):
		in.kill()
		return errors.New("mxdesk did not stop within a minute")
	}
	if code := in.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("mxdesk ended with %d; its log is %s", code, in.log.Name())
	}
	return nil
}

// remove deletes the folder.
func (in *instance) remove() {
	if in.names != nil {
		in.names.Close() //nolint:errcheck // nobody asks any more
	}
	in.log.Close()       //nolint:errcheck // nothing more is written
	os.RemoveAll(in.dir) //nolint:errcheck // a leftover in /tmp does no harm
}
