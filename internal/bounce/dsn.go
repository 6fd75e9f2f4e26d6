package bounce

import (
	"strings"

	"mxdesk/internal/octets"
)

// isStatusPart reports whether a part holds the fields of RFC 3464 or RFC 6533.
func isStatusPart(t string) bool {
	return t == "message/delivery-status" || t == "message/global-delivery-status"
}

// recipientField names the per-recipient fields of RFC 3464 section 2.3 that make a block a
// recipient's.
var recipientField = map[string]bool{
	"final-recipient": true, "original-recipient": true, "action": true, "status": true,
	"diagnostic-code": true,
}

// parseDSN reads the fields of a delivery-status part. Blocks are divided by blank lines as in
// the RFC, and also where a second recipient begins without one. Blocks without recipient
// fields (the per-message ones, and stray MIME headers of re-encoding gateways) are skipped.
func parseDSN(text string) []Recipient {
	var list []Recipient
	for _, block := range groups(text) {
		for _, part := range splitRecipients(block) {
			if len(list) == maxRecipients {
				return list
			}
			if r, ok := readRecipient(part); ok {
				list = append(list, r)
			}
		}
	}
	return joinHalves(list)
}

// splitRecipients divides a block in which several recipients follow each other without a
// blank line: a field that may stand only once begins the next one.
func splitRecipients(block []field) [][]field {
	var all [][]field
	seen := map[string]bool{}
	start := 0
	for i, f := range block {
		if f.name != "final-recipient" && f.name != "action" && f.name != "original-recipient" {
			continue
		}
		if seen[f.name] {
			all = append(all, block[start:i])
			start = i
			clear(seen)
		}
		seen[f.name] = true
	}
	return append(all, block[start:])
}

func readRecipient(block []field) (Recipient, bool) {
	known := false
	for _, f := range block {
		known = known || recipientField[f.name]
	}
	if !known {
		return Recipient{}, false
	}
	r := Recipient{
		Address:         fieldAddress(value(block, "final-recipient")),
		OriginalAddress: fieldAddress(value(block, "original-recipient")),
		Action:          readAction(value(block, "action")),
		Status:          firstStatus(value(block, "status")),
		Diagnostic:      readDiagnostic(value(block, "diagnostic-code")),
		RemoteMTA:       clean(afterType(value(block, "remote-mta")), maxField),
	}
	if !whole(r.Address) {
		if a := fieldAddress(value(block, "x-actual-recipient")); whole(a) {
			r.Address = a
		} else if whole(r.OriginalAddress) {
			r.Address = r.OriginalAddress
		}
	}
	if _, comment, ok := strings.Cut(value(block, "status"), "("); ok && r.Status != "" {
		r.statusText = clean(strings.TrimSuffix(comment, ")"), maxField)
	}
	return r, true
}

// joinHalves puts a recipient's block together again that a blank line tore apart: the second
// half has no address, the first no status.
func joinHalves(list []Recipient) []Recipient {
	var out []Recipient
	for _, r := range list {
		if n := len(out); n > 0 && r.Address == "" && out[n-1].Status == "" && out[n-1].Diagnostic == "" {
			p := &out[n-1]
			p.Status, p.Diagnostic, p.statusText = r.Status, r.Diagnostic, r.statusText
			if p.Action == "" {
				p.Action = r.Action
			}
			if p.RemoteMTA == "" {
				p.RemoteMTA = r.RemoteMTA
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// readAction maps an action field to the five words of the RFC. Postfix says "deliverable" in
// verification reports, others invent their own words for failure.
func readAction(s string) string {
	w := strings.ToLower(strings.TrimSpace(s))
	for _, a := range []struct{ prefix, action string }{
		{"undeliver", Failed},
		{"fail", Failed},
		{"expired", Failed},
		{"error", Failed},
		{"hard", Failed},
		{"bounce", Failed},
		{"reject", Failed},
		{"delay", Delayed},
		{"defer", Delayed},
		{"deliver", Delivered},
		{"relay", Relayed},
		{"expand", Expanded},
	} {
		if strings.HasPrefix(w, a.prefix) {
			return a.action
		}
	}
	return ""
}

// readDiagnostic strips the type of a Diagnostic-Code, which is a single word before the first
// semicolon; some systems leave it out, others encode what is not ASCII.
func readDiagnostic(s string) string {
	return clean(decodeWords(octets.Clip(afterType(s), 4*maxDiagnostic)), maxDiagnostic)
}

func afterType(s string) string {
	kind, rest, ok := strings.Cut(s, ";")
	if !ok || strings.ContainsAny(strings.TrimSpace(kind), " .:<@") || len(kind) > 40 {
		return s
	}
	return rest
}

// dsnText returns the fields of the delivery-status parts of a report as one text. Fields that a
// gateway flattened into the body textDSN finds.
func dsnText(in *Input) string {
	var b strings.Builder
	for _, p := range in.Parts {
		if isStatusPart(p.Type) && b.Len() < maxText {
			b.WriteString(octets.Clip(string(p.Data[:min(len(p.Data), maxText)]), maxText))
			b.WriteString("\n\n")
		}
	}
	return b.String()
}

// textDSN returns the part of a free text that is the fields of RFC 3464, or "". It begins at
// the first field that only a report has, and ends where the original begins.
func textDSN(ls []string) string {
	for i, line := range ls {
		f, ok := splitField(line)
		if !ok || f.name != "reporting-mta" && f.name != "final-recipient" && f.name != "original-recipient" {
			continue
		}
		rest := strings.Join(ls[i:], "\n")
		low := strings.ToLower(rest)
		if strings.Contains(low, "\naction:") || strings.Contains(low, "\nstatus:") {
			return rest
		}
		return ""
	}
	return ""
}
