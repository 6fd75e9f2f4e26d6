package postgres

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// awaitEnd waits until the process that fd stands for has ended.
func awaitEnd(t *testing.T, fd int) {
	t.Helper()
	defer unix.Close(fd)
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(patience.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n != 1 {
			t.Fatalf("the process does not end: %d, %v", n, err)
		}
		return
	}
}

func processHandle(t *testing.T, pid int) int {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// state is what the cluster says of itself on disk: "shut down", "in production", …
func state(t *testing.T, dir string) string {
	t.Helper()
	found, err := findPrograms(testContext(t), "", minimumMajor)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(found.dir, "pg_controldata"), filepath.Join(dir, "data"))
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if value, found := strings.CutPrefix(line, "Database cluster state:"); found {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no state in %s", out)
	return ""
}

func TestKilledServerIsRestartedAndPoolSurvives(t *testing.T) {
	dir := clusterDir(t)
	s, logs := start(t, dir)
	ctx := testContext(t)
	pool, err := Pool(ctx, s.URL(), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "CREATE TABLE kept (n integer)"); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		if _, err := pool.Exec(ctx, "INSERT INTO kept VALUES ($1)", n); err != nil {
			t.Fatalf("round %d: %v", n, err)
		}
		kill(t, postmasterPid(t, dir), syscall.SIGKILL)
		logs.await(t, "PostgreSQL runs again", n)
		var count int
		if err := pool.QueryRow(ctx, "SELECT count(*) FROM kept").Scan(&count); err != nil || count != n {
			t.Fatalf("round %d: %d rows, %v", n, count, err)
		}
	}
}

func TestKilledBackendDoesNotEndTheServer(t *testing.T) {
	dir := clusterDir(t)
	s, logs := start(t, dir)
	ctx := testContext(t)
	pool, err := Pool(ctx, s.URL(), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var backend int
	if err := pool.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		t.Fatal(err)
	}
	before := postmasterPid(t, dir)
	kill(t, backend, syscall.SIGKILL)
	logs.await(t, "all server processes terminated", 1)
	logs.await(t, "ready to accept connections", 2)
	var one int
	for err := errors.New("not asked"); err != nil; { // the connections that broke are sorted out
		if err = pool.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil && !Transient(err) {
			t.Fatal(err)
		}
	}
	if after := postmasterPid(t, dir); after != before {
		t.Errorf("server %d became %d", before, after)
	}
}

func TestServerThatKeepsEndingIsGivenUp(t *testing.T) {
	dir := clusterDir(t)
	s, logs := start(t, dir)
	for n := 1; n <= maxEnds; n++ {
		kill(t, postmasterPid(t, dir), syscall.SIGKILL)
		if n < maxEnds {
			logs.await(t, "PostgreSQL runs again", n)
		}
	}
	if err := s.Run(testContext(t)); !errors.Is(err, ErrGaveUp) {
		t.Errorf("Run returns %v", err)
	}
	start(t, dir) // the folder is free again
}

func TestServerEndsCleanlyWhenTheProgramIsKilled(t *testing.T) {
	dir := clusterDir(t)
	program := startChild(t, dir)
	server := processHandle(t, postmasterPid(t, dir))
	ask(t, program.url, "SELECT 'works'")
	kill(t, program.Process.Pid, syscall.SIGKILL)
	awaitEnd(t, server)
	if got := state(t, dir); got != "shut down" {
		t.Errorf("the cluster is %q", got)
	}
}

func TestStartAfterBothWereKilled(t *testing.T) {
	dir := clusterDir(t)
	for n := range 3 {
		program := startChild(t, dir)
		ask(t, program.url, "SELECT lo_from_bytea(0, 'kept')::text")
		pid := postmasterPid(t, dir)
		// The program is stopped first, so that it cannot restart the server or let it end cleanly.
		kill(t, program.Process.Pid, syscall.SIGSTOP)
		kill(t, pid, syscall.SIGKILL)
		kill(t, program.Process.Pid, syscall.SIGKILL)
		if err := program.Wait(); err == nil {
			t.Error("the program ended well")
		}
		if got := state(t, dir); got != "in production" {
			t.Fatalf("the cluster is %q", got)
		}
		s, logs := start(t, dir)
		if got := ask(t, s.URL(), "SELECT count(*)::text FROM pg_largeobject_metadata"); got != strconv.Itoa(n+1) {
			t.Errorf("%s objects, want %d", got, n+1)
		}
		logs.await(t, "not properly shut down", 1)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServerLeftBehindIsStopped(t *testing.T) {
	dir := clusterDir(t)
	c, err := openCluster(testContext(t), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := startProcess(c.serverCommand(0), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.awaitReady(testContext(t), orphan); err != nil {
		t.Fatal(err)
	}
	c.close() // the lock is free while the server runs: as after the death of a program elsewhere than on Linux

	conn, err := pgx.Connect(testContext(t), c.url(databaseName)) // a client does not hold it up
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	s, logs := start(t, dir)
	<-orphan.ended
	logs.await(t, "left running", 1)
	if orphan.err != nil || strings.Contains(logs.String(), "not properly shut down") {
		t.Errorf("the server left behind did not end cleanly: %v\n%s", orphan.err, logs)
	}
	if got := ask(t, s.URL(), "SELECT 'works'"); got != "works" {
		t.Error(got)
	}
}

func TestStalePidOfAStranger(t *testing.T) {
	dir := clusterDir(t)
	account, err := chooseAccount(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	// A process of the same user, as another PostgreSQL on the machine would be.
	stranger := exec.Command("sleep", "600")
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: account.credential}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stranger.Process.Kill(); stranger.Wait() }()
	stale := strconv.Itoa(stranger.Process.Pid) + "\n" + filepath.Join(dir, "data") + "\n1\n5432\n\n\n"
	path := filepath.Join(dir, "data", "postmaster.pid")
	if err := os.WriteFile(path, []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := account.give(path); err != nil {
		t.Fatal(err)
	}
	s, logs := start(t, dir)
	if strings.Contains(logs.String(), "trying again") {
		t.Errorf("it took more than one attempt:\n%s", logs)
	}
	if got := ask(t, s.URL(), "SELECT 'works'"); got != "works" {
		t.Error(got)
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger: %v", err)
	}
}
