package ticketing

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/outbound"
)

// maxTraced bounds each list of a Found.
const maxTraced = 20

// Found is what one organisation knows of a letter, a delivery, a ticket or an address.
type Found struct {
	Organisation int32
	Letters      []LetterSummary // newest first
	Deliveries   []TracedDelivery
	Entries      []Entry // of the ticket that was asked for, or that the letter went into
	More         bool    // letters or deliveries: only the newest are here
}

// TracedDelivery is a delivery with its attempts.
type TracedDelivery struct {
	outbound.DeliveryInfo
	Log []outbound.AttemptInfo // oldest first; Attempts counts also what the log has forgotten
}

// Trace finds everything about what, in every organisation: the id of a letter or delivery, as in our replies and
// log lines; "#" and the number of a ticket; a Message-ID or a mail address, in brackets or not.
func (s *Service) Trace(ctx context.Context, what string) ([]Found, error) {
	what = strings.TrimSpace(what)
	var all []Found
	for _, o := range s.directory.Organisations() {
		f, err := s.traceIn(ctx, o, what)
		if err != nil {
			return nil, err
		}
		if len(f.Letters)+len(f.Deliveries)+len(f.Entries) > 0 {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: nothing is known of %q", ErrNotFound, what)
	}
	return all, nil
}

func (s *Service) traceIn(ctx context.Context, o *Organisation, what string) (Found, error) {
	f := Found{Organisation: o.ID, Letters: []LetterSummary{}, Deliveries: []TracedDelivery{}, Entries: []Entry{}}
	ticket, isTicket := strings.CutPrefix(what, "#")
	if !isTicket {
		ticket, isTicket = strings.CutPrefix(what, "tkt_") // as the API writes it
	}
	switch {
	case isTicket:
		number, err := strconv.ParseInt(ticket, 10, 64)
		if err != nil || number < 1 {
			return f, fmt.Errorf("%w: %q is no ticket number", ErrInvalid, what)
		}
		return f, s.traceTicket(ctx, &f, number)
	case strings.Contains(what, "@"):
		return f, s.traceWritten(ctx, &f, o, what)
	}
	v, err := id.Parse(strings.TrimPrefix(strings.TrimPrefix(what, "ltr_"), "dlv_"))
	if err != nil {
		return f, fmt.Errorf("%w: %q is no id, #ticket, Message-ID or address", ErrInvalid, what)
	}
	return f, s.traceID(ctx, &f, v)
}

// traceWritten finds what an address or a Message-ID names: they look alike, and people copy either with or without brackets. Anybody
// can give a letter a Message-ID that is somebody's address, so what is written as an address is one first.
func (s *Service) traceWritten(ctx context.Context, f *Found, o *Organisation, what string) error {
	bare := strings.TrimSuffix(strings.TrimPrefix(what, "<"), ">")
	asAddress := func() error {
		a, err := address.Parse(bare)
		if err != nil {
			return nil
		}
		if delivery, ok := o.Signer.ParseReturnPath(a); ok { // as the log of the remote host has it
			return s.traceDelivery(ctx, f, delivery)
		}
		return s.traceAddress(ctx, f, a)
	}
	asMessageID := func() error { return s.traceMessageID(ctx, f, o, bare) }
	first, second := asAddress, asMessageID
	if bare != what {
		first, second = second, first
	}
	if err := first(); err != nil || len(f.Letters)+len(f.Deliveries) > 0 {
		return err
	}
	return second()
}

// traceID finds a letter with all its ticket got since, or a delivery.
func (s *Service) traceID(ctx context.Context, f *Found, v id.ID) error {
	letters, err := selectTraced(ctx, s.pool, f.Organisation, v, "", "")
	if err != nil {
		return err
	}
	if len(letters) == 0 {
		return s.traceDelivery(ctx, f, v)
	}
	f.Letters = letters
	if number := letters[0].Ticket; number != 0 {
		return s.traceParts(ctx, f, number)
	}
	return nil
}

func (s *Service) traceTicket(ctx context.Context, f *Found, number int64) error {
	letters, err := selectLetters(ctx, s.pool, f.Organisation, LetterFilter{Ticket: number, Limit: maxTraced + 1})
	if err != nil {
		return err
	}
	f.Letters = newest(f, letters)
	return s.traceParts(ctx, f, number)
}

// traceParts adds the entries and deliveries of a ticket.
func (s *Service) traceParts(ctx context.Context, f *Found, number int64) (err error) {
	if f.Entries, err = selectEntries(ctx, s.pool, f.Organisation, number, id.ID{}, MaxPage); err != nil {
		return err
	}
	return s.traceDeliveries(ctx, f, outbound.Filter{Ticket: number})
}

// traceDeliveries adds the deliveries that the filter finds.
func (s *Service) traceDeliveries(ctx context.Context, f *Found, filter outbound.Filter) error {
	filter.Organisation, filter.Limit = f.Organisation, maxTraced+1
	list, err := s.queue.Deliveries(ctx, filter)
	if err != nil {
		return err
	}
	for _, d := range newest(f, list) {
		if err := s.traceDelivery(ctx, f, d.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) traceDelivery(ctx context.Context, f *Found, delivery id.ID) error {
	info, attempts, err := s.queue.Delivery(ctx, f.Organisation, delivery)
	if err != nil {
		if errors.Is(err, outbound.ErrNoDelivery) {
			return nil
		}
		return err
	}
	f.Deliveries = append(f.Deliveries, TracedDelivery{info, attempts})
	return nil
}

// traceMessageID finds the delivery that a Message-ID of ours names, or letters with one of others.
func (s *Service) traceMessageID(ctx context.Context, f *Found, o *Organisation, messageID string) error {
	if _, delivery, ok := o.Signer.ParseMessageID(messageID); ok {
		return s.traceDelivery(ctx, f, delivery)
	}
	letters, err := selectTraced(ctx, s.pool, f.Organisation, id.ID{}, messageID, "")
	f.Letters = newest(f, letters)
	return err
}

// traceAddress finds letters from an address, and what was sent to it.
func (s *Service) traceAddress(ctx context.Context, f *Found, a address.Address) error {
	letters, err := selectTraced(ctx, s.pool, f.Organisation, id.ID{}, "", a.Key())
	if err != nil {
		return err
	}
	f.Letters = newest(f, letters)
	return s.traceDeliveries(ctx, f, outbound.Filter{Address: a.String()})
}

// newest cuts a list that has one row more than a Found takes, and notes that.
func newest[T any](f *Found, list []T) []T {
	if len(list) <= maxTraced {
		return list
	}
	f.More = true
	return list[:maxTraced]
}
