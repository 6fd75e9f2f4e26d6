package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"mxdesk/ticketing"
)

type traceCmd struct {
	Dev  bool   `help:"The database of serve --dev."`
	JSON bool   `name:"json" help:"Print JSON."`
	What string `arg:"" help:"Id of a letter or delivery, #ticket, Message-ID or mail address."`
}

// Run prints everything that is known.
func (c traceCmd) Run(e *environment) error {
	return e.withDatabase(c.Dev, func(ctx context.Context, d *database) error {
		found, err := d.service.Trace(ctx, c.What)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.stdout, found)
		}
		for _, f := range found {
			printFound(e.stdout, f)
		}
		return nil
	})
}

// printFound writes what one organisation knows, oldest first, one line a fact. What strangers wrote is quoted.
func printFound(w io.Writer, f ticketing.Found) {
	fmt.Fprintf(w, "organisation %d\n", f.Organisation)
	for i := len(f.Letters) - 1; i >= 0; i-- {
		printLetter(w, f.Letters[i])
	}
	for _, e := range f.Entries {
		fmt.Fprintf(w, "  %s  entry %s  %s %s by %q (%s)\n", stamp(e.CreatedAt), e.ID, e.Kind, e.Event, e.AuthorName, e.Identity)
	}
	for i := len(f.Deliveries) - 1; i >= 0; i-- {
		printDelivery(w, f.Deliveries[i])
	}
	if f.More {
		fmt.Fprintln(w, "  There are more letters or deliveries: these are the newest. See mxdesk log --address.")
	}
}

func printDelivery(w io.Writer, d ticketing.TracedDelivery) {
	fmt.Fprintf(w, "%s  delivery %s to %q: %s", stamp(d.CreatedAt), d.ID, d.Recipient, spaced(d.State, d.Reason))
	if due := dueOf(d.DeliveryInfo); due != "" {
		fmt.Fprintf(w, ", %s", due)
	}
	fmt.Fprintf(w, ", lane %s", d.Lane)
	if d.Ticket != 0 {
		fmt.Fprintf(w, ", #%d", d.Ticket)
	}
	fmt.Fprintln(w)
	for _, a := range d.Log {
		code, tls := "", a.TLS
		if a.Code != 0 {
			code = strconv.Itoa(a.Code)
			if tls == "" && a.IP != "" {
				tls = "plaintext"
			}
		}
		fmt.Fprintf(w, "  %s  attempt %d: %s %q, %d ms\n", stamp(a.At), a.Number,
			spaced(string(a.Result), a.Reason, a.Host, a.IP, tls, a.TLSPolicy, code, a.Enhanced), a.Reply, a.TookMS)
	}
}

// spaced joins words that there are.
func spaced(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

func printLetter(w io.Writer, l ticketing.LetterSummary) {
	fmt.Fprintf(w, "%s  letter %s  %d octets from <%s> to <%s>\n", stamp(l.ReceivedAt), l.ID, l.Size, l.MailFrom, strings.ReplaceAll(l.RcptTo, " ", ">, <"))
	fmt.Fprintf(w, "  From %q, subject %q, Message-ID %q\n  %s, became %s", l.From, l.Subject, l.MessageID, l.Kind, l.Outcome)
	if l.Ticket != 0 {
		fmt.Fprintf(w, " #%d", l.Ticket)
	}
	fmt.Fprintln(w)
	if l.Problem != "" {
		fmt.Fprintf(w, "  problem: %s\n", l.Problem)
	}
	var trace struct {
		Decisions []string `json:"decisions"`
	}
	if json.Unmarshal(l.Trace, &trace) == nil {
		for _, d := range trace.Decisions {
			fmt.Fprintf(w, "  %q\n", d)
		}
	}
}

// stamp writes a time so that nobody takes it for that of his own zone, and that --since takes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
