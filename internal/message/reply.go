package message

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mark is a line with what splitting needs to know of it.
type mark struct {
	line
	raw   string // as written, but for quote marks
	text  string // visible text, without quote marks and surrounding space
	depth int
	blank bool
	label labelKind // which field of a quoted header it starts with
}

// maxReplyLines bounds what is looked at for quotes; nobody writes so much, and a pasted log is no history.
const maxReplyLines = 50_000

// replyContext is what the header says about how a text came to be.
type replyContext struct {
	forward bool // the subject says the letter is passed on
	answer  bool // it answers a letter; what looks like the header of one is pasted otherwise

	subject string // without prefixes
}

// appendPlain splits plain text into lines. Of more lines than anybody looks at the rest stays together: millions of them
// would take more memory than the letter.
func appendPlain(dst []line, s string) []line {
	s = strings.TrimRight(s, "\n")
	if s == "" {
		return dst
	}
	if dst == nil {
		dst = make([]line, 0, min(strings.Count(s, "\n"), maxReplyLines)+2)
	}
	for more := true; more; {
		if len(dst) > maxReplyLines {
			return append(dst, line{text: s})
		}
		var text string
		text, s, more = strings.Cut(s, "\n")
		dst = append(dst, line{text: text})
	}
	return dst
}

// marks counts quote marks and finds what is visible.
func marks(lines []line) []mark {
	out := make([]mark, len(lines))
	for i, l := range lines {
		m := &out[i]
		m.line, m.raw, m.depth = l, l.text, l.quote
		for strings.HasPrefix(m.raw, ">") && !isGroupWise(strings.TrimSpace(m.raw)) && !(m.depth == l.quote && i > 0 && closesAddress(out[i-1].text, m.raw)) {
			m.depth++
			m.raw = strings.TrimPrefix(m.raw[1:], " ")
		}
		m.text = visible(m.raw)
		m.blank = m.text == ""
		if m.depth == 0 {
			m.label = labelOf(m.text)
		}
	}
	return out
}

// closesAddress tells whether a line that starts with ">" is no quote but the end of an address that the line
// above begins: a program broke "Ann <ann@example.com>:" before the bracket.
func closesAddress(above, s string) bool {
	return strings.LastIndexByte(above, '<') > strings.LastIndexByte(above, '>') && len(s) < 40 && strings.HasSuffix(strings.TrimSpace(s), ":")
}

// spanKind says what a run of lines is.
type spanKind uint8

const (
	spanOwn    spanKind = iota // the writer's words, blank lines included
	spanQuote                  // quoted lines
	spanIntro                  // the line that introduces a quote
	spanTail                   // history to the end
	spanFooter                 // signature
)

// span is a run of lines of one kind.
type span struct {
	kind     spanKind
	from, to int
}

// splitReply parts the text of a letter into new words, quoted history and signature. A letter that is passed on
// stays; text between quotes keeps the quotes it answers. In doubt a line is the writer's.
func splitReply(lines []line, ctx replyContext) (reply, quoted, signature string) {
	if len(lines) > maxReplyLines {
		return joinLines(lines), "", ""
	}
	s := splitter{lines: marks(lines), ctx: ctx, first: len(lines)}
	s.scan()
	s.join()
	s.footers()
	return s.render()
}

type splitter struct {
	lines  []mark
	ctx    replyContext
	spans  []span
	first  int  // the first line with words of the writer, len(lines) before there is one
	shown  int  // lines above this one belong to a header that stays
	parted bool // an introduction was parted from words on its line
	signed bool // quotes marked with initials were found
}

// scan makes the spans, up to the history.
func (s *splitter) scan() {
	for i := 0; i < len(s.lines); {
		m := &s.lines[i]
		switch {
		case m.depth > 0:
			if s.passedOn(i) {
				s.put(spanOwn, i, len(s.lines))
				return
			}
			s.put(spanQuote, i, i+1)
			i++
		case m.blank:
			s.put(s.lastKind(), i, i+1)
			i++
		default:
			kind, from, to := s.boundary(i)
			if kind == spanOwn {
				s.put(spanOwn, i, to)
				i = to
				continue
			}
			if from > i {
				s.put(spanOwn, i, from)
			}
			s.cutBack(from)
			s.put(kind, from, to)
			i = to
		}
	}
}

// passedOn tells whether line i begins a quote with the line that stands above a letter that is passed on: so Apple's program
// passes letters on.
func (s *splitter) passedOn(i int) bool {
	return (s.ctx.forward || !s.ctx.answer) && s.lastKind() == spanOwn && isForwarded(s.lines[i].text)
}

// lastKind is the kind that a blank line continues.
func (s *splitter) lastKind() spanKind {
	if n := len(s.spans); n > 0 {
		return s.spans[n-1].kind
	}
	return spanOwn
}

// put adds lines to the last span, or starts a new one.
func (s *splitter) put(kind spanKind, from, to int) {
	if m := &s.lines[from]; kind == spanOwn && s.first == len(s.lines) && !m.blank && !isRule(m.text) && !isFooter(m.text) {
		s.first = from
	}
	if n := len(s.spans); n > 0 && s.spans[n-1].kind == kind {
		s.spans[n-1].to = to
		return
	}
	s.spans = append(s.spans, span{kind, from, to})
}

// cutBack takes lines from from on out of the spans made so far: a boundary may start some lines above.
func (s *splitter) cutBack(from int) {
	if s.first >= from {
		s.first = len(s.lines)
	}
	for n := len(s.spans); n > 0 && s.spans[n-1].to > from; n = len(s.spans) {
		if s.spans[n-1].from < from {
			s.spans[n-1].to = from
			return
		}
		s.spans = s.spans[:n-1]
	}
}

// boundary tells whether line i, not quoted and not blank, is or ends something that is not the writer's.
func (s *splitter) boundary(i int) (kind spanKind, from, to int) {
	m := &s.lines[i]
	end := len(s.lines)
	if m.held {
		return s.container(i)
	}
	if isReplyAbove(m.text) {
		return spanTail, i, end
	}
	switch {
	case isForwarded(m.text), s.ctx.forward && (isOriginal(m.text) || s.isHeaderBlock(i)):
		return spanOwn, i, end // what follows is content
	case s.ctx.answer && isOriginal(m.text):
		return s.history(i, i)
	case i >= s.shown && s.ctx.answer && s.isHeaderBlock(i):
		return s.history(s.aboveRule(i), i)
	}
	next := s.nextWritten(i + 1)
	quoted := next < end && s.lines[next].depth > 0 || s.signedQuote(i, next)
	if start := findAttribution(s.lines, i, quoted); start >= 0 {
		if quoted && s.part(start) {
			start, i = start+1, i+1
		}
		if !quoted && s.wrote(start) {
			return spanTail, start, end
		}
		return spanIntro, start, i + 1
	}
	return spanOwn, i, i + 1
}

// history ends the reply at line from, unless nothing was written above it: then it is not sure who wrote what
// follows, and it stays.
func (s *splitter) history(from, at int) (spanKind, int, int) {
	if s.wrote(from) {
		if quote := s.belowBlock(at); quote >= 0 {
			return spanIntro, from, quote // every quoted line is marked: others are answers
		}
		return spanTail, from, len(s.lines)
	}
	s.shown = at + maxBlock
	return spanOwn, at, at + 1
}

// part parts an introduction from the writer's words on its line, once.
func (s *splitter) part(i int) bool {
	m := &s.lines[i]
	if s.parted || m.depth > 0 {
		return false
	}
	at := sharedIntro(m.line.text)
	if at <= 0 {
		return false
	}
	s.parted = true
	if s.first == len(s.lines) {
		s.first++
	}
	intro := *m
	intro.line.text = m.line.text[at:]
	intro.raw, intro.text = intro.line.text, visible(intro.line.text)
	own := strings.TrimSpace(m.line.text[:at])
	m.line.text, m.raw, m.text = own, own, visible(own)
	s.lines = slices.Insert(s.lines, i+1, intro)
	return true
}

// signedQuote knows quotes whose lines begin with the initials of who wrote them ("AE> It burns"), as The Bat marks them, at line next behind an
// introduction that ends at line i, and marks them.
func (s *splitter) signedQuote(i, next int) bool {
	if s.signed || next >= len(s.lines) {
		return false
	}
	sign := initials(s.lines[next].text)
	if sign == "" || findAttribution(s.lines, i, true) < 0 {
		return false
	}
	s.signed = true
	for j := next; j < len(s.lines); j++ {
		if m := &s.lines[j]; m.depth == 0 && strings.HasPrefix(m.text, sign) {
			m.depth++
			m.raw = strings.TrimSpace(m.text[len(sign):])
			m.text = m.raw
			m.blank = m.text == ""
		}
	}
	return true
}

// initials is what a line begins with that is marked with initials: "AE>".
func initials(s string) string {
	const most = 12 // octets
	at := strings.IndexByte(s[:min(len(s), most)], '>')
	if at <= 0 || utf8.RuneCountInString(s[:at]) > 4 || strings.IndexFunc(s[:at], func(r rune) bool { return !unicode.IsLetter(r) }) >= 0 {
		return ""
	}
	return s[:at+1]
}

// container deals with the element that a mail program put around a quoted letter. With quotes inside, its first
// lines introduce them; without, it is history as a whole.
func (s *splitter) container(i int) (spanKind, int, int) {
	if !s.firstHeld(i) {
		return spanOwn, i, i + 1
	}
	end := i
	written := 0
	for end < len(s.lines) && s.lines[end].held && s.lines[end].depth == 0 {
		if !s.lines[end].blank {
			written++
			if isForwarded(s.lines[end].text) {
				return spanOwn, i, i + 1
			}
		}
		end++
	}
	followed := s.nextWritten(end)
	quoted := followed < len(s.lines) && s.lines[followed].depth > 0
	if quoted && written <= maxAttributionLines {
		return spanIntro, i, end
	}
	if !quoted && s.wrote(i) && !s.ctx.forward {
		return spanTail, i, len(s.lines)
	}
	return spanOwn, i, i + 1
}

// firstHeld tells whether line i starts a container: answers inside one are the writer's.
func (s *splitter) firstHeld(i int) bool {
	for j := i - 1; j >= 0; j-- {
		if !s.lines[j].blank {
			return !s.lines[j].held
		}
	}
	return true
}

// wrote tells whether the writer has written anything above line to.
func (s *splitter) wrote(to int) bool { return s.first < to }

// nextWritten is the first line from i on that is not blank.
func (s *splitter) nextWritten(i int) int {
	for i < len(s.lines) && s.lines[i].blank && s.lines[i].depth == 0 {
		i++
	}
	return i
}

// aboveRule moves a boundary up over a drawn line and blank lines.
func (s *splitter) aboveRule(i int) int {
	at := i
	for j := i - 1; j >= 0; j-- {
		m := &s.lines[j]
		if m.depth > 0 || !m.blank && !isRule(m.text) {
			break
		}
		if !m.blank {
			at = j
		}
	}
	return at
}
