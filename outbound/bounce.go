package outbound

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"mxdesk/internal/bounce"
	"mxdesk/internal/id"
)

// verdict is what a delivery report says of the one delivery it is about: its return path named it, and every
// letter has one recipient. Everything in it was written by a stranger.
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

// read draws the verdict from a report; ok is false if it says nothing about a delivery.
func read(r *bounce.Report) (v verdict, ok bool) {
	if r == nil {
		return verdict{}, false
	}
	if r.Kind == bounce.Feedback {
		return verdict{result: resultComplaint, reason: r.FeedbackType}, true
	}
	rcpt := decisive(r.Recipients)
	v = verdict{reason: rcpt.Reason, host: clean(rcpt.RemoteMTA), enhanced: clean(rcpt.Status), reply: clean(rcpt.Diagnostic)}
	v.code, _ = strconv.Atoi(rcpt.SMTPCode)
	switch r.Kind {
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

// decisive is the recipient of a report that tells most: the first that failed, else the first.
func decisive(list []bounce.Recipient) bounce.Recipient {
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

// complains tells whether a feedback report asks for an end (RFC 5965 section 7.3).
func complains(feedbackType string) bool {
	switch strings.ToLower(feedbackType) {
	case "abuse", "fraud", "opt-out", "opt-out-list":
		return true
	}
	return false
}

// RecordReport takes what came back to the signed return path of a delivery, within the caller's transaction: a failure
// closes the delivery, even one that counted as delivered, and counts against its address; a complaint suppresses the
// address for automatic letters; anything else is logged. It returns what the caller has to
// tell the ticket, as OnFinal would have been told, or nil if nothing changed. An unknown delivery is no error:
// its history may be gone.
func (q *Queue) RecordReport(ctx context.Context, db querier, organisation int32, delivery id.ID, r *bounce.Report) (*Final, error) {
	v, ok := read(r)
	if !ok {
		return nil, nil
	}
	recipient, f, err := recordVerdict(ctx, db, organisation, delivery, v)
	if err == nil && recipient != "" {
		err = recordFailures(ctx, db, v.strikes(organisation, recipient, f != nil))
	}
	if err != nil {
		return nil, fmt.Errorf("record delivery report: %w", err)
	}
	return f, nil
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
