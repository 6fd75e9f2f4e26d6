package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Config says whom to ask.
type Config struct {
	Servers []string      // recursive resolvers, "192.0.2.53" or "192.0.2.53:53"; empty: those of /etc/resolv.conf
	Timeout time.Duration // for one try; 0 is 3 s
	Tries   int           // for one question, over all servers in turn; 0 is 4
	// TrustAD believes the AD bit of every server. Without it, only that of servers on this machine is
	// believed: on the way from another one anybody could have set it.
	TrustAD bool
	// CacheEntries bounds the cache, as do its 32 MiB; 0 is 10,000.
	CacheEntries int
}

const (
	defaultTimeout = 3 * time.Second
	defaultTries   = 4
	defaultEntries = 10_000
	maxCacheBytes  = 32 << 20
	maxFlying      = 1_000 // questions under way at once
	udpSize        = 1232  // what fits every path (DNS flag day 2020)

	minTTL         = 5 * time.Second
	maxTTL         = time.Hour
	maxNegativeTTL = 5 * time.Minute
)

// System asks recursive resolvers over UDP, and over TCP when an answer is long. It remembers answers, and the absence of
// records, for as long as they allow (within bounds); errors it does not remember. One question is
// asked once, however many want to know. It does not read hosts files.
type System struct {
	cfg     Config
	servers []server
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu     sync.Mutex
	cache  *cache
	flying map[question]*flight
}

var _ Resolver = (*System)(nil)

type server struct {
	addr    string
	trusted bool
}

// question is the key of the cache.
type question struct {
	name string // canonical
	typ  uint16
}

// flight is a question under way; result is there when done is closed.
type flight struct {
	done   chan struct{}
	result result
}

// result is an answer as it is cached.
type result struct {
	records   []dns.RR
	authentic bool
	err       error
	ttl       time.Duration
	size      int
}

// New makes a resolver; end it with Close.
func New(cfg Config) (*System, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Tries <= 0 {
		cfg.Tries = defaultTries
	}
	if cfg.CacheEntries <= 0 {
		cfg.CacheEntries = defaultEntries
	}
	if len(cfg.Servers) == 0 {
		cfg.Servers = systemServers()
	}
	s := &System{cfg: cfg, cache: newCache(cfg.CacheEntries, maxCacheBytes), flying: make(map[question]*flight)}
	for _, text := range cfg.Servers {
		ap, err := netip.ParseAddrPort(text)
		if err != nil {
			ip, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("DNS server %q is no address", text)
			}
			ap = netip.AddrPortFrom(ip, 53)
		}
		s.servers = append(s.servers, server{ap.String(), cfg.TrustAD || ap.Addr().Unmap().IsLoopback()})
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// systemServers are those of resolv.conf(5); without any it is the machine itself.
func systemServers() []string {
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(conf.Servers) == 0 {
		return []string{"127.0.0.1"}
	}
	return conf.Servers
}

// Close ends what is under way and waits for it.
func (s *System) Close() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.wg.Wait()
}

// lookup answers from the cache, or waits for the answer. The context ends the waiting, not the question, which others
// may be waiting for too.
func (s *System) lookup(ctx context.Context, name string, typ uint16) ([]dns.RR, bool, error) {
	if err := spend(ctx); err != nil {
		return nil, false, err
	}
	q := question{canonical(name), typ}
	if !IsName(q.name) {
		return nil, false, fmt.Errorf("%w: not a name that can exist", ErrNoDomain)
	}
	f, err := s.take(q)
	if err != nil {
		return nil, false, err
	}
	select {
	case <-f.done:
		return f.result.records, f.result.authentic, f.result.err
	case <-ctx.Done():
		return nil, false, fmt.Errorf("%w: %w", ErrTemp, ctx.Err())
	}
}

// take finds the answer, or the flight that will bring it, or starts one.
func (s *System) take(q question) (*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.cache.get(q, time.Now()); ok {
		return f, nil
	}
	if f, ok := s.flying[q]; ok {
		return f, nil
	}
	if s.ctx.Err() != nil {
		return nil, fmt.Errorf("%w: the resolver is closed", ErrTemp)
	}
	if len(s.flying) >= maxFlying {
		return nil, fmt.Errorf("%w: too many questions at once", ErrTemp)
	}
	f := &flight{done: make(chan struct{})}
	s.flying[q] = f
	s.wg.Go(func() {
		f.result = s.ask(q)
		s.mu.Lock()
		delete(s.flying, q)
		if f.result.ttl > 0 {
			s.cache.put(q, f, time.Now().Add(f.result.ttl))
		}
		s.mu.Unlock()
		close(f.done)
	})
	return f, nil
}

// ask puts the question to the servers in turn until one of them knows.
func (s *System) ask(q question) result {
	var last error
	for i := range s.cfg.Tries {
		server := s.servers[i%len(s.servers)]
		r, err := s.exchange(server.addr, q)
		if err == nil {
			return read(r, q.typ, server.trusted)
		}
		last = err
		if s.ctx.Err() != nil || errors.Is(err, errRefused) && i+1 >= len(s.servers) {
			break // asking again the servers that just said no helps nobody
		}
	}
	return result{err: fmt.Errorf("%w: %s %s: %w", ErrTemp, dns.TypeToString[q.typ], q.name, last)}
}

var errRefused = errors.New("the server has no answer")

// exchange asks one server, once.
func (s *System) exchange(addr string, q question) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(presentation(q.name), q.typ)
	m.SetEdns0(udpSize, false)
	m.AuthenticatedData = true // asks for that bit in the answer (RFC 6840 section 5.7)
	r, err := s.over("udp", addr, m)
	if err == nil && r.Truncated {
		r, err = s.over("tcp", addr, m)
	}
	switch {
	case err != nil:
		return nil, err
	case !answers(r, m):
		return nil, errors.New("the answer is to another question")
	case r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("%w: %s", errRefused, dns.RcodeToString[r.Rcode])
	case r.Truncated:
		return nil, errors.New("the answer is truncated")
	}
	return r, nil
}

func (s *System) over(network, addr string, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	client := &dns.Client{Net: network, Timeout: s.cfg.Timeout}
	r, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: nc, UDPSize: udpSize})
	return r, err
}

// answers tells whether r repeats the question of m.
func answers(r, m *dns.Msg) bool {
	if !r.Response || len(r.Question) != 1 || r.Question[0].Qtype != m.Question[0].Qtype {
		return false
	}
	return sameName(r.Question[0].Name, m.Question[0].Name)
}

// read takes the records of the type out of an answer, following its aliases.
func read(r *dns.Msg, typ uint16, trusted bool) result {
	name := r.Question[0].Name
	res := result{authentic: trusted && r.AuthenticatedData, size: r.Len(), ttl: maxTTL}
	for hops := 0; ; hops++ {
		if hops == maxAliases { // what stands at the end is not known
			return result{err: fmt.Errorf("%w: more than %d aliases", ErrTemp, maxAliases)}
		}
		target := ""
		for _, rr := range r.Answer {
			h := rr.Header()
			if !strings.EqualFold(h.Name, name) || h.Class != dns.ClassINET {
				continue
			}
			if h.Rrtype == typ {
				res.records = append(res.records, rr)
			} else if c, ok := rr.(*dns.CNAME); ok {
				target = c.Target
			} else {
				continue
			}
			res.ttl = min(res.ttl, time.Duration(h.Ttl)*time.Second)
		}
		if target == "" || len(res.records) > 0 {
			break
		}
		name = target
	}
	if len(res.records) > 0 {
		res.ttl = max(res.ttl, minTTL)
		return res
	}
	res.ttl = min(res.ttl, negativeTTL(r))
	res.err = fmt.Errorf("%w: %s", ErrNotFound, dns.TypeToString[typ])
	if r.Rcode == dns.RcodeNameError {
		res.err = ErrNoDomain
	}
	return res
}

// negativeTTL is how long the absence of records may be believed (RFC 2308 section 5): without SOA not at all.
func negativeTTL(r *dns.Msg) time.Duration {
	for _, rr := range r.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(maxNegativeTTL, time.Duration(min(soa.Hdr.Ttl, soa.Minttl))*time.Second)
		}
	}
	return 0
}
