package outbound

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/pace"
)

// How long a delivery is tried, and when its delay is told.
const (
	Expiry      = 5 * 24 * time.Hour
	DelayNotice = 4 * time.Hour
)

// ErrNoDelivery is returned for a delivery that is not in the queue (any more); ErrLeased for one
// that is being sent at this moment; ErrNoLane for a lane that there is not; ErrPaused when it must go on first.
var (
	ErrNoDelivery = errors.New("no such delivery in the queue")
	ErrLeased     = errors.New("the delivery is being sent now")
	ErrNoLane     = errors.New("no such lane")
	ErrPaused     = errors.New("its lane is paused: resume that first")
)

// OnFinal is told of outcomes in the transaction that records them. Its error rolls that
// transaction back.
type OnFinal func(ctx context.Context, tx pgx.Tx, finals []Final) error

// QueueConfig is what a Queue needs besides its database.
type QueueConfig struct {
	// Lane names the lane of a recipient; every node must answer the same. nil: its domain.
	Lane func(organisation int32, recipient address.Address) string
	// MaxWaiting is how many deliveries may wait before Full says so; 0: any number.
	MaxWaiting int
}

// Queue is the part of the stage that needs no worker: it takes messages in, answers questions
// about deliveries and changes their state by hand. It is safe for concurrent use.
type Queue struct {
	pool *pgxpool.Pool
	cfg  QueueConfig
	node id.ID // distinguishes our own NOTIFY from another node's

	// OnFinal is told of final outcomes, OnDelay once of a delivery that waits for DelayNotice. Set
	// them before Run and before any action; nil: nobody is told.
	OnFinal OnFinal
	OnDelay OnFinal

	full     atomic.Bool
	relays   atomic.Pointer[relaySet]
	wake     chan struct{} // to the worker of this process
	announce chan struct{} // to Run, which tells the other nodes
}

// NewQueue returns the queue in the database behind pool.
func NewQueue(pool *pgxpool.Pool, cfg QueueConfig) *Queue {
	if cfg.Lane == nil {
		cfg.Lane = func(_ int32, to address.Address) string { return to.Domain }
	}
	q := &Queue{pool: pool, cfg: cfg, node: id.New(), wake: make(chan struct{}, 1), announce: make(chan struct{}, 1)}
	q.relays.Store(&relaySet{revision: -1})
	return q
}

// Enqueue appends to b the statements that put messages into the queue. They touch no row
// that exists and so wait for nobody. Every message and delivery must have its ID, every delivery its MessageID.
// Call Hint once the transaction is committed.
func (q *Queue) Enqueue(b *pgx.Batch, messages []Message) {
	if len(messages) == 0 {
		return
	}
	enqueueMessages(b, messages)
	enqueueDeliveries(b, messages, q.lane)
	enqueueShared(b, messages)
}

// EnqueueTx does what Enqueue does, in one round trip of its own.
func (q *Queue) EnqueueTx(ctx context.Context, tx pgx.Tx, messages []Message) error {
	var b pgx.Batch
	q.Enqueue(&b, messages)
	if b.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}

// Hint says that there may be something to send: at once to the worker of this process, soon to
// the other nodes. It never blocks, and nothing depends on it but time.
func (q *Queue) Hint() {
	signal(q.wake)
	signal(q.announce)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// announceEvery keeps NOTIFY rare: it takes a lock of the whole database at commit.
const announceEvery = 100 * time.Millisecond

// relayPoll is how often a node looks whether an organisation has changed how its mail leaves.
const relayPoll = 500 * time.Millisecond

// fullPoll is how often a node looks whether the queue is full.
const fullPoll = 10 * time.Second

// Full tells whether MaxWaiting deliveries wait, as Run found a moment ago.
func (q *Queue) Full() bool { return q.full.Load() }

// Run tells the other nodes of hints, at most ten times a second, and follows what organisations decide about their
// mail and how much of it waits, until ctx ends. Errors are not its business: the others poll, and who delivers looks again.
func (q *Queue) Run(ctx context.Context) error {
	var counting sync.WaitGroup
	defer counting.Wait()
	counting.Go(func() { // a million rows take their time, for which nothing else is to wait
		for range pace.AtOnce(ctx, fullPoll) {
			_ = q.lookWhetherFull(ctx)
		}
	})
	pause, poll := time.NewTicker(announceEvery), time.NewTicker(relayPoll)
	defer pause.Stop()
	defer poll.Stop()
	_ = q.refreshRelays(ctx, relayPoll)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			_ = q.refreshRelays(ctx, relayPoll)
			continue
		case <-q.announce:
		}
		_ = notify(ctx, q.pool, q.node)
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// joinIDs writes ids for the refs column: those that can stand in a header field, capped.
func joinIDs(ids []string) string {
	keep := make([]string, 0, len(ids))
	for _, s := range ids {
		if validMessageID(s) {
			keep = append(keep, s)
		}
	}
	return strings.Join(capReferences(keep), " ")
}

// storable makes s fit for a column of type text: valid UTF-8 without NUL. A letter must not be
// lost for a byte.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
