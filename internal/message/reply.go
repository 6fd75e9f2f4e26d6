package message

import "strings"

// appendPlain splits plain text into lines, quote marks counted off.
func appendPlain(dst []line, s string) []line {
	s = strings.TrimRight(s, "\n")
	if s == "" {
		return dst
	}
	if dst == nil {
		dst = make([]line, 0, strings.Count(s, "\n")+1)
	}
	for more := true; more; {
		var text string
		text, s, more = strings.Cut(s, "\n")
		dst = append(dst, line{text: text})
	}
	return dst
}

// splitReply parts the text of a letter into new words, quoted history and signature.
func splitReply(lines []line) (reply, quoted, signature string) {
	cut := len(lines)
	for i, l := range lines {
		if l.held || strings.HasPrefix(l.text, "-----Original Message-----") {
			cut = i
			break
		}
	}
	return strings.TrimSpace(joinLines(lines[:cut])), strings.TrimSpace(joinLines(lines[cut:])), ""
}
