package admission

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func newStore(t *testing.T) *Store {
	return &Store{Pool: pgtest.New(t), Log: slog.New(slog.DiscardHandler)}
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func TestStatements(t *testing.T) {
	statements := pgtest.Statements(t, ".")
	if len(statements) < 7 {
		t.Fatalf("%d statements found", len(statements))
	}
	pgtest.Prepare(t, pgtest.New(t), statements)
}

func TestTried(t *testing.T) {
	s := newStore(t)
	network := netip.MustParsePrefix("192.0.2.0/24")
	tried := func(sender, recipient string) time.Duration {
		t.Helper()
		age, err := s.Tried(t.Context(), network, sender, recipient)
		if err != nil {
			t.Fatal(err)
		}
		return age
	}
	if age := tried("a@example.org", "help@example.test"); age != 0 {
		t.Errorf("the first attempt was %v ago", age)
	}
	exec(t, s.Pool, "UPDATE greylist SET first_at = now() - interval '10 minutes'")
	if age := tried("a@example.org", "help@example.test"); age < 10*time.Minute || age > 11*time.Minute {
		t.Errorf("the first attempt was %v ago, want 10 minutes", age)
	}
	if age := tried("a@example.orgh", "elp@example.test"); age != 0 {
		t.Errorf("another sender was here %v ago", age)
	}
}

func TestKnown(t *testing.T) {
	s := newStore(t)
	known := func(sender string, want bool) {
		t.Helper()
		if got, err := s.Known(t.Context(), sender); err != nil || got != want {
			t.Errorf("%s known: %v, %v; want %v", sender, got, err, want)
		}
	}
	known("a@example.org", false)
	for range 2 {
		if err := s.Passed(t.Context(), "a@example.org"); err != nil {
			t.Fatal(err)
		}
	}
	known("a@example.org", true)
	known("b@example.org", false)
	exec(t, s.Pool, `INSERT INTO organisations (organisation_id, name, address_key) VALUES (1, 'x', repeat('k', 32)::bytea), (2, 'y', repeat('k', 32)::bytea)`)
	exec(t, s.Pool, `INSERT INTO people (organisation_id, person_id, kind) VALUES (2, '018f0000-0000-7000-8000-000000000001', 'customer')`)
	exec(t, s.Pool, `INSERT INTO person_addresses (organisation_id, address, person_id, written)
		VALUES (2, 'b@example.org', '018f0000-0000-7000-8000-000000000001', 'B@example.org')`)
	known("b@example.org", true)
}

func TestSpend(t *testing.T) {
	s := newStore(t)
	began := time.Now()
	spend := func(letters []int, want ...float64) {
		t.Helper()
		perMinute := []int{60, 600}
		left, err := s.Spend(t.Context(), []string{"sender a", "network b"}, letters, perMinute)
		if err != nil || len(left) != 2 {
			t.Fatalf("left %v, %v", left, err)
		}
		for i := range left { // time goes on, and fills up
			if most := want[i] + time.Since(began).Minutes()*float64(perMinute[i]); left[i] < want[i]-0.01 || left[i] > most+0.01 {
				t.Errorf("left %v, want %v, at most %v", left, want, most)
			}
		}
	}
	spend([]int{10, 1}, 50, 599)
	spend([]int{20, 1}, 30, 598)
	exec(t, s.Pool, "UPDATE rate_buckets SET at = at - interval '10 seconds'")
	spend([]int{5, 5}, 35, 595)    // ten seconds bring 10 and fill up
	spend([]int{200, 0}, -60, 595) // no debt is longer than a minute
	exec(t, s.Pool, "UPDATE rate_buckets SET at = at - interval '2 minutes'")
	spend([]int{0, 0}, 60, 600)
}

func TestPrune(t *testing.T) {
	s := newStore(t)
	exec(t, s.Pool, `INSERT INTO greylist (triple, first_at, last_at) VALUES
		(repeat('a', 16)::bytea, now() - interval '3 days', now() - interval '3 days'),
		(repeat('b', 16)::bytea, now() - interval '4 days', now() - interval '3 days'),
		(repeat('c', 16)::bytea, now() - interval '60 days', now() - interval '50 days'),
		(repeat('d', 16)::bytea, now(), now())`)
	exec(t, s.Pool, `INSERT INTO greylist_known VALUES (repeat('a', 16)::bytea, now() - interval '401 days'), (repeat('b', 16)::bytea, now())`)
	exec(t, s.Pool, `INSERT INTO rate_buckets VALUES (repeat('a', 16)::bytea, 1, 0, now() - interval '3 minutes'), (repeat('b', 16)::bytea, 1, 0, now())`)
	// More than one page, old and young ones in turn.
	exec(t, s.Pool, `INSERT INTO rate_buckets SELECT decode(md5(n::text), 'hex'), 1, 0, now() - n % 2 * interval '1 hour' FROM generate_series(1, $1::int) n`, 2*pruneRows+2)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	if err := s.prune(ctx); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"greylist": 2, "greylist_known": 1, "rate_buckets": pruneRows + 2} {
		var n int
		if err := s.Pool.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil || n != want {
			t.Errorf("%s has %d rows, %v; want %d", table, n, err, want)
		}
	}
	go func() { ended <- s.Run(ctx) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
