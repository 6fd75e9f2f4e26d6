package outbound

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

// errUnfit is wrapped by the error for a letter that cannot be made as it is stored.
var errUnfit = errors.New("letter cannot be composed")

// compose makes the letter of one delivery, signed. While a large
// one is in memory, its size is taken out of the worker's budget: release gives it back.
func (w *Worker) compose(ctx context.Context, l *lease, c *content) (_ *Letter, release func(), err error) {
	from, err := address.Parse(c.FromAddress)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: From: %w", errUnfit, err)
	}
	to, err := address.Parse(l.Recipient)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: recipient: %w", errUnfit, err)
	}
	who, err := w.directory.identity(ctx, l.OrganisationID, from.Domain)
	if err != nil {
		return nil, nil, err
	}
	d := &Draft{
		ID: l.DeliveryID, Organisation: who.name, ListDomain: who.listDomain, FromName: c.FromName, From: from, ToName: l.RecipientName, To: to,
		Date: l.CreatedAt, MessageID: l.RFCMessageID, References: splitIDs(l.Refs), Automatic: c.AutoSubmitted,
		Unsubscribe: l.Unsubscribe, Subject: c.Subject, Text: c.BodyText, HTML: c.BodyHTML,
	}
	if !validMessageID(d.MessageID) {
		d.MessageID = who.signer.MessageID(from.Domain, l.TicketNumber, l.DeliveryID)
	}
	anyTLS := false
	if c.TicketNumber == 0 && c.BodyText == "" {
		if d.Prepared, anyTLS, err = preparedBody(ctx, w.q.pool, l.OrganisationID, l.MessageID); err != nil {
			return nil, nil, err
		}
	}
	if err := addressDraft(d, l, c, who.signer); err != nil {
		return nil, nil, err
	}
	w.link(d, l, c, who.signer)
	release, err = w.attach(ctx, l, c, d, who.signer)
	if err != nil {
		return nil, nil, err
	}
	free := w.processors.take()
	body, err := sign(Compose(d), who.keys, d.Date)
	free()
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("%w: %w", errUnfit, err)
	}
	return &Letter{
		Organisation: l.OrganisationID, Delivery: l.DeliveryID, To: to, Body: body, RequireTLS: l.RequireTLS, AnyTLS: anyTLS,
		From: who.signer.ReturnPath(from.Domain, l.DeliveryID),
	}, release, nil
}

// addressDraft adds what depends on the ticket and on whom the letter names.
func addressDraft(d *Draft, l *lease, c *content, signer *address.Signer) error {
	ref := address.TicketRef{Ticket: l.TicketNumber, Participant: l.ParticipantNo}
	if c.SharedWith != "" {
		everybody, err := parseShared(c.SharedWith)
		if err != nil {
			return fmt.Errorf("%w: recipients: %w", errUnfit, err)
		}
		d.ID, d.ToName, d.To, d.Cc = l.MessageID, everybody[0].Name, everybody[0].Address, everybody[1:]
		ref.Participant, d.Shared = 0, true
	}
	if l.TicketNumber == 0 {
		return nil
	}
	d.Ticket, d.Thread = l.TicketNumber, c.ThreadIndex
	if d.Thread == nil {
		d.Thread = newThread(signer.Thread(l.TicketNumber))
	}
	if ref.Participant != 0 || c.SharedWith != "" {
		d.ReplyTo = signer.Ticket(d.From, ref)
	}
	return nil
}

// LeavePath is where the pages to unsubscribe lie, and FilePath attachments; a token follows.
const (
	LeavePath = "/u/"
	FilePath  = "/a/"
)

// LeaveMark stands in the words of a message for the link by which each of its recipients unsubscribes. Nobody can write it
// before the message has its id.
func LeaveMark(webURL string, message id.ID) string { return webURL + LeavePath + message.String() }

// FileLink is where an attachment can be fetched.
func FileLink(webURL string, signer *address.Signer, organisation int32, f address.FileRef) string {
	return webURL + FilePath + signer.FileToken(organisation, f)
}

// link puts the recipient's own link to unsubscribe into the letter. A letter to several has none: whoever got it could make
// the others leave.
func (w *Worker) link(d *Draft, l *lease, c *content, signer *address.Signer) {
	if w.cfg.WebURL == "" || c.SharedWith != "" || l.TicketNumber == 0 || l.ParticipantNo == 0 {
		return
	}
	path := LeavePath + signer.LeaveToken(l.OrganisationID, address.TicketRef{Ticket: l.TicketNumber, Participant: l.ParticipantNo})
	mark := LeavePath + l.MessageID.String()
	d.Text, d.HTML = strings.ReplaceAll(d.Text, mark, path), strings.ReplaceAll(d.HTML, mark, path)
	if l.Unsubscribe && strings.HasPrefix(w.cfg.WebURL, "https://") { // RFC 8058 section 3.1 wants TLS
		d.LeaveURL = w.cfg.WebURL + path
	}
}

// smallLetter is what a letter may take in memory without asking.
const smallLetter = 256 << 10

// attach loads the attachments that travel with the letter, within the ceiling and the memory budget.
func (w *Worker) attach(ctx context.Context, l *lease, c *content, d *Draft, signer *address.Signer) (release func(), err error) {
	var take, omit []attachmentRow
	if c.AttachEntry && !c.EntryID.IsZero() {
		list, err := listAttachments(ctx, w.q.pool, l.OrganisationID, c)
		if err != nil {
			return nil, err
		}
		room := w.cfg.LetterBytes - headerRoom - len(d.Cc)*mailboxRoom - len(list)*omittedRoom - wordsSize(d.Text) - wordsSize(d.HTML)
		take, omit = chooseAttachments(list, referred(d.HTML), room)
	}
	weight := int64(2 * (len(d.Text) + len(d.HTML)))
	positions := make([]int, len(take))
	for i, a := range take {
		weight += int64(a.Size) * 4 // decoded, encoded, signed, and growing in between
		positions[i] = a.Position
	}
	release = func() {}
	if weight = min(weight, w.cfg.MemoryBytes); weight > smallLetter {
		if err := w.memory.Acquire(ctx, weight); err != nil {
			return nil, fmt.Errorf("wait for memory: %w", err)
		}
		release = func() { w.memory.Release(weight) }
	}
	if len(take) > 0 {
		data, err := attachmentData(ctx, w.q.pool, l.OrganisationID, c, positions)
		if err != nil {
			release()
			return nil, err
		}
		for _, a := range take {
			d.Attachments = append(d.Attachments, a.file(data[a.Position]))
		}
	}
	for _, a := range omit {
		named := a.file(nil)
		if w.cfg.WebURL != "" && c.LinksUntil != nil {
			named.URL = FileLink(w.cfg.WebURL, signer, l.OrganisationID, address.FileRef{
				Ticket: c.TicketNumber, Entry: c.EntryID, Position: a.Position, Expires: *c.LinksUntil,
			})
		}
		d.Omitted = append(d.Omitted, named)
	}
	return release, nil
}

func (a attachmentRow) file(data []byte) Attachment {
	return Attachment{Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentID, Size: a.Size, Data: data}
}
