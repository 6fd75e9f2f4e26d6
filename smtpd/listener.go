package smtpd

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// gate is a net.Listener for go-smtp. It accepts connections, sends those over a limit away, and dresses
// the others as wires. It never waits for a client.
type gate struct {
	net.Listener
	srv  *Server
	lmtp bool // those who come here speak LMTP, and are spared what is meant for strangers
}

// Accept returns the next connection that may stay.
func (g gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if w := g.srv.admitConn(conn, g.lmtp); w != nil {
			return w, nil
		}
	}
}

// admitConn makes a wire of conn, or answers 421, closes it and returns nil.
func (s *Server) admitConn(conn net.Conn, lmtp bool) *wire {
	client := clientOf(conn)
	now := s.cfg.Now()
	proxied := !lmtp && contains(s.cfg.ProxyNetworks, client)
	var r reply
	if counted := !lmtp && !proxied; counted {
		r = s.limits.enter(client, now)
	} else {
		r = s.limits.enterTotal()
	}
	if r.isZero() {
		w := s.newWire(conn, client, now)
		w.lmtp, w.proxied, w.counted = lmtp, proxied, !lmtp && !proxied
		return w
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
	if r := l.enterTotal(); !r.isZero() {
		return r
	}
	r := l.enterNetwork(client, now)
	if !r.isZero() {
		l.leaveTotal()
	}
	return r
}

// enterTotal counts a connection whose client is not known yet, or is spared. leaveTotal undoes it.
func (l *limits) enterTotal() reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.total {
		return replyTooManyOpen
	}
	l.open++
	return reply{}
}

// enterNetwork counts a connection for its client's network. leaveNetwork undoes it.
func (l *limits) enterNetwork(client netip.Addr, now time.Time) reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	if contains(l.exempt, client) {
		return reply{}
	}
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
	return reply{}
}

// leave gives a connection's place back.
func (l *limits) leave(client netip.Addr) {
	l.leaveTotal()
	l.leaveNetwork(client)
}

func (l *limits) leaveTotal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}

func (l *limits) leaveNetwork(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.networks[network(client)]; n != nil && n.open > 0 {
		n.open--
	}
}

// contains tells whether one of the networks has the address.
func contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
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
