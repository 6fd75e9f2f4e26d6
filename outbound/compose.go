package outbound

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/octets"
)

// Draft is everything that the bytes of one letter depend on. The same draft gives the same bytes, so
// a letter that is sent again after a broken connection is the same letter.
type Draft struct {
	ID           id.ID  // of the delivery, or of the message that several share: for the boundaries
	Organisation string // its name, and
	ListDomain   string // its domain, for List-Id
	FromName     string
	From         address.Address
	ToName       string
	To           address.Address
	Cc           []mailbox       // who else gets the very same letter
	ReplyTo      address.Address // zero: none
	Date         time.Time
	MessageID    string   // without brackets, as are
	References   []string // the ids the recipient has seen, oldest first
	Ticket       int64    // 0: about none
	Thread       []byte   // its Thread-Index, for Outlook; nil: none
	Automatic    string   // value of Auto-Submitted, "" for the words of a person
	Unsubscribe  bool
	Shared       bool   // several get the very same letter
	LeaveURL     string // where one click unsubscribes; "": only by mail
	Subject      string
	Text         string
	HTML         string
	Prepared     []byte // the header from Content-Type on, and the body, in place of what follows
	Attachments  []Attachment
	Omitted      []Attachment // without Data: too large to travel; the text names them
}

// Attachment is a file that travels with a letter.
type Attachment struct {
	Filename    string
	ContentType string
	ContentID   string // without brackets
	Size        int
	Data        []byte
	URL         string // of one that is too large to travel: where it can be fetched; "": nowhere
}

// Compose writes the letter: header, MIME, CRLF line ends, ASCII alone unless an address is not, no line
// longer than 998 octets.
func Compose(d *Draft) []byte {
	c := composer{draft: d}
	c.Grow(2048 + 2*len(d.Text) + 2*len(d.HTML) + attachedSize(d.Attachments)*7/5)
	c.header()
	if d.Prepared != nil {
		c.Write(d.Prepared)
		return c.Bytes()
	}
	within, beside := splitInline(d.HTML, d.Attachments)
	if len(beside) == 0 {
		c.body(within)
		return c.Bytes()
	}
	c.multipart("mixed", func(next func()) {
		next()
		c.body(within)
		for _, a := range beside {
			next()
			c.file("attachment", a)
		}
	})
	return c.Bytes()
}

type composer struct {
	bytes.Buffer
	draft *Draft
	level int // of nested multiparts, for the boundary
}

func (c *composer) header() {
	d := c.draft
	var h header
	h.field("Date", d.Date.UTC().Format(time.RFC1123Z))
	h.mailboxes("From", mailbox{d.FromName, d.From})
	h.mailboxes("To", mailbox{d.ToName, d.To})
	if len(d.Cc) > 0 {
		h.mailboxes("Cc", d.Cc...)
	}
	if !d.ReplyTo.IsZero() {
		h.mailboxes("Reply-To", mailbox{d.FromName, d.ReplyTo})
	}
	if subject := clean(d.Subject); subject != "" {
		h.text("Subject", subject)
	} else {
		h.text("Subject", "(no subject)")
	}
	h.field("Message-ID", "<"+d.MessageID+">")
	if refs := capReferences(d.References); len(refs) > 0 {
		h.field("In-Reply-To", "<"+refs[len(refs)-1]+">")
		words := make([]string, len(refs))
		for i, r := range refs {
			words[i] = "<" + r + ">"
		}
		h.field("References", words...)
	}
	h.thread(d.Thread, d.Ticket, clean(d.Subject))
	if d.Automatic != "" {
		h.field("Auto-Submitted", d.Automatic)
		h.field("X-Auto-Response-Suppress", "All")
	}
	if d.Unsubscribe {
		h.field("List-Id", append(phrase(d.Organisation), "<tickets."+d.ListDomain+">")...)
		h.unsubscribe(d)
	}
	h.field("MIME-Version", "1.0")
	c.WriteString(h.String())
}

// unsubscribe says how to leave: by one click, which needs neither a sign-in nor a question (RFC 8058), and by mail. A shared letter
// says nothing: no link or address in it can tell who of them leaves, and a mail program that writes there for its user
// would be believed only where the user's domain vouches for him, and else tell agents of a customer who wants to leave but does not.
func (h *header) unsubscribe(d *Draft) {
	if d.Shared {
		return
	}
	var ways []string
	if d.LeaveURL != "" {
		ways = append(ways, "<"+d.LeaveURL+">")
	}
	if !d.ReplyTo.IsZero() {
		ways = append(ways, "<mailto:"+escapeMailto(d.ReplyTo)+"?subject=%23unsubscribe%23>")
	}
	if len(ways) == 0 {
		return
	}
	for i := range ways[1:] {
		ways[i] += ","
	}
	h.field("List-Unsubscribe", ways...)
	if d.LeaveURL != "" {
		h.field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
}

// body writes the words: plain, or plain and HTML, the latter with what is shown within it.
func (c *composer) body(within []Attachment) {
	d := c.draft
	text := d.Text + omittedText(d.Omitted)
	if d.HTML == "" {
		c.text("text/plain", text)
		return
	}
	c.multipart("alternative", func(next func()) {
		next()
		c.text("text/plain", text)
		next()
		html := d.HTML + omittedHTML(d.Omitted)
		if len(within) == 0 {
			c.text("text/html", html)
			return
		}
		c.multipart(`related; type="text/html"`, func(next func()) { // RFC 2387 section 3.1
			next()
			c.text("text/html", html)
			for _, a := range within {
				next()
				c.file("inline", a)
			}
		})
	})
}

// multipart writes a multipart body; parts calls next before each part. The boundary holds the
// delivery's id, which no text of anybody else can hold yet.
func (c *composer) multipart(subtype string, parts func(next func())) {
	c.level++
	boundary := "=_" + c.draft.ID.String() + "_" + strconv.Itoa(c.level) // =_ cannot stand in quoted-printable
	fmt.Fprintf(c, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n\r\n", subtype, boundary)
	parts(func() { fmt.Fprintf(c, "--%s\r\n", boundary) })
	fmt.Fprintf(c, "--%s--\r\n", boundary)
}

// lineFrom is the beginning of a line before which programs that keep letters in one file put a ">": no signature holds over that.
var lineFrom = regexp.MustCompile(`(?m)^From `)

func (c *composer) text(contentType, s string) {
	fmt.Fprintf(c, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", contentType)
	begin := c.Len()
	w := quotedprintable.NewWriter(c)
	// A bytes.Buffer takes everything, so these cannot fail.
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	if written := c.Bytes()[begin:]; lineFrom.Match(written) {
		written = lineFrom.ReplaceAll(written, []byte("From=\r\n ")) // its line goes on behind a soft line break
		c.Truncate(begin)
		c.Write(written)
	}
	if !bytes.HasSuffix(c.Bytes(), []byte("\r\n")) {
		c.WriteString("\r\n")
	}
}

// base64Line is 57 octets, 76 characters (RFC 2045 section 6.8).
const base64Line = 57

// file writes a part; the Content-ID stands where the HTML refers to it.
func (c *composer) file(disposition string, a Attachment) {
	var h header
	h.field("Content-Type", typeOf(a)...)
	name := clean(a.Filename)
	if name == "" {
		name = "attachment"
	}
	h.field("Content-Disposition", append([]string{disposition + ";"}, parameter("filename", name)...)...)
	if disposition == "inline" {
		h.field("Content-ID", "<"+a.ContentID+">")
	}
	h.field("Content-Transfer-Encoding", "base64")
	c.WriteString(h.String())
	c.WriteString("\r\n")
	writeBase64(&c.Buffer, a.Data)
}

func writeBase64(b *bytes.Buffer, data []byte) {
	var text [base64Line / 3 * 4]byte
	for line := range slices.Chunk(data, base64Line) {
		b.Write(base64.StdEncoding.AppendEncode(text[:0], line))
		b.WriteString("\r\n")
	}
}

// typeOf is the media type of a file, as words. Without a charset text counts as ASCII (RFC 2046 section 4.1.2), and what else is in it
// would be shown as other letters.
func typeOf(a Attachment) []string {
	t := safeType(a.ContentType)
	if strings.HasPrefix(t, "text/") && !octets.IsASCII(a.Data) && utf8.Valid(a.Data) {
		return []string{t + ";", "charset=utf-8"}
	}
	return []string{t}
}

// safeType lets through a plain media type. A message or multipart may not travel in base64 (RFC 2046
// section 5.2.1), and the receiver should not look into it anyway.
func safeType(t string) string {
	major, minor, ok := strings.Cut(strings.ToLower(t), "/")
	if !ok || len(t) > 120 || !isToken(major) || !isToken(minor) || major == "multipart" || major == "message" {
		return "application/octet-stream"
	}
	return major + "/" + minor
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$&^_.+-", c) < 0 {
			return false
		}
	}
	return s != ""
}

// escapeMailto writes an address for a mailto URI (RFC 6068), a plus sign included, because some
// programs read it as a space.
func escapeMailto(a address.Address) string {
	var b strings.Builder
	for _, c := range []byte(a.String()) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~@", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func attachedSize(list []Attachment) (n int) {
	for _, a := range list {
		n += len(a.Data) + 512
	}
	return n
}
