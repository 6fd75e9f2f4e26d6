package message

import "strings"

// autoPrefixes are what mail systems put before the subject they answer, exactly so, in lower case; a colon follows.
var autoPrefixes = phraseSet(`
	automatic reply|automated reply|auto reply|auto-reply|autoreply|out of office autoreply|out of office|out of office reply|auto response|auto-response|autoresponse|automatic response|automated response|autoresponder
	automatische antwort|abwesenheitsnotiz|automatische rückantwort|automatische abwesenheitsnotiz|abwesenheitsmeldung|abwesend|autoantwort|außer haus
	réponse automatique|réponse automatique d'absence|absence du bureau|message d'absence|reponse automatique|absent du bureau|absente du bureau
	respuesta automática|respuesta automatica|fuera de la oficina|fuera de oficina|resposta automàtica|respuesta automàtica
	resposta automática|resposta automatica|fora do escritório|ausência temporária|mensagem automática
	risposta automatica|fuori sede|fuori ufficio|messaggio automatico
	automatisch antwoord|automatisch beantwoord|afwezig|niet aanwezig|afwezigheidsbericht|automatische reactie
	autosvar|automatisk svar|automatiskt svar|fraværsmeddelelse|ikke til stede|fravær|frånvaro|frånvarande|ej på plats|fraværsbesked|sjálfvirkt svar
	automaattinen vastaus|poissa|poissaoloilmoitus|poissa toimistosta|automaatvastus|automaatne vastus|automātiska atbilde|automatinis atsakymas
	odpowiedź automatyczna|automatyczna odpowiedź|poza biurem|nieobecność|autoodpowiedź|automatická odpověď|mimo kancelář|automatická odpoveď|mimo kancelárie
	automatikus válasz|házon kívül|răspuns automat|raspuns automat|în afara biroului|absent
	автоматический ответ|автоответ|нет на месте|вне офиса|отсутствие на рабочем месте|автоматична відповідь|автовідповідь|автоматичен отговор|извън офиса|аўтаматычны адказ|аутоматски одговор
	automatski odgovor|samodejni odgovor|odsutnost|odsoten|van ureda
	otomatik yanıt|otomatik cevap|ofis dışında|iş yerinde değil|αυτόματη απάντηση|εκτός γραφείου
	自動応答|自動返信|自动答复|自动回复|自動回覆|自動回復|外出|不在|不在通知|자동 응답|자동 회신|자동응답|부재중|부재 중
	תשובה אוטומטית|מענה אוטומטי|מחוץ למשרד|رد تلقائي|الرد التلقائي|خارج المكتب|پاسخ خودکار
	trả lời tự động|thư trả lời tự động|balasan otomatis|jawapan automatik|balasan automatik|ตอบกลับอัตโนมัติ|การตอบกลับอัตโนมัติ|स्वचालित उत्तर|erantzun automatikoa|resposta automática|ymateb awtomatig`)

// sureAlone are those of them that no person writes: enough without any other signal.
var sureAlone = phraseSet(`
	automatic reply|out of office autoreply|automatische antwort|abwesenheitsnotiz|réponse automatique|respuesta automática|resposta automática|risposta automatica|automatisch antwoord
	automatisk svar|automatiskt svar|automaattinen vastaus|odpowiedź automatyczna|automatyczna odpowiedź|automatická odpověď|automatická odpoveď|automatikus válasz|răspuns automat
	автоматический ответ|автоматична відповідь|автоматичен отговор|automatski odgovor|samodejni odgovor|otomatik yanıt|αυτόματη απάντηση|自動応答|自动答复|自动回复|自動回覆|자동 회신|자동 응답|תשובה אוטומטית|رد تلقائي|الرد التلقائي
	automaatvastus|automātiska atbilde|automatinis atsakymas|аутоматски одговор|автоматты жауап|resposta automàtica|erantzun automatikoa|sjálfvirkt svar|trả lời tự động|balasan otomatis|balasan automatik|การตอบกลับอัตโนมัติ|स्वचालित उत्तर|پاسخ خودکار`)

// autoPhrases are words of absence, looked for anywhere in a subject when something else speaks for a machine too.
var autoPhrases = strings.Split("out of office|out of the office|out-of-office|ooo:|autoreply|auto reply|auto-reply|automatic reply|automated reply|auto response|auto-response|autoresponse|automatic response|automated response|"+
	"away from my mail|away from the office|away until|i am away|i'm away|on vacation|vacation notice|vacation message|on leave|on holiday|annual leave|maternity leave|away message|"+
	"abwesenheit|abwesend|nicht im büro|außer haus|im urlaub|automatische antwort|automatische rückmeldung|automatische eingangsbestätigung|"+
	"réponse automatique|reponse automatique|absence du bureau|message d'absence|en congé|en vacances|absent du|absente du|"+
	"respuesta automática|respuesta automatica|fuera de la oficina|fuera de oficina|de vacaciones|ausente|resposta automática|resposta automatica|fora do escritório|de férias|ausência|"+
	"risposta automatica|fuori sede|fuori ufficio|in ferie|automatisch antwoord|automatisch bericht|afwezig|niet aanwezig|niet op kantoor|met vakantie|"+
	"autosvar|automatisk svar|automatiskt svar|fravær|frånvar|på semester|på ferie|ikke på kontoret|ute av kontoret|automaattinen vastaus|poissa|lomalla|"+
	"odpowiedź automatyczna|automatyczna odpowiedź|poza biurem|nieobecn|na urlopie|automatická odpov|mimo kancelář|mimo kancelárie|nepřítomnost|dovolen|automatikus válasz|házon kívül|szabadság|răspuns automat|în concediu|"+
	"автоматический ответ|автоответ|в отпуске|нет на месте|вне офиса|отсутств|автоматична відповідь|автовідповідь|у відпустці|відсутн|автоматичен отговор|отсъств|automatski odgovor|samodejni odgovor|odsutnost|odsoten|na godišnjem|"+
	"otomatik yanıt|otomatik cevap|ofis dışı|izindeyim|αυτόματη απάντηση|εκτός γραφείου|自動応答|自動返信|自动答复|自动回复|自動回覆|不在|外出|休暇|休假|자동 응답|자동 회신|자동응답|부재중|부재 중|תשובה אוטומטית|מענה אוטומטי|מחוץ למשרד|رد تلقائي|خارج المكتب|إجازة|trả lời tự động|balasan otomatis|ตอบกลับอัตโนมัติ", "|")

// autoStarts begin such subjects when something else speaks for a machine; elsewhere in a subject they mean little.
var autoStarts = strings.Split("away|ooo|vacation|holiday|absence|absent|urlaub|ferien|abwesen|congé|vacances|vacaciones|ausente|assente|ferie|férias|vakantie|afwezig|semester|ferie|borte|loma|urlop|nieobecn|dovolen|neprítomn|szabads|távollét|concediu|отпуск|отсутств|відпустка|отпуска|godišnji|dopust|tatil|izin|άδεια|απουσία|休暇|不在|休假|휴가|부재|חופשה|إجازة", "|")

// autoPrefix is the exact phrase of a mail system that a lower-case subject starts with, "" if none is sure enough alone. answer tells
// that the letter names one that it answers.
func autoPrefix(s string, answer bool) string {
	const maxPrefix = 60
	i := strings.IndexAny(s[:min(len(s), maxPrefix)], ":：")
	if i <= 0 {
		return ""
	}
	if p := strings.TrimSpace(s[:i]); sureAlone[p] || answer && autoPrefixes[p] {
		return p
	}
	return ""
}

// autoPhrase is the phrase of absence in a lower-case subject, "" if there is none. A subject that starts with a
// reply prefix answers such a letter, and is none itself.
func autoPhrase(s string) string {
	if word, _, _ := prefixWord(s); word != "" {
		return ""
	}
	for _, p := range autoPhrases {
		if strings.Contains(s, p) {
			return p
		}
	}
	for _, p := range autoStarts {
		if strings.HasPrefix(s, p) {
			return p
		}
	}
	const maxPrefix = 60
	if i := strings.IndexAny(s[:min(len(s), maxPrefix)], ":："); i > 0 {
		if p := strings.TrimSpace(s[:i]); autoPrefixes[p] {
			return p
		}
	}
	if p := strings.TrimSpace(s); autoPrefixes[p] {
		return p
	}
	return ""
}
