package outbound

import (
	"context"
	"slices"
	"sync"
	"time"

	"mxdesk/outbound/route"
)

const (
	idleTime    = 5 * time.Second
	idlePerLane = 4
	idlePerSite = 8
	maxIdle     = 200 // of all lanes: each holds memory and a file of the process
)

// idle are connections that lie ready for a moment, by the lane that they carried letters of. Its zero value is ready for use.
type idle struct {
	mu     sync.Mutex
	lanes  map[string][]*session
	count  int // of them all
	closed bool
	ending sync.WaitGroup // goodbyes under way
}

// close ends all idle connections and waits until all goodbyes are said; none is kept from now on.
func (s *idle) close() {
	s.mu.Lock()
	s.closed = true
	for _, list := range s.lanes {
		for _, c := range list {
			c.timer.Stop() // if it runs already, expire finds nothing
			s.part(c)
		}
	}
	s.lanes, s.count = nil, 0
	s.mu.Unlock()
	s.ending.Wait()
}

// part says goodbye without making anybody wait; s.mu is held.
func (s *idle) part(c *session) {
	s.ending.Go(func() { c.client.Quit(context.Background()) }) // bounded by Timeouts.Quit
}

// keep takes a connection that still works, for the next batch of the lane.
func (s *idle) keep(lane string, c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.client.Err() != nil:
	case s.closed || c.full() || s.count >= maxIdle || len(s.lanes[lane]) >= idlePerLane || c.site != "" && s.at(c.site) >= idlePerSite:
		s.part(c)
	default:
		if s.lanes == nil {
			s.lanes = map[string][]*session{}
		}
		s.lanes[lane] = append(s.lanes[lane], c)
		s.count++
		c.timer = time.AfterFunc(idleTime, func() { s.expire(lane, c) })
	}
}

func (s *idle) expire(lane string, c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drop(lane, c) {
		s.part(c)
	}
}

// drop takes c out of the idle ones, if it is there; s.mu is held.
func (s *idle) drop(lane string, c *session) bool {
	list := s.lanes[lane]
	for i, other := range list {
		if other != c {
			continue
		}
		s.count--
		if list = append(list[:i:i], list[i+1:]...); len(list) == 0 {
			delete(s.lanes, lane)
		} else {
			s.lanes[lane] = list
		}
		return true
	}
	return false
}

// leadsTo tells whether the connection may carry letters for the domain.
func (c *session) leadsTo(domain string) bool { return c.relay || c.domain == domain }

// take gives an idle connection of the lane for the domain, the one used last, or nil.
func (s *idle) take(lane, domain string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c *session
	for _, other := range s.lanes[lane] {
		if other.leadsTo(domain) {
			c = other
		}
	}
	return s.wake(lane, c)
}

// takeAt gives an idle connection to one of the hosts, all of one site, that carried letters of another domain there and is what
// the policies of that host ask for; or nil.
func (s *idle) takeAt(hosts []route.Host, domain string, secure bool) (c *session, at route.Host) {
	site := siteOf(hosts)
	if site == "" {
		return nil, route.Host{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for lane, list := range s.lanes {
		for _, c := range list {
			if i := slices.IndexFunc(hosts, c.fits); i >= 0 && c.site == site && c.secure == secure {
				c.domain = domain
				return s.wake(lane, c), hosts[i]
			}
		}
	}
	return nil, route.Host{}
}

// fits tells whether the connection is one that would be made to the host for any domain of its site. DANE may have judged the
// certificate by the name of the one that it was made for.
func (c *session) fits(h route.Host) bool {
	return h.Name == c.host && policyName(h) == c.policy && h.Policy != route.PolicyDANE && slices.Contains(h.Addresses, c.ip)
}

// wake takes c, if it is one, for letters; s.mu is held.
func (s *idle) wake(lane string, c *session) *session {
	if c == nil {
		return nil
	}
	c.timer.Stop() // if it runs already, expire finds nothing
	s.drop(lane, c)
	c.reused = true
	return c
}

// at counts those to a site; s.mu is held.
func (s *idle) at(site string) (n int) {
	for _, list := range s.lanes {
		for _, c := range list {
			if c.site == site {
				n++
			}
		}
	}
	return n
}
