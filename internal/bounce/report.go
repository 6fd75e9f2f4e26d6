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
	// ReturnPaths are the envelope senders of that letter, as a feedback report names them: in a field of its own, and as the
	// letter itself has it.
	ReturnPaths []string
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

	statusText string // the comment of a status field, "5.2.1 (mailbox disabled)"
}

// The kinds of a Report.
const (
	Failure  = "failure"  // given up, whatever the class of the status
	Delay    = "delay"    // still trying
	Success  = "success"  // delivered, relayed or expanded
	Feedback = "feedback" // a complaint or another report of RFC 5965
)

// The actions of RFC 3464 section 2.3.3.
const (
	Failed    = "failed"
	Delayed   = "delayed"
	Delivered = "delivered"
	Relayed   = "relayed"
	Expanded  = "expanded"
)

// The reasons why a letter did not arrive.
const (
	UserUnknown  = "user_unknown"  // no such mailbox
	HostUnknown  = "host_unknown"  // no such domain
	MailboxFull  = "mailbox_full"  // the recipient is over quota
	Suspended    = "suspended"     // the mailbox is disabled or locked
	Moved        = "moved"         // the recipient is elsewhere now
	Blocked      = "blocked"       // our address or network is refused
	Spam         = "spam"          // the letter is taken for spam
	Policy       = "policy"        // refused by a rule of the other side
	AuthFailure  = "auth_failure"  // SPF, DKIM or DMARC
	TooLarge     = "too_large"     // the letter is too large
	Content      = "content"       // the form or an attachment of the letter is refused
	RateLimited  = "rate_limited"  // too much in too short a time
	Network      = "network"       // no connection, or DNS trouble
	TLSRequired  = "tls_required"  // TLS is asked for, or failed
	Expired      = "expired"       // tried until the time was over
	SystemFull   = "system_full"   // the disk of the other side is full
	Loop         = "loop"          // the letter goes round in circles
	NotAccepting = "not_accepting" // the host takes no mail
	Filtered     = "filtered"      // a filter of the recipient refused it
	Undefined    = "undefined"     // nothing is known
)

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
