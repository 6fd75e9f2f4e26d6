package admin

import (
	"context"
	"crypto/sha256"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/ticketing"
)

type ticketQuery struct {
	Scope
	Paging
	Cursor    ticketID   `query:"cursor" doc:"From next of the page before"`
	Status    string     `query:"status" enum:"new,in_progress,waiting,closed"`
	Category  categoryID `query:"category"`
	Owner     personID   `query:"owner"`
	Unowned   bool       `query:"unowned" doc:"Only those that nobody works on"`
	Requester personID   `query:"requester"`
}

func (a *API) listTickets(ctx context.Context, in *ticketQuery) (*body[page[TicketSummary]], error) {
	org := orgOf(ctx)
	rows, err := a.service.Tickets(ctx, org.ID, ticketing.TicketFilter{
		Status: ticketing.Status(in.Status), Category: in.Category.number(), Owner: in.Owner.id(), Unowned: in.Unowned,
		Requester: in.Requester.id(), Before: in.Cursor.number(), Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, rows, in.Limit,
		func(t ticketing.TicketSummary) TicketSummary { return wireSummary(org, t) },
		func(t ticketing.TicketSummary) string { return string(writeNumber[ticketID]("tkt", t.Number)) }), nil
}

func (a *API) getTicket(ctx context.Context, in *One) (*tagged[ticket], error) {
	t, err := a.service.Ticket(ctx, orgOf(ctx).ID, in.Ticket.number())
	if err != nil {
		return nil, err
	}
	return showTicket(ctx, t), nil
}

func showTicket(ctx context.Context, t *ticketing.Ticket) *tagged[ticket] {
	return &tagged[ticket]{ETag: strconv.Quote(strconv.Itoa(t.Version)), Body: wireTicket(orgOf(ctx), t)}
}

type ticketChange struct {
	One
	IfMatch string      `header:"If-Match" maxLength:"100" doc:"The ETag of what you have seen: 412 if it has changed since"`
	Body    ticketPatch `contentType:"application/merge-patch+json"`
}

func (a *API) changeTicket(ctx context.Context, in *ticketChange) (*tagged[ticket], error) {
	version, err := readIfMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	patch, err := readPatch(orgOf(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	t, err := a.service.Change(ctx, callerOf(ctx).by(), in.Ticket.number(), version, patch)
	if err != nil {
		return nil, err
	}
	return showTicket(ctx, t), nil
}

// readIfMatch is the version that a ticket must have, 0 for any. A weak tag matches nothing (RFC 9110 section 13.1.1).
func readIfMatch(s string) (int, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == "*" {
		return 0, nil
	}
	if strings.HasPrefix(s, "W/") {
		return 0, ticketing.ErrChanged
	}
	if len(s) < 3 || s[0] != '"' || s[len(s)-1] != '"' || strings.Contains(s[1:len(s)-1], `"`) {
		return 0, errIfMatch
	}
	version, err := strconv.Atoi(s[1 : len(s)-1])
	if err != nil || version <= 0 {
		return 0, ticketing.ErrChanged // well formed, but never ours
	}
	return version, nil
}

// readPatch checks what only the organisation can tell, so that the answer can name the field.
func readPatch(org *ticketing.Organisation, in ticketPatch) (p ticketing.Patch, err error) {
	for _, f := range []struct {
		name string
		null bool
	}{{"status", in.Status.null}, {"priority", in.Priority.null}, {"category", in.Category.null}, {"require_tls", in.RequireTLS.null}} {
		if f.null {
			return p, invalid{"body." + f.name, "it cannot be taken away, only changed"}
		}
	}
	if in.Status.sent {
		status := ticketing.Status(in.Status.value)
		p.Status = &status
	}
	if in.Priority.sent {
		p.Priority = &in.Priority.value
	}
	if in.Category.sent {
		category := in.Category.value.number()
		if org.Categories[category] == nil {
			return p, invalid{"body.category", "there is no such category"}
		}
		p.Category = &category
	}
	if in.Owner.sent {
		owner := in.Owner.value.id()
		if m := org.Staff[owner]; !in.Owner.null && (m == nil || m.State == "inactive") {
			return p, invalid{"body.owner", "it is no active staff member"}
		}
		p.Owner = &owner
	}
	if in.RequireTLS.sent {
		p.RequireTLS = &in.RequireTLS.value
	}
	if in.Tags.sent {
		tags := listed(in.Tags.value)
		p.Tags = &tags
	}
	if in.DueAt.sent {
		var due *time.Time
		if !in.DueAt.null {
			at := in.DueAt.value.UTC()
			due = &at
		}
		p.DueAt = &due
	}
	return p, nil
}

type entryQuery struct {
	One
	Paging
	Cursor entryID `query:"cursor" doc:"From next of the page before"`
}

func (a *API) listEntries(ctx context.Context, in *entryQuery) (*body[page[entry]], error) {
	org, number := orgOf(ctx).ID, in.Ticket.number()
	rows, err := a.service.Entries(ctx, org, number, in.Cursor.id(), in.Limit+1)
	if err == nil && len(rows) == 0 {
		_, err = a.service.Ticket(ctx, org, number) // nothing in it, or no ticket at all?
	}
	if err != nil {
		return nil, err
	}
	return paged(ctx, rows, in.Limit, wireEntry,
		func(e ticketing.Entry) string { return string(writeID[entryID]("ent", e.ID)) }), nil
}

type newEntry struct {
	One
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"Chosen by you, new for each thing to be done: the same request sent again does nothing more, and has the same answer. Kept for 24 hours."`
	Body words
}

func (a *API) reply(ctx context.Context, in *newEntry) (*created[entry], error) {
	return a.write(ctx, in, a.service.Reply)
}

func (a *API) note(ctx context.Context, in *newEntry) (*created[entry], error) {
	return a.write(ctx, in, a.service.Note)
}

func (a *API) write(ctx context.Context, in *newEntry, post func(context.Context, ticketing.Actor, int64, string) (ticketing.Entry, error)) (*created[entry], error) {
	if strings.TrimSpace(in.Body.Text) == "" {
		return nil, invalid{"body.text", "it holds no words"}
	}
	if strings.ContainsRune(in.Body.Text, 0) {
		return nil, invalid{"body.text", "it holds a NUL, which cannot be stored"}
	}
	by := callerOf(ctx).by()
	if in.Key != "" {
		by.Request = requestKeyOf(callerOf(ctx).Token, in.Key)
	}
	e, err := post(ctx, by, in.Ticket.number(), in.Body.Text)
	if err != nil {
		return nil, err
	}
	return &created[entry]{Location: fmt.Sprintf("/v1/tickets/tkt_%d/entries", e.Ticket), Body: wireEntry(e)}, nil
}

// requestKeyOf keeps the keys of different tokens apart.
func requestKeyOf(token id.ID, key string) []byte {
	sum := sha256.Sum256(append(token[:], key...))
	return sum[:]
}

func (a *API) listAttachments(ctx context.Context, in *One) (*body[page[attachment]], error) {
	org, number := orgOf(ctx).ID, in.Ticket.number()
	rows, err := a.service.Attachments(ctx, org, number)
	if err == nil && len(rows) == 0 {
		_, err = a.service.Ticket(ctx, org, number)
	}
	if err != nil {
		return nil, err
	}
	out := page[attachment]{Items: make([]attachment, 0, len(rows))}
	for _, row := range rows {
		out.Items = append(out.Items, wireAttachment(number, row))
	}
	return &body[page[attachment]]{out}, nil
}

type attachmentPath struct {
	One
	Entry    entryID `path:"entry"`
	Position int     `path:"position" minimum:"0" maximum:"100000"`
}

func (a *API) getAttachment(ctx context.Context, in *attachmentPath) (*file, error) {
	about, data, err := a.service.AttachmentContent(ctx, orgOf(ctx).ID, in.Ticket.number(), in.Entry.id(), in.Position)
	if err != nil {
		return nil, err
	}
	return &file{Type: harmlessType(about.ContentType), Disposition: disposition(about.Filename), Body: data}, nil
}

// harmless are the types under which a browser may know a download. None of them runs anything.
var harmless = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "text/plain"}

func harmlessType(declared string) string {
	name, _, err := mime.ParseMediaType(declared)
	if err != nil || !slices.Contains(harmless, name) {
		return "application/octet-stream"
	}
	return name
}

// disposition makes a browser save the file, never show it (RFC 6266).
func disposition(name string) string {
	name = message.SafeFilename(name)
	if name == "" {
		name = "attachment"
	}
	if v := mime.FormatMediaType("attachment", map[string]string{"filename": name}); v != "" {
		return v
	}
	return "attachment"
}
