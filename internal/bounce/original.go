package bounce

import (
	"io"
	"mime"
	"slices"
	"strings"

	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"
)

// original is what is known of the letter a report is about.
type original struct {
	messageID  string
	recipients []string
	sender     []string // addresses that are the author's, not a failed recipient's
	returnPath string   // as its last host noted it; "" if unknown
	subject    string
	found      bool
}

// isOriginalPart reports whether a part is the letter a report is about, or its header.
func isOriginalPart(t string) bool {
	switch t {
	case "message/rfc822", "message/global", "message/partial", "text/rfc822-headers", "text/rfc822-header",
		"text/rfc822", "message/rfc822-headers", "message/global-headers":
		return true
	}
	return false
}

// attachedOriginal reads the first attached letter that has a header. Some systems attach it as
// plain text.
func attachedOriginal(parts []Part) original {
	for _, p := range parts {
		if !isOriginalPart(p.Type) {
			continue
		}
		ls := partLines(p)
		for i := 0; i < len(ls) && i < 5; i++ { // some put empty lines, or a heading, before the header
			if o := readOriginal(ls[i:]); o.found {
				return o
			}
		}
	}
	for i, p := range parts {
		if i == 0 || p.Type != "text/plain" && p.Type != "application/octet-stream" {
			continue
		}
		ls := partLines(p)
		if n, ok := headerBlock(ls); ok {
			return readOriginal(ls[:n])
		}
	}
	return original{}
}

func partLines(p Part) []string {
	return lines(string(p.Data[:min(len(p.Data), maxText)]))
}

// readOriginal reads a header that begins at the first of ls and ends at an empty line.
func readOriginal(ls []string) original {
	end := slices.IndexFunc(ls, func(l string) bool { return strings.TrimSpace(l) == "" })
	if end < 0 {
		end = len(ls)
	}
	blocks := groups(strings.Join(ls[:end], "\n"))
	if len(blocks) == 0 {
		return original{}
	}
	header := blocks[0]
	o := original{
		found:     slices.ContainsFunc(header, func(f field) bool { return originalField[f.name] || strings.HasPrefix(f.name, "x-") }),
		messageID: messageID(value(header, "message-id")),
		subject:   clean(decodeWords(value(header, "subject")), maxField),
	}
	if v := value(header, "return-path"); v != "" {
		o.returnPath = fieldAddress(v)
	}
	for _, name := range []string{"x-hmxmroriginalrecipient", "to", "cc", "x-envelope-to"} {
		o.recipients = appendAddresses(o.recipients, value(header, name))
	}
	for _, name := range []string{"from", "sender", "return-path"} {
		o.sender = appendAddresses(o.sender, value(header, name))
	}
	return o
}

func appendAddresses(list []string, v string) []string {
	for _, f := range findAddresses(v) {
		if len(list) < maxRecipients && whole(f.addr) {
			list = append(list, clean(f.addr, maxAddress))
		}
	}
	return list
}

// messageID takes the id out of a Message-ID field, without brackets.
func messageID(v string) string {
	v = strings.TrimSpace(v)
	if i := strings.IndexByte(v, '<'); i >= 0 {
		v = v[i+1:]
		if j := strings.IndexByte(v, '>'); j >= 0 {
			v = v[:j]
		}
	}
	return strings.ReplaceAll(clean(v, maxField), " ", "")
}

// namedID finds the id of the original where a report names it without attaching it: in a field such as Google's
// X-Original-Message-ID, or in the text.
func namedID(ls []string) string {
	for _, line := range ls {
		label, id, ok := strings.Cut(line, ":")
		if !ok || len(label) > 60 || strings.IndexByte(id, '@') < 0 || len(strings.Fields(id)) != 1 {
			continue
		}
		label = strings.ReplaceAll(strings.ToLower(label), " ", "-")
		if strings.Contains(label, "message-id") || strings.Contains(label, "messageid") {
			return messageID(id) // "message identifier" too
		}
	}
	return ""
}

// decodeWords decodes the encoded words of a subject; one that cannot be read stays as it is.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	dec := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		enc, err := ianaindex.MIME.Encoding(charset)
		if err != nil || enc == nil {
			return r, nil
		}
		return transform.NewReader(r, enc.NewDecoder()), nil
	}}
	if out, err := dec.DecodeHeader(s); err == nil {
		return out
	}
	return s
}

// originalField names fields that begin the header of a letter quoted in a text. Those of RFC
// 3464 are not among them.
var originalField = map[string]bool{
	"received": true, "return-path": true, "message-id": true, "mime-version": true, "dkim-signature": true,
	"domainkey-signature": true, "delivered-to": true, "date": true, "from": true, "to": true, "subject": true,
	"content-type": true, "content-transfer-encoding": true, "reply-to": true, "user-agent": true,
	"authentication-results": true, "sender": true, "cc": true, "received-spf": true, "list-id": true, "importance": true,
	"thread-topic": true, "thread-index": true, "in-reply-to": true, "references": true, "precedence": true,
	"errors-to": true, "arc-seal": true, "arc-message-signature": true, "arc-authentication-results": true,
}

// splitNotice divides the lines of a free text into what the system says and the original it
// quotes. The original begins at a marker, or at a block of header lines that no notice would
// write itself.
func splitNotice(ls []string) (said []string, o original) {
	scanned := 0 // lines before it begin no header
	for i := range ls {
		if i >= scanned {
			n, ok := headerBlock(ls[i:])
			if block := unindent(ls[i : i+n]); ok && !wrapsReport(block) {
				return ls[:i], readOriginal(block)
			}
			scanned = i + n
		}
		if isMarker(ls[i]) && i > 0 {
			rest := ls[i+1:]
			for len(rest) > 0 && (strings.TrimSpace(rest[0]) == "" || strings.HasPrefix(rest[0], "---")) {
				rest = rest[1:] // Exim goes on behind dashes: how much of the body it returns
			}
			o = readOriginal(unindent(rest))
			return ls[:i], o
		}
	}
	return ls, o
}

// isMarker reports whether only the original follows a line: one with the words for that, set
// off by dashes or ending like a heading.
func isMarker(line string) bool {
	t := strings.ToLower(strings.TrimSpace(line))
	if len(t) < 10 || len(t) > 120 || !holds(t, "marker") {
		return false
	}
	dashed := strings.HasPrefix(t, "--") || strings.HasPrefix(t, "==") || strings.HasPrefix(t, "**") || strings.HasPrefix(t, "|--")
	heading := len(t) < 60 && strings.ContainsAny(t[len(t)-1:], ":-.s")
	return dashed || heading
}

// maxHeaderLines bounds the lines of a quoted header.
const maxHeaderLines = 400

// headerBlock returns how many lines the block that begins here has, and whether it is the header
// of a letter: three different fields, one of which people and notices do not write.
func headerBlock(ls []string) (lines int, ok bool) {
	if _, ok := headerLine(ls[0]); !ok {
		return 0, false
	}
	seen, proof, n := map[string]bool{}, false, 0
	for _, line := range ls {
		if n == maxHeaderLines || strings.Trim(line, "> \t\r") == "" {
			break
		}
		if f, ok := headerLine(line); ok {
			switch f.name {
			case "reporting-mta", "final-recipient", "original-recipient", "diagnostic-code", "action", "status", "remote-mta":
				return n + 1, false // the fields of a report
			}
			if originalField[f.name] {
				seen[f.name] = true
			}
			switch f.name {
			case "message-id", "received", "mime-version", "return-path", "dkim-signature", "content-type", "delivered-to":
				proof = true
			}
		}
		n++
	}
	return n, proof && len(seen) >= 3
}

// headerLine reads a field that may be indented or quoted.
func headerLine(line string) (field, bool) {
	f, ok := splitField(strings.TrimLeft(line, "> \t"))
	if !ok || !originalField[f.name] && !strings.Contains(f.name, "-") {
		return field{}, false
	}
	return f, true
}

// unindent removes the indentation or quotation of the first line from all lines of a block.
func unindent(ls []string) []string {
	if len(ls) == 0 {
		return nil
	}
	indent := len(ls[0]) - len(strings.TrimLeft(ls[0], "> \t"))
	prefix := ls[0][:indent]
	out := make([]string, 0, min(len(ls), maxHeaderLines))
	for _, l := range ls[:min(len(ls), maxHeaderLines)] {
		out = append(out, strings.TrimPrefix(l, prefix))
	}
	return out
}

// wrapsReport reports whether a header found in a text is that of a report itself: some
// providers put the report they got into a letter of their own.
func wrapsReport(block []string) bool {
	for i, l := range block {
		f, ok := splitField(l)
		if !ok {
			continue
		}
		v := strings.ToLower(f.value)
		if f.name == "content-type" && (strings.Contains(v, "report") || i+1 < len(block) && strings.Contains(block[i+1], "delivery-status")) {
			return true
		}
		if f.name == "from" && strings.Contains(v, "mailer-daemon@") {
			return true
		}
	}
	return false
}
