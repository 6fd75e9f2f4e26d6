package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
)

// ErrNoDomain is the ErrNotFound of a name that does not exist at all (NXDOMAIN): there is no use in asking
// for another type.
var ErrNoDomain = fmt.Errorf("%w: no such domain", ErrNotFound)

// ErrBudget is the ErrTemp of a lookup beyond the budget of its context.
var ErrBudget = fmt.Errorf("%w: too many lookups", ErrTemp)

type budgetKey struct{}

// WithBudget bounds the lookups made with the context, and with all contexts made of it, to n in total, whoever
// makes them. One lookup of addresses counts as two. The lookup beyond the bound returns ErrBudget.
func WithBudget(ctx context.Context, n int) context.Context {
	left := new(atomic.Int64)
	left.Store(int64(n))
	return context.WithValue(ctx, budgetKey{}, left)
}

// spend takes one lookup from the budget. An ended context is a temporary error like any other.
func spend(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrTemp, err)
	}
	if left, ok := ctx.Value(budgetKey{}).(*atomic.Int64); ok && left.Add(-1) < 0 {
		return ErrBudget
	}
	return nil
}

// answer is what came of one question.
type answer[T any] struct {
	records   []T
	authentic bool
	err       error
}

// mergeIP joins the answers for A and AAAA. Many name servers fail one of the two types, so one family's
// addresses are good whatever became of the other; but only two empty answers mean that there is no address. Authentic is
// said of the addresses there are: whoever makes one of the two questions fail must not make DANE go away with it.
func mergeIP(v4, v6 answer[netip.Addr]) ([]netip.Addr, bool, error) {
	authentic := v4.authentic && v6.authentic
	switch {
	case v4.err == nil && v6.err == nil:
		return slices.Concat(v4.records, v6.records), authentic, nil
	case v4.err == nil:
		return v4.records, v4.authentic, nil
	case v6.err == nil:
		return v6.records, v6.authentic, nil
	case errors.Is(v4.err, ErrNotFound):
		return nil, authentic, v6.err
	default:
		return nil, authentic, v4.err
	}
}
