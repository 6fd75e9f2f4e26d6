package ticketing

import (
	"strings"
	"testing"
	"time"

	"mxdesk/internal/id"
)

func TestThread(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	longAgo, lately := now.AddDate(0, 0, -31), now.AddDate(0, 0, -29)
	alice, mallory, agent := id.New(), id.New(), id.New()
	tickets := map[int64]*Ticket{
		1: {Number: 1, Status: Waiting, Participants: []*Participant{{No: 1, Person: alice}}},
		2: {Number: 2, Status: Closed, ClosedAt: &longAgo, Participants: []*Participant{{No: 1, Person: alice}}},
		3: {Number: 3, Status: Closed, ClosedAt: &lately, Participants: []*Participant{{No: 1, Person: alice}}},
		4: {Number: 4, Status: New, Participants: []*Participant{{No: 1, Person: mallory}}},
	}
	for _, c := range []struct {
		name       string
		in         threadInput
		want       int64 // 0: a new ticket
		also       int64
		rule       string
		thirdParty bool
		follows    int64
	}{
		{name: "nothing names a ticket", in: threadInput{sender: alice}, rule: "new ticket"},
		{name: "signed address", in: threadInput{sender: alice, signed: []int64{1}}, want: 1, rule: "signed address"},
		{name: "signed address wins over all else", in: threadInput{sender: alice, signed: []int64{1}, own: []int64{4}, foreign: []int64{3}, tag: 2}, want: 1, rule: "signed address"},
		{name: "two signed addresses", in: threadInput{sender: alice, signed: []int64{1, 3, 1}}, want: 1, also: 3, rule: "signed address"},
		{name: "signed address used by a stranger", in: threadInput{signed: []int64{1}}, want: 1, rule: "signed address", thirdParty: true},
		{name: "signed address used by another customer", in: threadInput{sender: mallory, signed: []int64{1}}, want: 1, rule: "signed address", thirdParty: true},
		{name: "signed address of a ticket that is gone", in: threadInput{sender: alice, signed: []int64{99}}, rule: "new ticket"},
		{name: "return path", in: threadInput{returned: 1, sender: alice}, want: 1, rule: "return path"},
		{name: "our Message-ID", in: threadInput{sender: alice, own: []int64{1}}, want: 1, rule: "own Message-ID"},
		{name: "our Message-ID, nearest first", in: threadInput{sender: alice, own: []int64{99, 3, 1}}, want: 3, rule: "own Message-ID"},
		{name: "our Message-ID quoted by a stranger", in: threadInput{own: []int64{1}}, want: 1, rule: "own Message-ID", thirdParty: true},
		{name: "foreign Message-ID", in: threadInput{sender: alice, foreign: []int64{1}}, want: 1, rule: "known Message-ID"},
		{name: "foreign Message-ID quoted by a stranger never joins", in: threadInput{foreign: []int64{1}}, rule: "new ticket"},
		{name: "foreign Message-ID quoted by another customer never joins", in: threadInput{sender: mallory, foreign: []int64{1}}, rule: "new ticket"},
		{name: "foreign Message-ID in two tickets: the one he takes part in", in: threadInput{sender: alice, foreign: []int64{4, 1}}, want: 1, rule: "known Message-ID"},
		{name: "foreign Message-ID from staff", in: threadInput{sender: agent, staff: true, foreign: []int64{1}}, want: 1, rule: "known Message-ID"},
		{name: "subject tag", in: threadInput{sender: alice, tag: 1}, want: 1, rule: "ticket tag in subject"},
		{name: "subject tag from a stranger never joins", in: threadInput{tag: 1}, rule: "new ticket"},
		{name: "subject tag from staff", in: threadInput{sender: agent, staff: true, tag: 1}, want: 1, rule: "ticket tag in subject"},
		{name: "closed lately", in: threadInput{sender: alice, signed: []int64{3}}, want: 3, rule: "signed address"},
		{name: "closed long ago: a new one that follows it", in: threadInput{sender: alice, signed: []int64{2}}, rule: "signed address", follows: 2},
		{name: "closed long ago, staff", in: threadInput{sender: agent, staff: true, signed: []int64{2}}, want: 2, rule: "signed address"},
		{name: "closed long ago, a stranger cannot make a ticket of it", in: threadInput{signed: []int64{2}}, want: 2, rule: "signed address", thirdParty: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := c.in
			in.now, in.reopenDays, in.human = now, 30, true
			in.find = func(number int64) *Ticket { return tickets[number] }
			d := thread(in)
			var got []int64
			for _, ticket := range d.tickets {
				got = append(got, ticket.Number)
			}
			var want []int64
			for _, n := range []int64{c.want, c.also} {
				if n != 0 {
					want = append(want, n)
				}
			}
			follows := int64(0)
			if d.follows != nil {
				follows = d.follows.Number
			}
			if len(got) != len(want) || len(got) > 0 && got[0] != want[0] || len(got) > 1 && got[1] != want[1] ||
				d.rule != c.rule || d.thirdParty != c.thirdParty || follows != c.follows {
				t.Errorf("tickets %v, rule %q, third party %v, follows %d; trace:\n%s", got, d.rule, d.thirdParty, follows, strings.Join(d.trace, "\n"))
			}
			if len(d.trace) == 0 {
				t.Error("no trace")
			}
		})
	}
}
