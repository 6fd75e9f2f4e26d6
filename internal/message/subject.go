package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// subjectPrefixes are the reply and forward prefixes of mail programs, in lower case.
var subjectPrefixes = map[string]bool{}

func init() {
	for w := range strings.FieldsSeq(`
		re fw fwd forward resp res reply
		aw wg wtr antw antwort
		sv vs vl vb ang angående antw doorst doorst
		rv enc rif rép rep réf ref r i fs tr trans
		rsp rsp reenv
		odp pd pdl ynt ilt vá va tov továbbítás atb
		bls trs ats pers
		απ πρθ σχετ προωθ
		отв ответ пер пересл hа на нa от
		по препр одг
		ytj yt
		回复 回覆 答复 答覆 转发 轉寄 轉發 轉送 返信 転送
		답장 회신 전달
		תגובה השב העבר הועבר
		رد تحويل إعادة
		trả chuyển ตอบ
		balas fwd tl
		`) {
		subjectPrefixes[w] = true
	}
	// Short words that are prefixes in some language but words or codes in others need the
	// care of isPrefix, which asks for a colon right after them.
	for _, w := range []string{"trả lời", "chuyển tiếp", "res.", "reenc", "tr", "fyi fw"} {
		subjectPrefixes[w] = true
	}
}

// CleanSubject removes the reply and forward prefixes of a decoded subject, in any language, repeated and
// counted ("Re[2]:", "Re(3):", "Re^2:", "Re2:"), and a trailing "(fwd)". Bracketed tags stay, also before a prefix.
func CleanSubject(s string) string {
	s = strings.TrimSpace(s)
	for range 50 {
		rest := cutPrefix(s)
		if rest == s {
			break
		}
		s = rest
	}
	for range 10 {
		l := strings.ToLower(s)
		switch {
		case strings.HasSuffix(l, "(fwd)"):
			s = strings.TrimSpace(s[:len(s)-5])
		case strings.HasSuffix(l, "(fw)"):
			s = strings.TrimSpace(s[:len(s)-4])
		default:
			return s
		}
	}
	return s
}

// cutPrefix removes one prefix at the start of s, or right after its leading bracketed tags.
func cutPrefix(s string) string {
	if rest, ok := afterPrefix(s); ok {
		return rest
	}
	// "[list] Re: text": the tags stay, the prefix goes.
	rest, tags := s, ""
	for strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 || end > 60 {
			return s
		}
		tags += rest[:end+1] + " "
		rest = strings.TrimSpace(rest[end+1:])
		if after, ok := afterPrefix(rest); ok && tags != "" {
			return strings.TrimSpace(tags + after)
		}
	}
	return s
}

// afterPrefix is what follows a prefix at the start of s.
func afterPrefix(s string) (string, bool) {
	const maxPrefix = 48
	colon, size := -1, 0
	for i, r := range s[:min(len(s), maxPrefix)] {
		if r == ':' || r == '：' {
			colon, size = i, utf8.RuneLen(r)
			break
		}
	}
	if colon <= 0 || !isPrefix(s[:colon]) {
		return "", false
	}
	return strings.TrimSpace(s[colon+size:]), true
}

// isPrefix tells whether the text before a colon is a prefix, counted or not.
func isPrefix(s string) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	word := strings.TrimRightFunc(s, func(r rune) bool {
		return unicode.IsDigit(r) || strings.ContainsRune("[]()^*# ", r)
	})
	if word == "" {
		return false
	}
	if tail := s[len(word):]; strings.Count(tail, "[") != strings.Count(tail, "]") {
		return false
	}
	return subjectPrefixes[word] || subjectPrefixes[strings.TrimSuffix(word, ".")]
}
