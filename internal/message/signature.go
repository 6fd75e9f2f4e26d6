package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentStarts and sentEnds are how the footers of mobile programs begin or end, in lower case.
var sentStarts = strings.Split("sent from|sent via|sent with|sent by|sent using|sent on|send from|get outlook|get [outlook|download outlook|obtenir outlook|obtener outlook|outlook für|obter o outlook|scarica outlook|hanki outlook|"+
	"envoyé de|envoyé depuis|envoyé à partir|envoyé avec|envoyé par|télécharger outlook|gesendet von|gesendet mit|von meinem|von unterwegs|diese nachricht wurde von|diese e-mail wurde von|versendet mit|versendet von|gesendet via|"+
	"enviado desde|enviado de|enviado do|enviado a partir|enviado con|enviado com|enviado pelo|enviada do|enviat des|enviado via|enviada via|obtenez outlook|obtenha o outlook|ottieni outlook|hämta outlook|hent outlook|få outlook|pobierz aplikację outlook|pobierz outlook|získať outlook|získat outlook|stáhnout outlook|descărcați outlook|obțineți outlook|скачать outlook|загрузить outlook|завантажити outlook|изтегляне на outlook|preuzmite outlook|prenesite outlook|λήψη του outlook|outlook voor android downloaden|outlook voor ios downloaden|download outlook voor|outlook beszerzése|android için outlook uygulamasını edinin|ios için outlook uygulamasını edinin|outlook for ios を入手|outlook for android を入手|获取 outlook for|下载 outlook for|取得 android 版 outlook|取得 ios 版 outlook|android용 outlook 다운로드|ios용 outlook 다운로드|احصل على outlook|تنزيل outlook|tải outlook|dapatkan outlook|ดาวน์โหลด outlook|أُرسلت من|مُرسل من|مرسل من|أرسل من|تم إرساله من|ارسال شده از|inviato da|inviato con|inviato dal|verzonden vanaf|verzonden met|verstuurd vanaf|verstuurd met|verzonden via|verstuurd via|"+
	"sendt fra|sendt via|skickat från|skickad från|skickat via|lähetetty|sent från|wysłano z|wysłane z|wyslano z|odesláno z|odesláno ze|odoslané z|elküldve|küldve|trimis de|trimis din|отправлено с|отправлено из|отправлено от|отправлено через|надіслано з|відправлено з|изпратено от|poslano s|poslano iz|poslato sa|"+
	"στάλθηκε από|εστάλη από|发自|發自|来自|傳送自|從我的|从我的|寄自|נשלח מ|تم الإرسال من|أرسلت من|đã gửi từ|được gửi từ|dikirim dari|dihantar daripada|ส่งจาก|saadetud|išsiųsta iš|nosūtīts no|отправлено|от моего|from my iphone|from my ipad|from my phone|from my mobile|from my android|from my samsung|from my blackberry|virus-free|virenfrei|provenant de|provient de", "|")

var sentEnds = strings.Split("gesendet|gönderildi|gönderilmiştir|から送信|より送信|傳送|传送|发送|發送|에서 보냄|에서 보냈습니다|보냄|lähetetty|küldve|sent from mobile|from mobile|sent from phone", "|")

// deviceWords are the devices and programs they name. A footer in "sent from my …" need not.
var deviceWords = strings.Split("iphon|ipad|ipod|android|mobil|phone|cell|galaxy|samsung|blackberry|outlook|windows|device|tablet|htc|nokia|huawei|xiaomi|redmi|oneplus|pixel|motorola|xperia|sony|lenovo|honor|oppo|wiko|alcatel|"+
	"handy|gerät|téléphone|telefon|teléfono|telefone|celular|móvil|cellulare|puhelin|смартфон|телефон|мобильн|мобільн|приложени|почт|устройств|携帯|手机|手機|휴대|mac|apple|ios|app|proton|tutanota|yahoo|gmail|gmx|web.de|mailbox|airmail|thunderbird|k-9|aquamail|bluemail|typeapp|spark|newton|mail.ru|yandex|myMail|mymail|email|e-mail|"+
	"mail|courrier|correo|avast|avg|orange|vodafone|t-mobile|verizon|at&t|galaxy|surface|fairphone|zimbra|superhuman|hey|front|boxer|nine|edison|canary|polymail|mailspring|em client|postbox|the bat|touch|webmail|laptop|ti-", "|")

// footerFrame is what footers are framed with.
const footerFrame = "<>()[]*_- \t.~|"

// isFooter tells whether a line is what a device or program adds to every letter.
func isFooter(s string) bool {
	if len(s) > 160 || len(s) < 6 || !maySent(s) {
		return false
	}
	t := strings.ToLower(strings.Trim(s, footerFrame))
	if !hasSentPhrase(t) {
		return false
	}
	// What is said about the sender's own doings is no footer: "Sent from my desk, is much easier".
	words := wordCount(t)
	if strings.Contains(t, "excuse") || strings.Contains(t, "typo") || strings.Contains(t, "brevity") || strings.Contains(t, "kürze") || strings.Contains(t, "fautes") {
		return words <= 25
	}
	if strings.HasPrefix(t, "sent via the samsung galaxy") {
		return words <= 12 // it names the network after a comma
	}
	if comma := strings.IndexAny(t, ",;"); comma >= 0 || strings.Contains(t, " is ") || strings.Contains(t, " to ") || strings.Contains(t, " was ") {
		return false
	}
	if strings.HasPrefix(t, "sent from my ") {
		return words <= 12
	}
	limit := 12
	if strings.HasPrefix(t, "diese ") || strings.HasPrefix(t, "virus-free") {
		limit = 16
	}
	if words > limit {
		return false
	}
	return containsAny(t, deviceWords)
}

// sentBy are sentStarts by their first and sentEnds by their last bytes: most lines are told apart by them.
var sentBy = func() (by struct{ first, last map[sentKey][]string }) {
	by.first, by.last = map[sentKey][]string{}, map[sentKey][]string{}
	for _, p := range sentStarts {
		k := firstKey(p)
		by.first[k] = append(by.first[k], p)
	}
	for _, p := range sentEnds {
		k := lastKey(p)
		by.last[k] = append(by.last[k], p)
	}
	return by
}()

// sentKey is three bytes in lower case; of bytes that are no ASCII only that they are none.
type sentKey [3]byte

func keyByte(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	case c >= utf8.RuneSelf:
		return utf8.RuneSelf
	}
	return c
}

func firstKey(s string) (k sentKey) {
	for i := range min(len(s), len(k)) {
		k[i] = keyByte(s[i])
	}
	return k
}

func lastKey(s string) (k sentKey) {
	for i := range min(len(s), len(k)) {
		k[i] = keyByte(s[len(s)-1-i])
	}
	return k
}

// maySent tells by the first and last letters whether a line can be a footer.
func maySent(s string) bool {
	s = strings.Trim(s, footerFrame)
	return len(sentBy.first[firstKey(s)]) > 0 || len(sentBy.last[lastKey(s)]) > 0
}

// hasSentPhrase tells whether a lower-case line starts or ends like a footer.
func hasSentPhrase(t string) bool {
	for _, p := range sentBy.first[firstKey(t)] {
		if strings.HasPrefix(t, p) {
			return true
		}
	}
	for _, p := range sentBy.last[lastKey(t)] {
		if strings.HasSuffix(t, p) {
			return true
		}
	}
	return false
}

// isRule tells whether a line is drawn, not written: dashes, underscores, asterisks and the like.
func isRule(s string) bool {
	if s == "" {
		return false
	}
	for _, r := range s {
		switch r {
		case '-', '–', '—', '―', '_', '=', '*', '#', '~', '+', '⸻', '─', '━', 'ᐧ', ' ', '\t', '·', '•', '|':
		default:
			return false
		}
	}
	return true
}

// sigStrength is how surely a line starts a signature.
type sigStrength int

const (
	sigNone sigStrength = iota
	sigWeak             // a drawn line, which may also part paragraphs
	sigSure             // "-- " (RFC 3676 section 4.3)
)

// signatureLine weighs a line. raw is the line as written, text without surrounding space.
func signatureLine(raw, text string) sigStrength {
	switch {
	case raw == "-- " || text == "--" || text == "-- --":
		return sigSure
	case isRule(text) && utf8.RuneCountInString(text) <= 80 && !strings.ContainsAny(text, "#+|"):
		return sigWeak
	}
	return sigNone
}

// Limits of a signature behind a drawn line.
const (
	maxWeakLines  = 8
	maxWeakColumn = 90
	maxSureLines  = 60
	maxTail       = 400 // lines of any kind
)

// findSignature returns where the signature of lines[from:to] starts, or to. The lines are all the
// writer's own.
func findSignature(lines []mark, from, to int) int {
	written := false // text above
	for i := from; i < to; i++ {
		m := &lines[i]
		if m.blank || m.depth > 0 {
			continue
		}
		switch {
		case isFooter(m.text) && (written || onlyFooters(lines, i, to)) && startsParagraph(lines, i, from) && onlyTail(lines, i+1, to):
			return i
		case isListFooter(lines, i, to):
			return i
		}
		switch signatureLine(m.raw, m.text) {
		case sigSure:
			if to-i <= maxTail && countWritten(lines, i, to) <= maxSureLines {
				return i
			}
		case sigWeak:
			if written && (i == from || lines[i-1].blank || isFooter(lines[i-1].text)) && weakTail(lines, i+1, to) {
				return i
			}
		default:
			written = true
		}
	}
	return to
}

// startsParagraph tells whether nothing but footers and rules stands right above line i.
func startsParagraph(lines []mark, i, from int) bool {
	if i == from {
		return true
	}
	above := &lines[i-1]
	return above.blank || above.depth > 0 || isFooter(above.text) || isRule(above.text) || wordCount(above.text) <= 4
}

// onlyFooters tells whether nothing but footers is left.
func onlyFooters(lines []mark, from, to int) bool {
	if to-from > maxTail {
		return false
	}
	for i := from; i < to; i++ {
		if m := &lines[i]; !m.blank && m.depth == 0 && !isFooter(m.text) && !isRule(m.text) {
			return false
		}
	}
	return true
}

// onlyTail tells whether what follows a footer can belong to it: footers, or a signature of a few short lines.
func onlyTail(lines []mark, from, to int) bool {
	return onlyFooters(lines, from, to) || weakTail(lines, from, to) || findSigStart(lines, from, to)
}

// findSigStart tells whether the first written line after footers starts a signature.
func findSigStart(lines []mark, from, to int) bool {
	for i := from; i < to && i < from+maxTail; i++ {
		if m := &lines[i]; !m.blank && !isFooter(m.text) {
			return signatureLine(m.raw, m.text) != sigNone
		}
	}
	return false
}

func countWritten(lines []mark, from, to int) int {
	n := 0
	for i := from; i < to; i++ {
		if !lines[i].blank {
			n++
		}
	}
	return n
}

// weakTail tells whether the lines look like a signature: few, short, and no sentences.
func weakTail(lines []mark, from, to int) bool {
	if to-from > maxTail {
		return false
	}
	n := 0
	for i := from; i < to; i++ {
		m := &lines[i]
		if m.blank || isRule(m.text) || isFooter(m.text) {
			continue
		}
		n++
		if m.depth > 0 || n > maxWeakLines || m.label != 0 && m.label != labelOther || isItem(m.text) || utf8.RuneCountInString(m.text) > maxWeakColumn || isSentence(m.text) {
			return false
		}
	}
	return true
}

// isItem tells whether a line belongs to a list.
func isItem(s string) bool {
	return strings.HasPrefix(s, "- ") || strings.HasPrefix(s, "* ") || strings.HasPrefix(s, "• ") || strings.HasPrefix(s, "1. ") || strings.HasPrefix(s, "1) ")
}

// isSentence tells whether a line reads like one: many words and a full stop, or a question.
func isSentence(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return r == '?' || (r == '.' || r == '!') && wordCount(s) >= 6 || wordCount(s) > 12 && !unicode.IsDigit(r)
}

// speaksOfList tells whether a line names a mailing list or the way out of it.
func speaksOfList(s string) bool {
	const most = 120
	if len(s) > most {
		return false
	}
	l := strings.ToLower(s)
	return strings.Contains(l, "mailing list") || strings.Contains(l, "/listinfo/") || strings.Contains(l, "unsubscribe") || strings.Contains(l, "/mailman/")
}

// isListFooter tells whether line i starts what mailing lists add below a letter.
func isListFooter(lines []mark, i, to int) bool {
	if text := lines[i].text; to-i > maxTail || len(text) < 20 || text[0] != '_' && text[0] != '-' || !isRule(text) {
		return false
	}
	seen := 0
	for j := i + 1; j < to && seen < 3; j++ {
		if lines[j].blank {
			continue
		}
		seen++
		if speaksOfList(lines[j].text) {
			return countWritten(lines, i, to) <= 12
		}
	}
	return false
}
