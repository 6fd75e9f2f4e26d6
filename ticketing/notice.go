package ticketing

import (
	"cmp"
	"encoding/hex"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/outbound"
	"mxdesk/ticketing/command"
	"mxdesk/ticketing/guard"
	"mxdesk/ticketing/notify"
	"mxdesk/ticketing/template"
)

// Templates of mails that no rule decides on.
const (
	templateUnsubscribed = "unsubscribed/requester"
	templateReceipt      = "commands/staff"
	templateHelp         = "help/staff"
	templateDelayed      = "delivery.delayed/staff"
)

// happening is one event of a ticket that people may be told of.
type happening struct {
	event   notify.EventType
	entry   Entry     // the words it is about, if any
	machine string    // kind of the letter, when no person wrote it
	left    *Category // that the ticket was in before; nil: it was not moved
	posted  bool      // a rule posted the words

	written map[writing]written // messages that tell of it: two hundred agents share one
	shared  bool                // customers get the very same letter
}

// writing is what makes two mails about one happening differ in more than the recipient.
type writing struct {
	template string
	audience notify.Audience
	answer   bool
}

// written is a message of the world, and the print of what it says.
type written struct {
	message int
	words   guard.Print
}

// tell asks the policy who is told of the event, and puts their mails into the world.
func (s *scene) tell(t *Ticket, h happening) {
	ev := &notify.Event{
		Type: h.event, By: notify.ByCustomer, Via: t.Via, Author: s.by.Person, AuthorAddress: s.by.Address.Key(),
		Assigned: !t.Owner.IsZero(), Category: s.category(t).Name, Address: t.SupportAddress, Status: string(t.Status),
		Machine: h.machine, NoAnswer: s.by.NoAnswer,
	}
	switch {
	case h.posted:
		ev.By, ev.Author, ev.AuthorAddress, ev.Posted = notify.BySystem, id.ID{}, "", true
	case s.by.Staff:
		ev.By = notify.ByStaff
	case s.org.Staff[s.by.Person] != nil:
		ev.Author, ev.AuthorAddress = id.ID{}, "" // only claims to be him: then he of all people must be told
	}
	if h.entry.Kind == NoteEntry {
		ev.Visibility = notify.Internal
	}
	who := s.people(t)
	if h.left != nil {
		who.OldCategoryStaff = h.left.access
	}
	decision := notify.Decide(s.org.policy, ev, who)
	s.trace.Notifications = append(s.trace.Notifications, notificationTrace{string(h.event), decision.Trace})
	h.written = map[writing]written{}
	if s.by.Loop == guard.OwnWords || s.by.Loop != "" && decision.Unanswered {
		s.answerStopped(t)
	}
	h.shared = s.sharesMail(t, h, decision.Notices)
	for _, n := range decision.Notices {
		s.send(t, h, n)
	}
	for _, p := range decision.Posts {
		s.postRule(t, p)
	}
}

// postRule posts what a rule says into the ticket, and tells of it as of any reply. It is the program's: it answers nobody, and
// leaves the status as it is.
func (s *scene) postRule(t *Ticket, p notify.Post) {
	tpl, err := template.Compile("", p.Text, "")
	if err != nil { // it was refused when the policy was read
		s.note("notify: rule %d: %v", p.Rule, err)
		return
	}
	v := s.values(t, Entry{})
	v.Recent = s.recentMessages(t, tpl.Recent())
	_, text, _ := tpl.Render(v)
	e := Entry{
		Organisation: s.org.ID, Ticket: t.Number, ID: id.New(), Kind: ReplyEntry, Body: strings.TrimSpace(text),
		AuthorName: s.org.Name, Identity: ProofSystem, CreatedAt: s.now, // and no letter: what is read of one anew would become its words
	}
	if e.Body == "" {
		return
	}
	s.addEntry(e)
	s.change(t)
	s.tell(t, happening{event: notify.ReplySent, entry: e, posted: true})
}

// people are those whom the rules can name.
func (s *scene) people(t *Ticket) *notify.People {
	c := s.category(t)
	who := &notify.People{CategoryMembers: c.members, CategoryStaff: c.access, Administrators: s.org.administrators}
	for _, p := range t.Participants {
		if !p.Subscribed {
			who.Unsubscribed = append(who.Unsubscribed, p.Person)
		}
		switch p.Role {
		case Requester:
			who.Requester = s.participantPerson(p)
		case Collaborator:
			who.Collaborators = append(who.Collaborators, s.participantPerson(p))
		}
	}
	if owner := s.org.Staff[t.Owner]; owner != nil {
		who.Owner = &owner.told
	}
	if m := s.org.Staff[c.Manager]; m != nil {
		who.CategoryManager = &m.told
	}
	who.LastRespondent = s.lastRespondent(t)
	return who
}

func (s *scene) participantPerson(p *Participant) *notify.Person {
	if m := s.org.Staff[p.Person]; m != nil {
		return &m.told
	}
	return &notify.Person{ID: p.Person, Address: p.Address.Key()}
}

// send writes the mail of one notice.
func (s *scene) send(t *Ticket, h happening, n notify.Notice) {
	tpl := s.org.template(n.Template, t.Category)
	if tpl == nil || tpl.Empty() {
		s.note("notify: %s to %s: the template is empty", n.Template, n.Person.Address)
		return
	}
	p := s.participantOf(t, n.Person)
	if p == nil {
		s.note("notify: %s: nobody of the ticket", n.Person.Address)
		return
	}
	w := writing{n.Template, n.Audience, n.Answer}
	shared := h.shared && canShare(t, n)
	if shared {
		w = writing{}
	}
	mail, there := h.written[w]
	if !there {
		m, v := s.noticeMessage(t, h, n), s.noticeValues(t, h, n, tpl)
		m.Shared = shared
		s.addLinks(t, &m, v, h)
		mail.message = s.write(t, m, tpl, v)
		mail.words = s.exactly(mail.message, s.contents(h.entry)...)
		h.written[w] = mail
	}
	m := &s.messages[mail.message]
	if wordsOfStaff := m.AutoSubmitted == "" && s.by.Staff; !wordsOfStaff && !s.may(t, p, mail.words) {
		return
	}
	if n.Answer {
		s.countAnswer(p, &s.messages[mail.message])
	}
	d := s.deliver(mail.message, p)
	d.Hold, d.CancelSeen, d.Unsubscribe = n.Delay, n.CancelIfSeen, n.Audience != notify.ToRequester || m.Shared
}

// noticeMessage is the message of a notice, without its words.
func (s *scene) noticeMessage(t *Ticket, h happening, n notify.Notice) outbound.Message {
	m := outbound.Message{ID: id.New(), Entry: h.entry.ID, Template: n.Template, AutoSubmitted: "auto-generated"}
	switch {
	case n.Answer:
		m.AutoSubmitted = "auto-replied"
	case n.Audience != notify.ToStaff && personal(h):
		m.AutoSubmitted = ""
	}
	if personal(h) && !n.Answer {
		if m.FromName = h.entry.AuthorName; s.category(t).Settings.FromNameForAll {
			m.FromName = s.supportName(t)
		}
		m.AttachEntry = s.category(t).Settings.IncludeAttachments
	}
	if n.Audience == notify.ToStaff && s.doubtful(h.entry) {
		m.FromName += unverifiedMark
	}
	return m
}

// noticeValues are the values of the masks of a notice; the HTML of the words only if its template shows them.
func (s *scene) noticeValues(t *Ticket, h happening, n notify.Notice, tpl *template.Template) *template.Values {
	v := s.values(t, h.entry)
	v.Recent = s.recentMessages(t, tpl.Recent())
	v.Staff = n.Audience == notify.ToStaff
	if h.posted {
		v.Originator = s.org.Name
	}
	if v.Staff && s.doubtful(h.entry) {
		v.Originator += unverifiedMark
	}
	if personal(h) {
		if tpl.Uses("Body") {
			v.BodyHTML = message.ReplyHTML(h.entry.HTML, h.entry.Body, s.category(t).Settings.IncludeAttachments)
		}
		v.RecentAttachments = s.attached(h.entry)
		v.Attachments = v.RecentAttachments
	}
	return v
}

// unverifiedMark stands behind a name that staff must not believe.
const unverifiedMark = " (unverified sender)"

// doubtful tells whether staff must be warned of who wrote the entry: somebody who takes no part in the ticket, or
// who only claims to be one of them.
func (s *scene) doubtful(e Entry) bool {
	return e.ThirdParty || s.org.Staff[e.Author] != nil && !s.by.Staff
}

// personal tells whether the mail about it carries the words of a person.
func personal(h happening) bool {
	return h.entry.Kind != "" && h.entry.Kind != EventEntry && h.machine == "" && !h.posted
}

// participantOf is the person's part in the ticket; staff get theirs when they are first told.
func (s *scene) participantOf(t *Ticket, who *notify.Person) *Participant {
	if p := t.participant(who.ID); p != nil {
		return p
	}
	m := s.org.Staff[who.ID]
	if m == nil {
		return nil
	}
	p := s.join(t, Participant{Person: m.ID, Name: m.Name, Role: StaffRole, Address: m.Primary})
	s.sawLetter(p, s.threadRoot(t))
	return p
}

// write puts a message about the ticket into the world and returns its place there; it goes to nobody yet.
func (s *scene) write(t *Ticket, m outbound.Message, tpl *template.Template, v *template.Values) int {
	from := s.supportAddressOf(t)
	m.Organisation, m.Ticket, m.From, m.RequireTLS = s.org.ID, t.Number, from.Address, s.requiresTLS(t)
	if m.ID.IsZero() {
		m.ID = id.New()
	}
	m.FromName = cmp.Or(m.FromName, s.supportName(t))
	m.Subject, m.Text, m.HTML = tpl.Render(v)
	s.messages = append(s.messages, m)
	return len(s.messages) - 1
}

// requiresTLS tells whether mail about the ticket, caused by what acts now, leaves over verified TLS alone. The sender of a letter
// can ask for that (RFC 8689 section 4.2), but the other way round, by the field "TLS-Required: No", he asks nothing of us: what
// leaves is not his letter, and what the ticket, its category and the policies of the recipients' domains demand is not his to waive.
func (s *scene) requiresTLS(t *Ticket) bool {
	return s.tlsOnly || t.RequireTLS || s.category(t).Settings.RequireTLS
}

// deliver makes one participant a recipient of a message of the world.
func (s *scene) deliver(message int, p *Participant) *outbound.Delivery {
	m := &s.messages[message]
	delivery := id.New()
	d := outbound.Delivery{
		ID: delivery, Participant: p.No, Recipient: p.Address, Name: p.Name,
		MessageID:  s.org.Signer.MessageID(m.From.Domain, m.Ticket, delivery),
		References: strings.Fields(p.Refs),
	}
	if m.Shared && len(m.Deliveries) > 0 {
		d.MessageID = m.Deliveries[0].MessageID
	}
	s.sawLetter(p, d.MessageID)
	m.Deliveries = append(m.Deliveries, d)
	s.mails++
	return &m.Deliveries[len(m.Deliveries)-1]
}

// supportAddressOf is where letters about the ticket come from: the address it came to, or one of its category once it was moved.
func (s *scene) supportAddressOf(t *Ticket) *SupportAddress {
	came := s.org.Addresses[t.SupportAddress]
	if came != nil && came.Category.ID == t.Category {
		return came
	}
	if a := s.org.addressOf(t.Category); a != nil {
		return a
	}
	if came != nil {
		return came
	}
	if a := s.org.DefaultAddress(); a != nil {
		return a
	}
	// Every support address is gone: write from where the ticket came in.
	a, _ := address.Parse(t.SupportAddress)
	return &SupportAddress{Address: a, Category: s.category(t), Settings: s.category(t).Settings}
}

// supportName is what stands before that address where no person's name does.
func (s *scene) supportName(t *Ticket) string {
	return cmp.Or(s.supportAddressOf(t).DisplayName, s.org.Name)
}

// threadRoot stands first in the References of all letters about the ticket. It does not change when the ticket is moved.
func (s *scene) threadRoot(t *Ticket) string {
	came, _ := address.Parse(t.SupportAddress)
	return s.org.Signer.ThreadRoot(came.Domain, t.Number)
}

// template is the organisation's template of that name, of the category if it has one, or ours.
func (o *Organisation) template(name string, category int32) *template.Template {
	for _, k := range []templateKey{{name, category}, {name, 0}} {
		if t := o.templates[k]; t != nil {
			return t
		}
	}
	return template.Default(name)
}

// values are what masks can say of the ticket.
func (s *scene) values(t *Ticket, e Entry) *template.Values {
	v := &template.Values{
		TicketID: t.Number, Subject: t.Subject, Category: s.category(t).Name, Priority: t.Priority,
		Status: t.Status.words(), Via: t.Via, Date: t.CreatedAt.Format("2006-01-02 15:04 UTC"),
		Originator: s.by.Name, Body: e.Body, WhatHappened: e.Body,
	}
	if t.DueAt != nil {
		v.DueDate = t.DueAt.UTC().Format("2006-01-02 15:04 UTC")
	}
	for _, p := range t.Participants {
		if p.Role == Requester {
			v.From, v.FromEmail, v.Username = p.Name, p.Address.String(), p.Address.Local
		}
	}
	if owner := s.org.Staff[t.Owner]; owner != nil {
		v.Technician, v.TechnicianEmail = owner.Name, owner.Primary.String()
	}
	return v
}

// attached names the files of an entry made here; what is shown within the text is not named.
func (s *scene) attached(e Entry) []template.Link {
	var names []template.Link
	for _, a := range s.attachments {
		if a.entry == e.ID && !a.Inline {
			names = append(names, template.Link{Name: a.Filename})
		}
	}
	return names
}

// sendDirect writes a mail that no rule decides on: an answer to a command, to whoever gave it.
func (s *scene) sendDirect(t *Ticket, p *Participant, name, words string) {
	tpl := s.org.template(name, t.Category)
	if tpl == nil || tpl.Empty() {
		return
	}
	v := s.values(t, Entry{})
	v.WhatHappened, v.Staff = words, p.Role == StaffRole
	auto := "auto-replied"
	if name == templateDelayed {
		auto = "auto-generated" // no letter asked for it
	}
	message := s.write(t, outbound.Message{Template: name, AutoSubmitted: auto}, tpl, v)
	if s.may(t, p, s.exactly(message)) {
		s.deliver(message, p).Unsubscribe = name == templateDelayed
	}
}

// contents is what an entry made here says: its words, and its files, whose names say little.
func (s *scene) contents(e Entry) []string {
	list := []string{e.Body}
	for _, a := range s.attachments {
		if a.entry == e.ID {
			list = append(list, hex.EncodeToString(a.SHA256[:]))
		}
	}
	return list
}

// exactly is the print of a message of the world, with the words that it tells of: an acknowledgement does not repeat them.
func (s *scene) exactly(message int, about ...string) guard.Print {
	m := &s.messages[message]
	return guard.Exact(append([]string{m.Subject, strings.ReplaceAll(m.Text, outbound.LeaveMark("", m.ID), "")}, about...)...)
}

// sendReceipt tells a staff member which of his commands were done and which not.
func (d *decider) sendReceipt(t *Ticket, results []commandResult) {
	var b strings.Builder
	for _, r := range results {
		b.WriteString(r.Command)
		if r.Done {
			b.WriteString(" - done: ")
		} else {
			b.WriteString(" - not done: ")
		}
		b.WriteString(r.Result)
		b.WriteByte('\n')
	}
	d.sendDirect(t, d.ownPart(t), templateReceipt, b.String())
}

func (d *decider) sendHelp(t *Ticket) {
	d.sendDirect(t, d.ownPart(t), templateHelp, command.HelpText(command.Staff))
}

// ownPart is the sender's own part in the ticket; a staff member gets one when he acts.
func (d *decider) ownPart(t *Ticket) *Participant {
	return d.participantOf(t, &d.staff.told)
}
