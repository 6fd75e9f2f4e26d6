package message

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

// Letter is one message as it was received: its bytes, which nobody changes, and the facts of
// the SMTP transaction that brought it. It is the one value that smtpd hands to ticketing.
type Letter struct {
	ID         id.ID
	ReceivedAt time.Time
	Session    Session
	MailFrom   address.Address   // the envelope sender; zero is the null reverse-path
	Recipients []address.Address // accepted recipients, in the order of RCPT, without doubles
	Raw        []byte            // the message as received, CRLF line ends; read-only, valid until Deliver returns
	Received   string            // the Received field we add (RFC 5321 section 4.4), with its CRLF; not part of Raw
	Verdict    Verdict
}

// Session holds the facts of one SMTP session that its letters keep.
type Session struct {
	ID       id.ID
	Client   netip.Addr // address of the client, after the PROXY protocol
	PTR      string     // forward-confirmed name of Client, or ""
	Helo     string     // as sanitised: printable ASCII
	TLS      string     // "TLS1.3 TLS_AES_128_GCM_SHA256", or "" for plaintext
	Protocol string     // SMTP, ESMTP, ESMTPS, LMTP, … (RFC 3848)
	SMTPUTF8 bool

	RequireTLS bool // the sender asked for REQUIRETLS (RFC 8689): whatever carries the letter's words leaves over verified TLS alone
}

// LMTP tells whether a mail server of ours brought the letter: of its sender the client then says nothing.
func (s Session) LMTP() bool { return strings.Contains(s.Protocol, "LMTP") }

// Taken is what the sender of a letter that was taken is told.
type Taken struct {
	ID   id.ID  // under which the letter is known: another than the letter's own when the same one was taken before
	Held string // the name of the reason for which it waits for a decision of somebody; "" unless it does
}

// Verdict is what sender authentication found. Its JSON form is stored with the letter and is
// the "auth" object of `mxdesk inspect`.
type Verdict struct {
	SPF   SPF    `json:"spf"`
	DKIM  []DKIM `json:"dkim"`
	DMARC DMARC  `json:"dmarc"`
	ARC   ARC    `json:"arc"`
	Spam  *Spam  `json:"spam,omitempty"` // nil when no content filter is asked

	// Claims are what others found, where our own results leave open who wrote the letter; Believed is the one that the
	// organisation went by. The fields above are always what we found ourselves.
	Claims   []Claim `json:"claims,omitempty"`
	Believed *Claim  `json:"believed,omitempty"`
}

// Proves tells whether the results speak for a From domain: DMARC passed, or, where no record says what is asked for, SPF or
// DKIM of the very domain did. A signature with a reason against it, such as an unsigned Subject, does not count. Nor does a pass for
// another domain: should two readers of a From field ever differ, nobody is proved by it.
func (v Verdict) Proves(fromDomain string) bool {
	if v.DMARC.Result == Pass {
		return strings.EqualFold(v.DMARC.Domain, fromDomain)
	}
	if v.DMARC.Record != "" || fromDomain == "" {
		return false
	}
	return v.SPF.Result == Pass && strings.EqualFold(v.SPF.Domain, fromDomain) || slices.ContainsFunc(v.DKIM, func(d DKIM) bool {
		return d.Result == Pass && d.Reason == "" && strings.EqualFold(d.Domain, fromDomain)
	})
}

// Where a claim comes from, and the name of the reason for which it is believed.
const (
	ARCSealer        = "arc-sealer"        // ARC-Authentication-Results of a chain that holds
	TrustedForwarder = "trusted-forwarder" // Authentication-Results of the server that brought the letter
)

// Claim is what another server says it found of a letter's sender, of what passed there; whether the From domain is aligned
// with it is our own finding. It counts only for those who believe that server.
type Claim struct {
	Source   string `json:"source"`
	By       string `json:"by"`                 // domain of the seal, or authserv-id in lower case
	Instance int    `json:"instance,omitempty"` // of the ARC set
	Received int    `json:"received,omitempty"` // Received fields above an Authentication-Results field
	Topmost  bool   `json:"topmost,omitempty"`  // no field of the same authserv-id stands above it
	SPF      SPF    `json:"spf"`
	DKIM     []DKIM `json:"dkim"`
	DMARC    DMARC  `json:"dmarc"`
}

// Verdict is the claim as if we had found it ourselves.
func (c *Claim) Verdict() Verdict { return Verdict{SPF: c.SPF, DKIM: c.DKIM, DMARC: c.DMARC} }

// Spam is what a content filter says of a letter, and what its score led to.
type Spam struct {
	Score   float64  `json:"score"`
	Action  string   `json:"action"`  // what the filter itself would do
	Symbols []string `json:"symbols"` // names of its rules that matched, heaviest first
	// Tag marks the letter, Hold keeps it from becoming a ticket until somebody has looked at it.
	Tag  bool `json:"tag,omitempty"`
	Hold bool `json:"hold,omitempty"`
	// Unreachable: the filter gave no answer, and the letter was taken without it.
	Unreachable bool `json:"unreachable,omitempty"`
}

// Result is a result of RFC 8601: none, neutral, pass, fail, softfail, policy, temperror or permerror.
type Result string

// The results of RFC 8601 section 2.7.
const (
	None      Result = "none"
	Neutral   Result = "neutral"
	Pass      Result = "pass"
	Fail      Result = "fail"
	SoftFail  Result = "softfail"
	Policy    Result = "policy"
	TempError Result = "temperror"
	PermError Result = "permerror"
)

// SPF is the result of RFC 7208.
type SPF struct {
	Result      Result `json:"result"`
	Domain      string `json:"domain"`
	Identity    string `json:"identity"` // "mailfrom" or "helo"
	Mechanism   string `json:"mechanism"`
	Explanation string `json:"explanation"`
}

// DKIM is the result of one signature (RFC 6376, 8301, 8463).
type DKIM struct {
	Result    Result `json:"result"`
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Identity  string `json:"identity"`
	Algorithm string `json:"algorithm"`
	KeyBits   int    `json:"key_bits"`
	Reason    string `json:"reason"`
}

// DMARC is the result of RFC 9989.
type DMARC struct {
	Result       Result `json:"result"`
	Domain       string `json:"domain"`
	PolicyDomain string `json:"policy_domain"`
	Policy       string `json:"policy"` // none, quarantine or reject
	AlignedSPF   bool   `json:"aligned_spf"`
	AlignedDKIM  bool   `json:"aligned_dkim"`
	Record       string `json:"record"`
	Testing      bool   `json:"testing"` // t=y: the owner asks that the policy be applied one level lower
}

// ARC is the result of a chain (RFC 8617).
type ARC struct {
	Result    Result `json:"result"`
	Instances int    `json:"instances"`
	Reason    string `json:"reason"`
	// Sealers are the domains of the seals, of instance 1 first. Unless Result is pass they are mere claims.
	Sealers []string `json:"sealers"`
}
