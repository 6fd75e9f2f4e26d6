package bounce

import (
	"slices"
	"strings"

	"mxdesk/internal/octets"
)

// mention is an address in a notice, the line it stands in, and how sure the form makes it that
// this is a failed recipient.
type mention struct {
	addr string
	line int
	rank int
}

// How an address stands in its line.
const (
	inSentence = iota // "wasn't delivered to a@b because"
	atStart           // "a@b 様"
	labelled          // "To: a@b", "RCPT TO:<a@b>"
	named             // "A Name <a@b>" alone in its line
	listed            // "<a@b>: reason", or the address alone
)

// maxMentions bounds the addresses looked at in one notice.
const maxMentions = 3 * maxRecipients

// mentions finds the addresses of a notice and what their form says. Addresses that a label
// makes the author's, and those one is told to write to, are left out.
func mentions(said []string) []mention {
	var list []mention
	for i, line := range said {
		end := -1 // of the mention before in this line
		for _, f := range findAddresses(line) {
			before, after := line[:f.start], line[f.end:]
			if notRecipient(before, after, line, f.addr) {
				continue
			}
			if len(list) == maxMentions {
				return list
			}
			rank := rankOf(before, after)
			if end >= 0 && joined(line[end:f.start]) {
				rank = max(rank, list[len(list)-1].rank) // "To: a@b, c@d"
			}
			end = f.end
			list = append(list, mention{clean(f.addr, maxAddress), i, rank})
		}
	}
	return list
}

// joined reports whether two addresses with nothing but this between them are of one list.
func joined(between string) bool {
	t := strings.Trim(between, " \t<>\"'")
	return t == "," || t == ";" || t == "&" || t == "、" || t == "，"
}

// demoteWrapped takes the rank of those that head a line only because the line before was
// wrapped there: they stand further in than the first of the list. A greeting to the author
// (own) is no list.
func demoteWrapped(said []string, list []mention, own map[string]bool) {
	margin := -1
	for i, m := range list {
		if m.rank < named {
			continue
		}
		line := said[m.line]
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if margin < 0 && !own[m.addr] {
			margin = indent
		}
		if margin >= 0 && indent > margin {
			list[i].rank = inSentence
		}
	}
}

// rankOf says how an address stands between the two halves of its line.
func rankOf(before, after string) int {
	b := strings.ToLower(strings.Trim(before, " \t<\"'*•·-–>([{=#"))
	a := strings.TrimLeft(after, ">\"')]} \t")
	label := strings.TrimRight(b, " :：<\"'")
	closes := a == "" || strings.IndexByte(":;,(<-", a[0]) >= 0 || strings.HasPrefix(a, "...") || strings.HasPrefix(a, "…")
	switch {
	case b != "" && strings.Trim(b, "0123456789.)- ") == "":
		return labelled // a line of a transcript: "550 5.1.1 <a@b>... User unknown"
	case b == "":
		if closes || begins(strings.ToLower(a), "verdict") || column(strings.TrimLeft(after, ">\"')]")) {
			return listed
		}
		return atStart
	case isLabel(label, b):
		return labelled
	case strings.HasSuffix(b, "<mailto:") || strings.HasSuffix(b, "mailto"):
		return named
	case a == "" && strings.HasSuffix(strings.TrimRight(before, " "), "<") && len(strings.Fields(b)) <= 5 && !strings.ContainsAny(b, ":.,"):
		return named
	}
	return inSentence
}

// column reports whether what follows an address stands apart from it, as in a table, or begins with a reply code.
func column(after string) bool {
	if strings.HasPrefix(after, "\t") || strings.HasPrefix(after, "  ") {
		return true
	}
	t := strings.TrimLeft(after, " ")
	return len(t) > 3 && smtpCodes(t[:4], 1) != nil
}

// isLabel reports whether the words before an address call it the recipient.
func isLabel(label, before string) bool {
	if !strings.HasSuffix(strings.TrimRight(before, " <\"'"), ":") && !strings.HasSuffix(before, "：") {
		return false
	}
	for _, l := range signs()["recipient label"] {
		if label == l || strings.HasSuffix(label, " "+l) {
			return true
		}
	}
	return false
}

// notRecipient reports whether an address is certainly not a failed recipient: the author's,
// one to write to for help, or part of a link.
func notRecipient(before, after, line, addr string) bool {
	b := strings.TrimSuffix(strings.ToLower(strings.TrimRight(before, " \t<\"'[")), ":")
	for _, l := range signs()["other label"] {
		if b == l || strings.HasSuffix(b, " "+l) || strings.HasSuffix(b, "\t"+l) {
			return true
		}
	}
	if strings.HasSuffix(b, "mail from") || strings.Contains(b, "http://") || strings.Contains(b, "https://") {
		return true
	}
	local, _, _ := strings.Cut(addr, "@")
	if rankOf(before, after) == listed {
		return false
	}
	return holds(strings.ToLower(line), "help") || local == "postmaster" && strings.Contains(strings.ToLower(line), "please")
}

// verdicts are the recipients of a notice, each with the lines said of it.
type verdict struct {
	addr, original string
	text           string
}

// readNotice finds the failed recipients of a free text and what is said of each. own are
// addresses that are the author's of the original: they are believed only in a list.
func readNotice(said []string, o original, failed, own []string) []verdict {
	list, mine := mentions(said), setOf(own)
	demoteWrapped(said, list, mine)
	chosen := choose(list, o, failed, mine)
	if len(chosen) == 0 {
		chosen = fallback(o, mine)
	}
	all, whole := setOf(chosen), strings.Join(said, "\n")
	var out []verdict
	for _, a := range first(chosen, maxRecipients) {
		text := ""
		if len(chosen) > 1 {
			text = section(said, a, all, list)
		}
		if text == "" {
			text = whole
		}
		out = append(out, verdict{addr: a, original: expandedFrom(said, a, list), text: text})
	}
	return out
}

// choose takes the recipients named by the header, else those in the surest form.
func choose(list []mention, o original, failed []string, own map[string]bool) []string {
	if len(failed) > 0 {
		return unique(failed)
	}
	best := -1
	for _, m := range list {
		if m.rank > best && (m.rank >= named || !own[m.addr]) {
			best = m.rank
		}
	}
	var chosen []string
	for _, m := range list {
		if m.rank == best && (best >= named || !own[m.addr]) {
			chosen = append(chosen, m.addr)
		}
	}
	chosen = unique(chosen)
	if best >= labelled || len(chosen) < 2 {
		return chosen
	}
	to := setOf(o.recipients)
	known := slices.DeleteFunc(slices.Clone(chosen), func(a string) bool { return !to[a] })
	if len(known) > 0 {
		return known
	}
	return chosen[:1]
}

// fallback takes the recipients of the original, when the notice names nobody.
func fallback(o original, own map[string]bool) []string {
	var list []string
	for _, a := range o.recipients {
		if !own[a] {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		list = o.recipients
	}
	return first(unique(list), 1)
}

// section returns the lines that speak of one of several recipients: from each that lists it to the next that lists
// another, for a notice may tell its readers first and the administrators below, and the lines of the transcript that name
// it. It returns "" when the text does not tell them apart.
func section(said []string, addr string, all map[string]bool, list []mention) string {
	var b strings.Builder
	end, bare := 0, true
	for i, m := range list {
		if m.addr != addr || m.line < end || b.Len() > maxScan {
			continue
		}
		start := m.line
		if end = m.line + 1; bare || m.rank >= labelled {
			end = nextListed(list[i+1:], m, all, len(said))
		}
		text := strings.Join(said[start:end], "\n")
		bare = bare && end == start+1 && len(strings.TrimSpace(text)) <= len(addr)+8
		b.WriteString(text + "\n")
	}
	if bare {
		return ""
	}
	return b.String()
}

// nextListed returns the line in which the first of list stands that heads what is said of another recipient than m.
func nextListed(list []mention, m mention, all map[string]bool, end int) int {
	for _, n := range list {
		if n.line > m.line && n.rank >= labelled && n.addr != m.addr && all[n.addr] {
			return n.line
		}
	}
	return end
}

// expandedFrom finds the address a recipient was expanded from: Postfix and Sendmail write
// "(expanded from <a@b>)" behind it.
func expandedFrom(said []string, addr string, list []mention) string {
	for _, m := range list {
		if m.addr != addr || m.rank < listed {
			continue
		}
		text := strings.Join(said[m.line:min(len(said), m.line+3)], " ")
		_, rest, ok := strings.Cut(text, "(expanded from")
		if !ok {
			_, rest, ok = strings.Cut(text, "generated from")
		}
		if ok {
			if f := findAddresses(octets.Clip(rest, maxField)); len(f) > 0 {
				return clean(f[0].addr, maxAddress)
			}
		}
	}
	return ""
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, a := range list {
		set[a] = true
	}
	return set
}

func unique(list []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, a := range list {
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out
}

// maxReplies bounds the replies taken from a notice.
const maxReplies = 20

// replies returns what remote systems said within a notice: from a line that holds a reply code
// or a status to the end of its paragraph, or to the next such line. The lines of one reply
// ("550-5.7.1 …") stay together.
func replies(text string) []string {
	var out []string
	last := ""
	open := false
	for line := range strings.SplitSeq(octets.Clip(text, 2*maxScan), "\n") {
		if strings.TrimSpace(line) == "" {
			open = false
			continue
		}
		code := ""
		for _, c := range append(smtpCodes(line, 3), statuses(line, 1)...) {
			if c[0] != '2' {
				code = c
				break
			}
		}
		switch {
		case code != "" && (!open || code != last || !strings.Contains(out[len(out)-1], code+"-")):
			if len(out) == maxReplies {
				return out
			}
			out, open, last = append(out, octets.Clip(line, maxDiagnostic)), true, code
		case open && len(out[len(out)-1]) < maxDiagnostic:
			out[len(out)-1] += " " + octets.Clip(strings.TrimSpace(line), maxDiagnostic)
		}
	}
	return out
}
