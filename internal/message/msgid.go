package message

import (
	"encoding/base64"
	"slices"
	"strings"
)

// Limits of the fields that name other letters.
const (
	maxIDField = 16 << 10
	maxIDs     = 200
	maxID      = 998
)

// parseIDs finds the identifiers (RFC 5322 section 3.6.4) of a field, whatever text stands between them: what is in
// angle brackets and holds an '@' or is a single word; without any bracket, every word with an '@'.
// The result is without brackets and doubles, in order. An overlong References keeps its end, the nearest ancestors.
func parseIDs(raw []byte) []string {
	if len(raw) == 0 {
		return nil
	}
	if len(raw) > maxIDField {
		raw = raw[len(raw)-maxIDField:]
	}
	s := unfold(raw)
	var ids []string
	found := false
	for rest := s; ; {
		open := strings.IndexByte(rest, '<')
		if open < 0 {
			break
		}
		rest = rest[open+1:]
		end := strings.IndexAny(rest, "<>")
		if end < 0 {
			end = len(rest)
		} else if rest[end] == '<' {
			continue
		}
		found = true
		ids = addID(ids, rest[:end])
		rest = rest[end:]
	}
	if !found {
		for w := range strings.FieldsSeq(s) {
			if strings.IndexByte(w, '@') > 0 {
				ids = addID(ids, strings.Trim(w, ",;\"'()"))
			}
		}
	}
	if len(ids) > maxIDs {
		ids = ids[len(ids)-maxIDs:]
	}
	return ids
}

func addID(ids []string, id string) []string {
	if strings.Contains(id, `"`) && strings.ContainsAny(strings.TrimSpace(id), " \t") {
		return ids // a quoted name with spaces, no id
	}
	id = CleanLine(strings.Join(strings.Fields(id), ""))
	if id == "" || len(id) > maxID || !strings.Contains(id, "@") || slices.Contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

// parseMessageID is the letter's own identifier: what is in brackets, else the first word.
func parseMessageID(raw []byte) string {
	s := unfold(raw[:min(len(raw), maxIDField)])
	if open := strings.IndexByte(s, '<'); open >= 0 {
		s = s[open+1:]
		if end := strings.IndexByte(s, '>'); end >= 0 {
			s = s[:end]
		}
	} else if sp := strings.IndexAny(s, " \t"); sp > 0 {
		s = s[:sp]
	}
	s = CleanLine(strings.ReplaceAll(s, " ", ""))
	return strings.ToValidUTF8(s[:min(len(s), maxID)], "") // the cut may be within a character
}

// threadRefs lists the candidates for the parent, nearest first: In-Reply-To when it is one id, References from
// last to first, then the other ids of In-Reply-To.
func threadRefs(inReplyTo, references []string, own string) []string {
	refs := make([]string, 0, len(inReplyTo)+len(references))
	add := func(id string) {
		if id != own && !slices.Contains(refs, id) {
			refs = append(refs, id)
		}
	}
	if len(inReplyTo) == 1 {
		add(inReplyTo[0])
	}
	for _, id := range slices.Backward(references) {
		add(id)
	}
	for _, id := range inReplyTo {
		add(id)
	}
	return refs
}

// parseThreadIndex reads the beginning of a Thread-Index field: an octet that is 1, five of the time at which the conversation
// began, and sixteen that name it. What is no such field is none.
func parseThreadIndex(v []byte) []byte {
	const octets, digits = 22, 32 // 24 octets are encoded in 32 digits without padding
	var text []byte
	for _, c := range v[:min(len(v), 4*digits)] {
		if len(text) < digits && c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			text = append(text, c)
		}
	}
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil || len(b) < octets || b[0] != 1 {
		return nil
	}
	return b[:octets:octets]
}
