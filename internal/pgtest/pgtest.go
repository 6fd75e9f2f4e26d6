// Package pgtest gives every test a database of its own, with all migrations applied.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// and its tests, benchmarks and fuzz targets call New. The server is the one that the environment
// names (MXDESK_TEST_DATABASE, the URL of a superuser; `./dev test` starts one for the whole run), else a
// private one, started when the first test asks for it and stopped by Main. The migrations run once
// for a server: every database is a copy of a template.
//
// The server and the pools have goroutines: a test that looks for leaked ones takes
// goleak.IgnoreCurrent() after New; a package that does uses goleak.VerifyTestMain with a Runner.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/postgres"
	"mxdesk/migrations"
)

// Environment names the variable with the URL of the server that tests use.
const Environment = "MXDESK_TEST_DATABASE"

const (
	poolSize = 8
	patience = 2 * time.Minute // for one step, on a machine that does much else
	lockKey  = 0x706774657374  // "pgtest"
)

// Main runs the tests of a package, stops what New started, and ends the program.
func Main(m *testing.M) { os.Exit(Runner{m}.Run()) }

// Runner does what Main does but returns the exit code; for goleak.VerifyTestMain.
type Runner struct{ M *testing.M }

// Run runs the tests.
func (r Runner) Run() int {
	own.mu.Lock()
	own.stoppable = true
	own.mu.Unlock()
	code := r.M.Run()
	if err := own.end(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	return code
}

// New returns a pool on a fresh database with all migrations applied. When the test ends the pool is
// closed and the database dropped.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return open(t, URL(t))
}

// URL is the URL of a fresh database with all migrations applied, for tests that run whole programs.
// It is dropped when the test ends, whoever is still connected.
func URL(t testing.TB) string {
	t.Helper()
	server := serverURL(t)
	if err := ensureTemplate(server); err != nil {
		t.Fatalf("pgtest: make the template: %v", err)
	}
	return create(t, server, templateName())
}

// EmptyURL is the URL of a fresh database with nothing in it.
func EmptyURL(t testing.TB) string {
	t.Helper()
	return create(t, serverURL(t), "template1")
}

// create makes a database as a copy of template.
func create(t testing.TB, server, template string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(server, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		t.Fatalf("pgtest: create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: drop the database: %v", err)
		}
	})
	u, err := withDatabase(server, name)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return u
}

// open opens a pool on a database of this package.
func open(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Pool(context.Background(), databaseURL, poolSize)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() { pool.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(patience):
			t.Errorf("pgtest: %d connections were acquired and not released", pool.Stat().AcquiredConns())
		}
	})
	return pool
}

// templateName changes with the migrations, so that a server may serve several versions of them.
func templateName() string { return "template_" + migrations.Digest()[:20] }

// ensureTemplate makes the template, once for a server, whatever number of test programs ask for it
// at once. It counts as ready when it is marked: nobody may be connected to it while it is copied.
func ensureTemplate(server string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // and with it the lock
	name := templateName()
	var exists, ready bool
	const query = "SELECT true, datistemplate FROM pg_database WHERE datname = $1 UNION ALL SELECT false, false LIMIT 1"
	look := func() error { return conn.QueryRow(ctx, query, name).Scan(&exists, &ready) }
	if err := look(); err != nil || ready {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lockKey)); err != nil {
		return err
	}
	if err := look(); err != nil || ready {
		return err
	}
	if !exists {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
			return err
		}
	}
	if err := migrate(ctx, server, name); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+name+" IS_TEMPLATE true")
	return err
}

func migrate(ctx context.Context, server, database string) error {
	u, err := withDatabase(server, database)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, u)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return migrations.Apply(ctx, conn)
}

// execute runs one statement on a connection of its own.
func execute(server, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}

func withDatabase(server, database string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("%s: %w", Environment, err)
	}
	u.Path = "/" + database
	return u.String(), nil
}

// serverURL is the URL of the server in use; it starts one when there is none.
func serverURL(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(Environment); u != "" {
		return u
	}
	u, err := own.url()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return u
}

// own is the private server of this test program.
var own ownServer

type ownServer struct {
	mu        sync.Mutex
	stoppable bool // Main runs, and will stop it
	server    *Server
	err       error
}

func (o *ownServer) url() (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.stoppable {
		return "", fmt.Errorf("the package needs: func TestMain(m *testing.M) { pgtest.Main(m) }")
	}
	if o.server == nil && o.err == nil {
		if o.server, o.err = StartServer(); o.err == nil {
			// For the programs that tests start, and the workers of a fuzz run.
			o.err = os.Setenv(Environment, o.server.URL())
		}
	}
	if o.err != nil {
		return "", o.err
	}
	return o.server.URL(), nil
}

func (o *ownServer) end() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.server == nil {
		return nil
	}
	return o.server.Stop()
}
