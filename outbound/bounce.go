package outbound

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mxdesk/internal/bounce"
	"mxdesk/internal/id"
)

// verdict is what a delivery report says of one delivery. Everything in it was written by a stranger.
type verdict struct {
	result   Result
	failed   bool
	reason   string
	host     string
	code     int
	enhanced string
	reply    string
}

// resultComplaint is logged for a feedback report.
const resultComplaint Result = "complaint"

// sibling is a delivery that carries the same letter as another.
type sibling struct {
	Delivery  id.ID
	Recipient string
}

// said is what a report says of one delivery.
type said struct {
	delivery id.ID
	verdict
}

// read draws from a report what it says of the delivery whose return path or Message-ID it names. A letter that several
// deliveries share leaves under the return path of one of them: then the report must name the recipient it is about, and what
// it says of others is not believed. A report on a letter with one recipient may name him as he is called elsewhere.
func read(r *bounce.Report, named id.ID, siblings []sibling) []said {
	if r == nil {
		return nil
	}
	if r.Kind == bounce.Feedback {
		v := verdict{result: resultComplaint, reason: r.FeedbackType}
		if len(siblings) < 2 {
			return []said{{named, v}}
		}
		for _, s := range siblings {
			if sameMailbox(s.Recipient, r.OriginalRcpt) {
				return []said{{s.Delivery, v}}
			}
		}
		return nil
	}
	if len(siblings) < 2 {
		own := ""
		if len(siblings) == 1 {
			own = siblings[0].Recipient
		}
		if v, ok := readRecipient(r.Kind, decisive(r.Recipients, own)); ok {
			return []said{{named, v}}
		}
		return nil
	}
	var list []said
	for _, s := range siblings {
		i := slices.IndexFunc(r.Recipients, func(rcpt bounce.Recipient) bool { return about(rcpt, s.Recipient) })
		if i < 0 {
			continue
		}
		if v, ok := readRecipient(r.Kind, r.Recipients[i]); ok {
			list = append(list, said{s.Delivery, v})
		}
	}
	return list
}

// readRecipient draws the verdict from the fate of one recipient; ok is false if nothing is said of it. What stands with the
// recipient counts more than what the report is as a whole.
func readRecipient(kind string, rcpt bounce.Recipient) (v verdict, ok bool) {
	v = verdict{reason: rcpt.Reason, host: clean(rcpt.RemoteMTA), enhanced: clean(rcpt.Status), reply: clean(rcpt.Diagnostic)}
	v.code, _ = strconv.Atoi(rcpt.SMTPCode)
	switch rcpt.Action {
	case bounce.Failed:
		kind = bounce.Failure
	case bounce.Delayed:
		kind = bounce.Delay
	case bounce.Delivered, bounce.Relayed, bounce.Expanded:
		kind = bounce.Success
	}
	switch kind {
	case bounce.Failure:
		v.result, v.failed = ResultBounced, true
		if v.reason == "" {
			v.reason = bounce.Undefined
		}
	case bounce.Delay:
		v.result = ResultLate
	case bounce.Success:
		v.result = ResultDelivered
	default:
		return verdict{}, false
	}
	return v, true
}

// decisive is the recipient of a report that tells most: the one we wrote to, else the first that failed, else the first.
func decisive(list []bounce.Recipient, own string) bounce.Recipient {
	for _, r := range list {
		if about(r, own) {
			return r
		}
	}
	for _, r := range list {
		if r.Action == bounce.Failed {
			return r
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return bounce.Recipient{}
}

// about tells whether a report speaks of the mailbox, under the name it has there or the one we used.
func about(r bounce.Recipient, mailbox string) bool {
	return sameMailbox(mailbox, r.OriginalAddress) || sameMailbox(mailbox, r.Address)
}

func sameMailbox(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// complaints are the types of feedback reports that ask for an end (RFC 5965 section 7.3).
var complaints = []string{"abuse", "fraud", "opt-out", "opt-out-list"}

func complains(feedbackType string) bool {
	return slices.Contains(complaints, strings.ToLower(feedbackType))
}

// Reported is what a report changed, for the ticket of the delivery.
type Reported struct {
	Failed     []Final // deliveries that failed by it, as OnFinal would have been told
	Complaints []Final // whose recipients want no more of this
	Delayed    []Final // that wait elsewhere for DelayNotice, told once, as OnDelay would have been
}

// RecordReport takes what came back to the signed return path of a delivery, within the caller's transaction: a failure
// closes the delivery, even one that counted as delivered, and counts against its address; a complaint suppresses the
// address for automatic letters, once for each delivery; a delay is told once; anything else is logged. An unknown delivery is no error: its history may be gone.
func (q *Queue) RecordReport(ctx context.Context, db querier, organisation int32, delivery id.ID, r *bounce.Report) (done Reported, err error) {
	siblings, err := selectSiblings(ctx, db, organisation, delivery)
	if err != nil {
		return done, fmt.Errorf("record delivery report: %w", err)
	}
	for _, s := range read(r, delivery, siblings) {
		late, again := false, false
		if s.result == ResultLate {
			if late, err = lateNews(ctx, db, organisation, s.delivery); err != nil {
				return done, fmt.Errorf("record delivery report: %w", err)
			}
		}
		if s.result == resultComplaint {
			if again, err = complainedBefore(ctx, db, organisation, s.delivery); err != nil {
				return done, fmt.Errorf("record delivery report: %w", err)
			}
		}
		f, closed, err := recordVerdict(ctx, db, organisation, s.delivery, s.verdict)
		if err == nil && f != nil && !again {
			err = recordFailures(ctx, db, s.strikes(organisation, f.Recipient, closed))
		}
		switch {
		case err != nil:
			return done, fmt.Errorf("record delivery report: %w", err)
		case closed:
			done.Failed = append(done.Failed, *f)
		case f != nil && !again && s.result == resultComplaint && complains(s.reason):
			done.Complaints = append(done.Complaints, *f)
		case f != nil && late:
			f.Outcome = ""
			done.Delayed = append(done.Delayed, *f)
		}
	}
	return done, nil
}

// strikes is what the verdict says against the address; closed tells that it is the first to fail the delivery.
func (v verdict) strikes(organisation int32, recipient string, closed bool) []failure {
	f := failure{organisation: organisation, address: recipient, reason: v.reason, detail: v.reply}
	once, counts := strike(v.reason)
	switch {
	case v.result == resultComplaint && complains(v.reason):
		f.reason, f.atOnce, f.automaticOnly = string(resultComplaint), true, true
		return []failure{f}
	case closed && counts:
		f.atOnce = once
		return []failure{f}
	}
	return nil
}
