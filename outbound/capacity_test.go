package outbound

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mxdesk/internal/smtptest"
)

// TestCapacities: what is known of a lane holds for a while, and for a bounded number of lanes.
func TestCapacities(t *testing.T) {
	var k capacities
	now := time.Now()
	k.learn("a.test", 3, now)
	for _, c := range []struct {
		lane string
		most int
		at   time.Duration
		want int
	}{
		{"a.test", 100, 0, 3},
		{"a.test", 2, 0, 2},
		{"a.test", 100, capacityTime - time.Second, 3},
		{"a.test", 100, capacityTime, 100},
		{"b.test", 100, 0, 100},
	} {
		if got := k.letters(c.lane, c.most, now.Add(c.at)); got != c.want {
			t.Errorf("%s after %v, at most %d: %d, want %d", c.lane, c.at, c.most, got, c.want)
		}
	}
	for i := range 2 * maxCapacities {
		k.learn(fmt.Sprint(i, ".test"), 1, now)
	}
	k.learn("a.test", 2, now)
	if got := k.letters("a.test", 100, now); len(k.known) != maxCapacities || got != 2 {
		t.Errorf("%d lanes are known; %d letters for one that was", len(k.known), got)
	}
	later := now.Add(2 * capacityTime)
	k.learn("new.test", 7, later)
	if got := k.letters("new.test", 100, later); len(k.known) != 1 || got != 7 {
		t.Errorf("%d lanes are known later, and %d letters", len(k.known), got)
	}
}

// TestFewLettersPerConnection: a host that ends each connection after two letters gets all of them, two at a time, and no letter is
// counted or delayed for it.
func TestFewLettersPerConnection(t *testing.T) {
	for _, c := range []struct {
		name       string
		extensions []string
		verb, text string // how the third letter of a connection is received; "": the connection ends
	}{
		{"421 to MAIL", nil, "MAIL", "421 4.7.0 too many letters on this connection"},
		{"hangs up at MAIL", nil, "MAIL", ""},
		{"421 to MAIL, no pipelining", []string{"8BITMIME"}, "MAIL", "421 too many letters on this connection"},
		{"hangs up at MAIL, no pipelining", []string{"8BITMIME"}, "MAIL", ""},
		{"451 to MAIL, then hangs up", nil, "MAIL", "451 4.5.3 too many letters on this connection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t)
			var refusals atomic.Int32
			peer := smtptest.New(t, smtptest.Config{Extensions: c.extensions, Script: func(cmd smtptest.Command) smtptest.Action {
				if cmd.Verb != c.verb || cmd.N < 3 {
					return smtptest.Action{}
				}
				refusals.Add(1)
				return smtptest.Action{Reply: c.text, Close: true}
			}})
			const n = 40
			var m []Message
			for i := range n {
				m = append(m, x.message(fmt.Sprintf("u%d@x.test", i)))
			}
			ids := x.enqueue(m...)
			s := smtpTo(t, peer.Addr())
			x.round(x.worker(s))
			for i, d := range ids {
				if got, tries := x.state(d), x.attempts(d); got != "delivered" || len(tries) != 1 {
					t.Errorf("letter %d: %s after %v", i, got, tries)
				}
			}
			if got := len(peer.Letters()); got != n {
				t.Errorf("%d letters arrived, want %d", got, n)
			}
			// The first connection finds it out, the others part in time.
			if got := refusals.Load(); got != 1 {
				t.Errorf("%d connections ended by the host, want 1", got)
			}
			if got := peer.Connections(); got != n/2 {
				t.Errorf("%d connections, want %d", got, n/2)
			}
			if got := one[string](x, `SELECT fail_streak || last_error FROM lanes`); got != "0" {
				t.Errorf("the lane suffers for it: %s", got)
			}
		})
	}
}

// TestAnnouncedLimit: the letters that a host refuses count among those that it announces to take on a connection.
func TestAnnouncedLimit(t *testing.T) {
	for _, verb := range []string{"MAIL", "RCPT", "DATA", smtptest.Body, "none"} {
		peer := smtptest.New(t, smtptest.Config{Extensions: []string{"PIPELINING", "LIMITS MAILMAX=2"}, Script: func(c smtptest.Command) smtptest.Action {
			switch {
			case c.Verb == "MAIL" && c.N > 2:
				return smtptest.Action{Reply: "421 4.7.0 too many", Close: true}
			case c.Verb == verb:
				return smtptest.Action{Reply: "550 5.7.1 no"}
			}
			return smtptest.Action{}
		}})
		s := smtpTo(t, peer.Addr())
		for range 3 {
			conn := s.Open("x.test")
			for range 2 {
				if a := conn.Send(t.Context(), letterTo("a@x.test")); a.Site || (a.Result == ResultDelivered) != (verb == "none") {
					t.Errorf("%s refused: %+v", verb, a)
				}
			}
			conn.Close()
		}
		if n := peer.Connections(); n != 3 {
			t.Errorf("%s refused: %d connections for 6 letters, want 3", verb, n)
		}
	}
}

// TestEndedOnce: a letter gets one more connection, not two, and none when the host had begun with it.
func TestEndedOnce(t *testing.T) {
	for _, c := range []struct {
		name        string
		script      func(smtptest.Command) smtptest.Action
		connections int
		reply       string
	}{
		{"the next connection ends at once too", func(c smtptest.Command) smtptest.Action {
			if c.Verb == "MAIL" && (c.Conn > 1 || c.N > 1) {
				return smtptest.Action{Reply: "421 4.3.2 shutting down", Close: true}
			}
			return smtptest.Action{}
		}, 2, "shutting down"},
		{"421 to RCPT", func(c smtptest.Command) smtptest.Action {
			if c.Verb == "RCPT" && c.N > 1 {
				return smtptest.Action{Reply: "421 4.3.2 shutting down", Close: true}
			}
			return smtptest.Action{}
		}, 1, "shutting down"},
		{"nothing was taken before", func(c smtptest.Command) smtptest.Action {
			switch {
			case c.Verb == "RCPT":
				return smtptest.Action{Reply: "450 4.7.1 slow down"}
			case c.Verb == "MAIL" && c.N > 1:
				return smtptest.Action{Reply: "421 4.7.0 you are too fast", Close: true}
			}
			return smtptest.Action{}
		}, 1, "too fast"},
	} {
		peer := smtptest.New(t, smtptest.Config{Script: c.script})
		conn := smtpTo(t, peer.Addr()).Open("x.test")
		conn.Send(t.Context(), letterTo("a@x.test"))
		a := conn.Send(t.Context(), letterTo("b@x.test"))
		conn.Close()
		if a.Result != ResultDeferred || !a.Site || !strings.Contains(a.Reply, c.reply) || peer.Connections() != c.connections {
			t.Errorf("%s: %d connections, %+v", c.name, peer.Connections(), a)
		}
	}
}
