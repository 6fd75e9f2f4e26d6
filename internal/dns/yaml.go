package dns

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Zone files are written in a small part of YAML: block and flow lists and maps, plain and quoted scalars,
// comments. No anchors, tags, block scalars or several documents.

// errYAML is wrapped by the error for text outside of that part; it names the line.
var errYAML = errors.New("not the YAML of a zone file")

const (
	maxYAMLDepth = 16
	maxYAMLBytes = 16 << 20
)

// node is a scalar, a list or a map; all scalars are texts.
type node struct {
	scalar string
	list   []node
	pairs  []pair // in the order of the file
}

type pair struct {
	key   string
	value node
}

// yamlLine is a line that is neither blank nor a comment.
type yamlLine struct {
	number, indent int
	text           string // without indentation and trailing white space
}

type yamlParser struct {
	lines []yamlLine
	at    int
}

func parseYAML(text string) (node, error) {
	if len(text) > maxYAMLBytes {
		return node{}, fmt.Errorf("%w: larger than %d octets", errYAML, maxYAMLBytes)
	}
	p := &yamlParser{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, " \t\r\n")
		body := strings.TrimLeft(line, " ")
		if body == "" || body[0] == '#' || line == "---" || line == "..." {
			continue
		}
		p.lines = append(p.lines, yamlLine{number, len(line) - len(body), body})
	}
	if len(p.lines) == 0 {
		return node{}, nil
	}
	n, err := p.block(p.lines[0].indent, 0)
	if err == nil && p.at < len(p.lines) {
		err = p.wrong("wrong indentation")
	}
	return n, err
}

func (p *yamlParser) wrong(what string) error {
	number := p.lines[min(p.at, len(p.lines)-1)].number
	return fmt.Errorf("%w: line %d: %s", errYAML, number, what)
}

// block reads the list, map or scalar that begins at this indentation.
func (p *yamlParser) block(indent, depth int) (node, error) {
	if depth > maxYAMLDepth {
		return node{}, p.wrong("nested too deeply")
	}
	text := p.lines[p.at].text
	if isItem(text, '-') {
		return p.blockList(indent, depth)
	}
	if _, _, ok := cutKey(text); ok || isItem(text, '?') {
		return p.blockMap(indent, depth)
	}
	return p.scalarOrFlow(text, indent-1)
}

// isItem tells whether a line begins with an indicator of its own: "- x" or "-".
func isItem(text string, mark byte) bool {
	return text[0] == mark && (len(text) == 1 || text[1] == ' ')
}

// here tells whether the next line is at this indentation.
func (p *yamlParser) here(indent int) bool {
	return p.at < len(p.lines) && p.lines[p.at].indent == indent
}

func (p *yamlParser) blockList(indent, depth int) (n node, err error) {
	for p.here(indent) && isItem(p.lines[p.at].text, '-') {
		item, err := p.behindMark(indent, depth)
		if err != nil {
			return node{}, err
		}
		n.list = append(n.list, item)
	}
	return n, nil
}

// behindMark reads what stands behind "-", "?" or ":", as if the mark were indentation.
func (p *yamlParser) behindMark(indent, depth int) (node, error) {
	l := &p.lines[p.at]
	rest := strings.TrimLeft(l.text[1:], " ")
	if rest == "" || rest[0] == '#' {
		p.at++
		if p.at < len(p.lines) && p.lines[p.at].indent > indent {
			return p.block(p.lines[p.at].indent, depth+1)
		}
		return node{}, nil
	}
	l.indent += len(l.text) - len(rest)
	l.text = rest
	if _, _, ok := cutKey(rest); ok || isItem(rest, '-') || isItem(rest, '?') {
		return p.block(l.indent, depth+1)
	}
	return p.scalarOrFlow(rest, indent)
}

func (p *yamlParser) blockMap(indent, depth int) (n node, err error) {
	for p.here(indent) {
		text := p.lines[p.at].text
		var one pair
		if isItem(text, '?') {
			key, err := p.behindMark(indent, depth)
			if err != nil {
				return node{}, err
			}
			one.key = key.scalar
			if p.here(indent) && isItem(p.lines[p.at].text, ':') {
				if one.value, err = p.behindMark(indent, depth); err != nil {
					return node{}, err
				}
			}
			n.pairs = append(n.pairs, one)
			continue
		}
		key, rest, ok := cutKey(text)
		if !ok {
			return node{}, p.wrong("expected a key and a colon")
		}
		one.key = key
		if one.value, err = p.mapValue(rest, indent, depth); err != nil {
			return node{}, err
		}
		n.pairs = append(n.pairs, one)
	}
	return n, nil
}

// mapValue reads the value on the line of its key, or the block below. A list may stand as far left as the key.
func (p *yamlParser) mapValue(rest string, indent, depth int) (node, error) {
	if rest != "" && rest[0] != '#' {
		return p.scalarOrFlow(rest, indent)
	}
	p.at++
	if p.at < len(p.lines) {
		if next := p.lines[p.at]; next.indent > indent || next.indent == indent && isItem(next.text, '-') {
			return p.block(next.indent, depth+1)
		}
	}
	return node{}, nil
}

// cutKey splits "key: value" and "key:". The colon counts before white space or the end only: names hold colons.
func cutKey(text string) (key, rest string, ok bool) {
	from := 0
	if text[0] == '"' || text[0] == '\'' {
		if from = closing(text); from < 0 {
			return "", "", false
		}
		from++
	} else if strings.IndexByte("[{", text[0]) >= 0 {
		return "", "", false
	}
	for i := from; i < len(text); i++ {
		if text[i] == '#' && i > 0 && text[i-1] == ' ' {
			return "", "", false
		}
		if text[i] == ':' && (i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t') {
			key, err := unquote(strings.TrimSpace(text[:i]))
			return key, strings.TrimSpace(text[i+1:]), err == nil
		}
	}
	return "", "", false
}

// closing is the place of the quote that ends the quoted scalar at the beginning of s, or -1.
func closing(s string) int {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case quote == '"' && s[i] == '\\':
			i++
		case s[i] == quote && quote == '\'' && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i
		}
	}
	return -1
}

// scalarOrFlow reads a value that begins with rest, on the current line, and goes on in the lines that are
// indented more than parent.
func (p *yamlParser) scalarOrFlow(rest string, parent int) (node, error) {
	start := p.at
	p.at++
	if strings.IndexByte("|>&*!@`%", rest[0]) >= 0 {
		p.at = start
		return node{}, p.wrong("not supported here: " + rest[:1])
	}
	text := []string{dropComment(rest)}
	for p.at < len(p.lines) && p.lines[p.at].indent > parent {
		text = append(text, dropComment(p.lines[p.at].text))
		p.at++
	}
	all := strings.Join(text, " ")
	f := &flowParser{text: all}
	var n node
	var err error
	if strings.HasPrefix(all, "[") || strings.HasPrefix(all, "{") { // nothing is left of a tab and a comment
		if n, err = f.value(0); err == nil && strings.TrimSpace(f.text[f.at:]) != "" {
			err = errors.New("text behind a bracket")
		}
	} else {
		n.scalar, err = unquote(all)
	}
	if err != nil {
		p.at = start
		return node{}, p.wrong(err.Error())
	}
	return n, nil
}

// dropComment removes " # …" outside of quotes.
func dropComment(s string) string {
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && (i == 0 || strings.IndexByte(" [{,:", s[i-1]) >= 0):
			quote = c
		case c == '#' && i > 0 && s[i-1] == ' ':
			return strings.TrimRight(s[:i], " \t")
		}
	}
	return s
}

// unquote is the value of one scalar.
func unquote(s string) (string, error) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		if s == "~" || s == "null" {
			return "", nil
		}
		return s, nil
	}
	if closing(s) != len(s)-1 {
		return "", errors.New("unbalanced quotes")
	}
	inner := s[1 : len(s)-1]
	if s[0] == '\'' {
		return strings.ReplaceAll(inner, "''", "'"), nil
	}
	return unescape(inner)
}

var yamlEscapes = map[byte]rune{
	'0': 0, 'a': 7, 'b': 8, 't': 9, 'n': 10, 'v': 11, 'f': 12, 'r': 13, 'e': 27, ' ': ' ', '"': '"', '/': '/', '\\': '\\',
	'N': 0x85, '_': 0xa0, 'L': 0x2028, 'P': 0x2029,
}

func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", errors.New("a backslash at the end")
		}
		if r, ok := yamlEscapes[s[i]]; ok {
			b.WriteRune(r)
			continue
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		if digits == 0 || i+digits >= len(s) {
			return "", errors.New("an unknown escape")
		}
		v, err := strconv.ParseUint(s[i+1:i+1+digits], 16, 31)
		if err != nil {
			return "", errors.New("an escape that is no number")
		}
		b.WriteRune(rune(v))
		i += digits
	}
	return b.String(), nil
}
