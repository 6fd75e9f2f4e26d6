package outbound

import (
	"context"
	"errors"
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

// TestRetryLane: what waits for its next attempt is tried with its lane, what is held is not; a lane that is paused, or that there
// is not, says so.
func TestRetryLane(t *testing.T) {
	x := newWorld(t)
	answer := siteDown
	w := x.worker(script(func(*Letter) Attempt { return answer }))
	ids := x.send("a@x.test", "b@x.test", "c@y.test")
	if err := x.q.Hold(x.ctx, testOrg, ids[1]); err != nil {
		t.Fatal(err)
	}
	x.round(w) // a and c probe their lanes, and wait for themselves
	answer = taken
	if err := x.q.RetryLane(x.ctx, "x.test"); err != nil {
		t.Fatal(err)
	}
	x.round(w)
	for i, want := range []string{"delivered", "held", "deferred"} {
		if got := x.state(ids[i]); got != want {
			t.Errorf("%s: %s, want %s", "abc"[i:i+1], got, want)
		}
	}
	if err := x.q.PauseLane(x.ctx, "y.test", true); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		act       string
		got, want error
	}{
		{"retry of a paused lane", x.q.RetryLane(x.ctx, "y.test"), ErrPaused},
		{"retry in a paused lane", x.q.Retry(x.ctx, testOrg, ids[2]), ErrPaused},
		{"release of what is not held", x.q.Release(x.ctx, testOrg, ids[2]), ErrNoDelivery},
		{"retry of a lane that is not", x.q.RetryLane(x.ctx, "z.test"), ErrNoLane},
		{"resume of a lane that is not", x.q.PauseLane(x.ctx, "z.test", false), ErrNoLane},
		{"resume of a lane that is", x.q.PauseLane(x.ctx, "x.test", false), nil},
		{"hold in a paused lane", x.q.Hold(x.ctx, testOrg, ids[2]), nil},
		{"release in a paused lane", x.q.Release(x.ctx, testOrg, ids[2]), nil},
		{"pause of what has no mail yet", x.q.PauseLane(x.ctx, "z.test", true), nil},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.act, c.got, c.want)
		}
	}
}

// TestLaneNamed: people write domains as they like, and what is no domain is no lane.
func TestLaneNamed(t *testing.T) {
	for text, want := range map[string]string{
		"x.test": "x.test", "X.Test.": "x.test", "B\u00fccher.example": "xn--bcher-kva.example", "[192.0.2.1]": "[192.0.2.1]",
		"smarthost:1": "smarthost:1", "Smarthost:01": "smarthost:1",
		"": "", "x.test ": "", "a\nb": "", "\x1b[31m": "", "smarthost:x": "", "a@x.test": "", "other:1": "",
	} {
		got, err := LaneNamed(text)
		if got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, ErrNoLane) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
