package message

import "mxdesk/internal/bounce"

// kindFacts is what the kind of a letter is decided by.
type kindFacts struct {
	header header
	ctype  contentField
	env    Envelope
	report *bounce.Report
	c      *Content
}

// decideKind tells the kind of a letter and the signals that led to it.
func decideKind(f kindFacts) (Kind, []string) {
	var signals []string
	if f.report != nil {
		switch f.report.Kind {
		case "feedback":
			return FeedbackReport, []string{"report: feedback"}
		case "delay":
			return Delay, []string{"report: delay"}
		}
		return Bounce, []string{"report: " + f.report.Kind}
	}
	if v := f.header.token("Auto-Submitted"); v != "" && v != "no" {
		return AutoReply, []string{"Auto-Submitted: " + v}
	}
	if f.header.has("List-Id") || f.header.has("List-Post") {
		return List, []string{"List-Id"}
	}
	return Human, signals
}
