package route

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/network"
	"mxdesk/internal/pace"
)

const (
	ownEvery = time.Minute     // between two looks
	ownTime  = 5 * time.Second // for the DNS, at each
)

// Own knows which addresses lead back to this server: mail for them would come round again (RFC 5321 section 5.1). These are
// the addresses at which it listens, those of its host name, which are others behind a NAT, and what the operator adds. On the
// loopback interface, which many servers share in tests, the port counts too. Its fields are set once; nil owns nothing.
type Own struct {
	Listeners  []netip.AddrPort             // where SMTP listens; an unspecified address is all of the interfaces
	Name       string                       // our host name
	Resolver   dns.Resolver                 // asked for the addresses of Name; nil: nobody is
	More       []netip.Prefix               // configured
	Interfaces func() ([]netip.Addr, error) // nil: those of this machine

	found atomic.Pointer[ownFound]
}

// ownFound is what the last look found.
type ownFound struct{ interfaces, named []netip.Addr }

// Run looks again now and then until ctx ends: interfaces and records change. problem is told what goes wrong.
func (o *Own) Run(ctx context.Context, problem func(error)) {
	for range pace.Later(ctx, ownEvery) {
		if err := o.Look(ctx); err != nil && ctx.Err() == nil {
			problem(err)
		}
	}
}

// Look finds the addresses anew. What cannot be found stays as it was.
func (o *Own) Look(ctx context.Context) error {
	var next ownFound
	if old := o.found.Load(); old != nil {
		next = *old
	}
	var failed error
	if slices.ContainsFunc(o.Listeners, func(l netip.AddrPort) bool { return l.Addr().IsUnspecified() }) {
		list := o.Interfaces
		if list == nil {
			list = interfaces
		}
		if found, err := list(); err != nil {
			failed = fmt.Errorf("list the addresses of the interfaces: %w", err)
		} else {
			next.interfaces = found
		}
	}
	if o.Resolver != nil && o.Name != "" {
		ctx, cancel := context.WithTimeout(ctx, ownTime)
		defer cancel()
		if found, _, err := o.Resolver.IP(ctx, o.Name); err == nil {
			next.named = found
		} // without an answer, or a record, it is as it was: mxdesk check tells of a name without address
	}
	o.found.Store(&next)
	return failed
}

// Has tells whether a connection to the address would lead to us.
func (o *Own) Has(ap netip.AddrPort) bool {
	if o == nil {
		return false
	}
	ip := network.Plain(ap.Addr())
	same := func(other netip.Addr) bool { return network.Plain(other) == ip }
	if network.Contains(o.More, ip) {
		return true
	}
	if ip.IsLoopback() {
		return slices.ContainsFunc(o.Listeners, func(l netip.AddrPort) bool {
			return l.Port() == ap.Port() && (same(l.Addr()) || covers(l.Addr(), ip))
		})
	}
	if slices.ContainsFunc(o.Listeners, func(l netip.AddrPort) bool { return same(l.Addr()) }) {
		return true
	}
	found := o.found.Load()
	if found == nil {
		return false
	}
	return slices.ContainsFunc(found.named, same) ||
		slices.ContainsFunc(found.interfaces, same) && slices.ContainsFunc(o.Listeners, func(l netip.AddrPort) bool { return covers(l.Addr(), ip) })
}

// covers tells whether a listener at an unspecified address takes connections to ip: that of IPv6 those of IPv4 too.
func covers(listener, ip netip.Addr) bool {
	return listener.IsUnspecified() && (listener.Is6() || ip.Is4())
}

// interfaces are the addresses of this machine.
func interfaces() (out []netip.Addr, err error) {
	list, err := net.InterfaceAddrs()
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr())
		}
	}
	return out, err
}
