package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
	"mxdesk/smtpd"
)

type benchCmd struct {
	Rounds   int           `default:"5" help:"Interleaved rounds."`
	Duration time.Duration `default:"2s" help:"About how long each case runs in each round."`
	Inbound  bool          `help:"Letters in alone."`
	Outbound bool          `help:"Letters out, also beside a dead domain, alone."`
	Beside   bool          `help:"Letters out beside a dead domain alone."`
	Million  bool          `help:"The filled database alone."`
	Verify   bool          `help:"What sender authentication adds to a letter alone."`
	Tickets  int           `default:"1000000" help:"Tickets of the filled database."`
	Letters  int           `default:"10000" help:"Letters out."`
	Dead     int           `default:"200000" help:"Letters to a domain that does not answer."`
}

// Run runs the parts that were asked for, or all.
func (c *benchCmd) Run(ctx context.Context, top *cli) error {
	all := !c.Inbound && !c.Outbound && !c.Beside && !c.Million && !c.Verify
	for _, part := range []struct {
		asked bool
		run   func(context.Context, *cli) error
	}{
		{c.Verify, func(ctx context.Context, _ *cli) error { return c.verify(ctx) }},
		{c.Inbound, c.inbound},
		{c.Outbound, c.outbound},
		{c.Outbound || c.Beside, c.deadDomain},
		{c.Outbound, c.firstByte},
		{c.Million, c.million},
	} {
		if !part.asked && !all {
			continue
		}
		if err := part.run(ctx, top); err != nil {
			return err
		}
	}
	return nil
}

// target is one server that is measured.
type target struct {
	name  string
	addr  string
	root  func() int                  // process whose tree counts: of mxdesk with its PostgreSQL
	count func() (int, error)         // letters it has taken
	clear func(context.Context) error // makes room between rounds
}

// load is one case.
type load struct {
	name     string
	sessions int
	size     int
	reuse    bool
}

var loads = []load{
	{"s=1 4K", 1, 4096, false},
	{"s=10 4K", 10, 4096, false},
	{"s=50 4K", 50, 4096, false},
	{"s=50 4K reuse", 50, 4096, true},
	{"s=10 64K", 10, 65536, false},
}

// result is one case of one target in one round.
type result struct {
	rate float64 // letters a second
	cpu  float64 // seconds for 1,000 letters
}

// inbound measures taking letters: mxdesk whole, Postfix into its hold queue, and our SMTP code with nothing behind.
func (c *benchCmd) inbound(ctx context.Context, top *cli) error {
	in, pool, err := readyInstance(ctx, top.Mxdesk, "discard:")
	if err != nil {
		return err
	}
	defer in.remove()
	defer in.stop() //nolint:errcheck // the figures are printed
	defer pool.Close()
	pf, err := newPostfix(ctx, "smtpd_client_restrictions = static:hold")
	if err != nil {
		return err
	}
	defer pf.stop()
	discard, err := startDiscard(ctx)
	if err != nil {
		return err
	}
	defer discard.stop()
	targets := []target{
		{"mxdesk", in.smtp, func() int { return in.cmd.Process.Pid }, countLetters(ctx, pool), nil},
		{"postfix hold", pf.addr, func() int { return pf.master() }, func() (int, error) { return pf.queued("hold"), nil }, func(context.Context) error { return pf.clear() }},
		{"discard", discard.addr, func() int { return discard.cmd.Process.Pid }, nil, nil},
	}
	idle := pss(in.cmd.Process.Pid)
	results := map[string]map[string][]result{}
	for round := range c.Rounds {
		fmt.Printf("round %d: %s\n", round+1, calibration())
		for _, l := range loads {
			for _, t := range targets {
				r, err := c.measure(ctx, t, l)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", t.name, l.name, err)
				}
				if results[l.name] == nil {
					results[l.name] = map[string][]result{}
				}
				results[l.name][t.name] = append(results[l.name][t.name], r)
			}
		}
	}
	printInbound(results)
	fmt.Printf("memory of mxdesk (PSS, without PostgreSQL): idle %d MB, after the load %d MB\n", idle>>20, pss(in.cmd.Process.Pid)>>20)
	if err := printRoundTrips(ctx, pool); err != nil {
		return err
	}
	return printLatency(ctx, in.smtp)
}

// readyInstance starts mxdesk with an organisation whose acknowledgements are not budgeted (the load has one sender) and
// stay in the queue: what is measured is taking letters.
func readyInstance(ctx context.Context, program, transport string) (*instance, *pgxpool.Pool, error) {
	in, err := newInstance(program, transport)
	if err != nil {
		return nil, nil, err
	}
	if err := in.configure("roles = [\"smtp\"]\n" + in.text); err != nil {
		return nil, nil, err
	}
	if err := in.start(); err != nil {
		return nil, nil, err
	}
	if err := in.ready(ctx); err != nil {
		return nil, nil, err
	}
	if err := in.command("admin", "organisation", "Example", "help@example.test", "--sign-at-once"); err != nil {
		return nil, nil, err
	}
	pool, err := in.pool(ctx)
	if err != nil {
		return nil, nil, err
	}
	_, err = pool.Exec(ctx, `
		WITH r AS (UPDATE directory_revision SET revision = revision + 1 RETURNING revision)
		UPDATE organisations SET settings = '{"loop_guards": false, "auto_per_five_minutes": 1000000000, "auto_per_day": 1000000000}', revision = r.revision FROM r`)
	if err != nil {
		return nil, nil, err
	}
	time.Sleep(time.Second) // a change takes effect within a second
	return in, pool, nil
}

func countLetters(ctx context.Context, pool *pgxpool.Pool) func() (int, error) {
	return func() (n int, err error) {
		err = pool.QueryRow(ctx, `SELECT count(*) FROM letters`).Scan(&n)
		return n, err
	}
}

// measure sends letters for about the duration, and checks that all of them were taken.
func (c *benchCmd) measure(ctx context.Context, t target, l load) (result, error) {
	if t.clear != nil {
		if err := t.clear(ctx); err != nil {
			return result{}, err
		}
	}
	// A short run says how many letters fill the time.
	n := max(20, l.sessions*2)
	took, err := source(ctx, t.addr, l, n)
	if err != nil {
		return result{}, err
	}
	n = max(n, int(float64(n)/took.Seconds()*c.Duration.Seconds()))
	before := 0
	if t.count != nil {
		if before, err = t.count(); err != nil {
			return result{}, err
		}
	}
	start := treeCPU(t.root())
	took, err = source(ctx, t.addr, l, n)
	if err != nil {
		return result{}, err
	}
	used := treeCPU(t.root()) - start
	if t.count != nil {
		after, err := t.count()
		if err != nil {
			return result{}, err
		}
		if after-before != n {
			return result{}, fmt.Errorf("%d letters were sent, %d are there", n, after-before)
		}
	}
	return result{rate: float64(n) / took.Seconds(), cpu: used / float64(n) * 1000}, nil
}

// source runs Postfix's smtp-source.
func source(ctx context.Context, addr string, l load, n int) (time.Duration, error) {
	args := []string{"-s", strconv.Itoa(l.sessions), "-m", strconv.Itoa(n), "-l", strconv.Itoa(l.size), "-f", "carl@customer.test", "-t", "help@example.test", "-S", "A question"}
	if l.reuse {
		args = append(args, "-d")
	}
	begin := time.Now()
	out, err := exec.CommandContext(ctx, "smtp-source", append(args, addr)...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("smtp-source: %w: %s", err, out)
	}
	return time.Since(begin), nil
}

// calibration says how fast the machine is at this moment.
func calibration() string {
	out, err := exec.Command("openssl", "speed", "-seconds", "1", "rsa2048").Output()
	if err != nil {
		return "no openssl to calibrate with"
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 5 && f[0] == "rsa" {
			return "openssl rsa2048 " + f[5] + " signs/s"
		}
	}
	return ""
}

func printInbound(results map[string]map[string][]result) {
	fmt.Printf("\n%-15s %28s %28s %28s\n", "taking letters", "mxdesk", "postfix hold", "discard")
	for _, l := range loads {
		r := results[l.name]
		fmt.Printf("%-15s", l.name)
		for _, name := range []string{"mxdesk", "postfix hold", "discard"} {
			rate := spread(r[name], func(r result) float64 { return r.rate })
			cpu := spread(r[name], func(r result) float64 { return r.cpu })
			fmt.Printf("  %6.0f/s (%5.0f-%5.0f) %4.2f s", rate[1], rate[0], rate[2], cpu[1])
		}
		fmt.Println()
	}
	fmt.Printf("\n%-15s %30s %22s %30s\n", "ratios", "rate / postfix (min-max)", "cpu / postfix", "rate / discard")
	for _, l := range loads {
		r := results[l.name]
		toPostfix := ratios(r["mxdesk"], r["postfix hold"], func(r result) float64 { return r.rate })
		cpu := ratios(r["mxdesk"], r["postfix hold"], func(r result) float64 { return r.cpu })
		toDiscard := ratios(r["mxdesk"], r["discard"], func(r result) float64 { return r.rate })
		fmt.Printf("%-15s %12.2f (%.2f-%.2f) %16.2f (%.2f-%.2f) %12.2f (%.2f-%.2f)\n", l.name,
			toPostfix[1], toPostfix[0], toPostfix[2], cpu[1], cpu[0], cpu[2], toDiscard[1], toDiscard[0], toDiscard[2])
	}
}

// spread is minimum, median and maximum.
func spread(list []result, value func(result) float64) [3]float64 {
	var v []float64
	for _, r := range list {
		v = append(v, value(r))
	}
	slices.Sort(v)
	return [3]float64{v[0], v[len(v)/2], v[len(v)-1]}
}

// ratios compares two targets round by round.
func ratios(a, b []result, value func(result) float64) [3]float64 {
	var v []result
	for i := range a {
		v = append(v, result{rate: value(a[i]) / value(b[i])})
	}
	return spread(v, func(r result) float64 { return r.rate })
}

// printLatency sends letters one at a time and tells how long the answer to the final dot took.
func printLatency(ctx context.Context, addr string) error {
	var times []time.Duration
	for i := range 300 {
		d, err := answerTime(ctx, addr, i)
		if err != nil {
			return err
		}
		times = append(times, d)
	}
	slices.Sort(times)
	at := func(p int) float64 { return float64(times[len(times)*p/100].Microseconds()) / 1000 }
	fmt.Printf("end of data to 250, one at a time: p50 %.1f ms, p95 %.1f ms, p99 %.1f ms\n", at(50), at(95), at(99))
	return nil
}

// answerTime sends one letter on a connection of its own.
func answerTime(ctx context.Context, addr string, n int) (time.Duration, error) {
	var begin time.Time
	err := sendOne(ctx, addr, fmt.Sprintf("c%d@customer.test", n), n, func() { begin = time.Now() })
	return time.Since(begin), err
}

// sendOne sends the n-th letter on a connection of its own; before the final dot it calls what is in dot.
func sendOne(ctx context.Context, addr, sender string, n int, dot ...func()) error {
	t, err := dialFrom(ctx, "", addr)
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.upToData(sender, "help@example.test"); err != nil {
		return err
	}
	t.send(fmt.Sprintf("From: Customer <%[1]s>\r\nTo: help@example.test\r\nSubject: Question %[2]d\r\nMessage-ID: <%[2]d.%[3]d@customer.test>\r\n\r\n%[4]s",
		sender, n, time.Now().UnixNano(), strings.Repeat("Some words of a customer who has a question about a thing.\r\n", 64)))
	for _, f := range dot {
		f()
	}
	return t.must(".", "250")
}

const discardEnv = "MXDESK_BENCH_DISCARD"

// startDiscard starts our SMTP code with a backend that stores nothing, in a process of its own.
func startDiscard(ctx context.Context) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := newPeer("discard")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), discardEnv+"="+p.addr)
	return p, p.run(ctx, 5*time.Second, cmd)
}

// serveDiscard is the child process.
func serveDiscard(ctx context.Context, addr string) error {
	c := smtpd.DefaultConfig()
	c.Hostname, c.Listen, c.MaxMessages, c.Metrics = "mx.example.test", []string{addr}, 1<<30, prometheus.NewRegistry()
	s, err := smtpd.New(c, discardBackend{})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

type discardBackend struct{}

func (discardBackend) CheckRecipient(context.Context, address.Address, address.Address) error {
	return nil
}

func (discardBackend) Deliver(_ context.Context, l *message.Letter) (message.Taken, error) {
	return message.Taken{ID: l.ID}, nil
}
