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
		n := network.Of(network.Client(conn.RemoteAddr()))
		if g.limits.enter(n) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { g.limits.leave(n) })}, nil
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
	networks map[netip.Prefix]int // those with something open
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
func (l *limits) enter(n netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.open >= l.total:
		l.refused.WithLabelValues("max_connections").Inc()
		return false
	case l.networks[n] >= l.perNetwork && !l.spared(n):
		l.refused.WithLabelValues("max_connections_per_network").Inc()
		return false
	}
	l.open++
	l.networks[n]++
	return true
}

func (l *limits) spared(n netip.Prefix) bool { return spared(n, l.exempt) }

// spared tells whether limits by client network do not hold for n: a Unix socket, and networks that are exempt.
func spared(n netip.Prefix, exempt []netip.Prefix) bool {
	return !n.IsValid() || network.Contains(exempt, n.Addr())
}

func (l *limits) leave(n netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.networks[n]--; l.networks[n] == 0 {
		delete(l.networks, n)
	}
}
