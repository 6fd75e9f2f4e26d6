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

// outbound measures draining a full queue into smtp-sink: mxdesk, which signs every letter twice, and Postfix, which does not.
func (c *benchCmd) outbound(ctx context.Context, top *cli) error {
	fmt.Printf("\nletters out: %d over %d domains into smtp-sink\n", c.Letters, domains)
	var ours, theirs []result
	for range c.Rounds {
		r, err := c.drainMxdesk(ctx, top)
		if err != nil {
			return fmt.Errorf("mxdesk: %w", err)
		}
		ours = append(ours, r)
		if r, err = c.drainPostfix(ctx); err != nil {
			return fmt.Errorf("postfix: %w", err)
		}
		theirs = append(theirs, r)
		fmt.Printf("mxdesk, signed twice: %6.0f/s %5.2f s CPU per 1,000    postfix, unsigned: %6.0f/s %5.2f s CPU per 1,000    %s\n",
			ours[len(ours)-1].rate, ours[len(ours)-1].cpu, r.rate, r.cpu, calibration())
	}
	rate := ratios(ours, theirs, func(r result) float64 { return r.rate })
	cpu := ratios(ours, theirs, func(r result) float64 { return r.cpu })
	fmt.Printf("mxdesk / postfix: rate %.2f (%.2f-%.2f), CPU %.2f (%.2f-%.2f)\n", rate[1], rate[0], rate[2], cpu[1], cpu[0], cpu[2])
	return nil
}

// smtpSink is Postfix's discarding server.
type smtpSink struct {
	cmd  *exec.Cmd
	port string
}

func startSink() (*smtpSink, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	// -u: it will not run as root.
	s := &smtpSink{port: port, cmd: exec.Command("smtp-sink", "-u", "nobody", "127.0.0.1:"+port, "1024")}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("smtp-sink: %w", err)
	}
	time.Sleep(200 * time.Millisecond)
	return s, nil
}

func (s *smtpSink) stop() {
	s.cmd.Process.Kill() //nolint:errcheck // the end
	s.cmd.Wait()         //nolint:errcheck // it was killed
}

// drainMxdesk fills the queue of an instance that does not deliver, then starts one that does.
func (c *benchCmd) drainMxdesk(ctx context.Context, top *cli) (result, error) {
	s, err := startSink()
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	zone := dns.Fake{"sink.test": {A: []string{"127.0.0.1"}}}
	for i := range domains {
		zone[domain(i)] = dns.Records{MX: []dns.MX{{Preference: 10, Host: "sink.test"}}}
	}
	names, err := dns.Serve("127.0.0.1:0", zone)
	if err != nil {
		return result{}, err
	}
	defer names.Close()
	in, err := c.filledInstance(ctx, top, "mx_port = "+s.port, "[dns]", fmt.Sprintf("resolvers = [%q]", names.Addr.String()))
	if err != nil {
		return result{}, err
	}
	defer in.remove()
	defer in.stop() //nolint:errcheck // the figures are printed
	begin := time.Now()
	if err := in.start(); err != nil {
		return result{}, err
	}
	if err := in.ready(ctx); err != nil {
		return result{}, err
	}
	pool, err := in.pool(ctx)
	if err != nil {
		return result{}, err
	}
	defer pool.Close()
	for waiting := 1; waiting > 0; time.Sleep(50 * time.Millisecond) {
		if err := pool.QueryRow(ctx, `SELECT count(*) FROM deliveries`).Scan(&waiting); err != nil {
			return result{}, err
		}
		if time.Since(begin) > 10*time.Minute {
			return result{}, fmt.Errorf("%d letters wait after ten minutes; the log is %s", waiting, in.log.Name())
		}
	}
	took := time.Since(begin)
	used := treeCPU(in.cmd.Process.Pid)
	var delivered int
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM deliveries_done WHERE outcome = 'delivered'`).Scan(&delivered); err != nil {
		return result{}, err
	}
	if delivered != c.Letters {
		return result{}, fmt.Errorf("%d letters were delivered, not %d", delivered, c.Letters)
	}
	return result{rate: float64(c.Letters) / took.Seconds(), cpu: used / float64(c.Letters) * 1000}, nil
}

// filledInstance is a stopped instance with the letters in its queue. It was started without delivering.
func (c *benchCmd) filledInstance(ctx context.Context, top *cli, lines ...string) (*instance, error) {
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
	if err := in.command("admin", "organisation", "Example", "help@example.test"); err != nil {
		return nil, err
	}
	if err := c.fill(ctx, in); err != nil {
		return nil, err
	}
	if err := in.stop(); err != nil {
		return nil, err
	}
	return in, in.configure(in.text)
}

// fill puts letters into the queue as an intake does.
func (c *benchCmd) fill(ctx context.Context, in *instance) error {
	pool, err := in.pool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	q := outbound.NewQueue(pool, outbound.QueueConfig{})
	for first := 0; first < c.Letters; first += 500 {
		var batch []outbound.Message
		for i := first; i < min(first+500, c.Letters); i++ {
			to := address.Address{Local: "c" + strconv.Itoa(i), Domain: domain(i)}
			batch = append(batch, outbound.Message{
				Organisation: 1, ID: id.New(), Template: "bench", FromName: "Example", From: address.Address{Local: "help", Domain: "example.test"},
				AutoSubmitted: "auto-generated", Subject: "A letter", Text: strings.Repeat("Some words of a helpdesk about a thing.\n", 100),
				Deliveries: []outbound.Delivery{{ID: id.New(), Recipient: to, MessageID: id.New().String() + "@example.test"}},
			})
		}
		if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return q.EnqueueTx(ctx, tx, batch) }); err != nil {
			return err
		}
	}
	return nil
}

// drainPostfix fills Postfix's hold queue and releases it.
func (c *benchCmd) drainPostfix(ctx context.Context) (result, error) {
	s, err := startSink()
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	var relay []string
	for i := range domains {
		relay = append(relay, domain(i))
	}
	pf, err := newPostfix(ctx, "smtpd_client_restrictions = static:hold", "relayhost = [127.0.0.1]:"+s.port, "relay_domains = "+strings.Join(relay, " "), "smtp_tls_security_level = none")
	if err != nil {
		return result{}, err
	}
	defer pf.stop()
	for i := range domains {
		args := []string{"-s", "10", "-d", "-m", strconv.Itoa(c.Letters / domains), "-l", "4096", "-f", "help@example.test", "-t", "c@" + domain(i), pf.addr}
		if out, err := exec.CommandContext(ctx, "smtp-source", args...).CombinedOutput(); err != nil {
			return result{}, fmt.Errorf("smtp-source: %w: %s", err, out)
		}
	}
	n := pf.queued("hold")
	start, begin := treeCPU(pf.master()), time.Now()
	if out, err := exec.Command("postsuper", "-c", pf.conf(), "-H", "ALL").CombinedOutput(); err != nil {
		return result{}, fmt.Errorf("postsuper: %w: %s", err, bytes.TrimSpace(out))
	}
	exec.Command("postqueue", "-c", pf.conf(), "-f").Run() //nolint:errcheck // it only hurries
	for pf.queued("hold", "incoming", "active", "deferred") > 0 {
		if time.Since(begin) > 10*time.Minute {
			return result{}, fmt.Errorf("the queue was not empty after ten minutes")
		}
		time.Sleep(50 * time.Millisecond)
	}
	took := time.Since(begin)
	used := treeCPU(pf.master()) - start
	return result{rate: float64(n) / took.Seconds(), cpu: used / float64(n) * 1000}, nil
}
