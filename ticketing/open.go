package ticketing

import (
	"slices"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
	"mxdesk/ticketing/command"
	"mxdesk/ticketing/notify"
)

// openAll opens one ticket for each category that was written to.
func (d *decider) openAll(follows *Ticket) error {
	targets := d.targets
	if len(targets) == 0 {
		to := d.supportAddress(follows)
		if to == nil { // of an organisation that has no address any more
			d.refuse(message.ErrNoSuchRecipient)
			return nil
		}
		targets = []*SupportAddress{to}
	}
	if d.staff == nil && d.author == nil {
		targets = slices.DeleteFunc(slices.Clone(targets), func(a *SupportAddress) bool { return !a.Settings.AcceptUnregistered })
	}
	if len(targets) == 0 {
		d.refuse(message.ErrUnregistered)
		return nil
	}
	for _, to := range targets {
		if err := d.open(to, follows); err != nil {
			return err
		}
	}
	d.outcome = OpenedTicket
	return nil
}

// supportAddress is where a ticket belongs whose letter came to a signed address of a ticket that is gone or closed.
func (d *decider) supportAddress(follows *Ticket) *SupportAddress {
	if follows != nil {
		if a := d.org.Addresses[follows.SupportAddress]; a != nil {
			return a
		}
	}
	return d.org.DefaultAddress()
}

// open makes one ticket of the letter.
func (d *decider) open(to *SupportAddress, follows *Ticket) error {
	number, err := d.nextNumber()
	if err != nil {
		return err
	}
	requester := d.asCustomer()
	t := &Ticket{
		Organisation: d.org.ID, Number: number, Subject: d.subject, Status: New, Priority: "normal", Via: "email",
		Category: to.Category.ID, SupportAddress: to.Address.Key(), Requester: requester.Person, threadIndex: d.content.ThreadIndex,
	}
	if t.Subject == "" {
		t.Subject = noSubject
	}
	if follows != nil {
		t.Follows, t.RequireTLS = follows.Number, follows.RequireTLS
	}
	d.scene.open(t)
	p := d.join(t, Participant{Person: requester.Person, Name: requester.Name, Role: Requester, Address: requester.Address})
	d.sawLetter(p, d.threadRoot(t))
	human := d.content.Kind == message.Human
	if human && to.Settings.SubscribeCc {
		d.subscribeCopied(t)
	}
	act := actions{}
	if d.by.Staff {
		act = d.readCommands(t, command.Staff)
	}
	kind := MessageEntry
	if act.note || d.unprovenNote() {
		kind = NoteEntry
	}
	e := d.post(t, kind, false)
	d.warn(t)
	d.note("opened #%d in %s", number, to.Category.Name)
	if !human {
		d.tell(t, happening{event: notify.TicketCreated, entry: e, machine: string(d.content.Kind)}) // staff alone
		return nil
	}
	d.tell(t, happening{event: notify.TicketCreated, entry: e})
	d.run(t, command.Staff, act)
	return nil
}

// subscribeCopied makes the people in To and Cc collaborators.
func (d *decider) subscribeCopied(t *Ticket) {
	for _, a := range d.copied {
		if staff := d.org.StaffByAddress(a); staff != nil {
			d.join(t, Participant{Person: staff.ID, Name: staff.Name, Role: StaffRole, Address: staff.Primary})
			continue
		}
		if notify.MachineLocal(a.Local) {
			continue
		}
		c := d.correspondent(a, d.copiedName[a.Key()])
		p := d.join(t, Participant{Person: c.Person, Name: c.Name, Role: Collaborator, Address: c.Address})
		d.sawLetter(p, d.threadRoot(t))
		d.sawLetter(p, d.content.MessageID)
	}
}

// asCustomer is the author as somebody who can be a requester; a staff member can be one too.
func (d *decider) asCustomer() *Correspondent {
	if d.staff != nil {
		return &Correspondent{Organisation: d.org.ID, Address: d.staff.Primary, Person: d.staff.ID, Name: d.staff.Name, Staff: true}
	}
	if d.author == nil {
		d.author = d.correspondent(d.from, d.fromName)
		d.by.Person, d.by.Name = d.author.Person, d.author.Name
	}
	return d.author
}

// openPlain makes the ticket of a letter that could not be read or processed: the raw letter is its attachment.
func (d *decider) openPlain() error {
	d.content = &message.Content{
		MessageID: d.content.MessageID, Kind: message.Human,
		ReplyText:   "A letter came that could not be read. It is attached as it came.",
		Attachments: []message.Attachment{rawAttachment(d.letter.Raw)},
		Warnings:    d.content.Warnings,
	}
	if d.subject == "" {
		d.subject = unreadSubject
	}
	d.commands = nil
	if d.from.IsZero() {
		d.from = address.Address{Local: "unknown", Domain: "sender.invalid"}
	}
	to := d.targets
	if len(to) == 0 {
		to = []*SupportAddress{d.org.DefaultAddress()}
	}
	if to[0] == nil {
		d.refuse(message.ErrNoSuchRecipient)
		return nil
	}
	if err := d.open(to[0], nil); err != nil {
		return err
	}
	d.event(d.ticket, "letter.unread", d.problem)
	d.outcome = UnprocessedBy
	return nil
}
