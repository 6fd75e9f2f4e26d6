package ticketing

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Blocks of ticket numbers grow with use, so that a busy node asks seldom and a quiet one leaves few gaps.
const (
	firstBlock = 4
	lastBlock  = 512
)

// numbers gives out ticket numbers from blocks reserved for this node. Taking a number inside
// the transaction of a letter would make all letters of an organisation wait for one row.
type numbers struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	mu     sync.Mutex
	blocks map[int32]*block
}

// block is a reserved range: next is the first number not given out, end the first beyond it.
type block struct {
	next, end, size int64
}

func newNumbers(pool *pgxpool.Pool, log *slog.Logger) *numbers {
	return &numbers{pool: pool, log: log, blocks: map[int32]*block{}}
}

// next gives out one number of the organisation.
func (n *numbers) next(ctx context.Context, organisation int32) (int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.blocks[organisation]
	if b == nil {
		b = &block{size: firstBlock}
		n.blocks[organisation] = b
	}
	if b.next == b.end {
		first, err := reserveNumbers(ctx, n.pool, organisation, b.size)
		if err != nil {
			return 0, fmt.Errorf("reserve ticket numbers: %w", err)
		}
		b.next, b.end = first, first+b.size
		b.size = min(2*b.size, lastBlock)
	}
	number := b.next
	b.next++
	return number, nil
}

// giveBack returns what is left of each block, when nobody reserved numbers after it.
func (n *numbers) giveBack() {
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for organisation, b := range n.blocks {
		if b.next == b.end {
			continue
		}
		if err := returnNumbers(ctx, n.pool, organisation, b.next, b.end); err != nil {
			n.log.Warn("unused ticket numbers could not be given back; there will be a gap", "error", err)
			return
		}
		b.next = b.end
	}
}
