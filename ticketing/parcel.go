package ticketing

import (
	"mxdesk/internal/address"
	"mxdesk/internal/bounce"
	"mxdesk/internal/id"
	"mxdesk/internal/octets"
	"mxdesk/ticketing/command"
	"mxdesk/ticketing/guard"
)

// maxSubject is how many bytes of a subject are kept: what fits one line of a letter (RFC 5322 section 2.1.1).
const maxSubject = 998

// maxCopied is how many people of To and Cc can become collaborators of a ticket.
const maxCopied = 20

// parcel is what one organisation gets of a letter, with all that can be known of it without the database.
type parcel struct {
	*job
	tenant     *Organisation
	recipients []address.Address
	targets    []*SupportAddress   // written to, one for each category
	signed     []address.TicketRef // signed ticket addresses written to
	returned   id.ID               // delivery whose return path was written to
	claimed    id.ID               // delivery that a report names which came elsewhere
	quoted     bool                // and it quotes the return path, which only the recipient was given
	own        []int64             // tickets of Message-IDs of ours, nearest first
	foreign    []threadKey         // other Message-IDs it refers to, nearest first
	tag        int64               // ticket tag in the subject
	reportsOn  string              // domain of ours whose report address was written to
	subject    string              // as it is stored: without tag and commands
	commands   []command.Command
	from       address.Address // zero when there is none
	fromName   string
	staff      *Staff            // whose address From is
	copied     []address.Address // To and Cc besides us and the sender
	copiedName map[string]string
	dedupe     hash16
	words      *guard.Letter // what it says, once it was asked for

	release *release // the letter was held and is taken up again
	confirm id.ID    // the held letter that it says is the sender's
	// unconfirmed is that letter, when this one does not count as a confirmation, and confirmFault says why.
	unconfirmed  *parcel
	confirmFault string

	known   id.ID  // the letter it is the same as, if it came before
	refused error  // why the organisation does not take it
	heldFor string // why it is held
	summary summary
}

// summary is what is logged of a letter once it is committed.
type summary struct {
	outcome Outcome
	ticket  int64
	proof   Proof
	mails   int

	reason    string   // of its admission, if there was one to name
	believed  string   // whose results speak for its author, when ours do not
	decisions []string // on a letter that was refused: they are stored with no letter
}

// sort finds out what the letter is for this organisation.
func (p *parcel) sort() {
	for _, r := range p.recipients {
		p.sortRecipient(r)
	}
	c := p.content
	for _, ref := range c.ThreadRefs[:min(len(c.ThreadRefs), maxThreadRefs)] {
		if number, _, ok := p.tenant.Signer.ParseMessageID(ref); ok {
			p.own = append(p.own, number)
		} else {
			p.foreign = append(p.foreign, threadHash(p.tenant.ID, ref))
		}
	}
	subject := c.SubjectClean
	if number, rest, ok := command.TicketTag(subject); ok {
		p.tag, subject = number, rest
	}
	p.subject, p.commands = command.Parse(octets.Clip(subject, maxSubject))
	p.sortSender()
	p.sortCopied()
}

func (p *parcel) sortRecipient(r address.Address) {
	if isReportAddress(r) {
		p.reportsOn = r.Domain
		return
	}
	if ref, ok := p.tenant.Signer.ParseTicket(r); ok {
		p.signed = append(p.signed, ref)
		return
	}
	if delivery, ok := p.tenant.Signer.ParseReturnPath(r); ok {
		p.returned = delivery
		return
	}
	if held, ok := p.tenant.Signer.ParseConfirm(r); ok {
		p.confirm = held
		return
	}
	to := p.tenant.Addresses[r.Key()]
	if to == nil {
		to = p.tenant.DefaultAddress() // postmaster or abuse
	}
	if to == nil {
		return
	}
	for _, t := range p.targets {
		if t.Category == to.Category {
			return
		}
	}
	p.targets = append(p.targets, to)
}

// sortSender takes the author from From; a letter without a usable one is its envelope sender's.
func (p *parcel) sortSender() {
	p.from = p.letter.MailFrom
	if from := p.content.From; len(from) > 0 {
		if a, err := address.Parse(from[0].Address); err == nil {
			p.from, p.fromName = a, from[0].Name
		}
	}
	p.staff = p.tenant.StaffByAddress(p.from)
}

func (p *parcel) sortCopied() {
	p.copiedName = map[string]string{}
	for _, m := range append(p.content.To[:len(p.content.To):len(p.content.To)], p.content.Cc...) {
		a, err := address.Parse(m.Address)
		if err != nil || len(p.copied) >= maxCopied || p.tenant.ours(a) || a.Key() == p.from.Key() {
			continue
		}
		if _, double := p.copiedName[a.Key()]; double {
			continue
		}
		p.copied = append(p.copied, a)
		p.copiedName[a.Key()] = m.Name
	}
}

// want adds what deciding on the letter will look up.
func (p *parcel) want(w *wanted) {
	org := p.tenant.ID
	if w.recent = max(w.recent, p.tenant.recentAlways); len(p.commands) > 0 {
		w.recent = max(w.recent, p.tenant.recent)
	}
	if p.release != nil {
		w.held[letterKey{org, p.letter.ID}] = true
	} else {
		w.letters[threadKey{org, p.dedupe}] = true
	}
	if !p.from.IsZero() { // of staff too: there is a budget of automatic answers to them
		w.addresses[addressKey{org, p.mailbox().Key()}] = true
	}
	for _, a := range p.copied { // also of a reply: it may come too late and open a ticket
		if p.tenant.StaffByAddress(a) == nil {
			w.addresses[addressKey{org, a.Key()}] = true
		}
	}
	for _, c := range p.commands {
		if a, err := address.Parse(c.Value); err == nil && c.Name == command.CC {
			w.addresses[addressKey{org, a.Key()}] = true
		}
	}
	for _, ref := range p.signed {
		w.tickets[ticketKey{org, ref.Ticket}] = true
	}
	if p.unconfirmed != nil {
		w.held[letterKey{org, p.confirm}] = true
		for _, ref := range p.unconfirmed.signed {
			w.tickets[ticketKey{org, ref.Ticket}] = true
		}
	}
	for _, number := range p.own {
		w.tickets[ticketKey{org, number}] = true
	}
	if p.tag != 0 {
		w.tickets[ticketKey{org, p.tag}] = true
	}
	for _, k := range p.foreign {
		w.threads[k] = true
	}
	if !p.returned.IsZero() {
		w.returned[deliveryKey{org, p.returned}] = true
	}
	if r := p.content.Bounce; r != nil && p.returned.IsZero() {
		if p.claims(r); !p.claimed.IsZero() {
			w.returned[deliveryKey{org, p.claimed}] = true
		}
	}
}

// claims finds out which delivery a report is about that did not come to its return path.
func (p *parcel) claims(r *bounce.Report) {
	for _, path := range r.ReturnPaths {
		a, err := address.Parse(path)
		if err != nil {
			continue
		}
		if delivery, ok := p.tenant.Signer.ParseReturnPath(a); ok {
			p.claimed, p.quoted = delivery, true
			return
		}
	}
	if _, delivery, ok := p.tenant.Signer.ParseMessageID(r.MessageID); ok {
		p.claimed = delivery
	}
}
