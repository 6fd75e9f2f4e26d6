package template

import (
	stdhtml "html"
	"io"
	"strings"

	"golang.org/x/net/html"
)

// The elements and attributes that a template may have: text, tables, pictures and links. Nothing that
// runs, loads or hides.
var (
	elements = wordSet(`a abbr b big blockquote br center code dd div dl dt em font h1 h2 h3 h4 h5 h6 hr i img li ol p pre
		s small span strong sub sup table tbody td tfoot th thead tr tt u ul`)
	attributes = wordSet(`align alt bgcolor border cellpadding cellspacing class color colspan dir face height href lang
		role rowspan size src style title valign width`)
	blocks = wordSet(`blockquote center dd div dl dt h1 h2 h3 h4 h5 h6 hr ol p pre table tr ul`)
	spaced = wordSet(`blockquote h1 h2 h3 h4 h5 h6 ol p pre table ul`) // blocks with a blank line around them
)

func wordSet(s string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// compileHTML reads an HTML body and writes it anew, so that only what is known is ever sent. Comments and
// the document type are dropped; an element or attribute that is not allowed is an error.
func (t *Template) compileHTML(s *source) error {
	if strings.TrimSpace(s.text) == "" {
		return nil
	}
	z := html.NewTokenizer(strings.NewReader(s.text))
	plain := &derived{}
	inLink := false
	for at, next := 0, 0; ; at = next {
		kind := z.Next()
		next = at + len(z.Raw())
		switch kind {
		case html.ErrorToken:
			if z.Err() != io.EOF || at != len(s.text) {
				return s.fail(at, "a tag that does not end")
			}
			t.notePieces(t.html)
			if t.text == nil {
				t.text = plain.rows()
			}
			return nil
		case html.TextToken:
			p, err := s.pieces(at, next)
			if err != nil {
				return err
			}
			for i := range p {
				p[i].bare = inLink
			}
			t.html = append(t.html, p...)
			plain.words(p)
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			name, more := z.TagName()
			tag := string(name)
			if !elements[tag] {
				return s.fail(at, "the element %q is not allowed", tag)
			}
			if tag == "a" {
				inLink = kind != html.EndTagToken
			}
			if kind == html.EndTagToken {
				t.html = append(t.html, piece{escaped: "</" + tag + ">"})
				plain.end(tag)
				continue
			}
			href, err := t.startTag(s, z, tag, tagPlace{at, more})
			if err != nil {
				return err
			}
			plain.start(tag, href)
		}
	}
}

// tagPlace is where a tag stands, and whether attributes follow its name.
type tagPlace struct {
	at   int
	more bool
}

// startTag writes a start tag with the attributes that are allowed; it returns the target of a link.
func (t *Template) startTag(s *source, z *html.Tokenizer, tag string, where tagPlace) (href []piece, err error) {
	t.html = append(t.html, piece{escaped: "<" + tag})
	for more := where.more; more; {
		var k, v []byte
		k, v, more = z.TagAttr()
		key, value := string(k), string(v)
		if !attributes[key] {
			return nil, s.fail(where.at, "the attribute %q of <%s> is not allowed", key, tag)
		}
		p, err := s.attribute(key, value, where.at)
		if err != nil {
			return nil, err
		}
		t.html = append(t.html, piece{escaped: " " + key + `="`})
		t.html = append(t.html, p...)
		t.html = append(t.html, piece{escaped: `"`})
		if tag == "a" && key == "href" {
			href = p
		}
	}
	t.html = append(t.html, piece{escaped: ">"})
	return href, nil
}

// attribute compiles the value of an attribute. A value of a customer never stands in one: only our own links do.
func (s *source) attribute(key, value string, at int) ([]piece, error) {
	sub := &source{part: s.part, text: value}
	p, err := sub.pieces(0, len(value))
	if err != nil {
		inner, _ := AsSyntaxError(err)
		return nil, s.fail(at, "in the attribute %q: %s", key, inner.Problem)
	}
	for i := range p {
		if p[i].mask == nil {
			p[i].escaped = stdhtml.EscapeString(p[i].lit)
			continue
		}
		if key != "href" || p[i].mask.kind != link {
			return nil, s.fail(at, "#%s# cannot stand in the attribute %q", p[i].mask.name, key)
		}
		p[i].attr = true
		s.seen = append(s.seen, use{p[i].mask, at})
	}
	switch {
	case key == "href" && len(p) > 0 && p[0].mask == nil && !hasScheme(value, "http:", "https:", "mailto:", "tel:"):
		return nil, s.fail(at, "a link begins with http:, https:, mailto:, tel: or #URL#")
	case key == "src" && !hasScheme(value, "http:", "https:", "cid:"):
		return nil, s.fail(at, "a picture begins with http:, https: or cid:")
	case key == "style" && !safeStyle(value):
		return nil, s.fail(at, "a style cannot load or run anything")
	}
	return p, nil
}

func hasScheme(value string, schemes ...string) bool {
	for _, s := range schemes {
		if len(value) > len(s) && strings.EqualFold(value[:len(s)], s) {
			return true
		}
	}
	return false
}

func safeStyle(value string) bool {
	value = strings.ToLower(value)
	for _, bad := range []string{"url", "expression", "import", "behavior", `\`, "/*", "position"} {
		if strings.Contains(value, bad) {
			return false
		}
	}
	return true
}

// derived makes lines of text of an HTML body while it is read.
type derived struct {
	done []row
	cur  []piece
	href []piece
}

func (d *derived) words(p []piece) {
	for _, w := range p {
		if w.mask == nil {
			w.lit = collapse(w.lit)
			if len(d.cur) == 0 {
				w.lit = strings.TrimLeft(w.lit, " ")
			}
			if w.lit == "" {
				continue
			}
		}
		d.cur = append(d.cur, w)
	}
}

// collapse makes every run of white space one space, as a reader of HTML does.
func collapse(s string) string {
	words := strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\r\n\f", r) }), " ")
	words = strings.ReplaceAll(words, "\u00a0", " ")
	if words == "" {
		if s == "" {
			return ""
		}
		return " "
	}
	if strings.ContainsAny(s[:1], " \t\r\n\f") {
		words = " " + words
	}
	if strings.ContainsAny(s[len(s)-1:], " \t\r\n\f") {
		words += " "
	}
	return words
}

func (d *derived) breakLine() {
	if len(d.cur) > 0 {
		d.done = append(d.done, newRow(d.cur))
		d.cur = nil
	}
}

func (d *derived) gap() {
	d.breakLine()
	d.done = append(d.done, row{blank: true})
}

func (d *derived) start(tag string, href []piece) {
	switch {
	case spaced[tag]:
		d.gap()
	case tag == "br" || blocks[tag]:
		d.breakLine()
	case tag == "li":
		d.breakLine()
		d.cur = []piece{{lit: "- "}}
	case (tag == "td" || tag == "th") && len(d.cur) > 0:
		d.cur = append(d.cur, piece{lit: " "})
	case tag == "a":
		d.href = href
	}
}

func (d *derived) end(tag string) {
	switch {
	case spaced[tag]:
		d.gap()
	case blocks[tag] || tag == "li":
		d.breakLine()
	case tag == "a" && len(d.href) > 0:
		last := len(d.cur) - 1
		if last < 0 || d.cur[last].mask == nil || d.cur[last].mask != d.href[0].mask {
			d.cur = append(d.cur, piece{lit: " <"})
			for _, p := range d.href {
				p.attr = false
				d.cur = append(d.cur, p)
			}
			d.cur = append(d.cur, piece{lit: ">"})
		}
		d.href = nil
	}
}

func (d *derived) rows() []row {
	d.breakLine()
	return d.done
}
