package ticketing

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/octets"
	"mxdesk/ticketing/command"
)

// reprocessPage is how many letters are looked up at once, and after how many progress is told.
const reprocessPage = 200

// unreadSubject names the ticket of a letter that could not be read.
const unreadSubject = "(a letter that could not be read)"

// Reprocess says which stored letters are read again.
type Reprocess struct {
	Organisation int32 // 0: every one
	Letter       id.ID // this letter alone, whoever read it; zero: all that are old
	All          bool  // those too that the present reader has read
	After        id.ID // only letters after this one: where an earlier run with All stopped

	Progress func(Reprocessed)           // told now and then; may be nil
	Failed   func(letter id.ID, _ error) // told of a letter that stays as it is; may be nil
}

// Reprocessed counts what reading again has done so far.
type Reprocessed struct {
	Read    int   // letters
	Changed int   // of them, letters whose entries, files or kind are different now
	Failed  int   // letters that stay as they are
	Last    id.ID // the last letter that was looked at
}

// Reprocess reads stored letters again with the present reader, and writes what that gives into the entries they
// became: words, HTML, files and kind. Which ticket a letter belongs to and who was told of it stay as they are. Each
// letter is committed alone, so a run that was stopped goes on where it was. A letter on which we fail is told to Failed
// and stays as it is. The error is ErrNotFound when the one letter that was asked for does not exist.
func (s *Service) Reprocess(ctx context.Context, r Reprocess) (Reprocessed, error) {
	var done Reprocessed
	for _, o := range s.directory.Organisations() {
		if r.Organisation != 0 && r.Organisation != o.ID {
			continue
		}
		var err error
		if r.Letter.IsZero() {
			err = s.reprocessIn(ctx, o.ID, &r, &done)
		} else {
			err = s.reprocessOne(ctx, o.ID, r.Letter, &r, &done)
		}
		if err != nil {
			return done, err
		}
	}
	if !r.Letter.IsZero() && done.Read+done.Failed == 0 {
		return done, ErrNotFound
	}
	return done, nil
}

// reprocessIn walks through the letters of one organisation, oldest first.
func (s *Service) reprocessIn(ctx context.Context, organisation int32, r *Reprocess, done *Reprocessed) error {
	for after := r.After; ; {
		page, err := selectStaleLetters(ctx, s.pool, organisation, after, r.All, reprocessPage)
		if err != nil {
			return fmt.Errorf("look up old letters: %w", err)
		}
		for _, letter := range page {
			if err := s.reprocessOne(ctx, organisation, letter, r, done); err != nil {
				return err
			}
		}
		if r.Progress != nil && len(page) > 0 {
			r.Progress(*done)
		}
		if len(page) < reprocessPage {
			return nil
		}
		after = page[len(page)-1]
	}
}

// reprocessOne reads one letter again and counts it. Only what will fail for every letter is an error.
func (s *Service) reprocessOne(ctx context.Context, organisation int32, letter id.ID, r *Reprocess, done *Reprocessed) error {
	found, changed, err := s.reread(ctx, organisation, letter, r.All || !r.Letter.IsZero())
	done.Last = letter
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		done.Failed++
		if r.Failed != nil {
			r.Failed(letter, err)
		}
		// One letter may be damaged; a database that is away is no matter of letters.
		if pingErr := s.pool.Ping(ctx); pingErr != nil {
			return fmt.Errorf("reach the database: %w", pingErr)
		}
	case found:
		done.Read++
		if changed {
			done.Changed++
		}
	}
	return nil
}

// reread reads one letter again, in one transaction. found is false when the letter is gone or is not old any more.
func (s *Service) reread(ctx context.Context, organisation int32, letter id.ID, all bool) (found, changed bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		l, err := lockLetter(ctx, tx, organisation, letter, all)
		if err != nil || l == nil {
			return err
		}
		found = true
		raw, err := s.decompress(l.Encoding, l.Raw)
		if err != nil {
			return err
		}
		from, _ := address.Parse(l.MailFrom) // what was stored parses, and "" is the null return path
		c := message.Read(raw, message.Envelope{NullSender: from.IsZero(), MailFrom: l.MailFrom})
		b := &pgx.Batch{}
		if changed, err = queueReread(ctx, tx, b, organisation, letter, c); err != nil {
			return err
		}
		b.Queue(sqlUpdateLetterRead, organisation, letter, string(c.Kind), octets.Clip(c.Subject, maxSubject), message.ParserVersion)
		if l.Outcome == UnprocessedBy {
			changed = true
			if subject := ticketSubject(c); subject != "" {
				b.Queue(sqlUpdateUnreadSubject, organisation, l.Ticket, subject, unreadSubject)
			}
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return found, false, fmt.Errorf("read letter %s again: %w", letter, err)
	}
	return found, changed, nil
}

// queueReread queues the entries of a letter as they are to be now; those that are so already are left alone.
func queueReread(ctx context.Context, tx pgx.Tx, b *pgx.Batch, organisation int32, letter id.ID, c *message.Content) (changed bool, err error) {
	entries, err := selectLetterEntries(ctx, tx, organisation, letter)
	if err != nil {
		return false, err
	}
	for _, old := range entries {
		e := old
		e.setContent(c)
		if e != old {
			changed = true
			b.Queue(sqlUpdateEntryText, e.Organisation, e.Ticket, e.ID, e.MailKind, e.Body, e.FullText, e.HTML)
		}
		files, err := selectEntryFiles(ctx, tx, e)
		if err != nil {
			return false, err
		}
		if slices.EqualFunc(files, c.Attachments, sameFile) {
			continue
		}
		changed = true
		b.Queue(sqlDeleteEntryFiles, e.Organisation, e.Ticket, e.ID)
		w := &world{}
		for i, a := range c.Attachments {
			w.attachments = append(w.attachments, attachmentRow{e.Organisation, e.Ticket, e.ID, i, a})
		}
		w.queueAttachments(b)
	}
	return changed, nil
}

func sameFile(f storedFile, a message.Attachment) bool {
	return f.Filename == a.Filename && f.ContentType == a.ContentType && f.DeclaredType == a.Declared && f.ContentID == a.ContentID &&
		f.Inline == a.Inline && bytes.Equal(f.SHA256, a.SHA256[:])
}

// ticketSubject is the subject of the ticket that a letter opens: without prefixes, ticket tag and commands.
func ticketSubject(c *message.Content) string {
	subject := c.SubjectClean
	if _, rest, ok := command.TicketTag(subject); ok {
		subject = rest
	}
	clean, _ := command.Parse(octets.Clip(subject, maxSubject))
	return clean
}
