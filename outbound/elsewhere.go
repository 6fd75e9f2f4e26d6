package outbound

import (
	"cmp"
	"context"
	"slices"
	"time"

	"mxdesk/internal/bounce"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

// moreTargets is how many more addresses are tried for a letter that a host which greeted us did not take.
const moreTargets = 2

// others are the targets to try when the host of that name is ill: those of other hosts first.
func others(targets []route.Target, name string) []route.Target {
	rest := slices.Clone(targets)
	slices.SortStableFunc(rest, func(a, b route.Target) int {
		return cmp.Compare(same(a.Host.Name, name), same(b.Host.Name, name))
	})
	return rest[:min(len(rest), moreTargets)]
}

func same(a, b string) int {
	if a == b {
		return 1
	}
	return 0
}

// ill tells for whom it is worth to ask another host now; nil: for nobody. It is those whom this host cannot serve for reasons of its
// own, and those who were not tried; not who is refused or asked to wait himself, and not where we are asked to be slow.
func ill(list []Attempt, fates []smtpclient.Fate) (again []bool) {
	found := false
	again = make([]bool, len(list))
	for i, a := range list {
		tried := fates[i].Phase != ""
		again[i] = a.Result == ResultDeferred && a.Reason != bounce.RateLimited && (a.Site || fates[i].Phase != smtpclient.PhaseRcpt)
		found = found || again[i] && tried
	}
	if !found {
		return nil
	}
	return again
}

// elsewhere leaves a host that is ill for the next one: the best may greet us for days and take nothing, while another would (RFC 5321
// section 5.1). begun is when this one was given the letter. Where no other wants to talk, what this one said counts.
func (c *smtpConnection) elsewhere(ctx context.Context, l *Letter, s *session, begun time.Time) bool {
	targets := s.rest
	s.rest = nil
	if len(targets) == 0 || ctx.Err() != nil || outstays(c.guide, begun) {
		return false
	}
	next, err := c.smtp.greet(ctx, s.domain, targets, l.RequireTLS, c.guide)
	if err != nil {
		return false
	}
	s.most = 0 // nobody else is to meet it
	c.Close()
	c.adopt(next, l)
	return true
}
