package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/address"
	"mxdesk/internal/postgres"
	"mxdesk/outbound/smtpclient"
)

type tortureCmd struct {
	Kills   int    `default:"120" help:"How many times to kill."`
	Senders int    `default:"6" help:"Sessions that send at one time."`
	Seed    uint64 `help:"Seed of the random choices; 0 picks one."`
	Keep    bool   `help:"Keep the folder with database and log."`
}

// torture is one run: who sent what, and what was killed when.
type torture struct {
	*tortureCmd
	in     *instance
	sink   *sink
	random *rand.Rand

	stopSending chan struct{}
	sent        atomic.Int64 // letters that were given a number
	acked       sync.Map     // number of a letter → true
	ackCount    atomic.Int64
	resent      atomic.Int64 // tries beyond the first

	mu    sync.Mutex
	kills []time.Time
	what  map[string]int
}

// Run kills and counts. It fails when anything that was acknowledged is missing or there twice.
func (c *tortureCmd) Run(ctx context.Context, top *cli) error {
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	s, err := newSink()
	if err != nil {
		return err
	}
	defer s.close()
	in, err := newInstance(top.Mxdesk, "smtp://"+s.addr())
	if err != nil {
		return err
	}
	t := &torture{
		tortureCmd: c, in: in, sink: s, random: rand.New(rand.NewPCG(c.Seed, 1)),
		stopSending: make(chan struct{}), what: map[string]int{},
	}
	err = t.run(ctx)
	if stopErr := in.stop(); err == nil {
		err = stopErr
	}
	if err != nil || c.Keep {
		fmt.Println("folder:", in.dir)
		return err
	}
	in.remove()
	return nil
}

func (t *torture) run(ctx context.Context) error {
	if err := t.in.start(); err != nil {
		return err
	}
	if err := t.in.ready(ctx); err != nil {
		return err
	}
	if err := t.in.command("admin", "organisation", "Example", "help@example.test", "--sign-at-once"); err != nil {
		return err
	}
	fmt.Printf("torture: %d kills, %d senders, seed %d\n", t.Kills, t.Senders, t.Seed)
	var senders sync.WaitGroup
	for i := range t.Senders {
		senders.Go(func() { t.send(ctx, i) })
	}
	begin := time.Now()
	err := t.killAll(ctx)
	close(t.stopSending)
	senders.Wait()
	if err != nil {
		return err
	}
	fmt.Printf("torture: %v; killed %v; %d letters acknowledged, %d tries again\n",
		time.Since(begin).Round(time.Second), t.what, t.ackCount.Load(), t.resent.Load())
	return t.count(ctx)
}

// killAll kills at random moments, also while the program starts.
func (t *torture) killAll(ctx context.Context) error {
	for n := range t.Kills {
		wait := time.Duration(50+t.random.IntN(1200)) * time.Millisecond
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		what := []string{"mxdesk", "postgres", "both"}[t.random.IntN(3)]
		t.strike(what)
		if what != "postgres" {
			if err := t.in.start(); err != nil {
				return err
			}
		}
		// Mostly wait until it serves again, else nothing would ever be acknowledged; sometimes strike while it starts.
		if t.random.IntN(5) > 0 {
			if err := t.ready(ctx); err != nil {
				return err
			}
		}
		if (n+1)%20 == 0 {
			fmt.Printf("torture: %d kills, %d letters acknowledged\n", n+1, t.ackCount.Load())
		}
	}
	return t.ready(ctx)
}

// ready waits until the program serves; one that gave up (PostgreSQL ended too often) is started again, as systemd would.
func (t *torture) ready(ctx context.Context) error {
	for range 5 {
		err := t.in.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-t.in.ended:
			t.mu.Lock()
			t.what["gave up, started again"]++
			t.mu.Unlock()
			if err := t.in.start(); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return fmt.Errorf("mxdesk ended five times; its log is %s", t.in.log.Name())
}

func (t *torture) strike(what string) {
	pid := t.in.postmaster()
	t.mu.Lock()
	t.what[what]++
	t.kills = append(t.kills, time.Now())
	t.mu.Unlock()
	if what != "mxdesk" && pid != 0 {
		syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it may be gone
	}
	if what != "postgres" {
		t.in.kill()
	}
}

// send sends letters, each until it is acknowledged, as a mail server does.
func (t *torture) send(ctx context.Context, sender int) {
	var client *smtpclient.Client
	defer func() {
		if client != nil {
			client.Quit(ctx) //nolint:errcheck // nothing is left to say
		}
	}()
	for {
		select {
		case <-t.stopSending:
			return
		case <-ctx.Done():
			return
		default:
		}
		n := t.sent.Add(1)
		letter := tortureLetter(n, sender) // the same at every try
		for try := 0; ; try++ {
			if ctx.Err() != nil {
				return
			}
			if try > 0 {
				t.resent.Add(1)
				time.Sleep(20 * time.Millisecond)
			}
			if client == nil {
				client = connect(ctx, t.in.smtp)
			}
			if client == nil {
				continue
			}
			fate := client.Send(ctx, smtpclient.Envelope{From: customer(n), Recipients: []address.Address{{Local: "help", Domain: "example.test"}}}, letter)
			if fate.Recipients[0].Status == smtpclient.Delivered {
				t.acked.Store(n, true)
				t.ackCount.Add(1)
				break
			}
			if fate.Err != nil {
				client.Quit(ctx) //nolint:errcheck // it broke
				client = nil
			}
		}
	}
}

func customer(n int64) address.Address {
	return address.Address{Local: fmt.Sprintf("c%d", n), Domain: "customer.test"}
}

func tortureLetter(n int64, sender int) []byte {
	return fmt.Appendf(nil, "From: Customer %d <%s>\r\nTo: help@example.test\r\nSubject: Letter %d\r\nDate: %s\r\nMessage-ID: <%d.%d@customer.test>\r\n\r\nToken-%d-end\r\n",
		n, customer(n), n, time.Now().Format(time.RFC1123Z), n, sender, n)
}

func connect(ctx context.Context, addr string) *smtpclient.Client {
	conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil
	}
	timeouts := smtpclient.Timeouts{Greeting: 10 * time.Second, Mail: 10 * time.Second, Rcpt: 10 * time.Second, Data: 10 * time.Second, Block: 10 * time.Second, Final: 30 * time.Second}
	client, err := smtpclient.Connect(ctx, conn, smtpclient.Config{Name: "client.test", TLS: smtpclient.TLSNone, Timeouts: timeouts})
	if err != nil {
		return nil
	}
	return client
}

var token = regexp.MustCompile(`Token-(\d+)-end`)

// count holds what is there against what was acknowledged.
func (t *torture) count(ctx context.Context) error {
	pool, err := t.in.pool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	err = drained(ctx, pool, func(waiting int) error {
		_, err := fmt.Printf("torture: %d mails wait to be sent\n", waiting)
		return err
	})
	if err != nil {
		return err
	}
	entries, err := t.entries(ctx)
	if err != nil {
		return err
	}
	var lost, twice, unacked, noAnswer int
	t.acked.Range(func(n, _ any) bool {
		switch found := entries[n.(int64)]; {
		case found == 0:
			lost++
		case found > 1:
			twice++
		}
		if t.sink.to(customer(n.(int64)).String()) == 0 {
			noAnswer++
		}
		return true
	})
	for n := range entries {
		if _, ok := t.acked.Load(n); !ok {
			unacked++ // committed, the 250 was lost, and the sender stopped before it tried again
		}
	}
	duplicates, explained := t.duplicates()
	fmt.Printf("acknowledged   %d\nin tickets     %d\nlost           %d\ntwice          %d\n", t.ackCount.Load(), len(entries), lost, twice)
	fmt.Printf("stored, 250 not heard, not tried again  %d\n", unacked)
	fmt.Printf("tickets without a delivered acknowledgement  %d\n", noAnswer)
	fmt.Printf("mails received %d, of them twice %d (%d of these: a kill came before our record of the receiver's answer)\n", t.sink.total(), duplicates, explained)
	if lost+twice+noAnswer > 0 || duplicates != explained {
		return fmt.Errorf("a promise was broken; the log is %s", filepath.Join(t.in.dir, "log"))
	}
	return nil
}

// drained waits until nothing waits to be sent; it reports how much does, every ten seconds.
func drained(ctx context.Context, pool *pgxpool.Pool, report func(waiting int) error) error {
	deadline := time.Now().Add(10 * time.Minute) // a mail deferred by a kill waits for its retry, a lease for its end
	for due := time.Now(); ; {
		waiting, err := callUp(ctx, pool)
		switch {
		case err != nil && !postgres.Transient(err): // the database may be starting again
			return err
		case err == nil && waiting == 0:
			return nil
		case time.Now().After(deadline):
			return errors.Join(fmt.Errorf("%d mails were not sent in ten minutes", waiting), err)
		case err == nil && time.Now().After(due):
			if err := report(waiting); err != nil {
				return err
			}
			due = time.Now().Add(10 * time.Second)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// callUp makes due what waits for nothing but its retry, as an operator can, and counts what is in the queue.
func callUp(ctx context.Context, pool *pgxpool.Pool) (waiting int, err error) {
	for _, sql := range []string{
		`UPDATE deliveries SET next_at = now() WHERE state = 'deferred' AND next_at > now()`,
		`UPDATE lanes SET next_at = now() WHERE next_at > now()`,
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return 0, err
		}
	}
	err = pool.QueryRow(ctx, `SELECT count(*) FROM deliveries`).Scan(&waiting)
	return waiting, err
}

// entries counts the entries of each letter.
func (t *torture) entries(ctx context.Context) (map[int64]int, error) {
	pool, err := t.in.pool(ctx)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	rows, err := pool.Query(ctx, `SELECT body FROM entries WHERE kind = 'message'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[int64]int{}
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		var n int64
		if m := token.FindStringSubmatch(body); m != nil {
			fmt.Sscan(m[1], &n) //nolint:errcheck // digits
		}
		found[n]++
	}
	return found, rows.Err()
}

// killWindow is how long before a kill an answer may have come that we could not record any more.
const killWindow = 2 * time.Second

// duplicates counts mails that came more than once, and those of them that a kill explains.
func (t *torture) duplicates() (all, explained int) {
	for _, times := range t.sink.repeated() {
		all++
		for _, k := range t.kills {
			if d := k.Sub(times[0]); d > -100*time.Millisecond && d < killWindow {
				explained++
				break
			}
		}
	}
	return all, explained
}
