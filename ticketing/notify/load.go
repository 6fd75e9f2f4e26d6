package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mxdesk/ticketing/template"
)

// ErrInvalid is wrapped by every error of Load.
var ErrInvalid = errors.New("policy refused")

// Limits of a policy.
const (
	maxPolicy = 256 << 10 // bytes of JSON
	maxRules  = 200
	maxWord   = 64 // bytes of the name of a template, preference or switch
)

// Load reads a policy and refuses whatever is not understood: unknown fields, events, recipients and switches, and
// rules that could never be carried out. Errors wrap ErrInvalid and name the place, as in
// `rules[3].notify[1]: unknown recipient "owners"`.
func Load(data []byte) (*Policy, error) {
	if len(data) > maxPolicy {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, maxPolicy)
	}
	var doc struct {
		Preset   string            `json:"preset"`
		Switches map[string]bool   `json:"switches"`
		Rules    []json.RawMessage `json:"rules"`
	}
	if err := strict(data, &doc, ""); err != nil {
		return nil, err
	}
	if doc.Preset != "" && !slices.Contains(presetNames, doc.Preset) {
		return nil, refuse("preset", "unknown preset %q", doc.Preset)
	}
	if len(doc.Rules) > maxRules {
		return nil, refuse("rules", "more than %d", maxRules)
	}
	for s := range doc.Switches {
		if !isWord(s) {
			return nil, refuse("switches", "%q is no name for a switch", s)
		}
	}
	p := &Policy{Preset: doc.Preset, Switches: doc.Switches}
	for i, raw := range doc.Rules {
		r, err := loadRule(raw, fmt.Sprintf("rules[%d]", i), p)
		if err != nil {
			return nil, err
		}
		p.Rules = append(p.Rules, r)
	}
	if err := p.mend(); err != nil {
		return nil, err
	}
	p.byEvent = make(map[EventType][]int)
	for i := range p.Rules {
		r := &p.Rules[i]
		p.byEvent[r.Event] = append(p.byEvent[r.Event], i)
		base := r.Template
		if base == "" {
			base = string(r.Event)
		}
		r.names = map[Audience]string{}
		for _, a := range []Audience{ToRequester, ToCollaborator, ToStaff} {
			r.names[a] = base + "/" + string(a)
		}
	}
	return p, nil
}

// mend looks after the two rules that nobody can be without: the password reset, which is added when it
// is missing, and in the preset "followers" the mail about new public messages.
func (p *Policy) mend() error {
	has := func(e EventType, ok func(*Rule) bool) bool {
		return slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Event == e && ok(&r) })
	}
	if !has(StaffPasswordReset, func(*Rule) bool { return true }) {
		p.Rules = append(p.Rules, Rule{Event: StaffPasswordReset, Notify: []Recipient{FormAddress}, Always: true})
	}
	if p.Preset != "followers" {
		return nil
	}
	for _, e := range []EventType{MessageReceived, ReplySent} {
		if !has(e, func(r *Rule) bool {
			return r.Always && slices.Contains(r.Notify, Requester) && slices.Contains(r.Notify, Collaborators)
		}) {
			return refuse("rules", "the rule that tells the followers of a new public message (%s, always, requester and collaborators) cannot be left out", e)
		}
	}
	return nil
}

func loadRule(raw []byte, path string, p *Policy) (Rule, error) {
	var doc struct {
		Rule
		When json.RawMessage `json:"when"`
	}
	if err := strict(raw, &doc, path); err != nil {
		return Rule{}, err
	}
	r := doc.Rule
	if len(doc.When) > 0 {
		if err := strict(doc.When, &r.When, path+".when"); err != nil {
			return Rule{}, err
		}
	}
	for _, check := range []func(*Rule, string) error{checkWhen, checkRecipients, checkAction, checkAlways} {
		if err := check(&r, path); err != nil {
			return Rule{}, err
		}
	}
	for i, s := range r.Switch {
		if _, ok := p.Switches[strings.TrimPrefix(s, "!")]; !ok {
			return Rule{}, refuse(fmt.Sprintf("%s.switch[%d]", path, i), "%q is not among the switches", s)
		}
	}
	return r, nil
}

func checkWhen(r *Rule, path string) error {
	if _, ok := eventTypes[r.Event]; !ok {
		return refuse(path+".event", "unknown event %q", r.Event)
	}
	for _, t := range []struct {
		field string
		given []string
		known []string
	}{
		{"by", r.When.By, []string{ByCustomer, ByStaff, BySystem}},
		{"via", r.When.Via, []string{"email", "form", "api", "staff"}},
		{"visibility", asList(r.When.Visibility), []string{Public, Internal}},
		{"status", r.When.Status, []string{"new", "in_progress", "waiting", "closed"}},
	} {
		for _, v := range t.given {
			if !slices.Contains(t.known, v) {
				return refuse(path+".when."+t.field, "unknown value %q; it is one of %s", v, strings.Join(t.known, ", "))
			}
		}
	}
	return nil
}

func asList(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func checkRecipients(r *Rule, path string) error {
	for i, who := range r.Notify {
		at := fmt.Sprintf("%s.notify[%d]", path, i)
		if !slices.Contains(recipients, who) {
			return refuse(at, "unknown recipient %q", who)
		}
		if who == Requester && eventTypes[r.Event] {
			return refuse(at, "%s is for staff only", r.Event)
		}
		if r.Answer && who != Requester && who != Collaborators {
			return refuse(at, "an answer goes to the author of the letter: requester or collaborators")
		}
	}
	switch {
	case r.Only != "" && r.Only != "staff" && r.Only != "customers":
		return refuse(path+".only", "it is staff or customers")
	case r.Only == "customers" && eventTypes[r.Event]:
		return refuse(path+".only", "%s is for staff only", r.Event)
	case r.OptedIn != "" && !isWord(r.OptedIn):
		return refuse(path+".opted_in", "%q is no name for a preference", r.OptedIn)
	case r.OptedOut != "" && !isWord(r.OptedOut):
		return refuse(path+".opted_out", "%q is no name for a preference", r.OptedOut)
	}
	return nil
}

func checkAction(r *Rule, path string) error {
	switch {
	case r.Delay < 0 || r.Delay > maxDelay:
		return refuse(path+".delay", "it is between 0s and %s", time.Duration(maxDelay))
	case r.CancelIfSeen && r.Delay == 0:
		return refuse(path+".cancel_if_seen", "it needs a delay")
	case r.Template != "" && !isWord(r.Template):
		return refuse(path+".template", "%q is no name for a template", r.Template)
	case r.Post == "" && len(r.Notify) == 0:
		return refuse(path, "it has neither notify nor post")
	case r.Post == "":
		return nil
	case len(r.Notify) > 0 || r.Template != "" || r.Delay != 0 || r.Answer || r.Only != "" || r.OptedIn != "" || r.OptedOut != "":
		return refuse(path+".post", "a rule that posts has nothing else but event, when and switch")
	case eventTypes[r.Event]:
		return refuse(path+".post", "%s is for staff only; a post is public", r.Event)
	}
	if _, err := template.Compile("", r.Post, ""); err != nil {
		return refuse(path+".post", "%v", err)
	}
	return nil
}

// checkAlways keeps "always" to the two mails that may have it, and the password reset as it is.
func checkAlways(r *Rule, path string) error {
	switch {
	case r.Event == StaffPasswordReset:
		if !r.Always || len(r.Notify) != 1 || r.Notify[0] != FormAddress || !r.When.empty() || len(r.Switch) > 0 ||
			r.Delay != 0 || r.Only != "" || r.OptedIn != "" || r.OptedOut != "" {
			return refuse(path, "the password reset goes to form_address, always and at once")
		}
	case !r.Always:
	case r.Event != MessageReceived && r.Event != ReplySent:
		return refuse(path+".always", "only mail about new public messages and the password reset can be without a switch")
	case len(r.Switch) > 0 || !r.When.empty() || r.Answer:
		return refuse(path+".always", "such a rule has no switch, no condition and is no answer")
	}
	return nil
}

func (w *When) empty() bool {
	return w.Assigned == nil && w.AutoAssigned == nil && w.Machine == nil && w.By == nil && w.Via == nil &&
		w.Visibility == "" && w.Category == nil && w.Address == nil && w.Status == nil
}

// isWord tells whether s can name a template, a preference or a switch.
func isWord(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= maxWord
}

// UnmarshalJSON takes a text or an array of texts.
func (o *OneOf) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*o = OneOf{one}
		return nil
	}
	var several []string
	if err := json.Unmarshal(data, &several); err != nil || len(several) == 0 {
		return errors.New("expected a text or an array of texts")
	}
	*o = several
	return nil
}

// UnmarshalJSON takes a duration such as "1m".
func (d *Delay) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return errors.New(`expected a duration such as "1m"`)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf(`expected a duration such as "1m", not %q`, s)
	}
	*d = Delay(v)
	return nil
}

// MarshalJSON writes a duration such as "1m0s".
func (d Delay) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// strict decodes one JSON value into v and nothing besides.
func strict(data []byte, v any, path string) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, err = dec.Token(); err == io.EOF {
			return nil
		}
		return refuse(path, "something follows the end of the document")
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		line, column := position(data, int(syntax.Offset))
		return refuse(path, "line %d, column %d: %s", line, column, syntax.Error())
	case errors.As(err, &kind):
		return refuse(strings.Trim(path+"."+strings.TrimPrefix(kind.Field, "Rule."), "."), "a %s cannot stand here", kind.Value)
	}
	return refuse(path, "%s", strings.TrimPrefix(err.Error(), "json: "))
}

// position turns an offset into a line and a column, both counted from 1.
func position(data []byte, offset int) (line, column int) {
	before := data[:max(0, min(offset-1, len(data)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

func refuse(path, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if path == "" {
		return fmt.Errorf("%w: %s", ErrInvalid, what)
	}
	return fmt.Errorf("%w: %s: %s", ErrInvalid, path, what)
}
