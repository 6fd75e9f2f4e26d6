package ticketing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/id"
	"mxdesk/internal/mailauth"
	"mxdesk/internal/message"
)

// MaxPage is the most rows of one page of a list.
const MaxPage = 200

// TicketFilter narrows a list of tickets; zero values do not. The newest tickets come first.
type TicketFilter struct {
	Status    Status
	Category  int32
	Owner     id.ID
	Unowned   bool
	Requester id.ID
	Before    int64 // only numbers below: the cursor; 0: from the newest
	Limit     int   // 1 to MaxPage; 0: 50
}

// TicketSummary is a ticket in a list.
type TicketSummary struct {
	Number         int64
	Subject        string
	Status         Status
	Priority       string
	Via            string
	Category       int32
	SupportAddress string
	Requester      id.ID
	RequesterName  string
	RequesterEmail string
	Owner          id.ID
	Tags           []string
	CreatedAt      time.Time
	UpdatedAt      time.Time
	ClosedAt       *time.Time
	DueAt          *time.Time
}

// Attachment is a file of an entry, without its content.
type Attachment struct {
	Entry       id.ID
	Position    int
	Filename    string
	ContentType string
	ContentID   string
	Inline      bool
	Size        int
	SHA256      []byte
}

// Tickets lists tickets, newest first.
func (s *Service) Tickets(ctx context.Context, organisation int32, f TicketFilter) ([]TicketSummary, error) {
	f.Limit = page(f.Limit)
	return selectTickets(ctx, s.pool, organisation, f)
}

func page(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, MaxPage)
}

// Ticket returns one ticket with its participants.
func (s *Service) Ticket(ctx context.Context, organisation int32, number int64) (*Ticket, error) {
	w := newWorld(s.clock(), s.directory.guards)
	want := newWanted()
	want.tickets[ticketKey{organisation, number}] = true
	b := &pgx.Batch{}
	w.queueTickets(b, want, false)
	if err := s.pool.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("read ticket: %w", err)
	}
	t := w.tickets[ticketKey{organisation, number}]
	if t == nil {
		return nil, ErrNotFound
	}
	return t, nil
}

// Entries returns entries of a ticket in the order of time, after the given one (zero: from the first).
func (s *Service) Entries(ctx context.Context, organisation int32, number int64, after id.ID, limit int) ([]Entry, error) {
	return selectEntries(ctx, s.pool, organisation, number, after, page(limit))
}

// Attachments returns the files of the ticket's entries, without content.
func (s *Service) Attachments(ctx context.Context, organisation int32, number int64) ([]Attachment, error) {
	return selectAttachments(ctx, s.pool, organisation, number)
}

// AttachmentContent returns one file.
func (s *Service) AttachmentContent(ctx context.Context, organisation int32, number int64, entry id.ID, position int) (Attachment, []byte, error) {
	a, data, err := selectAttachment(ctx, s.pool, organisation, number, entry, position)
	return a, data, notFound(err)
}

// LetterFilter narrows the inbound log. The newest letters come first.
type LetterFilter struct {
	Outcome Outcome
	Ticket  int64
	Address string    // of the author, the envelope sender or a recipient, in any case; the search reads from the newest on
	Since   time.Time // came then or later
	Until   time.Time // came before
	Before  id.ID     // the cursor; zero: from the newest
	Limit   int
}

// LetterSummary is one letter of the inbound log. Session, Verdict and Trace are as stored.
type LetterSummary struct {
	ID         id.ID
	ReceivedAt time.Time
	MailFrom   string
	RcptTo     string
	From       string
	Subject    string
	MessageID  string
	Kind       string
	Outcome    Outcome
	Ticket     int64 // 0: none
	Size       int
	Session    json.RawMessage
	Verdict    json.RawMessage // nil: not checked
	Trace      json.RawMessage
	Problem    string
}

// Letters lists the inbound log.
func (s *Service) Letters(ctx context.Context, organisation int32, f LetterFilter) ([]LetterSummary, error) {
	f.Limit = page(f.Limit)
	return selectLetters(ctx, s.pool, organisation, f)
}

// Letter returns one letter of the inbound log.
func (s *Service) Letter(ctx context.Context, organisation int32, letter id.ID) (LetterSummary, error) {
	l, err := selectLetter(ctx, s.pool, organisation, letter)
	return l, notFound(err)
}

// RawLetter returns a letter as it came, below our Received field and our Authentication-Results. Fields of that
// name in the letter that claim to be ours are left out (RFC 8601 section 5).
func (s *Service) RawLetter(ctx context.Context, organisation int32, letter id.ID) ([]byte, error) {
	r, err := selectRaw(ctx, s.pool, organisation, letter)
	if err != nil {
		return nil, notFound(err)
	}
	raw, err := s.decompress(r.encoding, r.raw)
	if err != nil {
		return nil, fmt.Errorf("letter %s: %w", letter, err)
	}
	var above []byte
	if r.verdict != nil {
		var v message.Verdict
		if err := json.Unmarshal(r.verdict, &v); err != nil {
			return nil, fmt.Errorf("stored verdict of letter %s: %w", letter, err)
		}
		above = append(above, mailauth.AuthenticationResults(s.AuthservID, v)...)
	}
	above = append(above, r.received...)
	return without(above, raw, mailauth.Forged(raw, s.AuthservID)), nil
}

// without appends raw to above, but for some parts of it.
func without(above, raw []byte, parts []mailauth.Range) []byte {
	from := 0
	for _, p := range parts {
		above = append(above, raw[from:p.Start]...)
		from = p.End
	}
	return append(above, raw[from:]...)
}

// decompress returns a letter that is stored with that encoding; the result may be raw itself.
func (s *Service) decompress(encoding string, raw []byte) ([]byte, error) {
	if encoding == "identity" {
		return raw, nil
	}
	out, err := s.zstd.DecodeAll(raw, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return out, nil
}

func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// Customer is the card of a person.
type Customer struct {
	Person id.ID
	Name   string
	Kind   string
	Emails []string
}

// People returns the names and addresses of persons, by id.
func (s *Service) People(ctx context.Context, organisation int32, persons []id.ID) (map[id.ID]Customer, error) {
	return selectPeople(ctx, s.pool, organisation, persons)
}
