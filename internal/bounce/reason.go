package bounce

import (
	"cmp"
	_ "embed" // the phrases
	"strings"
	"sync"
	"unicode/utf8"

	"mxdesk/internal/octets"
)

//go:embed phrases.txt
var phrasesText string

// maxGap is how many bytes a "*" of a phrase may stand for.
const maxGap = 60

// fragment is a piece of a phrase, and what may stand before it: exactly one space, up to
// so many words, or anything within the sentence.
type fragment struct {
	text  string
	words int // how many words may be skipped before it
	any   bool
}

// phrase is one wording, and the rank of its group.
type phrase struct {
	fragments []fragment
	rank      int
}

// lexicon finds the phrases of one level of phrases.txt in a text. Phrases are filed under
// their first bytes, so that a text is read once.
type lexicon struct {
	reasons []string // of the groups, by rank
	byKey   map[[2]byte][]phrase
}

// lexicons are the levels of phrases.txt.
var lexicons = sync.OnceValue(func() map[string]*lexicon { return readPhrases(phrasesText) })

func readPhrases(data string) map[string]*lexicon {
	all := map[string]*lexicon{}
	var l *lexicon
	for line := range strings.Lines(data) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			level, reason, _ := strings.Cut(strings.Trim(line, "[]"), " ")
			if l = all[level]; l == nil {
				l = &lexicon{byKey: map[[2]byte][]phrase{}}
				all[level] = l
			}
			l.reasons = append(l.reasons, reason)
		default:
			key := [2]byte{line[0], line[1]}
			l.byKey[key] = append(l.byKey[key], phrase{split(line), len(l.reasons) - 1})
		}
	}
	return all
}

// split divides a line of phrases.txt at its gaps.
func split(line string) []fragment {
	var list []fragment
	cur := fragment{}
	for w := range strings.FieldsSeq(line) {
		switch {
		case w == "*" || w == "?":
			if cur.text != "" {
				list = append(list, cur)
				cur = fragment{}
			}
			cur.any = cur.any || w == "*"
			cur.words++
		case cur.text == "":
			cur.text = w
		default:
			cur.text += " " + w
		}
	}
	return append(list, cur)
}

// find returns the reason of the first group that has a phrase in text, which must come from
// words. The work is bound by the length of text times the phrases that begin alike.
func (l *lexicon) find(text string) string {
	best := len(l.reasons)
	for i := 0; i+1 < len(text); i++ {
		if !wordStart(text, i) {
			continue
		}
		for _, p := range l.byKey[[2]byte{text[i], text[i+1]}] {
			if p.rank < best && p.matches(text[i:]) {
				best = p.rank
			}
		}
	}
	if best == len(l.reasons) {
		return ""
	}
	return l.reasons[best]
}

// wordStart reports whether a word begins at i. In scripts that set no spaces every character
// does.
func wordStart(text string, i int) bool {
	if !utf8.RuneStart(text[i]) {
		return false
	}
	if text[i] >= utf8.RuneSelf || i == 0 {
		return true
	}
	return !isAlnum(text[i-1]) || !isAlnum(text[i])
}

func (p phrase) matches(text string) bool {
	if !strings.HasPrefix(text, p.fragments[0].text) {
		return false
	}
	at := len(p.fragments[0].text)
	for _, f := range p.fragments[1:] {
		n := f.after(text[at:])
		if n < 0 {
			return false
		}
		at += n
	}
	return true
}

// after returns where f ends in text behind its gap, or -1.
func (f fragment) after(text string) int {
	window := text[:min(len(text), maxGap+len(f.text))]
	if f.any {
		if i := strings.Index(window, ". "); i >= 0 {
			window = window[:i]
		}
	}
	i := 0
	for i < len(window) && isAlnum(window[i]) {
		i++ // the rest of a word that begins like the fragment before
	}
	for skipped := 0; ; {
		if strings.HasPrefix(window[i:], f.text) && wordStart(window, i) {
			return i + len(f.text)
		}
		j := strings.IndexByte(window[i:], ' ')
		if wordless := i < len(window) && window[i] >= utf8.RuneSelf; wordless && f.any {
			j = 0 // no spaces to go by
		}
		if j < 0 || i+j+1 > len(window) {
			return -1
		}
		if i > 0 {
			skipped++
		}
		if !f.any && skipped > f.words {
			return -1
		}
		i += j + 1
	}
}

// words prepares a text for a lexicon: lower case, one space between words, and no codes,
// numbers, addresses or quotation marks, which stand in everybody's way: reply codes are
// repeated within sentences, and an address may be called "mailbox-full".
func words(s string) string {
	var b strings.Builder
	for w := range strings.FieldsSeq(octets.Clip(s, maxScan)) {
		w = strings.Trim(strings.ReplaceAll(w, "’", "'"), "<>\"'`“”«»„")
		if strings.Trim(w, "0123456789.-#[](){}:;,") == "" {
			continue
		}
		if i := strings.IndexByte(w, '@'); i > 0 && i < len(w)-1 {
			w = withoutAddress(w)
		} else if i := strings.LastIndexByte(w, '-'); i == 3 && strings.Trim(w[:3], "45670123") == "" {
			w = w[4:] // "550-User": the first word of a continued reply
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.ToLower(w))
	}
	return b.String()
}

// withoutAddress puts "@" for an address: for the whole word, or in scripts that set no spaces for the address alone.
func withoutAddress(w string) string {
	if strings.IndexFunc(w, spaceless) < 0 {
		return "@"
	}
	for _, f := range findAddresses(w) {
		return w[:f.start] + "@" + w[f.end:]
	}
	return "@"
}

// evidence is all that is known about one failure.
type evidence struct {
	said   []string // what the remote systems said, in order
	text   string   // what the notice says of it, in free words
	status string
	code   string
}

// find looks for the words of a level in what was said, the first reply first.
func (e evidence) find(level string) string {
	for _, s := range e.said {
		if r := lexicons()[level].find(words(s)); r != "" {
			return r
		}
	}
	return ""
}

// reason weighs the evidence in the order that doc.go describes.
func (e evidence) reason() string {
	lex, told := lexicons(), words(e.text)
	r := e.find("clear")
	if r == "" && weakStatus(e.status) {
		r = lex["clear"].find(told)
	}
	if r == "" {
		r = cmp.Or(statusReason(e.status), e.find("likely"))
	}
	if r == "" || r == Undefined { // "554 service unavailable", and the line above says why
		r = cmp.Or(lex["clear"].find(told), r, lex["likely"].find(told))
	}
	if r == "" {
		r = cmp.Or(e.find("vague"), codeReasons[e.code], lex["vague"].find(told))
	}
	return e.correct(r)
}

// weakStatus names the codes that systems put on everything: the free text knows better.
func weakStatus(status string) bool {
	switch strings.TrimLeft(status, "245") {
	case ".7.1", ".4.7", ".7.0", ".4.0", ".4.1", ".4.2":
		return true
	}
	return false
}

// correct mends what words alone get wrong.
func (e evidence) correct(r string) string {
	temporary := strings.HasPrefix(e.status, "4")
	switch {
	case r == "":
		return Undefined
	case r == HostUnknown && temporary:
		return Network // the domain may exist, its name servers did not say
	case strings.HasSuffix(e.status, ".4.1") && !temporary && strings.Contains(strings.ToLower(strings.Join(e.said, " ")), "access denied"):
		return UserUnknown // how Exchange Online refuses addresses that its edge does not know
	}
	return r
}

// hard reports whether a reason says that the address itself is bad for good.
func hard(reason string) bool {
	return reason == UserUnknown || reason == HostUnknown || reason == Moved
}
