package outbound

import (
	"fmt"
	"html"
	"strings"
)

// omittedRoom bounds what one of them takes, in the text and in the HTML, encoded.
const omittedRoom = 2 << 10

// What a letter says of attachments that are too large for it.

func omittedText(list []Attachment) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n\nToo large to travel with this letter:\n")
	for _, a := range list {
		fmt.Fprintf(&b, "- %s (%s)", clean(a.Filename), humanSize(a.Size))
		if a.URL != "" {
			b.WriteString(": " + a.URL)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func omittedHTML(list []Attachment) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("<p>Too large to travel with this letter:</p><ul>")
	for _, a := range list {
		name := html.EscapeString(clean(a.Filename))
		if a.URL != "" {
			name = `<a href="` + html.EscapeString(a.URL) + `">` + name + "</a>"
		}
		fmt.Fprintf(&b, "<li>%s (%s)</li>", name, humanSize(a.Size))
	}
	b.WriteString("</ul>")
	return b.String()
}

func humanSize(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KB", (n+1023)>>10)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}
