package ticketing

import (
	"fmt"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/octets"
	"mxdesk/ticketing/guard"
	"mxdesk/ticketing/notify"
)

// scene is one act on the tickets of one organisation, by a letter or through the API: who acts,
// and what was decided on the way.
type scene struct {
	*world
	org      *Organisation
	by       actor
	letterID id.ID // the letter that acts; zero when none does
	tlsOnly  bool  // the letter's sender requires TLS of all that carries its words
	trace    letterTrace
	mails    int      // notifications it caused
	once     *onceRow // the request behind it, when it must count once
}

// actor is who acts.
type actor struct {
	Person   id.ID // zero for a stranger
	Name     string
	Address  address.Address
	Staff    bool // and may act as staff
	Proof    Proof
	NoAnswer string // why he may get no automatic answer; "" if he may

	Loop    guard.Guard         // NoAnswer is this guard's word; "" if it is not
	mailbox address.Address     // where he is answered
	said    func() guard.Letter // what he wrote; nil if no letter did
}

// letterTrace is the record of every decision on a letter, as stored with it.
type letterTrace struct {
	Decisions     []string            `json:"decisions"`
	Notifications []notificationTrace `json:"notifications,omitempty"`
	Commands      []commandResult     `json:"commands,omitempty"`
	KindSignals   []string            `json:"kind_signals,omitempty"`
	Warnings      []string            `json:"warnings,omitempty"`
}

type notificationTrace struct {
	Event string              `json:"event"`
	Rules []notify.Considered `json:"rules"`
}

func (d *decider) note(format string, args ...any) {
	d.trace.Decisions = append(d.trace.Decisions, fmt.Sprintf(format, args...))
}

func (s *scene) note(format string, args ...any) {
	s.trace.Decisions = append(s.trace.Decisions, fmt.Sprintf(format, args...))
}

// find resolves a ticket number, following merges; nil if it names no ticket that was loaded.
func (s *scene) find(number int64) *Ticket {
	if number == 0 {
		return nil
	}
	return s.world.ticket(s.org.ID, number)
}

func (s *scene) category(t *Ticket) *Category {
	if c := s.org.Categories[t.Category]; c != nil {
		return c
	}
	return &Category{ID: t.Category, Settings: s.org.Settings}
}

// addEntry puts an entry into the ticket it names.
func (s *scene) addEntry(e Entry) { s.entries = append(s.entries, e) }

// event adds a line of history to the ticket.
func (s *scene) event(t *Ticket, name, sentence string) {
	s.addEntry(Entry{
		Organisation: s.org.ID, Ticket: t.Number, ID: id.New(), Kind: EventEntry, Event: name, Body: sentence,
		Author: s.by.Person, AuthorName: s.by.Name, AuthorAddress: s.by.Address.String(),
		Identity: s.by.Proof, Letter: s.letterID, CreatedAt: s.now,
	})
}

// correspondent is the customer with this address, made now if there is none.
func (s *scene) correspondent(a address.Address, name string) *Correspondent {
	k := addressKey{s.org.ID, a.Key()}
	if c := s.addresses[k]; c != nil {
		return c
	}
	if strings.TrimSpace(name) == "" {
		name = a.Local
	}
	c := &Correspondent{Organisation: s.org.ID, Address: a, Person: id.New(), Name: octets.Clip(name, maxName), fresh: true}
	c.Auto = c.Auto.at(s.now)
	s.addresses[k] = c
	s.customers = append(s.customers, c)
	return c
}

// setStatus changes the status and the moment of closing with it.
func (w *world) setStatus(t *Ticket, s Status) {
	if t.Status == s {
		return
	}
	t.Status, t.ClosedAt = s, nil
	if s == Closed {
		now := w.now
		t.ClosedAt = &now
	}
	w.change(t)
}

// changeStatus gives the ticket another status than it has, by hand; closed is not one of them.
func (s *scene) changeStatus(t *Ticket, to Status) (string, bool) {
	before, event := t.Status, notify.TicketStatusChanged
	if before == Closed {
		event = notify.TicketReopened
	}
	s.setStatus(t, to)
	what, done := s.done(t, string(event), "set the status to "+to.words())
	s.tellStatus(t, before)
	return what, done
}

// tellStatus tells of a status that was another before. That a ticket was closed is told by who closed it.
func (s *scene) tellStatus(t *Ticket, before Status) {
	if t.Status == before || t.Status == Closed {
		return
	}
	h := happening{event: notify.TicketStatusChanged}
	if before == Closed {
		h.event = notify.TicketReopened
	}
	h.entry = Entry{Kind: EventEntry, Body: fmt.Sprintf("%s: the status was %s and is %s now.", s.by.Name, before.words(), t.Status.words())}
	s.tell(t, h)
}

// words are the status as people read it.
func (s Status) words() string { return strings.ReplaceAll(string(s), "_", " ") }

// statusAfterReply moves the status as the public words of staff do.
func (s *scene) statusAfterReply(t *Ticket) {
	if s.category(t).Settings.WaitingAfterReply {
		s.setStatus(t, Waiting)
	} else {
		s.setStatus(t, InProgress)
	}
}
