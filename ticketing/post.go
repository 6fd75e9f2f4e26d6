package ticketing

import (
	"crypto/sha256"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/octets"
)

const (
	maxName       = 200 // bytes of a display name that are kept
	maxEntryBytes = 1 << 20
)

// post adds the letter's words to the ticket and notes its Message-ID.
func (d *decider) post(t *Ticket, kind EntryKind, thirdParty bool) Entry {
	c := d.content
	e := Entry{
		Organisation: d.org.ID, Ticket: t.Number, ID: id.New(), Kind: kind,
		AuthorName: d.by.Name, AuthorAddress: d.from.String(), Author: d.by.Person,
		Identity: d.by.Proof, ThirdParty: thirdParty, Letter: d.letter.ID, CreatedAt: d.now,
	}
	e.setContent(c)
	d.addEntry(e)
	for i, a := range c.Attachments {
		d.attachments = append(d.attachments, attachmentRow{d.org.ID, t.Number, e.ID, i, a})
	}
	if c.MessageID != "" {
		k := threadHash(d.org.ID, c.MessageID)
		d.ids = append(d.ids, threadRow{k, t.Number})
		d.threads[k] = append(d.threads[k], t.Number)
	}
	if p := t.participant(e.Author); p != nil && !thirdParty {
		d.sawLetter(p, c.MessageID)
	}
	if !t.fresh {
		d.change(t)
	}
	if d.ticket == nil {
		d.ticket = t
	}
	return e
}

// setContent makes the entry say what was read of its letter.
func (e *Entry) setContent(c *message.Content) {
	e.Body, e.FullText, e.HTML, e.MailKind = octets.Clip(c.ReplyText, maxEntryBytes), "", c.HTML, ""
	if len(e.HTML) > maxEntryBytes {
		e.HTML = "" // cut HTML is broken HTML; the letter itself is kept
	}
	if full := octets.Clip(c.Text, maxEntryBytes); full != e.Body {
		e.FullText = full
	}
	if c.Kind != message.Human {
		e.MailKind = string(c.Kind)
	}
}

func joinAddresses(list []address.Address) string {
	var b strings.Builder
	for i, a := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.String())
	}
	return b.String()
}

func rawAttachment(raw []byte) message.Attachment {
	return message.Attachment{
		Filename: "letter.eml", ContentType: "message/rfc822", Declared: "message/rfc822", Disposition: "attachment",
		SHA256: sha256.Sum256(raw), Data: raw,
	}
}

// storedSession is message.Session as stored: facts by their names.
type storedSession struct {
	ID       string `json:"id"`
	Client   string `json:"client"`
	PTR      string `json:"ptr,omitempty"`
	Helo     string `json:"helo"`
	TLS      string `json:"tls,omitempty"`
	Protocol string `json:"protocol"`

	RequireTLS bool `json:"require_tls,omitempty"`
}

func sessionFacts(s message.Session) storedSession {
	return storedSession{
		ID: s.ID.String(), Client: s.Client.String(), PTR: s.PTR, Helo: s.Helo, TLS: s.TLS, Protocol: s.Protocol, RequireTLS: s.RequireTLS,
	}
}
