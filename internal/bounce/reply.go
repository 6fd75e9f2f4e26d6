package bounce

import "strconv"

// OfReply is the reason of a failure that an SMTP server told us in the session: its reply code, enhanced
// status code or "", and words.
func OfReply(code int, enhanced, text string) string {
	return evidence{said: []string{text}, status: enhanced, code: strconv.Itoa(code)}.reason()
}
