package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/postgres"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// printRoundTrips takes letters through an intake of its own on the instance's database, and tells how often each
// waited for PostgreSQL: one at a time, which is the dearest, and fifty at once.
func printRoundTrips(ctx context.Context, pool *pgxpool.Pool) error {
	cfg, err := postgres.PoolConfig(pool.Config().ConnString(), 4)
	if err != nil {
		return err
	}
	var trips postgres.RoundTrips
	cfg.ConnConfig.Tracer = &trips
	counted, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer counted.Close()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	directory, err := ticketing.NewDirectory(ctx, counted, log)
	if err != nil {
		return err
	}
	intake, err := ticketing.NewIntake(ticketing.IntakeConfig{
		Pool: counted, Directory: directory, Queue: outbound.NewQueue(counted, outbound.QueueConfig{}), Log: log, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { intake.Run(running) }) //nolint:errcheck // it returns nil
	defer func() { stop(); wg.Wait() }()
	const letters = 200
	for _, sessions := range []int{1, 50} {
		before := trips.Count()
		if err := deliverFrom(ctx, intake, sessions, letters); err != nil {
			return err
		}
		fmt.Printf("round trips to PostgreSQL for a letter, %d sessions: %.2f\n", sessions, float64(trips.Count()-before)/letters)
	}
	return nil
}

// deliverFrom delivers letters from so many sessions at once.
func deliverFrom(ctx context.Context, intake *ticketing.Intake, sessions, letters int) error {
	var wg sync.WaitGroup
	errs := make(chan error, letters)
	for s := range sessions {
		wg.Go(func() {
			for range letters / sessions {
				if _, err := intake.Deliver(ctx, smallLetter(s)); err != nil {
					errs <- err
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func smallLetter(session int) *message.Letter {
	v := id.New()
	from := address.Address{Local: fmt.Sprintf("r%d", session), Domain: "customer.test"}
	return &message.Letter{
		ID: v, ReceivedAt: time.Now(), MailFrom: from, Recipients: []address.Address{{Local: "help", Domain: "example.test"}},
		Session:  message.Session{ID: id.New(), Client: netip.MustParseAddr("127.0.0.1"), Helo: "client.test", Protocol: "ESMTP"},
		Received: "Received: here\r\n",
		Raw:      fmt.Appendf(nil, "From: %s\r\nTo: help@example.test\r\nSubject: Question\r\nMessage-ID: <%s@customer.test>\r\n\r\nHello.\r\n", from, v),
	}
}
