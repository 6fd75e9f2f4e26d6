package message

import (
	"bytes"
	"crypto/sha256"
	"html"
	"strings"
)

// section is a run of body text: one leaf, or what the leaves of one multipart/alternative say.
type section struct {
	alternative int
	plain, html string
}

// body is what the leaves of a letter come to.
type body struct {
	sections    []section
	attachments []Attachment
	leaves      []*part
}

// isText tells whether a leaf is body text: text that is meant to be read in place. A named text is an
// attachment, unless it is the first leaf or one of several alternatives.
func (p *part) isText(first bool) bool {
	switch p.ctype.value {
	case "text/plain", "text/html", "text/enriched", "text/richtext", "text/markdown", "application/xhtml+xml":
	default:
		return false
	}
	if p.disp.value == "attachment" {
		return false
	}
	return p.filename() == "" || first || p.parent == "multipart/alternative"
}

// assemble sorts the leaves into text and attachments.
func (w *walker) assemble() body {
	b := body{leaves: w.leaves}
	seen := false
	for _, p := range w.leaves {
		if !p.isText(!seen) {
			w.attach(&b, p)
			continue
		}
		seen = true
		w.addText(&b, p)
	}
	return b
}

// addText adds one leaf of body text.
func (w *walker) addText(b *body, p *part) {
	data := p.decode(w)
	isHTML := p.ctype.value == "text/html" || p.ctype.value == "application/xhtml+xml"
	if isHTML && len(data) > maxHTML {
		w.warn("html-too-long", "only its beginning is shown, all of it is attached")
		w.attach(b, p)
		data = data[:maxHTML]
	}
	if !isHTML && p.alternative == 0 {
		data = w.cutFiles(b, data)
	}
	charset := p.ctype.get("charset")
	if charset == "" && isHTML {
		charset = metaCharset(data)
	}
	text, ok := w.dec.charset(data, charset)
	if !ok {
		w.warn("charset-unknown", "text is not in its charset: "+CleanLine(charset))
	}
	text = CleanText(text)
	switch p.ctype.value {
	case "text/plain":
		if strings.EqualFold(p.ctype.get("format"), "flowed") {
			text = joinFlowed(text, strings.EqualFold(p.ctype.get("delsp"), "yes"))
		}
	case "text/enriched", "text/richtext":
		text = stripEnriched(text)
	}
	s := b.section(p.alternative)
	if isHTML {
		s.html = appendText(s.html, text)
	} else {
		s.plain = appendText(s.plain, text)
	}
}

// section returns the section that a leaf belongs to.
func (b *body) section(alternative int) *section {
	if alternative > 0 {
		for i := range b.sections {
			if b.sections[i].alternative == alternative {
				return &b.sections[i]
			}
		}
	}
	b.sections = append(b.sections, section{alternative: alternative})
	return &b.sections[len(b.sections)-1]
}

func appendText(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	case strings.HasSuffix(a, "\n"):
		return a + b
	}
	return a + "\n" + b
}

// cutFiles moves uuencoded files out of plain text.
func (w *walker) cutFiles(b *body, data []byte) []byte {
	for range 20 {
		name, file, rest, ok := cutUU(data)
		if !ok {
			break
		}
		if w.budget -= len(file); w.budget < 0 {
			w.warn("budget", "too much to unpack")
			break
		}
		b.add(Attachment{Filename: w.dec.raw(name), Declared: "application/octet-stream", Disposition: "attachment", Data: file})
		data = rest
	}
	return data
}

// attach adds a leaf as an attachment, and what is packed in it.
func (w *walker) attach(b *body, p *part) {
	data := p.body
	if !strings.HasPrefix(p.ctype.value, "multipart/") {
		data = p.decode(w)
	}
	if p.ctype.value == "message/rfc822" && len(bytes.TrimSpace(data)) == 0 {
		return
	}
	a := Attachment{Filename: p.filename(), Declared: p.ctype.value, Disposition: p.disp.value, Data: data}
	if ids := p.header.get("Content-ID"); ids != nil {
		a.ContentID = parseMessageID(ids)
	}
	if a.Disposition != "attachment" && a.Disposition != "inline" {
		a.Disposition = ""
	}
	a.Inline = a.Disposition == "inline" || (a.Disposition == "" && a.ContentID != "" && p.related > 0)
	b.add(a)
	if isTNEF(p.ctype.value, data) {
		w.unpackTNEF(b, data)
	}
}

// add finishes an attachment: name, type and hash.
func (b *body) add(a Attachment) {
	a.Declared = cleanType(a.Declared)
	a.ContentType = sniffType(a.Declared, a.Data)
	a.Filename = SafeFilename(a.Filename)
	if a.Filename == "" {
		a.Filename = madeUpName(a.ContentType, len(b.attachments)+1)
	}
	a.SHA256 = sha256.Sum256(a.Data)
	b.attachments = append(b.attachments, a)
}

// hasCID tells whether an attachment has that content id.
func (b *body) hasCID(id string) bool {
	for i := range b.attachments {
		if c := b.attachments[i].ContentID; c != "" && strings.EqualFold(c, id) {
			return true
		}
	}
	return false
}

// lines is the whole text, each section as plain text when that says something, else from its HTML.
func (b *body) lines() []line {
	var out []line
	for i := range b.sections {
		s := &b.sections[i]
		if len(out) > 0 {
			out = append(out, line{})
		}
		if strings.TrimSpace(s.plain) != "" || s.html == "" {
			out = appendPlain(out, s.plain)
		} else {
			out = append(out, htmlLines(s.html)...)
		}
	}
	return out
}

// onlyPlain is the text of a letter that is one plain text, the usual case; "" otherwise.
func (b *body) onlyPlain() string {
	if len(b.sections) != 1 {
		return ""
	}
	return strings.TrimRight(b.sections[0].plain, "\n \t")
}

// htmlText is the HTML of the letter as text, "" when there is none.
func (b *body) htmlText() string {
	var out []line
	for i := range b.sections {
		if h := b.sections[i].html; h != "" {
			out = append(out, htmlLines(h)...)
		}
	}
	return joinLines(out)
}

// sourceHTML is the letter as HTML, plain sections between HTML ones included; "" when it has no HTML.
func (b *body) sourceHTML() string {
	any := false
	for i := range b.sections {
		any = any || b.sections[i].html != ""
	}
	if !any {
		return ""
	}
	if len(b.sections) == 1 {
		return b.sections[0].html
	}
	var out strings.Builder
	for i := range b.sections {
		switch s := &b.sections[i]; {
		case s.html != "":
			out.WriteString(s.html)
		case strings.TrimSpace(s.plain) != "":
			out.WriteString("<pre>" + html.EscapeString(s.plain) + "</pre>")
		}
	}
	return out.String()
}

// metaCharset finds the charset that HTML declares for itself.
func metaCharset(b []byte) string {
	const scan = 2048
	head := bytes.ToLower(b[:min(len(b), scan)])
	for {
		i := bytes.Index(head, []byte("charset="))
		if i < 0 {
			return ""
		}
		inMeta := bytes.LastIndex(head[:i], []byte("<meta")) > bytes.LastIndexByte(head[:i], '>')
		head = head[i+len("charset="):]
		if inMeta || bytes.HasPrefix(head, []byte(`"`)) {
			v := bytes.TrimLeft(head, `"' `)
			if end := bytes.IndexAny(v, `"'>; /`); end >= 0 {
				return string(v[:end])
			}
			return ""
		}
	}
}

// stripEnriched removes the commands of text/enriched (RFC 1896) and text/richtext (RFC 1341).
func stripEnriched(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		if strings.HasPrefix(s, "<<") {
			b.WriteByte('<')
			s = s[2:]
			continue
		}
		end := strings.IndexByte(s, '>')
		if end < 0 || end > 64 {
			b.WriteByte('<')
			s = s[1:]
			continue
		}
		switch tag := strings.ToLower(s[1:end]); tag {
		case "nl":
			b.WriteByte('\n')
		case "lt":
			b.WriteByte('<')
		case "param":
			if stop := strings.Index(s, "</param>"); stop >= 0 {
				end = stop + len("</param>") - 1
			}
		}
		s = s[end+1:]
	}
	b.WriteString(s)
	return b.String()
}
