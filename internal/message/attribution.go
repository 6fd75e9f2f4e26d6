package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the line that introduces a quote, such as "On <date>, <name> <address> wrote:".
const (
	maxAttributionLines = 5
	maxAttribution      = 500
)

// attributionEnd tells whether an introduction may end with this line.
func attributionEnd(s string) bool {
	if strings.HasSuffix(s, ":") || strings.HasSuffix(s, "：") {
		return true
	}
	if strings.HasSuffix(s, "---") || strings.HasSuffix(s, "wrote") {
		return true
	}
	return startsISODate(s)
}

// findAttribution looks for an introduction that ends at line end, and returns where it starts, or -1.
// quoted tells that a quoted line follows, which makes weaker evidence enough.
func findAttribution(lines []mark, end int, quoted bool) int {
	last := lines[end].text
	if !attributionEnd(last) || len(last) > maxAttribution {
		return -1
	}
	joined := ""
	for start := end; start >= 0 && start > end-maxAttributionLines; start-- {
		m := &lines[start]
		if m.blank || m.depth > 0 || len(joined)+len(m.text) > maxAttribution {
			break
		}
		if start < end && (strings.HasSuffix(m.text, ":") || isRule(m.text)) {
			break // the line above is a sentence or block of its own
		}
		if joined == "" {
			joined = m.text
		} else {
			joined = m.text + " " + joined
		}
		if isAttribution(joined, quoted) && startsAttribution(m.text, start == end) && (quoted || sureAttribution(joined)) {
			return start
		}
	}
	return -1
}

// sureAttribution asks for more when no quoted line follows, because all below would be cut: an address, or a line
// that begins with a date. A sentence that merely speaks of what somebody wrote is none.
func sureAttribution(s string) bool {
	word := strings.ToLower(strings.TrimRight(firstWord(s), ".,"))
	if sentenceWords[word] {
		return false
	}
	r, _ := utf8.DecodeRuneInString(s)
	return hasAddress(s) || leadWords[word] || unicode.IsDigit(r) || r > unicode.MaxLatin1 || strings.HasPrefix(s, "--")
}

// isAttribution weighs the evidence in one introduction, its lines joined.
func isAttribution(s string, quoted bool) bool {
	if strings.Count(s, ">") > strings.Count(s, "<") {
		return false // begins in the middle of an address
	}
	if strings.HasPrefix(s, "--") {
		t := strings.Trim(s, "- ")
		return hasWrote(strings.ToLower(t)) && (hasDate(t) || hasAddress(t))
	}
	colon := strings.HasSuffix(s, ":") || strings.HasSuffix(s, "：")
	address := hasAddress(s)
	date := hasDate(s)
	if startsISODate(s) && (colon && address || strings.Contains(s, " GMT")) {
		return true
	}
	if !colon && !strings.HasSuffix(s, "wrote") {
		return false
	}
	lower := strings.ToLower(s)
	if quoted && address && colon && startsQuoting(lower) {
		return true
	}
	if hasWrote(lower) {
		if iWrote(lower) && !quoted {
			return false
		}
		if date || address {
			return true
		}
		return quoted && wordCount(s) <= 12
	}
	return colon && address && date && hasYear(s) && endsInAddress(s)
}

// startsQuoting tells whether a lower-case line begins with the word for quoting somebody.
func startsQuoting(s string) bool {
	for _, w := range quotingWords {
		if strings.HasPrefix(s, w) {
			return true
		}
	}
	return false
}

// endsInAddress tells whether an address stands right before the colon: "6 Jan 2025, Ann <ann@example.com>:".
func endsInAddress(s string) bool {
	s = strings.TrimRight(s, ":： ")
	if strings.HasSuffix(s, ">") || strings.HasSuffix(s, ")") {
		return true
	}
	return hasAddress(s[strings.LastIndexByte(s, ' ')+1:])
}

// startsAttribution tells whether an introduction may begin with this line.
func startsAttribution(s string, single bool) bool {
	r, _ := utf8.DecodeRuneInString(s)
	if r == '<' || r == '(' && !unicode.IsDigit(r) || unicode.IsLower(r) && hasWrote(strings.ToLower(strings.TrimRight(s, " :"))) && wordCount(s) <= 3 {
		return false
	}
	if single {
		return true
	}
	if unicode.IsDigit(r) || r == '"' || strings.HasSuffix(s, "<") || hasAddress(s) || hasDate(s) {
		return true
	}
	word := strings.ToLower(strings.TrimRight(firstWord(s), ".,"))
	return leadWords[word]
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i]
	}
	return s
}

// hasWrote tells whether a lower-case text says that somebody wrote.
func hasWrote(s string) bool {
	for _, w := range wroteAnywhere {
		if strings.Contains(s, w) {
			return true
		}
	}
	words := strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || r == ':' || r == ',' || r == '<' || r == '>' || r == '"' || r == '，' || r == '：'
	})
	for i, w := range words {
		if wroteWords[w] || i+1 < len(words) && wroteWords[w+" "+words[i+1]] {
			return true
		}
	}
	return false
}

// iWrote tells whether the writer speaks of himself: "On Monday I wrote to ann@example.com:".
func iWrote(s string) bool {
	for _, w := range [...]string{"i wrote", "we wrote", "ich schrieb", "wir schrieben", "i have written"} {
		if i := strings.Index(s, w); i >= 0 && (i == 0 || s[i-1] == ' ') {
			return true
		}
	}
	return false
}

func wordCount(s string) int { return len(strings.Fields(s)) }

// hasAddress tells whether s holds a mail address.
func hasAddress(s string) bool {
	for i := strings.IndexByte(s, '@'); i >= 0; {
		if i > 0 && i+1 < len(s) && isWordByte(s[i-1]) && isWordByte(s[i+1]) {
			return true
		}
		next := strings.IndexByte(s[i+1:], '@')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return false
}

func isWordByte(c byte) bool {
	return c >= utf8.RuneSelf || c == '_' || c == '-' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// hasDate tells whether s holds a year, a date in digits or a time of day.
func hasDate(s string) bool { return hasYear(s) || hasTime(s) }

// hasTime tells whether s holds a time of day such as 9:05 or 21.05.
func hasTime(s string) bool {
	for i := 1; i+2 < len(s); i++ {
		if (s[i] == ':' || s[i] == '.' || s[i] == 'h') && isDigit(s[i-1]) && isDigit(s[i+1]) && isDigit(s[i+2]) && (i+3 == len(s) || !isDigit(s[i+3])) {
			return true
		}
	}
	return false
}

// hasYear tells whether s holds a year of four digits, or a date in digits with a short one.
func hasYear(s string) bool {
	run, groups := 0, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && isDigit(s[i]) {
			run++
			continue
		}
		if run == 4 && (s[i-4] == '1' && s[i-3] == '9' || s[i-4] == '2' && s[i-3] == '0') {
			return true
		}
		if run == 1 || run == 2 {
			groups++
		} else if run > 2 {
			groups = 0
		}
		if groups >= 3 && run == 2 && (i == len(s) || s[i] != ':') {
			return true
		}
		if i < len(s) && s[i] != '/' && s[i] != '.' && s[i] != '-' {
			groups = 0
		}
		run = 0
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// startsISODate tells whether s starts with a date as 2016-03-03 17:21.
func startsISODate(s string) bool {
	return len(s) > 16 && isDigit(s[0]) && isDigit(s[3]) && s[4] == '-' && s[7] == '-' && s[10] == ' ' && s[13] == ':' && isDigit(s[15])
}
