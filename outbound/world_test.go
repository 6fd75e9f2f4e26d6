package outbound

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

const (
	patience   = time.Minute
	testOrg    = 1
	testDomain = "desk.test"
)

var testFrom = address.Address{Local: "help", Domain: testDomain}

// world is a queue on a database with one organisation, and what OnFinal was told.
type world struct {
	t      testing.TB
	ctx    context.Context
	pool   *pgxpool.Pool
	q      *Queue
	signer *address.Signer

	mu     sync.Mutex
	finals []Final
	heard  chan int // how many were told, after each time
	log    journal  // of workers; shown when the test fails
}

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	t.Cleanup(cancel)
	key := []byte(strings.Repeat("k", address.MinKey))
	x := &world{t: t, ctx: ctx, pool: pgtest.New(t), signer: address.NewSigner(key), heard: make(chan int, 1)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the workers:\n%s", &x.log)
		}
	})
	x.q = NewQueue(x.pool, QueueConfig{})
	x.q.OnFinal = func(_ context.Context, _ pgx.Tx, finals []Final) error {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.finals = append(x.finals, finals...)
		select {
		case <-x.heard:
		default:
		}
		x.heard <- len(x.finals)
		return nil
	}
	x.exec(`INSERT INTO organisations (organisation_id, name, address_key) VALUES ($1, 'Desk', $2)`, testOrg, key)
	x.exec(`INSERT INTO domains (organisation_id, domain) VALUES ($1, $2)`, testOrg, testDomain)
	return x
}

func (x *world) exec(sql string, args ...any) {
	x.t.Helper()
	if _, err := x.pool.Exec(x.ctx, sql, args...); err != nil {
		x.t.Fatalf("%s: %v", sql, err)
	}
}

// one reads one value; count is its most frequent use.
func one[T any](x *world, sql string, args ...any) (v T) {
	x.t.Helper()
	if err := x.pool.QueryRow(x.ctx, sql, args...).Scan(&v); err != nil {
		x.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// signingKeys gives the test domain keys, made at that time, that sign at once.
func (x *world) signingKeys(at time.Time) []Key {
	x.t.Helper()
	keys, err := GenerateKeys(testDomain, at)
	if err != nil {
		x.t.Fatal(err)
	}
	if err := pgx.BeginFunc(x.ctx, x.pool, func(tx pgx.Tx) error { return AddKeys(x.ctx, tx, testOrg, keys, true, time.Now()) }); err != nil {
		x.t.Fatal(err)
	}
	return keys
}

// message is a letter of ticket 7 to the recipients, each with an id and a Message-ID.
func (x *world) message(recipients ...string) Message {
	x.t.Helper()
	m := Message{
		Organisation: testOrg, ID: id.New(), Ticket: 7, Template: "test", FromName: "Desk", From: testFrom,
		AutoSubmitted: "auto-generated", Subject: "Your ticket", Text: "Hello\n",
	}
	for i, r := range recipients {
		to, err := address.Parse(r)
		if err != nil {
			x.t.Fatal(err)
		}
		d := id.New()
		m.Deliveries = append(m.Deliveries, Delivery{
			ID: d, Participant: i + 1, Recipient: to, MessageID: x.signer.MessageID(testDomain, 7, d),
		})
	}
	return m
}

// enqueue commits the messages and returns the ids of their deliveries.
func (x *world) enqueue(messages ...Message) []id.ID {
	x.t.Helper()
	err := pgx.BeginFunc(x.ctx, x.pool, func(tx pgx.Tx) error { return x.q.EnqueueTx(x.ctx, tx, messages) })
	if err != nil {
		x.t.Fatal(err)
	}
	var ids []id.ID
	for _, m := range messages {
		for _, d := range m.Deliveries {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

func (x *world) send(recipients ...string) []id.ID {
	x.t.Helper()
	return x.enqueue(x.message(recipients...))
}

func (x *world) worker(t Transport) *Worker {
	return NewWorker(x.q, WorkerConfig{Transport: t, Log: slog.New(slog.NewTextHandler(&x.log, nil))})
}

// round claims and delivers all that is due, and returns when it is recorded.
func (x *world) round(w *Worker) {
	x.t.Helper()
	stop := make(chan struct{})
	after := ""
	for again := true; again; {
		var recording sync.WaitGroup
		w.recorder.in = make(chan report, maxGroup)
		recording.Go(func() { w.recorder.run(stop) })
		p, err := w.pass(x.ctx, x.ctx, after)
		if err != nil {
			x.t.Error(err)
		}
		w.jobs.Wait()
		close(w.recorder.in)
		recording.Wait()
		again = err == nil && (p.more || after != "")
		after = p.next
	}
}

// elapse lets time pass for the queue, by setting back all times that it waits for.
func (x *world) elapse(d time.Duration) {
	x.t.Helper()
	for _, sql := range []string{
		`UPDATE deliveries SET next_at = next_at - $1::interval, lease_until = lease_until - $1::interval,
		        check_at = check_at - $1::interval, expires_at = expires_at - $1::interval`,
		`UPDATE mta_sts_policies SET claimed_at = claimed_at - $1::interval`,
		`UPDATE lanes SET next_at = next_at - $1::interval, changed_at = changed_at - $1::interval`,
		`UPDATE suppressions SET until = until - $1::interval, last_at = last_at - $1::interval,
		        failed_at = ARRAY(SELECT t - $1::interval FROM unnest(failed_at) t)`,
	} {
		x.exec(sql, d)
	}
}

// state is the state or the outcome of a delivery, with the reason: "deferred", "failed user_unknown".
func (x *world) state(delivery id.ID) string {
	x.t.Helper()
	d, _, err := x.q.Delivery(x.ctx, testOrg, delivery)
	if err != nil {
		x.t.Fatal(err)
	}
	return strings.TrimSpace(d.State + " " + d.Reason)
}

func (x *world) attempts(delivery id.ID) (results []string) {
	x.t.Helper()
	_, list, err := x.q.Delivery(x.ctx, testOrg, delivery)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, a := range list {
		results = append(results, string(a.Result))
	}
	return results
}

// await waits until OnFinal was told of n outcomes.
func (x *world) await(n int) {
	x.t.Helper()
	for {
		select {
		case got := <-x.heard:
			if got >= n {
				return
			}
		case <-x.ctx.Done():
			x.t.Fatalf("waiting for %d outcomes: %v", n, x.ctx.Err())
		}
	}
}

// told drains what OnFinal was told, as "recipient outcome reason".
func (x *world) told() (list []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.finals {
		list = append(list, strings.TrimSpace(fmt.Sprint(f.Recipient, " ", f.Outcome, " ", f.Reason)))
	}
	x.finals = nil
	return list
}

// script is a transport that does what the test says with each letter.
type script func(l *Letter) Attempt

func (s script) Open(string) Connection                    { return s }
func (s script) Send(_ context.Context, l *Letter) Attempt { return s(l) }
func (s script) Close()                                    {}
func always(a Attempt) script                              { return func(*Letter) Attempt { return a } }

var (
	taken    = Attempt{Result: ResultDelivered, Host: "mx.test", Code: 250, Reply: "ok"}
	notNow   = Attempt{Result: ResultDeferred, Host: "mx.test", Code: 450, Enhanced: "4.2.1", Reply: "later", Reason: "rate_limited"}
	nobody   = Attempt{Result: ResultFailed, Host: "mx.test", Code: 550, Enhanced: "5.1.1", Reply: "no such user", Reason: "user_unknown"}
	siteDown = Attempt{Result: ResultDeferred, Site: true, Reply: "connection refused", Reason: "network"}
	lost     = Attempt{Result: ResultBroke, Site: true, Host: "mx.test", Reply: "EOF", Reason: "network"}
)

// quiet logs nowhere.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// impatient lets recorders of this test try again without a pause.
func impatient(t *testing.T) {
	pause := retryPause
	retryPause = 0
	t.Cleanup(func() { retryPause = pause })
}
