package notify

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mxdesk/internal/id"
	"mxdesk/ticketing/template"
)

// cast is a company in which everybody has one part. The first byte of an id is the place in names.
type cast map[string]*Person

func newCast() cast {
	c := cast{}
	for i, n := range []string{"req", "col1", "col2", "own", "agent1", "agent2", "lead", "last", "manager", "member", "extended", "admin", "old", "mate"} {
		p := &Person{ID: id.ID{byte(i + 1)}, Address: n + "@x.test", Staff: i > 2}
		c[n] = p
	}
	c["system"] = &Person{Address: "system@x.test"}
	c["agent1"].Preferences = map[string]bool{"unassigned_new": true, "unassigned_reply": true}
	return c
}

func (c cast) people() *People {
	return &People{
		Requester: c["req"], Collaborators: []*Person{c["col1"], c["col2"]}, Owner: c["own"],
		Team: []*Person{c["mate"]}, TeamLead: c["lead"], LastRespondent: c["last"],
		CategoryManager: c["manager"], CategoryMembers: []*Person{c["member"]}, CategoryExtended: []*Person{c["extended"]},
		CategoryStaff: []*Person{c["own"], c["agent1"], c["agent2"]}, OldCategoryStaff: []*Person{c["own"], c["agent2"], c["old"]},
		Administrators: []*Person{c["admin"]}, SystemAddress: c["system"], MessageRecipient: c["agent1"], FormAddress: c["agent1"],
	}
}

// story is one line of testdata/<preset>.json: what happens, and who is told with which template.
type story struct {
	Name  string
	Event struct {
		Type         EventType
		By, Via      string
		Author       string
		Visibility   string
		Assigned     bool
		AutoAssigned bool
		Machine      string
		NoAnswer     string
		Posted       bool
		Settings     []map[string]bool
	}
	Unsubscribed []string
	Suppressed   []string
	Inactive     []string
	Muted        []string
	Prefer       map[string][]string
	Absent       []string // owner, requester, …: parts that nobody has
	Told         []string // "requester req@x.test" is written "req ticket.created/requester"
	Posts        int
	Delay        string
}

func (s *story) decide(t *testing.T, p *Policy) Decision {
	t.Helper()
	c := newCast()
	set := func(names []string, change func(*Person)) {
		for _, n := range names {
			if c[n] == nil {
				t.Fatalf("nobody is %s", n)
			}
			change(c[n])
		}
	}
	set(s.Suppressed, func(p *Person) { p.Suppressed = true })
	set(s.Inactive, func(p *Person) { p.Inactive = true })
	set(s.Muted, func(p *Person) { p.Muted = true })
	for n, prefs := range s.Prefer {
		set([]string{n}, func(p *Person) {
			p.Preferences = map[string]bool{}
			for _, w := range prefs {
				p.Preferences[w] = true
			}
		})
	}
	who := c.people()
	set(s.Unsubscribed, func(p *Person) { who.Unsubscribed = append(who.Unsubscribed, p.ID) })
	for _, a := range s.Absent {
		switch a {
		case "owner":
			who.Owner = nil
		case "extended":
			who.CategoryExtended = nil
		default:
			t.Fatalf("absent: %s", a)
		}
	}
	e := &Event{
		Type: s.Event.Type, By: s.Event.By, Via: s.Event.Via, Visibility: s.Event.Visibility, Assigned: s.Event.Assigned,
		AutoAssigned: s.Event.AutoAssigned, Machine: s.Event.Machine, NoAnswer: s.Event.NoAnswer, Posted: s.Event.Posted, Settings: s.Event.Settings,
	}
	if a := s.Event.Author; a != "" {
		e.Author, e.AuthorAddress = c[a].ID, c[a].Address
	}
	return Decide(p, e, who)
}

func TestPresets(t *testing.T) {
	for _, preset := range presetNames {
		data, err := os.ReadFile(filepath.Join("testdata", preset+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var stories []story
		if err := strict(data, &stories, preset); err != nil {
			t.Fatal(err)
		}
		for _, s := range stories {
			t.Run(preset+"/"+s.Name, func(t *testing.T) {
				d := s.decide(t, Preset(preset))
				told := []string{}
				for _, n := range d.Notices {
					told = append(told, strings.TrimSuffix(n.Person.Address, "@x.test")+" "+n.Template)
					if s.Delay != "" && (n.Delay.String() != s.Delay || !n.CancelIfSeen) {
						t.Errorf("%s: delay %s, cancel %v", n.Person.Address, n.Delay, n.CancelIfSeen)
					}
				}
				for _, n := range d.Notices {
					requester := strings.Replace(n.Template, "collaborator", "requester", 1)
					if have := template.DefaultNames(); !slices.Contains(have, n.Template) && !slices.Contains(have, requester) {
						t.Errorf("no words for %s", n.Template)
					}
				}
				if diff := cmp.Diff(s.Told, told); diff != "" {
					trace, _ := json.MarshalIndent(d.Trace, "", " ")
					t.Errorf("told: %s\n%s", diff, trace)
				}
				if len(d.Posts) != s.Posts {
					t.Errorf("%d posts", len(d.Posts))
				}
			})
		}
	}
}

func load(t *testing.T, rules string) *Policy {
	t.Helper()
	p, err := Load([]byte(`{"switches": {"a": true, "b": false}, "rules": [` + rules + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Everybody is named, and everybody but one has a reason not to be told.
func TestTrace(t *testing.T) {
	p := load(t, `
		{"event": "ticket.closed", "notify": ["collaborators", "owner", "team"]},
		{"event": "ticket.closed", "notify": ["category_staff", "team_lead", "category_manager", "last_respondent"], "opted_in": "closed"},
		{"event": "ticket.closed", "notify": ["requester"], "switch": ["a", "b"]},
		{"event": "ticket.closed", "notify": ["requester"], "when": {"by": "staff", "category": ["Sales", "Support"]}},
		{"event": "reply.sent", "notify": ["requester"]}`)
	c := newCast()
	who := c.people()
	who.TeamLead = nil
	c["col2"].Suppressed = true
	c["mate"].Address = ""
	c["manager"].Inactive = true
	c["last"].Muted = true
	c["agent2"].Preferences = map[string]bool{"closed": true}
	who.Unsubscribed = []id.ID{c["col1"].ID}
	d := Decide(p, &Event{Type: TicketClosed, By: ByStaff, Author: c["own"].ID, Category: "Billing"}, who)
	want := []Considered{
		{Rule: 1, Notify: []Recipient{Collaborators, Owner, Team}, Skipped: []Skipped{
			{Why: unsubscribed, Addresses: []string{"col1@x.test"}},
			{Why: suppressed, Addresses: []string{"col2@x.test"}},
			{Why: isAuthor, Addresses: []string{"own@x.test"}},
			{Why: noAddress},
		}},
		{Rule: 2, Notify: []Recipient{CategoryStaff, TeamLead, CategoryManager, LastRespondent}, Told: []string{"agent2@x.test"}, Skipped: []Skipped{
			{Why: isAuthor, Addresses: []string{"own@x.test"}},
			{Why: "has not switched on closed", Addresses: []string{"agent1@x.test"}},
			{Why: "nobody is team_lead"},
			{Why: inactive, Addresses: []string{"manager@x.test"}},
			{Why: switchedOff, Addresses: []string{"last@x.test"}},
		}},
		{Rule: 3, Notify: []Recipient{Requester}, Not: "b is off"},
		{Rule: 4, Notify: []Recipient{Requester}, Not: "when category is Sales or Support"},
	}
	if diff := cmp.Diff(want, d.Trace); diff != "" {
		t.Error(diff)
	}
	if len(d.Notices) != 1 || d.Notices[0].Person != c["agent2"] || d.Notices[0].Rule != 2 {
		t.Errorf("%+v", d.Notices)
	}
}

func TestTraceIsBounded(t *testing.T) {
	p := load(t, `{"event": "ticket.closed", "notify": ["category_staff"], "opted_in": "closed"}`)
	who := &People{}
	for i := range 300 {
		who.CategoryStaff = append(who.CategoryStaff, &Person{ID: id.ID{byte(i), byte(i >> 8), 1}, Address: fmt.Sprint(i, "@x.test"), Staff: true})
	}
	d := Decide(p, &Event{Type: TicketClosed}, who)
	s := d.Trace[0].Skipped
	if len(s) != 1 || len(s[0].Addresses) != maxListed || s[0].More != 300-maxListed {
		t.Errorf("%+v", s)
	}
}

func TestOnePersonOneMail(t *testing.T) {
	p := load(t, `
		{"event": "ticket.closed", "notify": ["requester", "owner"], "template": "first"},
		{"event": "ticket.closed", "notify": ["category_manager", "administrators"], "template": "second"}`)
	req := &Person{ID: id.ID{1}, Address: "a@x.test"}
	again := &Person{ID: id.ID{1}, Address: "b@x.test", Staff: true} // the same person under another address
	same := &Person{ID: id.ID{2}, Address: "a@x.test", Staff: true}  // another record of the same mailbox
	d := Decide(p, &Event{Type: TicketClosed}, &People{Requester: req, Owner: again, CategoryManager: same, Administrators: []*Person{same, again}})
	if len(d.Notices) != 1 || d.Notices[0].Template != "first/requester" {
		t.Errorf("%+v", d.Notices)
	}
	want := []Skipped{{Why: "told already by rule 1", Addresses: []string{"a@x.test", "a@x.test", "b@x.test"}}}
	if diff := cmp.Diff(want, d.Trace[1].Skipped); diff != "" {
		t.Error(diff)
	}
}

func TestSwitchLevels(t *testing.T) {
	p := load(t, `{"event": "ticket.closed", "notify": ["requester"], "switch": ["a"]}, {"event": "ticket.closed", "notify": ["owner"], "switch": ["!b"]}`)
	on, off := map[string]bool{"a": true}, map[string]bool{"a": false}
	for _, c := range []struct {
		settings []map[string]bool
		want     int
	}{
		{nil, 2},
		{[]map[string]bool{nil, nil, off}, 1},
		{[]map[string]bool{nil, on, off}, 2},
		{[]map[string]bool{off, on, on}, 1},
		{[]map[string]bool{{"b": true}}, 1},
	} {
		d := Decide(p, &Event{Type: TicketClosed, Settings: c.settings}, newCast().people())
		if len(d.Notices) != c.want {
			t.Errorf("%v: %d told, want %d", c.settings, len(d.Notices), c.want)
		}
	}
}

func TestPost(t *testing.T) {
	p := load(t, `{"event": "ticket.closed", "post": "Closed: #Subject#"}`)
	for _, c := range []struct {
		e    Event
		want int
		not  string
	}{
		{Event{}, 1, ""},
		{Event{Posted: true}, 0, "a rule posted this message"},
		{Event{Visibility: Internal}, 0, isInternal},
		{Event{Machine: "auto-reply"}, 0, "a machine wrote the letter: auto-reply"},
		{Event{NoAnswer: "the sender is null"}, 0, "no automatic answer: the sender is null"},
		{Event{NoAnswer: "it came through the API", By: ByStaff}, 1, ""},
	} {
		c.e.Type = TicketClosed
		d := Decide(p, &c.e, &People{})
		if len(d.Posts) != c.want || d.Trace[0].Not != c.not || d.Trace[0].Posted != (c.want == 1) {
			t.Errorf("%+v: %+v", c.e, d)
		}
	}
}

// randomRule draws any rule that Load accepts for an event.
func randomRule(e EventType) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		r := map[string]any{"event": e}
		all := slices.Clone(recipients)
		if eventTypes[e] {
			all = slices.DeleteFunc(all, func(x Recipient) bool { return x == Requester })
		}
		if rapid.Bool().Draw(t, "answer") && !eventTypes[e] {
			r["answer"] = true
			all = []Recipient{Requester, Collaborators}
		}
		r["notify"] = rapid.SliceOfN(rapid.SampledFrom(all), 1, 6).Draw(t, "notify")
		if rapid.Bool().Draw(t, "opted") {
			r["opted_in"] = "unassigned_new"
		}
		if r["answer"] == nil && (e == MessageReceived || e == ReplySent) && rapid.Bool().Draw(t, "always") {
			r["always"] = true
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	})
}

// Whatever the rules say: see the package comment.
func TestAlways(t *testing.T) {
	events := []EventType{TicketCreated, MessageReceived, ReplySent, NoteAdded, TicketClosed, TicketMoved, StaffMessage, DeliveryFailed, CustomerWelcomed}
	rapid.Check(t, func(t *rapid.T) {
		event := rapid.SampledFrom(events).Draw(t, "event")
		rules := rapid.SliceOfN(randomRule(event), 1, 6).Draw(t, "rules")
		p, err := Load([]byte(`{"rules": [` + strings.Join(rules, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		c := newCast()
		names := slices.Sorted(func(yield func(string) bool) {
			for n := range c {
				if !yield(n) {
					return
				}
			}
		})
		some := rapid.SliceOfN(rapid.SampledFrom(names), 0, 4)
		for _, n := range some.Draw(t, "muted") {
			c[n].Muted = true
		}
		for _, n := range some.Draw(t, "suppressed") {
			c[n].Suppressed = true
		}
		for _, n := range some.Draw(t, "inactive") {
			c[n].Inactive = true
		}
		who := c.people()
		for _, n := range some.Draw(t, "left") {
			if !c[n].ID.IsZero() {
				who.Unsubscribed = append(who.Unsubscribed, c[n].ID)
			}
		}
		// People play several parts at once.
		who.Owner = c[rapid.SampledFrom(names).Draw(t, "owner")]
		who.Requester = c[rapid.SampledFrom(names).Draw(t, "requester")]
		who.Collaborators = append(who.Collaborators, c[rapid.SampledFrom(names).Draw(t, "collaborator")])
		author := c[rapid.SampledFrom(names).Draw(t, "author")]
		e := &Event{
			Type: event, Author: author.ID, AuthorAddress: author.Address,
			Visibility: rapid.SampledFrom([]string{Public, Internal, ""}).Draw(t, "visibility"),
			Machine:    rapid.SampledFrom([]string{"", "", "bounce"}).Draw(t, "machine"),
			NoAnswer:   rapid.SampledFrom([]string{"", "", "the sender is null"}).Draw(t, "no answer"),
		}
		checkWhateverTheRules(t, p, e, who, author)
	})
}

func checkWhateverTheRules(t *rapid.T, p *Policy, e *Event, who *People, author *Person) {
	d := Decide(p, e, who)
	seen := map[string]bool{}
	for _, n := range d.Notices {
		r := p.Rules[n.Rule-1]
		switch {
		case n.Person == author && !r.Answer:
			t.Fatalf("the author is told: %+v", n)
		case n.Person != author && r.Answer:
			t.Fatalf("somebody else is answered: %+v", n)
		case seen[n.Person.Address]:
			t.Fatalf("told twice: %+v", n)
		case e.internal() && (n.Audience != ToStaff || !n.Person.Staff && n.Person != who.SystemAddress):
			t.Fatalf("a note reaches a customer: %+v", n)
		case slices.Contains(who.Unsubscribed, n.Person.ID), n.Person.Suppressed, n.Person.Inactive, n.Person.Muted && !r.Always:
			t.Fatalf("told against his will: %+v", n)
		case e.Machine != "" && n.Audience != ToStaff:
			t.Fatalf("a machine's letter is answered or passed on: %+v", n)
		case r.Answer && e.NoAnswer != "":
			t.Fatalf("answered: %+v", n)
		}
		seen[n.Person.Address] = true
	}
	for _, c := range d.Trace {
		if len(c.Told)+len(c.Skipped) == 0 && c.Not == "" && !c.Posted {
			t.Fatalf("a rule without a trace: %+v", c)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	who := newCast().people()
	who.OldCategoryStaff = nil
	e := &Event{Type: MessageReceived, By: ByCustomer, Via: "email", Author: who.Requester.ID, AuthorAddress: who.Requester.Address, Assigned: true}
	for _, preset := range presetNames {
		p := Preset(preset)
		b.Run(preset, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decide(p, e, who)
			}
		})
	}
}
