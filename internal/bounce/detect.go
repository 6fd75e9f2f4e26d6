package bounce

import (
	_ "embed" // the signs
	"slices"
	"strings"
	"sync"

	"mxdesk/internal/octets"
)

//go:embed notices.txt
var noticesText string

// signs are the lists of notices.txt by name.
var signs = sync.OnceValue(func() map[string][]string { return readSigns(noticesText) })

func readSigns(data string) map[string][]string {
	all, name := map[string][]string{}, ""
	for line := range strings.Lines(data) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			name = strings.Trim(line, "[]")
		default:
			all[name] = append(all[name], line)
		}
	}
	return all
}

// holds reports whether s contains an entry of a list of notices.txt.
func holds(s, list string) bool {
	for _, p := range signs()[list] {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// begins reports whether s begins with an entry of a list of notices.txt.
func begins(s, list string) bool {
	for _, p := range signs()[list] {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// squash makes s one line in lower case, at most n bytes of it.
func squash(s string, n int) string {
	return strings.ReplaceAll(strings.ToLower(strings.Join(strings.Fields(octets.Clip(s, n)), " ")), "’", "'")
}

// author returns all that a letter says of who sent it.
func author(in *Input) string {
	from := in.From
	for _, v := range fieldValues(in, "From", 2) {
		from += " " + strings.ToLower(v)
	}
	return from
}

// fieldValues returns up to n values of a field, none longer than maxField.
func fieldValues(in *Input, name string, n int) []string {
	if in.Header == nil {
		return nil
	}
	var list []string
	for _, v := range first(in.Header(name), n) {
		list = append(list, octets.Clip(v, maxField))
	}
	return list
}

// subjectSpeaks reports whether the subject is that of a delivery notice, and no answer to
// one.
func subjectSpeaks(subject string) bool {
	s := squash(subject, maxField)
	return opensLikeNotice(subject) || holds(s, "subject within") && !begins(s, "answer")
}

// opensLikeNotice reports whether a subject begins as those of delivery notices do.
func opensLikeNotice(subject string) bool {
	s := strings.TrimLeft(squash(subject, maxField), "*[(<\"' ")
	return begins(s, "subject") || begins(s, "delivered")
}

// answered reports whether a subject is that of an answer or of a forwarded letter.
func answered(subject string) bool {
	return begins(squash(subject, maxField), "answer")
}

// automatic reports whether a header field says that no person wrote this letter.
func automatic(in *Input) bool {
	for _, v := range fieldValues(in, "Auto-Submitted", 3) {
		if v = strings.ToLower(strings.TrimSpace(v)); v != "" && !strings.HasPrefix(v, "no") {
			return true
		}
	}
	return false
}

// answers reports whether a letter is an automatic answer, as a notice is, and not a robot's own.
func answers(in *Input) bool {
	for _, v := range fieldValues(in, "Auto-Submitted", 3) {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(v)), "auto-replied") {
			return true
		}
	}
	return in.Type == "multipart/report"
}

// machine reports whether a mail system wrote a letter, by its header.
func machine(in *Input) bool {
	from := author(in)
	return holds(in.From, "daemon") || in.From == "" && holds(from, "daemon") || in.ReportType == "delivery-status" || in.NullSender && (holds(from, "daemon") || holds(from, "postmaster"))
}

// failedRecipients returns the addresses of X-Failed-Recipients, which Exim and Google set.
func failedRecipients(in *Input) []string {
	if in.Header == nil {
		return nil
	}
	var list []string
	for _, v := range first(in.Header("X-Failed-Recipients"), maxRecipients) {
		for part := range strings.SplitSeq(octets.Clip(v, maxText), ",") {
			list = appendAddresses(list, part)
		}
	}
	return list
}

// speaksForReport decides whether a letter without the fields of RFC 3464 is a delivery notice.
// One sign is not enough: people write "could not be delivered", postmasters write letters,
// and answering machines use the null sender.
func speaksForReport(in *Input, said []string, failed []string) bool {
	tells := holds(squash(strings.Join(said, " "), maxScan), "opening")
	subject := subjectSpeaks(in.Subject)
	sign := in.NullSender || automatic(in) || in.Type == "multipart/report"
	from := author(in)
	switch {
	case len(failed) > 0:
		return true
	case in.ReportType == "delivery-status":
		return true
	case in.ReportType != "":
		return false // a receipt, or another report
	case holds(from, "daemon"):
		if in.From != "" && !in.NullSender && !answers(in) && !holds(in.From, "daemon") && !holds(in.From, "postmaster") {
			return (tells || subject) && evident(said) // it may be a Parcel Delivery Service
		}
		return tells || subject || lists(said)
	case holds(from, "postmaster"):
		return subject || sign && lists(said) || tells && (sign || evident(said) && len(fieldValues(in, "In-Reply-To", 1)) == 0)
	case !opensLikeNotice(in.Subject) || len(fieldValues(in, "List-Id", 1)) > 0:
		// "[Ticket 4711] Undelivered mail", or people who talk of one
	case tells && (in.NullSender || answers(in)):
		return evident(said)
	case tells && holds(from, "robot"):
		return lists(said)
	}
	return tells && fromListManager(in)
}

// evident reports whether a text holds what only delivery notices have: codes, or an address
// in a list.
func evident(said []string) bool {
	text := octets.Clip(strings.Join(said, "\n"), maxScan)
	if len(statuses(text, 1)) > 0 {
		return true
	}
	for _, c := range smtpCodes(text, 4) {
		if c[0] != '2' {
			return true
		}
	}
	for _, m := range mentions(said) {
		if m.rank >= labelled {
			return true
		}
	}
	return false
}

// lists reports whether a text lists a recipient and holds a refusal: enough for a mail system whose language we
// do not know.
func lists(said []string) bool {
	text := octets.Clip(strings.Join(said, "\n"), maxScan)
	return slices.ContainsFunc(smtpCodes(text, 20), func(c string) bool { return c[0] != '2' }) && slices.ContainsFunc(mentions(said), func(m mention) bool { return m.rank >= named })
}

// fromListManager reports whether a list manager wrote the letter itself: one that it passes
// on has a List-Id.
func fromListManager(in *Input) bool {
	return len(fieldValues(in, "X-MLServer", 1)) > 0 && len(fieldValues(in, "List-Id", 1)) == 0
}

// outcome says what became of the letter by the words of a notice: delivered, delayed or failed.
func outcome(subject string, said []string) string {
	text := squash(subject+"\n"+strings.Join(said, " "), maxScan)
	switch {
	case holds(text, "success") || begins(text, "delivered"):
		return Delivered
	case holds(text, "waiting") && !holds(text, "over"):
		return Delayed
	}
	return Failed
}

func first(list []string, n int) []string {
	return list[:min(len(list), n)]
}
