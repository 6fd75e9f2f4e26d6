package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/pgtest"
	"mxdesk/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestEveryTestHasItsOwnDatabase(t *testing.T) {
	ctx := context.Background()
	one, two := pgtest.New(t), pgtest.New(t)
	if _, err := one.Exec(ctx, "INSERT INTO organisations (name, address_key) VALUES ('Example', repeat('k', 32)::bytea)"); err != nil {
		t.Fatal(err)
	}
	for pool, want := range map[*pgxpool.Pool]int{one: 1, two: 0} {
		var n int
		if err := pool.QueryRow(ctx, "SELECT count(*) FROM organisations").Scan(&n); err != nil || n != want {
			t.Errorf("%d organisations, %v; want %d", n, err, want)
		}
		if v, err := migrations.Version(ctx, pool); err != nil || v != migrations.Latest() {
			t.Errorf("schema version %d, %v; want %d", v, err, migrations.Latest())
		}
	}
}

func TestDatabaseGoesWithItsTest(t *testing.T) {
	ctx := context.Background()
	watcher := pgtest.New(t)
	var name string
	t.Run("test", func(t *testing.T) {
		if err := pgtest.New(t).QueryRow(ctx, "SELECT current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
	})
	var left int
	if err := watcher.QueryRow(ctx, "SELECT count(*) FROM pg_database WHERE datname = $1", name).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d databases named %q left, %v", left, name, err)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		pgtest.New(b)
	}
}
