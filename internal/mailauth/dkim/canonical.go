package dkim

import (
	"bytes"
	"io"
)

var (
	crlf  = []byte("\r\n")
	space = []byte(" ")
)

// bodyWriter collects small pieces; the writer behind it is a hash, which never fails.
type bodyWriter struct {
	w    io.Writer
	buf  []byte
	size int64
}

func (b *bodyWriter) put(p []byte) {
	if len(p) > cap(b.buf)-len(b.buf) {
		b.flush()
	}
	if len(p) > cap(b.buf) {
		n, _ := b.w.Write(p)
		b.size += int64(n)
		return
	}
	b.buf = append(b.buf, p...)
}

func (b *bodyWriter) flush() {
	n, _ := b.w.Write(b.buf)
	b.size += int64(n)
	b.buf = b.buf[:0]
}

// writeBody writes the body canonicalised as RFC 6376 section 3.4.3 (simple) or 3.4.4 (relaxed) says; a bare LF counts as
// CRLF. It returns how many octets it wrote.
func writeBody(w io.Writer, body []byte, relaxed bool) (size int64) {
	b := &bodyWriter{w: w, buf: make([]byte, 0, 16<<10)}
	empty := 0 // lines that are written only if another follows
	for len(body) > 0 {
		line, ended := body, false
		if i := bytes.IndexByte(body, '\n'); i >= 0 {
			line, body, ended = body[:i], body[i+1:], true
		} else {
			body = nil
		}
		if ended {
			line = bytes.TrimSuffix(line, []byte("\r"))
		}
		if relaxed {
			line = bytes.TrimRight(line, " \t")
		}
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			b.put(crlf)
		}
		if relaxed {
			b.putSqueezed(line)
		} else {
			b.put(line)
		}
		b.put(crlf)
	}
	if b.size == 0 && len(b.buf) == 0 && !relaxed {
		b.put(crlf)
	}
	b.flush()
	return b.size
}

// putSqueezed puts the line with every run of white space as one space.
func (b *bodyWriter) putSqueezed(line []byte) {
	for len(line) > 0 {
		i := bytes.IndexAny(line, " \t")
		if i < 0 {
			b.put(line)
			return
		}
		b.put(line[:i])
		b.put(space)
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		line = line[i:]
	}
}

// appendField appends a header field, without its last line end, canonicalised as RFC 6376 section 3.4.1 or 3.4.2 says.
func appendField(dst, raw []byte, relaxed bool) []byte {
	if !relaxed {
		for {
			i := bytes.IndexByte(raw, '\n')
			if i < 0 {
				return append(dst, raw...)
			}
			dst = append(append(dst, bytes.TrimSuffix(raw[:i], []byte("\r"))...), crlf...)
			raw = raw[i+1:]
		}
	}
	colon := bytes.IndexByte(raw, ':')
	dst = append(dst, bytes.ToLower(bytes.TrimRight(raw[:colon], " \t"))...)
	dst = append(dst, ':')
	start, gap := len(dst), false
	for i, c := range raw[colon+1:] {
		switch c {
		case ' ', '\t':
			gap = true
			continue
		case '\r':
			if rest := raw[colon+1+i:]; len(rest) > 1 && rest[1] == '\n' {
				continue
			}
		case '\n':
			continue
		}
		if gap && len(dst) > start {
			dst = append(dst, ' ')
		}
		gap = false
		dst = append(dst, c)
	}
	return dst
}
