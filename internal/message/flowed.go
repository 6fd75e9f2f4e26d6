package message

import "strings"

// joinFlowed undoes format=flowed (RFC 3676): a line that ends with a space goes on in the next one, a stuffed leading
// space goes. Quoted lines stay as they are: they are history, and joined ones would hide where answers stand.
// delSp tells that the trailing space was added by the sender.
func joinFlowed(s string, delSp bool) string {
	var b strings.Builder
	b.Grow(len(s))
	open := false // the line before goes on
	for s != "" {
		var text string
		text, s, _ = strings.Cut(s, "\n")
		quoted, signature := strings.HasPrefix(text, ">"), text == "-- "
		if open && (quoted || signature) {
			b.WriteByte('\n')
		}
		text = strings.TrimPrefix(text, " ")
		open = strings.HasSuffix(text, " ") && !signature && !quoted && s != ""
		if open && delSp {
			text = text[:len(text)-1]
		}
		b.WriteString(text)
		if !open {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
