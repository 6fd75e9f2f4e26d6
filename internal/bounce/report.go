package bounce

// Report is what a delivery or feedback report says.
type Report struct {
	Kind            string // failure, delay, success or feedback
	Recipients      []Recipient
	MessageID       string // of the letter it is about, without brackets; "" if unknown
	OriginalRcpt    string // whom that letter was addressed to; "" if unknown
	OriginalSubject string
	FeedbackType    string // abuse, fraud, virus, opt-out, not-spam, auth-failure, other, or ""
	HasOriginal     bool   // the report carries the letter it is about, or its header
}

// Recipient is the fate of one recipient.
type Recipient struct {
	Address         string // lower case
	OriginalAddress string
	Action          string // failed, delayed, delivered, relayed, expanded (RFC 3464 section 2.3.3)
	Status          string // enhanced status code (RFC 3463), or ""
	SMTPCode        string // three digits, or ""
	Diagnostic      string
	RemoteMTA       string
	Reason          string // one of the reasons below, or "" for success
	Hard            bool   // the address itself is bad for good
}

// Input is a letter as far as reading it for a report needs it. It has no MIME of its own:
// package message fills it.
type Input struct {
	Header     func(name string) []string // values of the fields of that name, decoded and unfolded, in order
	NullSender bool                       // by envelope, or Return-Path: <>
	Type       string                     // Content-Type of the whole, lower case, without parameters
	ReportType string                     // its report-type parameter, lower case
	Subject    string
	From       string // address of the first mailbox of From, lower case
	Text       string // the whole body as text
	HTML       string // the HTML body as text, when there is one besides Text
	Parts      []Part // every leaf and every embedded message, in order
}

// Part is one leaf, or one embedded message, of a letter.
type Part struct {
	Type string // Content-Type, lower case, without parameters
	Data []byte // decoded
}
