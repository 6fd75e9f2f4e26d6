package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"mxdesk/ticketing"
)

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
}

func printDelivery(w io.Writer, d ticketing.TracedDelivery) {
	fmt.Fprintf(w, "%s  delivery %s to %q: %s %s\n", stamp(d.CreatedAt), d.ID, d.Recipient, d.State, d.Reason)
	for _, a := range d.Attempts {
		fmt.Fprintf(w, "  %s  attempt %d: %s %s %s %s %q %d %q\n", stamp(a.At), a.Number, a.Result, a.Host, a.IP, a.TLS, a.TLSPolicy, a.Code, a.Reply)
	}
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

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }
