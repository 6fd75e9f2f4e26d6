package outbound

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"mxdesk/internal/smtptest"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

// TestVisits: batches count where they lead, as soon as it is known, and no longer than they last.
func TestVisits(t *testing.T) {
	s := newSites()
	var all []*visit
	for i := range maxAtSite {
		v := s.begin(fmt.Sprintf("d%d.test", i))
		for range 2 { // it may connect again
			if !v.May("big") {
				t.Fatalf("batch %d finds no room", i)
			}
		}
		all = append(all, v)
	}
	late := s.begin("late.test")
	if late.May("big") {
		t.Error("one too many finds room")
	}
	if !late.May("small") || s.busy["small"] != 1 {
		t.Errorf("at another site: %v", s.busy)
	}
	moved := all[0]
	if !moved.May("small") || s.busy["small"] != 2 || s.busy["big"] != maxAtSite-1 {
		t.Errorf("after a move: %v", s.busy)
	}
	if known := s.begin("d5.test"); known.site != "big" || s.busy["big"] != maxAtSite {
		t.Errorf("another batch of a lane that is known: at %q, %v", known.site, s.busy)
	} else {
		known.end()
	}
	for _, v := range append(all, late) {
		v.end()
	}
	if len(s.busy) > 0 {
		t.Errorf("when all have ended: %v", s.busy)
	}
	for i := range 2 * maxSited {
		v := s.begin(fmt.Sprint(i, ".test"))
		v.May("site")
		v.end()
	}
	if len(s.of) > maxSited || len(s.busy) > 0 {
		t.Errorf("%d lanes are remembered, %v", len(s.of), s.busy)
	}
}

// TestCrowded: of the lanes of a site as many have a turn as there is room, and all in their turn; those of other sites, and of
// sites not known, wait for nobody.
func TestCrowded(t *testing.T) {
	s := newSites()
	var list []pendingLane
	for i := range 9 {
		lane := fmt.Sprintf("d%d.test", i)
		s.of[lane] = atSite{site: "big"}
		list = append(list, pendingLane{Lane: lane, Ready: i != 4})
	}
	s.of["other.test"] = atSite{site: "small"}
	list = append(list, pendingLane{Lane: "other.test", Ready: true}, pendingLane{Lane: "stranger.test", Ready: true})
	s.busy["big"] = maxAtSite - 3
	for pass, want := range [][]string{
		{"d0", "d1", "d2"}, {"d3", "d5", "d6"}, {"d0", "d7", "d8"}, {"d1", "d2", "d3"},
	} {
		crowded := s.crowded(list)
		var turn []string
		for _, l := range list {
			if l.Ready && !crowded[l.Lane] {
				turn = append(turn, l.Lane)
				s.begin(l.Lane).end()
			}
		}
		for i := range want {
			want[i] += ".test"
		}
		if want = append(want, "other.test", "stranger.test"); !slices.Equal(turn, want) {
			t.Errorf("pass %d: %q have a turn, want %q", pass, turn, want)
		}
	}
	s.busy["big"] = maxAtSite + 5
	if got := s.crowded(list); len(got) != 8 {
		t.Errorf("where there is no room, %d wait", len(got))
	}
	delete(s.busy, "big")
	if got := s.crowded(list); len(got) != 0 {
		t.Errorf("where there is room for all, %v wait", got)
	}
}

// TestSharedSite: a site that takes mail for many domains has no more connections from us than one may have, and other sites do
// not wait for it.
func TestSharedSite(t *testing.T) {
	x := newWorld(t)
	greet, arrived := make(chan struct{}), make(chan struct{}, 1000)
	big := smtptest.New(t, smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
		if c.Verb != smtptest.Connect {
			return smtptest.Action{}
		}
		arrived <- struct{}{}
		return smtptest.Action{Wait: greet}
	}})
	other := smtptest.New(t, smtptest.Config{})
	s := smtpTo(t)
	s.Hosts = func(_ context.Context, domain string) ([]route.Host, error) {
		peer, site := big, "mx.big.test"
		if domain == "other.test" {
			peer, site = other, "mx.other.test"
		}
		return []route.Host{{Name: site, Site: site, Addresses: []netip.Addr{peer.Addr().Addr()}, Port: peer.Addr().Port()}}, nil
	}
	const domains = 3 * maxAtSite
	for i := range domains {
		x.send(fmt.Sprintf("u@d%02d.test", i))
	}
	w := x.worker(s)
	stop := start(x, w)
	defer stop()
	for range maxAtSite {
		<-arrived
	}
	x.send("u@other.test")
	x.q.Hint()
	x.await(1)
	if n := big.Connections(); n != maxAtSite {
		t.Errorf("%d connections to one site, want %d", n, maxAtSite)
	}
	close(greet)
	x.await(1 + domains)
	stop() // what was told is committed then
	if n := one[int](x, `SELECT count(*) FROM deliveries_done WHERE outcome = 'delivered' AND attempts = 1`); n != 1+domains {
		t.Errorf("%d of %d delivered at once", n, 1+domains)
	}
	if n := one[int](x, `SELECT count(*) FROM attempts`); n != 1+domains {
		t.Errorf("%d attempts in the log, want %d", n, 1+domains)
	}
}

// TestConnectionOfASite: a connection that lies idle carries letters of every domain of its site, where their policies ask for
// the same.
func TestConnectionOfASite(t *testing.T) {
	for name, c := range map[string]struct {
		change      func(h *route.Host) // the host as the second domain finds it
		dane        bool
		secure      bool
		connections int
	}{
		"same hosts":           {func(*route.Host) {}, false, false, 1},
		"another site":         {func(h *route.Host) { h.Site = "elsewhere" }, false, false, 2},
		"no site":              {func(h *route.Host) { h.Site = "" }, false, false, 2},
		"another host":         {func(h *route.Host) { h.Name = "mx2.test" }, false, false, 2},
		"another address":      {func(h *route.Host) { h.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.3"), h.Addresses[0]} }, false, false, 1},
		"another policy":       {func(h *route.Host) { h.Policy = route.PolicyTesting }, false, false, 2},
		"a letter needs TLS":   {func(*route.Host) {}, false, true, 2}, // which the host does not have
		"judged by its domain": {func(*route.Host) {}, true, false, 2},
		"TLS that is required": {func(h *route.Host) { h.TLS = smtpclient.TLSRequired }, false, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			peer := smtptest.New(t, smtptest.Config{})
			s := smtpTo(t)
			host := route.Host{
				Name: "mx.test", Site: "mx.test", Addresses: []netip.Addr{peer.Addr().Addr()}, Port: peer.Addr().Port(), TLS: smtpclient.TLSOpportunistic,
			}
			if c.dane {
				host.Policy = route.PolicyDANE
			}
			second := host
			c.change(&second)
			s.Hosts = func(_ context.Context, domain string) ([]route.Host, error) {
				if domain == "b.test" {
					return []route.Host{second}, nil
				}
				return []route.Host{host}, nil
			}
			for _, domain := range []string{"a.test", "b.test", "a.test"} {
				conn := s.Open(domain)
				l := letterTo("u@" + domain)
				l.RequireTLS = c.secure && domain == "b.test"
				got := conn.Send(t.Context(), l)
				conn.Close()
				if want := l.RequireTLS || domain == "b.test" && second.TLS == smtpclient.TLSRequired; (got.Result == ResultDelivered) == want {
					t.Errorf("%s: %+v", domain, got)
				}
			}
			for _, l := range peer.Letters() {
				if len(l.Recipients) != 1 {
					t.Errorf("recipients %q", l.Recipients)
				}
			}
			if n := peer.Connections(); n != c.connections {
				t.Errorf("%d connections, want %d", n, c.connections)
			}
		})
	}
}
