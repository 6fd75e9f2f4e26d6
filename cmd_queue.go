package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mxdesk/internal/id"
	"mxdesk/outbound"
)

type queueCmd struct {
	Dev     bool            `help:"The database of serve --dev."`
	List    queueListCmd    `cmd:"" help:"List what waits to be sent, newest first."`
	Lanes   queueLanesCmd   `cmd:"" help:"List the destinations that mail waits for, and those that fail or are paused."`
	Show    queueShowCmd    `cmd:"" help:"Show one delivery with all its attempts."`
	Retry   queueRetryCmd   `cmd:"" help:"Send deliveries now, held or not, or let a lane be tried now."`
	Hold    queueHoldCmd    `cmd:"" help:"Keep deliveries back until they are released."`
	Release queueReleaseCmd `cmd:"" help:"Let held deliveries go."`
	Cancel  queueCancelCmd  `cmd:"" help:"End deliveries without sending them."`
	Pause   queuePauseCmd   `cmd:"" help:"Stop a lane, for all organisations."`
	Resume  queueResumeCmd  `cmd:"" help:"Let a paused lane go on."`
}

// waiting are the states of deliveries that are not finished.
var waiting = []string{"queued", "held", "leased", "deferred"}

type queueListCmd struct {
	State string `enum:",queued,held,leased,deferred,delivered,failed,suppressed,cancelled,unknown" default:"" help:"Only this state or outcome; by default all that waits."`
	Lane  string `help:"Only this destination."`
	Limit int    `default:"100" help:"At most so many of each organisation, up to 1000."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run lists deliveries.
func (c queueListCmd) Run(e *environment) error {
	if c.Limit < 1 || c.Limit > maxListed {
		return errLimit
	}
	states := waiting
	if c.State != "" {
		states = []string{c.State}
	}
	if c.Lane != "" {
		lane, err := outbound.LaneNamed(c.Lane)
		if err != nil {
			return err
		}
		c.Lane = lane
	}
	return e.withDatabase(e.cli.Queue.Dev, func(ctx context.Context, d *database) error {
		all, more := []outbound.DeliveryInfo{}, false
		for _, o := range d.directory.Organisations() {
			var list []outbound.DeliveryInfo
			for _, state := range states {
				some, err := d.queue.Deliveries(ctx, outbound.Filter{Organisation: o.ID, State: state, Lane: c.Lane, Limit: c.Limit})
				if err != nil {
					return err
				}
				list = append(list, some...)
				more = more || len(some) == c.Limit // as good as surely
			}
			more = more || len(list) > c.Limit
			slices.SortFunc(list, func(a, b outbound.DeliveryInfo) int { return cmp.Compare(b.ID.String(), a.ID.String()) })
			all = append(all, list[:min(len(list), c.Limit)]...)
		}
		if c.JSON {
			return printJSON(e.stdout, all)
		}
		for _, info := range all {
			printWaiting(e.stdout, info)
		}
		if more {
			fmt.Fprintf(e.stdout, "There may be more: these are the newest %d of each organisation. See --limit, --lane and --state, and mxdesk queue lanes.\n", c.Limit)
		}
		return nil
	})
}

// dueOf tells when a delivery is due, if ever.
func dueOf(d outbound.DeliveryInfo) string {
	switch {
	case d.NextAt != nil:
		return "due " + stamp(*d.NextAt)
	case d.State == "queued" || d.State == "deferred": // in front of its lane, by hand
		return "due now"
	}
	return ""
}

func printWaiting(w io.Writer, d outbound.DeliveryInfo) {
	fmt.Fprintf(w, "%s  %s  %s  to %q, lane %s", stamp(d.CreatedAt), d.ID, spaced(d.State, d.Reason, dueOf(d)), d.Recipient, d.Lane)
	if d.Ticket != 0 {
		fmt.Fprintf(w, ", #%d", d.Ticket)
	}
	if d.Attempts > 0 {
		fmt.Fprintf(w, ", %d attempts, last %d %q", d.Attempts, d.Code, d.Reply)
	}
	fmt.Fprintln(w)
}

type queueLanesCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists lanes.
func (c queueLanesCmd) Run(e *environment) error {
	return e.withDatabase(e.cli.Queue.Dev, func(ctx context.Context, d *database) error {
		all := []outbound.LaneInfo{}
		for after, full := "", true; full; {
			list, err := d.queue.Lanes(ctx, 0, after, maxListed)
			if err != nil {
				return err
			}
			all = append(all, list...)
			e.progress.set("reads the lanes: %d so far", len(all))
			if full = len(list) == maxListed; full {
				after = list[len(list)-1].Lane
			}
		}
		if c.JSON {
			return printJSON(e.stdout, all)
		}
		for _, l := range all {
			printLane(e.stdout, l)
		}
		return nil
	})
}

func printLane(w io.Writer, l outbound.LaneInfo) {
	fmt.Fprintf(w, "%s  %d waiting, %d of %d connections", l.Lane, l.Waiting, l.Connections, l.Limit)
	if l.OldestAt != nil {
		fmt.Fprintf(w, ", oldest of %s", stamp(*l.OldestAt))
	}
	if l.Paused {
		fmt.Fprint(w, ", paused")
	}
	if l.NextAt != nil {
		fmt.Fprintf(w, ", backed off until %s", stamp(*l.NextAt))
	}
	if l.Error != "" {
		fmt.Fprintf(w, ", %d failures, last %q", l.FailStreak, l.Error)
	}
	if l.TLS != "" {
		fmt.Fprintf(w, ", last with %q", l.TLS)
	}
	fmt.Fprintln(w)
}

type queueShowCmd struct {
	ID   string `arg:"" help:"Id of a delivery."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run shows one delivery.
func (c queueShowCmd) Run(e *environment) error {
	return e.withDatabase(e.cli.Queue.Dev, func(ctx context.Context, d *database) error {
		organisation, delivery, err := d.findDelivery(ctx, c.ID)
		if err != nil {
			return err
		}
		found, err := tracedDelivery(ctx, d, organisation, delivery)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.stdout, found)
		}
		printDelivery(e.stdout, found)
		return nil
	})
}

// deliveriesArg are the deliveries that an action is for.
type deliveriesArg struct {
	IDs  []string `arg:"" name:"id" help:"Ids of deliveries."`
	JSON bool     `name:"json" help:"Print JSON."`
}

// done is what an action of the queue did, or why not.
type done struct {
	What  string
	Done  string `json:",omitempty"`
	Error string `json:",omitempty"`
}

// each does something to every delivery, and says so.
func (a deliveriesArg) each(e *environment, what string, act func(*outbound.Queue, context.Context, int32, id.ID) error) error {
	var failures []error
	report := []done{}
	// There may be many: each has a minute, and a signal ends all.
	err := e.withDatabase(e.cli.Queue.Dev, func(_ context.Context, d *database) error {
		for i, text := range a.IDs {
			e.progress.set("%d of %d deliveries, the next is %s", i, len(a.IDs), text)
			err := d.onDelivery(e.ctx, text, act)
			if err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", text, err))
				report = append(report, done{What: text, Error: err.Error()})
				continue
			}
			report = append(report, done{What: text, Done: what})
			if !a.JSON {
				fmt.Fprintln(e.stdout, text, what)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if a.JSON {
		failures = append(failures, printJSON(e.stdout, report))
	}
	return errors.Join(failures...)
}

type queueRetryCmd struct {
	IDs  []string `arg:"" optional:"" name:"id" help:"Ids of deliveries."`
	Lane string   `help:"A lane that is backed off, instead of deliveries."`
	JSON bool     `name:"json" help:"Print JSON."`
}

// Run retries deliveries or a lane.
func (c queueRetryCmd) Run(e *environment) error {
	switch {
	case (c.Lane == "") == (len(c.IDs) == 0):
		return errors.New("give either deliveries or --lane")
	case c.Lane == "":
		return deliveriesArg{c.IDs, c.JSON}.each(e, "is sent now", (*outbound.Queue).Retry)
	}
	return e.onLane(c.Lane, "is tried now", c.JSON, (*outbound.Queue).RetryLane)
}

type queueHoldCmd struct{ deliveriesArg }

// Run holds deliveries.
func (c queueHoldCmd) Run(e *environment) error {
	return c.each(e, "is held", (*outbound.Queue).Hold)
}

type queueReleaseCmd struct{ deliveriesArg }

// Run releases deliveries.
func (c queueReleaseCmd) Run(e *environment) error {
	return c.each(e, "is released", (*outbound.Queue).Release)
}

type queueCancelCmd struct{ deliveriesArg }

// Run cancels deliveries.
func (c queueCancelCmd) Run(e *environment) error {
	return c.each(e, "is cancelled", (*outbound.Queue).Cancel)
}

type queuePauseCmd struct {
	Lane string `arg:"" help:"The destination."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run pauses a lane.
func (c queuePauseCmd) Run(e *environment) error {
	return e.pauseLane(c.Lane, true, "is paused", c.JSON)
}

type queueResumeCmd struct {
	Lane string `arg:"" help:"The destination."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run resumes a lane.
func (c queueResumeCmd) Run(e *environment) error {
	return e.pauseLane(c.Lane, false, "goes on", c.JSON)
}

func (e *environment) pauseLane(lane string, paused bool, what string, asJSON bool) error {
	return e.onLane(lane, what, asJSON, func(q *outbound.Queue, ctx context.Context, lane string) error { return q.PauseLane(ctx, lane, paused) })
}

// onLane does something to a lane, and says so.
func (e *environment) onLane(text, what string, asJSON bool, act func(*outbound.Queue, context.Context, string) error) error {
	lane, err := outbound.LaneNamed(text)
	if err != nil {
		return err
	}
	return e.withDatabase(e.cli.Queue.Dev, func(ctx context.Context, d *database) error {
		if err := act(d.queue, ctx, lane); err != nil {
			return fmt.Errorf("%s: %w; see mxdesk queue lanes", lane, err)
		}
		return printDone(e.stdout, asJSON, lane, what)
	})
}

// printDone tells of one thing that was done.
func printDone(w io.Writer, asJSON bool, what, did string) error {
	if asJSON {
		return printJSON(w, []done{{What: what, Done: did}})
	}
	_, err := fmt.Fprintln(w, what, did)
	return err
}

// onDelivery finds out whose a delivery is, and does something to it.
func (d *database) onDelivery(ctx context.Context, text string, act func(*outbound.Queue, context.Context, int32, id.ID) error) error {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	organisation, delivery, err := d.findDelivery(ctx, text)
	if err != nil {
		return err
	}
	d.queue.OnFinal = d.service.RecordFinal
	err = act(d.queue, ctx, organisation, delivery)
	if errors.Is(err, outbound.ErrNoDelivery) { // it is there, but not in the queue, or not held
		if info, _, findErr := d.queue.Delivery(ctx, organisation, delivery); findErr == nil {
			return fmt.Errorf("cannot be done: it is %s", spaced(info.State, info.Reason))
		}
	}
	return err
}

// findDelivery finds a delivery by its id.
func (d *database) findDelivery(ctx context.Context, text string) (organisation int32, delivery id.ID, err error) {
	delivery, err = id.Parse(strings.TrimPrefix(text, "dlv_")) // as the API writes it
	if err != nil {
		return 0, delivery, fmt.Errorf("%q is no id of a delivery", text)
	}
	for _, o := range d.directory.Organisations() {
		_, _, err := d.queue.Delivery(ctx, o.ID, delivery)
		if errors.Is(err, outbound.ErrNoDelivery) {
			continue
		}
		return o.ID, delivery, err
	}
	return 0, delivery, outbound.ErrNoDelivery
}

// maxListed is the longest page that the queue and the service give.
const maxListed = 1000

var errLimit = fmt.Errorf("the limit must be from 1 to %d", maxListed)

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
