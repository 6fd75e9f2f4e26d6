package message

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mxdesk/internal/bounce"
	"mxdesk/internal/octets"
)

// ParserVersion is stored with everything that Read made. It grows when Read would give another answer for
// the same bytes, so that letters read before can be read again.
const ParserVersion = 3

// maxWarnings bounds the warnings of one letter.
const maxWarnings = 50

// Read reads a letter. It never fails: what it cannot make sense of is kept as text or as an attachment,
// with a warning. raw is not changed; attachments may share its memory. Of env only what the SMTP
// transaction said is needed; the zero value is a letter from nowhere.
func Read(raw []byte, env Envelope) (c *Content) {
	r := reader{c: &Content{}, env: env}
	defer func() {
		if p := recover(); p != nil {
			r.rescue(raw, p)
			c = r.c
		}
	}()
	r.read(raw)
	return r.c
}

// rescue makes the best of a letter at which reading broke down: what was read of it stays, and its bytes are the
// text.
func (r *reader) rescue(raw []byte, cause any) {
	const most = 1 << 20
	text := CleanText(string(raw[:min(len(raw), most)]))
	r.c.Text, r.c.ReplyText, r.c.QuotedText, r.c.Signature, r.c.HTML = text, text, "", "", ""
	r.c.Kind, r.c.Bounce = Human, nil
	r.c.Warnings = append(r.c.Warnings, CleanLine(fmt.Sprint("internal: ", cause)))
}

type reader struct {
	c   *Content
	env Envelope
}

func (r *reader) warn(code, detail string) {
	if w := code + ": " + detail; len(r.c.Warnings) < maxWarnings && !slices.Contains(r.c.Warnings, w) {
		r.c.Warnings = append(r.c.Warnings, w)
	}
}

func (r *reader) read(raw []byte) {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') >= 0 {
		r.warn("line-ends", "lines end with CR alone")
		raw = bytes.ReplaceAll(raw, []byte("\r"), []byte("\n"))
	}
	h, rest := splitHeader(raw, true, r.warn)
	w := walker{warn: r.warn, dec: newDecoder(), budget: maxExpand*len(raw) + maxExpandBase}
	ctype := w.dec.contentField(h.get("Content-Type"))
	w.dec.hint = headerCharset(w.dec, raw[:len(raw)-len(rest)], ctype.get("charset"))
	r.fields(h, w.dec)
	w.walk(h, rest, place{})
	b := w.assemble()

	lines := b.lines()
	if r.c.Text = b.onlyPlain(); r.c.Text == "" {
		r.c.Text = joinLines(lines)
	}
	r.c.ReplyText, r.c.QuotedText, r.c.Signature = splitReply(lines, replyContext{forward: isForwardSubject(r.c.Subject), answer: len(r.c.ThreadRefs) > 0 || isReplySubject(r.c.Subject), subject: r.c.SubjectClean})
	if src := b.sourceHTML(); src != "" {
		r.c.HTML = CleanText(SanitizeHTML(src, b.hasCID))
	}
	r.c.Attachments = b.attachments

	if in := r.bounceInput(h, ctype, &w, &b); mayReport(in, h) {
		in.HTML = b.htmlText()
		r.c.Bounce = bounce.Parse(in)
	}
	f := kindFacts{header: h, ctype: ctype, nullSender: r.nullSender(h), subject: r.c.Subject, answer: len(r.c.ThreadRefs) > 0, report: r.c.Bounce, leaves: b.leaves}
	if len(r.c.From) > 0 {
		f.from = strings.ToLower(r.c.From[0].Address)
	}
	r.c.Kind, r.c.Signals, r.c.NoAnswer = decideKind(&f)
}

// fields reads the header.
func (r *reader) fields(h header, d *decoder) {
	c := r.c
	if v := h.get("Message-ID"); v != nil {
		c.MessageID = parseMessageID(v)
	}
	c.InReplyTo = parseIDs(bytes.Join(h.all("In-Reply-To"), []byte(" ")))
	c.References = parseIDs(bytes.Join(h.all("References"), []byte(" ")))
	c.ThreadRefs = threadRefs(c.InReplyTo, c.References, c.MessageID)
	c.ThreadIndex = parseThreadIndex(h.get("Thread-Index"))
	c.Date = r.date(h)
	list := func(name string) (all []Mailbox) {
		for _, v := range h.all(name) {
			all = append(all, d.mailboxes(v)...)
		}
		return all
	}
	c.From, c.Sender, c.ReplyTo, c.To, c.Cc = list("From"), list("Sender"), list("Reply-To"), list("To"), list("Cc")
	c.FromFields, c.ReceivedFields = h.count("From"), h.count("Received")
	switch {
	case c.FromFields > 1:
		r.warn("multiple-from", "more than one From field")
	case len(c.From) > 1:
		r.warn("multiple-from", "more than one address in From")
	case len(c.From) == 0:
		r.warn("no-from", "no From address")
	}
	c.Subject = d.header(h.get("Subject"))
	c.SubjectClean = CleanSubject(c.Subject)
}

// headerCharset is the charset of raw 8-bit text in the header: that of the body, unless the body tells none.
func headerCharset(d *decoder, block []byte, declared string) string {
	if name := charsetName(declared); name != "" && name != "us-ascii" && name != "utf-8" || octets.IsASCII(block) || utf8.Valid(block) {
		return declared
	}
	if name := d.detect(block); name != "" {
		return name
	}
	return "windows-1252"
}

// date is the first Date field that names a day and a time, else the first that names a day.
func (r *reader) date(h header) time.Time {
	var day time.Time
	for _, v := range h.all("Date") {
		t, exact, ok := parseDate(v)
		if exact {
			return t
		}
		if ok && day.IsZero() {
			day = t
		}
	}
	if day.IsZero() && h.has("Date") {
		r.warn("date", "not a date")
	}
	return day
}

// nullSender tells whether the letter came with a null return path, by the transaction or by the field that final
// delivery adds.
func (r *reader) nullSender(h header) bool {
	return r.env.NullSender || h.has("Return-Path") && strings.ReplaceAll(unfold(h.get("Return-Path")), " ", "") == "<>"
}
