// Package inspect turns a letter that was read into the JSON object of `mxdesk inspect`.
package inspect

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"time"

	"mxdesk/internal/bounce"
	"mxdesk/internal/message"
)

// Schema names the form of the object. Keys may be added; a meaning changes only with the name.
const Schema = "mxdesk.inspect/1"

// Mailbox is one address with its display name.
type Mailbox struct {
	Address string `json:"address"`
	Name    string `json:"name"`
}

// Command is one subject command.
type Command struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Attachment is one leaf that is not body text.
type Attachment struct {
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	Declared    string `json:"declared_type"`
	Size        int    `json:"size"`
	SHA256      string `json:"sha256"`
	ContentID   string `json:"content_id"`
	Inline      bool   `json:"inline"`
	Disposition string `json:"disposition"`
}

// Recipient is the fate of one recipient in a report.
type Recipient struct {
	Address         string  `json:"address"`
	OriginalAddress string  `json:"original_address"`
	Action          string  `json:"action"`
	Status          string  `json:"status"`
	SMTPCode        string  `json:"smtp_code"`
	Diagnostic      string  `json:"diagnostic"`
	RemoteMTA       string  `json:"remote_mta"`
	Reason          *string `json:"reason"`
	Hard            bool    `json:"hard"`
}

// Bounce is what a report says.
type Bounce struct {
	Kind              string      `json:"kind"`
	FinalRecipients   []Recipient `json:"final_recipients"`
	OriginalMessageID *string     `json:"original_message_id"`
	OriginalRecipient *string     `json:"original_recipient"`
	OriginalSubject   *string     `json:"original_subject"`
	FeedbackType      *string     `json:"feedback_type"`
}

// Object is the whole object. Every key is always present.
type Object struct {
	Schema          string           `json:"schema"`
	MessageID       *string          `json:"message_id"`
	InReplyTo       []string         `json:"in_reply_to"`
	References      []string         `json:"references"`
	ThreadRefs      []string         `json:"thread_refs"`
	Date            *string          `json:"date"`
	From            *Mailbox         `json:"from"`
	Sender          *Mailbox         `json:"sender"`
	ReplyTo         []Mailbox        `json:"reply_to"`
	To              []Mailbox        `json:"to"`
	Cc              []Mailbox        `json:"cc"`
	Subject         string           `json:"subject"`
	SubjectClean    string           `json:"subject_clean"`
	SubjectCommands []Command        `json:"subject_commands"`
	Text            string           `json:"text"`
	ReplyText       string           `json:"reply_text"`
	QuotedText      string           `json:"quoted_text"`
	Signature       string           `json:"signature"`
	HTMLSanitized   string           `json:"html_sanitized"`
	Attachments     []Attachment     `json:"attachments"`
	Kind            string           `json:"kind"`
	KindSignals     []string         `json:"kind_signals"`
	Bounce          *Bounce          `json:"bounce"`
	Recipients      []string         `json:"rcpt_to"` // as given, not from the header
	Auth            *message.Verdict `json:"auth"`
	Warnings        []string         `json:"warnings"`
}

// Options are what the object says beyond the letter itself.
type Options struct {
	Verdict    *message.Verdict // nil without DNS
	Recipients []string         // of the envelope
	// Commands reads the commands of a subject and returns what is left of it; nil leaves it as it is. It is
	// handed in because commands belong to tickets, of which this package knows nothing.
	Commands func(subject string) (rest string, commands []Command)
}

// New makes the object of a letter.
func New(c *message.Content, o Options) *Object {
	obj := &Object{
		Schema:          Schema,
		MessageID:       orNull(c.MessageID),
		InReplyTo:       list(c.InReplyTo),
		References:      list(c.References),
		ThreadRefs:      list(c.ThreadRefs),
		From:            first(c.From),
		Sender:          first(c.Sender),
		ReplyTo:         mailboxes(c.ReplyTo),
		To:              mailboxes(c.To),
		Cc:              mailboxes(c.Cc),
		Subject:         c.Subject,
		SubjectClean:    c.SubjectClean,
		SubjectCommands: []Command{},
		Text:            c.Text,
		ReplyText:       c.ReplyText,
		QuotedText:      c.QuotedText,
		Signature:       c.Signature,
		HTMLSanitized:   c.HTML,
		Attachments:     attachments(c.Attachments),
		Kind:            string(c.Kind),
		KindSignals:     list(c.Signals),
		Bounce:          newBounce(c.Bounce),
		Recipients:      list(o.Recipients),
		Auth:            o.Verdict,
		Warnings:        list(c.Warnings),
	}
	if !c.Date.IsZero() {
		s := c.Date.Format(time.RFC3339)
		obj.Date = &s
	}
	if o.Commands != nil {
		rest, commands := o.Commands(c.SubjectClean)
		obj.SubjectClean = message.CleanSubject(rest)
		obj.SubjectCommands = append(obj.SubjectCommands, commands...)
	}
	if v := obj.Auth; v != nil && (v.DKIM == nil || v.ARC.Sealers == nil) {
		whole := *v
		whole.DKIM = append([]message.DKIM{}, v.DKIM...)
		whole.ARC.Sealers = append([]string{}, v.ARC.Sealers...)
		obj.Auth = &whole
	}
	return obj
}

// Write writes the object and a newline.
func (o *Object) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(o)
}

func newBounce(r *bounce.Report) *Bounce {
	if r == nil {
		return nil
	}
	b := &Bounce{
		Kind:              r.Kind,
		FinalRecipients:   make([]Recipient, 0, len(r.Recipients)),
		OriginalMessageID: orNull(r.MessageID),
		OriginalRecipient: orNull(r.OriginalRcpt),
		OriginalSubject:   orNull(r.OriginalSubject),
		FeedbackType:      orNull(r.FeedbackType),
	}
	for _, f := range r.Recipients {
		b.FinalRecipients = append(b.FinalRecipients, Recipient{
			Address: f.Address, OriginalAddress: f.OriginalAddress, Action: f.Action, Status: f.Status, SMTPCode: f.SMTPCode,
			Diagnostic: f.Diagnostic, RemoteMTA: f.RemoteMTA, Reason: orNull(f.Reason), Hard: f.Hard,
		})
	}
	return b
}

func attachments(in []message.Attachment) []Attachment {
	out := make([]Attachment, 0, len(in))
	for i := range in {
		a := &in[i]
		out = append(out, Attachment{
			Filename: a.Filename, ContentType: a.ContentType, Declared: a.Declared, Size: len(a.Data), SHA256: hex.EncodeToString(a.SHA256[:]),
			ContentID: a.ContentID, Inline: a.Inline, Disposition: a.Disposition,
		})
	}
	return out
}

func mailboxes(in []message.Mailbox) []Mailbox {
	out := make([]Mailbox, 0, len(in))
	for _, m := range in {
		out = append(out, Mailbox(m))
	}
	return out
}

func first(in []message.Mailbox) *Mailbox {
	if len(in) == 0 {
		return nil
	}
	m := Mailbox(in[0])
	return &m
}

func list(in []string) []string {
	if in == nil {
		return []string{}
	}
	return in
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
