package dkim

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"sync"
)

// Limits of what is verified.
const (
	maxHeader     = 256 << 10
	maxFields     = 1000
	maxField      = 32 << 10
	maxNames      = 200
	maxSignatures = 10
	maxSets       = 50 // RFC 8617 section 4.2.1
)

// Letter is a message cut into what signatures are about. It shares the memory of the bytes it was made of.
type Letter struct {
	Fields []Field
	// TooLarge tells that the header exceeds a limit: not all fields are there, and nothing is verified.
	TooLarge bool

	body   []byte
	byName map[string][]int // name in lower case → places in Fields
	hashes [2]bodyHash      // simple, relaxed
	sealed []Sealed         // once the chain was found to hold
}

// Field is one header field as it stands in the letter.
type Field struct {
	Name  string // in lower case; "" of a line that is no field
	Value []byte // all after the colon, folded, without the last line end
	Start int    // where the field begins in the letter, and
	End   int    // where the next one does

	raw   []byte // the field without its last line end
	value int    // where Value begins in raw
}

// bodyHash is computed when it is first asked for.
type bodyHash struct {
	once sync.Once
	sum  [sha256.Size]byte
	size int64 // octets that were hashed
}

// Parse cuts a letter. A leading mbox "From " line is skipped, lines may end in LF alone, and a letter without
// an empty line has an empty body. Of a header that is too large, the first fields are kept, and every From field, up to
// two: who wrote a letter must not depend on how much else is in it.
func Parse(raw []byte) *Letter {
	l := &Letter{byName: make(map[string][]int)}
	late := 0
	l.body = scan(raw, func(f Field, name []byte) {
		l.TooLarge = l.TooLarge || len(l.Fields) >= maxFields || f.End > maxHeader
		if l.TooLarge {
			if late == 2 || !bytes.EqualFold(name, []byte("from")) {
				return
			}
			late++
		}
		if len(name) > 0 {
			f.Name = strings.ToLower(string(name))
			l.byName[f.Name] = append(l.byName[f.Name], len(l.Fields))
		}
		l.Fields = append(l.Fields, f)
	})
	return l
}

// Each calls yield with every field of that name, however large the header is; its own Name is left empty.
func Each(raw []byte, name string, yield func(Field)) {
	scan(raw, func(f Field, n []byte) {
		if len(n) == len(name) && strings.EqualFold(string(n), name) {
			yield(f)
		}
	})
}

// scan calls yield with every line of the header and its continuations, and returns the body. The name is empty for
// what is no field.
func scan(raw []byte, yield func(f Field, name []byte)) (body []byte) {
	pos := 0
	if bytes.HasPrefix(raw, []byte("From ")) {
		pos = nextLine(raw, 0)
	}
	for pos < len(raw) {
		start, end := pos, pos
		for {
			next := nextLine(raw, pos)
			line := trimEnd(raw[pos:next])
			if len(line) == 0 {
				if start == pos {
					return raw[next:]
				}
				break
			}
			if start != pos && line[0] != ' ' && line[0] != '\t' {
				break
			}
			end, pos = pos+len(line), next
			if pos >= len(raw) {
				break
			}
		}
		f := Field{Start: start, End: pos, raw: raw[start:end:end]}
		var name []byte
		if colon := bytes.IndexByte(f.raw, ':'); colon > 0 {
			name = bytes.TrimRight(f.raw[:colon], " \t")
			f.value = colon + 1
			f.Value = f.raw[f.value:]
			if bytes.ContainsAny(name, " \t\r\n") {
				name = nil
			}
		}
		yield(f, name)
	}
	return nil
}

// All returns the fields of a name, which is given in lower case.
func (l *Letter) All(name string) []*Field {
	var out []*Field
	for _, i := range l.byName[name] {
		out = append(out, &l.Fields[i])
	}
	return out
}

// hash is the SHA-256 of the canonicalised body, and how long that is.
func (l *Letter) hash(relaxed bool) (sum []byte, size int64) {
	h := &l.hashes[0]
	if relaxed {
		h = &l.hashes[1]
	}
	h.once.Do(func() {
		d := sha256.New()
		h.size = writeBody(d, l.body, relaxed)
		d.Sum(h.sum[:0])
	})
	return h.sum[:], h.size
}

func nextLine(b []byte, pos int) int {
	if i := bytes.IndexByte(b[pos:], '\n'); i >= 0 {
		return pos + i + 1
	}
	return len(b)
}

// trimEnd removes the line end.
func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}
