package ticketing

import (
	"slices"
	"strconv"
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

// admission is what the organisation's policy says of a letter: take it, hold it, or refuse it.
type admission struct {
	reason string // a name, for the trace and the log; "" for a letter that is simply taken
	hold   string // why it is held, a sentence; "" unless it is
	refuse error  // one of the sentinels of package message; nil unless it is refused
}

// admissionInput is all that decides over the admission of a letter.
type admissionInput struct {
	verdict  message.Verdict
	from     address.Address
	mailFrom address.Address
	signed   bool // it came to a return path or confirmation address of ours, whose signature is proof enough
	settings Settings
}

// admit weighs the verdict of sender authentication, and the lists of the organisation. It comes before
// anything else is done with the letter.
func admit(in admissionInput) admission {
	if listed(in.settings.BlockedSenders, in.from) || listed(in.settings.BlockedSenders, in.mailFrom) {
		return admission{reason: "blocked sender", refuse: message.ErrBlockedSender}
	}
	a := byDMARC(in)
	if spam := in.verdict.Spam; a.refuse == nil && a.hold == "" && !in.signed && spam != nil && spam.Hold {
		return admission{reason: "spam, held", hold: "The spam filter scores it " + strconv.FormatFloat(spam.Score, 'f', 1, 64)}
	}
	return a
}

// byDMARC does what the owner of the domain in From asks for.
func byDMARC(in admissionInput) admission {
	d := in.verdict.DMARC
	if in.signed || d.Result != message.Fail {
		return admission{}
	}
	if listed(in.settings.DMARCExempt, in.from) {
		return admission{reason: "DMARC failure exempted"}
	}
	switch demanded(d) {
	case "reject":
		if in.settings.HoldDMARCReject {
			return admission{reason: "DMARC reject, held", hold: "DMARC failed, and " + d.PolicyDomain + " asks to reject such letters"}
		}
		return admission{reason: "DMARC reject", refuse: message.ErrDMARC}
	case "quarantine":
		return admission{reason: "DMARC quarantine", hold: "DMARC failed, and " + d.PolicyDomain + " asks to quarantine such letters"}
	}
	return admission{reason: "DMARC failed, policy none"}
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
