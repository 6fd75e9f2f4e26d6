package smtpd

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"mxdesk/internal/network"
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
	client := network.Client(conn.RemoteAddr())
	now := s.cfg.Now()
	proxied := !lmtp && network.Contains(s.cfg.ProxyNetworks, client)
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
	if network.Contains(l.exempt, client) {
		return reply{}
	}
	n := l.load(network.Of(client), now)
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
	if network.Contains(l.exempt, client) {
		return
	}
	if n := l.networks[network.Of(client)]; n != nil && n.open > 0 {
		n.open--
	}
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
