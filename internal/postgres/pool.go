package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PoolConfig is the configuration that every pool of this program has: url, and size connections at
// most. What url says itself (connect_timeout, application_name) stays.
//
// The pool keeps nothing in a session that a statement relies on, so it works through a transaction
// pooler. It survives the end of the server: connections that broke are found out before they are
// handed to a caller, except those used within the last tenth of a second.
func PoolConfig(url string, size int) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", withoutSecrets(err))
	}
	cfg.MaxConns = int32(size)
	cfg.MaxConnLifetime = 30 * time.Minute
	cfg.MaxConnLifetimeJitter = 3 * time.Minute
	cfg.MaxConnIdleTime = 10 * time.Minute
	cfg.PingTimeout = 5 * time.Second
	cfg.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool {
		return p.IdleDuration > 100*time.Millisecond // shorter than any restart of the server
	}
	conn := cfg.ConnConfig
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = 5 * time.Second
	}
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "mxdesk"
	}
	conn.RuntimeParams["timezone"] = "UTC"
	cfg.AfterConnect = setGuards
	return cfg, nil
}

// errUnreadable says nothing of the URL: what cannot be read may have its password anywhere.
var errUnreadable = errors.New("it cannot be read; in user name and password, every character but letters and digits must be written as % and two hex digits")

// withoutSecrets leaves of an error what cannot hold a part of the password. pgx masks that as well as it can, which is not always.
func withoutSecrets(err error) error {
	parse, ok := errors.AsType[*pgconn.ParseConfigError](err)
	if !ok {
		return err
	}
	bare := *parse
	bare.ConnString = ""
	_, why, _ := strings.Cut(bare.Error(), "``: ")
	if why == "" || strings.HasPrefix(why, "failed to parse as ") {
		return errUnreadable
	}
	return errors.New(why)
}

// setGuards lets the server end a transaction that was forgotten, before its snapshot keeps the
// queue's tables from being cleaned. Not a parameter of the connection's start: poolers refuse those.
func setGuards(ctx context.Context, conn *pgx.Conn) error {
	return conn.PgConn().Exec(ctx, "SET idle_in_transaction_session_timeout = '1min'").Close()
}

// Pool opens a pool as PoolConfig describes. It does not wait for the server: connections are made
// when they are needed.
//
// With several hosts in url, a server that became read-only (SQLSTATE 25006) is left at once.
func Pool(ctx context.Context, url string, size int) (*pgxpool.Pool, error) {
	cfg, err := PoolConfig(url, size)
	if err != nil {
		return nil, err
	}
	var pool atomic.Pointer[pgxpool.Pool]
	keep := cfg.ConnConfig.OnPgError
	cfg.ConnConfig.OnPgError = func(c *pgconn.PgConn, e *pgconn.PgError) bool {
		if e.Code != "25006" { // read_only_sql_transaction
			return keep(c, e)
		}
		if p := pool.Load(); p != nil {
			p.Reset()
		}
		return false
	}
	p, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the database pool: %w", err)
	}
	pool.Store(p)
	return p, nil
}

// Await waits until the server takes connections, for as long as patience: one that recovers from a crash does so soon. An error
// that time does not heal, such as a wrong password, is returned at once.
func Await(ctx context.Context, p *pgxpool.Pool, patience time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for tries := 0; ; tries++ {
		err := p.Ping(ctx)
		if err == nil {
			return nil
		}
		if tries == 0 && Transient(err) {
			log.Warn("PostgreSQL takes no connections yet; waiting for it", "error", err, "for", patience)
		}
		timer := time.NewTimer(500 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
		if !Transient(err) || ctx.Err() != nil {
			return fmt.Errorf("connect to PostgreSQL: %w", err)
		}
	}
}

// Transient tells whether a transaction that failed with err may succeed when it is tried again:
// serialisation failure, deadlock, a server that stops, starts, or has become read-only, or a
// connection that broke. After a broken connection it is unknown whether a COMMIT took place.
func Transient(err error) bool {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		switch pgErr.Code {
		case "40001", "40P01", "57P01", "57P02", "57P03", "25006":
			return true
		}
		return strings.HasPrefix(pgErr.Code, "08")
	}
	var connectErr *pgconn.ConnectError
	if errors.As(err, &connectErr) || pgconn.SafeToRetry(err) {
		return true
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // the caller's own patience is at an end
	}
	var netErr net.Error
	return errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
