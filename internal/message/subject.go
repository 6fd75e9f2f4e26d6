package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The prefixes of mail programs, in lower case. A colon right after them makes them prefixes.
var (
	replyPrefixes = phraseSet(`
		re|res|resp|rép|réf|réponse|respuesta|resposta|risposta|r|rif|rsp|răsp|rv|reply|antwort|antw|aw|betreff aw
		sv|svar|vs|vast|vastaus|antwoord|odp|odpověď|odpoveď|odg|одг|одговор|ats|atsakymas|atb|atbilde|vá|va|válasz
		απ|απάντηση|σχετ|σχετικά|ynt|yanıt|cvp|cevap|отв|ответ|відп|відповідь|ад|отг|отговор
		回复|回覆|答复|答覆|回信|返信|返|답장|회신|답변|re回复
		תגובה|השב|תשובה|רד|رد|الرد|پاسخ|réf.|trả lời|tl|ตอบ|ตอบกลับ|balas|bls|jawab|balasan|re fwd|rè`)
	forwardPrefixes = phraseSet(`
		fw|fwd|forward|forwarded|fyi fw|wg|wtr|weitergeleitet|tr|trans|transf|transféré|transfert|rv|reenv|reenviado|reenviar|enc|encaminhado|encaminhar|i|inoltra|inoltro|inoltrato
		vb|vl|vs|videresendt|videresend|vidarebefordrat|vidarebef|välitetty|edasi|doorst|dv|doorgestuurd|doorst.|pd|przekazane|przek|předat|přeposlat|přep|preposlať|prep|tov|tovább|továbbítás|továbbítva
		prosl|proslijeđeno|posr|pers|persiųsta|pārs|pārsūtīts|πρθ|προωθ|προώθηση|ilt|i̇lt|ilet|i̇let|iletilen|yml|trs|teruskan|terusan|mjk
		пересл|пересланное|пер|переслано|пересылка|препр|препратено|прослеђено|fs|framsent|áframsent
		转发|转寄|轉寄|轉發|転送|転|전달|העבר|הועבר|הע|إعادة توجيه|تحويل|إعادة إرسال|هدایت|chuyển tiếp|ส่งต่อ|redir|redirecționat|fwd.`)
)

// isForwardSubject tells whether a letter is passed on, by the first prefix of its subject.
func isForwardSubject(s string) bool {
	l := strings.ToLower(s)
	if strings.HasPrefix(l, "[fwd:") || strings.HasPrefix(l, "(fwd)") || strings.HasSuffix(l, "(fwd)") {
		return true
	}
	word, _, _ := prefixWord(s)
	return word != "" && forwardPrefixes[word] && !replyPrefixes[word]
}

// isReplySubject tells whether a letter answers one, by the first prefix of its subject.
func isReplySubject(s string) bool {
	word, _, _ := prefixWord(s)
	return replyPrefixes[word]
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
	if word, rest, _ := prefixWord(s); word != "" {
		return rest
	}
	if l := strings.ToLower(s); strings.HasPrefix(l, "[fwd:") && strings.HasSuffix(s, "]") {
		return strings.TrimSpace(s[len("[fwd:") : len(s)-1]) // Netscape's form
	}
	// "[list] Re: text": the tags stay, the prefix goes.
	const maxTag = 60
	rest, tags := s, ""
	for strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 || end > maxTag {
			return s
		}
		tags += rest[:end+1] + " "
		rest = strings.TrimSpace(rest[end+1:])
		if word, after, _ := prefixWord(rest); word != "" {
			return strings.TrimSpace(tags + after)
		}
	}
	return s
}

// prefixWord reads a prefix at the start of s: its word in lower case, "" if there is none, and what follows.
func prefixWord(s string) (word, rest string, found bool) {
	const maxPrefix = 48
	colon, size := colonIn(s[:min(len(s), maxPrefix)])
	if colon <= 0 {
		return "", s, false
	}
	label := strings.ToLower(strings.TrimSpace(s[:colon]))
	word = strings.TrimRightFunc(label, func(r rune) bool {
		return unicode.IsDigit(r) || strings.ContainsRune("[]()^*#.\u00a0 ", r)
	})
	tail := label[len(word):]
	if word == "" || strings.Count(tail, "[") != strings.Count(tail, "]") || !replyPrefixes[word] && !forwardPrefixes[word] {
		return "", s, false
	}
	if tail != "" && len(word) == 1 {
		return "", s, false // "R2: the robot" is a name
	}
	return word, strings.TrimSpace(s[colon+size:]), true
}

// colonIn finds the first colon, also that of East Asian scripts, and its size in octets; at is -1 when there is none.
func colonIn(s string) (at, size int) {
	for i, r := range s {
		if r == ':' || r == '：' {
			return i, utf8.RuneLen(r)
		}
	}
	return -1, 0
}
