package outbound

import (
	"context"
	"errors"
	"fmt"

	"mxdesk/internal/address"
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
		ID: l.DeliveryID, Organisation: who.name, FromName: c.FromName, From: from, ToName: l.RecipientName, To: to,
		Date: l.CreatedAt, MessageID: l.RFCMessageID, References: splitIDs(l.Refs), Automatic: c.AutoSubmitted,
		Unsubscribe: l.Unsubscribe, Subject: c.Subject, Text: c.BodyText, HTML: c.BodyHTML,
	}
	if !validMessageID(d.MessageID) {
		d.MessageID = who.signer.MessageID(from.Domain, l.TicketNumber, l.DeliveryID)
	}
	if err := addressDraft(d, l, c, who.signer); err != nil {
		return nil, nil, err
	}
	release, err = w.attach(ctx, l, c, d)
	if err != nil {
		return nil, nil, err
	}
	w.cpu <- struct{}{}
	body, err := sign(Compose(d), who.keys)
	<-w.cpu
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("%w: %w", errUnfit, err)
	}
	return &Letter{
		Organisation: l.OrganisationID, Delivery: l.DeliveryID, To: to, Body: body,
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
		ref.Participant = 0
	}
	if l.TicketNumber == 0 {
		return nil
	}
	d.Thread = signer.Thread(l.TicketNumber)
	if ref.Participant != 0 || c.SharedWith != "" {
		d.ReplyTo = signer.Ticket(d.From, ref)
	}
	return nil
}

// smallLetter is what a letter may take in memory without asking.
const smallLetter = 256 << 10

// attach loads the attachments that travel with the letter, within the ceiling and the memory budget.
func (w *Worker) attach(ctx context.Context, l *lease, c *content, d *Draft) (release func(), err error) {
	var take, omit []attachmentRow
	if c.AttachEntry && !c.EntryID.IsZero() {
		list, err := listAttachments(ctx, w.q.pool, l.OrganisationID, c)
		if err != nil {
			return nil, err
		}
		take, omit = chooseAttachments(list, w.cfg.AttachmentBytes)
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
		d.Omitted = append(d.Omitted, a.file(nil))
	}
	return release, nil
}

func (a attachmentRow) file(data []byte) Attachment {
	return Attachment{Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentID, Inline: a.Inline, Size: a.Size, Data: data}
}
