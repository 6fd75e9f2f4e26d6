package notify

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy is what an organisation's rules are, as read by Load. It is not changed after that.
type Policy struct {
	Preset   string          `json:"preset"`             // the preset it began as
	Switches map[string]bool `json:"switches,omitempty"` // every switch that a rule names, with its default
	Rules    []Rule          `json:"rules"`

	byEvent map[EventType][]int // indexes into Rules
}

// Rule tells somebody of an event, or posts a message when it happens.
type Rule struct {
	Event        EventType   `json:"event"`
	When         When        `json:"when,omitzero"`
	Notify       []Recipient `json:"notify,omitempty"`
	OptedIn      string      `json:"opted_in,omitempty"`  // keep staff who switched this preference on
	OptedOut     string      `json:"opted_out,omitempty"` // leave out staff who switched this preference on
	Only         string      `json:"only,omitempty"`      // "staff" or "customers": keep those
	Answer       bool        `json:"answer,omitempty"`    // an automatic answer: to the author if he is named, else to nobody
	Always       bool        `json:"always,omitempty"`    // also to staff who switched notifications off; takes no switch
	Template     string      `json:"template,omitempty"`  // "": the template of the event
	Delay        Delay       `json:"delay,omitempty"`
	CancelIfSeen bool        `json:"cancel_if_seen,omitempty"`
	Post         string      `json:"post,omitempty"`   // words, with masks, to post into the ticket instead of a mail
	Switch       []string    `json:"switch,omitempty"` // all of them must be on, those with "!" before them off

	names map[Audience]string // of the templates
}

// When holds the tests of a rule; a test that is not given holds always.
type When struct {
	Assigned     *bool  `json:"assigned,omitempty"`
	AutoAssigned *bool  `json:"auto_assigned,omitempty"`
	Machine      *bool  `json:"machine,omitempty"` // the letter is a machine's
	By           OneOf  `json:"by,omitempty"`
	Via          OneOf  `json:"via,omitempty"`
	Visibility   string `json:"visibility,omitempty"`
	Category     OneOf  `json:"category,omitempty"`
	Address      OneOf  `json:"address,omitempty"`
	Status       OneOf  `json:"status,omitempty"`
}

// OneOf is one text or several, of which one must be equal. In JSON a text or an array of them.
type OneOf []string

// Delay is written in JSON like "1m" or "90s".
type Delay time.Duration

// maxDelay is the longest that a rule may hold a mail back.
const maxDelay = Delay(24 * time.Hour)

// Recipient names whom a rule tells.
type Recipient string

// The recipients.
const (
	Requester            Recipient = "requester"
	Collaborators        Recipient = "collaborators"
	Owner                Recipient = "owner"
	Team                 Recipient = "team"
	TeamLead             Recipient = "team_lead"
	LastRespondent       Recipient = "last_respondent"
	CategoryManager      Recipient = "category_manager"
	CategoryMembers      Recipient = "category_members"
	CategoryExtended     Recipient = "category_extended"
	CategoryStaff        Recipient = "category_staff"
	NewCategoryStaffOnly Recipient = "new_category_staff_only"
	Administrators       Recipient = "administrators"
	SystemAddress        Recipient = "system_address"
	MessageRecipient     Recipient = "message_recipient"
	FormAddress          Recipient = "form_address"
)

var recipients = []Recipient{
	Requester, Collaborators, Owner, Team, TeamLead, LastRespondent, CategoryManager, CategoryMembers, CategoryExtended,
	CategoryStaff, NewCategoryStaffOnly, Administrators, SystemAddress, MessageRecipient, FormAddress,
}

//go:embed presets/*.json
var presetFiles embed.FS

var presets = func() map[string]*Policy {
	m := make(map[string]*Policy)
	for _, n := range presetNames {
		data, err := presetSource(n)
		if err != nil {
			panic(err) // the files are part of the program
		}
		p, err := Load(data)
		if err != nil {
			panic(fmt.Sprintf("notify: preset %s: %v", n, err))
		}
		m[n] = p
	}
	return m
}()

// presetNames are the names of the presets.
var presetNames = []string{"owner-first", "department", "broadcast", "followers"}

// Names tells whether a rule names the recipient.
func (p *Policy) Names(who Recipient) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return slices.Contains(r.Notify, who) })
}

// Preset is the policy of that name, shared and not to be changed; nil if there is none.
func Preset(name string) *Policy { return presets[name] }

// presetSource is the JSON of a preset, for an organisation to begin with.
func presetSource(name string) ([]byte, error) {
	if !slices.Contains(presetNames, name) {
		return nil, fmt.Errorf("no preset %q; there are %s", name, strings.Join(presetNames, ", "))
	}
	return presetFiles.ReadFile("presets/" + name + ".json")
}
