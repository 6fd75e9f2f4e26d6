package ticketing

import (
	"fmt"
	"slices"
	"time"

	"mxdesk/internal/id"
)

// maxMergeHops bounds the way from a merged ticket to the one that holds its entries now.
const maxMergeHops = 10

// maxThreadRefs is how many Message-IDs of a letter are looked up, nearest first.
const maxThreadRefs = 50

// threadInput is all that decides which ticket a letter belongs to. Tickets are named by the number that was
// asked for; find resolves it, following merges, to the ticket or nil.
type threadInput struct {
	signed   []int64 // 1. tickets of the signed addresses among the envelope recipients
	returned int64   // 2. ticket of the delivery whose return path was written to
	own      []int64 // 3. tickets named by Message-IDs of ours, nearest first
	foreign  []int64 // 4. tickets in which a Message-ID of others was seen, nearest first
	tag      int64   // 6. [#number] in the subject
	sender   id.ID   // person behind From; zero for a stranger
	staff    bool    // and he may act as staff
	human    bool
	find     func(number int64) *Ticket

	reopenDays int
	now        time.Time
}

// threadDecision names the ticket a letter goes into, and why.
type threadDecision struct {
	tickets    []*Ticket // empty: a new one. More than one only when several signed addresses were written to
	rule       string
	thirdParty bool    // the sender does not take part in the ticket
	follows    *Ticket // for a new ticket: the closed one it continues
	trace      []string
}

// thread applies the rules in their order; the first that holds decides.
func thread(in threadInput) threadDecision {
	var d threadDecision
	for _, number := range in.signed {
		if t := in.find(number); t != nil && !slices.Contains(d.tickets, t) {
			d.tickets = append(d.tickets, t)
		}
	}
	if len(d.tickets) > 0 {
		return d.decided(in, "signed address")
	}
	d.note("signed address", len(in.signed) > 0, "names no ticket")
	if t := in.find(in.returned); t != nil {
		d.tickets = []*Ticket{t}
		return d.decided(in, "return path")
	}
	for _, rule := range []struct {
		name    string
		numbers []int64
		guarded bool
	}{
		{"own Message-ID", in.own, false},
		{"known Message-ID", in.foreign, true},
		{"ticket tag in subject", []int64{in.tag}, true},
	} {
		for _, number := range rule.numbers {
			t := in.find(number)
			if t == nil {
				continue
			}
			if rule.guarded && !in.staff && t.participant(in.sender) == nil {
				d.note(rule.name, true, fmt.Sprintf("names #%d, but the sender takes no part in it", t.Number))
				continue
			}
			d.tickets = []*Ticket{t}
			return d.decided(in, rule.name)
		}
	}
	d.rule = "new ticket"
	d.trace = append(d.trace, "thread: no rule names a ticket")
	return d
}

// decided applies what holds for every rule: third parties, and tickets closed too long ago.
func (d threadDecision) decided(in threadInput, rule string) threadDecision {
	d.rule = rule
	t := d.tickets[0]
	d.thirdParty = !in.staff && (in.sender.IsZero() || t.participant(in.sender) == nil)
	d.trace = append(d.trace, fmt.Sprintf("thread: %s names #%d", rule, t.Number))
	if d.thirdParty {
		d.trace = append(d.trace, "thread: the sender takes no part in the ticket: third party")
	}
	if t.Status == Closed && in.human && !in.staff && !d.thirdParty && t.ClosedAt != nil && tooOld(*t.ClosedAt, in) {
		d.trace = append(d.trace, fmt.Sprintf("thread: #%d was closed more than %d days ago: a new ticket follows it", t.Number, in.reopenDays))
		d.tickets, d.follows = nil, t
	}
	return d
}

func tooOld(closedAt time.Time, in threadInput) bool {
	return in.now.Sub(closedAt) > time.Duration(in.reopenDays)*24*time.Hour
}

func (d *threadDecision) note(rule string, tried bool, why string) {
	if tried {
		d.trace = append(d.trace, "thread: "+rule+" "+why)
	}
}
