package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// awaitReady waits until p takes connections to the database, and makes that on the first start. It
// waits as long as the server is at work: recovery may take minutes.
func (c *cluster) awaitReady(ctx context.Context, p *process) error {
	for wait := 5 * time.Millisecond; ; wait = min(wait*5/4, 200*time.Millisecond) {
		// The file is asked first: every connection that comes too early is a line in the log.
		file, err := c.readPidFile()
		if err != nil {
			return err
		}
		if file.pid == p.pid() && file.ready {
			return c.ensureDatabase(ctx)
		}
		timer := time.NewTimer(wait)
		select {
		case <-p.ended:
			timer.Stop()
			return fmt.Errorf("%w: %s", errEnded, p.reason())
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("wait for the server: %w", ctx.Err())
		case <-timer.C:
		}
	}
}

// ensureDatabase connects, and creates the database if the cluster is new.
func (c *cluster) ensureDatabase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if !c.fresh {
		conn, err := pgconn.Connect(ctx, c.url(databaseName))
		if err == nil {
			return conn.Close(ctx)
		}
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "3D000" { // invalid_catalog_name
			return fmt.Errorf("connect to the new server: %w", err)
		}
	}
	conn, err := pgconn.Connect(ctx, c.url("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the new server: %w", err)
	}
	defer conn.Close(ctx)
	if err := conn.Exec(ctx, "CREATE DATABASE "+databaseName).Close(); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	c.fresh = false
	return nil
}

// url is the connection string of one database of the cluster. The port is written out, because
// the environment (PGPORT) would set it otherwise.
func (c *cluster) url(database string) string {
	query := url.Values{"host": {c.runDir}, "port": {port}}
	u := url.URL{Scheme: "postgres", User: url.User(roleName), Path: "/" + database, RawQuery: query.Encode()}
	return u.String()
}
