package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/klauspost/compress/zstd"

	"mxdesk/internal/id"
	"mxdesk/outbound"
	"mxdesk/ticketing/notify"
)

// The reasons for which the service does not do what it was asked.
var (
	ErrNotFound = errors.New("not found")
	ErrChanged  = errors.New("somebody changed it meanwhile")
	ErrInvalid  = errors.New("not valid") // wrapped with what is wrong, fit to be shown
	ErrDenied   = errors.New("not allowed")
)

// Service is what staff and admins can ask for and do, besides mail. Every call is for one organisation.
type Service struct {
	// AuthservID names this server in the Authentication-Results of exported letters (RFC 8601 section 2.2).
	AuthservID string

	pool      *pgxpool.Pool
	directory *Directory
	queue     *outbound.Queue
	clock     func() time.Time
	zstd      *zstd.Decoder
}

// NewService makes a Service; a nil clock is time.Now.
func NewService(pool *pgxpool.Pool, directory *Directory, queue *outbound.Queue, clock func() time.Time) (*Service, error) {
	if clock == nil {
		clock = time.Now
	}
	dec, err := newDecoder()
	if err != nil {
		return nil, err
	}
	return &Service{AuthservID: "mxdesk.invalid", pool: pool, directory: directory, queue: queue, clock: clock, zstd: dec}, nil
}

func newDecoder() (*zstd.Decoder, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxRawLetter), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("decompression: %w", err)
	}
	return dec, nil
}

// maxRawLetter bounds what a stored letter may decompress to.
const maxRawLetter = 256 << 20

// Actor is who acts through the service: a staff member, or a program with a token.
type Actor struct {
	Organisation int32
	Person       id.ID  // zero for a program
	Name         string // shown as the author when there is no person
	Request      []byte // 32 octets that name what Reply or Note is asked: asked again, it does nothing more; nil: unnamed
}

// Patch is a change of a ticket; nil leaves a property as it is.
type Patch struct {
	Status   *Status
	Owner    *id.ID // zero: nobody
	Priority *string
	Category *int32
	Tags     *[]string
	DueAt    **time.Time

	RequireTLS *bool
}

// Reply posts a staff member's public words; customers are told.
func (s *Service) Reply(ctx context.Context, by Actor, number int64, text string) (Entry, error) {
	return s.write(ctx, by, number, text, ReplyEntry)
}

// Note posts words for staff alone.
func (s *Service) Note(ctx context.Context, by Actor, number int64, text string) (Entry, error) {
	return s.write(ctx, by, number, text, NoteEntry)
}

func (s *Service) write(ctx context.Context, by Actor, number int64, text string, kind EntryKind) (Entry, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxEntryBytes {
		return Entry{}, fmt.Errorf("%w: the text is empty or longer than 1 MiB", ErrInvalid)
	}
	var e Entry
	once := newOnce(by, number, kind, text)
	_, err := s.act(ctx, by, number, 0, func(sc *scene, t *Ticket) error {
		e = Entry{
			Organisation: sc.org.ID, Ticket: t.Number, ID: id.New(), Kind: kind, Body: text, CreatedAt: sc.now,
			Author: sc.by.Person, AuthorName: sc.by.Name, AuthorAddress: sc.by.Address.String(), Identity: ProofAPI,
		}
		sc.addEntry(e)
		if once != nil {
			once.ticket, once.entry = e.Ticket, e.ID
			sc.once = once
		}
		event, before := notify.NoteAdded, t.Status
		if kind == ReplyEntry {
			event = notify.ReplySent
			sc.statusAfterReply(t)
		}
		sc.change(t)
		sc.tell(t, happening{event: event, entry: e})
		sc.tellStatus(t, before)
		return nil
	})
	if isRepeated(err) {
		return s.madeBefore(ctx, by.Organisation, once)
	}
	return e, err
}

// Change changes a ticket. When version is not 0 it must be the ticket's, else ErrChanged.
func (s *Service) Change(ctx context.Context, by Actor, number int64, version int, p Patch) (*Ticket, error) {
	return s.act(ctx, by, number, version, func(sc *scene, t *Ticket) error {
		if err := sc.patchOwner(t, p.Owner); err != nil {
			return err
		}
		if err := sc.patchStatus(t, p.Status); err != nil {
			return err
		}
		return sc.patchProperties(t, p)
	})
}

func (s *scene) patchOwner(t *Ticket, owner *id.ID) error {
	if owner == nil || *owner == t.Owner {
		return nil
	}
	if owner.IsZero() {
		t.Owner = id.ID{}
		s.done(t, "ticket.unassigned", "nobody owns it now")
		return nil
	}
	m := s.org.Staff[*owner]
	if m == nil || m.State == "inactive" {
		return fmt.Errorf("%w: the owner is no active staff member", ErrInvalid)
	}
	event := "ticket.assigned"
	if m.ID == s.by.Person {
		event = "ticket.taken"
	}
	s.assign(t, m, event)
	return nil
}

func (s *scene) patchStatus(t *Ticket, to *Status) error {
	if to == nil || *to == t.Status {
		return nil
	}
	switch *to {
	case Closed:
		s.close(t)
		return nil
	case New, InProgress, Waiting:
	default:
		return fmt.Errorf("%w: the status is one of new, in_progress, waiting, closed", ErrInvalid)
	}
	s.changeStatus(t, *to)
	return nil
}

var priorities = []string{"low", "normal", "high", "urgent"}

func (s *scene) patchProperties(t *Ticket, p Patch) error {
	if p.Priority != nil && *p.Priority != t.Priority {
		if !slices.Contains(priorities, *p.Priority) {
			return fmt.Errorf("%w: the priority is one of %s", ErrInvalid, strings.Join(priorities, ", "))
		}
		t.Priority = *p.Priority
		s.done(t, "ticket.priority_changed", "set the priority to "+t.Priority)
	}
	if p.Category != nil && *p.Category != t.Category {
		to := s.org.Categories[*p.Category]
		if to == nil {
			return fmt.Errorf("%w: there is no such category", ErrInvalid)
		}
		s.move(t, to)
	}
	if p.Tags != nil {
		for _, tag := range *p.Tags {
			if tag == "" || len(tag) > 60 || strings.ContainsFunc(tag, func(r rune) bool { return r <= ' ' }) {
				return fmt.Errorf("%w: a tag is one word of at most 60 bytes", ErrInvalid)
			}
		}
		t.Tags = slices.Clone(*p.Tags)
		s.done(t, "ticket.tagged", "set the tags")
	}
	if p.RequireTLS != nil && *p.RequireTLS != t.RequireTLS {
		what := "mail about it leaves over verified TLS alone"
		if t.RequireTLS = *p.RequireTLS; !t.RequireTLS {
			what = "mail about it needs no verified TLS any more"
		}
		s.done(t, "ticket.tls_changed", what)
	}
	if p.DueAt != nil {
		t.DueAt = *p.DueAt
		s.done(t, "ticket.due", "set the due time")
	}
	return nil
}

// act loads a ticket, lets f act on it and commits.
func (s *Service) act(ctx context.Context, by Actor, number int64, version int, f func(*scene, *Ticket) error) (*Ticket, error) {
	org := s.directory.Organisation(by.Organisation)
	if org == nil {
		return nil, ErrNotFound
	}
	var t *Ticket
	var w *world
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		w = newWorld(s.clock().UTC().Truncate(time.Microsecond), s.directory.guards)
		want := newWanted()
		want.tickets[ticketKey{org.ID, number}] = true
		want.recent = org.recent
		if err := w.load(ctx, tx, want, false); err != nil {
			return fmt.Errorf("look up ticket: %w", err)
		}
		sc := &scene{world: w, org: org, by: by.actor(org)}
		if t = sc.find(number); t == nil {
			return ErrNotFound
		}
		if version != 0 && version != t.Version {
			return ErrChanged
		}
		sc.personActs(t)
		if err := f(sc, t); err != nil {
			return err
		}
		b := &pgx.Batch{}
		if sc.once != nil {
			queueOnce(b, org.ID, sc.once)
		}
		if p := t.participant(by.Person); p != nil { // who acts on it has seen it
			s.queue.QueueCancelSeen(b, org.ID, t.Number, p.No)
		}
		return s.flush(ctx, tx, w, b)
	})
	if err != nil {
		return nil, err
	}
	s.directory.guards.record(w)
	s.queue.Hint()
	return t, nil
}

// Seen notes that a staff member has seen what there is in a ticket: mails that still wait for that are not sent any more. It
// tells how many.
func (s *Service) Seen(ctx context.Context, by Actor, number int64) (int, error) {
	if by.Person.IsZero() {
		return 0, fmt.Errorf("%w: the token speaks for no person who could have seen anything", ErrInvalid)
	}
	t, err := s.Ticket(ctx, by.Organisation, number)
	if err != nil {
		return 0, err
	}
	p := t.participant(by.Person)
	if p == nil {
		return 0, nil
	}
	return s.queue.CancelSeen(ctx, by.Organisation, t.Number, p.No)
}

func (a Actor) actor(org *Organisation) actor {
	by := actor{Person: a.Person, Name: a.Name, Staff: true, Proof: ProofAPI, NoAnswer: "it came through the API"}
	if m := org.Staff[a.Person]; m != nil {
		by.Name, by.Address = m.Name, m.Primary
	}
	return by
}
