package bounce

import (
	"strings"

	"mxdesk/internal/octets"
)

// parseFeedback reads a feedback report (RFC 5965), or one of the forms that come without
// the fields: the complaint of Outlook.com, and the unsubscription that Apple Mail sends.
// It returns nil for any other letter.
func parseFeedback(in *Input) *Report {
	for _, p := range in.Parts {
		if p.Type == "message/feedback-report" {
			return readFeedback(in, groups(string(p.Data[:min(len(p.Data), maxText)])))
		}
	}
	if in.ReportType == "feedback-report" || in.ReportType == "abuse-report" {
		return readFeedback(in, groups(in.Text))
	}
	if complaint(in) {
		return readFeedback(in, nil)
	}
	return optOut(in)
}

// complaint recognises a complaint without fields: a subject that only such systems write,
// and the letter complained of attached.
func complaint(in *Input) bool {
	subject := strings.ToLower(in.Subject)
	if !strings.HasPrefix(subject, "complaint about message from") && !strings.HasPrefix(subject, "email feedback report for ip") &&
		!strings.HasPrefix(subject, "abuse report") {
		return false
	}
	for _, p := range in.Parts {
		if isOriginalPart(p.Type) {
			return true
		}
	}
	return false
}

// optOut recognises the letter that a mail program sends when its user presses "unsubscribe".
func optOut(in *Input) *Report {
	text := strings.ToLower(octets.Clip(in.Text, 1000))
	if strings.EqualFold(strings.TrimSpace(in.Subject), "unsubscribe") && automatic(in) &&
		strings.Contains(text, "sent this email to unsubscribe from") {
		return &Report{Kind: Feedback, FeedbackType: "opt-out"}
	}
	return nil
}

func readFeedback(in *Input, blocks [][]field) *Report {
	r := &Report{Kind: Feedback, FeedbackType: "abuse"}
	rcpt := ""
	for _, block := range blocks {
		if t := value(block, "feedback-type"); t != "" {
			r.FeedbackType = feedbackType(t)
		}
		for _, name := range []string{"original-rcpt-to", "removal-recipient"} {
			if v := value(block, name); rcpt == "" && v != "" {
				rcpt = fieldAddress(v)
			}
		}
		if v := value(block, "original-mail-from"); v != "" && len(r.ReturnPaths) == 0 {
			r.ReturnPaths = append(r.ReturnPaths, fieldAddress(v))
		}
	}
	o := attachedOriginal(in.Parts)
	if !o.found {
		_, o = splitNotice(lines(in.Text))
	}
	r.setOriginal(o)
	if o.returnPath != "" {
		r.ReturnPaths = append(r.ReturnPaths, o.returnPath)
	}
	if rcpt != "" {
		r.OriginalRcpt = rcpt
	}
	return r
}

// feedbackType maps a Feedback-Type (RFC 5965 section 7.3, RFC 6430, RFC 6591) to our words.
func feedbackType(t string) string {
	t = strings.ToLower(strings.TrimSpace(t))
	switch t {
	case "abuse", "fraud", "virus", "opt-out", "not-spam", "auth-failure":
		return t
	case "opt-out-list", "unsubscribe", "optout":
		return "opt-out"
	case "phishing":
		return "fraud"
	case "spam", "complaint":
		return "abuse"
	case "dkim", "dmarc", "spf":
		return "auth-failure"
	}
	return "other"
}
