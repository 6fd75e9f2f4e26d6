package bounce

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/textproto"
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/text/encoding/ianaindex"
)

// readInput fills an Input from the bytes of a letter: a small reader of MIME, so that the
// tests of this package need no other.
func readInput(raw []byte) *Input {
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	if bytes.HasPrefix(raw, []byte("From ")) {
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	h, body := cutHeader(raw)
	in := &Input{Header: func(name string) []string {
		var out []string
		for _, v := range h[textproto.CanonicalMIMEHeaderKey(name)] {
			out = append(out, decodeWords(v))
		}
		return out
	}}
	in.Type, _ = mediaType(h.Get("Content-Type"))
	_, p := mediaType(h.Get("Content-Type"))
	in.ReportType = strings.ToLower(p["report-type"])
	in.Subject = decodeWords(h.Get("Subject"))
	if f := findAddresses(decodeWords(h.Get("From"))); len(f) > 0 {
		in.From = f[0].addr
	}
	rp := strings.TrimSpace(h.Get("Return-Path"))
	in.NullSender = rp == "<>"
	var plain, htm []string
	walk(h, body, 0, in, &plain, &htm)
	in.Text = strings.Join(plain, "\n")
	in.HTML = strings.Join(htm, "\n")
	if strings.TrimSpace(in.Text) == "" {
		in.Text, in.HTML = in.HTML, ""
	}
	return in
}

func cutHeader(raw []byte) (textproto.MIMEHeader, []byte) {
	h := textproto.MIMEHeader{}
	head, body, ok := bytes.Cut(raw, []byte("\n\n"))
	if bytes.HasPrefix(raw, []byte("\n")) {
		return h, raw[1:]
	}
	if !ok {
		head, body = raw, nil
	}
	var name string
	for line := range strings.SplitSeq(string(head), "\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') && name != "" {
			v := h[name]
			v[len(v)-1] += " " + strings.TrimSpace(line)
			continue
		}
		f, ok := splitField(line)
		if !ok {
			continue
		}
		name = textproto.CanonicalMIMEHeaderKey(f.name)
		h[name] = append(h[name], f.value)
	}
	return h, body
}

var boundaryRE = regexp.MustCompile(`(?i)boundary\s*=\s*("[^"]*"|[^\s;]+)`)

func mediaType(v string) (string, map[string]string) {
	t, p, err := mime.ParseMediaType(v)
	if err != nil || p == nil {
		t, _, _ = strings.Cut(v, ";")
		p = map[string]string{}
	}
	if m := boundaryRE.FindStringSubmatch(v); m != nil && p["boundary"] == "" {
		p["boundary"] = strings.Trim(m[1], `"`)
	}
	return strings.ToLower(strings.TrimSpace(t)), p
}

func walk(h textproto.MIMEHeader, body []byte, depth int, in *Input, plain, htm *[]string) {
	t, p := mediaType(h.Get("Content-Type"))
	if strings.HasPrefix(t, "multipart/") && p["boundary"] != "" && depth < 10 {
		if parts := splitParts(body, p["boundary"]); len(parts) > 0 {
			for _, part := range parts {
				ph, pb := cutHeader(part)
				if len(ph) == 0 {
					pb = part
				}
				walk(ph, pb, depth+1, in, plain, htm)
			}
			return
		}
		t = "text/plain"
	}
	if t == "" {
		t = "text/plain"
	}
	data := decodeBody(h.Get("Content-Transfer-Encoding"), body)
	in.Parts = append(in.Parts, Part{Type: t, Data: data})
	switch {
	case t == "text/html":
		*htm = append(*htm, htmlText(toUTF8(data, p["charset"])))
	case t == "text/plain" || strings.HasPrefix(t, "multipart/"):
		*plain = append(*plain, toUTF8(data, p["charset"]))
	}
}

func splitParts(body []byte, boundary string) [][]byte {
	var parts [][]byte
	var cur []byte
	in := false
	for line := range bytes.Lines(body) {
		l := bytes.TrimSpace(line)
		if bytes.Equal(l, []byte("--"+boundary)) || bytes.Equal(l, []byte("--"+boundary+"--")) {
			if in {
				parts = append(parts, cur)
			}
			cur, in = nil, !bytes.HasSuffix(l, []byte(boundary+"--"))
			continue
		}
		cur = append(cur, line...)
	}
	if in {
		parts = append(parts, cur)
	}
	return parts
}

func decodeBody(cte string, b []byte) []byte {
	switch strings.ToLower(strings.TrimSpace(cte)) {
	case "quoted-printable":
		out, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(b)))
		return out
	case "base64":
		out, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), ""))
		if err == nil {
			return out
		}
	}
	return b
}

func toUTF8(b []byte, charset string) string {
	if charset == "" {
		return string(b)
	}
	enc, err := ianaindex.MIME.Encoding(charset)
	if err != nil || enc == nil {
		return string(b)
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return string(b)
	}
	return string(out)
}

func htmlText(s string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(s))
	skip := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if !skip {
				b.WriteString(strings.Join(strings.Fields(string(z.Text())), " ") + " ")
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			n, _ := z.TagName()
			switch string(n) {
			case "style", "script", "title":
				skip = true
			case "br", "p", "div", "tr", "table", "h1", "h2", "li", "pre", "td":
				b.WriteString("\n")
			}
		case html.EndTagToken:
			n, _ := z.TagName()
			switch string(n) {
			case "style", "script", "title":
				skip = false
			}
		}
	}
}
