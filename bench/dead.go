package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/outbound"
)

const (
	deadDomain = "dead.test"
	deadHost   = "127.0.0.9"
)

// deadDomain measures what 200,000 letters to a domain whose server takes connections and never says a word do to the
// letters of the others.
func (c *benchCmd) deadDomain(ctx context.Context, top *cli) error {
	fmt.Printf("\nthe same beside %d letters to a dead domain\n", c.Dead)
	var with, without []result
	for range c.Rounds {
		alone, err := c.drainMxdesk(ctx, top, queued{letters: c.Letters, claims: true})
		if err != nil {
			return fmt.Errorf("without a dead domain: %w", err)
		}
		beside, err := c.drainMxdesk(ctx, top, queued{letters: c.Letters, dead: c.Dead, claims: true})
		if err != nil {
			return fmt.Errorf("beside a dead domain: %w", err)
		}
		without, with = append(without, alone.result), append(with, beside.result)
		fmt.Printf("alone %5.0f/s %4.2f s, beside the dead domain %5.0f/s %4.2f s; then at 200/s claims take p99 %.1f ms and %.1f ms\n",
			alone.rate, alone.cpu, beside.rate, beside.cpu, alone.claim*1000, beside.claim*1000)
	}
	printRatios("beside the dead domain / alone", with, without)
	return nil
}

// silentHost takes connections on the dead domain's address and says nothing.
func silentHost(port string) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(deadHost, port))
}

// histogram is the cumulative counts of a histogram by the upper bounds of its buckets.
type histogram struct{ bounds, counts []float64 }

// readHistogram reads a histogram from a page of metrics.
func readHistogram(ctx context.Context, url, name string) (h histogram, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return h, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return h, fmt.Errorf("read metrics: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // it is read
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), name+`_bucket{le="`)
		if !ok {
			continue
		}
		bound, count, _ := strings.Cut(rest, `"} `)
		b, _ := strconv.ParseFloat(bound, 64)
		n, _ := strconv.ParseFloat(count, 64)
		h.bounds, h.counts = append(h.bounds, b), append(h.counts, n)
	}
	if len(h.counts) == 0 {
		return h, fmt.Errorf("there is no %s on %s", name, url)
	}
	return h, nil
}

// since is what was added to the histogram after before was read.
func (h histogram) since(before histogram) histogram {
	counts := slices.Clone(h.counts)
	for i := range min(len(counts), len(before.counts)) {
		counts[i] -= before.counts[i]
	}
	return histogram{h.bounds, counts}
}

// quantile interpolates within the buckets, as Prometheus does; 0 when nothing was counted.
func (h histogram) quantile(q float64) float64 {
	rank := q * h.counts[len(h.counts)-1]
	below, before := 0.0, 0.0
	for i, n := range h.counts {
		if n >= rank && n > before {
			if i == len(h.counts)-1 { // the last bucket has no upper bound
				return below
			}
			return below + (h.bounds[i]-below)*(rank-before)/(n-before)
		}
		below, before = h.bounds[i], n
	}
	return below
}

const claimHistogram = "mxdesk_outbound_claim_seconds"

// pacedClaims tells the 99th percentile of the time to claim, in seconds, while 200 letters a second come and go: how long a
// claim takes when it does not wait for a processor, as it does in a drain.
func pacedClaims(ctx context.Context, pool *pgxpool.Pool, metrics string) (float64, error) {
	before, err := readHistogram(ctx, metrics, claimHistogram)
	if err != nil {
		return 0, err
	}
	q := outbound.NewQueue(pool, outbound.QueueConfig{})
	running, stop := context.WithCancel(ctx)
	var hints sync.WaitGroup
	hints.Go(func() { q.Run(running) }) //nolint:errcheck // it returns nil
	defer func() { stop(); hints.Wait() }()
	const letters = 2000
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := range letters {
		if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return q.EnqueueTx(ctx, tx, []outbound.Message{benchMessage(i, domain(i))}) }); err != nil {
			return 0, err
		}
		q.Hint()
		<-tick.C
	}
	after, err := readHistogram(ctx, metrics, claimHistogram)
	if err != nil {
		return 0, err
	}
	return after.since(before).quantile(0.99), nil
}
