package message

import (
	"bytes"
	"net/http"
	"strings"
)

// sniffType tells what the bytes are: by their first bytes when those are telling, else what was declared. A
// declared type is overruled only when the bytes are plainly something else, above all something that runs.
func sniffType(declared string, data []byte) string {
	head := data[:min(len(data), 512)]
	for _, m := range [...]struct{ magic, ctype string }{
		{"MZ", "application/x-msdownload"},
		{"\x7fELF", "application/x-executable"},
		{"#!/", "text/x-script"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"},
		{"%PDF-", "application/pdf"},
		{"{\\rtf", "application/rtf"},
		{"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"},
		{"BEGIN:VCALENDAR", "text/calendar"},
		{"BEGIN:VCARD", "text/vcard"},
	} {
		if bytes.HasPrefix(head, []byte(m.magic)) && (m.magic != "MZ" || isPE(data)) {
			return preferDeclared(declared, m.ctype)
		}
	}
	if len(head) == 0 {
		return orOctet(declared)
	}
	found, _, _ := strings.Cut(http.DetectContentType(head), ";")
	switch found {
	case "application/octet-stream", "text/plain":
		if declared == "" {
			return found
		}
		return declared
	case "text/html", "text/xml":
		if strings.HasPrefix(declared, "text/") || strings.Contains(declared, "xml") || strings.Contains(declared, "html") {
			return declared
		}
		return found
	}
	return preferDeclared(declared, found)
}

// cleanType is a declared type as it may be stored and shown, "" when it names none (RFC 6838 section 4.2).
func cleanType(s string) string {
	const most = 127 + 1 + 127
	if len(s) > most || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return ""
	}
	return s
}

// isPE tells whether data that starts with "MZ" is a program and no text by chance.
func isPE(data []byte) bool {
	return len(data) >= 64 && bytes.IndexByte(data[:64], 0) >= 0
}

// preferDeclared keeps a declared type that is a finer name of the found one, such as a document that is a ZIP file.
func preferDeclared(declared, found string) string {
	switch {
	case declared == "" || declared == "application/octet-stream" || strings.HasPrefix(declared, "text/"):
		return found
	case found == "application/zip", found == "application/x-gzip", found == "application/x-ole-storage", found == "application/ogg":
		if strings.HasPrefix(declared, "application/") || strings.HasPrefix(declared, "audio/") || strings.HasPrefix(declared, "video/") {
			return declared
		}
	}
	if d, _, _ := strings.Cut(declared, "/"); (d == "audio" || d == "video") && strings.HasPrefix(found, d+"/") {
		return declared
	}
	return found
}

func orOctet(declared string) string {
	if declared == "" {
		return "application/octet-stream"
	}
	return declared
}

// looksHTML tells whether text that says it is plain is a web page.
func looksHTML(b []byte) bool {
	t, _, _ := strings.Cut(http.DetectContentType(b[:min(len(b), 512)]), ";")
	return t == "text/html"
}
