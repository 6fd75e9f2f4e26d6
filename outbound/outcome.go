package outbound

import (
	"time"

	"mxdesk/internal/bounce"
)

// Result is what one attempt came to; the log keeps it.
type Result string

// The results of an attempt. Broke: the connection was lost after the final dot, so the letter may have
// arrived or not. Bounced and Late come by mail, from a report.
const (
	ResultDelivered Result = "delivered"
	ResultDeferred  Result = "deferred"
	ResultFailed    Result = "failed"
	ResultBroke     Result = "unknown"
	ResultBounced   Result = "bounced"
	ResultLate      Result = "delayed"
)

// Attempt is what is known of one attempt to deliver.
type Attempt struct {
	Result    Result
	Site      bool   // the failure is of the site or the way to it; the letter has no part in it
	Untried   bool   // nothing was tried, as there is no room at the site now; the rest means nothing
	Reason    string // one of the reasons of package bounce; "" when delivered
	Host      string // of the remote host, as named by its MX record
	IP        string
	TLS       string // "TLS1.3", "" for plaintext
	TLSPolicy string // which policy chose the level: "opportunistic", …
	Code      int    // SMTP reply code, 0: no reply
	Enhanced  string // RFC 3463
	Reply     string // the remote host's words, or our error; printable
	Took      time.Duration
}

// decision is what becomes of a delivery after an attempt.
type decision struct {
	outcome Outcome // "": it stays in the queue
	reason  string
	delay   time.Duration // until the next attempt, when it stays
	broke   bool          // a connection was lost after the final dot, now or before
}

// history is what a decision needs to know of the attempts before.
type history struct {
	attempt int           // number of the attempt just made, from 1
	broke   bool          // an earlier one ended with ResultBroke
	left    time.Duration // until the delivery expires
}

// decide applies the rules: a loss after the final dot is retried once, a temporary failure until the
// delivery expires. random is from [0, 1).
func decide(a Attempt, h history, random float64) decision {
	switch a.Result {
	case ResultDelivered:
		return decision{outcome: Delivered}
	case ResultFailed:
		return decision{outcome: Failed, reason: a.Reason}
	}
	broke := a.Result == ResultBroke
	d := decision{reason: a.Reason, broke: h.broke || broke, delay: backoff(h.attempt, random)}
	late := d.delay >= h.left
	switch {
	case broke && (h.broke || late):
		d.outcome, d.reason = Unknown, bounce.Network
	case late && h.broke: // it may have arrived then, as sqlExpire says of one that had no attempt since
		d.outcome, d.reason = Unknown, bounce.Expired
	case late && a.Reason == bounce.TLSRequired: // nobody must take it for a host that was away
		d.outcome = Failed
	case late:
		d.outcome, d.reason = Failed, bounce.Expired
	}
	return d
}
