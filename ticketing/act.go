package ticketing

import (
	"fmt"
	"slices"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/octets"
	"mxdesk/ticketing/command"
	"mxdesk/ticketing/notify"
)

// actions are the commands of one letter that count.
type actions struct {
	any  bool // there is a command, done or refused: without words, no entry is posted
	note bool // the letter is for staff only
	list []command.Command
}

// commandResult is one command and what was done or why not; for the trace and the receipt.
type commandResult struct {
	Command string `json:"command"`
	Done    bool   `json:"done"`
	Result  string `json:"result"`
}

// readCommands takes the commands that count: not those of somebody who takes no part in the ticket, nor those
// that his letter before carried in the same subject. What is marked as a note is one always: it must not reach customers.
func (d *decider) readCommands(t *Ticket, role command.Role) actions {
	var act actions
	if role == "" {
		if len(d.commands) > 0 {
			d.note("commands: ignored, the sender takes no part in the ticket or nothing proves who he is")
		}
		return act
	}
	commands := d.commands
	if !d.newSubject(t) {
		d.note("commands: ignored but #note#, the sender's last letter had the same subject")
		commands = slices.DeleteFunc(slices.Clone(commands), func(c command.Command) bool { return c.Name != command.Note })
	}
	for _, c := range commands {
		if c.Name == command.Unknown && role != command.Staff {
			continue
		}
		act.list = append(act.list, c)
		act.any = act.any || c.Name != command.Unknown
		act.note = act.note || c.Name == command.Note && command.Allowed(c.Name, role)
	}
	return act
}

// newSubject tells whether the subject is another than that of the sender's last letter, if that held commands; and keeps
// it for the next one.
func (d *decider) newSubject(t *Ticket) bool {
	p := t.participant(d.by.Person)
	if p == nil {
		return true
	}
	held := ""
	if len(d.commands) > 0 {
		held = octets.Clip(d.content.Subject, maxSubject)
	}
	if p.LastCommands == held {
		return held == ""
	}
	p.LastCommands = held
	d.touch(p)
	return true
}

// run does what the commands ask for, in their order, and sends staff a receipt when something was not done.
func (d *decider) run(t *Ticket, role command.Role, act actions) {
	var results []commandResult
	failed := false
	for _, c := range act.list {
		r := commandResult{Command: c.Raw}
		switch {
		case c.Name == command.Unknown:
			r.Result = "no such command; #help# lists them"
		case c.Err != "":
			r.Result = c.Err
		case !command.Allowed(c.Name, role):
			r.Result = "only staff may do this"
		default:
			r.Result, r.Done = d.do(t, c)
		}
		failed = failed || !r.Done
		results = append(results, r)
	}
	d.trace.Commands = append(d.trace.Commands, results...)
	if failed && role == command.Staff {
		d.sendReceipt(t, results)
	}
}

// do carries out one command. It returns what was done, or why it was not.
func (d *decider) do(t *Ticket, c command.Command) (result string, done bool) {
	switch c.Name {
	case command.Note:
		return "for staff only", true
	case command.Close:
		return d.close(t)
	case command.Unsubscribe:
		return d.leave(t)
	case command.Take:
		return d.assign(t, d.staff, "ticket.taken")
	case command.Assign:
		s := d.org.staffNamed(c.Value)
		if s == nil {
			return "there is no active staff member of that name or address", false
		}
		return d.assign(t, s, "ticket.assigned")
	case command.Unassign:
		t.Owner = id.ID{}
		return d.done(t, "ticket.unassigned", "nobody owns it now")
	case command.Help:
		d.sendHelp(t)
		return "the list of commands is on its way", true
	case command.Status, command.Priority, command.Category, command.Due, command.Tag, command.Untag, command.Time:
		return d.setProperty(t, c)
	case command.CC, command.Uncc:
		return d.copyTo(t, c)
	}
	return "this cannot be done by mail yet; the API can", false
}

// leave ends the mail about the ticket to whoever acts: to a customer, and to staff.
func (s *scene) leave(t *Ticket) (string, bool) {
	p := t.participant(s.by.Person)
	if p == nil || !p.Subscribed {
		return "you get no mail about this ticket", true
	}
	p.Subscribed = false
	s.touch(p)
	what, done := s.done(t, "participant.left", "gets no more mail about this ticket")
	if s.by.NoAnswer == "" {
		s.sendDirect(t, p, templateUnsubscribed, "")
	}
	return what, done
}

// supportDomain is the domain that letters about the ticket come from.
func (s *scene) supportDomain(t *Ticket) string { return s.supportAddressOf(t).Address.Domain }

// done records a change of the ticket.
func (s *scene) done(t *Ticket, event, what string) (string, bool) {
	s.change(t)
	s.event(t, event, s.by.Name+": "+what+".")
	return what, true
}

// close closes the ticket.
func (s *scene) close(t *Ticket) (string, bool) {
	if t.Status == Closed {
		return "it was closed already", true
	}
	s.setStatus(t, Closed)
	what, done := s.done(t, "ticket.closed", "closed it")
	s.tell(t, happening{event: notify.TicketClosed})
	return what, done
}

// assign makes s the owner.
func (s *scene) assign(t *Ticket, to *Staff, event string) (string, bool) {
	if t.Owner == to.ID {
		return to.Name + " owns it already", true
	}
	before := t.Status
	t.Owner = to.ID
	if t.Status == New {
		s.setStatus(t, InProgress)
	}
	what, done := s.done(t, event, to.Name+" owns it now")
	s.tell(t, happening{event: notify.EventType(event)})
	s.tellStatus(t, before)
	return what, done
}

// setProperty sets one property of the ticket.
func (s *scene) setProperty(t *Ticket, c command.Command) (string, bool) {
	switch c.Name {
	case command.Status:
		if t.Status == Status(c.Value) {
			return "the status was that already", true
		}
		return s.changeStatus(t, Status(c.Value))
	case command.Priority:
		t.Priority = c.Value
		return s.done(t, "ticket.priority_changed", "set the priority to "+c.Value)
	case command.Tag:
		if !slices.Contains(t.Tags, c.Value) {
			t.Tags = append(t.Tags, c.Value)
		}
		return s.done(t, "ticket.tagged", "added the tag "+c.Value)
	case command.Untag:
		t.Tags = slices.DeleteFunc(slices.Clone(t.Tags), func(s string) bool { return s == c.Value })
		return s.done(t, "ticket.untagged", "removed the tag "+c.Value)
	case command.Time:
		t.MinutesSpent += c.Minutes()
		return s.done(t, "ticket.time_spent", fmt.Sprintf("spent %d minutes", c.Minutes()))
	case command.Due:
		at, _ := c.Due(s.now)
		if t.DueAt = nil; !at.IsZero() {
			t.DueAt = &at
			return s.done(t, "ticket.due", "set the due time to "+at.UTC().Format("2006-01-02 15:04 UTC"))
		}
		return s.done(t, "ticket.due", "took the due time away")
	}
	return s.moveTo(t, c.Value)
}

// moveTo moves the ticket to the category of that name.
func (s *scene) moveTo(t *Ticket, name string) (string, bool) {
	for _, to := range s.org.Categories {
		if strings.EqualFold(to.Name, name) {
			return s.move(t, to)
		}
	}
	return "there is no category of that name", false
}

// move moves the ticket into a category.
func (s *scene) move(t *Ticket, to *Category) (string, bool) {
	if t.Category == to.ID {
		return "it is in " + to.Name + " already", true
	}
	left := s.category(t)
	t.Category = to.ID
	what, done := s.done(t, "ticket.moved", "moved it to "+to.Name)
	s.tell(t, happening{event: notify.TicketMoved, left: left})
	return what, done
}

// maxCollaborators is how many a ticket can have: each of them gets mail, and whoever writes to us could else make us
// write to thousands.
const maxCollaborators = 100

func (t *Ticket) collaborators() (n int) {
	for _, p := range t.Participants {
		if p.Role == Collaborator {
			n++
		}
	}
	return n
}

// copyTo adds or removes a collaborator.
func (s *scene) copyTo(t *Ticket, c command.Command) (string, bool) {
	a, err := address.Parse(c.Value)
	if err != nil || s.org.ours(a) {
		return "that is no address of a customer", false
	}
	if c.Name == command.Uncc {
		for _, p := range t.Participants {
			if p.Address.Key() == a.Key() && p.Role == Collaborator {
				p.Subscribed = false
				s.touch(p)
				return s.done(t, "participant.removed", "removed "+a.String())
			}
		}
		return "this address is no collaborator's", false
	}
	if s.org.StaffByAddress(a) != nil {
		return "that is the address of a staff member", false
	}
	if t.collaborators() >= maxCollaborators {
		return fmt.Sprintf("the ticket has %d collaborators, and can have no more", maxCollaborators), false
	}
	who := s.addresses[addressKey{s.org.ID, a.Key()}]
	if who == nil {
		who = s.correspondent(a, "")
	}
	p := s.join(t, Participant{Person: who.Person, Name: who.Name, Role: Collaborator, Address: who.Address})
	p.Subscribed = true
	s.touch(p)
	s.sawLetter(p, s.threadRoot(t))
	return s.done(t, "participant.added", "added "+a.String())
}

// staffNamed finds an active staff member by address or by name, if only one has it.
func (o *Organisation) staffNamed(s string) *Staff {
	if a, err := address.Parse(s); err == nil {
		if m := o.StaffByAddress(a); m != nil && m.State != "inactive" {
			return m
		}
		return nil
	}
	var found *Staff
	for _, m := range o.Staff {
		if strings.EqualFold(m.Name, s) && m.State != "inactive" {
			if found != nil {
				return nil
			}
			found = m
		}
	}
	return found
}
