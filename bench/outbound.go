package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/id"
	"mxdesk/outbound"
)

// domains is over how many domains the letters out are spread.
const domains = 100

func domain(i int) string { return fmt.Sprintf("d%d.test", i%domains) }

// outbound measures what leaves into smtp-sink: mxdesk, which signs every letter twice; Postfix, which drains a full queue
// unsigned; and Postfix that accepts, relays and has opendkim sign once, which cannot be parted into accepting and draining.
func (c *benchCmd) outbound(ctx context.Context, top *cli) error {
	fmt.Printf("\nletters out: %d over %d domains into smtp-sink\n", c.Letters, domains)
	var ours, bare, relayed []result
	for range c.Rounds {
		r, err := c.drainMxdesk(ctx, top, queued{letters: c.Letters})
		if err != nil {
			return fmt.Errorf("mxdesk: %w", err)
		}
		ours = append(ours, r.result)
		b, err := c.drainPostfix(ctx)
		if err != nil {
			return fmt.Errorf("postfix: %w", err)
		}
		bare = append(bare, b)
		o, err := c.relayOpendkim(ctx)
		if err != nil {
			return fmt.Errorf("postfix with opendkim: %w", err)
		}
		relayed = append(relayed, o)
		fmt.Printf("rate and CPU per 1,000: mxdesk, signed twice %5.0f/s %4.2f s; postfix, unsigned %5.0f/s %4.2f s; postfix relaying with opendkim %5.0f/s %5.2f s; %s\n",
			r.rate, r.cpu, b.rate, b.cpu, o.rate, o.cpu, calibration())
	}
	printRatios("mxdesk / postfix unsigned", ours, bare)
	printRatios("mxdesk / postfix with opendkim", ours, relayed)
	return nil
}

func printRatios(name string, ours, theirs []result) {
	rate := ratios(ours, theirs, func(r result) float64 { return r.rate })
	cpu := ratios(ours, theirs, func(r result) float64 { return r.cpu })
	fmt.Printf("%-31s rate %.2f (%.2f-%.2f), CPU %.2f (%.2f-%.2f)\n", name, rate[1], rate[0], rate[2], cpu[1], cpu[0], cpu[2])
}

// queued is what waits when a drain begins.
type queued struct {
	letters int  // over the domains that answer
	dead    int  // to the one that does not
	claims  bool // measure claims afterwards
}

// drain is what a drain came to.
type drain struct {
	result
	claim float64 // 99 of 100 claims took no longer, in seconds; see pacedClaims
}

// drainMxdesk fills the queue of an instance that does not deliver, then starts one that does, and waits until
// the letters to domains that answer are gone.
func (c *benchCmd) drainMxdesk(ctx context.Context, top *cli, what queued) (drain, error) {
	s, err := startSink(ctx)
	if err != nil {
		return drain{}, err
	}
	defer s.stop()
	dead, err := silentHost(s.port)
	if err != nil {
		return drain{}, err
	}
	defer dead.Close() //nolint:errcheck // nobody comes any more
	zone := testZone("")
	zone["mx.dead.test"], zone[deadDomain] = dns.Records{A: []string{deadHost}}, dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.dead.test"}}}
	names, err := dns.Serve("127.0.0.1:0", zone)
	if err != nil {
		return drain{}, err
	}
	defer names.Close()
	metrics, err := freePort()
	if err != nil {
		return drain{}, err
	}
	in, err := filledInstance(ctx, top, what, "mx_port = "+s.port, "[dns]", fmt.Sprintf("resolvers = [%q]", names.Addr.String()))
	if err != nil {
		return drain{}, err
	}
	defer in.remove()
	defer in.stop() //nolint:errcheck // the figures are printed
	if err := in.configure(strings.Replace(in.text, "[metrics]\nlisten = []", fmt.Sprintf("[metrics]\nlisten = [%q]", "127.0.0.1:"+metrics), 1)); err != nil {
		return drain{}, err
	}
	begin := time.Now()
	if err := in.start(); err != nil {
		return drain{}, err
	}
	if err := in.ready(ctx); err != nil {
		return drain{}, err
	}
	pool, err := in.pool(ctx)
	if err != nil {
		return drain{}, err
	}
	defer pool.Close()
	// What is done is counted, not what waits: the letters to the dead domain would make each look dear.
	for done := 0; done < what.letters; time.Sleep(100 * time.Millisecond) {
		if err := pool.QueryRow(ctx, `SELECT count(*) FROM deliveries_done`).Scan(&done); err != nil {
			return drain{}, err
		}
		if time.Since(begin) > 10*time.Minute {
			return drain{}, fmt.Errorf("%d letters of %d left in ten minutes; the log is %s", done, what.letters, in.log.Name())
		}
	}
	took := time.Since(begin)
	used := treeCPU(in.cmd.Process.Pid)
	var delivered int
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM deliveries_done WHERE outcome = 'delivered'`).Scan(&delivered); err != nil {
		return drain{}, err
	}
	if delivered != what.letters {
		return drain{}, fmt.Errorf("%d letters were delivered, not %d", delivered, what.letters)
	}
	out := drain{result: result{rate: float64(what.letters) / took.Seconds(), cpu: used / float64(what.letters) * 1000}}
	if what.claims {
		out.claim, err = pacedClaims(ctx, pool, "http://127.0.0.1:"+metrics+"/metrics")
	}
	return out, err
}

// filledInstance is a stopped instance with the letters in its queue. It was started without delivering.
func filledInstance(ctx context.Context, top *cli, what queued, lines ...string) (*instance, error) {
	in, err := newInstance(top.Mxdesk, "mx", lines...)
	if err != nil {
		return nil, err
	}
	if err := in.configure("roles = [\"smtp\"]\n" + in.text); err != nil {
		return nil, err
	}
	if err := in.start(); err != nil {
		return nil, err
	}
	if err := in.ready(ctx); err != nil {
		return nil, err
	}
	if err := in.command("admin", "organisation", "Example", "help@example.test", "--sign-at-once"); err != nil {
		return nil, err
	}
	if err := fill(ctx, in, what.letters, domain); err != nil {
		return nil, err
	}
	if err := fill(ctx, in, what.dead, func(int) string { return deadDomain }); err != nil {
		return nil, err
	}
	if err := settle(ctx, in); err != nil {
		return nil, err
	}
	if err := in.stop(); err != nil {
		return nil, err
	}
	return in, in.configure(in.text)
}

// settle does what autovacuum would do some time after so many rows came at once: it is the queue that is measured, not the filling.
func settle(ctx context.Context, in *instance) error {
	pool, err := in.pool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	for _, table := range []string{"messages", "deliveries"} {
		if _, err := pool.Exec(ctx, "VACUUM (ANALYZE) "+table); err != nil {
			return err
		}
	}
	return nil
}

// fill puts letters into the queue as an intake does, the i-th to the domain that to names.
func fill(ctx context.Context, in *instance, letters int, to func(i int) string) error {
	pool, err := in.pool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	q := outbound.NewQueue(pool, outbound.QueueConfig{})
	for first := 0; first < letters; first += 500 {
		var batch []outbound.Message
		for i := first; i < min(first+500, letters); i++ {
			batch = append(batch, benchMessage(i, to(i)))
		}
		if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return q.EnqueueTx(ctx, tx, batch) }); err != nil {
			return err
		}
	}
	return nil
}

// benchMessage is the i-th letter, to a domain.
func benchMessage(i int, domain string) outbound.Message {
	to := address.Address{Local: "c" + strconv.Itoa(i), Domain: domain}
	return outbound.Message{
		Organisation: 1, ID: id.New(), Template: "bench", FromName: "Example", From: address.Address{Local: "help", Domain: "example.test"},
		AutoSubmitted: "auto-generated", Subject: "A letter", Text: strings.Repeat("Some words of a helpdesk about a thing.\n", 100),
		Deliveries: []outbound.Delivery{{ID: id.New(), Recipient: to, MessageID: id.New().String() + "@example.test"}},
	}
}

// drainPostfix fills Postfix's hold queue and releases it.
func (c *benchCmd) drainPostfix(ctx context.Context) (result, error) {
	s, err := startSink(ctx)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	pf, err := newPostfix(ctx, append(relaying(s), "smtpd_client_restrictions = static:hold")...)
	if err != nil {
		return result{}, err
	}
	defer pf.stop()
	if err := c.feed(ctx, pf); err != nil {
		return result{}, err
	}
	n := pf.queued("hold")
	start, begin := treeCPU(pf.master()), time.Now()
	if out, err := exec.Command("postsuper", "-c", pf.conf(), "-H", "ALL").CombinedOutput(); err != nil {
		return result{}, fmt.Errorf("postsuper: %w: %s", err, bytes.TrimSpace(out))
	}
	exec.Command("postqueue", "-c", pf.conf(), "-f").Run() //nolint:errcheck // it only hurries
	if err := pf.empty(); err != nil {
		return result{}, err
	}
	took := time.Since(begin)
	used := treeCPU(pf.master()) - start
	return result{rate: float64(n) / took.Seconds(), cpu: used / float64(n) * 1000}, nil
}

// relaying are the lines that make Postfix relay to all the domains by way of the sink.
func relaying(s *peer) []string {
	var relay []string
	for i := range domains {
		relay = append(relay, domain(i))
	}
	return []string{"relayhost = [127.0.0.1]:" + s.port, "relay_domains = " + strings.Join(relay, " "), "smtp_tls_security_level = none"}
}

// feed brings Postfix the letters, over all domains.
func (c *benchCmd) feed(ctx context.Context, pf *postfix) error {
	for i := range domains {
		args := []string{"-s", "10", "-d", "-m", strconv.Itoa(c.Letters / domains), "-l", "4096", "-f", "help@example.test", "-t", "c@" + domain(i), pf.addr}
		if out, err := exec.CommandContext(ctx, "smtp-source", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("smtp-source: %w: %s", err, out)
		}
	}
	return nil
}
