package notify

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLoadRefuses(t *testing.T) {
	rule := func(s string) string {
		return `{"rules": [{"event": "reply.sent", "notify": ["requester"]}, ` + s + `]}`
	}
	for _, c := range []struct{ name, json, want string }{
		{"no document", ``, "EOF"},
		{"syntax", "{\n \"rules\": [,]}", "line 2, column 12: invalid character ',' looking for beginning of value"},
		{"more after it", `{} {}`, "something follows the end of the document"},
		{"unknown field", `{"rulez": []}`, `unknown field "rulez"`},
		{"unknown field of a rule", rule(`{"event": "reply.sent", "notfy": ["requester"]}`), `rules[1]: unknown field "notfy"`},
		{"unknown test", rule(`{"event": "reply.sent", "notify": ["owner"], "when": {"owner": true}}`), `rules[1].when: unknown field "owner"`},
		{"kind of a field", rule(`{"event": "reply.sent", "notify": "owner"}`), "rules[1].notify: a string cannot stand here"},
		{"kind of a test", rule(`{"event": "reply.sent", "notify": ["owner"], "when": {"assigned": "yes"}}`), "rules[1].when.assigned: a string cannot stand here"},
		{"unknown preset", `{"preset": "mine"}`, `preset: unknown preset "mine"`},
		{"unknown event", rule(`{"event": "ticket.eaten", "notify": ["owner"]}`), `rules[1].event: unknown event "ticket.eaten"`},
		{"unknown recipient", rule(`{"event": "reply.sent", "notify": ["owner", "owners"]}`), `rules[1].notify[1]: unknown recipient "owners"`},
		{"unknown value", rule(`{"event": "reply.sent", "notify": ["owner"], "when": {"status": ["closed", "open"]}}`), `rules[1].when.status: unknown value "open"; it is one of new, in_progress, waiting, closed`},
		{"empty list", rule(`{"event": "reply.sent", "notify": ["owner"], "when": {"via": []}}`), "expected a text or an array of texts"},
		{"nothing to do", rule(`{"event": "reply.sent"}`), "rules[1]: it has neither notify nor post"},
		{"customer hears of notes", rule(`{"event": "note.added", "notify": ["owner", "requester"]}`), "rules[1].notify[1]: note.added is for staff only"},
		{"notes for customers only", rule(`{"event": "note.added", "notify": ["collaborators"], "only": "customers"}`), "rules[1].only: note.added is for staff only"},
		{"answer to staff", rule(`{"event": "ticket.created", "notify": ["owner"], "answer": true}`), "rules[1].notify[0]: an answer goes to the author of the letter: requester or collaborators"},
		{"only whom", rule(`{"event": "reply.sent", "notify": ["owner"], "only": "cats"}`), "rules[1].only: it is staff or customers"},
		{"delay", rule(`{"event": "reply.sent", "notify": ["owner"], "delay": "soon"}`), `expected a duration such as "1m", not "soon"`},
		{"delay as a number", rule(`{"event": "reply.sent", "notify": ["owner"], "delay": 60}`), `expected a duration such as "1m"`},
		{"long delay", rule(`{"event": "reply.sent", "notify": ["owner"], "delay": "25h"}`), "rules[1].delay: it is between 0s and 24h0m0s"},
		{"negative delay", rule(`{"event": "reply.sent", "notify": ["owner"], "delay": "-1s"}`), "rules[1].delay: it is between 0s and 24h0m0s"},
		{"cancel without delay", rule(`{"event": "reply.sent", "notify": ["owner"], "cancel_if_seen": true}`), "rules[1].cancel_if_seen: it needs a delay"},
		{"template name", rule(`{"event": "reply.sent", "notify": ["owner"], "template": "../x"}`), `rules[1].template: "../x" is no name for a template`},
		{"switch", rule(`{"event": "reply.sent", "notify": ["owner"], "switch": ["!x"]}`), `rules[1].switch[0]: "!x" is not among the switches`},
		{"switch name", `{"switches": {"A b": true}, "rules": []}`, `switches: "A b" is no name for a switch`},
		{"preference", rule(`{"event": "reply.sent", "notify": ["owner"], "opted_in": "x y"}`), `rules[1].opted_in: "x y" is no name for a preference`},
		{"post and mail", rule(`{"event": "ticket.closed", "notify": ["owner"], "post": "x"}`), "rules[1].post: a rule that posts has nothing else but event, when and switch"},
		{"post of a note", rule(`{"event": "note.added", "post": "x"}`), "rules[1].post: note.added is for staff only; a post is public"},
		{"mask of a post", rule(`{"event": "ticket.closed", "post": "x #Nobody#"}`), "rules[1].post: text, line 1, column 3: #Nobody# unknown mask"},
		{"always elsewhere", rule(`{"event": "ticket.closed", "notify": ["owner"], "always": true}`), "rules[1].always: only mail about new public messages and the password reset can be without a switch"},
		{"always under a condition", rule(`{"event": "reply.sent", "notify": ["owner"], "always": true, "when": {"by": "staff"}}`), "rules[1].always: such a rule has no switch, no condition and is no answer"},
		{"password reset later", rule(`{"event": "staff.password_reset", "notify": ["form_address"], "always": true, "delay": "1m"}`), "rules[1]: the password reset goes to form_address, always and at once"},
		{"password reset to others", rule(`{"event": "staff.password_reset", "notify": ["administrators"], "always": true}`), "rules[1]: the password reset goes to form_address, always and at once"},
		{"followers without their rule", `{"preset": "followers", "rules": [{"event": "reply.sent", "notify": ["requester", "collaborators"], "always": true}]}`, "rules: the rule that tells the followers of a new public message (message.received, always, requester and collaborators) cannot be left out"},
		{"too long", strings.Repeat(" ", maxPolicy+1), "longer than 262144 bytes"},
		{"too many", `{"rules": [` + strings.Repeat(`{},`, maxRules) + `{}]}`, "rules: more than 200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Load([]byte(c.json))
			if p != nil || !errors.Is(err, ErrInvalid) || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	p, err := Load([]byte(`{"preset": "followers", "rules": [
		{"event": "message.received", "notify": ["requester", "collaborators", "owner"], "always": true, "delay": "5m", "cancel_if_seen": true, "template": "mine"},
		{"event": "reply.sent", "notify": ["collaborators", "requester"], "always": true, "when": {}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Rules) != 3 || p.Rules[2].Event != StaffPasswordReset || !p.Rules[2].Always {
		t.Errorf("no password reset: %+v", p.Rules)
	}
	d := Decide(p, &Event{Type: MessageReceived}, newCast().people())
	if n := d.Notices[0]; n.Delay != 5*time.Minute || !n.CancelIfSeen || n.Template != "mine/requester" {
		t.Errorf("%+v", n)
	}
}

func TestPresetsAreTheirOwnPolicies(t *testing.T) {
	for _, n := range presetNames {
		p := Preset(n)
		if p.Preset != n {
			t.Errorf("%s calls itself %s", n, p.Preset)
		}
		// What is stored is the policy as JSON: it must come back the same.
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load(data)
		if err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		data2, err := json.Marshal(again)
		if err != nil || string(data2) != string(data) {
			t.Errorf("%s changes when it is stored: %s, %v", n, data2, err)
		}
		named := map[string]bool{}
		for _, r := range p.Rules {
			for _, s := range r.Switch {
				named[strings.TrimPrefix(s, "!")] = true
			}
		}
		for s := range p.Switches {
			if !named[s] {
				t.Errorf("%s: no rule asks for the switch %s", n, s)
			}
		}
	}
	if _, err := presetSource("mine"); err == nil || Preset("mine") != nil {
		t.Error("a preset that is none")
	}
}

func FuzzLoad(f *testing.F) {
	for _, n := range presetNames {
		data, err := presetSource(n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"rules": [{"event": "ticket.closed", "post": "#10Recent_messages# {{subject}}", "when": {"by": ["staff"], "via": "api"}}]}`))
	who := newCast().people()
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Load(data)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		for e := range eventTypes {
			d := Decide(p, &Event{Type: e, Visibility: Internal, Author: who.Requester.ID}, who)
			for _, n := range d.Notices {
				if n.Audience != ToStaff {
					t.Fatalf("a note reaches %s", n.Person.Address)
				}
			}
		}
	})
}
