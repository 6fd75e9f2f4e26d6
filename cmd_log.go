package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

type logCmd struct {
	Dev       bool   `help:"The database of serve --dev."`
	Direction string `enum:"in,out,both" default:"both" help:"Incoming letters (in), outgoing deliveries (out), or both."`
	Since     string `help:"Only from then on: a time (RFC 3339), or how long ago, as 36h."`
	Until     string `help:"Only before then."`
	Address   string `help:"Only this author, sender or recipient."`
	State     string `enum:",ticket,entry,command,bounce,held,rejected,unhandled,over_limit,unprocessed,report,queued,leased,deferred,delivered,failed,suppressed,cancelled,unknown" default:"" help:"Only letters of this outcome (ticket, entry, bounce, held …) and deliveries of this state (delivered, failed, deferred …)."`
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
	period, err := readPeriod(c.Since, c.Until)
	if err != nil {
		return err
	}
	if c.Address != "" {
		a, err := address.Parse(strings.Trim(c.Address, "<>"))
		if err != nil {
			return fmt.Errorf("--address: %w", err)
		}
		c.Address = a.String()
	}
	return e.withDatabase(c.Dev, func(ctx context.Context, d *database) error {
		list := []logged{}
		for _, o := range d.directory.Organisations() {
			some, err := c.collect(ctx, d, o.ID, period)
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
func (c logCmd) collect(ctx context.Context, d *database, organisation int32, in period) (list []logged, err error) {
	if c.Direction != "out" {
		f := ticketing.LetterFilter{Outcome: ticketing.Outcome(c.State), Address: c.Address, Since: in.since, Until: in.until}
		for len(list) < c.Limit {
			f.Limit = min(c.Limit-len(list), ticketing.MaxPage)
			letters, err := d.service.Letters(ctx, organisation, f)
			if err != nil {
				return nil, err
			}
			for _, l := range letters {
				list = append(list, logged{At: l.ReceivedAt, Organisation: organisation, Letter: &l})
				f.Before = l.ID
			}
			if len(letters) < f.Limit {
				break
			}
		}
	}
	if c.Direction != "in" {
		deliveries, err := d.queue.Deliveries(ctx, outbound.Filter{
			Organisation: organisation, State: c.State, Address: c.Address, Since: in.since, Until: in.until, Limit: c.Limit,
		})
		if err != nil {
			return nil, err
		}
		for _, info := range deliveries {
			list = append(list, logged{At: info.CreatedAt, Organisation: organisation, Delivery: &ticketing.TracedDelivery{DeliveryInfo: info}})
		}
	}
	return list, nil
}

// period is from since on until before until; zero: no bound.
type period struct{ since, until time.Time }

func readPeriod(since, until string) (p period, err error) {
	if p.since, err = readMoment(since); err != nil {
		return p, fmt.Errorf("--since: %w", err)
	}
	if p.until, err = readMoment(until); err != nil {
		return p, fmt.Errorf("--until: %w", err)
	}
	if !p.until.IsZero() && !p.since.Before(p.until) {
		return p, errors.New("--since must be before --until")
	}
	return p, nil
}

// readMoment reads a time, or how long ago it was.
func readMoment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil {
		return time.Now().Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is neither a time like 2026-03-02T10:00:00Z nor a duration like 36h", s)
	}
	return t, nil
}

func (l logged) print(w io.Writer) {
	if l.Letter != nil {
		printLetter(w, *l.Letter)
	} else {
		printDelivery(w, *l.Delivery)
	}
}

func tracedDelivery(ctx context.Context, d *database, organisation int32, delivery id.ID) (found ticketing.TracedDelivery, err error) {
	found.DeliveryInfo, found.Log, err = d.queue.Delivery(ctx, organisation, delivery)
	return found, err
}
