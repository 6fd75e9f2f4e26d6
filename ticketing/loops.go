package ticketing

import (
	"fmt"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/outbound"
	"mxdesk/ticketing/guard"
	"mxdesk/ticketing/notify"
)

// templateLoop tells the system address that a guard stopped automatic mail, and staff that it stops mail to them.
const templateLoop = "loop/staff"

// may tells whether a letter of these words, which a person of the staff did not write, may go to the participant, and
// counts it. What a guard stops is told in the ticket; nothing is lost by it, the words are there.
func (s *scene) may(t *Ticket, p *Participant, words guard.Print) bool {
	if !s.org.Settings.LoopGuards {
		return true
	}
	if s.org.ours(p.Address) || p.Role != StaffRole && notify.MachineLocal(p.Address.Local) {
		s.note("guard: %s is no person's address: no automatic mail", p.Address)
		return false
	}
	line, total := p.line, s.total(p.Address)
	v := line.Send(s.now, words)
	if v.May() {
		v = total.Send(s.now)
	}
	switch {
	case v.May():
		total.letters++
		p.line = line
		s.touch(p)
		return true
	case v.Stopped == guard.AddressVolume:
		total.tripped = total.tripped || v.First
		if p.line.Tell(s.now) || v.First { // of the tickets that it stops each says so, to the system address the first
			s.stopped(t, p, v)
		}
		if v.First && p.Role == StaffRole { // who waits for mail must know that none comes
			if m := s.loopMail(t, stoppedWords(p, v)); m >= 0 {
				s.deliver(m, p).Unsubscribe = true
			}
		}
	case v.First:
		p.line = line
		s.stopped(t, p, v)
	}
	s.note("guard: %s: no automatic mail to %s", v.Stopped, p.Address)
	return false
}

// total is what the world knows of the automatic mail to an address.
func (s *scene) total(a address.Address) *sentTo {
	k := addressKey{s.org.ID, a.Key()}
	there := s.totals[k]
	if there == nil {
		there = &sentTo{Total: s.guards.total(k)}
		s.totals[k] = there
	}
	return there
}

// stopped tells, in the ticket and to the system address, of a guard that keeps mail back from a participant.
func (s *scene) stopped(t *Ticket, p *Participant, v guard.Verdict) {
	s.touch(p)
	s.tellOfLoop(t, p.Address, v.Stopped, stoppedWords(p, v), v.First)
}

func stoppedWords(p *Participant, v guard.Verdict) string {
	about := "about this ticket"
	switch v.Stopped {
	case guard.Twice:
		return fmt.Sprintf("Loop guard (%s): %s was sent the same mail less than five minutes ago; it is not sent again.", v.Stopped, p.Address)
	case guard.Chain:
		return fmt.Sprintf("Loop guard (%s): automatic mail to %s %s is held back until a person writes or acts.", v.Stopped, p.Address, about)
	case guard.AddressVolume:
		about = "about all tickets"
	}
	return fmt.Sprintf("Loop guard (%s): automatic mail to %s %s is held back until %s. What is said meanwhile stands in the tickets.",
		v.Stopped, p.Address, about, v.Until.UTC().Format("2006-01-02 15:04 UTC"))
}

// tellOfLoop writes into the ticket which guard stopped mail to the address, and to the system address if it is to know.
func (s *scene) tellOfLoop(t *Ticket, a address.Address, g guard.Guard, words string, system bool) {
	s.addEntry(Entry{
		Organisation: s.org.ID, Ticket: t.Number, ID: id.New(), Kind: EventEntry, Event: "loop.stopped", Body: words,
		AuthorName: s.org.Name, Identity: ProofSystem, Letter: s.letterID, CreatedAt: s.now,
	})
	s.trips = append(s.trips, trip{s.org.ID, t.Number, a.Key(), g})
	to, err := address.Parse(s.org.Settings.SystemAddress)
	if !system || err != nil || s.org.ours(to) {
		return // there is no system address, or none that could read it
	}
	total := s.total(to)
	if !total.Send(s.now).May() {
		return
	}
	total.letters++
	place := s.loopMail(t, words)
	if place < 0 {
		return
	}
	m := &s.messages[place]
	delivery := id.New()
	m.Deliveries = []outbound.Delivery{{
		ID: delivery, Recipient: to, MessageID: s.org.Signer.MessageID(m.From.Domain, t.Number, delivery),
	}}
	s.mails++
}

// loopMail writes the message that tells of a guard and returns its place; -1 if its template is empty.
func (s *scene) loopMail(t *Ticket, words string) int {
	tpl := s.org.template(templateLoop, t.Category)
	if tpl.Empty() {
		return -1
	}
	v := s.values(t, Entry{Body: words})
	v.Staff = true
	return s.write(t, outbound.Message{Template: templateLoop, AutoSubmitted: "auto-generated"}, tpl, v)
}

// answerStopped tells of an automatic answer that a guard refused to the sender of the letter.
func (s *scene) answerStopped(t *Ticket) {
	if p := t.participant(s.by.Person); p != nil {
		if !p.line.Tell(s.now) {
			return
		}
		s.touch(p)
	}
	system := true
	if c := s.addresses[addressKey{s.org.ID, s.by.mailbox.Key()}]; c != nil {
		system, c.remembered = c.memory.Tell(s.now), true
	}
	s.tellOfLoop(t, s.by.mailbox, s.by.Loop,
		fmt.Sprintf("Loop guard (%s): no automatic answer to %s. %s", s.by.Loop, s.by.mailbox, loopWords[s.by.Loop]), system)
}

// loopWords say what the sender of a letter did, and when he is answered again.
var loopWords = map[guard.Guard]string{
	guard.OwnAddress:   "It is an address of ours: we would write to ourselves.",
	guard.OwnWords:     "The letter says what we wrote to it. A letter with other words is answered again.",
	guard.SameWords:    "The letter says what an earlier one said. A letter with other words is answered again.",
	guard.Reflex:       "Its letters answer our automatic mail within seconds. A letter at a person's pace is answered again.",
	guard.AnswerBudget: "It had as many automatic answers as one address gets in five minutes, or in a day. After that time it is answered again.",
}

// personActs ends the chains of automatic letters of the ticket.
func (s *scene) personActs(t *Ticket) {
	for _, p := range t.Participants {
		if p.line.Person() {
			s.touch(p)
		}
	}
}

// answersMachine tells, once, of a machine's letter that answers our automatic mail: there the matter ends.
func (d *decider) answersMachine(t *Ticket) {
	var p *Participant
	if d.author != nil {
		p = t.participant(d.author.Person)
	} else if d.staff != nil {
		p = t.participant(d.staff.ID)
	}
	if p == nil || p.line.InChain() == 0 || !p.line.Tell(d.now) {
		return
	}
	d.touch(p)
	d.tellOfLoop(t, p.Address, guard.Machine,
		fmt.Sprintf("Loop guard (%s): the letter of %s answers our automatic mail and says that a machine wrote it. It is not answered.", guard.Machine, p.Address), false)
}

// mailbox is where the sender of the letter is answered.
func (p *parcel) mailbox() address.Address {
	if p.staff != nil {
		return p.staff.Primary
	}
	return p.from
}

// said is what the guards know of the letter.
func (p *parcel) said() guard.Letter {
	if p.words == nil {
		c := p.content
		text := c.ReplyText
		if text == "" {
			text = c.Text
		}
		files := make([][32]byte, len(c.Attachments))
		for i, a := range c.Attachments {
			files[i] = a.SHA256
		}
		p.words = &guard.Letter{
			Words: guard.Words(c.Subject, text, files...), Begin: guard.Begin(c.Subject, text),
			Answers: len(p.own)+len(p.signed) > 0 || p.tag != 0,
		}
	}
	return *p.words
}

// loop is the guard that refuses the sender an automatic answer; "" if none does.
func (d *decider) loop(set Settings) guard.Guard {
	c := d.addresses[addressKey{d.org.ID, d.mailbox().Key()}]
	if c == nil || !d.org.Settings.LoopGuards {
		return ""
	}
	if !c.memory.Empty() {
		if g := c.memory.Judge(d.now, d.said()); g != "" {
			return g
		}
	}
	// The counter begins anew every five minutes; what is remembered of the last letters tells of any five minutes.
	b, lately := c.Auto.at(d.now), c.memory.AnsweredWithin(d.now, budgetShort)
	if max(b.Count, lately) >= set.AutoPerFiveMinutes || b.DayCount >= set.AutoPerDay {
		return guard.AnswerBudget
	}
	return ""
}

// countAnswer takes one automatic answer from the budget of the participant's address, and remembers what it said to what.
func (s *scene) countAnswer(p *Participant, m *outbound.Message) {
	c := s.addresses[addressKey{s.org.ID, p.Address.Key()}]
	if c == nil {
		return
	}
	c.Auto = c.Auto.at(s.now)
	c.Auto.Count++
	c.Auto.DayCount++
	c.added++
	if s.by.said != nil {
		c.memory.Answered(s.now, s.by.said(), guard.Begin(m.Subject, m.Text))
	}
}

// outgoing are the messages that go to somebody: a guard may have stopped all recipients of one.
func (w *world) outgoing() []outbound.Message {
	kept := w.messages[:0:0]
	for _, m := range w.messages {
		if len(m.Deliveries) > 0 {
			kept = append(kept, m)
		}
	}
	return kept
}
