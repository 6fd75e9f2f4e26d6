package ticketing

import (
	"html"
	"strings"
	"unicode"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/octets"
	"mxdesk/outbound"
	"mxdesk/ticketing/guard"
)

// A letter in the name of a staff member that only the address it came to speaks for is held, and he is asked, at his own
// address, whether it is his. These must come together for a confirmation:
//
//   - The reply comes to an address signed for that letter, which nobody but he was ever sent.
//   - Its From is an address of his, and it is admitted like every letter: a From that DMARC disowns confirms nothing.
//   - A person wrote it: no mark of a machine, and its first line is a code. A machine that answers by itself begins
//     with words of its own; where it quotes our mail, or sends all of it back, that begins with a sentence, whatever an
//     organisation's template says, and its subject never holds the code. What the held letter says can not
//     help its author, because the code is made from our key and the letter's id.
//
// The questions are automatic mail, and pass the guards against loops: whoever got hold of the address cannot fill the mailbox.
//
// Whoever reads the staff member's mailbox can confirm, as he can do everything else in his name.

// The mails that ask a staff member whether a letter is his, and that tell him how to answer.
const (
	templateConfirm     = "identity.confirm/staff"
	templateUnconfirmed = "identity.unconfirmed/staff"
)

// maxQuestion is how much of a held letter its supposed author is shown.
const maxQuestion = 2000

// confirmFault is why a person's letter to a confirmation address does not confirm the held one; "" if it does.
func confirmFault(reply, held *parcel, code string) string {
	switch {
	case held.staff == nil || reply.staff == nil || reply.staff.ID != held.staff.ID: // the directory may be newer for one of them
		return "it is from another address than those of the staff member"
	case !saysCode(reply.content.ReplyText, code):
		return "its first line is not the code"
	}
	return ""
}

// saysCode tells whether the first line that holds a letter or a digit is the code and nothing else but marks.
func saysCode(text, code string) bool {
	for line := range strings.Lines(text) {
		word := strings.TrimFunc(line, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if word != "" {
			return strings.EqualFold(word, code)
		}
	}
	return false
}

// askStaff holds a letter in a staff member's name that only came to his address, and asks him whether it is his.
func (d *decider) askStaff() {
	d.note("admission: held: %s", reasonUnconfirmed)
	d.summary.reason = reasonUnconfirmed
	why := "a letter in the name of " + d.staff.Name + " that only the address it came to speaks for; "
	if d.ask(templateConfirm, d.parcel) {
		d.hold(why + "he is asked to confirm it")
	} else {
		d.hold(why + "a guard against loops kept the question back, so an admin has to decide")
	}
}

// confirms notes what the letter does for the held one, which is taken up beside it when it is confirmed.
func (d *decider) confirms() {
	d.outcome = OnlyCommand
	switch {
	case d.content.Kind != message.Human:
		d.outcome = Unhandled
		d.note("confirmation: an automatic answer confirms nothing")
	case d.release != nil:
		d.note("confirmation: an admin released this letter, not the one that it is about")
	case d.unconfirmed == nil:
		d.note("confirmation: of letter %s", d.confirm)
	default:
		d.outcome = Unhandled
		d.note("confirmation: does not count: %s", d.confirmFault)
		d.tellHow()
	}
}

// tellHow tells the staff member once how to confirm. Nobody else is told.
func (d *decider) tellHow() {
	k := letterKey{d.org.ID, d.confirm}
	if told, held := d.scene.askedAgain[k]; !held || told || d.unconfirmed.staff == nil {
		return
	}
	d.scene.askedAgain[k] = true
	d.toldHow = append(d.toldHow, k)
	if d.ask(templateUnconfirmed, d.unconfirmed) {
		d.note("confirmation: %s is told how", d.unconfirmed.staff.Primary)
	}
}

// ask writes to the staff member about the letter in his name, and tells whether it did. The question goes to his own
// mailbox, so whoever answers it reads that.
func (d *decider) ask(name string, about *parcel) bool {
	for _, ref := range about.signed {
		t := d.find(ref.Ticket)
		if t == nil {
			continue
		}
		code := d.org.Signer.ConfirmCode(about.letter.ID)
		v := d.values(t, Entry{Body: octets.Clip(about.content.ReplyText, maxQuestion)})
		v.Staff, v.Password = true, code
		m := outbound.Message{
			Organisation: d.org.ID, ID: id.New(), Ticket: t.Number, Template: name, AutoSubmitted: "auto-generated",
			FromName: d.org.Name, From: d.org.Signer.Confirm(d.supportDomain(t), about.letter.ID),
			RequireTLS: d.requiresTLS(t) || about.letter.Session.RequireTLS,
		}
		m.Subject, m.Text, m.HTML = d.org.template(name, t.Category).Render(v)
		m.Subject = strings.ReplaceAll(m.Subject, code, "")
		m.Text, m.HTML = withCode(m.Text, m.HTML, code)
		p := d.participantOf(t, &about.staff.told)
		if p == nil || !d.may(t, p, guard.Exact(m.Subject, m.Text)) {
			return false
		}
		m.Deliveries = []outbound.Delivery{{
			ID: id.New(), Recipient: about.staff.Primary, Name: about.staff.Name,
		}}
		m.Deliveries[0].MessageID = d.org.Signer.MessageID(d.supportDomain(t), t.Number, m.Deliveries[0].ID)
		d.messages = append(d.messages, m)
		d.mails++
		return true
	}
	return false
}

// withCode sees to it that a mail, whose template may be an organisation's own, tells the code, and does not begin with it: a
// machine that sends the mail back must not confirm by that.
func withCode(text, markup, code string) (string, string) {
	sentence := "To confirm, write the code " + code + " as the first line of your reply."
	if !strings.Contains(text, code) {
		text = strings.TrimRight(text, "\n") + "\n\n" + sentence + "\n"
	} else if saysCode(text, code) {
		text = sentence + "\n\n" + text
	}
	switch paragraph := "<p>" + html.EscapeString(sentence) + "</p>"; {
	case markup == "":
	case !strings.Contains(markup, code):
		markup += paragraph
	case saysCode(message.HTMLText(markup), code):
		markup = paragraph + markup
	}
	return text, markup
}
