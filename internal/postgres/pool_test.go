package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestPoolConfig(t *testing.T) {
	const hosts = "postgres://u:secret@a,b/d?target_session_attrs=read-write"
	cfg, err := PoolConfig(hosts+"&connect_timeout=2&application_name=other", 7)
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.ConnConfig
	if cfg.MaxConns != 7 || c.ConnectTimeout != 2*time.Second || c.RuntimeParams["application_name"] != "other" || len(c.Fallbacks) == 0 {
		t.Errorf("what the URL says is lost: %d %v %v %d", cfg.MaxConns, c.ConnectTimeout, c.RuntimeParams, len(c.Fallbacks))
	}
	if cfg, err = PoolConfig(hosts, 7); err != nil {
		t.Fatal(err)
	}
	if c := cfg.ConnConfig; c.ConnectTimeout != 5*time.Second || c.RuntimeParams["application_name"] != "mxdesk" {
		t.Errorf("defaults: %v %v", c.ConnectTimeout, c.RuntimeParams)
	}
	for url, why := range map[string]string{
		"postgres://u:secret@a:port/d": "invalid port", "postgres://u:top@secret@:a/%zz": "hex digits", "postgres://u:top%secret@a/d": "hex digits",
		"host=a password='secret": "hex digits", "postgres://u:secret@a/d?sslmode=strange": "sslmode", "postgres://u:secret@a/d?pool_max_conns=x": "pool_max_conns",
	} {
		if _, err := PoolConfig(url, 7); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: error %v, want one of %s and without the password", url, err, why)
		}
	}
}

func TestPool(t *testing.T) {
	s, _ := start(t, clusterDir(t))
	ctx := testContext(t)
	pool, err := Pool(ctx, s.URL(), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for setting, want := range map[string]string{
		"application_name": "mxdesk", "timezone": "UTC", "idle_in_transaction_session_timeout": "1min",
	} {
		var got string
		if err := pool.QueryRow(ctx, "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", setting, got, err, want)
		}
	}
}

func TestAwait(t *testing.T) {
	dir := clusterDir(t)
	s, _ := start(t, dir)
	ctx := testContext(t)
	pool, err := Pool(ctx, s.URL(), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := Await(ctx, pool, time.Millisecond, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a server that is down does not answer")
	}
	warned := make(warnings, 1)
	ended := make(chan error, 1)
	go func() { ended <- Await(ctx, pool, time.Minute, slog.New(slog.NewTextHandler(warned, nil))) }()
	select {
	case <-warned:
	case err := <-ended:
		t.Fatalf("did not wait: %v", err)
	}
	start(t, dir)
	if err := <-ended; err != nil {
		t.Errorf("after its start: %v", err)
	}
}

// warnings receives each line of a log.
type warnings chan string

func (w warnings) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}

func TestPoolLeavesAServerThatBecameReadOnly(t *testing.T) {
	s, _ := start(t, clusterDir(t))
	ctx := testContext(t)
	pool, err := Pool(ctx, s.URL(), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	one, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	two, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []interface {
		Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
	}{one, two} {
		if _, err := c.Exec(ctx, "SET default_transaction_read_only = on"); err != nil {
			t.Fatal(err)
		}
	}
	two.Release()
	if _, err := one.Exec(ctx, "CREATE TABLE x ()"); err == nil || !Transient(err) {
		t.Errorf("on a read-only server: %v, want a transient error", err)
	}
	one.Release()
	if _, err := pool.Exec(ctx, "CREATE TABLE x ()"); err != nil {
		t.Errorf("after that: %v", err) // both connections must be new
	}
}

func TestTransient(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&pgconn.PgError{Code: "40001"}, true},
		{fmt.Errorf("commit: %w", &pgconn.PgError{Code: "40P01"}), true},
		{&pgconn.PgError{Code: "57P01"}, true},
		{&pgconn.PgError{Code: "57P03"}, true},
		{&pgconn.PgError{Code: "08006"}, true},
		{&pgconn.PgError{Code: "25006"}, true},
		{&pgconn.PgError{Code: "23505"}, false},
		{&pgconn.PgError{Code: "57014"}, false}, // the statement was cancelled
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true},
		{&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, true},
		{context.Canceled, false},
		{fmt.Errorf("intake: %w", context.DeadlineExceeded), false},
		{errors.New("no such ticket"), false},
		{nil, false},
	} {
		if got := Transient(c.err); got != c.want {
			t.Errorf("Transient(%v) = %t", c.err, got)
		}
	}
	_, err := pgconn.Connect(t.Context(), "postgres://u@/d?host="+t.TempDir())
	if !Transient(err) {
		t.Errorf("Transient(%v) = false", err)
	}
}
