package message

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
)

// sanitize is sanitizer().Sanitize, to the byte, at a tenth of its allocations. A letter repeats a few tags, so each
// tag that may keep an attribute is given to the sanitiser once; what stands between tags is escaped here. With too many
// different tags the sanitiser does it all.
func sanitize(src string) string {
	if strings.TrimSpace(src) == "" {
		return src
	}
	s := tagSanitizer{z: html.NewTokenizer(strings.NewReader(src)), seen: map[string]tag{}}
	s.out.Grow(len(src))
	for {
		switch s.z.Next() {
		case html.ErrorToken:
			return s.out.String()
		case html.TextToken:
			if !s.skipping && s.hidden == "" {
				writeEscaped(&s.out, tokenText(s.z))
			}
		case html.StartTagToken:
			if !s.start() {
				return sanitizer().Sanitize(src)
			}
		case html.SelfClosingTagToken:
			t, ok := s.tag("/>")
			if !ok {
				return sanitizer().Sanitize(src)
			}
			s.write(t.out)
		case html.EndTagToken:
			s.end()
		}
	}
}

// Limits of what is remembered of one letter's tags.
const (
	maxTags   = 500
	maxTagLen = 4 << 10
)

type tagSanitizer struct {
	z    *html.Tokenizer
	out  strings.Builder
	seen map[string]tag // by the tag as written

	skipping bool   // within an element whose content is dropped
	skips    int    // how many of those are open; below zero after stray ends, as the sanitiser counts
	hidden   string // the element started last, when its text is code
}

// tag is what is known of a tag.
type tag struct {
	out   string // as the sanitiser writes it; "" when it is dropped
	shown bool
	skips bool   // the content goes with it
	code  string // script or style
}

// contentDropped are the elements whose content is dropped with them; script and style are seen to apart.
var contentDropped = phraseSet(`frame|frameset|iframe|noembed|noframes|noscript|nostyle|object|title`)

var shown = phraseSet(strings.Join(shownElements, "|"))

// keptAttributes are all that an element may keep.
var keptAttributes = phraseSet(`dir|lang|title|align|valign|color|bgcolor|width|height|border|cellpadding|cellspacing|colspan|rowspan|span|start|size|value|type|alt|src|href|datetime`)

// tag reads the present tag; ok is false when the letter has too many different ones.
// end is how it ends.
func (s *tagSanitizer) tag(end string) (t tag, ok bool) {
	raw := s.z.Raw()
	if t, ok = s.seen[string(raw)]; ok {
		return t, true
	}
	if len(s.seen) >= maxTags || len(raw) > maxTagLen {
		return tag{}, false
	}
	written := string(raw) // reading the tag overwrites it
	name, more := s.z.TagName()
	switch t = kindOfTag(name); {
	case !t.shown:
	case s.keepsAttribute(more):
		t.out = sanitizer().Sanitize(written)
	default:
		t.out = "<" + string(name) + end
	}
	s.seen[written] = t
	return t, true
}

func kindOfTag(name []byte) (t tag) {
	t.shown, t.skips = shown[string(name)], contentDropped[string(name)]
	if n := string(name); n == "script" || n == "style" {
		t.code = n
	}
	return t
}

func (s *tagSanitizer) keepsAttribute(more bool) bool {
	for more {
		var key []byte
		if key, _, more = s.z.TagAttr(); keptAttributes[string(key)] {
			return true
		}
	}
	return false
}

func (s *tagSanitizer) start() bool {
	t, ok := s.tag(">")
	if !ok {
		return false
	}
	s.hidden = t.code
	if t.skips {
		s.skipping = true
		s.skips++
	}
	s.write(t.out)
	return true
}

func (s *tagSanitizer) end() {
	raw := s.z.Raw()
	t, ok := s.seen[string(raw)]
	if !ok {
		written := string(raw)
		name, _ := s.z.TagName()
		if t = kindOfTag(name); t.shown {
			t.out = "</" + string(name) + ">"
		}
		if len(s.seen) < maxTags && len(written) <= maxTagLen {
			s.seen[written] = t
		}
	}
	switch {
	case t.code != "" && t.code == s.hidden:
		s.hidden = ""
	case t.skips:
		if s.skips--; s.skips == 0 {
			s.skipping = false
		}
	}
	s.write(t.out)
}

func (s *tagSanitizer) write(out string) {
	if !s.skipping {
		s.out.WriteString(out)
	}
}

// tokenText is z.Text() without its allocations when there is nothing to convert.
func tokenText(z *html.Tokenizer) []byte {
	if raw := z.Raw(); bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 && bytes.IndexByte(raw, 0) < 0 {
		return raw
	}
	return z.Text()
}

// tagName is z.TagName() without its allocation when the name is written in small letters.
func tagName(z *html.Tokenizer) (name []byte, more bool) {
	raw := z.Raw()
	name = bytes.TrimPrefix(raw[1:], []byte("/")) // a tag begins with '<'
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		case i > 0 && (c == '>' || c == ' ' || c == '\n'):
			return name[:i], c != '>'
		default:
			return z.TagName()
		}
	}
	return z.TagName()
}

// writeEscaped writes text as html.EscapeString does.
func writeEscaped(out *strings.Builder, text []byte) {
	run := 0
	for i, c := range text {
		esc := ""
		switch c {
		case '&':
			esc = "&amp;"
		case '\'':
			esc = "&#39;"
		case '<':
			esc = "&lt;"
		case '>':
			esc = "&gt;"
		case '"':
			esc = "&#34;"
		case '\r':
			esc = "&#13;"
		default:
			continue
		}
		out.Write(text[run:i])
		out.WriteString(esc)
		run = i + 1
	}
	out.Write(text[run:])
}
