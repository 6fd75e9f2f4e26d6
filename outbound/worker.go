package outbound

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"mxdesk/internal/id"
	"mxdesk/internal/pace"
)

// WorkerConfig says how a worker delivers. A zero field is the default.
type WorkerConfig struct {
	Transport        Transport
	BatchSize        int           // 20; letters claimed for one connection at a time
	Connections      int           // 200; batches carried at once; sites that have not proved themselves may have half of them
	LetterBytes      int           // 10 MiB; of one letter as it leaves, when attachments travel with it
	WebURL           string        // where browsers reach the public pages; "": letters carry no links
	MemoryBytes      int64         // 256 MiB; letters above 256 KiB in memory at once, by estimate
	StopTime         time.Duration // 20 s; for letters under way when Run is told to end
	Retention        time.Duration // 90 days; of what was sent and what became of it
	AttemptRetention time.Duration // 90 days; of attempts, by whole months
	Log              *slog.Logger
	Metrics          prometheus.Registerer // may be nil
}

func (c WorkerConfig) withDefaults() WorkerConfig {
	setDefault(&c.BatchSize, 20)
	setDefault(&c.Connections, 200)
	setDefault(&c.LetterBytes, 10<<20)
	setDefault(&c.MemoryBytes, 256<<20)
	setDefault(&c.StopTime, 20*time.Second)
	setDefault(&c.Retention, 90*24*time.Hour)
	setDefault(&c.AttemptRetention, 90*24*time.Hour)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Worker claims deliveries, sends them and records what became of them. Any number of workers, in one
// process or many, share a queue.
type Worker struct {
	q          *Queue
	cfg        WorkerConfig
	log        *slog.Logger
	metrics    *metrics
	directory  *directory
	recorder   *recorder
	processors *processors
	memory     *semaphore.Weighted
	sites      *sites
	slots      chan struct{} // batches under way
	probes     atomic.Int64  // of these, to sites that have not proved themselves
	firsts     atomic.Int64  // of these, to lanes that were never tried
	pressed    atomic.Int64  // Unix time in ns when others were last seen to wait for a place among the probes
	jobs       sync.WaitGroup

	mu      sync.Mutex
	batches map[id.ID]int // whose leases are to be renewed: how many of their reports are not yet recorded
}

// NewWorker returns a worker on q. A second worker with the same Metrics panics, as prometheus does.
func NewWorker(q *Queue, cfg WorkerConfig) *Worker {
	cfg = cfg.withDefaults()
	w := &Worker{
		q: q, cfg: cfg, log: cfg.Log, metrics: newMetrics(cfg.Metrics), directory: &directory{db: q.pool, log: cfg.Log},
		processors: newProcessors(runtime.GOMAXPROCS(0)), memory: semaphore.NewWeighted(cfg.MemoryBytes),
		sites: newSites(), slots: make(chan struct{}, cfg.Connections), batches: map[id.ID]int{},
	}
	w.recorder = &recorder{
		db: q.pool, log: w.log, lost: w.metrics.downgrades, in: make(chan report, 2*maxGroup),
		onFinal: func() OnFinal { return q.OnFinal },
		done:    w.recorded,
	}
	return w
}

// Run delivers until ctx ends. Then it claims no more, gives letters under way StopTime to finish, gives the others
// back to the queue, records, says goodbye, and returns; all its goroutines have ended by then.
func (w *Worker) Run(ctx context.Context) error {
	work, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	var recording, helpers sync.WaitGroup
	recording.Go(func() { w.recorder.run(ctx.Done()) })
	helpers.Go(func() { w.listen(ctx) })
	helpers.Go(func() { w.every(ctx, housekeepingEvery, w.housekeeping) })
	helpers.Go(func() { w.every(ctx, archiveEvery, w.archive) })
	helpers.Go(func() { w.every(work, leaseRenew, w.renewLeases) })
	helpers.Go(func() { w.every(ctx, gaugeEvery, w.measure) })

	w.dispatch(ctx, work) // until ctx ends

	timer := time.AfterFunc(w.cfg.StopTime, abort)
	w.jobs.Wait()
	timer.Stop()
	close(w.recorder.in)
	recording.Wait()
	abort()
	helpers.Wait()
	w.cfg.Transport.Close()
	return nil
}

const gaugeEvery = 15 * time.Second

// every calls f now and then regularly until ctx ends, and logs its errors.
func (w *Worker) every(ctx context.Context, interval time.Duration, f func(context.Context) error) {
	for range pace.AtOnce(ctx, interval) {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("regular work of the queue failed", "error", err)
		}
	}
}

// owe notes that a batch will hand over one more report.
func (w *Worker) owe(owner id.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches[owner]++
}

// recorded lets go of the batches of which nothing is left to record.
func (w *Worker) recorded(list ...report) {
	w.metrics.group.Observe(float64(len(list)))
	w.mu.Lock()
	for _, g := range list {
		if w.batches[g.owner]--; w.batches[g.owner] <= 0 {
			delete(w.batches, g.owner)
		}
	}
	w.mu.Unlock()
	signal(w.q.wake)
}

func (w *Worker) renewLeases(ctx context.Context) error {
	w.mu.Lock()
	owners := make([]id.ID, 0, len(w.batches))
	for o := range w.batches {
		owners = append(owners, o)
	}
	w.mu.Unlock()
	if len(owners) == 0 {
		return nil
	}
	return renew(ctx, w.q.pool, owners)
}

func (w *Worker) measure(ctx context.Context) error {
	d, err := depth(ctx, w.q.pool)
	if err == nil {
		w.metrics.show(d)
	}
	return err
}

// listen turns the hints of other nodes into wakes. It is a comfort: the dispatcher polls anyway.
func (w *Worker) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := listen(ctx, w.q.pool, func(node string) {
			if node != w.q.node.String() {
				signal(w.q.wake)
			}
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			w.log.Debug("not listening to other nodes", "error", err)
		}
		pause(ctx, pollIdle)
	}
}

// pause waits, or not, when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
