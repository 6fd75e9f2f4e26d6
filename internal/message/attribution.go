package message

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"mxdesk/internal/octets"
)

// Limits of the line that introduces a quote, such as "On <date>, <name> <address> wrote:".
const (
	maxAttributionLines = 5
	maxAttribution      = 500
)

// attributionEnd tells whether an introduction may end with this line. Some programs write no colon.
func attributionEnd(s string, quoted bool) bool {
	s = strings.TrimRight(s, "*")
	if strings.HasSuffix(s, ":") || strings.HasSuffix(s, "：") || quoted && strings.HasSuffix(s, ">") {
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
	if !attributionEnd(last, quoted) || len(last) > maxAttribution {
		return -1
	}
	joined, found := "", -1
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
		if found >= 0 && !wrapsDate(m.text) {
			break
		}
		if isAttribution(joined, quoted) && startsAttribution(m.text, start == end) && (quoted || sureAttribution(joined)) {
			if found = start; hasDate(asciiDigits(joined)) {
				break
			}
		}
	}
	return found
}

// wrapsDate tells whether a line looks like the first of an introduction that was wrapped: long, it begins with a date.
func wrapsDate(s string) bool {
	const shortest = 35
	if utf8.RuneCountInString(s) < shortest || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") {
		return false
	}
	d := asciiDigits(s)
	first := firstWord(s)
	return hasYear(d) && (isDigit(d[0]) || leadWords[leadWord(s)] || strings.HasSuffix(first, ","))
}

// sureAttribution asks for more when no quoted line follows, because all below would be cut: an address, a line
// that begins with a date, or day and time. A sentence that merely speaks of what somebody wrote is none.
func sureAttribution(s string) bool {
	word := leadWord(s)
	if sentenceWords[word] {
		return false
	}
	const shortLine = 12 // words
	r, _ := utf8.DecodeRuneInString(s)
	return hasAddress(s) || hasYear(s) && hasTime(s) && wordCount(s) <= shortLine || leadWords[word] || unicode.IsDigit(r) || r > unicode.MaxLatin1 || strings.HasPrefix(s, "--")
}

// isAttribution weighs the evidence in one introduction, its lines joined.
func isAttribution(s string, quoted bool) bool {
	if strings.Count(s, ">") > strings.Count(s, "<") {
		return false // begins in the middle of an address
	}
	s = asciiDigits(s)
	if strings.HasPrefix(s, "*") && strings.HasSuffix(s, "*") {
		s = strings.Trim(s, "*") // bold in a text that was HTML
	}
	if strings.HasPrefix(s, "--") {
		t := strings.Trim(s, "- ")
		return hasWrote(strings.ToLower(t)) && (hasDate(t) || hasAddress(t) || isNamed(s, t))
	}
	colon := strings.HasSuffix(s, ":") || strings.HasSuffix(s, "：")
	address := hasAddress(s)
	date := hasDate(s)
	if startsISODate(s) && (quoted || s[16] != ':') && (colon && address || strings.Contains(s, " GMT")) {
		return true // with seconds it is a line of a log
	}
	lower := strings.ToLower(s)
	if quoted && address && (colon && startsQuoting(lower) || strings.ContainsAny(s, "<(") && fitsQuote(s, lower, colon)) {
		return true
	}
	if !colon && !strings.HasSuffix(s, "wrote") {
		return false
	}
	if hasWrote(lower) {
		if !quoted && (itWrote(lower) || isPersonal(lower)) {
			return false
		}
		if date || address {
			return true
		}
		return quoted && wordCount(s) <= 12
	}
	return colon && address && date && hasYear(s) && endsInAddress(s) && !isLog(s)
}

// isLog tells whether a line begins with a time to the second and holds an address without brackets, as lines of logs do.
func isLog(s string) bool {
	return isDigit(s[0]) && hasSeconds(s) && !strings.ContainsAny(s, "<(")
}

// hasSeconds tells whether s holds a time such as 9:05:11.
func hasSeconds(s string) bool {
	for i := 1; i+5 < len(s); i++ {
		if s[i] == ':' && s[i+3] == ':' && isDigit(s[i-1]) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+4]) && isDigit(s[i+5]) {
			return true
		}
	}
	return false
}

// fitsQuote tells whether a line with an address in brackets needs no words that we know to introduce the quote right below it: it has a
// date and a colon. Without a colon it begins with the date, or says that somebody wrote.
func fitsQuote(s, lower string, colon bool) bool {
	return hasYear(s) && (colon || hasWrote(lower) || hasYear(firstWord(s)))
}

// isNamed tells whether a line is drawn around a name and the word for writing alone: "---- Ann Example wrote ----". text is what
// it is drawn around.
func isNamed(s, text string) bool {
	const drawn, mostWords = "----", 6
	return strings.HasPrefix(s, drawn) && strings.HasSuffix(s, drawn) && wordCount(text) <= mostWords && !sentenceWords[strings.ToLower(firstWord(text))]
}

// digitZeros are the digits 0 of scripts that dates are written in.
var digitZeros = [...]rune{0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0x1040, 0x17e0, 0xff10}

// asciiDigits is s with the digits of other scripts as those of ours.
func asciiDigits(s string) string {
	if octets.IsASCII([]byte(s)) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= digitZeros[0] {
			for _, zero := range digitZeros {
				if r >= zero && r <= zero+9 {
					return '0' + r - zero
				}
			}
		}
		return r
	}, s)
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
	if unicode.Is(unicode.Lo, r) && wordCount(s) == 1 && !hasAddress(s) {
		return false // the verb alone, in a script that knows no case
	}
	if single {
		return true
	}
	if unicode.IsDigit(r) || r == '"' || strings.HasSuffix(s, "<") || hasAddress(s) || hasDate(asciiDigits(s)) {
		return true
	}
	return leadWords[leadWord(s)]
}

// leadWord is the first word of s as leadWords has it.
func leadWord(s string) string { return strings.ToLower(strings.TrimRight(firstWord(s), ".,")) }

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i]
	}
	return s
}

// hasWrote tells whether a lower-case text says that somebody wrote.
func hasWrote(s string) bool {
	if containsAny(s, wroteAnywhere) {
		return true
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

// itWrote tells whether a lower-case sentence tells of writing: "On Monday I wrote to ann@example.com:". Programs name who wrote.
func itWrote(s string) bool {
	for _, w := range toldOf {
		i := strings.Index(s, w)
		if i < 0 || i > 0 && s[i-1] != ' ' {
			continue
		}
		if r, _ := utf8.DecodeRuneInString(s[i+len(w):]); !unicode.IsLetter(r) {
			return true
		}
	}
	return false
}

// isPersonal tells whether a lower-case line without an address in brackets says "your colleague wrote" or "wrote to me". With an address such words
// are part of somebody's name.
func isPersonal(s string) bool {
	if strings.ContainsAny(s, "<(") && hasAddress(s) {
		return false
	}
	for w := range strings.FieldsSeq(s) {
		if personalWords[strings.TrimRight(w, ".,:")] {
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

// sharedIntro tells where in a line the introduction of a quote begins that stands behind words of the writer: "Thanks! On Mon, Jan 6, 2025
// Ann wrote:". It is 0 when there is none.
func sharedIntro(s string) int {
	if len(s) > maxAttribution {
		return 0
	}
	for at := 0; ; {
		next := strings.IndexByte(s[at:], ' ')
		if next < 0 {
			return 0
		}
		at += next + 1
		rest, own := s[at:], strings.TrimSpace(s[:at])
		if r, _ := utf8.DecodeRuneInString(rest); !unicode.IsUpper(r) || !introWords[leadWord(rest)] || isRule(own) {
			continue
		}
		_, date, _ := strings.Cut(rest, " ")
		day := firstWord(date)
		if day == "" || !isDigit(day[0]) && !leadWords[leadWord(date)] && !strings.HasSuffix(day, ",") || !hasDate(asciiDigits(date)) {
			continue
		}
		if strings.ContainsAny(own[len(own)-1:], ".!?)") || !hasDate(own) && !hasAddress(own) {
			return at
		}
	}
}
