package outbound

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/id"
)

// report is what a batch hands over at once: results of deliveries, and at its end one of its lane.
type report struct {
	owner   id.ID // the batch
	results []result
	lane    *laneResult
}

const (
	maxGroup   = 128 // reports in one transaction
	recordWait = 10 * time.Second

	singleTries  = 3
	lastWordTime = 10 * time.Second // for recording what is left when we are told to stop
)

// retryPause is a variable for tests.
var retryPause = time.Second

// recorder commits results. Whatever came while one transaction was under way shares the next one,
// so a busy worker needs few commits and an idle one waits for nothing.
type recorder struct {
	db      beginner
	log     *slog.Logger
	onFinal func() OnFinal
	lost    prometheus.Counter
	done    func(recorded ...report) // after each commit
	in      chan report
	aside   aside

	over   time.Time // when patience ends, after we were told to stop
	gaveUp bool
}

// run records until in is closed and empty. stop ends the patience with a database that fails: what
// cannot be recorded then is tried again when its lease ends, which may send a letter twice.
func (r *recorder) run(stop <-chan struct{}) {
	group := make([]report, 0, maxGroup)
	again := time.NewTicker(asideEvery)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			r.retry(stop, false)
		case first, ok := <-r.in:
			if !ok {
				r.retry(stop, true)
				return
			}
			r.commit(stop, r.gather(append(group[:0], first)))
		}
	}
}

// gather adds to the group what has come meanwhile, and puts aside what must wait.
func (r *recorder) gather(group []report) []report {
more:
	for len(group) < maxGroup {
		select {
		case next, ok := <-r.in:
			if !ok {
				break more
			}
			group = append(group, next)
		default:
			break more
		}
	}
	return slices.DeleteFunc(group, r.mustWait)
}

// mustWait puts a report aside whose ticket others wait for.
func (r *recorder) mustWait(g report) bool {
	return r.aside.concerns(g) && r.aside.add(putAside{g, time.Now().Add(asideFor)})
}

// commit records the group; if that fails for another reason than the database being away, each report
// alone, so that one that cannot be recorded does not hold up the others.
func (r *recorder) commit(stop <-chan struct{}, group []report) {
	if len(group) > 1 {
		err := r.persist(stop, group, 1, r.onFinal())
		if err == nil {
			r.done(group...)
			return
		}
		r.log.Warn("recording results one by one", "error", err)
	}
	for _, g := range group {
		if !r.mustWait(g) {
			r.single(stop, putAside{g, time.Now().Add(asideFor)})
		}
	}
}

// single records one report, or puts it aside if its ticket holds it up.
func (r *recorder) single(stop <-chan struct{}, p putAside) {
	err := r.persist(stop, []report{p.report}, singleTries, r.onFinal())
	if heldUp(err) && r.aside.add(p) {
		r.log.Warn("result waits for its ticket", "error", err, "delivery", firstDelivery(p.report))
		return
	}
	if err != nil {
		r.untold(stop, p.report, err)
	}
	r.done(p.report)
}

// retry tries each report that was put aside, those of a ticket that holds up one no further. The last time they are
// recorded without telling from the first on that is held up.
func (r *recorder) retry(stop <-chan struct{}, last bool) {
	for _, p := range r.aside.take() {
		switch {
		case last && len(r.aside.list) > 0:
			r.untold(stop, p.report, errStopped)
			r.done(p.report)
		case !r.aside.concerns(p.report) || !r.aside.add(p):
			r.single(stop, p)
		}
	}
	if last {
		for _, p := range r.aside.take() {
			r.untold(stop, p.report, errStopped)
			r.done(p.report)
		}
	}
}

// untold records a report without telling the ticket. The letter is out of our hands either way, and to send it again
// would be worse than a history that lacks a line.
func (r *recorder) untold(stop <-chan struct{}, g report, why error) {
	r.log.Error("recording a result without telling the ticket", "error", why, "delivery", firstDelivery(g))
	if err := r.persist(stop, []report{g}, singleTries, nil); err != nil {
		r.log.Error("result lost", "error", err, "delivery", firstDelivery(g))
	}
}

func firstDelivery(g report) string {
	for _, res := range g.results {
		return res.lease.DeliveryID.String()
	}
	return ""
}

// errStopped: we were told to stop, and the database, or a ticket, was away for too long since.
var errStopped = errors.New("stopped while the database was away")

// persist tries up to tries times, once if OnFinal is held up; while the database is away that does not count, until stop.
func (r *recorder) persist(stop <-chan struct{}, group []report, tries int, onFinal OnFinal) error {
	var results []result
	var lanes []laneResult
	for _, g := range group {
		results = append(results, g.results...)
		if g.lane != nil {
			lanes = append(lanes, *g.lane)
		}
	}
	for !r.gaveUp {
		ctx, cancel := context.WithTimeout(context.Background(), recordWait)
		lost, err := record(ctx, r.db, results, lanes, bounded(onFinal))
		cancel()
		if err == nil {
			r.tell(lost)
			return nil
		}
		if heldUp(err) {
			return err
		}
		if !away(err) {
			if tries--; tries == 0 {
				return err
			}
		}
		r.lose(stop)
		time.Sleep(retryPause)
	}
	return errStopped
}

// tell warns of lanes that have lost their TLS: somebody on the way may hide it.
func (r *recorder) tell(lost []downgrade) {
	for _, d := range lost {
		r.lost.Inc()
		r.log.Warn("letters leave in plaintext where TLS was used before", "lane", d.Lane, "before", d.Before, "now", d.Now)
	}
}

// lose notes a failure: lastWordTime after the first one since stop we give up.
func (r *recorder) lose(stop <-chan struct{}) {
	select {
	case <-stop:
		if r.over.IsZero() {
			r.over = time.Now().Add(lastWordTime)
		}
		r.gaveUp = time.Now().After(r.over)
	default:
	}
}

// away tells whether an error speaks of the database rather than of what we asked: no connection, a
// server that starts, stops or has become a standby, or a lost race.
func away(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "40", "53", "57", "58":
			return true
		}
		return pg.Code == "25006"
	}
	var network net.Error
	return !errors.Is(err, errOnFinal) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err)
}
