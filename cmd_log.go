package main

import (
	"context"
	"io"
	"slices"
	"time"

	"mxdesk/internal/id"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

type logCmd struct {
	Dev       bool   `help:"The database of serve --dev."`
	Direction string `enum:"in,out,both" default:"both" help:"Incoming letters (in), outgoing deliveries (out), or both."`
	Limit     int    `short:"n" default:"50" help:"At most so many, up to 1000."`
	JSON      bool   `name:"json" help:"Print JSON."`
}

// logged is one line of the log: a letter that came, or a delivery with its attempts.
type logged struct {
	At           time.Time
	Organisation int32
	Letter       *ticketing.LetterSummary  `json:",omitempty"`
	Delivery     *ticketing.TracedDelivery `json:",omitempty"`
}

// Run prints the log, newest first.
func (c logCmd) Run(e *environment) error {
	if c.Limit < 1 || c.Limit > maxListed {
		return errLimit
	}
	return e.withDatabase(c.Dev, func(ctx context.Context, d *database) error {
		list := []logged{}
		for _, o := range d.directory.Organisations() {
			some, err := c.collect(ctx, d, o.ID)
			if err != nil {
				return err
			}
			list = append(list, some...)
			// Only the newest of all are wanted, so no more are kept.
			slices.SortStableFunc(list, func(a, b logged) int { return b.At.Compare(a.At) })
			list = list[:min(len(list), c.Limit)]
		}
		for i := range list {
			if l := &list[i]; l.Delivery != nil {
				found, err := tracedDelivery(ctx, d, l.Organisation, l.Delivery.ID)
				if err != nil {
					return err
				}
				l.Delivery = &found
			}
		}
		if c.JSON {
			return printJSON(e.stdout, list)
		}
		for _, l := range list {
			l.print(e.stdout)
		}
		return nil
	})
}

// collect reads the newest letters and deliveries of one organisation; these without their attempts.
func (c logCmd) collect(ctx context.Context, d *database, organisation int32) (list []logged, err error) {
	if c.Direction != "out" {
		letters, err := d.service.Letters(ctx, organisation, ticketing.LetterFilter{Limit: c.Limit})
		if err != nil {
			return nil, err
		}
		for _, l := range letters {
			list = append(list, logged{At: l.ReceivedAt, Organisation: organisation, Letter: &l})
		}
	}
	if c.Direction != "in" {
		deliveries, err := d.queue.Deliveries(ctx, outbound.Filter{Organisation: organisation, Limit: c.Limit})
		if err != nil {
			return nil, err
		}
		for _, info := range deliveries {
			list = append(list, logged{At: info.CreatedAt, Organisation: organisation, Delivery: &ticketing.TracedDelivery{DeliveryInfo: info}})
		}
	}
	return list, nil
}

func (l logged) print(w io.Writer) {
	if l.Letter != nil {
		printLetter(w, *l.Letter)
	} else {
		printDelivery(w, *l.Delivery)
	}
}

func tracedDelivery(ctx context.Context, d *database, organisation int32, delivery id.ID) (found ticketing.TracedDelivery, err error) {
	found.DeliveryInfo, found.Attempts, err = d.queue.Delivery(ctx, organisation, delivery)
	return found, err
}
