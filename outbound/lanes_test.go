package outbound

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/route"
)

// ownHost is a host that takes letters for one domain and for no other.
func ownHost(t *testing.T, domain string) *smtptest.Server {
	return smtptest.New(t, smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
		if c.Verb == "RCPT" && !strings.Contains(c.Line, "@"+domain+">") {
			return smtptest.Action{Reply: "550 5.7.1 relaying denied"}
		}
		return smtptest.Action{}
	}})
}

// byDomain finds the hosts of domains in a table; anyDomain is a smart host.
func byDomain(table map[string]netip.AddrPort) hostFinder {
	return func(_ context.Context, domain string) ([]route.Host, error) {
		p, ok := table[domain]
		if !ok {
			p = table[anyDomain]
		}
		return []route.Host{{Name: "mx." + domain, Addresses: []netip.Addr{p.Addr()}, Port: p.Port(), Relay: !ok}}, nil
	}
}

const anyDomain = "*"

// TestTransportChanged: what waits when the operator changes the transport goes the new way, from lane to lane.
func TestTransportChanged(t *testing.T) {
	together := func(int32, address.Address) string { return "smarthost" }
	for _, c := range []struct {
		name          string
		before, after func(int32, address.Address) string
		viaRelay      int
		lanes         []string
	}{
		{"smart host to MX", together, nil, 0, []string{"one.test", "two.test", "two.test"}},
		{"MX to smart host", nil, together, 3, []string{"smarthost", "smarthost", "smarthost"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t)
			heard := x.q.OnFinal
			x.q = NewQueue(x.pool, QueueConfig{Lane: c.before})
			ids := x.send("a@one.test", "b@two.test", "c@two.test")
			x.q = NewQueue(x.pool, QueueConfig{Lane: c.after})
			x.q.OnFinal = heard
			one, two, relay := ownHost(t, "one.test"), ownHost(t, "two.test"), smtptest.New(t, smtptest.Config{})
			s := smtpTo(t)
			s.Hosts = byDomain(map[string]netip.AddrPort{"one.test": one.Addr(), "two.test": two.Addr()})
			if c.viaRelay > 0 {
				s.Hosts = byDomain(map[string]netip.AddrPort{anyDomain: relay.Addr()})
			}
			w := x.worker(s)
			x.round(w)
			x.round(w)
			if got := x.states(ids); !slices.Equal(got, []string{"delivered", "delivered", "delivered"}) {
				t.Errorf("states %q", got)
			}
			if n := len(relay.Letters()); n != c.viaRelay {
				t.Errorf("%d letters at the smart host, want %d", n, c.viaRelay)
			}
			for i, d := range ids {
				if n := len(x.attempts(d)); n != 1 {
					t.Errorf("%d attempts, want 1", n)
				}
				if lane := laneOf(x, d); lane != c.lanes[i] {
					t.Errorf("lane %s, want %s", lane, c.lanes[i])
				}
			}
		})
	}
}

// laneOf is the lane in which a delivery ended.
func laneOf(x *world, delivery id.ID) string {
	return one[string](x, `SELECT lane FROM deliveries_done WHERE delivery_id = $1`, delivery)
}

// TestDomainsOfALane: a connection to the host of one domain carries nothing for another, while it is open and when it lay
// idle; one to a smart host carries all.
func TestDomainsOfALane(t *testing.T) {
	one, two, relay := ownHost(t, "one.test"), ownHost(t, "two.test"), smtptest.New(t, smtptest.Config{})
	direct := map[string]netip.AddrPort{"one.test": one.Addr(), "two.test": two.Addr()}
	for _, c := range []struct {
		name        string
		hosts       hostFinder
		peers       []*smtptest.Server
		connections int
	}{
		{"hosts of the domains", byDomain(direct), []*smtptest.Server{one, two}, 2},
		{"smart host", byDomain(map[string]netip.AddrPort{anyDomain: relay.Addr()}), []*smtptest.Server{relay}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := smtpTo(t)
			s.Hosts = c.hosts
			for _, to := range [][]string{
				{"a@one.test", "b@two.test", "c@one.test"},
				{"d@two.test"},
				{"e@one.test"},
				{"ü@one.test", "f@two.test"},
			} {
				conn := s.Open("shared")
				var list []address.Address
				for _, r := range to {
					list = append(list, mustParse(t, r))
				}
				for i, a := range conn.(Sharer).SendAll(t.Context(), letterTo(to[0]), list) {
					if a.Result != ResultDelivered {
						t.Errorf("%s: %+v", to[i], a)
					}
				}
				conn.Close()
			}
			n := 0
			for _, p := range c.peers {
				n += p.Connections()
			}
			if n != c.connections {
				t.Errorf("%d connections, want %d", n, c.connections)
			}
		})
	}
}

// TestSharedAtRelay: a smart host gets a shared letter for as many domains at once as it announces.
func TestSharedAtRelay(t *testing.T) {
	for limits, want := range map[string][]string{
		"":                                  {"a@one.test b@two.test c@one.test d@three.test"},
		"LIMITS RCPTDOMAINMAX=1":            {"a@one.test c@one.test", "b@two.test", "d@three.test"},
		"LIMITS RCPTDOMAINMAX=2":            {"a@one.test b@two.test c@one.test", "d@three.test"},
		"LIMITS RCPTMAX=2 RCPTDOMAINMAX=1":  {"a@one.test c@one.test", "b@two.test", "d@three.test"},
		"LIMITS RCPTDOMAINMAX=1 MAILMAX=1":  {"a@one.test c@one.test", "b@two.test", "d@three.test"},
		"LIMITS RCPTMAX=1 RCPTDOMAINMAX=10": {"a@one.test", "b@two.test", "c@one.test", "d@three.test"},
	} {
		t.Run(limits, func(t *testing.T) {
			x := newWorld(t)
			x.q = NewQueue(x.pool, QueueConfig{Lane: func(int32, address.Address) string { return "smarthost" }})
			relay := smtptest.New(t, smtptest.Config{Extensions: []string{"PIPELINING", limits}})
			s := smtpTo(t)
			s.Hosts = byDomain(map[string]netip.AddrPort{anyDomain: relay.Addr()})
			ids := x.enqueue(x.sharedLetter("a@one.test", "b@two.test", "c@one.test", "d@three.test"))
			x.round(x.worker(s))
			var got []string
			for _, l := range relay.Letters() {
				got = append(got, strings.Join(l.Recipients, " "))
			}
			if !slices.Equal(got, want) {
				t.Errorf("transactions %q, want %q", got, want)
			}
			for _, d := range ids {
				if state := x.state(d); state != "delivered" || len(x.attempts(d)) != 1 {
					t.Errorf("%s after %v", state, x.attempts(d))
				}
			}
		})
	}
}
