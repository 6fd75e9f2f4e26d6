package ticketing

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
	"mxdesk/internal/network"
)

// admission is what the organisation's policy says of a letter: take it, hold it, or refuse it. Its reason is one name, the
// same in the trace, the log and the metrics, and for a refusal in the reply too.
type admission struct {
	reason string // "" for a letter that is simply taken
	hold   string // why it is held, a sentence; "" unless it is
	refuse error  // one of the refusals of package message; nil unless it is refused
}

// The reasons for which letters are held, and those that are told of letters that are taken. Refusals name themselves.
const (
	reasonDMARCHeld   = "dmarc-quarantine"  // asked for by the domain; for one that asks to reject, by the setting or behind LMTP
	reasonSpamHeld    = "spam-held"         // the content filter's score
	reasonFileType    = "attachment-type"   // also of a refusal
	reasonFileLimits  = "attachment-limits" // also of a refusal
	reasonFileHidden  = "attachment-hidden" // not all of the letter could be read
	reasonUnconfirmed = "staff-unconfirmed" // in the name of staff, and not proved

	reasonNetwork     = "allowed-network"
	reasonDMARCExempt = "dmarc-exempt"
	reasonDMARCNone   = "dmarc-none" // failed, and the domain asks for nothing
)

// admissionReasons are all decisions with their reasons, so that the metrics show those too that did not come yet.
var admissionReasons = []struct{ decision, reason string }{
	{"refused", message.ErrBlockedNetwork.Reason},
	{"refused", message.ErrBlockedSender.Reason},
	{"refused", message.ErrDMARC.Reason},
	{"refused", message.ErrSenderDNS.Reason},
	{"refused", message.ErrForbiddenFile.Reason},
	{"refused", message.ErrFileLimits.Reason},
	{"refused", message.ErrUnregistered.Reason},
	{"refused", message.ErrMassMail.Reason},
	{"refused", message.ErrLoop.Reason},
	{"held", reasonDMARCHeld},
	{"held", reasonSpamHeld},
	{"held", reasonFileType},
	{"held", reasonFileLimits},
	{"held", reasonFileHidden},
	{"held", reasonUnconfirmed},
	{"taken", reasonNetwork},
	{"taken", reasonDMARCExempt},
	{"taken", reasonDMARCNone},
	{"believed", message.ARCSealer},
	{"believed", message.TrustedForwarder},
}

// refused is the admission that a refusal stands for.
func refused(err error) admission {
	a := admission{refuse: err}
	if r, ok := errors.AsType[*message.Refusal](err); ok {
		a.reason = r.Reason
	}
	return a
}

// admissionInput is all that decides over the admission of a letter.
type admissionInput struct {
	belief   belief
	from     address.Address
	mailFrom address.Address
	network  network.Listing
	lmtp     bool // a server of ours brought it: nobody knows SPF, and what is refused it sends back to whom the envelope names
	returned bool // it is a report to a return path of ours, whose signature is proof enough; nothing of it is posted
	confirm  bool // it answers the question whether a held letter is his: nothing of it is posted
	files    files
	rules    []AttachmentRules // of everything that it goes to
	settings Settings
}

// admit weighs the lists of the organisation, what is known of the sender, the score of the filter, and the files. It comes
// before anything else is done with the letter.
func admit(in admissionInput) admission {
	switch {
	case in.network == network.Blocked:
		return refused(message.ErrBlockedNetwork)
	case listed(in.settings.BlockedSenders, in.from) || listed(in.settings.BlockedSenders, in.mailFrom):
		return refused(message.ErrBlockedSender)
	case in.returned:
		return admission{}
	}
	a := byDMARC(in)
	if in.confirm || a.refuse != nil {
		return a
	}
	for _, rules := range in.rules {
		if f := rules.judge(in.files); f.refuse != nil || f.hold != "" && a.hold == "" {
			a = f
		}
		if a.refuse != nil {
			return a
		}
	}
	if spam := in.belief.verdict.Spam; a.hold == "" && in.network != network.Allowed && spam != nil && spam.Hold {
		return admission{reason: reasonSpamHeld, hold: "The spam filter scores it " + strconv.FormatFloat(spam.Score, 'f', 1, 64)}
	}
	return a
}

// byDMARC does what the owner of the domain in From asks for. When somebody who would be believed may vouch for the
// letter, and the DNS does not tell now, it is neither refused nor held.
func byDMARC(in admissionInput) admission {
	d := in.belief.verdict.DMARC
	if d.Result != message.Fail {
		return admission{}
	}
	demand := demanded(d)
	switch {
	case in.exempt():
		return admission{reason: reasonDMARCExempt}
	case demand == "none":
		return admission{reason: reasonDMARCNone}
	case in.network == network.Allowed:
		return admission{reason: reasonNetwork}
	case in.belief.waiting:
		return refused(message.ErrSenderDNS)
	case demand == "reject" && !in.settings.HoldDMARCReject && !in.lmtp:
		return refused(message.ErrDMARC)
	}
	return admission{reason: reasonDMARCHeld, hold: "DMARC failed, and " + d.PolicyDomain + " asks to " + demand + " such letters"}
}

// exempt tells whether DMARC is not asked about the letter: for who it says it is from, or for who forwards it, a mailing list say,
// where SPF proves that he does.
func (in *admissionInput) exempt() bool {
	spf := in.belief.verdict.SPF
	return listed(in.settings.DMARCExempt, in.from) ||
		spf.Result == message.Pass && strings.EqualFold(spf.Domain, in.mailFrom.Domain) && listed(in.settings.DMARCExempt, in.mailFrom)
}

// demanded is the policy asked for; a domain that is still testing asks for one level less (RFC 9989, tag t).
func demanded(d message.DMARC) string {
	switch {
	case !d.Testing:
		return d.Policy
	case d.Policy == "reject":
		return "quarantine"
	}
	return "none"
}

// listed tells whether the address, its domain, or a domain above it stands in the list.
func listed(list []string, a address.Address) bool {
	if a.IsZero() || len(list) == 0 {
		return false
	}
	if slices.Contains(list, a.Key()) {
		return true
	}
	for domain := a.Domain; domain != ""; {
		if slices.Contains(list, domain) {
			return true
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return false
}
