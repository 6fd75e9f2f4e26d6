package smtpd

import (
	"context"
	"encoding/hex"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/network"
)

// lookup is what the DNS says of a client. It is begun when the client connects, so that nobody waits for the
// banner, and awaited where it is needed first.
type lookup struct {
	cancel context.CancelFunc
	named  chan struct{} // closed when ptr is set
	scored chan struct{} // closed when weight is set

	ptr    string // forward-confirmed name, or ""
	weight int    // the sum of the lists that have the client
}

const (
	lookupTimeout  = 10 * time.Second // for all that is asked about a client
	lookupPatience = 3 * time.Second  // of a letter, for the name of the client: it is recorded, nothing depends on it
	maxPTR         = 4                // names of a client that are looked at
)

// lookUp begins to ask about the client. It may be called once; forget ends it.
func (w *wire) lookUp() {
	r := w.srv.cfg.Resolver
	if r == nil || !w.client.IsValid() || w.lmtp {
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, lookupTimeout)
	l := &lookup{cancel: cancel, named: make(chan struct{}), scored: make(chan struct{})}
	client, lists := w.client, w.srv.cfg.Admission.Blocklists
	if w.listing == network.Allowed {
		lists = nil
	}
	w.lookup = l
	go func() {
		defer close(l.named)
		defer w.survive("looking up the client's name")
		l.ptr = confirmedName(ctx, r, client)
	}()
	go func() {
		defer close(l.scored)
		defer w.survive("asking DNS blocklists")
		l.weight = w.scoreOf(ctx, r, client, lists)
	}()
}

// survive keeps a panic of a goroutine beside the session from ending the process.
func (w *wire) survive(act string) {
	if p := recover(); p != nil {
		w.srv.cfg.Log.Error("panic beside a session", "act", act, "session", w.id.String(), "panic", p, "stack", string(debug.Stack()))
	}
}

// forget ends the questions; whoever asks them has returned then.
func (l *lookup) forget() {
	if l != nil {
		l.cancel()
		<-l.named
		<-l.scored
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
	case <-l.named:
		return l.ptr
	case <-timer.C:
	case <-ctx.Done():
	}
	return ""
}

// score is what the DNS lists give the client; 0 when that does not become known in time.
func (l *lookup) score(ctx context.Context) int {
	if l == nil {
		return 0
	}
	select {
	case <-l.scored:
		return l.weight
	case <-ctx.Done():
		return 0
	}
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

// scoreOf adds the weights of the lists that have ip. A list that does not answer has nobody.
func (w *wire) scoreOf(ctx context.Context, r dns.Resolver, ip netip.Addr, lists []Blocklist) int {
	hits := make([]bool, len(lists))
	var wg sync.WaitGroup
	for i, list := range lists {
		wg.Go(func() {
			defer w.survive("asking a DNS blocklist")
			answers, _, err := r.IPFamily(ctx, listedName(ip, list.Zone), false)
			hits[i] = err == nil && slices.ContainsFunc(answers, isListing)
		})
	}
	wg.Wait()
	score := 0
	for i, list := range lists {
		if hits[i] {
			score += list.Weight
		}
	}
	return score
}

var (
	listings   = netip.MustParsePrefix("127.0.0.0/8")      // RFC 5782 section 2.1
	listErrors = netip.MustParsePrefix("127.255.255.0/24") // by convention: "you may not ask here"
)

// isListing tells an entry of a list from what a list says to those it does not serve, and from the answer of a domain
// parking firm after the list has gone.
func isListing(a netip.Addr) bool { return listings.Contains(a) && !listErrors.Contains(a) }

// listedName is under which a list has an address: octets or nibbles in reverse order (RFC 5782 section 2).
func listedName(ip netip.Addr, zone string) string {
	var labels []string
	if ip.Is4() {
		for _, octet := range ip.As4() {
			labels = append(labels, strconv.Itoa(int(octet)))
		}
	} else {
		b := ip.As16()
		labels = strings.Split(hex.EncodeToString(b[:]), "")
	}
	slices.Reverse(labels)
	return strings.Join(append(labels, zone), ".")
}
