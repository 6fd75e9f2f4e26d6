package outbound

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	reports "mxdesk/internal/report"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

// TestTurnsOfPages: lanes that are looked at in several parts, as more than one look holds, have their turns like those of one.
func TestTurnsOfPages(t *testing.T) {
	s := newSites()
	var pages [2][]pendingLane
	for i := range 9 {
		lane := fmt.Sprintf("d%d.test", i)
		s.begin(lane).May("big")
		pages[i/6] = append(pages[i/6], pendingLane{Lane: lane, Ready: true})
	}
	s.busy["big"] = maxAtSite - 1
	got := map[string]int{}
	for i := range 24 {
		page := pages[i%2]
		crowded := s.crowded(page)
		for _, l := range page {
			if !crowded[l.Lane] {
				got[l.Lane]++
				s.begin(l.Lane).end()
			}
		}
	}
	if len(got) != 9 {
		t.Errorf("of 9 lanes, these had turns: %v", got)
	}
}

// TestTurnNotTaken: a lane that may have its turn, and finds no free connection, has not had it.
func TestTurnNotTaken(t *testing.T) {
	s := newSites()
	var list []pendingLane
	for i := range 30 {
		lane := fmt.Sprintf("d%02d.test", i)
		s.begin(lane).May("big")
		list = append(list, pendingLane{Lane: lane, Ready: true})
	}
	s.busy["big"] = maxAtSite - 10
	got := map[string]int{}
	after := ""
	for range 90 {
		rest := list[slices.IndexFunc(append(list, pendingLane{Lane: "~"}), func(l pendingLane) bool { return l.Lane > after }):]
		c := choose(rest, s.crowded(rest), 1, 1000, 1000)
		after = ""
		for _, lane := range c.ready {
			got[lane]++
			s.begin(lane).end()
			if c.cut {
				after = lane
			}
		}
	}
	if len(got) != len(list) {
		t.Errorf("%d of %d lanes had a turn", len(got), len(list))
	}
}

// TestNoRoomForWhatIsKnown: a batch of a lane whose site is known counts there only as far as there is room, and has to ask.
func TestNoRoomForWhatIsKnown(t *testing.T) {
	s := newSites()
	known := s.begin("known.test")
	known.May("big")
	known.end()
	for i := range maxAtSite {
		if !s.begin(fmt.Sprintf("d%d.test", i)).May("big") {
			t.Fatal("no room at the beginning")
		}
	}
	if v := s.begin("known.test"); v.May("big") || s.busy["big"] != maxAtSite {
		t.Errorf("one too many finds room: %d", s.busy["big"])
	}
}

// TestNoSiteAnyMore: a lane that leads to no site, as when it is served here or by a smart host, waits for none.
func TestNoSiteAnyMore(t *testing.T) {
	s := newSites()
	v := s.begin("moved.test")
	v.May("big")
	if !v.May("") || len(s.busy) > 0 || len(s.of) > 0 {
		t.Errorf("still at a site: %v, %v", s.busy, s.of)
	}
	v.end()
}

// TestRing: after each rest the dispatcher begins behind the lanes that were claimed from last, and looks at all before it rests
// again.
func TestRing(t *testing.T) {
	pages := []string{"", "f", "k", "q"} // each begins behind its name
	var r ring
	var claimed []string
	for range 6 { // rests, each with room for one claim
		room := true
		looked := map[string]bool{}
		for rest, n := false, 0; !rest; n++ {
			if n > 3*len(pages) {
				t.Fatal("no rest")
			}
			i := slices.Index(pages, r.after)
			looked[r.after] = true
			p := passed{more: i+1 < len(pages), claimed: room}
			if p.more {
				p.next = pages[i+1]
			}
			if room {
				claimed, room, p.more = append(claimed, r.after), false, true
			}
			rest = r.rest(p)
		}
		if len(looked) != len(pages) {
			t.Errorf("of %d pages it looked at %v", len(pages), looked)
		}
	}
	if want := []string{"", "f", "k", "q", "", "f"}; !slices.Equal(claimed, want) {
		t.Errorf("claimed behind %q, want %q", claimed, want)
	}
}

// TestConnectionOfASiteIsReportedOn: each domain hears how TLS went for its own letters, on whoever's connection they went: what
// satisfies one policy that is being tested may break another.
func TestConnectionOfASiteIsReportedOn(t *testing.T) {
	peer := smtptest.New(t, smtptest.Config{})
	s := smtpTo(t)
	s.Hosts = func(_ context.Context, domain string) ([]route.Host, error) {
		return []route.Host{{
			Name: "mx.test", Site: "mx.test", Addresses: []netip.Addr{peer.Addr().Addr()}, Port: peer.Addr().Port(),
			TLS: smtpclient.TLSOpportunistic, Published: route.Published{Policy: reports.PolicyNone, Lines: []string{domain}},
		}}, nil
	}
	var seen []string
	s.Observe = func(o route.Session) {
		seen = append(seen, o.Domain+" "+o.Lines[0]+" "+o.Result)
		if o.Host != "mx.test" || o.LocalIP == "" || o.RemoteIP != peer.Addr().Addr().String() {
			t.Errorf("%+v", o)
		}
	}
	for _, domain := range []string{"a.test", "a.test", "b.test", "b.test"} {
		conn := s.Open(domain)
		if got := conn.Send(t.Context(), letterTo("u@"+domain)); got.Result != ResultDelivered {
			t.Errorf("%s: %+v", domain, got)
		}
		conn.Close()
	}
	if want := []string{"a.test a.test starttls-not-supported", "b.test b.test starttls-not-supported"}; !slices.Equal(seen, want) {
		t.Errorf("observed %q, want %q", seen, want)
	}
	if n := peer.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestIdleConnections: however many sites there are, no more than maxIdle connections lie idle.
func TestIdleConnections(t *testing.T) {
	peer := smtptest.New(t, smtptest.Config{})
	s := smtpTo(t, peer.Addr())
	for i := range maxIdle + 3 {
		conn := s.Open(fmt.Sprintf("d%d.test", i))
		if got := conn.Send(t.Context(), letterTo(fmt.Sprintf("u@d%d.test", i))); got.Result != ResultDelivered {
			t.Fatalf("%+v", got)
		}
		conn.Close()
		if n, counted := idleOf(s); n > maxIdle || n != counted {
			t.Fatalf("%d lie idle, counted %d", n, counted)
		}
	}
	s.Close()
	if n, counted := idleOf(s); n != 0 || counted != 0 {
		t.Errorf("at the end %d lie idle, counted %d", n, counted)
	}
}

func idleOf(s *SMTP) (n, counted int) {
	s.idle.mu.Lock()
	defer s.idle.mu.Unlock()
	for _, list := range s.idle.lanes {
		n += len(list)
	}
	return n, s.idle.count
}

// TestPlaceIsKept: letters that found no room at their site keep their place in the lane.
func TestPlaceIsKept(t *testing.T) {
	x := newWorld(t)
	for i := range 4 {
		ids := x.send(fmt.Sprintf("u%d@x.test", i))
		x.exec(`UPDATE deliveries SET created_at = now() - $2::interval, next_at = now() - $2::interval WHERE delivery_id = $1`, ids[0], time.Duration(10-i)*time.Minute)
	}
	x.exec(`INSERT INTO lanes (lane, max_inflight) VALUES ('x.test', 1)`)
	var order []string
	full := true
	w := NewWorker(x.q, WorkerConfig{BatchSize: 2, Log: slog.New(slog.DiscardHandler), Transport: script(func(l *Letter) Attempt {
		if full {
			full = false
			return Attempt{Result: ResultDeferred, Untried: true}
		}
		order = append(order, l.To.Local)
		return taken
	})})
	for range 3 {
		x.round(w)
	}
	if len(order) != 4 {
		t.Fatalf("sent %q", order)
	}
	slices.Sort(order[:2]) // in one batch letters have no order
	if want := []string{"u0", "u1"}; !slices.Equal(order[:2], want) {
		t.Errorf("sent in the order %q", order)
	}
}
