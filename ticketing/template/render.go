package template

import (
	"strings"
	"unicode/utf8"
)

// maxSubject bounds a rendered subject, in bytes.
const maxSubject = 900

// Render puts the values into t. The subject is one line, without control characters; the text has LF
// line ends and ends with one; the HTML is a fragment. A template without a body renders empty bodies.
func (t *Template) Render(v *Values) (subject, text, html string) {
	size := 512 + 2*len(v.Body) + len(v.WhatHappened)
	buf := make([]byte, 0, size)
	for i := range t.subject {
		buf = t.subject[i].appendText(buf, v)
	}
	subject = cutSubject(oneLine(string(buf)))
	var out [8]bool
	left := t.leftOut(v, out[:0])
	buf = t.appendText(buf[:0], v, left)
	text = string(buf)
	buf = buf[:0]
	if t.html == nil {
		buf = t.appendParagraphs(buf, v, left)
	}
	for i := range t.html {
		buf = t.html[i].appendHTML(buf, v)
	}
	return subject, text, string(buf)
}

func cutSubject(s string) string {
	if len(s) <= maxSubject {
		return s
	}
	n := maxSubject
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// leftOut tells of each row whether it is left out because its masks are empty.
func (t *Template) leftOut(v *Values, left []bool) []bool {
	for i := range t.text {
		r := &t.text[i]
		empty := r.spare
		for j := range r.pieces {
			if !empty {
				break
			}
			p := &r.pieces[j]
			empty = p.mask == nil || p.mask.empty(v, p)
		}
		left = append(left, empty)
	}
	return left
}

func (m *mask) empty(v *Values, p *piece) bool {
	switch {
	case m.kind == rating:
		return v.Rating == Rating{}
	case m.list != nil:
		return len(m.list(v)) == 0
	}
	return strings.TrimSpace(m.text(v, p)) == ""
}

func (t *Template) appendText(dst []byte, v *Values, left []bool) []byte {
	gap := false
	for i := range t.text {
		r := &t.text[i]
		if left[i] {
			continue
		}
		if r.blank {
			gap = true
			continue
		}
		if gap && len(dst) > 0 {
			dst = append(dst, '\n')
		}
		gap = false
		for j := range r.pieces {
			dst = r.pieces[j].appendText(dst, v)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// appendParagraphs writes the text body as HTML: blank lines part the paragraphs.
func (t *Template) appendParagraphs(dst []byte, v *Values, left []bool) []byte {
	open := false
	for i := range t.text {
		r := &t.text[i]
		switch {
		case left[i]:
			continue
		case r.blank:
			if open {
				dst = append(dst, "</p>\n"...)
			}
			open = false
			continue
		case r.isHTML(v):
			if open {
				dst = append(dst, "</p>\n"...)
			}
			open = false
			dst = append(r.pieces[0].appendHTML(dst, v), '\n')
			continue
		case open:
			dst = append(dst, "<br>\n"...)
		default:
			dst = append(dst, "<p>"...)
		}
		open = true
		for j := range r.pieces {
			dst = r.pieces[j].appendHTML(dst, v)
		}
	}
	if open {
		dst = append(dst, "</p>\n"...)
	}
	return dst
}

// isHTML tells whether the row is nothing but words that are HTML already: these stand in no paragraph of ours.
func (r *row) isHTML(v *Values) bool {
	return v.BodyHTML != "" && len(r.pieces) == 1 && r.pieces[0].mask != nil && r.pieces[0].mask.name == "Body"
}

func (p *piece) appendText(dst []byte, v *Values) []byte {
	m := p.mask
	switch {
	case m == nil:
		return append(dst, p.lit...)
	case m.kind == rating:
		return p.ratingText(dst, v)
	case m.list != nil:
		for i, l := range m.list(v) {
			if i > 0 {
				dst = append(dst, '\n')
			}
			dst = append(dst, oneLine(l.Name)...)
			if l.Name != "" && l.URL != "" {
				dst = append(dst, ": "...)
			}
			dst = append(dst, oneLine(l.URL)...)
		}
		return dst
	case m.kind == block:
		return append(dst, manyLines(m.text(v, p))...)
	}
	return append(dst, oneLine(m.text(v, p))...)
}

func (p *piece) appendHTML(dst []byte, v *Values) []byte {
	m := p.mask
	switch {
	case m == nil:
		return append(dst, p.escaped...)
	case m.kind == rating:
		return p.ratingHTML(dst, v)
	case m.list != nil:
		for i, l := range m.list(v) {
			if i > 0 {
				dst = append(dst, "<br>\n"...)
			}
			words := l.Name
			if words == "" {
				words = l.URL
			}
			dst = p.appendLink(dst, oneLine(l.URL), oneLine(words))
		}
		return dst
	case m.name == "Body" && v.BodyHTML != "" && !p.bare:
		return append(append(append(dst, "<div>"...), v.BodyHTML...), "</div>"...)
	case m.kind == block:
		return appendHTML(dst, manyLines(m.text(v, p)), !p.bare)
	}
	s := oneLine(m.text(v, p))
	switch {
	case p.attr && !webLink(s):
		return dst
	case m.kind == link && !p.attr:
		return p.appendLink(dst, s, s)
	}
	return escaped(dst, s)
}

// appendLink writes a link, unless p stands in one.
func (p *piece) appendLink(dst []byte, url, words string) []byte {
	if p.bare {
		return escaped(dst, words)
	}
	return appendLink(dst, url, words)
}

// choices are the three links of a rating with their words.
func (r *Rating) choices() [3]Link { return [3]Link{{"Good", r.Good}, {"OK", r.OK}, {"Bad", r.Bad}} }

func (p *piece) ratingText(dst []byte, v *Values) []byte {
	if v.Rating == (Rating{}) {
		return dst
	}
	if p.prompt != "" {
		dst = append(append(dst, p.prompt...), '\n')
	}
	for i, c := range v.Rating.choices() {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = append(append(append(dst, c.Name...), ": "...), oneLine(c.URL)...)
	}
	return dst
}

func (p *piece) ratingHTML(dst []byte, v *Values) []byte {
	if v.Rating == (Rating{}) {
		return dst
	}
	if p.prompt != "" {
		dst = append(escaped(dst, p.prompt), "<br>\n"...)
	}
	for i, c := range v.Rating.choices() {
		if i > 0 {
			dst = append(dst, " &middot; "...)
		}
		dst = p.appendLink(dst, oneLine(c.URL), c.Name)
	}
	return dst
}
