package outbound

// Limits of a References field: enough for every client to find the thread, small enough for
// every server to take it.
const (
	maxReferences      = 21 // the first and the last 20
	maxReferencesBytes = 1500
	maxMessageID       = 512
)

// validMessageID tells whether s can stand between < and > in a header field.
func validMessageID(s string) bool {
	if s == "" || len(s) > maxMessageID {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' {
			return false
		}
	}
	return true
}

// capReferences keeps the first id, which names the thread, and as many of the last ones as fit.
func capReferences(ids []string) []string {
	if len(ids) == 0 {
		return nil
	}
	room, from := maxReferencesBytes-len(ids[0])-3, len(ids)
	for from > 1 && len(ids)-from < maxReferences-1 {
		room -= len(ids[from-1]) + 3
		if room < 0 {
			break
		}
		from--
	}
	return append([]string{ids[0]}, ids[from:]...)
}
