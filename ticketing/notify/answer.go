package notify

import (
	"strings"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

// AnswerFacts is what is known of a letter that might be answered by the program itself. What its header says of machines and
// lists is in its Kind; how many answers its sender had is counted by package guard.
type AnswerFacts struct {
	NullSender bool            // MAIL FROM:<>
	Kind       message.Kind    // as read
	Sender     address.Address // the From address: where the answer would go
	Ours       bool            // Sender is an address of this system
	Disowned   bool            // the sender's domain says that the letter is not from it
	Never      bool            // the settings allow no automatic answer at all
}

// NoAnswer is why the program may not answer a letter by itself (RFC 3834 section 2), "" if it may. It is asked before every
// automatic letter to a sender, whoever else is told.
func NoAnswer(f *AnswerFacts) string {
	switch {
	case f.NullSender:
		return "the sender is null"
	case f.Sender.IsZero():
		return "there is no sender"
	case f.Ours:
		return "the sender is an address of ours"
	case f.Disowned:
		return "the sender's domain says that the letter is not from it"
	case f.Kind != message.Human:
		return "the letter is not a person's: " + string(f.Kind)
	case MachineLocal(f.Sender.Local):
		return "the sender is a machine's address"
	case f.Never:
		return "the settings allow no automatic answers"
	}
	return ""
}

var machineLocals = map[string]bool{
	"mailerdaemon": true, "postmaster": true, "noreply": true, "donotreply": true, "dontreply": true, "noanswer": true,
	"bounce": true, "bounces": true, "listserv": true, "majordomo": true, "daemon": true, "nobody": true,
	"autoreply": true, "autoresponder": true, "root": true, "null": true, "devnull": true, "mailer": true,
}

var squeeze = strings.NewReplacer("-", "", "_", "", ".", "")

// MachineLocal tells whether a local part is one that no person reads: mailer-daemon, postmaster, the
// spellings of no-reply, and the addresses of mailing list software (RFC 3834 section 2, RFC 2142).
func MachineLocal(local string) bool {
	local = strings.ToLower(local)
	if i := strings.IndexAny(local, "+="); i > 0 {
		local = local[:i]
	}
	plain := squeeze.Replace(local)
	if machineLocals[plain] || strings.HasPrefix(plain, "noreply") || strings.HasSuffix(plain, "noreply") ||
		strings.HasPrefix(plain, "donotreply") || strings.HasSuffix(plain, "donotreply") {
		return true
	}
	if strings.HasPrefix(local, "owner-") || strings.HasPrefix(local, "bounce-") || strings.HasPrefix(local, "bounces-") {
		return true
	}
	for _, end := range []string{"-request", "-owner", "-bounce", "-bounces", "-errors"} {
		if strings.HasSuffix(local, end) {
			return true
		}
	}
	return false
}
