package message

import "strings"

// joinFlowed undoes format=flowed (RFC 3676): a line that ends with a space goes on in the next one of the same
// quote depth; a stuffed leading space goes. delSp tells that the trailing space was added by the sender.
func joinFlowed(s string, delSp bool) string {
	var b strings.Builder
	b.Grow(len(s))
	open, openDepth := false, 0 // the line before goes on
	for s != "" {
		var line string
		line, s, _ = strings.Cut(s, "\n")
		depth := 0
		for depth < len(line) && line[depth] == '>' {
			depth++
		}
		text := strings.TrimPrefix(line[depth:], " ")
		if open && depth != openDepth {
			b.WriteByte('\n')
			open = false
		}
		signature := text == "-- "
		if open && signature {
			b.WriteByte('\n')
			open = false
		}
		if !open && depth > 0 {
			b.WriteString(line[:depth])
			if text != "" {
				b.WriteByte(' ')
			}
		}
		if flows := strings.HasSuffix(text, " ") && !signature && s != ""; flows {
			if delSp {
				text = text[:len(text)-1]
			}
			open, openDepth = true, depth
		} else {
			open = false
		}
		b.WriteString(text)
		if !open {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
