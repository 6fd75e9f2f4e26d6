package outbound

import "sync"

const (
	// maxAtSite is how many connections of this node carry letters to one MX site at once, for all the domains that it
	// takes mail for together: to the site we are one client.
	maxAtSite = 20
	maxSited  = 20_000 // lanes whose site is remembered
)

// sites counts the batches that are carried to each MX site. Which site a lane leads to is learnt when it is connected to, each
// time anew, and remembered so that no more is claimed for a site than has room there.
type sites struct {
	mu   sync.Mutex
	of   map[string]string // by lane
	busy map[string]int    // batches, by site
	last map[string]string // by site that had too little room: the last lane that had a turn
}

func newSites() *sites {
	return &sites{of: map[string]string{}, busy: map[string]int{}, last: map[string]string{}}
}

// visit is the part of one batch in the count.
type visit struct {
	sites      *sites
	lane, site string // site "": not known yet, not counted
}

// begin counts a batch of the lane, as far as its site is known.
func (s *sites) begin(lane string) *visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &visit{sites: s, lane: lane}
	v.count(s.of[lane])
	return v
}

// at tells where a connection for the batch is about to lead, and returns whether it may.
func (v *visit) at(site string) bool {
	s := v.sites
	s.mu.Lock()
	defer s.mu.Unlock()
	if site == v.site {
		return true
	}
	if len(s.of) >= maxSited {
		clear(s.of)
		clear(s.last)
	}
	s.of[v.lane] = site
	if s.busy[site] >= maxAtSite {
		return false
	}
	v.count(site)
	return true
}

// end takes the batch out of the count.
func (v *visit) end() {
	v.sites.mu.Lock()
	defer v.sites.mu.Unlock()
	v.count("")
}

// count moves the batch to a site; the mutex is held.
func (v *visit) count(site string) {
	busy := v.sites.busy
	if v.site != "" {
		if busy[v.site]--; busy[v.site] <= 0 {
			delete(busy, v.site)
		}
	}
	if v.site = site; site != "" {
		busy[site]++
	}
}

// crowded names the lanes of the list, which is in the order of their names, that must wait because others of their site take
// the room that is left there. The lanes of a site take turns.
func (s *sites) crowded(list []pendingLane) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := map[string][]string{}
	for _, l := range list {
		if site := s.of[l.Lane]; l.Ready && site != "" {
			waiting[site] = append(waiting[site], l.Lane)
		}
	}
	out := map[string]bool{}
	for site, lanes := range waiting {
		room := max(maxAtSite-s.busy[site], 0)
		if len(lanes) <= room {
			continue
		}
		first := 0 // behind the last one that had a turn
		for first < len(lanes) && lanes[first] <= s.last[site] {
			first++
		}
		for i := range lanes {
			if lane := lanes[(first+i)%len(lanes)]; i < room {
				s.last[site] = lane
			} else {
				out[lane] = true
			}
		}
	}
	return out
}
