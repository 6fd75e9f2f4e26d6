package template

import (
	"errors"
	"strings"
)

// The most that one part of a template may have, in bytes.
const maxPart = 256 << 10

// Template is a compiled template. It is never changed and can be used by many at once.
type Template struct {
	subject []piece
	text    []row   // the text body; nil: none
	html    []piece // the HTML body as given; nil: made of the text
	recent  int
	uses    map[string]bool // documented names of its masks
}

// row is one line of a text body.
type row struct {
	pieces []piece
	blank  bool // separates paragraphs
	spare  bool // left out when its masks are empty
}

// Compile reads a template. Without text the text body is made of html, without html the HTML body of text. The
// error is a *SyntaxError, which names the line and column of an unknown mask, of a mask where it cannot
// stand, and of HTML that is not allowed.
func Compile(subject, text, html string) (*Template, error) {
	return CompileFor("", subject, text, html)
}

// CompileFor is Compile for the template of that name ("ticket.closed/requester"); it also refuses masks that
// mean nothing there.
func CompileFor(name, subject, text, html string) (*Template, error) {
	for part, s := range map[string]string{"subject": subject, "text": text, "html": html} {
		if len(s) > maxPart {
			return nil, &SyntaxError{Part: part, Line: 1, Column: 1, Problem: "too long"}
		}
	}
	t := &Template{uses: make(map[string]bool)}
	subjectSource := &source{part: "subject", text: subject}
	textSource := &source{part: "text", text: strings.ReplaceAll(text, "\r\n", "\n")}
	htmlSource := &source{part: "html", text: html, markup: true}
	var err error
	if t.subject, err = subjectSource.pieces(0, len(subject)); err != nil {
		return nil, err
	}
	if err = t.compileText(textSource); err != nil {
		return nil, err
	}
	if err = t.compileHTML(htmlSource); err != nil {
		return nil, err
	}
	for _, s := range []*source{subjectSource, textSource, htmlSource} {
		for _, u := range s.seen {
			if problem := misplaced(name, u.mask.name); problem != "" {
				return nil, s.fail(u.at, "#%s# %s", u.mask.name, problem)
			}
			t.uses[u.mask.name] = true
		}
	}
	return t, nil
}

func (t *Template) compileText(s *source) error {
	if strings.TrimSpace(s.text) == "" {
		return nil
	}
	for start := 0; start <= len(s.text); {
		end := len(s.text)
		if i := strings.IndexByte(s.text[start:], '\n'); i >= 0 {
			end = start + i
		}
		p, err := s.pieces(start, end)
		if err != nil {
			return err
		}
		t.text = append(t.text, newRow(p))
		start = end + 1
	}
	t.note(t.text)
	return nil
}

func newRow(p []piece) row {
	r := row{pieces: p, blank: true}
	label, masks := true, 0
	for i := range p {
		if p[i].mask != nil {
			masks++
			r.blank = false
			continue
		}
		words := strings.TrimSpace(p[i].lit)
		if words != "" {
			r.blank = false
			label = label && i == 0 && strings.HasSuffix(words, ":")
		}
	}
	r.spare = masks > 0 && label
	return r
}

// note remembers how many recent messages are wanted.
func (t *Template) note(rows []row) {
	for _, r := range rows {
		t.notePieces(r.pieces)
	}
}

func (t *Template) notePieces(pieces []piece) {
	for _, p := range pieces {
		switch {
		case p.mask == recentMask:
			t.recent = max(t.recent, int(p.count))
		case p.mask != nil && p.mask.name == "Most_recent_message":
			t.recent = max(t.recent, 1)
		}
	}
}

// misplaced says why a mask cannot stand in the template of that name, "" if it can.
func misplaced(template, mask string) string {
	switch {
	case template == "":
		return ""
	case strings.HasPrefix(template, "customer.welcomed/"):
		if mask != "Username" && mask != "password" && mask != "URL" {
			return "is not known in the welcome mail, only username, password and URL are"
		}
	case mask == "password" && !strings.HasPrefix(template, "identity."):
		return "is known in the welcome mail and in questions to staff alone"
	case mask == "RatingLinks" && template != "ticket.closed/requester":
		return "is known in the mail to the requester of a closed ticket alone"
	case mask == "Recent_Attachments" && !strings.HasPrefix(template, "ticket.created/") &&
		!strings.HasPrefix(template, "message.received/") && !strings.HasPrefix(template, "reply.sent/"):
		return "is known in mails about new and updated tickets alone"
	}
	return ""
}

// Empty tells whether t has no body: an organisation says so that this mail is not to be sent.
func (t *Template) Empty() bool { return t.text == nil && t.html == nil }

// Uses tells whether t holds the mask of that documented name, such as "Suggested_KB_articles": what is not used
// need not be looked up. Of custom fields the name is "CF".
func (t *Template) Uses(mask string) bool { return t.uses[mask] }

// Recent is how many recent messages t shows at most.
func (t *Template) Recent() int { return t.recent }

// AsSyntaxError finds the place of a mistake in an error of Compile.
func AsSyntaxError(err error) (*SyntaxError, bool) {
	var s *SyntaxError
	ok := errors.As(err, &s)
	return s, ok
}
