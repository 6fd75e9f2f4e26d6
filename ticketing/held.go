package ticketing

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/outbound"
)

// A held letter is stored and does nothing until somebody decides: an admin releases or rejects it, or a staff member
// confirms that it is his, by replying to the one mail that asks him. Releasing takes it through the same
// decisions as when it came, but for the one that held it.

// templateConfirm is the mail that asks a staff member whether a letter is his.
const templateConfirm = "identity.confirm/staff"

// release says how a held letter is taken up again.
type release struct {
	confirmed bool // its author confirmed that it is his
}

// Release takes up a held letter; ErrNotFound when there is none with that id.
func (in *Intake) Release(ctx context.Context, organisation int32, letter id.ID) error {
	p, err := in.heldParcel(ctx, organisation, letter, release{})
	if err != nil {
		return err
	}
	if err := in.submit(ctx, p.job); err != nil {
		return err
	}
	return p.refused
}

// Reject ends a held letter. Its sender hears nothing: the answer was given when the letter was taken.
func (s *Service) Reject(ctx context.Context, organisation int32, letter id.ID) error {
	return updateRejected(ctx, s.pool, organisation, letter)
}

// heldParcel makes the job and parcel of a held letter, from what is stored of it.
func (in *Intake) heldParcel(ctx context.Context, organisation int32, letter id.ID, r release) (*parcel, error) {
	org := in.directory.Organisation(organisation)
	if org == nil {
		return nil, ErrNotFound
	}
	row, err := selectHeld(ctx, in.pool, organisation, letter)
	if err != nil {
		return nil, notFound(err)
	}
	l, err := row.letter(in.unzip)
	if err != nil {
		return nil, err
	}
	j := &job{ctx: ctx, letter: l, done: make(chan error, 1)}
	in.read(j)
	p := &parcel{job: j, tenant: org, recipients: l.Recipients, release: &r}
	j.parcels = []*parcel{p}
	p.sort()
	return p, nil
}

// submit hands a job to a writer and waits for its answer.
func (in *Intake) submit(ctx context.Context, j *job) error {
	select {
	case in.letters <- j:
	case <-ctx.Done():
		return fmt.Errorf("wait for a transaction: %w", ctx.Err())
	}
	// Once a writer has it, only its answer counts: we may not say "not now" to a letter it commits.
	return <-j.done
}

// heldRow is a stored letter, as far as taking it up again needs it.
type heldRow struct {
	id         id.ID
	receivedAt time.Time
	mailFrom   string
	rcptTo     string
	session    []byte
	verdict    []byte
	received   string
	encoding   string
	raw        []byte
}

// letter is the letter as it came.
func (r heldRow) letter(unzip func([]byte) ([]byte, error)) (*message.Letter, error) {
	l := &message.Letter{ID: r.id, ReceivedAt: r.receivedAt, Received: r.received, Raw: r.raw}
	var err error
	if r.encoding == "zstd" {
		if l.Raw, err = unzip(r.raw); err != nil {
			return nil, fmt.Errorf("decompress letter %s: %w", r.id, err)
		}
	}
	if r.mailFrom != "" {
		if l.MailFrom, err = address.Parse(r.mailFrom); err != nil {
			return nil, fmt.Errorf("stored sender of letter %s: %w", r.id, err)
		}
	}
	for s := range strings.FieldsSeq(r.rcptTo) {
		a, err := address.Parse(s)
		if err != nil {
			return nil, fmt.Errorf("stored recipient of letter %s: %w", r.id, err)
		}
		l.Recipients = append(l.Recipients, a)
	}
	var s storedSession
	if err := json.Unmarshal(r.session, &s); err != nil {
		return nil, fmt.Errorf("stored session of letter %s: %w", r.id, err)
	}
	l.Session = message.Session{PTR: s.PTR, Helo: s.Helo, TLS: s.TLS, Protocol: s.Protocol}
	l.Session.ID, _ = id.Parse(s.ID)
	l.Session.Client, _ = netip.ParseAddr(s.Client)
	if r.verdict != nil {
		if err := json.Unmarshal(r.verdict, &l.Verdict); err != nil {
			return nil, fmt.Errorf("stored verdict of letter %s: %w", r.id, err)
		}
	}
	return l, nil
}

// hold stores the letter without doing anything with it.
func (d *decider) hold(why string) {
	d.outcome, d.heldFor = HeldLetter, why
	d.scene.note("held: %s", why)
}

// askStaff holds a letter in a staff member's name that only came to his address, and asks him whether it is his. The
// question goes to the staff member's own mailbox, so whoever answers it reads that.
func (d *decider) askStaff() {
	d.hold("a letter in the name of " + d.staff.Name + " that only the address it came to speaks for; he is asked to confirm it")
	for _, ref := range d.signed {
		t := d.find(ref.Ticket)
		if t == nil {
			continue
		}
		tpl := d.org.template(templateConfirm, t.Category)
		v := d.values(t, Entry{Body: clip(d.content.ReplyText, maxQuestion)})
		v.Staff = true
		m := outbound.Message{
			Organisation: d.org.ID, ID: id.New(), Ticket: t.Number, Template: templateConfirm, AutoSubmitted: "auto-generated",
			FromName: d.org.Name, From: d.org.Signer.Confirm(d.supportDomain(t), d.letter.ID),
		}
		m.Subject, m.Text, m.HTML = tpl.Render(v)
		delivery := id.New()
		m.Deliveries = []outbound.Delivery{{
			ID: delivery, Recipient: d.staff.Primary, Name: d.staff.Name,
			MessageID: d.org.Signer.MessageID(d.supportDomain(t), t.Number, delivery),
		}}
		d.messages = append(d.messages, m)
		d.mails++
		return
	}
}

// maxQuestion is how much of a held letter its supposed author is shown.
const maxQuestion = 2000
