package ticketing

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"mxdesk/internal/bounce"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/network"
	"mxdesk/internal/octets"
	"mxdesk/ticketing/command"
	"mxdesk/ticketing/guard"
	"mxdesk/ticketing/notify"
)

// Outcome says what became of a letter.
type Outcome string

// The outcomes of letters.
const (
	OpenedTicket  Outcome = "ticket"      // it opened a ticket
	AddedEntry    Outcome = "entry"       // it went into a ticket
	OnlyCommand   Outcome = "command"     // it held commands and no words
	ClosedReport  Outcome = "bounce"      // it told the fate of a delivery
	Unhandled     Outcome = "unhandled"   // a machine's letter that nobody could place
	HeldLetter    Outcome = "held"        // it waits for a decision
	DailyReport   Outcome = "report"      // it came to a report address, and goes to those who count
	UnprocessedBy Outcome = "unprocessed" // we failed on it; it is stored and has a plain ticket
)

const noSubject = "(no subject)"

// decider decides on one parcel: it changes the world and nothing else.
type decider struct {
	scene
	*parcel
	nextNumber func() (int64, error)

	author  *Correspondent // the customer behind From; nil for staff, and for somebody not known yet
	belief  belief         // by whose results the author is judged
	outcome Outcome
	ticket  *Ticket // the first ticket it went into
}

// decide goes through the letter: is it known, who speaks, what kind is it, which ticket, what then.
func (d *decider) decide() error {
	d.known, d.refused, d.heldFor, d.summary = id.ID{}, nil, "", summary{}
	if d.release != nil {
		if !d.scene.held[letterKey{d.org.ID, d.letter.ID}] || !d.release.stands() {
			d.refused = ErrNotFound // somebody was faster, or the letter that confirms it was not taken
			return nil
		}
	} else if d.isKnown() {
		return nil
	}
	d.speaker()
	if d.release == nil && !d.admitted() {
		if d.refused != nil {
			return nil
		}
		return d.store()
	}
	var err error
	switch {
	case !d.confirm.IsZero():
		d.confirms()
	case d.onlyReports():
		d.outcome = DailyReport
	case d.problem != "":
		err = d.openPlain()
	case d.asksToLeave():
		err = d.leaves()
	case d.content.Bounce != nil:
		d.takeReport()
	case d.content.Kind != message.Human:
		err = d.machine()
	default:
		err = d.human()
	}
	if err != nil || d.refused != nil {
		return err
	}
	d.passReport()
	return d.store()
}

// admitted applies the organisation's policy. A letter that is not admitted is refused or held.
func (d *decider) admitted() bool {
	in := admissionInput{
		belief: d.belief, from: d.from, mailFrom: d.letter.MailFrom, settings: d.org.Settings,
		returned: !d.returned.IsZero() && d.content.Bounce != nil, confirm: !d.confirm.IsZero(), files: d.files, rules: d.attachmentRules(),
		lmtp: d.letter.Session.LMTP(),
	}
	if !in.lmtp { // there the client is a server of ours
		in.network = network.List(d.org.Settings.AllowedNetworks, d.org.Settings.BlockedNetworks, d.letter.Session.Client)
	}
	a := admit(in)
	v := d.belief.verdict
	switch {
	case a.refuse != nil:
		d.refuse(a.refuse)
	case a.hold != "":
		d.note("admission: held: %s", a.reason)
		d.summary.reason = a.reason
		d.hold(a.hold)
	case d.staff != nil && !d.by.Staff && (unsettled(v, d.from.Domain) || d.belief.waiting):
		d.refuse(message.ErrSenderDNS) // the DNS must say whether this is a staff member, and does not answer
	case d.staff != nil && !d.by.Staff && d.by.Proof == ProofToken && d.content.Kind == message.Human:
		d.askStaff()
	default:
		if a.reason != "" {
			d.note("admission: taken: %s", a.reason)
			d.summary.reason = a.reason
		}
		return true
	}
	return false
}

// refuse ends the letter with a named reason.
func (d *decider) refuse(err error) {
	d.refused = err
	d.note("admission: refused: %s", refused(err).reason)
	d.summary.decisions = d.trace.Decisions
}

// attachmentRules are those of the categories and addresses that the letter goes to.
func (d *decider) attachmentRules() []AttachmentRules {
	var rules []AttachmentRules
	for _, a := range d.targets {
		rules = append(rules, a.Settings.Attachments)
	}
	for _, ref := range d.signed {
		if t := d.find(ref.Ticket); t != nil {
			rules = append(rules, d.category(t).Settings.Attachments)
		}
	}
	if len(rules) == 0 {
		rules = append(rules, d.org.Settings.Attachments)
	}
	return rules
}

// isKnown tells whether the same letter came before, within the window.
func (d *decider) isKnown() bool {
	k := threadKey{d.org.ID, d.dedupe}
	if before, ok := d.letters[k]; ok {
		window := dedupeWindow
		if d.content.MessageID == "" {
			window = namelessWindow
		}
		if d.now.Sub(before.receivedAt) < window {
			d.known = before.letter
			return true
		}
		d.renewed = append(d.renewed, k)
	}
	return false
}

// speaker finds out who wrote the letter and whether that lets him act for staff.
func (d *decider) speaker() {
	person := id.ID{}
	if d.staff != nil {
		person = d.staff.ID
	} else if d.author = d.addresses[addressKey{d.org.ID, d.from.Key()}]; d.author != nil {
		person = d.author.Person
	}
	var tokens []id.ID
	for _, ref := range d.signed {
		if t := d.tickets[ticketKey{d.org.ID, ref.Ticket}]; t != nil {
			if p := t.byNumber(ref.Participant); p != nil {
				tokens = append(tokens, p.Person)
			}
		}
	}
	d.by = actor{Person: person, Address: d.from, Name: octets.Clip(d.fromName, maxName), mailbox: d.mailbox(), said: d.parcel.said}
	d.belief = believe(d.letter.Verdict, d.from.Domain, d.letter.Session.Client, &d.org.Settings.AdmissionSettings)
	if c := d.belief.claim; c != nil {
		d.note("belief: %s %s", c.Source, c.By)
		d.summary.believed = c.Source
	}
	d.by.Proof = prove(d.from.Domain, d.belief.verdict, person, tokens)
	if d.release != nil && d.release.confirmed != nil {
		d.by.Proof = ProofVerified // its author answered a question that only he was sent
	}
	d.note("identity: %s is %s", d.from, d.by.Proof)
	switch {
	case d.by.Name != "":
	case d.author != nil:
		d.by.Name = d.author.Name
	default:
		d.by.Name = d.from.String()
	}
	d.by.NoAnswer = d.noAnswer()
	if d.staff == nil {
		return
	}
	d.by.Staff = d.staff.State != "inactive" && d.by.Proof.atLeast(d.org.Settings.StaffProof)
	if d.by.Staff {
		d.by.Name = d.staff.Name
	} else {
		d.note("identity: a staff address, but a staff letter needs %s: taken as anybody's, commands ignored", d.org.Settings.StaffProof)
	}
}

// noAnswer is why the sender may get no automatic answer; "" if he may.
func (d *decider) noAnswer() string {
	if d.content.NoAnswer && d.content.Kind == message.Human {
		return "the letter asks for no automatic answer"
	}
	set := d.org.Settings
	if len(d.targets) > 0 {
		set = d.targets[0].Settings
	}
	f := notify.AnswerFacts{
		NullSender: d.letter.MailFrom.IsZero(), Kind: d.content.Kind, Sender: d.from, Ours: d.org.ours(d.from),
		Disowned: d.release == nil && d.by.Proof == Unverified && disowned(d.belief.verdict), // who releases a letter vouches for it
		Never:    set.AutoPerFiveMinutes <= 0 || set.AutoPerDay <= 0,
	}
	why := notify.NoAnswer(&f)
	if why == "" {
		d.by.Loop = d.loop(set)
	} else if f.Ours && !f.NullSender && f.Kind == message.Human {
		d.by.Loop = guard.OwnAddress
	}
	if why == "" && d.by.Loop != "" {
		why = "loop guard: " + string(d.by.Loop)
	}
	if why == "" && d.release == nil && d.by.Proof == Unverified && checked(d.belief.verdict) {
		why = "nothing shows that the letter is from the sender's domain"
	}
	return why
}

// takeReport hands a report to the delivery it is about. One that quotes a Message-ID of ours, and did not come to the
// return path, can be by anybody to whom an answer to the letter went, for that names it: it is filed with its ticket, and says
// nothing of the delivery. Complaints go to where the provider was told to send them (RFC 5965), so they must quote the return path:
// else whoever had a copy of an agent's answer could silence the agent.
func (d *decider) takeReport() {
	d.outcome = Unhandled
	delivery := d.returned
	if delivery.IsZero() {
		delivery = d.claimed
	}
	if delivery.IsZero() {
		d.note("report: about no delivery of ours")
		return
	}
	d.outcome = ClosedReport
	if t := d.find(d.scene.returned[deliveryKey{d.org.ID, delivery}]); t != nil {
		d.ticket = t
	}
	d.note("report: %s of delivery %s", d.content.Bounce.Kind, delivery)
	if d.returned.IsZero() && !d.complains() {
		d.note("report: it did not come to the return path, and changes nothing")
		return
	}
	d.reports = append(d.reports, reportRow{d.org, delivery, d.content.Bounce})
}

// complains tells whether the letter is a feedback report by somebody who has the letter it is about.
func (d *decider) complains() bool { return d.content.Bounce.Kind == bounce.Feedback && d.quoted }

// thread applies the threading rules to the letter.
func (d *decider) thread() threadDecision {
	in := threadInput{
		returned: d.scene.returned[deliveryKey{d.org.ID, d.returned}],
		own:      d.own, tag: d.tag, staff: d.by.Staff, human: d.content.Kind == message.Human,
		find: d.find, reopenDays: d.org.Settings.ReopenDays, now: d.now,
	}
	switch {
	case d.by.Staff:
		in.sender = d.staff.ID
	case d.author != nil:
		in.sender = d.author.Person
	}
	for _, ref := range d.signed {
		in.signed = append(in.signed, ref.Ticket)
	}
	for _, k := range d.foreign {
		in.foreign = append(in.foreign, d.threads[k]...)
	}
	found := thread(in)
	d.trace.Decisions = append(d.trace.Decisions, found.trace...)
	return found
}

// machine takes a letter that no person wrote: it goes quietly into the ticket it belongs to. A list's or bulk letter to a
// support address opens a ticket, without an answer. What cannot be placed is listed as unhandled.
func (d *decider) machine() error {
	kind := d.content.Kind
	d.trace.KindSignals = d.content.Signals
	found := d.thread()
	for _, t := range found.tickets {
		entryKind := MessageEntry
		if d.staff != nil {
			entryKind = NoteEntry // an agent's out-of-office note is not for customers
		}
		d.post(t, entryKind, d.thirdParty(t))
		d.answersMachine(t)
		d.outcome = AddedEntry
		d.note("%s: added quietly, nobody is told", kind)
	}
	if len(found.tickets) > 0 {
		return nil
	}
	if (kind == message.List || kind == message.Bulk) && len(d.targets) > 0 {
		if d.targets[0].Settings.RefuseMassMail {
			d.refuse(message.ErrMassMail)
			return nil
		}
		d.note("%s: a ticket without an answer", kind)
		return d.openAll(nil)
	}
	d.outcome = Unhandled
	d.note("%s: belongs to no ticket", kind)
	return nil
}

// asksToLeave tells whether a mail program writes for its user, who pressed "unsubscribe": to the address in List-Unsubscribe, with
// the command that stands there, or with the program's own word, and nothing else in the subject.
func (d *decider) asksToLeave() bool {
	if len(d.signed) == 0 || !d.returned.IsZero() {
		return false
	}
	if r := d.content.Bounce; r != nil {
		return r.Kind == bounce.Feedback && r.FeedbackType == "opt-out" && !r.HasOriginal && d.claimed.IsZero()
	}
	alone := d.subject == "" && len(d.commands) == 1 && d.commands[0].Name == command.Unsubscribe
	return alone && (d.content.Kind == message.AutoReply || d.content.Kind == message.AutoGenerated)
}

// leaves does what a mail program asks for in its user's name, if he could ask for it himself. It is not answered.
func (d *decider) leaves() error {
	for _, ref := range d.signed {
		t := d.find(ref.Ticket)
		if t == nil || d.role(t, d.thirdParty(t)) == "" {
			continue
		}
		d.leave(t)
		d.outcome = OnlyCommand
		if d.ticket == nil {
			d.ticket = t
		}
	}
	if d.outcome == OnlyCommand {
		return nil
	}
	return d.machine()
}

// human takes the letter of a person.
func (d *decider) human() error {
	if d.by.Proof != Unverified || !disowned(d.belief.verdict) {
		proven := d.by.Proof != Unverified || d.release != nil || !checked(d.belief.verdict)
		d.lifted = append(d.lifted, liftRow{addressKey{d.org.ID, d.from.Key()}, proven})
	}
	found := d.thread()
	if len(found.tickets) == 0 {
		return d.openAll(found.follows)
	}
	for _, t := range found.tickets {
		if err := d.answer(t, d.thirdParty(t)); err != nil {
			return err
		}
	}
	return nil
}

// answer adds the letter to a ticket and does what it asks for.
func (d *decider) answer(t *Ticket, thirdParty bool) error {
	if d.by.Staff || d.by.Loop == "" {
		d.personActs(t)
	}
	role := d.role(t, thirdParty)
	act := d.readCommands(t, role)
	kind, event := MessageEntry, notify.MessageReceived
	switch {
	case act.note:
		kind, event = NoteEntry, notify.NoteAdded
	case d.unprovenNote():
		kind = NoteEntry
	case role == command.Staff:
		kind, event = ReplyEntry, notify.ReplySent
	}
	d.outcome = OnlyCommand
	if d.hasWords() || !act.any {
		e := d.post(t, kind, thirdParty)
		d.warn(t)
		d.outcome = AddedEntry
		d.rejoin(t)
		before := t.Status
		d.statusAfter(t, kind, thirdParty)
		d.tell(t, happening{event: event, entry: e})
		d.tellStatus(t, before)
	}
	if act.any && d.ticket == nil {
		d.ticket = t
	}
	d.run(t, role, act)
	return nil
}

// thirdParty tells whether the sender takes no part in the ticket. He may take part in one of several that he writes to.
func (d *decider) thirdParty(t *Ticket) bool {
	return !d.by.Staff && (d.author == nil || t.participant(d.author.Person) == nil)
}

// warn tells staff, in the ticket, of a letter in the name of one of them that nothing proves.
func (d *decider) warn(t *Ticket) {
	if d.staff != nil && !d.by.Staff {
		d.event(t, "identity.unverified", "The sender's address is that of "+d.staff.Name+", but nothing proves that the letter is his.")
	}
}

// unprovenNote tells whether the letter is marked as a note in the name of a staff member whom nothing proves to have
// written it. Then it does nothing else that its commands say, but if he did write it, customers must not read it.
func (d *decider) unprovenNote() bool {
	return d.staff != nil && !d.by.Staff &&
		slices.ContainsFunc(d.commands, func(c command.Command) bool { return c.Name == command.Note })
}

// rejoin lets somebody who had left the ticket take part again, because he writes to it again.
func (d *decider) rejoin(t *Ticket) {
	if p := t.participant(d.by.Person); p != nil && !p.Subscribed && d.by.Proof.atLeast(ProofToken) {
		p.Subscribed = true
		d.touch(p)
	}
}

// role is what the sender may do in the ticket; "" for somebody who takes no part in it, or of whom only the From
// field says so: whoever forges a requester's From must not close his ticket, nor add himself to it.
func (d *decider) role(t *Ticket, thirdParty bool) command.Role {
	switch {
	case d.by.Staff:
		return command.Staff
	case thirdParty || d.author == nil || !d.by.Proof.atLeast(ProofToken):
		return ""
	case d.author.Person == t.Requester:
		return command.Requester
	}
	return command.Participant
}

// statusAfter moves the status as a person's public words do.
func (d *decider) statusAfter(t *Ticket, kind EntryKind, thirdParty bool) {
	switch {
	case kind == ReplyEntry:
		d.statusAfterReply(t)
	case kind != MessageEntry || thirdParty:
	case t.Status == Closed:
		d.setStatus(t, InProgress)
		d.event(t, "ticket.reopened", "Reopened by the answer of "+d.by.Name+".")
	case t.Status == Waiting:
		d.setStatus(t, InProgress)
	}
}

func (d *decider) hasWords() bool {
	return strings.TrimSpace(d.content.ReplyText) != "" || len(d.content.Attachments) > 0
}

// store makes the row of the letter.
func (d *decider) store() error {
	row := letterRow{
		organisation: d.org.ID, letter: d.letter.ID, receivedAt: d.letter.ReceivedAt,
		mailFrom: d.letter.MailFrom.String(), rcptTo: joinAddresses(d.recipients), fromAddress: d.from.String(),
		subject: octets.Clip(d.content.Subject, maxSubject), messageID: octets.Clip(d.content.MessageID, maxMessageID), kind: string(d.content.Kind),
		outcome: d.outcome, size: len(d.letter.Raw), received: d.letter.Received, parserVersion: message.ParserVersion,
		problem: cmp.Or(d.heldFor, d.problem), dedupe: d.dedupe, encoding: d.coding, raw: d.raw,
	}
	if d.ticket != nil {
		row.ticket = d.ticket.Number
	}
	d.trace.Warnings = d.content.Warnings
	var err error
	if row.trace, err = json.Marshal(d.trace); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	if row.session, err = json.Marshal(sessionFacts(d.letter.Session)); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if v := d.letter.Verdict; v.SPF.Result != "" || len(v.DKIM) > 0 {
		v.Believed = d.belief.claim
		if row.verdict, err = json.Marshal(v); err != nil {
			return fmt.Errorf("verdict: %w", err)
		}
	}
	if d.release != nil {
		d.scene.released = append(d.scene.released, row)
	} else {
		d.rows = append(d.rows, row)
		d.letters[threadKey{d.org.ID, d.dedupe}] = dupe{letter: d.letter.ID, receivedAt: d.now}
	}
	d.summary.outcome, d.summary.ticket, d.summary.proof, d.summary.mails = d.outcome, row.ticket, d.by.Proof, d.mails
	return nil
}
