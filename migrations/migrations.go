// Package migrations brings a database to the shape this program needs.
//
// The files are numbered from 0001 without a gap, and run forward only. Each runs in a transaction
// of its own together with its line in schema_migrations, under an advisory lock that ends with the
// transaction: any number of nodes may start at once, also behind a transaction pooler, and a node
// that dies on the way leaves either the whole step or nothing of it.
//
// A file that has been released is never changed; what must change comes as the next file. A step
// keeps working for the release before it, because old nodes run on while the first new one starts.
package migrations

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed *.sql
var files embed.FS

// ErrNewer is returned when the database has been migrated by a newer release than this program.
var ErrNewer = errors.New("the database belongs to a newer release of mxdesk; this program will not touch it")

// lockKey is the advisory lock that orders nodes which migrate at the same time.
const lockKey = 0x6d786465736b // "mxdesk"

// DB is a pool or a single connection.
type DB interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

type migration struct {
	version int
	name    string // as the file's, without .sql
	sql     string
}

// Apply runs the migrations that db lacks, and waits for another node that is at it. It returns an
// error that wraps ErrNewer when db has more of them than this program.
func Apply(ctx context.Context, db DB) error { return applyFiles(ctx, db, files, nil) }

// Step is one migration that is about to run.
type Step struct {
	Name       string
	Number, Of int
}

// ApplyTelling is Apply, and calls tell before each migration that it runs: one on a large table takes long.
func ApplyTelling(ctx context.Context, db DB, tell func(Step)) error {
	return applyFiles(ctx, db, files, tell)
}

func applyFiles(ctx context.Context, db DB, fsys fs.FS, tell func(Step)) error {
	all, err := load(fsys)
	if err != nil {
		return err
	}
	have, err := Version(ctx, db)
	for err == nil && have < len(all) {
		have, err = applyNext(ctx, db, all, tell)
	}
	if err == nil && have > len(all) {
		err = fmt.Errorf("%w (its schema is version %d, ours %d)", ErrNewer, have, len(all))
	}
	return err
}

// Version is the number of the last migration that db has; 0 for an empty database.
func Version(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (int, error) {
	var exists bool
	if err := db.QueryRow(ctx, "SELECT to_regclass('schema_migrations') IS NOT NULL").Scan(&exists); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	if !exists {
		return 0, nil
	}
	var version int
	if err := db.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM schema_migrations").Scan(&version); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

// Latest is the number of the last migration that this program knows.
func Latest() int {
	names, _ := fs.Glob(files, "*.sql") // the pattern is well formed
	return len(names)
}

// Digest identifies the migrations of this program by their content, in hexadecimal.
func Digest() string {
	h := sha256.New()
	all, _ := load(files) // what cannot be loaded is reported by Apply
	for _, m := range all {
		fmt.Fprintf(h, "%s\x00%s\x00", m.name, m.sql)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// applyNext runs the one migration that comes next, if any is left once the lock is ours, and
// returns the version reached.
func applyNext(ctx context.Context, db DB, all []migration, tell func(Step)) (int, error) {
	// Read committed: the version must be read with a snapshot younger than the lock.
	tx, err := db.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return 0, fmt.Errorf("begin migration: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // without effect after the commit

	const prepare = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
		SET LOCAL client_min_messages = warning; -- a long migration is allowed; IF NOT EXISTS is no news
		SELECT pg_advisory_xact_lock(%d);
		CREATE TABLE IF NOT EXISTS schema_migrations (
			version    integer     PRIMARY KEY,
			name       text        NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now()
		)`
	if err := execScript(ctx, tx, fmt.Sprintf(prepare, lockKey)); err != nil {
		return 0, fmt.Errorf("lock for migration: %w", err)
	}
	have, err := Version(ctx, tx)
	if err != nil || have >= len(all) {
		return have, err
	}
	next := all[have]
	if tell != nil {
		tell(Step{next.name, next.version, len(all)})
	}
	if err := execScript(ctx, tx, next.sql); err != nil {
		return have, fmt.Errorf("migration %s%s: %w", next.name, lineOf(next.sql, err), err)
	}
	_, err = tx.Exec(ctx, "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)", next.version, next.name)
	if err != nil {
		return have, fmt.Errorf("record migration %s: %w", next.name, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return have, fmt.Errorf("commit migration %s: %w", next.name, err)
	}
	return next.version, nil
}

// execScript runs several statements; the extended protocol, which pgx prefers, takes one only.
func execScript(ctx context.Context, tx pgx.Tx, sql string) error {
	return tx.Conn().PgConn().Exec(ctx, sql).Close()
}

// lineOf is ", line N" when err says where in sql it happened.
func lineOf(sql string, err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Position <= 0 {
		return ""
	}
	before := []rune(sql) // positions count characters
	before = before[:min(int(pgErr.Position)-1, len(before))]
	return ", line " + strconv.Itoa(1+strings.Count(string(before), "\n"))
}

// load reads the migrations of fsys in order, and refuses a gap or a name it does not understand.
func load(fsys fs.FS) ([]migration, error) {
	names, err := fs.Glob(fsys, "*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var all []migration
	for i, file := range names {
		digits, _, _ := strings.Cut(file, "_")
		version, err := strconv.Atoi(digits)
		if err != nil || len(digits) != 4 || version != i+1 {
			return nil, fmt.Errorf("migration %s: expected a name that begins with %04d_", file, i+1)
		}
		sql, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		all = append(all, migration{version, strings.TrimSuffix(file, ".sql"), string(sql)})
	}
	return all, nil
}
