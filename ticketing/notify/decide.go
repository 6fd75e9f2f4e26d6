package notify

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"mxdesk/internal/id"
)

// Audience says which of the templates of an event a person gets.
type Audience string

// The audiences. Only ToStaff may be shown what is internal.
const (
	ToRequester    Audience = "requester"
	ToCollaborator Audience = "collaborator"
	ToStaff        Audience = "staff"
)

// Notice is one mail to one person.
type Notice struct {
	Person       *Person
	Audience     Audience
	Template     string // "ticket.created/requester"
	Delay        time.Duration
	CancelIfSeen bool
	Answer       bool // an automatic answer to a letter: counts against the budget of the address
	Rule         int  // which rule, counted from 1
}

// Post is a message that a rule posts into the ticket.
type Post struct {
	Text string // with masks
	Rule int
}

// Decision is what is to be done about one event, and why. Trace is stored with the letter.
type Decision struct {
	Notices []Notice
	Posts   []Post
	Trace   []Considered

	Unanswered bool // a rule would have answered the sender, who may not be
}

// Considered is one rule of the event and what came of it.
type Considered struct {
	Rule    int         `json:"rule"` // counted from 1
	Notify  []Recipient `json:"notify,omitempty"`
	Not     string      `json:"not,omitempty"`    // why the whole rule did nothing
	Posted  bool        `json:"posted,omitempty"` // it posted a message
	Told    []string    `json:"told,omitempty"`   // addresses
	Skipped []Skipped   `json:"skipped,omitempty"`
}

// Skipped are those whom a rule named and who were not told, and why not.
type Skipped struct {
	Why       string   `json:"why"`
	Addresses []string `json:"addresses,omitempty"`
	More      int      `json:"more,omitempty"` // how many more than the addresses
}

// The reasons why somebody whom a rule names is not told.
const (
	isAuthor     = "is the author"
	notAuthor    = "is not the author, whom the rule answers"
	noAddress    = "has no address"
	isInternal   = "it is for staff only"
	unsubscribed = "unsubscribed"
	suppressed   = "suppressed"
	inactive     = "inactive"
	switchedOff  = "switched notifications off"
	notStaff     = "is not staff"
	notCustomer  = "is staff"
	machineWrote = "a machine wrote the letter: "
	noAnswer     = "no automatic answer: "
)

// maxListed bounds the addresses that one reason lists in the trace.
const maxListed = 10

// decider is the state of one decision.
type decider struct {
	policy *Policy
	event  *Event
	people *People
	byID   map[id.ID]int  // who is told already, and by which rule
	byAddr map[string]int // the same by address: one mailbox may be two people
	one    [1]*Person
	out    Decision
}

// Decide tells who gets which mail about e, and which messages are posted. It changes none of its arguments.
func Decide(p *Policy, e *Event, who *People) Decision {
	rules := p.byEvent[e.Type]
	d := decider{policy: p, event: e, people: who, byID: map[id.ID]int{}, byAddr: map[string]int{}}
	d.out.Trace = make([]Considered, 0, len(rules))
	for _, i := range rules {
		d.out.Trace = append(d.out.Trace, d.consider(&p.Rules[i], i+1))
	}
	return d.out
}

func (d *decider) consider(r *Rule, number int) Considered {
	c := Considered{Rule: number, Notify: r.Notify, Not: d.blocked(r)}
	switch {
	case c.Not != "":
	case r.Post != "":
		c.Posted = true
		d.out.Posts = append(d.out.Posts, Post{Text: r.Post, Rule: number})
	default:
		for _, role := range r.Notify {
			d.tell(r, role, &c)
		}
	}
	return c
}

// blocked is why the whole rule does nothing, "" if it may.
func (d *decider) blocked(r *Rule) string {
	for _, s := range r.Switch {
		name, off := strings.CutPrefix(s, "!")
		if d.switched(name) == off {
			if off {
				return name + " is on"
			}
			return name + " is off"
		}
	}
	if why := d.event.fails(&r.When); why != "" {
		return why
	}
	if r.Post == "" {
		return ""
	}
	switch e := d.event; {
	case e.Posted:
		return "a rule posted this message"
	case e.internal():
		return isInternal
	case e.Machine != "":
		return machineWrote + e.Machine
	case e.NoAnswer != "" && e.By != ByStaff: // what staff do is not answered by it
		return noAnswer + e.NoAnswer
	}
	return ""
}

// switched looks for a switch where it is set most specifically.
func (d *decider) switched(name string) bool {
	for _, level := range d.event.Settings {
		if on, set := level[name]; set {
			return on
		}
	}
	return d.policy.Switches[name]
}

// internal tells whether only staff may hear of e.
func (e *Event) internal() bool { return e.Visibility == Internal || eventTypes[e.Type] }

// fails is the test of w that e does not pass, "" if it passes all.
func (e *Event) fails(w *When) string {
	switch {
	case w.Assigned != nil && *w.Assigned != e.Assigned:
		return "when assigned is " + strconv.FormatBool(*w.Assigned)
	case w.AutoAssigned != nil && *w.AutoAssigned != e.AutoAssigned:
		return "when auto_assigned is " + strconv.FormatBool(*w.AutoAssigned)
	case w.Machine != nil && *w.Machine != (e.Machine != ""):
		return "when machine is " + strconv.FormatBool(*w.Machine)
	case !w.By.holds(e.By):
		return "when by is " + strings.Join(w.By, " or ")
	case !w.Via.holds(e.Via):
		return "when via is " + strings.Join(w.Via, " or ")
	case w.Visibility != "" && (w.Visibility == Internal) != e.internal():
		return "when visibility is " + w.Visibility
	case !w.Category.holds(e.Category):
		return "when category is " + strings.Join(w.Category, " or ")
	case !w.Address.holds(e.Address):
		return "when address is " + strings.Join(w.Address, " or ")
	case !w.Status.holds(e.Status):
		return "when status is " + strings.Join(w.Status, " or ")
	}
	return ""
}

func (o OneOf) holds(value string) bool {
	for _, v := range o {
		if strings.EqualFold(v, value) {
			return true
		}
	}
	return len(o) == 0
}

func (d *decider) tell(r *Rule, role Recipient, c *Considered) {
	people := d.find(role)
	if len(people) == 0 {
		c.skip("nobody is "+string(role), "")
	}
	for _, p := range people {
		to := audience(role, p)
		why := d.why(r, p, to)
		if why != "" {
			c.skip(why, p.Address)
			continue
		}
		if !p.ID.IsZero() {
			d.byID[p.ID] = c.Rule
		}
		d.byAddr[p.Address] = c.Rule
		c.Told = append(c.Told, p.Address)
		d.out.Notices = append(d.out.Notices, Notice{
			Person: p, Audience: to, Template: r.names[to], Delay: time.Duration(r.Delay),
			CancelIfSeen: r.CancelIfSeen, Answer: r.Answer, Rule: c.Rule,
		})
	}
}

func (c *Considered) skip(why, addr string) {
	for i := range c.Skipped {
		if s := &c.Skipped[i]; s.Why == why {
			if len(s.Addresses) < maxListed {
				s.Addresses = append(s.Addresses, addr)
			} else {
				s.More++
			}
			return
		}
	}
	s := Skipped{Why: why}
	if addr != "" {
		s.Addresses = []string{addr}
	}
	c.Skipped = append(c.Skipped, s)
}

// audience is how a person in a part is spoken to. The requester of a ticket is a requester in it even if he is staff elsewhere.
func audience(role Recipient, p *Person) Audience {
	switch {
	case role == Requester:
		return ToRequester
	case p.Staff || role == SystemAddress:
		return ToStaff
	}
	return ToCollaborator
}

// why is the reason not to tell p, "" if there is none. This is where the rules stand that no policy can change.
func (d *decider) why(r *Rule, p *Person, to Audience) string {
	e, author := d.event, d.event.by(p)
	reset := e.Type == StaffPasswordReset
	switch {
	case p.Address == "":
		return noAddress
	case author && !r.Answer && !reset:
		return isAuthor
	case r.Answer && !author:
		return notAuthor
	case to != ToStaff && e.internal():
		return isInternal
	case to != ToStaff && e.Machine != "":
		return machineWrote + e.Machine
	case r.Answer && e.NoAnswer != "":
		d.out.Unanswered = true
		return noAnswer + e.NoAnswer
	case p.Inactive:
		return inactive
	case !reset && d.people.left(p):
		return unsubscribed
	case !reset && p.Suppressed:
		return suppressed
	case p.Muted && !r.Always:
		return switchedOff
	case r.Only == "staff" && to != ToStaff, r.OptedIn != "" && !p.Staff:
		return notStaff
	case r.Only == "customers" && to == ToStaff:
		return notCustomer
	case r.OptedIn != "" && !p.Preferences[r.OptedIn]:
		return "has not switched on " + r.OptedIn
	case r.OptedOut != "" && p.Preferences[r.OptedOut]:
		return "has switched on " + r.OptedOut
	}
	if rule := d.told(p); rule > 0 {
		return "told already by rule " + strconv.Itoa(rule)
	}
	return ""
}

// by tells whether p is the author of e.
func (e *Event) by(p *Person) bool {
	return !e.Author.IsZero() && e.Author == p.ID || e.AuthorAddress != "" && e.AuthorAddress == p.Address
}

func (w *People) left(p *Person) bool {
	return !p.ID.IsZero() && slices.Contains(w.Unsubscribed, p.ID)
}

// told is the rule by which p is told already, 0 if none.
func (d *decider) told(p *Person) int {
	if !p.ID.IsZero() {
		if rule := d.byID[p.ID]; rule > 0 {
			return rule
		}
	}
	return d.byAddr[p.Address]
}

// find lists whom a recipient means.
func (d *decider) find(role Recipient) []*Person {
	w := d.people
	switch role {
	case Requester:
		return d.only(w.Requester)
	case Collaborators:
		return w.Collaborators
	case Owner:
		return d.only(w.Owner)
	case Team:
		return w.Team
	case TeamLead:
		return d.only(w.TeamLead)
	case LastRespondent:
		return d.only(w.LastRespondent)
	case CategoryManager:
		return d.only(w.CategoryManager)
	case CategoryMembers:
		return w.CategoryMembers
	case CategoryExtended:
		return w.CategoryExtended
	case CategoryStaff:
		return w.CategoryStaff
	case NewCategoryStaffOnly:
		return w.newStaff()
	case Administrators:
		return w.Administrators
	case SystemAddress:
		return d.only(w.SystemAddress)
	case MessageRecipient:
		return d.only(w.MessageRecipient)
	case FormAddress:
		return d.only(w.FormAddress)
	}
	return nil
}

// only makes a list of one without allocating; it is valid until the next call.
func (d *decider) only(p *Person) []*Person {
	if p == nil {
		return nil
	}
	d.one[0] = p
	return d.one[:]
}

// newStaff are the agents of the new category who had no access to the old one.
func (w *People) newStaff() []*Person {
	old := make(map[id.ID]bool, len(w.OldCategoryStaff))
	for _, p := range w.OldCategoryStaff {
		old[p.ID] = true
	}
	var fresh []*Person
	for _, p := range w.CategoryStaff {
		if !old[p.ID] {
			fresh = append(fresh, p)
		}
	}
	return fresh
}
