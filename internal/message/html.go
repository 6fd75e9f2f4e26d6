package message

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Limits of rendering HTML.
const (
	maxHTML  = 4 << 20 // bytes of one body
	maxQuote = 50
	maxLists = 20
)

// line is one line of a letter's text.
type line struct {
	text  string
	quote int  // how many quotes it stands in
	held  bool // in a container that mail programs put around the quoted letter
}

// HTMLText renders HTML as readable text: paragraphs, lists, table cells apart by tabs, quotes with "> ",
// the target of a link after its text when it says more.
func HTMLText(src string) string { return joinLines(htmlLines(src)) }

// joinLines is the text of lines, quote marks included.
func joinLines(lines []line) string {
	n := 0
	for _, l := range lines {
		n += len(l.text) + 2*l.quote + 1
	}
	var b strings.Builder
	b.Grow(n)
	for _, l := range lines {
		writeLine(&b, l)
	}
	return strings.TrimRight(b.String(), "\n \t")
}

func writeLine(b *strings.Builder, l line) {
	for range l.quote {
		b.WriteByte('>')
	}
	if l.quote > 0 && l.text != "" {
		b.WriteByte(' ')
	}
	b.WriteString(l.text)
	b.WriteByte('\n')
}

// htmlLines renders HTML into lines. It works on tokens, so depth and broken nesting cost nothing.
func htmlLines(src string) []line {
	r := htmlRenderer{z: html.NewTokenizer(strings.NewReader(src))}
	for {
		switch r.z.Next() {
		case html.ErrorToken:
			r.breakLine()
			return r.lines
		case html.TextToken:
			if r.skip == 0 {
				r.write(tokenText(r.z))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := tagName(r.z)
			r.start(atom.Lookup(name), more)
		case html.EndTagToken:
			name, _ := tagName(r.z)
			r.end(atom.Lookup(name))
		}
	}
}

type htmlRenderer struct {
	z     *html.Tokenizer
	lines []line
	cur   []byte
	space bool // white space waits to be written
	gap   bool // an empty line is due before the next text

	skip  atom.Atom // an element whose content is not shown
	pre   int
	quote int
	lists []int  // counters of open lists, -1 for bullets
	point []byte // the bullet or number of an item, written with its first text
	href  string
	text  int // where the text of the link starts in cur

	divs []bool // open div and span elements: whether each is a quote container
	held int    // open quote containers
	cite []bool // open blockquotes: whether each counts as held
}

// write adds text, with its white space collapsed unless it is preformatted.
func (r *htmlRenderer) write(b []byte) {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '\n' && r.pre > 0:
			r.breakLine()
		case c == '\r' && r.pre > 0:
		case c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f':
			if r.pre > 0 {
				r.begin()
				r.cur = append(r.cur, c)
			} else {
				r.space = true
			}
		case c == 0xc2 && i+1 < len(b) && b[i+1] == 0xa0: // no-break space
			i++
			r.space = true
		case c == 0xe2 && i+2 < len(b) && b[i+1] == 0x80 && (b[i+2] == 0x8b || b[i+2] == 0x8c): // zero width
			i += 2
		case c == 0xef && i+2 < len(b) && b[i+1] == 0xbb && b[i+2] == 0xbf:
			i += 2
		default:
			r.begin()
			if r.space && len(r.cur) > 0 {
				r.cur = append(r.cur, ' ')
			}
			r.space = false
			r.cur = append(r.cur, c)
		}
	}
}

// flushGap writes the empty line that is due before text.
func (r *htmlRenderer) flushGap() {
	if r.gap && len(r.cur) == 0 {
		r.gap = false
		if len(r.lines) > 0 {
			depth := min(r.quote, r.lines[len(r.lines)-1].quote)
			r.lines = append(r.lines, line{quote: depth, held: r.held > 0})
		}
	}
}

// begin makes ready for text: the empty line that is due, and the bullet of an item.
func (r *htmlRenderer) begin() {
	r.flushGap()
	if len(r.point) > 0 {
		r.cur = append(r.cur, r.point...)
		r.point, r.space = r.point[:0], false
	}
}

// breakLine ends the line; an empty one becomes a gap.
func (r *htmlRenderer) breakLine() {
	r.space = false
	text := strings.TrimRight(string(r.cur), " \t")
	r.cur, r.text = r.cur[:0], 0
	if text == "" {
		return
	}
	r.lines = append(r.lines, line{text: text, quote: r.quote, held: r.held > 0})
}

// block ends a line and asks for an empty line, but not between the bullet of an item and its text.
func (r *htmlRenderer) block() {
	r.breakLine()
	if len(r.point) > 0 {
		return
	}
	r.gap = true
}

func (r *htmlRenderer) start(tag atom.Atom, more bool) {
	if r.skip != 0 {
		return
	}
	switch tag {
	case atom.Script, atom.Style, atom.Title, atom.Template, atom.Svg, atom.Object, atom.Select, atom.Textarea:
		r.skip = tag
	case atom.Br:
		if len(r.cur) == 0 {
			r.gap = true
		}
		r.breakLine()
	case atom.Hr:
		r.block()
		r.write([]byte("________________________________"))
		r.breakLine()
	case atom.Div, atom.Span, atom.Section:
		if tag != atom.Span {
			r.breakLine()
		}
		r.open(more)
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table, atom.Dl, atom.Article, atom.Header, atom.Footer:
		r.block()
	case atom.Tr, atom.Dt, atom.Dd, atom.Address, atom.Center, atom.Form, atom.Caption, atom.Fieldset, atom.Option:
		r.breakLine()
	case atom.Td, atom.Th:
		if len(r.cur) > 0 {
			r.cur = append(r.cur, '\t')
			r.space = false
		}
	case atom.Ul, atom.Ol, atom.Menu:
		r.openList(tag)
	case atom.Li:
		r.item()
	case atom.Pre:
		r.block()
		r.pre++
	case atom.Blockquote:
		r.openQuote(more)
	case atom.A:
		r.href, r.text = r.attr(more, "href"), len(r.cur)
	case atom.Img:
		if alt := strings.TrimSpace(r.attr(more, "alt")); alt != "" {
			r.write([]byte("[" + alt + "]"))
		}
	}
}

func (r *htmlRenderer) end(tag atom.Atom) {
	if r.skip != 0 {
		if tag == r.skip {
			r.skip = 0
		}
		return
	}
	switch tag {
	case atom.Div, atom.Span, atom.Section:
		if tag != atom.Span {
			r.breakLine()
		}
		r.close()
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table, atom.Dl, atom.Article, atom.Header, atom.Footer:
		r.block()
	case atom.Tr, atom.Li, atom.Dt, atom.Dd, atom.Address, atom.Center, atom.Form, atom.Caption, atom.Fieldset, atom.Option:
		r.breakLine()
	case atom.Ul, atom.Ol, atom.Menu:
		r.closeList()
	case atom.Pre:
		r.block()
		r.pre = max(r.pre-1, 0)
	case atom.Blockquote:
		r.closeQuote()
	case atom.A:
		r.link()
	}
}

// link writes the target of a link after its text, when the text does not say it already.
func (r *htmlRenderer) link() {
	href := strings.TrimSpace(r.href)
	r.href = ""
	if href == "" || r.text > len(r.cur) {
		return
	}
	text := strings.TrimSpace(string(r.cur[r.text:]))
	bare := strings.TrimSuffix(strings.TrimPrefix(href, "mailto:"), "/")
	_, noScheme, _ := strings.Cut(bare, "://")
	if text == "" || strings.EqualFold(strings.TrimSuffix(text, "/"), bare) || (noScheme != "" && strings.EqualFold(strings.TrimSuffix(text, "/"), noScheme)) {
		return
	}
	if !strings.HasPrefix(href, "http://") && !strings.HasPrefix(href, "https://") && !strings.HasPrefix(href, "mailto:") {
		return
	}
	r.write([]byte(" <" + strings.TrimPrefix(href, "mailto:") + ">"))
}

// edge stands around a list: an empty line, unless it is in another list.
func (r *htmlRenderer) edge() {
	if len(r.lists) > 0 {
		r.breakLine()
		return
	}
	r.block()
}

func (r *htmlRenderer) openList(tag atom.Atom) {
	r.edge()
	if len(r.lists) >= maxLists {
		return
	}
	if tag == atom.Ol {
		r.lists = append(r.lists, 0)
	} else {
		r.lists = append(r.lists, -1)
	}
}

func (r *htmlRenderer) closeList() {
	if len(r.lists) > 0 {
		r.lists = r.lists[:len(r.lists)-1]
	}
	r.edge()
}

func (r *htmlRenderer) item() {
	r.breakLine()
	r.point = r.point[:0]
	for range max(len(r.lists)-1, 0) {
		r.point = append(r.point, "  "...)
	}
	if n := len(r.lists); n > 0 && r.lists[n-1] >= 0 {
		r.lists[n-1]++
		r.point = append(appendInt(r.point, r.lists[n-1]), ". "...)
		return
	}
	r.point = append(r.point, "- "...)
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

// attr returns one attribute of the tag just read.
func (r *htmlRenderer) attr(more bool, name string) string {
	for more {
		var k, v []byte
		k, v, more = r.z.TagAttr()
		if string(k) == name {
			return string(v)
		}
	}
	return ""
}
