package outbound

import (
	"fmt"
	"html"
	"strings"
)

// What a letter says of attachments that are too large for it.

func omittedText(list []Attachment) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n\nToo large to travel with this letter:\n")
	for _, a := range list {
		fmt.Fprintf(&b, "- %s (%s)\n", clean(a.Filename), humanSize(a.Size))
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
		fmt.Fprintf(&b, "<li>%s (%s)</li>", html.EscapeString(clean(a.Filename)), humanSize(a.Size))
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
