package outbound

import (
	"slices"
	"strings"
	"testing"

	"mxdesk/internal/bounce"
	"mxdesk/internal/id"
	"mxdesk/internal/smtptest"
)

// sharedLetter is one letter to several at x.test.
func (x *world) sharedLetter(names ...string) Message {
	for i, n := range names {
		if !strings.Contains(n, "@") {
			names[i] = n + "@x.test"
		}
	}
	m := x.message(names...)
	m.Shared = true
	return m
}

func (x *world) states(ids []id.ID) (list []string) {
	for _, d := range ids {
		list = append(list, x.state(d))
	}
	return list
}

// TestTogether: a shared letter goes to all its recipients in one transaction, or in as few as the server allows, and each has
// a result of his own.
func TestTogether(t *testing.T) {
	for _, c := range []struct {
		name         string
		extensions   []string
		script       func(smtptest.Command) smtptest.Action
		transactions []int // recipients of each letter that the server took
		states       []string
	}{
		{"at once", nil, nil, []int{4}, []string{"delivered", "delivered", "delivered", "delivered"}},
		{"limit announced", []string{"PIPELINING", "LIMITS RCPTMAX=3"}, nil, []int{3, 1}, []string{"delivered", "delivered", "delivered", "delivered"}},
		{"limit met", nil, func(c smtptest.Command) smtptest.Action {
			if c.Verb == "RCPT" && c.N%4 == 3 { // the third, then none: the counter grows over transactions
				return smtptest.Action{Reply: "452 4.5.3 too many recipients"}
			}
			return smtptest.Action{}
		}, []int{3, 1}, []string{"delivered", "delivered", "delivered", "delivered"}},
		{"one unknown, one full", nil, func(c smtptest.Command) smtptest.Action {
			switch {
			case strings.Contains(c.Line, "b@x.test"):
				return smtptest.Action{Reply: "550 5.1.1 no such user"}
			case strings.Contains(c.Line, "c@x.test"):
				return smtptest.Action{Reply: "452 4.2.2 mailbox full"}
			}
			return smtptest.Action{}
		}, []int{2}, []string{"delivered", "failed user_unknown", "deferred", "delivered"}},
		{"lost after the dot", nil, func(c smtptest.Command) smtptest.Action {
			if c.Verb == smtptest.Body {
				return smtptest.Action{Close: true}
			}
			return smtptest.Action{}
		}, nil, []string{"deferred", "deferred", "deferred", "deferred"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t)
			peer := smtptest.New(t, smtptest.Config{Extensions: c.extensions, Script: c.script})
			ids := x.enqueue(x.sharedLetter("a", "b", "c", "d"))
			x.round(x.worker(smtpTo(t, peer.Addr())))
			if got := x.states(ids); !slices.Equal(got, c.states) {
				t.Errorf("states %q, want %q", got, c.states)
			}
			var sizes []int
			for _, l := range peer.Letters() {
				sizes = append(sizes, len(l.Recipients))
			}
			if !slices.Equal(sizes, c.transactions) {
				t.Errorf("transactions %v, want %v", sizes, c.transactions)
			}
			for _, d := range ids {
				if n := len(x.attempts(d)); n != 1 {
					t.Errorf("%d attempts of %s, want 1", n, d)
				}
			}
			if n := one[int](x, `SELECT count(*) FROM deliveries WHERE broke`); (n == 4) != (c.transactions == nil) {
				t.Errorf("%d in doubt", n)
			}
		})
	}
}

// TestTogetherSuppressed: who is not written to is not in the transaction, and a site that is away costs one attempt.
func TestTogetherSuppressed(t *testing.T) {
	x := newWorld(t)
	x.exec(`INSERT INTO suppressions (organisation_id, address, reason, active) VALUES ($1, 'b@x.test', 'user_unknown', true)`, testOrg)
	ids := x.enqueue(x.sharedLetter("a", "b", "c"))
	x.round(x.worker(always(siteDown)))
	if got := x.states(ids); !slices.Equal(got, []string{"deferred", "suppressed user_unknown", "queued"}) {
		t.Errorf("states %q", got)
	}
	peer := smtptest.New(t, smtptest.Config{})
	x.elapse(2 * schedule[0])
	x.round(x.worker(smtpTo(t, peer.Addr())))
	x.round(x.worker(smtpTo(t, peer.Addr())))
	if got := x.states(ids); !slices.Equal(got, []string{"delivered", "suppressed user_unknown", "delivered"}) {
		t.Errorf("states %q", got)
	}
}

// TestReportOnSharedLetter: the return path is that of the first delivery; the report closes the one whose recipient it names,
// and none when it names a stranger.
func TestReportOnSharedLetter(t *testing.T) {
	failed := func(address, original string) *bounce.Report {
		return &bounce.Report{Kind: bounce.Failure, Recipients: []bounce.Recipient{
			{Address: address, OriginalAddress: original, Action: bounce.Failed, Status: "5.1.1", Diagnostic: "no such user", Reason: bounce.UserUnknown},
		}}
	}
	for _, c := range []struct {
		name   string
		report *bounce.Report
		states []string
	}{
		{"final recipient", failed("b@x.test", ""), []string{"delivered", "failed user_unknown", "delivered", "delivered"}},
		{"original recipient", failed("box17@internal.test", "B@x.test"), []string{"delivered", "failed user_unknown", "delivered", "delivered"}},
		{"stranger", failed("else@y.test", ""), []string{"delivered", "delivered", "delivered", "delivered"}},
		{"a recipient of another site", failed("d@y.test", ""), []string{"delivered", "delivered", "delivered", "delivered"}},
		{"the first itself", failed("a@x.test", ""), []string{"failed user_unknown", "delivered", "delivered", "delivered"}},
		{"some relayed, some failed", &bounce.Report{Kind: bounce.Failure, Recipients: []bounce.Recipient{
			{Address: "a@x.test", Action: bounce.Relayed},
			{Address: "b@x.test", Action: bounce.Failed, Reason: bounce.MailboxFull},
			{Address: "c@x.test", Action: bounce.Delayed},
		}}, []string{"delivered", "failed mailbox_full", "delivered", "delivered"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t)
			peer := smtptest.New(t, smtptest.Config{})
			ids := x.enqueue(x.sharedLetter("a", "b", "c", "d@y.test"))
			x.round(x.worker(smtpTo(t, peer.Addr())))
			from, ok := x.signer.ParseReturnPath(mustParse(t, lettersTo(peer, "a@x.test")[0].From))
			if !ok || from != ids[0] {
				t.Fatalf("return path of %s, want that of the first, %s", from, ids[0])
			}
			if _, err := x.q.RecordReport(x.ctx, x.pool, testOrg, from, c.report); err != nil {
				t.Fatal(err)
			}
			if got := x.states(ids); !slices.Equal(got, c.states) {
				t.Errorf("states %q, want %q", got, c.states)
			}
		})
	}
}

// lettersTo are the letters that a peer took for somebody.
func lettersTo(peer *smtptest.Server, recipient string) (list []smtptest.Letter) {
	for _, l := range peer.Letters() {
		if slices.Contains(l.Recipients, recipient) {
			list = append(list, l)
		}
	}
	return list
}
