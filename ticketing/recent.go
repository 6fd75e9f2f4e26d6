package ticketing

import (
	"mxdesk/internal/id"
	"mxdesk/ticketing/notify"
	"mxdesk/ticketing/template"
)

// shownByDefault is of how many entries the templates of our own show the words.
var shownByDefault = func() (most int) {
	for _, name := range template.DefaultNames() {
		most = max(most, template.Default(name).Recent())
	}
	return most
}()

// prepareRecent finds out how much of their tickets letters must know beside their own words. Those without a command
// lead to mails about themselves alone, and ordinary templates show no more than that.
func (o *Organisation) prepareRecent() {
	for _, t := range o.templates {
		o.recentAlways = max(o.recentAlways, t.Recent())
	}
	if o.policy.Names(notify.LastRespondent) {
		o.recentAlways = max(o.recentAlways, 1)
	}
	o.recent = max(o.recentAlways, shownByDefault)
}

// public calls f with the public entries of the ticket, newest first, until it returns false: those made here, then those that
// were loaded.
func (s *scene) public(t *Ticket, f func(*Entry) bool) {
	for i := len(s.entries) - 1; i >= 0; i-- {
		e := &s.entries[i]
		if e.Organisation == t.Organisation && e.Ticket == t.Number && (e.Kind == MessageEntry || e.Kind == ReplyEntry) && !f(e) {
			return
		}
	}
	stored := s.recent[ticketKey{t.Organisation, t.Number}]
	for i := range stored {
		if !f(&stored[i]) {
			return
		}
	}
}

// recentMessages are the latest public words of the ticket.
func (s *scene) recentMessages(t *Ticket, most int) (list []template.Message) {
	if most == 0 {
		return nil
	}
	s.public(t, func(e *Entry) bool {
		list = append(list, template.Message{Author: e.AuthorName, When: e.CreatedAt.UTC().Format("2006-01-02 15:04 UTC"), Text: e.Body})
		return len(list) < most
	})
	return list
}

// lastRespondent is the agent who answered last, nil if none did, or none of whom that is known.
func (s *scene) lastRespondent(t *Ticket) *notify.Person {
	var author id.ID
	s.public(t, func(e *Entry) bool {
		if e.Kind == ReplyEntry {
			author = e.Author
		}
		return author.IsZero()
	})
	if m := s.org.Staff[author]; m != nil {
		return &m.told
	}
	return nil
}
