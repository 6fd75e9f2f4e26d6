package outbound

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestForgetByBlocks: one transaction deletes a block of each table and tells that there is more; in the end what is old is gone,
// and what is not stays.
func TestForgetByBlocks(t *testing.T) {
	x := newWorld(t)
	const old = forgetRows + 10
	x.exec(`INSERT INTO suppressions (organisation_id, address, reason, active, until)
		SELECT $1, n || '@x.test', 'mailbox_full', true, now() + CASE WHEN n > $2 THEN interval '1 day' ELSE interval '-1 day' END
		  FROM generate_series(1, $2 + 3) n`, testOrg, old)
	x.exec(`INSERT INTO mta_sts_policies (domain, policy_id, mode, mx, max_age, fetched_at)
		SELECT n || '.test', '1', 'none', '{}', 3600, now() - CASE WHEN n > $1 THEN interval '0' ELSE interval '2 hours' END
		  FROM generate_series(1, $1 + 3) n`, old)
	x.exec(`INSERT INTO lanes (lane, changed_at) SELECT n || '.test', now() - CASE WHEN n > $1 THEN interval '0' ELSE interval '31 days' END
		  FROM generate_series(1, $1 + 3) n`, old)
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	gone, kept := utcDay(now.Add(-resultAge-24*time.Hour)), utcDay(now)
	for _, c := range []struct {
		day time.Time
		n   int
	}{{gone, old}, {kept, 3}} {
		x.exec(`INSERT INTO tls_results (day, domain, result_key, policy, policy_text, policy_mx, result, sending_ip, receiving_mx, receiving_ip, reason, sessions)
			SELECT $1, 'x.test', decode(md5(n::text), 'hex'), 'sts', '', '', '', '', '', '', '', 1 FROM generate_series(1, $2) n`, c.day, c.n)
		x.exec(`INSERT INTO dmarc_results (day, domain, result_key, record, letters)
			SELECT $1, 'x.test', decode(md5(n::text), 'hex'), '{}', 1 FROM generate_series(1, $2) n`, c.day, c.n)
		x.exec(`INSERT INTO reports_owed (kind, day, domain, next_at) SELECT 'tls', $1, n || '.test', now() FROM generate_series(1, $2) n`, c.day, c.n)
	}
	rows := func(table string) int { return one[int](x, fmt.Sprintf(`SELECT count(*) FROM %s`, table)) }
	for _, c := range []struct {
		name   string
		tables []string
		forget func(pgx.Tx) (bool, error)
	}{
		{"history", []string{"suppressions", "mta_sts_policies", "lanes"}, func(tx pgx.Tx) (bool, error) { return forget(x.ctx, tx, 90*24*time.Hour) }},
		{"results", []string{"tls_results", "dmarc_results", "reports_owed"}, func(tx pgx.Tx) (bool, error) { return forgetResults(x.ctx, tx, now) }},
	} {
		for _, left := range []int{10 + 3, 3} {
			var more bool
			err := pgx.BeginFunc(x.ctx, x.pool, func(tx pgx.Tx) (err error) { more, err = c.forget(tx); return err })
			if err != nil || more != (left > 3) {
				t.Errorf("%s: more: %v, %v", c.name, more, err)
			}
			for _, table := range c.tables {
				if n := rows(table); n != left {
					t.Errorf("%s has %d rows, want %d", table, n, left)
				}
			}
		}
	}
}
