package outbound

import (
	"strings"
	"testing"

	"mxdesk/internal/pgtest"
)

// TestStatements lets PostgreSQL parse and plan every statement of the package.
func TestStatements(t *testing.T) {
	statements := pgtest.Statements(t, ".")
	if len(statements) < 30 {
		t.Fatalf("found %d statements; is the search broken?", len(statements))
	}
	pgtest.Prepare(t, newWorld(t).pool, statements)
}

// TestPlans: no statement of the worker reads the whole queue, also when PostgreSQL plans it without looking at
// its arguments.
func TestPlans(t *testing.T) {
	x := newWorld(t)
	fill(x, 30_000, "dead.test")
	x.exec(`ANALYZE lanes`)
	conn, err := x.pool.Acquire(x.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	do := func(sql string) (lines []string) {
		t.Helper()
		results, err := conn.Conn().PgConn().Exec(x.ctx, sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		for _, row := range results[len(results)-1].Rows {
			lines = append(lines, string(row[0]))
		}
		return lines
	}
	do(`SET plan_cache_mode = force_generic_plan`)
	for name, s := range map[string]struct {
		sql  string
		args int
	}{
		"pending": {sqlPending, 2}, "claim": {sqlClaim, 5}, "renew": {sqlRenew, 3}, "record": {sqlRecord, 20},
		"reap": {sqlReap, 0}, "expire": {sqlExpire, 2}, "postpone": {sqlPostpone, 2}, "restore": {sqlRestoreTime, 3}, "late": {sqlTellLate, 1}, "verdict": {sqlVerdict, 9}, "cancel seen": {sqlCancelSeen, 3},
	} {
		do(`PREPARE p AS ` + s.sql)
		execute := `EXECUTE p`
		if s.args > 0 {
			execute += `(NULL` + strings.Repeat(`, NULL`, s.args-1) + `)`
		}
		for _, line := range do(`EXPLAIN ` + execute) {
			if strings.Contains(line, "Seq Scan on deliveries ") || strings.HasSuffix(line, "Seq Scan on deliveries") {
				t.Errorf("%s: %s", name, strings.TrimSpace(line))
			}
		}
		do(`DEALLOCATE p`)
	}
}
