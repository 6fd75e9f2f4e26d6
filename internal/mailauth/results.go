package mailauth

import "strings"

// Bounds of a field with the results of others.
const (
	maxResultsField = 8 << 10
	maxResults      = 40
)

// found is one result in an Authentication-Results field: "spf=pass smtp.mailfrom=a@example.org".
type found struct {
	method, result string
	properties     map[string]string
}

// parseResults reads an Authentication-Results field (RFC 8601 section 2.2), or what follows the instance in one of ARC. ok
// is false for a field that could be read in two ways, of which nothing is believed: envelope senders are written into
// values and comments, and a stranger chooses them. To end a comment or a value early he needs a quoted local part, so
// there may be no quote and no backslash in a comment, and nothing in quotes that would mean something without
// them; only a reason, which the server itself words, may hold more.
func parseResults(field string) (authservID string, results []found, ok bool) {
	if len(field) > maxResultsField {
		return "", nil, false
	}
	parts, ok := splitResults(field)
	if !ok || len(parts) == 0 || len(parts) > maxResults {
		return "", nil, false
	}
	head := strings.Fields(parts[0])
	if len(head) == 0 || len(head) > 2 || len(head) == 2 && head[1] != "1" || strings.ContainsAny(head[0], `"=`) {
		return "", nil, false
	}
	for _, part := range parts[1:] {
		if f, ok := parseResult(part); ok {
			results = append(results, f)
		}
	}
	return strings.ToLower(head[0]), results, true
}

// splitResults cuts a field at its semicolons and takes the comments out.
func splitResults(field string) (parts []string, ok bool) {
	var b strings.Builder
	depth, quoted, reason := 0, false, false
	for i := 0; i < len(field); i++ {
		c := field[i]
		switch {
		case c < ' ' && c != '\t' && c != '\r' && c != '\n', c == 0x7f, c == '\\':
			return nil, false
		case c == '"' && depth > 0:
			return nil, false
		case c == '"':
			if quoted = !quoted; quoted {
				reason = isReason(b.String())
			}
			b.WriteByte(c)
		case quoted && reason:
			b.WriteByte(neutral(c))
		case quoted && strings.IndexByte("();\t\r\n ", c) >= 0:
			return nil, false
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return nil, false
			}
			b.WriteByte(' ')
		case depth > 0:
		case c == ';':
			parts = append(parts, b.String())
			b.Reset()
		case c == '\t' || c == '\r' || c == '\n':
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
		}
	}
	if depth != 0 || quoted {
		return nil, false
	}
	return append(parts, b.String()), true
}

// isReason tells whether the value that follows is a reason.
func isReason(before string) bool {
	name, ok := strings.CutSuffix(strings.TrimRight(before[max(0, len(before)-32):], " "), "=")
	name = strings.ToLower(strings.TrimRight(name, " "))
	return ok && (name == "reason" || strings.HasSuffix(name, " reason"))
}

// neutral keeps the words of a reason from being taken for anything else.
func neutral(c byte) byte {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
		return c
	}
	return '_'
}

// parseResult reads one result with its properties. A property that stands there twice makes it unreadable.
func parseResult(part string) (f found, ok bool) {
	method, result, rest, ok := cutPair(part)
	if !ok {
		return f, false
	}
	method, _, _ = strings.Cut(method, "/") // the version of the method
	f = found{method: method, result: strings.ToLower(result), properties: map[string]string{}}
	for strings.TrimSpace(rest) != "" {
		var name, value string
		if name, value, rest, ok = cutPair(rest); !ok {
			return f, false
		}
		if _, twice := f.properties[name]; twice {
			return f, false
		}
		f.properties[name] = value
	}
	return f, true
}

// cutPair takes name=value off the front, with white space around "=" as the grammar allows it.
func cutPair(s string) (name, value, rest string, ok bool) {
	name, rest, ok = strings.Cut(strings.TrimLeft(s, " "), "=")
	name = strings.TrimRight(name, " ")
	if !ok || name == "" || strings.ContainsAny(name, ` "@`) {
		return "", "", "", false
	}
	value, rest, _ = strings.Cut(strings.TrimLeft(rest, " "), " ")
	return strings.ToLower(name), strings.ReplaceAll(value, `"`, ""), rest, true
}
