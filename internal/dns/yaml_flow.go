package dns

import (
	"errors"
	"strings"
)

// flowParser reads [a, b] and {k: v}.
type flowParser struct {
	text string
	at   int
}

var errFlow = errors.New("unbalanced brackets")

func (f *flowParser) skip() {
	for f.at < len(f.text) && (f.text[f.at] == ' ' || f.text[f.at] == '\t') {
		f.at++
	}
}

func (f *flowParser) value(depth int) (n node, err error) {
	if f.skip(); f.at >= len(f.text) || depth > maxYAMLDepth {
		return node{}, errFlow
	}
	switch f.text[f.at] {
	case '[', '{':
		return f.collection(depth)
	case '"', '\'':
		end := closing(f.text[f.at:])
		if end < 0 {
			return node{}, errFlow
		}
		n.scalar, err = unquote(f.text[f.at : f.at+end+1])
		f.at += end + 1
		return n, err
	}
	start := f.at
	for f.at < len(f.text) && strings.IndexByte(",[]{}", f.text[f.at]) < 0 {
		if f.text[f.at] == ':' && (f.at+1 == len(f.text) || f.text[f.at+1] == ' ') {
			break
		}
		f.at++
	}
	n.scalar, err = unquote(strings.TrimSpace(f.text[start:f.at]))
	return n, err
}

func (f *flowParser) collection(depth int) (n node, err error) {
	end := byte(']')
	isMap := f.text[f.at] == '{'
	if isMap {
		end = '}'
	}
	f.at++
	for {
		if f.skip(); f.at >= len(f.text) {
			return node{}, errFlow
		}
		if f.text[f.at] == end {
			f.at++
			return n, nil
		}
		if isMap && strings.HasPrefix(f.text[f.at:], "? ") {
			f.at++
		}
		before := f.at
		v, err := f.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		f.skip()
		if isMap {
			one := pair{key: v.scalar}
			if f.at < len(f.text) && f.text[f.at] == ':' {
				f.at++
				if one.value, err = f.value(depth + 1); err != nil {
					return node{}, err
				}
				f.skip()
			}
			n.pairs = append(n.pairs, one)
		} else {
			n.list = append(n.list, v)
		}
		if f.at < len(f.text) && f.text[f.at] == ',' {
			f.at++
		} else if f.at == before || f.at >= len(f.text) || f.text[f.at] != end {
			return node{}, errFlow
		}
	}
}
