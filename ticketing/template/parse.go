package template

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// SyntaxError says what is wrong with a template, and where.
type SyntaxError struct {
	Part    string // "subject", "text" or "html"
	Line    int    // counted from 1
	Column  int    // in characters, counted from 1
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s, line %d, column %d: %s", e.Part, e.Line, e.Column, e.Problem)
}

// piece is a literal, or a mask if mask is not nil.
type piece struct {
	lit     string // plain text
	escaped string // the same as HTML
	mask    *mask
	count   int64  // of messages, or the number of a custom field
	prompt  string // of a rating
	attr    bool   // the mask stands in an attribute
	bare    bool   // the mask stands within a link: it makes none itself
}

// source is one part of a template while it is compiled.
type source struct {
	part   string
	text   string
	markup bool // literals are HTML already
	seen   []use
}

// use is one mask and its place.
type use struct {
	mask *mask
	at   int
}

func (s *source) fail(at int, format string, args ...any) error {
	before := s.text[:at]
	lineStart := strings.LastIndexByte(before, '\n') + 1
	return &SyntaxError{
		Part: s.part, Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(before[lineStart:]) + 1,
		Problem: fmt.Sprintf(format, args...),
	}
}

// pieces cuts text[from:to] into literals and masks.
func (s *source) pieces(from, to int) ([]piece, error) {
	var out []piece
	var lit strings.Builder
	flush := func(last bool) {
		if lit.Len() > 0 {
			out = append(out, s.literal(lit.String(), last))
			lit.Reset()
		}
	}
	for i := from; i < to; {
		inside, end := s.mark(i, to)
		if end == 0 { // an ordinary character, or a hash that is just one
			n := 1
			if s.text[i] == '#' && i+1 < to && s.text[i+1] == '#' && !s.maskAt(i+1, to) {
				n = 2 // "##" is a hash
			}
			lit.WriteByte(s.text[i])
			i += n
			continue
		}
		if end < 0 {
			return nil, s.fail(i, "\"{{\" without \"}}\" on the same line")
		}
		p, problem := lookup(inside)
		if problem != "" {
			return nil, s.fail(i, "%s %s", s.text[i:end], problem)
		}
		if s.markup {
			p.prompt = html.UnescapeString(p.prompt)
		}
		flush(false)
		s.seen = append(s.seen, use{p.mask, i})
		out = append(out, p)
		i = end
	}
	flush(true)
	return out, nil
}

var brackets = strings.NewReplacer("<", "&lt;", ">", "&gt;")

// literal makes a piece of plain words. A web address that a mask continues is no link by itself.
func (s *source) literal(lit string, last bool) piece {
	if s.markup { // a bracket that begins no tag would begin one with the words of a mask behind it: "<#Subject#>"
		return piece{lit: html.UnescapeString(lit), escaped: brackets.Replace(lit)}
	}
	return piece{lit: lit, escaped: string(appendHTML(nil, lit, last))}
}

// maxMask bounds what can stand between the marks of a mask.
const maxMask = 500

// mark reads a mask at i: what is inside and where it ends; end is 0 if there is none, -1 if it is not closed.
func (s *source) mark(i, to int) (inside string, end int) {
	text := s.text[i:min(to, i+maxMask)]
	switch {
	case strings.HasPrefix(text, "{{"):
		n := strings.Index(text, "}}")
		if n < 0 || strings.ContainsRune(text[:n], '\n') {
			return "", -1
		}
		return strings.TrimSpace(text[2:n]), i + n + 2
	case strings.HasPrefix(text, "#"):
		n := maskLen(text[1:])
		if n == 0 {
			return "", 0
		}
		return text[1 : 1+n], i + n + 2
	}
	return "", 0
}

// maskAt tells whether a known mask in hashes begins at i.
func (s *source) maskAt(i, to int) bool {
	inside, end := s.mark(i, to)
	if end <= 0 {
		return false
	}
	_, problem := lookup(inside)
	return problem == ""
}

// maskLen is the length of the word, with its prompt if it has one, that a hash follows; 0 if t does not
// begin with such a word. A word has a letter: "#1234#" is no mask.
func maskLen(t string) int {
	n, letter := 0, false
	for n < len(t) && isName(t[n]) {
		letter = letter || t[n] >= 'A'
		n++
	}
	if n > 0 && n < len(t) && t[n] == '(' {
		c := strings.IndexAny(t[n:], ")\n")
		if c < 0 || t[n+c] != ')' {
			return 0
		}
		n += c + 1
	}
	if n == len(t) || t[n] != '#' || !letter {
		return 0
	}
	return n
}

func isName(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
