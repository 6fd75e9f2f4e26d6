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

	"mxdesk/internal/message"
	"mxdesk/ticketing"
	"mxdesk/ticketing/notify"
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
	printPeer(w, l.Session)
	printVerdict(w, l.Verdict)
	printTrace(w, l.Trace)
}

// printPeer tells who brought a letter.
func printPeer(w io.Writer, session []byte) {
	var s struct{ Client, PTR, Helo, TLS, Protocol string }
	if json.Unmarshal(session, &s) != nil || s.Client == "" {
		return
	}
	by := s.Client
	if s.PTR != "" {
		by += fmt.Sprintf(" %q", s.PTR)
	}
	fmt.Fprintf(w, "  brought by %s, %q in its greeting, %s", by, s.Helo, s.Protocol)
	if s.TLS != "" {
		fmt.Fprintf(w, ", %s", s.TLS)
	}
	fmt.Fprintln(w)
}

// printVerdict tells what was found of the sender of a letter, if anybody looked.
func printVerdict(w io.Writer, stored []byte) {
	var v message.Verdict
	if len(stored) == 0 || json.Unmarshal(stored, &v) != nil {
		return
	}
	var words []string
	say := func(method string, result message.Result, domain, reason string) {
		if result == "" {
			return
		}
		s := method + " " + string(result)
		if domain != "" {
			s += fmt.Sprintf(" %q", domain)
		}
		if reason != "" {
			s += fmt.Sprintf(" (%q)", reason)
		}
		words = append(words, s)
	}
	say("spf", v.SPF.Result, v.SPF.Domain, "")
	for _, d := range v.DKIM {
		say("dkim", d.Result, d.Domain, d.Reason)
	}
	say("dmarc", v.DMARC.Result, v.DMARC.Domain, "")
	if v.ARC.Result != message.None {
		say("arc", v.ARC.Result, "", v.ARC.Reason)
	}
	switch {
	case v.Spam == nil:
	case v.Spam.Unreachable:
		words = append(words, "spam filter unreachable")
	default:
		words = append(words, fmt.Sprintf("spam score %g", v.Spam.Score))
	}
	if v.Believed != nil {
		words = append(words, fmt.Sprintf("believed %s %q", v.Believed.Source, v.Believed.By))
	}
	if len(words) > 0 {
		fmt.Fprintf(w, "  sender: %s\n", strings.Join(words, ", "))
	}
}

// printTrace tells every decision on a letter, and what it caused: commands, and who was told and who not. Rules that did nothing
// are left out.
func printTrace(w io.Writer, stored []byte) {
	var trace struct {
		Decisions []string
		Commands  []struct {
			Command, Result string
			Done            bool
		}
		Notifications []struct {
			Event string
			Rules []notify.Considered
		}
	}
	if json.Unmarshal(stored, &trace) != nil {
		return
	}
	for _, d := range trace.Decisions {
		fmt.Fprintf(w, "  %q\n", d)
	}
	for _, c := range trace.Commands {
		done := "done"
		if !c.Done {
			done = "not done"
		}
		fmt.Fprintf(w, "  command %q: %s, %q\n", c.Command, done, c.Result)
	}
	for _, n := range trace.Notifications {
		for _, r := range n.Rules {
			if len(r.Told) > 0 {
				fmt.Fprintf(w, "  %s, rule %d: told %s\n", n.Event, r.Rule, quotedList(r.Told))
			}
			for _, s := range r.Skipped {
				if len(s.Addresses) == 0 {
					continue
				}
				more := ""
				if s.More > 0 {
					more = fmt.Sprintf(" and %d more", s.More)
				}
				fmt.Fprintf(w, "  %s, rule %d: not told %s%s: %s\n", n.Event, r.Rule, quotedList(s.Addresses), more, s.Why)
			}
		}
	}
}

func quotedList(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = strconv.Quote(s)
	}
	return strings.Join(words, ", ")
}

// stamp writes a time so that nobody takes it for that of his own zone, and that --since takes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
