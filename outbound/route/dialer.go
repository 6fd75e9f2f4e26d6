package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// The default bounds of a Dialer.
const (
	defaultTimeout = 30 * time.Second
	defaultTotal   = 3 * time.Minute
)

// ErrNoTarget is the error for no targets at all, or none left.
var ErrNoTarget = errors.New("no address left to try")

// Target is one address of one host.
type Target struct {
	Host Host
	Addr netip.AddrPort
}

// Targets are all addresses of the hosts, in the order to try them.
func Targets(hosts []Host) []Target {
	var out []Target
	for _, h := range hosts {
		for _, ip := range h.Addresses {
			out = append(out, Target{Host: h, Addr: netip.AddrPortFrom(ip, h.Port)})
		}
	}
	return out
}

// Dialer connects to mail hosts. Its fields are set once; it may be used by many goroutines.
type Dialer struct {
	Timeout      time.Duration // for one address; 0 is 30 s
	Total        time.Duration // for DialFirst; 0 is 3 min
	Own          *Own          // our own addresses, which only trusted hosts may have; nil: none
	AllowPrivate bool          // as in Router
}

// Dial connects to one address. The error wraps ErrForbidden if the address is none that the host may have.
func (d *Dialer) Dial(ctx context.Context, t Target) (net.Conn, error) {
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	nd := net.Dialer{Timeout: timeout, ControlContext: func(_ context.Context, _, addr string, _ syscall.RawConn) error {
		return d.check(addr, t.Host.Trusted)
	}}
	nc, err := nd.DialContext(ctx, "tcp", t.Addr.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.Host.Name, err)
	}
	return nc, nil
}

// DialFirst connects to the first target that answers and tells which one it was; on to the next, when SMTP fails
// there, goes DialFirst(ctx, targets[i+1:]). The error, when none answers, joins those of all targets; it is ErrNoTarget when
// there are none.
func (d *Dialer) DialFirst(ctx context.Context, targets []Target) (nc net.Conn, i int, err error) {
	if len(targets) == 0 {
		return nil, 0, ErrNoTarget
	}
	total := d.Total
	if total <= 0 {
		total = defaultTotal
	}
	ctx, cancel := context.WithTimeout(ctx, total)
	defer cancel()
	var failures []error
	for i, t := range targets[:min(len(targets), maxAddresses)] {
		nc, err := d.Dial(ctx, t)
		if err == nil {
			return nc, i, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, 0, errors.Join(failures...)
}

// DialName is for an http.Transport: it connects to "host:port", whose host the Resolver finds, with the
// same care for addresses.
func (r *Router) DialName(d *Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		name, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("port %q: %w", port, err)
		}
		var addresses []netip.Addr
		if ip, err := netip.ParseAddr(name); err == nil {
			addresses = []netip.Addr{ip}
		} else if addresses, _, err = r.Resolver.IP(ctx, name); err != nil {
			return nil, fmt.Errorf("look up %s: %w", name, err)
		}
		addresses = inTurn(addresses)
		host := Host{Name: name, Addresses: addresses[:min(len(addresses), maxHostAddresses)], Port: uint16(number)}
		nc, _, err := d.DialFirst(ctx, Targets([]Host{host}))
		return nc, err
	}
}

// check is the last look at an address, just before the connection is made.
func (d *Dialer) check(addr string, trusted bool) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	ip := ap.Addr()
	if trusted {
		return nil
	}
	switch {
	case d.Own.Has(ap):
		return fmt.Errorf("%w: %s leads back to ourselves", ErrForbidden, ip)
	case !d.AllowPrivate && forbidden(ip):
		return fmt.Errorf("%w: %s", ErrForbidden, ip)
	}
	return nil
}
