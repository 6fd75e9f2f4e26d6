package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
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
		alone, err := c.drainMxdesk(ctx, top, queued{letters: c.Letters})
		if err != nil {
			return err
		}
		beside, err := c.drainMxdesk(ctx, top, queued{letters: c.Letters, dead: c.Dead})
		if err != nil {
			return err
		}
		without, with = append(without, alone.result), append(with, beside.result)
		fmt.Printf("alone %5.0f/s, claim p99 %.1f ms; beside the dead domain %5.0f/s, claim p99 %.1f ms\n",
			alone.rate, alone.claim*1000, beside.rate, beside.claim*1000)
	}
	printRatios("beside the dead domain / alone", with, without)
	return nil
}

// silentHost takes connections on the dead domain's address and says nothing.
func silentHost(port string) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(deadHost, port))
}

// quantile reads a histogram from a page of metrics, and interpolates within its buckets as Prometheus does.
func quantile(ctx context.Context, url, name string, q float64) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // it is read
	var bounds, counts []float64
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), name+`_bucket{le="`)
		if !ok {
			continue
		}
		bound, count, _ := strings.Cut(rest, `"} `)
		b, _ := strconv.ParseFloat(bound, 64)
		n, _ := strconv.ParseFloat(count, 64)
		bounds, counts = append(bounds, b), append(counts, n)
	}
	if len(counts) == 0 || counts[len(counts)-1] == 0 {
		return 0, fmt.Errorf("there is no %s on %s", name, url)
	}
	rank := q * counts[len(counts)-1]
	below, before := 0.0, 0.0
	for i, n := range counts {
		if n >= rank {
			if i == len(counts)-1 { // the last bucket has no upper bound
				return below, nil
			}
			return below + (bounds[i]-below)*(rank-before)/(n-before), nil
		}
		below, before = bounds[i], n
	}
	return below, nil
}
