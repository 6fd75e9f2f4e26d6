package ticketing

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/pace"
)

// Housekeeper throws away what nobody refers to any more: files and letters of tickets that were erased, and old letters that
// became part of no ticket. Letters of tickets stay as long as these do.
type Housekeeper struct {
	Pool      *pgxpool.Pool
	Retention time.Duration // of letters that became part of no ticket
	Log       *slog.Logger
}

const (
	housekeepingEvery = 10 * time.Minute
	housekeepingRows  = 500 // in one transaction, so that it locks little and never for long
)

// Run works now and then until ctx ends. Any number of nodes may do so.
func (h *Housekeeper) Run(ctx context.Context) error {
	for range pace.AtOnce(ctx, housekeepingEvery) {
		if err := h.Sweep(ctx); err != nil && ctx.Err() == nil {
			h.Log.Warn("what nobody refers to could not be removed", "error", err)
		}
	}
	return nil
}

// Sweep removes all there is to remove, some at a time: letters first, whose files then may be loose.
func (h *Housekeeper) Sweep(ctx context.Context) error {
	organisations, err := selectOrganisationIDs(ctx, h.Pool)
	if err != nil {
		return err
	}
	// A letter is known again when it comes twice within the window, so its row stays that long.
	before := max(h.Retention, dedupeWindow)
	for _, org := range organisations {
		for more := true; more; {
			if more, err = deleteOldLetters(ctx, h.Pool, org, before, housekeepingRows); err != nil {
				return err
			}
		}
	}
	for _, remove := range []func(context.Context, pgx.Tx, int) (bool, error){deleteLooseLetters, deleteLooseBlobs} {
		for more := true; more; {
			err := pgx.BeginFunc(ctx, h.Pool, func(tx pgx.Tx) (err error) {
				more, err = remove(ctx, tx, housekeepingRows)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
