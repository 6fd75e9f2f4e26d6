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
)

// A held letter is stored and does nothing until somebody decides: an admin releases or rejects it, or a staff member
// confirms that it is his, by replying to the one mail that asks him. Releasing takes it through the same
// decisions as when it came, but for the one that held it.

// release says how a held letter is taken up again.
type release struct {
	confirmed *parcel // its author confirmed that it is his, by this letter; nil when an admin releases it
}

// stands tells whether the letter that confirms a held one was itself taken: it may be refused, held, or have come before.
func (r *release) stands() bool {
	return r.confirmed == nil || r.confirmed.refused == nil && r.confirmed.heldFor == "" && r.confirmed.known.IsZero()
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
	l.Session = message.Session{PTR: s.PTR, Helo: s.Helo, TLS: s.TLS, Protocol: s.Protocol, RequireTLS: s.RequireTLS}
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
