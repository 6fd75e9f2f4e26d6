package bounce

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// maxGap is how many bytes a "*" of a phrase may stand for.
const maxGap = 60

// phrase is one wording: its fragments in order, and the rank of its group.
type phrase struct {
	parts []string
	rank  int
}

// lexicon finds the phrases of a list of groups in a text. Phrases are filed under the first
// bytes of their first fragment, so that a text is read once.
type lexicon struct {
	groups []group
	byKey  map[[2]byte][]phrase
}

var (
	clearLexicon = sync.OnceValue(func() *lexicon { return newLexicon(clearWords) })
	vagueLexicon = sync.OnceValue(func() *lexicon { return newLexicon(vagueWords) })
)

func newLexicon(groups []group) *lexicon {
	l := &lexicon{groups: groups, byKey: map[[2]byte][]phrase{}}
	for rank, g := range groups {
		for line := range strings.Lines(g.phrases) {
			line = strings.TrimSpace(line)
			if line == "" {
				continue
			}
			p := phrase{rank: rank}
			for part := range strings.SplitSeq(line, "*") {
				p.parts = append(p.parts, strings.TrimSpace(part))
			}
			key := [2]byte{line[0], line[1]}
			l.byKey[key] = append(l.byKey[key], p)
		}
	}
	return l
}

// find returns the reason of the first group that has a phrase in text, which must come from
// words. Its work is bound by the length of text times the phrases that begin alike.
func (l *lexicon) find(text string) string {
	best := len(l.groups)
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
	if best == len(l.groups) {
		return ""
	}
	return l.groups[best].reason
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
	if !strings.HasPrefix(text, p.parts[0]) {
		return false
	}
	at := len(p.parts[0])
	for _, part := range p.parts[1:] {
		end := min(len(text), at+maxGap+len(part))
		i := at
		for {
			j := strings.Index(text[i:end], part)
			if j < 0 {
				return false
			}
			i += j
			if wordStart(text, i) {
				break
			}
			i++
		}
		at = i + len(part)
	}
	return true
}

// words prepares a text for a lexicon: lower case, one space between words, and no codes,
// numbers, addresses or quotation marks, which stand in everybody's way: reply codes are
// repeated within sentences, and an address may be called "mailbox-full".
func words(s string) string {
	var b strings.Builder
	for w := range strings.FieldsSeq(head(s, maxScan)) {
		w = strings.Trim(strings.ReplaceAll(w, "’", "'"), "<>\"'`“”«»„")
		if strings.Trim(w, "0123456789.-#[](){}:;,") == "" {
			continue
		}
		if i := strings.IndexByte(w, '@'); i > 0 && i < len(w)-1 {
			w = "@"
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

// evidence is all that is known about one failure.
type evidence struct {
	diagnostic string // what the remote system said
	text       string // what the notice says of it, in free words
	status     string
	code       string
}

// reason weighs the evidence in the order that doc.go describes.
func (e evidence) reason() string {
	said, told := words(e.diagnostic), words(e.text)
	r := clearLexicon().find(said)
	if r == "" && (generic(e.status) || statusReason(e.status) == "" || weakStatus(e.status)) {
		r = clearLexicon().find(told)
	}
	if r == "" {
		r = statusReason(e.status)
	}
	if r == "" {
		r = vagueLexicon().find(said)
	}
	if r == "" {
		r = vagueLexicon().find(told)
	}
	if r == "" {
		r = codeReasons[e.code]
	}
	return e.correct(r, said)
}

// weakStatus names the codes that systems put on everything: the free text knows better.
func weakStatus(status string) bool {
	switch status[1:] {
	case ".7.1", ".4.7", ".7.0", ".4.0", ".4.1", ".4.2":
		return true
	}
	return false
}

// correct mends what words alone get wrong.
func (e evidence) correct(r, said string) string {
	temporary := strings.HasPrefix(e.status, "4")
	switch {
	case r == "":
		return Undefined
	case r == HostUnknown && temporary:
		return Network // the domain may exist, its name servers did not say
	case strings.HasSuffix(e.status, ".4.1") && !temporary && strings.Contains(said, "access denied"):
		return UserUnknown // how Exchange Online refuses addresses that its edge does not know
	}
	return r
}

// hard reports whether a reason says that the address itself is bad for good.
func hard(reason string) bool {
	return reason == UserUnknown || reason == HostUnknown || reason == Moved
}
