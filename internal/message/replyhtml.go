package message

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// Limits of cutting HTML.
const (
	maxOpen      = 200 // elements open at one time
	maxBracketed = 500 // bytes between brackets that the HTML need not have
)

// ReplyHTML is the part of a letter's sanitised HTML that shows the words of reply, its new text: what is quoted below is not
// sent again. It is "" when the HTML does not begin with these words, or when it cannot be told: the text is then all there is.
// Every element that it opens is closed. Without pictures those that are attached to the letter are left out.
func ReplyHTML(src, reply string, pictures bool) string {
	if src == "" {
		return ""
	}
	c := htmlCutter{z: html.NewTokenizer(strings.NewReader(src)), want: wordsOf(reply), pictures: pictures}
	for c.state == cutting {
		c.next()
	}
	if c.state == failed || !c.shown {
		return ""
	}
	for _, tag := range slices.Backward(c.open) {
		c.out.WriteString("</" + tag + ">")
	}
	return strings.TrimSpace(c.out.String())
}

// words reads the letters and digits of a text, one after the other. Some stand for what HTML shows otherwise, or not at all: the
// target of a link, the name of a picture, the number of an item. These may be left out.
type words struct {
	text      string
	at        int  // where it looks next
	size      int  // of the letter or digit there; 0: not looked for yet
	until     int  // where what may be left out ends; -1: nothing may
	first     bool // nothing of it was read
	lineStart bool
}

func wordsOf(text string) words { return words{text: text, until: -1, lineStart: true} }

// peek is the next one, and whether it begins something that may be left out; ok is false at the end.
func (w *words) peek() (r rune, optional, ok bool) {
	for w.size == 0 && w.at < len(w.text) {
		rest := w.text[w.at:]
		if w.at >= w.until {
			w.until = -1
		}
		if w.until < 0 {
			n := bracketed(rest)
			if n == 0 && w.lineStart {
				n = itemNumber(rest)
			}
			if n > 0 {
				w.until, w.first = w.at+n, true
			}
		}
		r, size := utf8.DecodeRuneInString(rest)
		if isWordRune(r) {
			w.size = size
		} else {
			w.pass(r, size)
		}
	}
	if w.size == 0 {
		return 0, false, false
	}
	r, _ = utf8.DecodeRuneInString(w.text[w.at:])
	return r, w.until >= 0 && w.first, true
}

func (w *words) pass(r rune, size int) {
	w.lineStart = r == '\n' || w.lineStart && (r == ' ' || r == '>')
	w.at, w.size = w.at+size, 0
}

// next goes behind what peek found, leaveOut behind all that may be left out with it.
func (w *words) next() {
	w.first = false
	w.pass(utf8.RuneError, w.size)
}

func (w *words) leaveOut() { w.at, w.size, w.until, w.lineStart = w.until, 0, -1, false }

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// bracketed is the length of what stands in brackets at the beginning of s; 0: nothing.
func bracketed(s string) int {
	closing := byte(']')
	switch s[0] {
	case '[':
	case '<':
		closing = '>'
	default:
		return 0
	}
	s = s[:min(len(s), maxBracketed)]
	if end := strings.IndexByte(s, closing); end > 0 && strings.IndexByte(s[:end], '\n') < 0 {
		return end + 1
	}
	return 0
}

// itemNumber is the length of the number of a list's item at the beginning of s; 0: there is none.
func itemNumber(s string) int {
	n := 0
	for n < len(s) && n < 4 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n > 0 && strings.HasPrefix(s[n:], ". ") {
		return n + 1
	}
	return 0
}

type cutState int

const (
	cutting cutState = iota
	done
	failed
)

type htmlCutter struct {
	z        *html.Tokenizer
	want     words // not seen yet
	open     []string
	out      strings.Builder
	pictures bool
	shown    bool
	state    cutState
}

func (c *htmlCutter) next() {
	kind := c.z.Next()
	raw := string(c.z.Raw())
	switch kind {
	case html.ErrorToken:
		c.state = done
		if !c.complete() {
			c.state = failed
		}
	case html.TextToken:
		c.text(html.UnescapeString(raw))
	case html.StartTagToken, html.SelfClosingTagToken:
		name, _ := c.z.TagName()
		c.start(string(name), raw)
	case html.EndTagToken:
		name, _ := c.z.TagName()
		c.end(string(name))
	}
}

// complete tells whether all words were seen, but for some that HTML need not have.
func (c *htmlCutter) complete() bool {
	for {
		_, optional, ok := c.want.peek()
		if !optional {
			return !ok
		}
		c.want.leaveOut()
	}
}

// text writes a text as far as it belongs to the words.
func (c *htmlCutter) text(s string) {
	if c.shown && c.complete() && (strings.ContainsFunc(s, isWordRune) || strings.HasPrefix(strings.TrimSpace(s), "--")) {
		c.state = done
		return
	}
	last := 0 // behind the last character that was wanted
	for i, r := range s {
		if !isWordRune(r) {
			continue
		}
		want, optional, more := c.want.peek()
		for want != r && optional {
			c.want.leaveOut()
			want, optional, more = c.want.peek()
		}
		switch {
		case !more:
			c.state = done
			end, _, _ := strings.Cut(s[last:i], "\n")
			c.out.WriteString(html.EscapeString(s[:last] + end))
			return
		case want != r:
			c.state = failed
			return
		}
		c.want.next()
		last = i + len(string(r))
		c.shown = true
	}
	c.out.WriteString(html.EscapeString(s))
}

// void elements have no end.
var voidElements = []string{"br", "hr", "img", "wbr", "col"}

func (c *htmlCutter) start(name, raw string) {
	switch {
	case (name == "blockquote" || name == "hr") && c.shown && c.complete():
		c.state = done
		return
	case name == "img":
		if strings.Contains(raw, ` src="cid:`) && !c.pictures {
			return
		}
		c.shown = c.shown || strings.Contains(raw, ` src="`)
	case slices.Contains(voidElements, name):
	case len(c.open) == maxOpen:
		c.state = failed
		return
	default:
		c.open = append(c.open, name)
	}
	c.out.WriteString(raw)
}

// end closes an element with all that is open in it. One that is not open has no end.
func (c *htmlCutter) end(name string) {
	if !slices.Contains(c.open, name) {
		return
	}
	for {
		last := c.open[len(c.open)-1]
		c.open = c.open[:len(c.open)-1]
		c.out.WriteString("</" + last + ">")
		if last == name {
			return
		}
	}
}
