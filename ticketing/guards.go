package ticketing

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/ticketing/guard"
)

// guards is a node's part in guarding against loops: how many automatic letters went to each address. It counts in
// memory, because a row that every letter changes (that of an agent who is told of all) would put all transactions in
// one line. Addresses that get many letters are shared with the other nodes by way of the database, twice a second: a node can
// miss shareFrom letters of each other one, and loses as many when it dies.
type guards struct {
	log     *slog.Logger
	stopped *prometheus.CounterVec // loops, by guard

	mu     sync.Mutex
	totals map[addressKey]*counted
}

// counted is the total of one address, as this node knows it.
type counted struct {
	state    guard.Total
	unshared int  // letters that the database does not know
	urgent   bool // it is silent now, and others must know
}

const (
	shareFrom  = 5
	maxCounted = 200_000 // addresses; a letter is forgotten within minutes, so this takes a flood, which others bound
)

func newGuards(log *slog.Logger) *guards {
	return &guards{
		log: log, totals: map[addressKey]*counted{},
		stopped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mxdesk_loops_stopped_total", Help: "How often a guard began to stop automatic mail, by guard.",
		}, []string{"guard"}),
	}
}

// sentTo is the total of one address as a world sees it.
type sentTo struct {
	guard.Total
	letters int // that the world sends
	tripped bool
}

// trip is a guard that began to stop mail.
type trip struct {
	organisation int32
	ticket       int64
	address      string
	guard        guard.Guard
}

func (g *guards) total(k addressKey) guard.Total {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.totals[k]; c != nil {
		return c.state
	}
	return guard.Total{}
}

// record counts what a world sent and stopped, once it is committed.
func (g *guards) record(w *world) {
	g.mu.Lock()
	for k, s := range w.totals {
		c := g.totals[k]
		if c == nil {
			if s.letters == 0 && !s.tripped || len(g.totals) >= maxCounted {
				continue
			}
			c = &counted{}
			g.totals[k] = c
		}
		c.state.Join(w.now, s.letters, s.Total)
		c.unshared += s.letters
		c.urgent = c.urgent || s.tripped
	}
	g.mu.Unlock()
	for _, t := range w.trips {
		g.stopped.WithLabelValues(string(t.guard)).Inc()
		g.log.Warn("automatic mail stopped", "guard", string(t.guard), "organisation", t.organisation, "ticket", t.ticket, "address", t.address)
	}
}

// share tells the other nodes of the addresses that get many letters, and hears of theirs.
func (g *guards) share(ctx context.Context, pool *pgxpool.Pool, now time.Time) error {
	ours, keys := g.busy(now)
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var all map[addressKey]guard.Total
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		locked, err := tryLockGuards(ctx, tx)
		if err != nil || !locked {
			return err // if another node is at it: the next time
		}
		if all, err = selectTotals(ctx, tx, keys); err != nil {
			return err
		}
		for _, k := range keys {
			t := all[k]
			t.Join(now, ours[k].unshared, ours[k].state)
			all[k] = t
		}
		return upsertTotals(ctx, tx, keys, all, now)
	})
	if err != nil {
		return fmt.Errorf("share totals: %w", err)
	}
	g.shared(now, ours, all)
	return nil
}

// busy returns what is to be shared, and forgets what is over.
func (g *guards) busy(now time.Time) (map[addressKey]counted, []addressKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	busy := map[addressKey]counted{}
	var keys []addressKey
	for k, c := range g.totals {
		switch {
		case c.urgent || c.unshared >= shareFrom:
			busy[k] = *c
			keys = append(keys, k)
		case c.state.Forgotten().Before(now):
			delete(g.totals, k)
		}
	}
	return busy, keys
}

// shared takes over what the database knows, with the letters counted since.
func (g *guards) shared(now time.Time, ours map[addressKey]counted, all map[addressKey]guard.Total) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, t := range all {
		c := g.totals[k]
		if c == nil {
			continue
		}
		c.unshared -= ours[k].unshared
		c.urgent = false
		t.Join(now, c.unshared, c.state)
		c.state = t
	}
}
