package postgres

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childVariable makes this test program a program that runs a server in the folder it names.
const childVariable = "MXDESK_TEST_RUN_SERVER_IN"

const patience = time.Minute // on a machine that does much else

// base is a folder with a cluster that tests copy: initdb takes its time.
var base = sync.OnceValues(func() (string, error) {
	top, err := openTempDir()
	if err != nil {
		return "", err
	}
	baseTop = top
	dir := filepath.Join(top, "pg")
	s, err := Start(context.Background(), Config{Dir: dir, Settings: map[string]string{"fsync": "off"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	return dir, s.Stop()
})

var baseTop string

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := runChild(dir); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(baseTop) // without effect when it is empty
	os.Exit(code)
}

// runChild runs a server, says so, and ends when its standard input does.
func runChild(dir string) error {
	s, err := Start(context.Background(), Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	fmt.Println(s.URL())
	io.Copy(io.Discard, os.Stdin)
	return s.Stop()
}

// child is another program that runs a server.
type child struct {
	*exec.Cmd
	stdin io.Closer
	url   string
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "postgres://") {
		t.Fatalf("child says %q, %v", line, err)
	}
	return &child{cmd, stdin, strings.TrimSpace(line)}
}

// openTempDir makes a folder that the server's user may pass, as t.TempDir does not.
func openTempDir() (string, error) {
	dir, err := os.MkdirTemp("", "mxdesk-test-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// emptyDir is the path of a folder for a server, not yet made.
func emptyDir(t *testing.T) string {
	t.Helper()
	top, err := openTempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(top, "pg")
}

// clusterDir is a folder with a cluster that has been stopped.
func clusterDir(t *testing.T) string {
	t.Helper()
	from, err := base()
	if err != nil {
		t.Fatal(err)
	}
	dir := emptyDir(t)
	if out, err := exec.Command("cp", "-a", from, dir).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	return dir
}

// start starts a server that is stopped with the test.
func start(t *testing.T, dir string) (*Server, *journal) {
	t.Helper()
	logs := newJournal()
	s, err := Start(testContext(t), Config{Dir: dir, Logger: slog.New(logs)})
	if err != nil {
		t.Fatalf("%v\n%s", err, logs)
	}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("log of the server in %s:\n%s", dir, logs)
		}
	})
	return s, logs
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// postmasterPid is the process id of the server that runs in dir.
func postmasterPid(t *testing.T, dir string) int {
	t.Helper()
	file, err := (&cluster{data: filepath.Join(dir, "data")}).readPidFile()
	if err != nil || file.pid == 0 {
		t.Fatalf("no server: %+v, %v", file, err)
	}
	return file.pid
}

func kill(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// journal keeps log records and lets tests wait for one.
type journal struct {
	mu      *sync.Mutex
	lines   *[]string
	changed *sync.Cond
}

func newJournal() *journal {
	mu := new(sync.Mutex)
	return &journal{mu, new([]string), sync.NewCond(mu)}
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	*j.lines = append(*j.lines, r.Level.String()+" "+r.Message)
	j.changed.Broadcast()
	return nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(*j.lines, "\n")
}

// await waits until n records contain text.
func (j *journal) await(t *testing.T, text string, n int) {
	t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		late = true
		j.changed.Broadcast()
	})
	defer timer.Stop()
	j.mu.Lock()
	defer j.mu.Unlock()
	for strings.Count(strings.Join(*j.lines, "\n"), text) < n {
		if late {
			t.Fatalf("waited in vain for %d × %q in\n%s", n, text, strings.Join(*j.lines, "\n"))
		}
		j.changed.Wait()
	}
}
