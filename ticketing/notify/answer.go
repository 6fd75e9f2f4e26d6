package notify

import (
	"strconv"
	"strings"
	"unicode"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

// AnswerFacts is what is known of a letter that might be answered by the program itself.
type AnswerFacts struct {
	NullSender    bool            // MAIL FROM:<>
	Kind          message.Kind    // as read
	Sender        address.Address // the From address: where the answer would go
	Ours          bool            // Sender is an address of this system
	Disowned      bool            // the sender's domain says that the letter is not from it
	AutoSubmitted string          // field values as written, "" if missing
	Precedence    string
	ListID        string
	Suppress      string // X-Auto-Response-Suppress

	SentRecently int // automatic answers to Sender within the short window
	SentToday    int // and within a day
	InChain      int // automatic letters of this ticket, one after the other, without words of a person between them
}

// AnswerLimits are the most automatic answers that one address gets; 0 means none at all.
type AnswerLimits struct {
	Recently int // within 5 minutes
	Day      int // within 24 hours
	Chain    int // letters in one chain
}

// DefaultAnswerLimits are the limits unless an organisation sets others.
var DefaultAnswerLimits = AnswerLimits{Recently: 5, Day: 40, Chain: 20}

// AutoReplyAllowed tells whether the program may answer a letter by itself (RFC 3834 section 2), and if not,
// why not. It is asked before every automatic letter to a sender, whoever else is told.
func AutoReplyAllowed(f *AnswerFacts, limits AnswerLimits) (ok bool, reason string) {
	switch {
	case f.NullSender:
		return false, "the sender is null"
	case f.Sender.IsZero():
		return false, "there is no sender"
	case f.Ours:
		return false, "the sender is an address of ours"
	case f.Disowned:
		return false, "the sender's domain says that the letter is not from it"
	case f.Kind != message.Human:
		return false, "the letter is not a person's: " + string(f.Kind)
	case f.AutoSubmitted != "" && firstWord(f.AutoSubmitted) != "no":
		return false, "Auto-Submitted: " + firstWord(f.AutoSubmitted)
	case isBulk(f.Precedence):
		return false, "Precedence: " + firstWord(f.Precedence)
	case strings.TrimSpace(f.ListID) != "":
		return false, "it came through a mailing list"
	case suppresses(f.Suppress):
		return false, "X-Auto-Response-Suppress"
	case MachineLocal(f.Sender.Local):
		return false, "the sender is a machine's address"
	case f.SentRecently >= limits.Recently:
		return false, "the address had " + strconv.Itoa(f.SentRecently) + " automatic answers in 5 minutes"
	case f.SentToday >= limits.Day:
		return false, "the address had " + strconv.Itoa(f.SentToday) + " automatic answers in a day"
	case f.InChain >= limits.Chain:
		return false, strconv.Itoa(f.InChain) + " automatic letters in a row"
	}
	return true, ""
}

// firstWord is the value of a field before its parameters and comments, in lower case, cut at 40 bytes and fit to be stored.
func firstWord(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, "; (\t\r\n"); i >= 0 {
		s = s[:i]
	}
	return strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), 40)], "")))
}

func isBulk(precedence string) bool {
	switch firstWord(precedence) {
	case "bulk", "list", "junk", "auto_reply", "auto-reply":
		return true
	}
	return false
}

// suppresses reads [MS-OXCMAIL] X-Auto-Response-Suppress. "OOF" and "AutoReply" ask for no answer by a machine;
// "DR", "NDR", "RN" and "NRN" are about reports, which we never send.
func suppresses(field string) bool {
	for w := range strings.FieldsFuncSeq(strings.ToLower(field), func(r rune) bool { return r == ',' || r == ' ' }) {
		if w == "all" || w == "oof" || w == "autoreply" {
			return true
		}
	}
	return false
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
