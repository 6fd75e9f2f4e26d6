package selfcheck

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const sqlDatabaseFacts = `
SELECT clock_timestamp(), current_setting('server_version'), current_setting('max_connections')::int,
       coalesce(extract(epoch FROM max(now() - a.xact_start) FILTER (WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend')), 0)::float8,
       greatest(coalesce(max(age(a.backend_xmin)), 0),
                (SELECT coalesce(max(greatest(coalesce(age(xmin), 0), coalesce(age(catalog_xmin), 0))), 0) FROM pg_replication_slots),
                (SELECT coalesce(max(age(transaction)), 0) FROM pg_prepared_xacts))::bigint,
       (SELECT max(age(datfrozenxid)) FROM pg_database)::bigint,
       count(*) FILTER (WHERE a.backend_type = 'client backend')
  FROM pg_stat_activity a`

// AskDatabase reads the facts, and tells when the clock was read and how long that took.
func AskDatabase(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (f DatabaseFacts, before time.Time, took time.Duration, err error) {
	var oldest float64
	before = time.Now()
	err = db.QueryRow(ctx, sqlDatabaseFacts).Scan(&f.Now, &f.Version, &f.MaxConnections, &oldest, &f.OldestSnapshot, &f.Wraparound, &f.Connections)
	if err != nil {
		return f, before, 0, fmt.Errorf("ask the database: %w", err)
	}
	f.OldestTransaction = time.Duration(oldest * float64(time.Second))
	return f, before, time.Since(before), nil
}
