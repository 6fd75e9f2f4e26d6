package bounce

import (
	"encoding/json"
	"strings"

	"mxdesk/internal/octets"
)

// notification is what Amazon SES publishes about a letter, and SNS sends on by mail.
type notification struct {
	Type      string `json:"notificationType"`
	EventType string `json:"eventType"`
	Message   string `json:"Message"` // the SNS envelope: the notification as a string
	Bounce    struct {
		Type       string         `json:"bounceType"`
		SubType    string         `json:"bounceSubType"`
		Recipients []snsRecipient `json:"bouncedRecipients"`
	} `json:"bounce"`
	Complaint struct {
		Type       string         `json:"complaintFeedbackType"`
		Recipients []snsRecipient `json:"complainedRecipients"`
	} `json:"complaint"`
	Delivery struct {
		Recipients   []string `json:"recipients"`
		SMTPResponse string   `json:"smtpResponse"`
	} `json:"delivery"`
	DeliveryDelay struct {
		Type       string         `json:"delayType"`
		Recipients []snsRecipient `json:"delayedRecipients"`
	} `json:"deliveryDelay"`
	Mail struct {
		MessageID   string   `json:"messageId"`
		Destination []string `json:"destination"`
		Common      struct {
			MessageID string `json:"messageId"`
			Subject   string `json:"subject"`
		} `json:"commonHeaders"`
	} `json:"mail"`
}

type snsRecipient struct {
	Address    string `json:"emailAddress"`
	Status     string `json:"status"`
	Diagnostic string `json:"diagnosticCode"`
}

// parseSNS reads a notification of Amazon SES that SNS has sent by mail, as plain JSON or in
// its envelope. It returns nil for any other letter.
func parseSNS(in *Input) *Report {
	text := strings.TrimSpace(octets.Clip(in.Text, maxText))
	if !strings.HasPrefix(text, "{") || !strings.Contains(text, "otificationType") && !strings.Contains(text, "eventType") {
		return nil
	}
	n, ok := decodeSNS(text)
	if ok && n.Message != "" {
		n, ok = decodeSNS(n.Message)
	}
	if !ok {
		return nil
	}
	r := &Report{HasOriginal: true}
	r.MessageID = messageID(n.Mail.Common.MessageID)
	if r.MessageID == "" {
		r.MessageID = messageID(n.Mail.MessageID)
	}
	r.OriginalSubject = clean(n.Mail.Common.Subject, maxField)
	if len(n.Mail.Destination) > 0 {
		r.OriginalRcpt = fieldAddress(n.Mail.Destination[0])
	}
	if !n.fill(r) {
		return nil
	}
	return r
}

// decodeSNS decodes the first JSON value of a text. Mail systems break its long line, with
// or without Sendmail's exclamation mark; a line end within JSON means nothing.
func decodeSNS(text string) (n notification, ok bool) {
	text = strings.NewReplacer("!\r\n ", "", "!\n ", "", "\r", "", "\n", "").Replace(text)
	return n, json.NewDecoder(strings.NewReader(text)).Decode(&n) == nil
}

// fill turns a notification into a report; false if it is about something else.
func (n *notification) fill(r *Report) bool {
	kind := n.Type
	if kind == "" {
		kind = n.EventType
	}
	action, list := Failed, n.Bounce.Recipients
	switch kind {
	case "Bounce":
		r.Kind = Failure
	case "Complaint":
		r.Kind, r.FeedbackType = Feedback, "abuse"
		if n.Complaint.Type != "" {
			r.FeedbackType = feedbackType(n.Complaint.Type)
		}
		if len(n.Complaint.Recipients) > 0 {
			r.OriginalRcpt = fieldAddress(n.Complaint.Recipients[0].Address)
		}
		return true
	case "Delivery":
		r.Kind, action, list = Success, Delivered, nil
		for _, a := range n.Delivery.Recipients {
			list = append(list, snsRecipient{Address: a, Diagnostic: n.Delivery.SMTPResponse})
		}
	case "DeliveryDelay":
		r.Kind, action, list = Delay, Delayed, n.DeliveryDelay.Recipients
	default:
		return false
	}
	for _, b := range list[:min(len(list), maxRecipients)] {
		rc := Recipient{Address: fieldAddress(b.Address), Action: action, Status: firstStatus(b.Status), Diagnostic: readDiagnostic(b.Diagnostic)}
		r.Recipients = append(r.Recipients, rc)
		r.judge(len(r.Recipients)-1, n.Bounce.Type+" "+n.Bounce.SubType+" "+n.DeliveryDelay.Type)
	}
	r.settle(Failed)
	return true
}
