package template

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind says how a value looks in a body.
type kind int

const (
	line   kind = iota // one line of plain text
	block              // text of several lines
	link               // a URL
	links              // several links, one a line
	rating             // the three links of a rating
)

// shortWhat is the number of characters of What_Happened_Short.
const shortWhat = 100

// Recent messages in a template: how many #Recent_messages# means, and the most that can be asked for.
const (
	recentDefault = 5
	recentMost    = 100
)

// mask is one kind of mask. Exactly one of text and list is set, or neither for a rating.
type mask struct {
	name string // as documented, in the form #name#
	kind kind
	text func(*Values, *piece) string
	list func(*Values) []Link
}

var masks = []mask{
	{name: "What_Happened", kind: block, text: func(v *Values, _ *piece) string { return v.WhatHappened }},
	{name: "What_Happened_Short", text: func(v *Values, _ *piece) string { return short(v.WhatHappened) }},
	{name: "Category", text: func(v *Values, _ *piece) string { return v.Category }},
	{name: "Subject", text: func(v *Values, _ *piece) string { return v.Subject }},
	{name: "From", text: func(v *Values, _ *piece) string { return from(v) }},
	{name: "FromEmail", text: func(v *Values, _ *piece) string { return v.FromEmail }},
	{name: "FirstName", text: func(v *Values, _ *piece) string { return v.FirstName }},
	{name: "LastName", text: func(v *Values, _ *piece) string { return v.LastName }},
	{name: "Username", text: func(v *Values, _ *piece) string { return v.Username }},
	{name: "Originator", text: func(v *Values, _ *piece) string { return v.Originator }},
	{name: "Priority", text: func(v *Values, _ *piece) string { return v.Priority }},
	{name: "Status", text: func(v *Values, _ *piece) string { return v.Status }},
	{name: "Body", kind: block, text: func(v *Values, _ *piece) string { return v.Body }},
	{name: "URL", kind: link, text: func(v *Values, _ *piece) string { return v.URL }},
	{name: "Recipients", text: func(v *Values, _ *piece) string { return v.Recipients }},
	{name: "Recent_messages", kind: block, text: recentMessages},
	{name: "Most_recent_message", kind: block, text: func(v *Values, _ *piece) string { return mostRecent(v) }},
	{name: "Custom_Fields", kind: block, text: func(v *Values, _ *piece) string { return publicFields(v) }},
	{name: "CF", kind: block, text: customField}, // #CF_12#
	{name: "Company", text: func(v *Values, _ *piece) string { return v.Company }},
	{name: "Department", text: func(v *Values, _ *piece) string { return v.Department }},
	{name: "Location", text: func(v *Values, _ *piece) string { return v.Location }},
	{name: "Attachments", kind: links, list: func(v *Values) []Link { return v.Attachments }},
	{name: "Recent_Attachments", kind: links, list: func(v *Values) []Link { return v.RecentAttachments }},
	{name: "TicketID", text: func(v *Values, _ *piece) string { return ticketID(v) }},
	{name: "Technician", text: func(v *Values, _ *piece) string { return v.Technician }},
	{name: "TechnicianEmail", text: func(v *Values, _ *piece) string { return v.TechnicianEmail }},
	{name: "Date", text: func(v *Values, _ *piece) string { return v.Date }},
	{name: "DueDate", text: func(v *Values, _ *piece) string { return v.DueDate }},
	{name: "TimeSpent", text: func(v *Values, _ *piece) string { return v.TimeSpent }},
	{name: "Via", text: func(v *Values, _ *piece) string { return v.Via }},
	{name: "Suggested_KB_articles", kind: links, list: func(v *Values) []Link { return v.Articles }},
	{name: "Subscribers", text: func(v *Values, _ *piece) string { return v.Subscribers }},
	{name: "NonTechSubscribers", text: func(v *Values, _ *piece) string { return v.NonTechSubscribers }},
	{name: "RatingLinks", kind: rating},
	{name: "Unsubscribe", kind: link, text: func(v *Values, _ *piece) string { return v.Unsubscribe }},
	{name: "password", text: func(v *Values, _ *piece) string { return v.Password }},
}

// plainName is the form by which both spellings of a mask meet: "From_Email", "fromemail".
func plainName(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

var byName = func() map[string]*mask {
	m := make(map[string]*mask)
	for i := range masks {
		m[plainName(masks[i].name)] = &masks[i]
	}
	m["ticketurl"] = m["url"]
	delete(m, "cf")
	return m
}()

var cfMask, recentMask = func() (cf, recent *mask) {
	for i := range masks {
		switch masks[i].name {
		case "CF":
			cf = &masks[i]
		case "Recent_messages":
			recent = &masks[i]
		}
	}
	return cf, recent
}()

// lookup understands what stands between the marks of a mask: a name, "10Recent_messages", "CF_7" or
// "RatingLinks(prompt)". problem is "" when it is understood.
func lookup(s string) (p piece, problem string) {
	word, prompt, hasPrompt := strings.Cut(s, "(")
	if hasPrompt {
		prompt = strings.TrimSpace(strings.TrimSuffix(prompt, ")"))
	}
	digits := 0
	for digits < len(word) && word[digits] >= '0' && word[digits] <= '9' {
		digits++
	}
	name := plainName(word[digits:])
	p = piece{mask: byName[name], count: recentDefault, prompt: prompt}
	switch {
	case digits > 0 && p.mask == recentMask:
		n, err := strconv.Atoi(word[:digits])
		if err != nil || n < 1 || n > recentMost {
			return piece{}, "the number of messages is between 1 and " + strconv.Itoa(recentMost)
		}
		p.count = int64(n)
	case digits > 0:
		p.mask = nil
	case strings.HasPrefix(name, "cf") && len(name) > 2:
		if n, err := strconv.ParseInt(name[2:], 10, 64); err == nil && n > 0 {
			p.mask, p.count = cfMask, n
		}
	}
	if p.mask == nil {
		return piece{}, "unknown mask"
	}
	if hasPrompt && p.mask.kind != rating {
		return piece{}, "only RatingLinks takes a prompt"
	}
	return p, ""
}

func from(v *Values) string {
	if v.From != "" {
		return v.From
	}
	return v.Username
}

func ticketID(v *Values) string {
	if v.TicketID == 0 {
		return ""
	}
	return strconv.FormatInt(v.TicketID, 10)
}

// short is the first characters of a text, on one line.
func short(s string) string {
	if len(s) > 4*shortWhat {
		s = s[:4*shortWhat] // enough for the characters, however long the text is
	}
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if utf8.RuneCountInString(s) <= shortWhat {
		return s
	}
	n := 0
	for i := range s {
		if n == shortWhat {
			return s[:i]
		}
		n++
	}
	return s
}

func mostRecent(v *Values) string {
	for i := range v.Recent {
		if !v.Recent[i].Internal {
			return v.Recent[i].Text
		}
	}
	return ""
}

func recentMessages(v *Values, p *piece) string {
	var b strings.Builder
	left := p.count
	for i := range v.Recent {
		m := &v.Recent[i]
		if m.Internal {
			continue
		}
		if left == 0 {
			break
		}
		left--
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(m.Author)
		if m.When != "" {
			b.WriteString(", ")
			b.WriteString(m.When)
		}
		b.WriteString(":\n")
		b.WriteString(strings.TrimSpace(m.Text))
	}
	return b.String()
}

func publicFields(v *Values) string {
	var b strings.Builder
	for i := range v.Fields {
		if f := &v.Fields[i]; f.Public && f.Value != "" {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(f.Name)
			b.WriteString(": ")
			b.WriteString(f.Value)
		}
	}
	return b.String()
}

// customField shows a staff-only field to staff alone, whatever the template asks for.
func customField(v *Values, p *piece) string {
	for i := range v.Fields {
		if f := &v.Fields[i]; f.ID == p.count && (f.Public || v.Staff) {
			return f.Value
		}
	}
	return ""
}
