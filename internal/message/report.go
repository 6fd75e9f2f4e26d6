package message

import (
	"strings"

	"mxdesk/internal/bounce"
)

// bounceInput is what the reader of reports needs.
func (r *reader) bounceInput(h header, ctype contentField, w *walker, b *body) *bounce.Input {
	in := &bounce.Input{
		Header: func(name string) []string {
			var out []string
			for _, v := range h.all(name) {
				out = append(out, w.dec.header(v))
			}
			return out
		},
		NullSender: r.nullSender(h),
		Type:       ctype.value,
		ReportType: strings.ToLower(ctype.get("report-type")),
		Subject:    r.c.Subject,
		Text:       r.c.Text,
	}
	if len(r.c.From) > 0 {
		in.From = strings.ToLower(r.c.From[0].Address)
	}
	for _, p := range b.leaves {
		in.Parts = append(in.Parts, bounce.Part{Type: p.ctype.value, Data: p.decode(w)})
	}
	return in
}

// reporters are parts of the names and addresses under which mail systems write.
var reporters = [...]string{"daemon", "deliver", "system", "attendant", "exchange", "bounce", "master", "admin", "post"}

// mayReport tells whether it is worth to read a letter as a report. It only sorts out what plainly is none, nearly
// all letters: no machine's mark in the header, no embedded message, no field of a report in the text.
func mayReport(in *bounce.Input, h header) bool {
	if in.NullSender || in.Type == "multipart/report" || in.ReportType != "" {
		return true
	}
	for _, name := range [...]string{"Auto-Submitted", "X-Failed-Recipients", "X-MLServer"} {
		if h.has(name) {
			return true
		}
	}
	for _, p := range in.Parts {
		if strings.HasPrefix(p.Type, "message/") || p.Type == "text/rfc822-headers" {
			return true
		}
	}
	if in.From == "" {
		return true // "From: <>", the null sender again
	}
	from := strings.ToLower(unfold(h.get("From"))) + in.From
	return containsAny(from, reporters[:]) || strings.HasPrefix(strings.TrimSpace(in.Text), "{") || hasField(in.Text)
}

// hasField tells whether text holds one of the fields of RFC 3464 that every delivery report has.
func hasField(text string) bool {
	for at := 0; ; {
		i := strings.IndexByte(text[at:], ':')
		if i < 0 {
			return false
		}
		at += i
		for _, name := range [...]string{"-recipient", "diagnostic-code"} {
			if at >= len(name) && strings.EqualFold(text[at-len(name):at], name) {
				return true
			}
		}
		at++
	}
}
