package command

import "strings"

// TicketTag finds the first ticket tag of a subject, "[#123]", and returns its number and the subject
// without it, every repetition of the same tag taken out too. Tags with other numbers stay: another
// helpdesk may have written them. A number alone proves nothing; the caller asks who sent it.
func TicketTag(subject string) (number int64, rest string, ok bool) {
	var b strings.Builder
	for s := subject; ; {
		start, end, n := nextTag(s)
		if end < 0 {
			b.WriteString(s)
			break
		}
		if number == 0 {
			number = n
		}
		if n == number {
			b.WriteString(s[:start])
			b.WriteByte(' ')
		} else {
			b.WriteString(s[:end])
		}
		s = s[end:]
	}
	if number == 0 {
		return 0, subject, false
	}
	return number, tidy(b.String()), true
}

// nextTag is the extent and number of the first tag in s; end is -1 if there is none.
func nextTag(s string) (start, end int, n int64) {
	for from := 0; ; {
		i := strings.Index(s[from:], "[#")
		if i < 0 {
			return 0, -1, 0
		}
		start = from + i
		from = start + len("[#")
		digits := from
		for digits < len(s) && digits-from < 19 && s[digits] >= '0' && s[digits] <= '9' {
			digits++
		}
		if digits < len(s) && s[digits] == ']' {
			if n = number(s[from:digits]); n > 0 {
				return start, digits + 1, n
			}
		}
	}
}
