package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
)

// firstByte measures how long after a letter's 250, which follows its commit at once, the receiver of the acknowledgement
// sees MAIL: on a new connection, after DNS, greeting and EHLO.
func (c *benchCmd) firstByte(ctx context.Context, top *cli) error {
	const letters = 300
	var mu sync.Mutex
	seen := map[string]time.Time{}
	arrived := make(chan struct{}, letters)
	receiver, err := smtptest.Start(smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
		if c.Verb == "RCPT" { // MAIL and RCPT come in one packet
			_, path, _ := strings.Cut(c.Line, "<")
			to, _, _ := strings.Cut(path, ">")
			mu.Lock()
			seen[to] = time.Now()
			mu.Unlock()
			arrived <- struct{}{}
		}
		return smtptest.Action{}
	}})
	if err != nil {
		return err
	}
	defer receiver.Close()
	names, err := dns.Serve("127.0.0.1:0", testZone(""))
	if err != nil {
		return err
	}
	defer names.Close() //nolint:errcheck // nobody asks any more
	in, err := newInstance(top.Mxdesk, "mx", fmt.Sprintf("mx_port = %d", receiver.Addr().Port()), "[dns]", fmt.Sprintf("resolvers = [%q]", names.Addr.String()))
	if err != nil {
		return err
	}
	defer in.remove()
	if err := in.start(); err != nil {
		return err
	}
	defer in.stop() //nolint:errcheck // the figures are printed
	if err := in.ready(ctx); err != nil {
		return err
	}
	if err := in.command("admin", "organisation", "Example", "help@example.test", "--sign-at-once"); err != nil {
		return err
	}
	time.Sleep(time.Second) // a change takes effect within a second
	var times []time.Duration
	for i := range letters {
		sender := fmt.Sprintf("c%d@%s", i, domain(i))
		if err := sendOne(ctx, in.smtp, sender, i); err != nil {
			return err
		}
		committed := time.Now()
		select {
		case <-arrived:
		case <-time.After(time.Minute):
			return fmt.Errorf("no acknowledgement for %s within a minute; the log is %s", sender, in.log.Name())
		}
		mu.Lock()
		times = append(times, seen[sender].Sub(committed))
		mu.Unlock()
	}
	slices.Sort(times)
	at := func(p int) float64 { return float64(times[len(times)*p/100].Microseconds()) / 1000 }
	fmt.Printf("\n250 to the first command at the receiver of the acknowledgement, %d letters one at a time: p50 %.1f ms, p95 %.1f ms, p99 %.1f ms\n",
		letters, at(50), at(95), at(99))
	return nil
}
