package message

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"mxdesk/internal/octets"
)

// maxBlock is the most lines of a quoted header.
const maxBlock = 14

// isHeaderBlock tells whether the header of a quoted letter starts at line i: From and two others of date, To and
// Subject in the language of the mail program.
func (s *splitter) isHeaderBlock(i int) bool {
	kind := s.lines[i].label
	if kind == 0 || kind == labelOther {
		return s.namesSubject(i)
	}
	seen, strange, parted := labelKind(0), 0, false
	for j := i; j < len(s.lines) && j < i+maxBlock; j++ {
		m := &s.lines[j]
		if m.depth > 0 {
			break
		}
		if m.blank {
			parted = true // some programs write each field as a paragraph
			continue
		}
		k := m.label
		if k == 0 {
			if strange++; strange > 2 || parted {
				break
			}
			continue
		}
		strange = 0
		if k&seen != 0 && k&^seen != 0 {
			k &^= seen // a word that stands for two fields
		} else if k&(k-1) != 0 {
			k &= -k
		}
		seen |= k
	}
	seen &^= labelOther
	if seen&labelFrom == 0 {
		return false
	}
	n := 0
	for k := seen; k != 0; k &= k - 1 {
		n++
	}
	return n >= 3 || n == 2 && seen&labelDate != 0 && s.ruledOff(i)
}

// namesSubject knows the header of a quoted letter in a language that we do not know: from line i on fields with an address, a
// date and the subject of this letter.
func (s *splitter) namesSubject(i int) bool {
	const shortest, maxFields = 3, 8
	if len(s.ctx.subject) < shortest || strings.IndexByte(s.lines[i].text, '@') < 0 {
		return false
	}
	fields, dated, subject := 0, false, false
	for j := i; j < len(s.lines) && fields < maxFields && j < i+maxBlock; j++ {
		m := &s.lines[j]
		if m.blank {
			continue
		}
		value := fieldValue(m.text)
		if m.depth > 0 || value == "" {
			break
		}
		fields++
		dated = dated || hasYear(asciiDigits(value))
		subject = subject || strings.HasSuffix(value, s.ctx.subject) && CleanSubject(value) == s.ctx.subject
	}
	return fields >= 3 && dated && subject
}

// fieldValue is what follows the name of a field, "" when a line does not look like one.
func fieldValue(s string) string {
	const maxLabel, maxWords = 40, 3
	s = strings.TrimLeft(s, "*_|· \t")
	colon, size := colonIn(s[:min(len(s), maxLabel)])
	if colon <= 0 || strings.HasPrefix(s[colon+size:], "//") || strings.ContainsAny(s[:colon], "@<\"") || wordCount(s[:colon]) > maxWords {
		return ""
	}
	return strings.Trim(s[colon+size:], "*_| \t")
}

// belowBlock is the first line of a quote with marks right below the quoted header at line i, -1 when what follows has none.
func (s *splitter) belowBlock(i int) int {
	for j := i; j < len(s.lines) && j < i+maxBlock; j++ {
		switch m := &s.lines[j]; {
		case m.depth > 0:
			return j
		case m.blank || m.label != 0 || isOriginal(m.text) || strings.HasPrefix(m.raw, " ") || strings.HasPrefix(m.raw, "\t"):
		default:
			return -1
		}
	}
	return -1
}

// ruledOff tells whether a drawn line stands right above line i.
func (s *splitter) ruledOff(i int) bool { return s.aboveRule(i) < i }

// labelOf tells which field of a quoted header a line starts with, 0 for none.
func labelOf(s string) labelKind {
	const maxLabel = 40
	s = strings.TrimLeft(s, "*_|· \t")
	colon, size := colonIn(s[:min(len(s), maxLabel)])
	if colon <= 0 {
		return 0
	}
	if strings.HasPrefix(s[colon+size:], "//") {
		return 0
	}
	var buf [maxLabel]byte
	name := strings.Trim(s[:colon], "*_| \t")
	if octets.IsASCII([]byte(name)) {
		return labels[string(appendLower(buf[:0], name))]
	}
	return labels[strings.ToLower(name)]
}

// noBreak is the no-break space of HTML, which QQ leaves in its plain text.
const noBreak = "&nbsp;"

// isOriginal knows "-----Original Message-----" in many languages: the words alone between drawn lines.
func isOriginal(s string) bool {
	if len(s) > 120 || len(s) < 5 {
		return false
	}
	if strings.Contains(s, noBreak) {
		s = strings.ReplaceAll(s, noBreak, " ")
	}
	if isGroupWise(s) {
		return true
	}
	r, _ := utf8.DecodeRuneInString(s)
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return false
	}
	text, drawn := undecorated(s)
	return drawn >= 2 && originalMessage[strings.ToLower(text)]
}

// isGroupWise knows ">>> Ann Example 06/01/2025 09:05 >>>", as Novell GroupWise introduces the letter it answers. It is no
// line quoted three times.
func isGroupWise(s string) bool {
	const marks = ">>>"
	return strings.HasPrefix(s, marks+" ") && strings.HasSuffix(s, " "+marks) && len(s) <= 200 && hasYear(s)
}

// isForwarded knows the line above a letter that is passed on.
func isForwarded(s string) bool {
	if len(s) > 120 || len(s) < 6 {
		return false
	}
	if !strings.HasSuffix(s, ":") && strings.IndexByte(decoration, s[0]) < 0 && s[0] < utf8.RuneSelf {
		return false
	}
	text, drawn := undecorated(s)
	if drawn < 2 && !strings.HasSuffix(s, ":") {
		return false
	}
	text = strings.ToLower(text)
	for _, f := range forwarded {
		if strings.HasPrefix(text, f) {
			return true
		}
	}
	return false
}

// isReplyAbove knows the marker line that ticket systems put above their letters.
func isReplyAbove(s string) bool {
	if len(s) > 200 || len(s) < 12 {
		return false
	}
	r, _ := utf8.DecodeRuneInString(s)
	drawn := strings.ContainsRune("#-=*_~–—[(", r)
	if !drawn {
		return false
	}
	if strings.HasPrefix(s, "##- ") && strings.HasSuffix(s, " -##") {
		return true // so it is drawn in any language
	}
	return containsAny(strings.ToLower(s), replyAbove)
}
