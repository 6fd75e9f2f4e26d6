package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/id"
	"mxdesk/internal/postgres"
	"mxdesk/migrations"
	"mxdesk/outbound"
)

type tortureOutCmd struct {
	Kills int           `default:"120" help:"How many times to kill."`
	Gap   time.Duration `default:"4s" help:"Longest time from one kill to the next."`
	Seed  uint64        `help:"Seed of the random choices; 0 picks one."`
	Keep  bool          `help:"Keep the folder with database and logs."`
}

// tortureOut is one run: two nodes that deliver, one PostgreSQL, and a receiver that is as bad as receivers are.
type tortureOut struct {
	*tortureOutCmd
	dir      string
	program  string
	receiver *badReceiver
	postgres *postgres.Server
	nodes    [2]*node
	random   *rand.Rand

	mu       sync.Mutex
	promised []string // recipients of letters whose enqueueing was committed
	kills    []kill
	what     map[string]int
}

// kill is what was killed when.
type kill struct {
	at       time.Time
	postgres bool   // else
	node     string // by its name, or "" for both
}

// Run kills and counts. It fails when a letter is lost, or came twice without a reason.
func (c *tortureOutCmd) Run(ctx context.Context, top *cli) error {
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	dir, err := os.MkdirTemp("/tmp", "mxdesk-torture-")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the database runs as another user
		return err
	}
	t := &tortureOut{
		tortureOutCmd: c, dir: dir, program: top.Mxdesk, random: rand.New(rand.NewPCG(c.Seed, 2)), what: map[string]int{},
	}
	if err := t.run(ctx); err != nil || c.Keep {
		fmt.Println("folder:", dir)
		return err
	}
	return os.RemoveAll(dir)
}

func (t *tortureOut) run(ctx context.Context) (err error) {
	if t.receiver, err = newBadReceiver(t.Seed); err != nil {
		return err
	}
	defer t.receiver.server.Close()
	names, err := dns.Serve("127.0.0.1:0", testZone("mx.test"))
	if err != nil {
		return err
	}
	defer names.Close() //nolint:errcheck // nobody asks any more
	if err := t.startPostgres(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.postgres.Stop()) }()
	pool, err := postgres.Pool(ctx, t.postgres.URL(), 6)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := t.prepare(ctx, pool); err != nil {
		return err
	}
	for i := range t.nodes {
		if t.nodes[i], err = t.newNode(i, names.Addr); err != nil {
			return err
		}
		if err := t.nodes[i].start(); err != nil {
			return err
		}
		defer t.nodes[i].kill()
	}
	return t.torment(ctx, pool)
}

// prepare makes the organisation whose letters are sent. It has no keys: signing is not what is tried here.
func (t *tortureOut) prepare(ctx context.Context, pool *pgxpool.Pool) error {
	if err := migrations.Apply(ctx, pool); err != nil {
		return err
	}
	_, err := pool.Exec(ctx, `INSERT INTO organisations (organisation_id, name, address_key) VALUES (1, 'Example', $1)`, []byte(strings.Repeat("k", address.MinKey)))
	return err
}

func (t *tortureOut) startPostgres(ctx context.Context) (err error) {
	t.postgres, err = postgres.Start(ctx, postgres.Config{Dir: filepath.Join(t.dir, "postgres"), Logger: slog.New(slog.DiscardHandler)})
	return err
}

func (t *tortureOut) newNode(i int, names netip.AddrPort) (*node, error) {
	n := &node{program: t.program, config: filepath.Join(t.dir, fmt.Sprintf("node%d.toml", i))}
	text := fmt.Sprintf(`hostname = "mx%d.example.test"
data_dir = %q
roles = ["deliver"]
[database]
url = %q
[metrics]
listen = []
[log]
level = "warn"
[outbound]
transport = "mx"
mx_port = %d
allow_private_destinations = true
[dns]
resolvers = [%q]
`, i, filepath.Join(t.dir, fmt.Sprintf("node%d", i)), t.postgres.URL(), t.receiver.server.Addr().Port(), names)
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	var err error
	n.log, err = os.Create(filepath.Join(t.dir, fmt.Sprintf("node%d.log", i)))
	return n, err
}

// torment enqueues and kills, then waits until the queue is empty and counts.
func (t *tortureOut) torment(ctx context.Context, pool *pgxpool.Pool) error {
	fmt.Printf("torture-out: %d kills, seed %d\n", t.Kills, t.Seed)
	begin := time.Now()
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() { t.enqueue(ctx, pool, stop) })
	busy.Go(func() { hurry(ctx, pool, stop) })
	err := t.killAll(ctx)
	close(stop)
	busy.Wait()
	if err != nil {
		return err
	}
	t.receiver.behave()
	fmt.Printf("torture-out: %v; killed %v; %d letters enqueued\n", time.Since(begin).Round(time.Second), t.what, len(t.promised))
	err = drained(ctx, pool, func(waiting int) error {
		fmt.Printf("torture-out: %d letters wait\n", waiting)
		return t.revive(ctx) // what was struck last may have met a database that was not up
	})
	if err != nil {
		return err
	}
	return t.count(ctx, pool)
}

// enqueue commits letters to fresh recipients until it is told to stop.
func (t *tortureOut) enqueue(ctx context.Context, pool *pgxpool.Pool, stop <-chan struct{}) {
	q := outbound.NewQueue(pool, outbound.QueueConfig{})
	for n, round := 0, 0; ; round++ {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(25 * time.Millisecond):
		}
		m := outbound.Message{
			Organisation: 1, ID: id.New(), Template: "torture", FromName: "Desk", From: address.Address{Local: "help", Domain: "example.test"},
			AutoSubmitted: "auto-generated", Subject: "Torture", Text: "Hello\n",
		}
		var recipients []string
		m.Shared = round%3 == 0 // then all four go in one transaction, or several
		for i := range 4 {
			n++
			to := address.Address{Local: fmt.Sprintf("c%d", n), Domain: domain(n)}
			if m.Shared {
				to.Domain = domain(n - i)
			}
			if n%20 == 0 {
				to.Local = refusedPrefix + to.Local
			}
			d := id.New()
			m.Deliveries = append(m.Deliveries, outbound.Delivery{ID: d, Recipient: to, MessageID: d.String() + "@example.test"})
			recipients = append(recipients, to.String())
		}
		committing, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := pgx.BeginFunc(committing, pool, func(tx pgx.Tx) error { return q.EnqueueTx(committing, tx, []outbound.Message{m}) })
		cancel()
		if err == nil { // else nothing was promised
			t.mu.Lock()
			t.promised = append(t.promised, recipients...)
			t.mu.Unlock()
		}
	}
}

// hurry makes what waits for its retry due, as an operator can: the run is not to take days.
func hurry(ctx context.Context, pool *pgxpool.Pool, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
		callUp(ctx, pool) //nolint:errcheck // PostgreSQL is killed often
	}
}

// killAll kills at random moments, also while what was killed before starts again.
func (t *tortureOut) killAll(ctx context.Context) error {
	for n := range t.Kills {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(t.Gap/40 + time.Duration(t.random.Int64N(int64(t.Gap)))):
		}
		if err := t.strike(ctx, []string{"node 0", "node 1", "both nodes", "postgres"}[t.random.IntN(4)]); err != nil {
			return err
		}
		if (n+1)%20 == 0 {
			fmt.Printf("torture-out: %d kills, %d letters enqueued, %d received\n", n+1, t.enqueued(), t.receiver.total())
		}
	}
	return t.revive(ctx)
}

func (t *tortureOut) enqueued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.promised)
}

func (t *tortureOut) strike(ctx context.Context, what string) error {
	t.mu.Lock()
	t.what[what]++
	k := kill{at: time.Now(), postgres: what == "postgres"}
	if i, ok := strings.CutPrefix(what, "node "); ok {
		k.node = "mx" + i + ".example.test"
	}
	t.kills = append(t.kills, k)
	t.mu.Unlock()
	if what == "postgres" {
		if pid := postmasterOf(filepath.Join(t.dir, "postgres", "data")); pid != 0 {
			syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it may be gone
		}
	} else {
		for i, n := range t.nodes {
			if what == "both nodes" || what == fmt.Sprintf("node %d", i) {
				n.kill()
			}
		}
	}
	return t.revive(ctx)
}

// revive starts again what has ended, as systemd would: nodes, and a supervisor of PostgreSQL that gave up.
func (t *tortureOut) revive(ctx context.Context) error {
	select {
	case <-t.postgres.Ended():
		t.postgres.Stop() //nolint:errcheck // it tells that it gave up
		if err := t.startPostgres(ctx); err != nil {
			return err
		}
	default:
	}
	for _, n := range t.nodes {
		select {
		case <-n.ended:
			if err := n.start(); err != nil {
				return err
			}
		default:
		}
	}
	return nil
}
