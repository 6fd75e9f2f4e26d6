package ticketing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/message"
	"mxdesk/internal/postgres"
)

// Group commit: a writer takes what letters are waiting, decides on all of them and commits them in one
// transaction of two round trips. It waits for nothing: under light load a batch is one letter; under heavy load
// letters gather while the batch before them commits. A batch that fails is done again letter
// by letter, so that one bad letter cannot fail the others.
const (
	maxBatch      = 64
	maxBatchBytes = 8 << 20 // of compressed letters
	batchTimeout  = 60 * time.Second
	maxConflicts  = 5 // how often a letter is tried again after losing a race
)

// Run writes letters until ctx ends, then finishes those that were handed over.
func (in *Intake) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range in.writers {
		wg.Go(func() { in.write(ctx) })
	}
	wg.Go(func() { in.readReports(ctx) })
	wg.Wait()
	in.numbers.giveBack()
	return nil
}

func (in *Intake) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			in.refuseWaiting()
			return
		case first := <-in.letters:
			in.commitAll(in.gather(first))
		}
	}
}

// gather takes what else is waiting.
func (in *Intake) gather(first *job) []*job {
	jobs, size := []*job{first}, len(first.raw)
	for len(jobs) < maxBatch && size < maxBatchBytes {
		select {
		case j := <-in.letters:
			jobs, size = append(jobs, j), size+len(j.raw)
		default:
			return jobs
		}
	}
	return jobs
}

// refuseWaiting answers "not now" to letters nobody will write.
func (in *Intake) refuseWaiting() {
	for {
		select {
		case j := <-in.letters:
			j.done <- errors.New("the server is stopping")
		default:
			return
		}
	}
}

// commitAll answers every job: together, or one by one when together failed.
func (in *Intake) commitAll(jobs []*job) {
	err := in.commit(jobs)
	if err == nil {
		in.answer(jobs, nil)
		return
	}
	if postgres.Transient(err) && !isConflict(err) {
		in.answer(jobs, err) // the database is away: trying each letter would only keep their senders waiting
		return
	}
	if len(jobs) == 1 {
		in.commitOne(jobs[0], err)
		return
	}
	in.log.Warn("a batch of letters failed; each is tried alone", "letters", len(jobs), "error", err)
	in.metrics.replays.Inc()
	for _, j := range jobs {
		in.commitOne(j, in.commit([]*job{j}))
	}
}

// commitOne answers one job whose first try ended with err. A lost race is tried again. A letter on which we
// fail by our own mistake is stored with a plain ticket.
func (in *Intake) commitOne(j *job, err error) {
	for try := 0; err != nil && isConflict(err) && try < maxConflicts; try++ {
		err = in.commit([]*job{j})
	}
	if errors.Is(err, errPanicked) || isBadValue(err) {
		if isBadValue(err) {
			in.log.Error("PostgreSQL does not take what was read of a letter; it becomes a ticket unread", "letter", j.letter.ID.String(), "error", err)
		}
		for _, p := range j.parcels { // a held letter that this one confirms is a job of its own
			p.job.content, p.job.problem = &message.Content{Kind: message.Human}, "The letter could not be processed; it is attached as it came."
		}
		in.metrics.unread.Inc()
		err = in.commit([]*job{j})
	}
	in.answer([]*job{j}, err)
}

func (in *Intake) answer(jobs []*job, err error) {
	for _, j := range jobs {
		j.done <- err
	}
	if err == nil {
		in.queue.Hint()
		in.record(jobs)
	}
}

// record logs and counts what was committed, one line a letter and organisation.
func (in *Intake) record(jobs []*job) {
	for _, j := range jobs {
		if in.onDMARC != nil {
			if fact, ok := dmarcFact(j.parcels[0]); ok {
				in.onDMARC(fact)
			}
		}
		for _, p := range j.parcels {
			in.metrics.count(p)
			if p.reportsOn != "" {
				select {
				case in.newReports <- struct{}{}:
				default:
				}
			}
			attrs := []any{
				"session", p.letter.Session.ID.String(), "letter", p.letter.ID.String(), "organisation", p.tenant.ID,
				"from", p.from.String(), "kind", string(p.content.Kind),
			}
			switch {
			case p.refused != nil:
				in.log.Info("letter refused", append(attrs, "reason", cmp.Or(refused(p.refused).reason, p.refused.Error()),
					"trace", p.summary.decisions)...)
			case !p.known.IsZero():
				in.log.Info("letter known", append(attrs, "same_as", p.known.String())...)
			default:
				in.log.Info("letter taken", append(attrs, "outcome", string(p.summary.outcome), "ticket", p.summary.ticket,
					"identity", string(p.summary.proof), "mails", p.summary.mails, "reason", p.summary.reason, "believed", p.summary.believed)...)
			}
		}
	}
}

// wantedBy is all that deciding on the jobs will look up.
func wantedBy(jobs []*job) *wanted {
	w := newWanted()
	for _, j := range jobs {
		for _, p := range j.parcels {
			p.want(w)
		}
	}
	return w
}

// settleReports records delivery reports, each in a question of its own: they are few. A delivery that failed is told
// to its ticket.
func (in *Intake) settleReports(ctx context.Context, conn *pgxpool.Conn, w *world) error {
	for _, r := range w.reports {
		done, err := in.queue.RecordReport(ctx, conn, r.org.ID, r.delivery, r.report)
		if err != nil {
			return err
		}
		for _, f := range done.Failed {
			if failed(f) {
				recordFailure(w, r.org, f)
			}
		}
		for _, f := range done.Complaints {
			recordComplaint(w, r.org, f)
		}
		for _, f := range done.Delayed {
			recordDelay(w, r.org, f)
		}
	}
	return nil
}

// commit takes the jobs in one transaction: one round trip to begin and look up, one to write and commit.
func (in *Intake) commit(jobs []*job) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(jobs[0].ctx), batchTimeout)
	defer cancel()
	start := time.Now()
	err := withConn(ctx, in.pool, func(conn *pgxpool.Conn) error {
		return in.guarded(jobs, func() error { return in.transact(ctx, conn, jobs) })
	})
	if err == nil {
		in.metrics.batch.Observe(float64(len(jobs)))
		in.metrics.commit.Observe(time.Since(start).Seconds())
	}
	return err
}

// transact does the two round trips, and what is between them.
func (in *Intake) transact(ctx context.Context, conn *pgxpool.Conn, jobs []*job) error {
	w := newWorld(in.clock().UTC().Truncate(time.Microsecond), in.directory.guards)
	if err := w.load(ctx, conn, wantedBy(jobs), true); err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	if err := in.decideAll(ctx, w, jobs); err != nil {
		return err
	}
	if err := in.settleReports(ctx, conn, w); err != nil {
		return err
	}
	b := &pgx.Batch{}
	w.queue(b)
	if len(w.lifted) > 0 {
		in.queue.QueueLift(b, column(w.lifted, func(r liftRow) int32 { return r.organisation }), column(w.lifted, func(r liftRow) string { return r.key }),
			column(w.lifted, func(r liftRow) bool { return r.proven }))
	}
	in.queue.Enqueue(b, w.outgoing())
	b.Queue("COMMIT")
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	in.directory.guards.record(w)
	return nil
}

// errPanicked is wrapped by the error of a transaction that panicked.
var errPanicked = errors.New("panic while processing letters")

// guarded runs f and makes an error of its panic.
func (in *Intake) guarded(jobs []*job, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			in.log.Error("panic while processing letters", "letter", jobs[0].letter.ID.String(), "letters", len(jobs),
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", errPanicked, r)
		}
	}()
	return f()
}

// withConn runs f on a connection of the pool and gives it back outside any transaction; a connection on which that
// cannot be had is closed.
func withConn(ctx context.Context, pool *pgxpool.Pool, f func(*pgxpool.Conn) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	err = f(conn)
	if err != nil && conn.Conn().PgConn().TxStatus() != 'I' {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if _, rollback := conn.Exec(cleanup, "ROLLBACK"); rollback != nil {
			conn.Conn().Close(cleanup) //nolint:errcheck // it is broken already
		}
	}
	return err
}

// decideAll decides on the letters in their order.
func (in *Intake) decideAll(ctx context.Context, w *world, jobs []*job) error {
	for _, j := range jobs {
		for _, p := range j.parcels {
			d := decider{
				scene: scene{world: w, org: p.tenant, letterID: p.letter.ID, tlsOnly: p.letter.Session.RequireTLS}, parcel: p,
				nextNumber: func() (int64, error) { return in.numbers.next(ctx, p.tenant.ID) },
			}
			if err := d.decide(); err != nil {
				return fmt.Errorf("letter %s: %w", j.letter.ID, err)
			}
		}
	}
	return nil
}

// isBadValue tells whether err means that a value of ours can not be stored, however often it is tried: a letter that is
// refused for that would come again and again, and be lost in the end.
func isBadValue(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "22") || pg.Code == "23514") // data exception, check violation
}

// isConflict tells whether err means that another transaction was faster: doing it again will see what that one did.
func isConflict(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "23503", "23505", "40001", "40P01": // a file was removed meanwhile, unique violation, serialization failure, deadlock
		return true
	}
	return false
}
