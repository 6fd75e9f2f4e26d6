package guard

import (
	"strings"
	"unicode"

	"github.com/cespare/xxhash/v2"
)

// Print stands for words: equal ones have equal prints. 64 bits are enough where a mistake costs an acknowledgement.
type Print uint64

// maxWords bounds what is read of a text.
const maxWords = 64 << 10

// Exact is the print of a letter as it is, but for links: each may be the only one of its kind.
func Exact(texts ...string) Print {
	h := xxhash.New()
	for _, text := range texts {
		for field := range strings.FieldsSeq(text) {
			if !strings.Contains(field, "://") {
				add(h, field, " ")
			}
		}
		add(h, "\n")
	}
	return Print(h.Sum64())
}

func add(h *xxhash.Digest, words ...string) {
	for _, w := range words {
		h.WriteString(w) //nolint:errcheck // it takes everything
	}
}

// Words is the print of what a letter says: the words of its text in lower case, without those that hold a digit or are
// addresses, which count tickets and hours, and without those of its subject, which machines repeat. Its files belong to
// it. When nothing else is left the subject does.
func Words(subject, text string, files ...[32]byte) Print {
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "")
	}
	repeated := map[string]bool{}
	for w := range wordsOf(subject) {
		repeated[w] = true
	}
	h := xxhash.New()
	empty := len(files) == 0
	for w := range wordsOf(text) {
		if !repeated[w] {
			add(h, w, " ")
			empty = false
		}
	}
	for _, f := range files {
		add(h, string(f[:]))
	}
	if empty {
		return Exact(subject)
	}
	return Print(h.Sum64())
}

// beginning is how many words a list leaves as they are, whatever it writes below.
const beginning = 12

// Begin is the print of how a text begins.
func Begin(subject, text string) Print {
	n := 0
	var b strings.Builder
	for w := range wordsOf(text) {
		if n++; n > beginning {
			break
		}
		b.WriteString(w + " ")
	}
	return Words(subject, b.String())
}

// wordsOf yields the words of a text that are words of a language.
func wordsOf(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for field := range strings.FieldsSeq(text) {
			if strings.ContainsFunc(field, unicode.IsDigit) || strings.ContainsAny(field, "@") || strings.Contains(field, "://") {
				continue
			}
			word := strings.ToLower(strings.TrimFunc(field, func(r rune) bool { return !unicode.IsLetter(r) }))
			if word != "" && !yield(word) {
				return
			}
		}
	}
}
