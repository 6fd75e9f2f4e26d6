package outbound

import (
	"cmp"
	"slices"
	"sync"
)

const (
	// maxAtSite is how many connections of this node carry letters to one MX site at once, for all the domains that it
	// takes mail for together: to the site we are one client.
	maxAtSite = 20
	maxSited  = 20_000 // lanes whose site is remembered
)

// sites counts the batches that are carried to each MX site. Which site a lane leads to is learnt when it is connected to, each
// time anew, and remembered so that no more is claimed for a site than has room there.
type sites struct {
	mu    sync.Mutex
	of    map[string]atSite // by lane
	busy  map[string]int    // batches, by site
	turns int64
}

// atSite is what is remembered of a lane: its site, and the number of the last turn that it had.
type atSite struct {
	site string
	turn int64
}

func newSites() *sites {
	return &sites{of: map[string]atSite{}, busy: map[string]int{}}
}

// visit is the part of one batch in the count, and its Guide.
type visit struct {
	sites      *sites
	lane, site string      // site "": not counted, as it is not known yet, or had no room
	hurried    func() bool // nil: never
}

// begin counts a batch of the lane, as far as its site is known and has room. It is the lane's turn.
func (s *sites) begin(lane string) *visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &visit{sites: s, lane: lane}
	if l, ok := s.of[lane]; ok {
		s.remember(lane, l.site)
		if s.busy[l.site] < maxAtSite {
			v.count(l.site)
		}
	}
	return v
}

// remember notes where a lane that has a turn leads; the mutex is held.
func (s *sites) remember(lane, site string) {
	s.turns++
	s.of[lane] = atSite{site, s.turns}
}

// May satisfies Guide: it is told where a connection for the batch is about to lead, "" for no MX site, and returns whether it may.
func (v *visit) May(site string) bool {
	s := v.sites
	s.mu.Lock()
	defer s.mu.Unlock()
	if site == "" {
		delete(s.of, v.lane)
		v.count("")
		return true
	}
	if site == v.site {
		return true
	}
	if len(s.of) >= maxSited {
		clear(s.of)
	}
	s.remember(v.lane, site)
	if s.busy[site] >= maxAtSite {
		return false
	}
	v.count(site)
	return true
}

// Hurried satisfies Guide.
func (v *visit) Hurried() bool { return v.hurried != nil && v.hurried() }

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

// crowded names the lanes of the list that must wait because others of their site take the room that is left there: those go first
// whose last turn is longest ago.
func (s *sites) crowded(list []pendingLane) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := map[string][]string{}
	for _, l := range list {
		if at, ok := s.of[l.Lane]; ok && l.Ready {
			waiting[at.site] = append(waiting[at.site], l.Lane)
		}
	}
	out := map[string]bool{}
	for site, lanes := range waiting {
		room := max(maxAtSite-s.busy[site], 0)
		if len(lanes) <= room {
			continue
		}
		slices.SortStableFunc(lanes, func(a, b string) int { return cmp.Compare(s.of[a].turn, s.of[b].turn) })
		for _, lane := range lanes[room:] {
			out[lane] = true
		}
	}
	return out
}
