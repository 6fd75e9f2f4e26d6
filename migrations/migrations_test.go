package migrations_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/pgtest"
	"mxdesk/migrations"
)

// programVariable makes this test program one that migrates the database it names.
const programVariable = "MXDESK_TEST_MIGRATE"

func TestMain(m *testing.M) {
	if url := os.Getenv(programVariable); url != "" {
		if err := migrate(url); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	pgtest.Main(m)
}

// migrate waits for the end of standard input, so that all programs begin at the same moment.
func migrate(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	fmt.Println("connected")
	fmt.Scanln()
	return migrations.Apply(ctx, conn)
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestEightProgramsAtOnce(t *testing.T) {
	const programs = 8
	url := pgtest.EmptyURL(t)
	release, begin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer release.Close()
	var running []*exec.Cmd
	var outputs []*bufio.Reader
	for range programs {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), programVariable+"="+url)
		cmd.Stdin, cmd.Stderr = release, os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running, outputs = append(running, cmd), append(outputs, bufio.NewReader(out))
	}
	for i, out := range outputs {
		if line, err := out.ReadString('\n'); line != "connected\n" {
			t.Errorf("program %d: %q, %v", i, line, err)
		}
	}
	began := time.Now()
	begin.Close()
	for i, cmd := range running {
		said, _ := io.ReadAll(outputs[i])
		if err := cmd.Wait(); err != nil {
			t.Errorf("program %d: %v: %s", i, err, said)
		}
	}
	t.Logf("%d programs took %v", programs, time.Since(began))

	conn := connect(t, url)
	var rows, last, tables int
	const query = `SELECT count(*), max(version), (SELECT count(*) FROM pg_class WHERE relname = 'tickets') FROM schema_migrations`
	if err := conn.QueryRow(t.Context(), query).Scan(&rows, &last, &tables); err != nil {
		t.Fatal(err)
	}
	if rows != migrations.Latest() || last != migrations.Latest() || tables != 1 {
		t.Errorf("%d migrations recorded, the last %d, want %d; %d tables of tickets", rows, last, migrations.Latest(), tables)
	}
}

func TestApplyAgainChangesNothing(t *testing.T) {
	conn := connect(t, pgtest.URL(t))
	const query = "SELECT string_agg(version || name || applied_at, ' ' ORDER BY version) FROM schema_migrations"
	var before, after string
	if err := conn.QueryRow(t.Context(), query).Scan(&before); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Apply(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), query).Scan(&after); err != nil || before != after {
		t.Errorf("%q became %q, %v", before, after, err)
	}
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	conn := connect(t, pgtest.EmptyURL(t))
	fsys := fstest.MapFS{
		"0001_one.sql":   {Data: []byte("CREATE TABLE one ();")},
		"0002_two.sql":   {Data: []byte("CREATE TABLE two ();\nCREATE TABLE three (n intteger);")},
		"0003_three.sql": {Data: []byte("CREATE TABLE four ();")},
	}
	version := func() int {
		v, err := migrations.Version(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := version(); v != 0 {
		t.Errorf("version of an empty database: %d", v)
	}
	var told []migrations.Step
	err := migrations.ApplyFiles(t.Context(), conn, fsys, func(s migrations.Step) { told = append(told, s) })
	if err == nil || !strings.Contains(err.Error(), "migration 0002_two, line 2: ") {
		t.Errorf("error %v, want one that names file and line", err)
	}
	if v := version(); v != 1 {
		t.Errorf("version %d, want 1", v)
	}
	if want := []migrations.Step{{"0001_one", 1, 3}, {"0002_two", 2, 3}}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
	fsys["0002_two.sql"].Data = []byte("CREATE TABLE two (); CREATE TABLE three (n integer);") // "two" must not exist
	if err := migrations.ApplyFiles(t.Context(), conn, fsys, nil); err != nil {
		t.Error(err)
	}
	if v := version(); v != 3 {
		t.Errorf("version %d, want 3", v)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	conn := connect(t, pgtest.URL(t))
	const insert = "INSERT INTO schema_migrations (version, name) VALUES ($1, 'of the future')"
	if _, err := conn.Exec(t.Context(), insert, migrations.Latest()+1); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Apply(t.Context(), conn); !errors.Is(err, migrations.ErrNewer) {
		t.Errorf("error %v, want ErrNewer", err)
	}
}

func TestCheckServerRefusesTheTestServer(t *testing.T) {
	// It runs without fsync, which is just what must not be accepted.
	err := migrations.CheckServer(t.Context(), pgtest.New(t))
	if !errors.Is(err, migrations.ErrUnfit) || !strings.Contains(err.Error(), "fsync is off") {
		t.Errorf("error %v", err)
	}
}
