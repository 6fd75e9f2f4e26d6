package web

import (
	"net"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/network"
)

// gate is a listener that closes the connections over a limit at once. It never waits for a client.
type gate struct {
	net.Listener
	limits *limits
}

// Accept returns the next connection that may stay.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := network.Client(conn.RemoteAddr())
		if g.limits.enter(client) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { g.limits.leave(client) })}, nil
		}
		_ = conn.Close()
	}
}

// counted is a connection that gives its place back when it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}

// limits counts open connections, in all and by network.
type limits struct {
	total, perNetwork int
	exempt            []netip.Prefix
	refused           *prometheus.CounterVec

	mu       sync.Mutex
	open     int
	networks map[netip.Prefix]int // those with something open that is not spared
}

func newLimits(cfg ServerConfig) *limits {
	l := &limits{
		total: cfg.MaxConnections, perNetwork: cfg.MaxPerNetwork, exempt: cfg.Exempt, networks: map[netip.Prefix]int{},
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "mxdesk", Subsystem: "web", Name: "refused_connections_total", Help: "Connections to the public pages that were over a limit.",
		}, []string{"limit"}),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(l.refused)
	}
	return l
}

// enter counts a connection, unless it is over a limit. leave undoes it.
func (l *limits) enter(client netip.Addr) bool {
	n, counts := network.Of(client), !spared(client, l.exempt)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.open >= l.total:
		l.refused.WithLabelValues("max_connections").Inc()
		return false
	case counts && l.networks[n] >= l.perNetwork:
		l.refused.WithLabelValues("max_connections_per_network").Inc()
		return false
	}
	l.open++
	if counts {
		l.networks[n]++
	}
	return true
}

// spared tells whether limits by network do not hold for a client: one of a Unix socket, or of networks that are exempt. He
// may be alone in that within his network.
func spared(client netip.Addr, exempt []netip.Prefix) bool {
	return !client.IsValid() || network.Contains(exempt, client)
}

func (l *limits) leave(client netip.Addr) {
	n, counted := network.Of(client), !spared(client, l.exempt)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if !counted {
		return
	}
	if l.networks[n]--; l.networks[n] == 0 {
		delete(l.networks, n)
	}
}
