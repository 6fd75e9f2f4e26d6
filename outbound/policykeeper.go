package outbound

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"mxdesk/internal/pace"
	"mxdesk/outbound/mtasts"
)

const (
	policyEvery  = 15 * time.Minute
	policyBatch  = 20 // domains claimed at a time
	policyFlight = 4  // of them at once
	policyWait   = time.Minute
	policyLease  = 10 * time.Minute // longer than a batch can take
)

// PolicyKeeper fetches the MTA-STS policies of other domains again before they run out, whether letters go there or not: else
// who blocks HTTPS just then is rid of a policy that few letters need (RFC 8461 section 10.2). Any number of nodes may run one: each
// policy is fetched by one of them.
type PolicyKeeper struct {
	Queue *Queue
	Cache *mtasts.Cache
	Log   *slog.Logger
}

// Run keeps policies until ctx ends.
func (k *PolicyKeeper) Run(ctx context.Context) error {
	for range pace.AtOnce(ctx, policyEvery) {
		if err := k.pass(ctx); err != nil && ctx.Err() == nil {
			k.Log.Warn("MTA-STS policies were not refreshed", "error", err)
		}
	}
	return nil
}

// pass fetches the policies that are old enough, but for those that another node has claimed. One that cannot be fetched is kept
// until it runs out.
func (k *PolicyKeeper) pass(ctx context.Context) error {
	for {
		domains, err := claimPolicies(ctx, k.Queue.pool, policyBatch, policyLease)
		if err != nil {
			return err
		}
		var flight errgroup.Group
		flight.SetLimit(policyFlight)
		for _, domain := range domains {
			flight.Go(func() error {
				if err := k.refresh(ctx, domain); err != nil && ctx.Err() == nil { // the others have their turn all the same
					k.Log.Warn("MTA-STS policy was not refreshed", "domain", domain, "error", err)
				}
				return ctx.Err()
			})
		}
		if err := flight.Wait(); err != nil || len(domains) < policyBatch {
			return err
		}
	}
}

// refresh asks for the policy as a letter would: the cache fetches it when it is old. What goes wrong with the fetch, the cache logs.
func (k *PolicyKeeper) refresh(ctx context.Context, domain string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic at the policy of %s: %v\n%s", domain, p, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, policyWait)
	defer cancel()
	_, err = k.Cache.Policy(ctx, domain)
	return err
}
