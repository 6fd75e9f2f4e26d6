package ticketing

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mxdesk/internal/address"
	"mxdesk/outbound"
	"mxdesk/ticketing/notify"
	"mxdesk/ticketing/template"
)

// ErrExpired is returned for a link that led somewhere once.
var ErrExpired = errors.New("the link is too old")

// webURL is where browsers reach the public pages; "": nowhere.
func (o *Organisation) webURL() string {
	if o.directory == nil {
		return ""
	}
	return o.directory.WebURL
}

// canShare tells whether the mail of a notice may be one letter to several: not the answer to somebody, and not what
// only staff may read. One address in its header that is not ASCII would keep it from everybody whose server lacks SMTPUTF8
// (RFC 6531), so whoever has such an address gets a letter of his own.
func canShare(t *Ticket, n notify.Notice) bool {
	p := t.participant(n.Person.ID)
	return n.Audience != notify.ToStaff && !n.Answer && p != nil && p.Address.ASCII()
}

// sharesMail tells whether the customers among those who are told get one letter together.
func (s *scene) sharesMail(t *Ticket, h happening, notices []notify.Notice) bool {
	if !personal(h) || !s.category(t).Settings.OneMailToAll {
		return false
	}
	customers := 0
	for _, n := range notices {
		if canShare(t, n) {
			customers++
		}
	}
	return customers > 1
}

// addLinks lets the words of a mail name the public pages: the reader's own link to unsubscribe, which outbound puts in, and
// the attachments of the entry. Those of a note have no links: whoever has one can use it.
func (s *scene) addLinks(t *Ticket, m *outbound.Message, v *template.Values, h happening) {
	web := s.org.webURL()
	if web == "" {
		return
	}
	if !m.Shared {
		v.Unsubscribe = outbound.LeaveMark(web, m.ID)
	}
	if !personal(h) || h.entry.Kind == NoteEntry {
		return
	}
	until := s.now.AddDate(0, 0, s.category(t).Settings.AttachmentLinkDays)
	if m.AttachEntry {
		m.LinksUntil = until
	}
	i := 0
	for _, a := range s.attachments {
		if a.entry != h.entry.ID || a.Inline {
			continue
		}
		v.RecentAttachments[i].URL = outbound.FileLink(web, s.org.Signer, s.org.ID, address.FileRef{
			Ticket: t.Number, Entry: a.entry, Position: a.position, Expires: until,
		})
		i++
	}
}

// nobody checks the tokens of organisations that do not exist, so that this takes as long as for others.
var nobody = address.NewSigner(make([]byte, address.MinKey))

// signerOf is the organisation that a token names, and its signer; without an organisation the token is wrong, whatever the
// signer says.
func (s *Service) signerOf(token string) (*Organisation, *address.Signer) {
	number, ok := address.TokenOrganisation(token)
	if org := s.directory.Organisation(number); ok && org != nil {
		return org, org.Signer
	}
	return nil, nobody
}

// Leaving is what a link to unsubscribe would do.
type Leaving struct {
	Organisation string
	Ticket       int64
	org          *Organisation
	ref          address.TicketRef
}

// Leaving tells what the token of a link does, and does nothing.
func (s *Service) Leaving(token string) (Leaving, error) {
	org, signer := s.signerOf(token)
	ref, ok := signer.ParseLeaveToken(token)
	if !ok || org == nil {
		return Leaving{}, ErrNotFound
	}
	return Leaving{Organisation: org.Name, Ticket: ref.Ticket, org: org, ref: ref}, nil
}

// Leave does what the command #unsubscribe# does, for the participant whom the token names. Done again it does nothing.
func (s *Service) Leave(ctx context.Context, token string) error {
	l, err := s.Leaving(token)
	if err != nil {
		return err
	}
	_, err = s.act(ctx, Actor{Organisation: l.org.ID, Name: "link"}, l.ref.Ticket, 0, func(sc *scene, t *Ticket) error {
		p := sc.tickets[ticketKey{l.org.ID, l.ref.Ticket}].byNumber(l.ref.Participant) // t may be what that was merged into
		if p == nil {
			return ErrNotFound
		}
		sc.by = actor{
			Person: p.Person, Name: p.Name, Address: p.Address, Proof: ProofToken, Staff: sc.org.Staff[p.Person] != nil,
		}
		if sc.by.Name == "" {
			sc.by.Name = p.Address.String()
		}
		sc.leave(t)
		return nil
	})
	return err
}

// File is an attachment that a link leads to.
type File struct {
	Name        string
	ContentType string
	Size        int

	organisation int32
	sha256       []byte
}

// fileChunk is how much of a file is in memory at once.
const fileChunk = 256 << 10

// LinkedFile finds the attachment that a token names. What belongs to a note is not found, even if it was no note when
// the link was made.
func (s *Service) LinkedFile(ctx context.Context, token string) (File, error) {
	org, signer := s.signerOf(token)
	ref, ok := signer.ParseFileToken(token)
	if !ok || org == nil {
		return File{}, ErrNotFound
	}
	if !s.clock().Before(ref.Expires) {
		return File{}, ErrExpired
	}
	f, err := selectLinkedFile(ctx, s.pool, org.ID, ref)
	if err != nil {
		return File{}, notFound(err)
	}
	return f, nil
}

// CopyFile writes the content of a file, a piece at a time.
func (s *Service) CopyFile(ctx context.Context, to io.Writer, f File) error {
	for from := 0; from < f.Size; from += fileChunk {
		data, err := selectPiece(ctx, s.pool, f, from)
		if err != nil {
			return fmt.Errorf("read attachment: %w", err)
		}
		if len(data) != min(fileChunk, f.Size-from) {
			return fmt.Errorf("read attachment: %w", io.ErrUnexpectedEOF)
		}
		if _, err := to.Write(data); err != nil {
			return fmt.Errorf("send attachment: %w", err)
		}
	}
	return nil
}
