package message

import (
	"bytes"
	"strings"
)

// The budget of one letter. What lies beyond is kept as bytes, not looked into.
const (
	maxParts    = 1000
	maxDepth    = 30
	maxBoundary = 256
	// maxExpand bounds the decoded bytes of all parts, as a factor of the letter's own size plus
	// maxExpandBase: decoding never makes more, unpacking (TNEF, uuencode) could be made to.
	maxExpand     = 3
	maxExpandBase = 1 << 20
)

// part is a node of a letter: a leaf, or an embedded message, which is not looked into.
type part struct {
	header  header
	ctype   contentField
	disp    contentField
	body    []byte // still encoded
	data    []byte // decoded, once decode was called
	decoded bool
	// alternative is the number of the multipart/alternative the leaf is in, 0 for none; related likewise.
	alternative, related int
	parent               string // type of the multipart it is directly in
}

// walker takes a letter apart. It counts what it spends.
type walker struct {
	warn   func(code, detail string)
	dec    *decoder
	leaves []*part
	parts  int
	groups int
	budget int
}

// place is where in the tree a part stands.
type place struct {
	depth                int
	parent               string
	alternative, related int
}

// walk adds the leaves of one part to w.leaves, in order.
func (w *walker) walk(h header, body []byte, at place) {
	w.parts++
	p := &part{header: h, body: body, alternative: at.alternative, related: at.related, parent: at.parent}
	p.ctype = w.dec.contentField(h.get("Content-Type"))
	p.disp = w.dec.contentField(h.get("Content-Disposition"))
	w.fixType(p)
	if !strings.HasPrefix(p.ctype.value, "multipart/") {
		w.leaves = append(w.leaves, p)
		return
	}
	if at.depth >= maxDepth {
		w.warn("mime-depth", "parts nested too deeply are kept as an attachment")
		w.leaves = append(w.leaves, p)
		return
	}
	w.multipart(p, at)
}

// fixType gives a part the type it must be meant to have.
func (w *walker) fixType(p *part) {
	switch v := p.ctype.value; {
	case v == "" && p.parent == "multipart/digest":
		p.ctype.value = "message/rfc822"
	case v == "" || v == "text":
		p.ctype.value = "text/plain"
	case v == "html":
		p.ctype.value = "text/html"
	case v == "multipart":
		p.ctype.value = "multipart/mixed"
	case strings.IndexByte(v, '/') < 0:
		w.warn("content-type", "not a media type: "+CleanLine(v))
		if p.ctype.get("boundary") != "" {
			p.ctype.value = "multipart/mixed"
		} else if p.filename() != "" {
			p.ctype.value = "application/octet-stream"
		} else {
			p.ctype.value = "text/plain"
		}
	}
}

func (w *walker) multipart(p *part, at place) {
	body := p.body
	if enc := p.header.token("Content-Transfer-Encoding"); enc == "base64" || enc == "quoted-printable" {
		// Forbidden (RFC 2045 section 6.4), but sent.
		if b := p.ctype.get("boundary"); b == "" || !bytes.Contains(body, []byte("--"+b)) {
			w.warn("mime-encoding", "an encoded multipart")
			body, _ = decodeTransfer(body, enc)
		}
	}
	boundary := p.ctype.get("boundary")
	pieces, closed := splitParts(body, boundary, maxParts-w.parts)
	if len(pieces) == 0 {
		if guessed := guessBoundary(body); guessed != "" && guessed != boundary {
			w.warn("mime-boundary", "the boundary was guessed")
			pieces, closed = splitParts(body, guessed, maxParts-w.parts)
		}
	}
	if len(pieces) == 0 {
		w.noParts(p, body)
		return
	}
	if !closed {
		w.warn("mime-unterminated", "the last boundary is missing")
	}
	at.depth++
	at.parent = p.ctype.value
	switch {
	case p.ctype.value == "multipart/alternative" && at.alternative == 0:
		w.groups++
		at.alternative = w.groups
	case p.ctype.value == "multipart/related":
		w.groups++
		at.related = w.groups
	}
	for i, piece := range pieces {
		if w.parts >= maxParts {
			w.warn("mime-parts", "parts after the first 1000 are kept as one attachment")
			w.leaves = append(w.leaves, &part{ctype: contentField{value: "application/octet-stream"}, body: bytes.Join(pieces[i:], nil)})
			return
		}
		h, b := splitHeader(piece, false, w.warn)
		if len(h) == 0 && len(bytes.TrimSpace(b)) == 0 {
			continue
		}
		w.walk(h, b, at)
	}
}

// noParts keeps the body of a multipart in which no boundary was found.
func (w *walker) noParts(p *part, body []byte) {
	if len(bytes.TrimSpace(body)) == 0 {
		return
	}
	w.warn("mime-boundary", "no part found, all is text")
	p.ctype = contentField{value: "text/plain", params: []param{{"charset", p.ctype.get("charset")}}}
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) > 0 && trimmed[0] == '<' && looksHTML(trimmed) {
		p.ctype.value = "text/html"
	}
	p.body = body
	w.leaves = append(w.leaves, p)
}

// splitParts splits the body of a multipart at its boundary lines (RFC 2046 section 5.1.1). Preamble and epilogue
// go; parts after a closing line are taken, because nested multiparts that share one boundary are real.
// closed is false when the last part is not closed. Beyond limit parts the rest is one part.
func splitParts(body []byte, boundary string, limit int) (pieces [][]byte, closed bool) {
	if boundary == "" || len(boundary) > 4*maxBoundary {
		return nil, false
	}
	delim := []byte("--" + boundary)
	start := -1 // of the part being read
	for pos := 0; ; {
		at, next, closing := findDelimiter(body, delim, pos)
		if at < 0 {
			break
		}
		if start >= 0 {
			pieces = append(pieces, trimLineEnd(body[start:at]))
			if len(pieces) > limit {
				return append(pieces, body[next:]), true
			}
		}
		start, pos, closed = next, next, closing
		if closing {
			start = -1
		}
	}
	if start >= 0 && start < len(body) {
		pieces = append(pieces, body[start:])
	}
	return pieces, closed
}

// findDelimiter finds the next boundary line at or after pos: where it starts, where the next line starts, and
// whether it closes the multipart.
func findDelimiter(body, delim []byte, pos int) (at, next int, closing bool) {
	for {
		i := bytes.Index(body[pos:], delim)
		if i < 0 {
			return -1, 0, false
		}
		at = pos + i
		pos = at + len(delim)
		if at > 0 && body[at-1] != '\n' && body[at-1] != '\r' {
			continue
		}
		end, next := lineEnd(body, pos)
		rest := bytes.TrimRight(body[pos:end], " \t\r")
		if len(rest) == 0 {
			return at, next, false
		}
		if bytes.HasPrefix(rest, []byte("--")) && (len(rest) == 2 || !isBoundaryByte(rest[2])) {
			return at, next, true
		}
		if isWSP(rest[0]) { // junk after the boundary
			return at, next, false
		}
	}
}

// isBoundaryByte tells whether c may go on a boundary that merely starts like another one.
func isBoundaryByte(c byte) bool {
	return isBase64(c) || c == '-' || c == '_' || c == '.' || c == '='
}

// guessBoundary finds a line that starts with "--" and is followed by a field of a part's header.
func guessBoundary(body []byte) string {
	const scan = 64 << 10
	head := body[:min(len(body), scan)]
	for pos := 0; pos < len(head); {
		end, next := lineEnd(head, pos)
		line := bytes.TrimRight(head[pos:end], " \t")
		pos = next
		if len(line) < 4 || len(line) > maxBoundary || line[0] != '-' || line[1] != '-' || bytes.IndexByte(line, ' ') >= 0 {
			continue
		}
		if e, _ := lineEnd(head, next); e > next {
			if name, colon := fieldName(head[next:e]); colon > 0 && len(name) > 8 && strings.EqualFold(name[:8], "content-") {
				return string(line[2:])
			}
		}
	}
	return ""
}

// trimLineEnd removes one line end, which belongs to the boundary that follows.
func trimLineEnd(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

// filename is the name the letter gives a part, decoded, not yet made safe.
func (p *part) filename() string {
	if n := p.disp.get("filename"); n != "" {
		return n
	}
	if n := p.ctype.get("name"); n != "" {
		return n
	}
	if n := p.disp.get("name"); n != "" {
		return n
	}
	return p.ctype.get("filename")
}

// decode undoes the transfer encoding, once.
func (p *part) decode(w *walker) []byte {
	if p.decoded {
		return p.data
	}
	p.decoded = true
	enc := p.header.token("Content-Transfer-Encoding")
	if strings.HasPrefix(enc, "base64") && strings.HasPrefix(p.ctype.value, "text/") && !maybeBase64(p.body) {
		w.warn("transfer-encoding", "text that is said to be base64")
		p.data = p.body
		return p.data
	}
	data, known := decodeTransfer(p.body, enc)
	if !known {
		w.warn("transfer-encoding", "unknown: "+CleanLine(enc))
	}
	p.data = data
	return data
}
