package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"mxdesk/outbound/route"
)

// ownAddresses are those that lead to this server; its resolver is set later. Who takes letters by LMTP alone has another server
// at the addresses of the host name, to which letters may well go.
func (s *server) ownAddresses() *route.Own {
	own := &route.Own{Listeners: s.listening, More: s.cfg.Outbound.OwnNetworks}
	if len(s.cfg.SMTP.Listen) > 0 {
		own.Name = string(s.cfg.Hostname)
	}
	return own
}

// here is where letters to a domain of ours can be handed in: at this machine's own listener.
func (s *server) here(ctx context.Context, domain string) (at netip.AddrPort, err error) {
	switch org, err := s.directory.Serving(ctx, domain); {
	case err != nil:
		return at, err
	case org == nil:
		return at, route.ErrNotServed
	case len(s.listening) == 0:
		return at, errors.New("another process of this server takes letters")
	}
	at = s.listening[0]
	switch ip := at.Addr(); {
	case ip == netip.IPv6Unspecified():
		at = netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	case ip.IsUnspecified():
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return at, nil
}

// tcpAddresses are the addresses of listeners, without those of Unix sockets.
func tcpAddresses(listeners []net.Listener) (out []netip.AddrPort) {
	for _, l := range listeners {
		if at, ok := l.Addr().(*net.TCPAddr); ok {
			out = append(out, at.AddrPort())
		}
	}
	return out
}

// deliver delivers when it is known which addresses are our own, and keeps that true.
func (s *server) deliver(own *route.Own, run func(context.Context) error) func(context.Context) error {
	problem := func(err error) { s.log.Warn("own addresses are not known", "error", err) }
	return func(ctx context.Context) error {
		if err := own.Look(ctx); err != nil {
			problem(err)
		}
		looking, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { own.Run(looking, problem) })
		defer wg.Wait()
		defer stop()
		return run(ctx)
	}
}
