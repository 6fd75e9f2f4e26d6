package ticketing

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/postgres"
)

// An ordinary letter, new or an answer, costs at most three round trips to PostgreSQL.
func TestRoundTrips(t *testing.T) {
	d := newDesk(t)
	cfg, err := postgres.PoolConfig(d.pool.Config().ConnString(), 2)
	if err != nil {
		t.Fatal(err)
	}
	var trips postgres.RoundTrips
	cfg.ConnConfig.Tracer = &trips
	if d.pool, err = pgxpool.NewWithConfig(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer d.pool.Close()
	d.intake, err = NewIntake(IntakeConfig{
		Pool: d.pool, Directory: d.dir, Queue: d.queue, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Metrics: prometheus.NewRegistry(), Writers: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { d.intake.Run(running) }) //nolint:errcheck // it returns nil
	defer func() { stop(); wg.Wait() }()

	costs := func(m mail) int64 {
		before := trips.Count()
		d.must(m)
		return trips.Count() - before
	}
	first := mail{from: "carl@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"}
	costs(first) // reserves numbers
	if n := costs(mail{from: "dora@client.test", to: []string{"help@example.test"}, subject: "x", text: "hello"}); n > 3 {
		t.Errorf("a new ticket cost %d round trips", n)
	}
	ack := to(t, d.sentMail(), "carl@client.test")
	if n := costs(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: x", text: "more"}); n > 3 {
		t.Errorf("an answer cost %d round trips, with the one of RCPT", n)
	}
}
