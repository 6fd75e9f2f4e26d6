package postgres

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// ask returns the one text that a query yields.
func ask(t *testing.T, url, query string) string {
	t.Helper()
	ctx := testContext(t)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var answer string
	if err := conn.QueryRow(ctx, query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

func TestFirstStart(t *testing.T) {
	dir := emptyDir(t)
	s, logs := start(t, dir)
	for query, want := range map[string]string{
		"SELECT current_user || ' ' || current_database()": "mxdesk mxdesk",
		"SHOW server_encoding":                             "UTF8",
		"SHOW data_checksums":                              "on",
		"SHOW fsync":                                       "on",
		"SHOW full_page_writes":                            "on",
		"SHOW synchronous_commit":                          "on",
		"SHOW listen_addresses":                            "",
		"SHOW timezone":                                    "UTC",
		"SHOW jit":                                         "off",
		"SHOW max_connections":                             "60",
		"SHOW default_toast_compression":                   "lz4",
		"SELECT lower('ÄÖÉ')":                              "äöé",
		"SELECT ('straße' ILIKE 'STRAßE')::text":           "true",
		"SELECT to_tsvector('simple', 'Ärger') @@ to_tsquery('simple', 'ärger') || ''":                "true",
		"SELECT count(*)::text FROM pg_hba_file_rules WHERE type <> 'local' OR auth_method <> 'peer'": "0",
	} {
		if got := ask(t, s.URL(), query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "run")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder of the socket: %v, %v; want mode 0700", info, err)
	}
	for _, unwanted := range []string{"WARN", "ERROR", "INFO database system"} {
		if strings.Contains(logs.String(), unwanted) {
			t.Errorf("the log of a first start has %s:\n%s", unwanted, logs)
		}
	}
}

func TestDataStaysFromStartToStart(t *testing.T) {
	dir := clusterDir(t)
	first, _ := start(t, dir)
	ask(t, first.URL(), "WITH x AS (SELECT lo_from_bytea(4711, 'kept')) SELECT '' FROM x")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("postmaster.pid after a stop: %v", err)
	}
	second, logs := start(t, dir)
	if got := ask(t, second.URL(), "SELECT convert_from(lo_get(4711), 'UTF8')"); got != "kept" {
		t.Errorf("found %q", got)
	}
	if strings.Contains(logs.String(), "not properly shut down") {
		t.Errorf("the stop was not clean:\n%s", logs)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	s, _ := start(t, clusterDir(t))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	conn, err := pgx.Connect(testContext(t), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil { // an open transaction does not hold it up
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := pgx.Connect(testContext(t), s.URL()); err == nil {
		t.Error("the server still takes connections")
	}
}

func TestSecondProgramIsRefused(t *testing.T) {
	dir := clusterDir(t)
	other := startChild(t, dir)
	pid := postmasterPid(t, dir)
	_, err := Start(testContext(t), Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(other.Process.Pid)) {
		t.Errorf("error %v, want ErrInUse with process %d", err, other.Process.Pid)
	}
	if pid != postmasterPid(t, dir) || ask(t, other.url, "SELECT 'works'") != "works" {
		t.Error("the first program's server did not survive")
	}
}

func TestForeignDataIsLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		file, content, want string
	}{
		"other major":     {"PG_VERSION", "16\n", "postgresql"},
		"unknown version": {"PG_VERSION", "9.6\n", "unknown version"},
		"no cluster":      {"letter.txt", "Dear Ada", "no PostgreSQL cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := emptyDir(t)
			path := filepath.Join(dir, "data", c.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Start(testContext(t), Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if left, err := os.ReadFile(path); string(left) != c.content {
				t.Errorf("the file is now %q, %v", left, err)
			}
		})
	}
}

func TestUnfinishedClusterIsMadeAnew(t *testing.T) {
	dir := emptyDir(t)
	junk := filepath.Join(dir, "data.new", "base")
	if err := os.MkdirAll(junk, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Start(ctx, Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Fatal("started with a context that had ended")
	}
	s, _ := start(t, dir)
	if got := ask(t, s.URL(), "SELECT 'works'"); got != "works" {
		t.Error(got)
	}
	if _, err := os.Stat(junk); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("data.new: %v", err)
	}
}

func TestStartIsGivenUpWithItsContext(t *testing.T) {
	dir := clusterDir(t)
	ctx, cancel := context.WithCancel(context.Background())
	logs := &cancelOn{newJournal(), "starting PostgreSQL", cancel}
	_, err := Start(ctx, Config{Dir: dir, Logger: slog.New(logs)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	start(t, dir) // the lock is free, and no server in the way
}

// cancelOn cancels when a record begins with text.
type cancelOn struct {
	*journal
	text   string
	cancel func()
}

func (c *cancelOn) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, c.text) {
		c.cancel()
	}
	return c.journal.Handle(ctx, r)
}

func TestPathThatDoesNotDoForASocket(t *testing.T) {
	dir := clusterDir(t)
	for _, name := range []string{strings.Repeat("long/", 20), "with, comma and \"quotes\""} {
		odd := filepath.Join(filepath.Dir(dir), name, "pg")
		if err := os.MkdirAll(filepath.Dir(odd), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir, odd); err != nil {
			t.Fatal(err)
		}
		dir = odd
		s, _ := start(t, dir)
		runDir := s.cluster.runDir
		if strings.HasPrefix(runDir, s.cluster.dir) {
			t.Errorf("the socket is in %s", runDir)
		}
		if got := ask(t, s.URL(), "SELECT 'works'"); got != "works" {
			t.Error(got)
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(runDir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s after the stop: %v", runDir, err)
		}
	}
}

func TestWrongSettingIsReportedInTheServersWords(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	c, err := openCluster(testContext(t), Config{Dir: clusterDir(t), Settings: map[string]string{"shared_buffers": "lots"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	_, err = (&Server{cluster: c, logger: logger}).launchOnce(testContext(t))
	if !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "shared_buffers") {
		t.Errorf("error %v", err)
	}
}

func TestClosedFolderIsNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, who runs the server as another user")
	}
	dir := emptyDir(t)
	closed := filepath.Dir(dir)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Start(testContext(t), Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "may not pass through "+closed+" ") {
		t.Errorf("error %v", err)
	}
}
