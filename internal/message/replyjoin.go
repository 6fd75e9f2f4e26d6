package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// join decides about quotes with text below them: an answer below one introduced quote stands alone, answers
// between quotes keep the quotes.
func (s *splitter) join() {
	s.rejoinWrapped()
	s.keepCited()
	first, last := s.ownEnds()
	if last > first && s.isClosing(s.spans[last]) {
		s.spans[last].kind = spanFooter // behind the quote, its letter above
		first, last = s.ownEnds()
	}
	if last < 0 {
		return
	}
	quotes, intros := 0, 0
	for i := range s.spans[:last] {
		switch s.spans[i].kind {
		case spanQuote:
			quotes++
		case spanIntro:
			intros++
		}
	}
	if at := s.firstQuote(); quotes == 0 || quotes == 1 && at < first && (intros == 1 || s.introduced(s.spans[at])) {
		return // nothing is quoted above the last words, or the answer stands below its one quote
	}
	for i := range s.spans[:last] {
		if s.spans[i].kind == spanQuote {
			s.spans[i].kind = spanOwn
		}
	}
}

// keepCited keeps the quotes of a letter that answers none: what the writer cites is his, unless it is introduced as a letter.
func (s *splitter) keepCited() {
	if s.ctx.answer {
		return
	}
	for _, sp := range s.spans {
		if sp.kind == spanIntro || sp.kind == spanQuote && (s.lines[sp.from].held || s.introduced(sp)) {
			return
		}
	}
	for i := range s.spans {
		if s.spans[i].kind == spanQuote {
			s.spans[i].kind = spanOwn
		}
	}
}

// introduced tells whether a quote begins with what introduces or heads a letter, itself quoted.
func (s *splitter) introduced(sp span) bool {
	const look = 4
	for i := sp.from; i < min(sp.to, sp.from+look); i++ {
		text := s.lines[i].text
		if k := labelOf(text); k == labelFrom || k == labelDate || isOriginal(text) || attributionEnd(text, true) && isAttribution(text, true) {
			return true
		}
	}
	return false
}

// firstQuote is the first span that is a quote.
func (s *splitter) firstQuote() int {
	for i := range s.spans {
		if s.spans[i].kind == spanQuote {
			return i
		}
	}
	return len(s.spans)
}

// ownEnds returns the first and last span with words of the writer, -1 for none. A signature alone is none, when
// it stands below a quote.
func (s *splitter) ownEnds() (first, last int) {
	first, last = -1, -1
	for i, sp := range s.spans {
		if sp.kind != spanOwn || countWritten(s.lines, sp.from, sp.to) == 0 {
			continue
		}
		if first >= 0 || s.firstQuote() < i {
			if s.onlySignature(sp) {
				s.spans[i].kind = spanFooter
				continue
			}
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	return first, last
}

// onlySignature tells whether a span below a quote is nothing but a signature.
func (s *splitter) onlySignature(sp span) bool {
	at := findSignature(s.lines, sp.from, sp.to)
	if at < sp.to && countWritten(s.lines, sp.from, at) == 0 {
		return true
	}
	for i := sp.from; i < sp.to; i++ {
		if m := &s.lines[i]; !m.blank && !isRule(m.text) && !strings.Contains(m.text, "/listinfo/") && !strings.Contains(m.text, "/mailman/") {
			return false
		}
	}
	return true
}

// isClosing tells whether a span is only the end of a letter: the words above a name, or what a company adds about secrecy.
func (s *splitter) isClosing(sp span) bool {
	const mostLines, mostWords = 12, 6
	if countWritten(s.lines, sp.from, sp.to) > mostLines {
		return false
	}
	secret, addressee, began, head := false, false, false, false
	for i := sp.from; i < sp.to; i++ {
		m := &s.lines[i]
		if m.blank || isRule(m.text) {
			head = head || began
			continue
		}
		l := strings.ToLower(m.text)
		if !began && wordCount(l) <= mostWords && isClosingLine(l) {
			return weakTail(s.lines, i+1, sp.to)
		}
		began = true
		secret, addressee = secret || containsAny(l, secretWords), addressee || containsAny(l, addresseeWords)
		if strings.HasSuffix(l, "?") {
			return false
		}
		if next := i + 1; !head && (next == sp.to || s.lines[next].blank) && !secret && !addressee {
			return false // its first paragraph is about something else
		}
	}
	return secret && addressee
}

// isClosingLine tells whether a lower-case line is, or begins with and a comma follows, what stands above a name.
func isClosingLine(l string) bool {
	for _, c := range closings {
		if rest, found := strings.CutPrefix(l, c); found && (rest == "" || strings.IndexByte(",.!-", rest[0]) >= 0) {
			return true
		}
	}
	return false
}

// rejoinWrapped gives lines back to a quote that were broken off it by a program that wraps quoted lines: they
// stand right between quoted lines, the one above is long, and they go on in lower case.
func (s *splitter) rejoinWrapped() {
	const longLine, mostLines = 58, 2
	for i := 1; i+1 < len(s.spans); i++ {
		sp, above := s.spans[i], s.spans[i-1]
		if sp.kind != spanOwn || above.kind != spanQuote || s.spans[i+1].kind != spanQuote || sp.to-sp.from > mostLines {
			continue
		}
		prev, here := &s.lines[above.to-1], &s.lines[sp.from]
		r, _ := utf8.DecodeRuneInString(here.text)
		if prev.blank || s.lines[sp.to-1].blank || !unicode.IsLower(r) || strings.HasSuffix(prev.text, "?") || utf8.RuneCountInString(prev.text) < longLine {
			continue
		}
		s.spans[i].kind = spanQuote
	}
	merged := s.spans[:0]
	for _, sp := range s.spans {
		if n := len(merged); n > 0 && merged[n-1].kind == sp.kind {
			merged[n-1].to = sp.to
			continue
		}
		merged = append(merged, sp)
	}
	s.spans = merged
}

// footers cuts the signature off the writer's last words.
func (s *splitter) footers() {
	_, last := s.ownEnds()
	if last < 0 {
		return
	}
	sp := s.spans[last]
	at := findSignature(s.lines, sp.from, sp.to)
	rest := sp.to
	if at == sp.to && s.ctx.answer {
		at, rest = s.loneFooter(sp)
	}
	end := s.beforeRules(sp.from, at)
	tail := append([]span{{spanFooter, end, rest}, {spanTail, rest, sp.to}}, s.spans[last+1:]...)
	s.spans[last].to = end
	s.spans = append(s.spans[:last+1], tail...)
}

// loneFooter finds the footer of a mobile program as a paragraph of its own in an answer. Such programs quote
// without any mark below it.
func (s *splitter) loneFooter(sp span) (at, rest int) {
	for i := sp.from + 1; i+1 < sp.to; i++ {
		if s.lines[i-1].blank && s.lines[i+1].blank && isFooter(s.lines[i].text) && countWritten(s.lines, sp.from, i) > 0 {
			return i, i + 1
		}
	}
	return sp.to, sp.to
}

// beforeRules moves the end of the writer's words up over drawn lines at their end.
func (s *splitter) beforeRules(from, to int) int {
	end := to
	for i := to - 1; i >= from; i-- {
		m := &s.lines[i]
		switch {
		case m.blank:
		case m.depth == 0 && isRule(m.text):
			end = i
		default:
			return end
		}
	}
	return to // nothing but rules: they are what was written
}

// render makes the three texts.
func (s *splitter) render() (reply, quoted, signature string) {
	var own, history, footer strings.Builder
	own.Grow(s.size(spanOwn))
	history.Grow(s.size(spanQuote) + s.size(spanIntro) + s.size(spanTail))
	for i, sp := range s.spans {
		b := &history
		switch sp.kind {
		case spanOwn:
			b = &own
		case spanFooter:
			b = &footer
		}
		if sp.kind == spanOwn && i > 0 && s.spans[i-1].kind == spanIntro && own.Len() > 0 && !strings.HasSuffix(own.String(), "\n\n") {
			own.WriteByte('\n')
		}
		for i := sp.from; i < sp.to; i++ {
			writeLine(b, s.lines[i].line)
		}
	}
	return trimText(own.String()), trimText(history.String()), trimText(footer.String())
}

// size is about how many bytes the spans of one kind render to.
func (s *splitter) size(kind spanKind) int {
	n := 0
	for _, sp := range s.spans {
		if sp.kind != kind {
			continue
		}
		for i := sp.from; i < sp.to; i++ {
			n += len(s.lines[i].line.text) + 2*s.lines[i].quote + 1
		}
	}
	return n
}

// trimText removes empty lines at both ends and white space at the end; the first line keeps its indent.
func trimText(s string) string {
	s = strings.TrimRightFunc(s, unicode.IsSpace)
	for {
		line, rest, found := strings.Cut(s, "\n")
		if !found || strings.TrimSpace(line) != "" {
			return s
		}
		s = rest
	}
}
