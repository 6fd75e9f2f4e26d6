package admin

import (
	"context"

	"mxdesk/internal/id"
	"mxdesk/ticketing"
)

// rawType is the type of a whole letter (RFC 2046 section 5.2.1).
const rawType = "message/rfc822"

type letterQuery struct {
	Scope
	Paging
	Period
	Cursor  letterID `query:"cursor" doc:"From next of the page before"`
	Outcome string   `query:"outcome" enum:"ticket,entry,command,bounce,held,rejected,unhandled,over_limit,unprocessed,report"`
	Ticket  ticketID `query:"ticket"`
	Address string   `query:"address" maxLength:"512" doc:"Of its author, its envelope sender or a recipient, in any case"`
}

func (a *API) listLetters(ctx context.Context, in *letterQuery) (*body[page[LetterSummary]], error) {
	rows, err := a.service.Letters(ctx, orgOf(ctx).ID, ticketing.LetterFilter{
		Outcome: ticketing.Outcome(in.Outcome), Ticket: in.Ticket.number(), Before: in.Cursor.id(), Limit: in.Limit + 1,
		Address: in.Address, Since: in.Since, Until: in.Until,
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, rows, in.Limit, wireLetterSummary,
		func(l ticketing.LetterSummary) string { return string(writeID[letterID]("ltr", l.ID)) }), nil
}

type letterPath struct {
	Scope
	Letter letterID `path:"letter"`
}

func (a *API) getLetter(ctx context.Context, in *letterPath) (*body[letter], error) {
	l, err := a.service.Letter(ctx, orgOf(ctx).ID, in.Letter.id())
	if err != nil {
		return nil, err
	}
	return &body[letter]{wireLetter(l)}, nil
}

// letterAct is the handler for an act on a held letter: it shows what became of the letter. One that is not held any
// more is not found.
func (a *API) letterAct(act func(context.Context, int32, id.ID) error) func(context.Context, *letterPath) (*body[letter], error) {
	return func(ctx context.Context, in *letterPath) (*body[letter], error) {
		if err := act(ctx, orgOf(ctx).ID, in.Letter.id()); err != nil {
			return nil, err
		}
		return a.getLetter(ctx, in)
	}
}

func (a *API) getRawLetter(ctx context.Context, in *letterPath) (*file, error) {
	raw, err := a.service.RawLetter(ctx, orgOf(ctx).ID, in.Letter.id())
	if err != nil {
		return nil, err
	}
	return &file{Type: rawType, Disposition: disposition(string(in.Letter) + ".eml"), Body: raw}, nil
}
