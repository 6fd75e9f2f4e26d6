package dkim

import (
	"bytes"
	"io"
)

var crlf = []byte("\r\n")

// emptyLines is written for runs of empty lines.
var emptyLines = bytes.Repeat(crlf, 512)

// writeBody writes the body canonicalised as RFC 6376 section 3.4.3 (simple) or 3.4.4 (relaxed) says; a bare LF counts as
// CRLF. It returns how many octets it wrote. The writer is a hash, which never fails.
func writeBody(w io.Writer, body []byte, relaxed bool) (size int64) {
	empty := 0 // lines that are written only if another follows
	put := func(b []byte) {
		n, _ := w.Write(b)
		size += int64(n)
	}
	var buf []byte
	for len(body) > 0 {
		end, next := bytes.IndexByte(body, '\n'), 0
		if end < 0 {
			end, next = len(body), len(body)
		} else {
			next = end + 1
		}
		line := body[:end]
		if next > end {
			line = bytes.TrimSuffix(line, []byte("\r"))
		}
		whole := body[:next]
		body = body[next:]
		if relaxed {
			line = bytes.TrimRight(line, " \t")
		}
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty -= min(empty, 512) {
			put(emptyLines[:2*min(empty, 512)])
		}
		switch {
		case relaxed:
			buf = append(squeeze(buf[:0], line), crlf...)
			put(buf)
		case len(whole) == len(line)+2: // as it stands
			put(whole)
		default:
			put(line)
			put(crlf)
		}
	}
	if size == 0 && !relaxed {
		put(crlf)
	}
	return size
}

// squeeze appends the line with every run of white space as one space.
func squeeze(dst, line []byte) []byte {
	for len(line) > 0 {
		i := 0
		for i < len(line) && line[i] != ' ' && line[i] != '\t' {
			i++
		}
		dst = append(dst, line[:i]...)
		if i == len(line) {
			break
		}
		dst = append(dst, ' ')
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		line = line[i:]
	}
	return dst
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
	start, space := len(dst), false
	for i, c := range raw[colon+1:] {
		switch c {
		case ' ', '\t':
			space = true
			continue
		case '\r':
			if rest := raw[colon+1+i:]; len(rest) > 1 && rest[1] == '\n' {
				continue
			}
		case '\n':
			continue
		}
		if space && len(dst) > start {
			dst = append(dst, ' ')
		}
		space = false
		dst = append(dst, c)
	}
	return dst
}
