package smtpd

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// gate is a net.Listener for go-smtp. It accepts connections, sends those over a limit away, and dresses
// the others as wires. It never waits for a client.
type gate struct {
	net.Listener
	srv *Server
}

// Accept returns the next connection that may stay.
func (g gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if w := g.srv.admitConn(conn); w != nil {
			return w, nil
		}
	}
}

// admitConn makes a wire of conn, or answers 421, closes it and returns nil.
func (s *Server) admitConn(conn net.Conn) *wire {
	client := clientOf(conn)
	now := s.cfg.Now()
	r := s.limits.enter(client, now)
	if r.isZero() {
		return s.newWire(conn, client, now)
	}
	// A new socket has room for one line; the deadline only makes sure.
	_ = conn.SetWriteDeadline(now.Add(time.Second))
	_, _ = conn.Write(r.appendTo(nil))
	_ = conn.Close()
	s.metrics.refusals.WithLabelValues(r.reason).Inc()
	s.cfg.Log.Info("refused", "client", client.String(), "reason", r.reason, "code", r.code)
	return nil
}

func clientOf(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// network is what the limits count together: an IPv4 address, or the /64 that one IPv6 customer has.
func network(client netip.Addr) netip.Prefix {
	bits := 32
	if client.Is6() {
		bits = 64
	}
	p, err := client.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// limits counts connections, in all and by network.
type limits struct {
	total, perNetwork, perMinute int
	exempt                       []netip.Prefix

	mu       sync.Mutex
	open     int
	networks map[netip.Prefix]*load
}

// load is what one network does: a bucket that refills within a minute, and what is open.
type load struct {
	open   int
	tokens float64
	at     time.Time
}

// maxIdleNetworks bounds the memory for networks that have nothing open.
const maxIdleNetworks = 1 << 16

func newLimits(cfg *Config) *limits {
	return &limits{
		total: cfg.MaxConnections, perNetwork: cfg.MaxPerNetwork, perMinute: cfg.MaxNewPerMinute,
		exempt: cfg.Exempt, networks: map[netip.Prefix]*load{},
	}
}

// enter counts a new connection, or says which limit it is over. leave undoes it.
func (l *limits) enter(client netip.Addr, now time.Time) reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.total {
		return replyTooManyOpen
	}
	if !l.spared(client) {
		n := l.load(network(client), now)
		n.tokens = min(float64(l.perMinute), n.tokens+now.Sub(n.at).Minutes()*float64(l.perMinute))
		n.at = now
		if n.open >= l.perNetwork {
			return replyTooManyNetwork
		}
		if n.tokens < 1 {
			return replyTooManyNew
		}
		n.tokens--
		n.open++
	}
	l.open++
	return reply{}
}

// leave gives a connection's place back.
func (l *limits) leave(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if n := l.networks[network(client)]; n != nil && n.open > 0 {
		n.open--
	}
}

func (l *limits) spared(client netip.Addr) bool {
	for _, p := range l.exempt {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// load finds or makes the entry of a network. When there are too many, those with nothing open
// are forgotten: a flood from everywhere costs us the memory of who came when, and no more.
func (l *limits) load(p netip.Prefix, now time.Time) *load {
	if n := l.networks[p]; n != nil {
		return n
	}
	if len(l.networks) >= maxIdleNetworks+l.total {
		for q, n := range l.networks {
			if n.open == 0 {
				delete(l.networks, q)
			}
		}
	}
	n := &load{tokens: float64(l.perMinute), at: now}
	l.networks[p] = n
	return n
}
