package command

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of one subject. What is longer than maxWords bytes between two hashes is prose.
const (
	maxWords    = 320
	maxCommands = 20
)

// Parse finds the commands of a subject, in their order, and returns the subject without them, its white
// space tidied. A word between hashes that is no command stays in the subject and is returned as Unknown; other
// things between hashes ("#1234#", "issue #5 and #6") stay and are not returned. Full-width hashes and
// letters, as East Asian keyboards make them, count as plain ones; letters of other scripts that only look like
// Latin ones do not. The result holds no command: Parse of it finds none but Unknown ones.
func Parse(subject string) (clean string, commands []Command) {
	if !strings.ContainsAny(subject, "#＃﹟") {
		return tidy(subject), nil
	}
	clean, commands = cut(subject)
	clean = tidy(clean)
	// Cutting one command out can bring the halves of another together: "#status #close#waiting#". Nobody
	// writes that by accident, and what we keep must not be able to act when it is quoted.
	if len(commands) > 0 {
		if _, again := cut(clean); hasKnown(again) {
			clean = tidy(strings.NewReplacer("#", " ", "＃", " ", "﹟", " ").Replace(clean))
		}
	}
	return clean, commands
}

func hasKnown(commands []Command) bool {
	for _, c := range commands {
		if c.Name != Unknown {
			return true
		}
	}
	return false
}

// cut takes the commands out of s and leaves a space in place of each.
func cut(s string) (string, []Command) {
	var b strings.Builder
	var found []Command
	for {
		open, openLen := nextHash(s)
		if open < 0 {
			break
		}
		words := s[open+openLen:]
		end, endLen := nextHash(words)
		if end < 0 {
			break
		}
		c, strip := read(words[:end])
		next := open + openLen + end
		if strip {
			b.WriteString(s[:open])
			b.WriteByte(' ')
			next += endLen
		} else {
			b.WriteString(s[:next]) // the second hash may be the first one of a command
		}
		if c.Name != Unknown || c.Err != "" {
			if len(found) < maxCommands || c.Name == Note { // a note must not become public for what stands before it
				c.Raw = "#" + words[:end] + "#"
				found = append(found, c)
			}
		}
		s = s[next:]
	}
	b.WriteString(s)
	return b.String(), found
}

// nextHash is the place and length of the first hash in s, or -1.
func nextHash(s string) (at, length int) {
	at = strings.IndexAny(s, "#＃﹟")
	if at < 0 {
		return -1, 0
	}
	if s[at] == '#' {
		return at, 1
	}
	return at, len("＃")
}

// read understands what stands between two hashes. strip is true for a command, whatever its value is
// worth. A Command without name and Err is prose.
func read(words string) (c Command, strip bool) {
	// Measured tidied: what is prose now must not be a command when it is tidied.
	if words == "" || hasSpaceAtEnd(words) || len(words) > maxWords && len(tidy(words)) > maxWords {
		return Command{}, false
	}
	words = fold(words)
	word, value := words, ""
	if i := strings.IndexAny(words, " :="); i >= 0 {
		word, value = words[:i], strings.TrimLeft(words[i:], " :=")
	}
	word = strings.ToLower(strings.Map(visible, word))
	e := byWord[word]
	switch {
	case e == nil && value == "" && isWord(word):
		return Command{Err: "there is no such command"}, false
	case e == nil:
		return Command{}, false
	case e.value == nil && value != "" && !e.anyRest:
		return Command{}, false // "#help wanted#" is prose
	case e.value == nil:
		return Command{Name: e.name, Value: e.fixed}, true
	}
	c = Command{Name: e.name}
	if value == "" {
		c.Err = "it needs a value: " + e.usage
		return c, true
	}
	c.Value, c.Err = e.value(value)
	if c.Name == Status && c.Value == "closed" {
		c.Name, c.Value = Close, ""
	}
	return c, true
}

// A command embraces its words closely: in "see #tag and #close#" only the second is one.
func hasSpaceAtEnd(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsSpace(first) || unicode.IsSpace(last)
}

// isWord tells whether a mistyped command may look like this: ASCII letters alone.
func isWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return len(s) > 1 && len(s) <= 20
}

// fold turns full-width forms into plain ones, every white space into a space, and drops what cannot be
// seen, save the joiners that words of some scripts need.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < utf8.RuneSelf && r > ' ' && r != 0x7f, r == '\u200c', r == '\u200d':
			return r
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r), unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
}

// visible drops every invisible character.
func visible(r rune) rune {
	if unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

// tidy makes every run of white space one space, and none at the ends.
func tidy(s string) string { return strings.Join(strings.Fields(s), " ") }
