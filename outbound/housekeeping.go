package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/bounce"
)

const (
	housekeepingEvery = 15 * time.Second
	archiveEvery      = time.Hour
	sweepRows         = 500 // in one transaction
)

// housekeeping does what one node does for all; another that is at it already is left alone.
func (w *Worker) housekeeping(ctx context.Context) error {
	return errors.Join(
		underLock(ctx, w.q.pool, "take back leases", lockReap, func(tx pgx.Tx) (bool, error) { return false, reap(ctx, tx) }),
		underLock(ctx, w.q.pool, "look after waiting deliveries", lockSweep, func(tx pgx.Tx) (bool, error) { return w.sweep(ctx, tx) }),
	)
}

// archive keeps the tables of the past in order.
func (w *Worker) archive(ctx context.Context) error {
	var months []error // each alone: one that cannot be made does not keep back the next
	for ahead := range monthsAhead + 1 {
		months = append(months, underLock(ctx, w.q.pool, "make partitions", lockPartitions, func(tx pgx.Tx) (bool, error) { return false, makePartition(ctx, tx, ahead) }))
	}
	return errors.Join(
		errors.Join(months...),
		underLock(ctx, w.q.pool, "forget old deliveries", lockForget, func(tx pgx.Tx) (bool, error) { return forget(ctx, tx, w.cfg.Retention) }),
		underLock(ctx, w.q.pool, "forget old attempts", lockAttempts, func(tx pgx.Tx) (bool, error) { return forgetAttempts(ctx, tx, w.cfg.AttemptRetention) }),
	)
}

// underLock runs f in a transaction of its own under an advisory lock, again while it says that there is more; not at all while
// another node is at it.
func underLock(ctx context.Context, db beginner, name string, lock int, f func(pgx.Tx) (more bool, err error)) error {
	for more := true; more; {
		err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) (err error) {
			if more, err = tryLock(ctx, tx, lock); err != nil || !more {
				return err
			}
			more, err = f(tx)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// sweep ends deliveries whose time is over, and tells of those that wait for DelayNotice.
func (w *Worker) sweep(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	expired, postponed, err := expire(ctx, tx)
	if err != nil {
		return false, err
	}
	if err := callFinal(ctx, tx, w.q.OnFinal, expired); err != nil {
		return false, err
	}
	late, err := tellLate(ctx, tx)
	if err != nil {
		return false, err
	}
	if err := callFinal(ctx, tx, w.q.OnDelay, late); err != nil {
		return false, err
	}
	for _, f := range expired {
		w.log.Info("delivery expired", "delivery", f.Delivery, "ticket", f.Ticket, "reason", bounce.Expired)
	}
	return len(expired)+postponed >= sweepRows || len(late) == sweepRows, nil
}
