package smtpd

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
)

// lookup is what the DNS says of a client. It is begun when the client connects, so that nobody waits for the
// banner, and awaited where it is needed first.
type lookup struct {
	cancel context.CancelFunc
	done   chan struct{}

	// Set when done is closed.
	ptr string // forward-confirmed name, or ""
}

const (
	lookupTimeout  = 10 * time.Second // for all that is asked about a client
	lookupBudget   = 40               // questions about a client
	lookupPatience = 3 * time.Second  // of a command, for the name of the client: it is recorded, nothing depends on it
	maxPTR         = 4                // names of a client that are looked at
)

// lookUp begins to ask about the client. It may be called once; forget ends it.
func (w *wire) lookUp() {
	r := w.srv.cfg.Resolver
	if r == nil || !w.client.IsValid() || w.lmtp {
		return
	}
	ctx, cancel := context.WithTimeout(dns.WithBudget(w.ctx, lookupBudget), lookupTimeout)
	l := &lookup{cancel: cancel, done: make(chan struct{})}
	client := w.client
	w.lookup = l
	go func() {
		defer close(l.done)
		l.ptr = confirmedName(ctx, r, client)
	}()
}

// forget ends the questions; whoever asks them has returned then.
func (l *lookup) forget() {
	if l != nil {
		l.cancel()
		<-l.done
	}
}

// name is the forward-confirmed name of the client, as far as it becomes known within a short time.
func (l *lookup) name(ctx context.Context) string {
	if l == nil {
		return ""
	}
	timer := time.NewTimer(lookupPatience)
	defer timer.Stop()
	select {
	case <-l.done:
		return l.ptr
	case <-timer.C:
	case <-ctx.Done():
	}
	return ""
}

// confirmedName is the first name in the PTR records of ip which itself has that address: without the way back
// anybody may call himself anything. "" when there is none, or it cannot be found out.
func confirmedName(ctx context.Context, r dns.Resolver, ip netip.Addr) string {
	ip = ip.WithZone("")
	names, _, err := r.PTR(ctx, ip)
	if err != nil {
		return ""
	}
	for _, name := range names[:min(len(names), maxPTR)] {
		name, err := address.ParseDomain(name)
		if err != nil {
			continue
		}
		if found, _, err := r.IPFamily(ctx, name, ip.Is6()); err == nil && slices.Contains(found, ip) {
			return name
		}
	}
	return ""
}
