package message

import (
	"slices"
	"strings"
	"unicode/utf8"

	"mxdesk/internal/octets"
)

// The words by which mail programs mark quoted letters, in lower case. A language is added by adding its words.

// wroteWords stand in the line that introduces a quote. Those of languages without spaces between words are
// looked for anywhere, the others as whole words.
var wroteWords = phraseSet(`
	wrote|writes|has written|wrote the following|replied
	schrieb|schreibt|geschrieben|schrieben
	a écrit|a ecrit|écrit|écrivait|a écris
	escribió|escribio|escribía|ha escrito|va escriure|ha escrit|escribiu
	escreveu|escreveram
	ha scritto|scrive|scriveva|ha scritto il
	schreef|heeft geschreven|volgende geschreven|geschreven door
	skrev|skriver|skrifaði
	kirjoitti|kirjutas|rakstīja|raksta|rašė|parašė
	napisał|napisała|napisał(a)|napisał/a|pisze|napisana przez|napisane przez
	napsal|napsala|napsal(a)|napsal/a|píše|napísal|napísala|napísal(a)
	írta|ezt írta|írt
	a scris
	написал|написала|написал(а)|пишет|писал|писала|написав|написала|написав(ла)|пише|писав|написа|напісаў
	je napisao|je napisala|je napisao/la|napisao je|napisao/la je|napisao|napisala|је написао|је написала|је написао/ла|написао/ла|написао|написала|написао је|je napisal|je napisala|je napisal(a)|je pisal|napisal(a)|napísal(a)
	yazdı|şunu yazdı|şunları yazdı|yazmış
	έγραψε|έγραψεν
	đã viết|menulis|เขียน|idatzi du|shkroi|geskryf|aliandika|піша|писал(а)|писав(ла)|писали|schriebst|напиша|yazıb|жазды|бичсэн|գրել է|დაწერა|ysgrifennodd|scríobh|skribis|sulat|spake
	كتب|كتبت|كتب/كتبت|كتب/ت|كتب:|نوشت|כתב|כתבה|כתב/ה|כתב:`)

var wroteAnywhere = strings.Split("写道|寫道|写到|来信|來信|のメッセージ|のメール|は書きました|が書きました|さんは書|작성|님이 작성|씀|쓴 글|님의 말|ने लिखा|เขียนว่า|したメール|が書いたメール|লিখেছেন|எழுதியது|రాశారు|ಬರೆದಿದ್ದಾರೆ|എഴുതി|લખ્યું|लिहिले|ਲਿਖਿਆ|نے لکھا|लेख्नु|تمت كتابة ما يلي", "|")

// toldOf are words of a sentence that tells of writing. What programs write names somebody instead.
var toldOf = strings.Split("i wrote|we wrote|he wrote|she wrote|they wrote|i have written|ich schrieb|wir schrieben|er schrieb|schrieb ich|schrieben wir|schrieb er|il a écrit|elle a écrit|ils ont écrit|ik schreef|schreef ik|hij schreef|schreef hij|"+
	"jag skrev|skrev jag|jeg skrev|skrev jeg|vi skrev|skrev vi|han skrev|skrev han|hon skrev|hun skrev|él escribió|ella escribió|ele escreveu|ela escreveu|lui ha scritto|lei ha scritto|jsem napsal|napsal jsem|napsala jsem|jsem napsala|я писал|я написал|он написал|она написал|мы писали|мы написали", "|")

// personalWords speak to the reader or of the writer, as no program does. Those that are also short for a day, or somebody's name, are left out.
var personalWords = phraseSet(`your|our|my|me|us|ihr|ihre|ihrer|ihnen|euer|eure|mein|meine|meiner|mir|uns|unser|unsere|dein|deine|votre|vos|notre|nos|nous|vous|m'a|m’a|sus|nuestro|nuestra|seu|sua|nosso|nossa|meu|minha|vostro|vostra|suo|mio|mia|
	uw|jullie|onze|mijn|vår|vårt|vores|jeres|deres|ditt|mitt|teidän|teidan|minun|wasz|wasza|państwa|mój|moja|váš|vaše|můj|moje|nám|vám|ваш|ваша|ваши|мой|моя|мне|нам|вам|наш|наша|мені`)

// quotingWords begin such a line before a name and an address.
var quotingWords = strings.Split("quoting |zitat von |citando |citando a |citation de |en réponse à |cytowanie |cytat |цитирую |цитат |цитата |idézet |citát |citat från |citat fra |lainaus |citaat van |mensaje citado por |mensagem citada por |quota |引用 ", "|")

// introWords are those of leadWords that come before a day and a date.
var introWords = phraseSet(`on|at|am|le|el|em|il|op|den|dne|dňa|dnia|w|in|pada|vào|på|ti|на|в|στις|dana|în|pe`)

// leadWords start such a line.
var leadWords = phraseSet(`
	on|at|am|le|el|il|em|op|den|dne|dňa|dnia|w|w dniu|in data|in|en|pada|vào|på|ti|на|в|във|у|στις|tarihinde|a|data|em|dana|dne|în|ons|zo|ma|di|wo|do|vr|za
	mon|tue|wed|thu|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday
	montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag
	man|tir|ons|tor|fre|lør|søn|mån|tis|lör|sön
	lun|mar|mer|jeu|ven|sam|dim|mié|jue|vie|sáb|dom|gio|giov|pon|wt|śr|czw|pt|sob|niedz
	пн|вт|ср|чт|пт|сб|вс|нд|понедельник|вторник|среда|четверг|пятница|суббота|воскресенье|понеділок|вівторок|середа|четвер|п'ятниця|субота|неділя
	ma|ke|to|pe|la|su|hétfő|kedd|szerda|csütörtök|péntek|szombat|vasárnap
	在|於|于|في|בתאריך|ב|ในวันที่`)

// sentenceWords begin sentences about what somebody wrote.
var sentenceWords = phraseSet(`as|like|since|because|when|what|if|wie|da|als|weil|was|wenn|comme|puisque|quand|ce|como|cuando|come|quando|zoals|wat|som|jak|co|как|что|коли|як`)

// originalMessage stands between dashes above a quoted letter.
var originalMessage = phraseSet(`
	original|original message|replied message|original mail|original email|original e-mail|reply message
	ursprüngliche nachricht|ursprüngliche mail|ursprüngliche e-mail|originalnachricht|original-nachricht|original nachricht|originalmail|original-mail
	mail original|courriel original|courrier original|message d'origine|message d’origine|message original|message initial|message d'origine
	mensaje original|correo original|mensagem original|messaggio originale|messaggio originario|missatge original|mensaxe orixinal
	oorspronkelijk bericht|origineel bericht|originele bericht|oorspronkelijk e-mailbericht|oorspronklike boodskap
	oprindelig meddelelse|oprindelig besked|original meddelelse|original besked|opprinnelig melding|original melding|opprinnelig e-post
	ursprungligt meddelande|originalmeddelande|original meddelande|upprunaleg skilaboð|upprunaleg skeyti
	alkuperäinen viesti|algne sõnum|algkiri|sākotnējais ziņojums|pradinis pranešimas|originalus laiškas
	oryginalna wiadomość|wiadomość oryginalna|wiadomość pierwotna|wiadomość wysłana|treść oryginalnej wiadomości
	původní zpráva|původní e-mail|původní email|pôvodná správa|pôvodný e-mail
	eredeti üzenet|eredeti levél|eredeti e-mail|mesaj original|mesajul original|mesajul inițial|mesaj inițial
	исходное сообщение|оригинальное сообщение|первоначальное сообщение|исходное письмо|оригінальне повідомлення|вихідне повідомлення|початкове повідомлення|оригинално съобщение|първоначално съобщение|оригинално писмо|оригинална порука
	izvorna poruka|originalna poruka|izvirno sporočilo|originalno sporočilo
	orijinal mesaj|özgün ileti|orjinal mesaj|özgün mesaj|αρχικό μήνυμα|αυθεντικό μήνυμα
	元のメッセージ|オリジナルメッセージ|元のメール|원본 메시지|원본메시지|원본 메일|원래 메시지|原始邮件|原始郵件|原邮件|原始信件|原始邮件信息|邮件原件|原件|回复的原邮件
	הודעה מקורית|الرسالة الأصلية|رسالة أصلية|پیام اصلی|thư gốc|tin nhắn gốc|thư ban đầu|pesan asli|mesej asal|ข้อความต้นฉบับ|मूल संदेश`)

// forwarded stands above a letter that is passed on: content, not history.
var forwarded = strings.Split("forwarded message|forwarded mail|forwarded email|forwarded by|begin forwarded|forwarded from|"+
	"weitergeleitete nachricht|weitergeleitete mail|weitergeleitete e-mail|weitergeleitet von|anfang der weitergeleiteten|"+
	"message transféré|message réexpédié|message transmis|début du message|courriel transféré|mensaje reenviado|mensaje transmitido|inicio del mensaje|"+
	"mensagem encaminhada|mensagem reencaminhada|início da mensagem|messaggio inoltrato|inizio messaggio|missatge reenviat|doorgestuurd bericht|begin doorgestuurd|doorgezonden bericht|"+
	"videresendt|vidarebefordrat|vidarebefordrade|välitetty viesti|edelleenlähetetty|edastatud|przekazana wiadomość|wiadomość przekazana|przekazywana wiadomość|"+
	"přeposlaná zpráva|předaná zpráva|preposlaná správa|továbbított|mesaj redirecționat|mesaj redirectionat|пересылаемое сообщение|пересылаемое письмо|пересланное сообщение|начало переадресованного|переслане повідомлення|препратено|"+
	"proslijeđena poruka|prosleđena poruka|posredovano sporočilo|iletilen mesaj|yönlendirilen|προωθημένο μήνυμα|転送メッセージ|転送された|전달된 메시지|전달된 메일|转发的邮件|转发邮件|轉寄的郵件|轉寄郵件|轉寄訊息|"+
	"הודעה שהועברה|رسالة معاد توجيهها|الرسالة المحولة|thư được chuyển tiếp|pesan terusan|mesej yang dimajukan", "|")

// replyAbove is what systems like this one ask for, within decoration.
var replyAbove = strings.Split("reply above this line|type your reply above|reply above the line|write your reply above|add your reply above|"+
	"antworten sie oberhalb dieser zeile|antwort oberhalb dieser|bitte antworten sie über dieser|über dieser linie antworten|oberhalb dieser linie|"+
	"répondre au-dessus de cette ligne|répondez au-dessus de cette ligne|réponse au-dessus de cette ligne|responda por encima de esta línea|responder por encima de esta línea|escriba su respuesta por encima|"+
	"responda acima desta linha|rispondi sopra questa riga|rispondere sopra questa|antwoord boven deze regel|antwoorden boven deze lijn|svar over denne linje|svara ovanför|svar ovenfor denne|"+
	"odpowiedz powyżej tej linii|ответ выше этой|ответьте выше этой|回复在此行上方|请在此行之上回复|この行より上に返信", "|")

// closings begin what stands at the end of a letter, above the name.
var closings = strings.Split("regards|best regards|kind regards|warm regards|with kind regards|with best regards|many thanks|thanks and regards|best wishes|sincerely|yours sincerely|yours faithfully|cheers|"+
	"mit freundlichen grüßen|mit freundlichen grüssen|mit freundlichem gruß|freundliche grüße|freundliche grüsse|viele grüße|beste grüße|liebe grüße|mfg|gruß|grüße|cordialement|bien cordialement|bien à vous|salutations|sincères salutations|meilleures salutations|"+
	"saludos|un saludo|saludos cordiales|atentamente|atenciosamente|cumprimentos|com os melhores cumprimentos|abraços|cordiali saluti|distinti saluti|saluti|met vriendelijke groet|met vriendelijke groeten|groet|groeten|mvg|"+
	"med vänlig hälsning|med vänliga hälsningar|vänliga hälsningar|hälsningar|mvh|med venlig hilsen|venlig hilsen|med vennlig hilsen|vennlig hilsen|hilsen|hilsener|ystävällisin terveisin|terveisin|pozdrawiam|z poważaniem|s pozdravem|s pozdravom|üdvözlettel|cu stimă|"+
	"с уважением|з повагою|с уважение|saygılarımla|iyi çalışmalar|με εκτίμηση|lp|lep pozdrav|pozdrav|s poštovanjem|trân trọng|salam|以上|よろしくお願いします|此致|감사합니다|بركات|تحياتي|בברכה", "|")

// secretWords and addresseeWords stand together in what companies add below every letter.
var (
	secretWords    = strings.Split("confidential|privileged|vertraulich|confidentiel|confidencial|riservat|vertrouwelijk|poufn|důvěrn|dôvern|bizalmas|confidențial|конфиденциал|конфіденц|поверител|gizli|fortrolig|konfidentiell|konfidensiel|luottamuksel|εμπιστευτικ|機密|机密|保密|기밀|סודי|سري", "|")
	addresseeWords = strings.Split("recipient|addressee|adressat|empfänger|destinatair|destinatari|destinatário|geadresseerde|ontvanger|odbiorc|příjemc|príjemc|címzett|получател|адресат|одержувач|alıcı|modtager|mottag|vastaanottaj|παραλήπτη|受信者|宛先|收件人|수신|נמען|المستلم", "|")
)

// labels are the names of the fields of a quoted header.
var labels = map[string]labelKind{}

type labelKind uint8

const (
	labelFrom labelKind = 1 << iota
	labelDate
	labelTo
	labelSubject
	labelOther
)

func init() {
	for kind, words := range map[labelKind]string{
		labelFrom: `from|sender|von|absender|de|expéditeur|remitente|da|mittente|van|afzender|fra|afsender|avsender|från|fran|frá|od|odesílatel|odosielateľ|nadawca|from name
			от|от кого|відправник|від|отправитель|од|šalje|pošiljatelj|pošiljalec|feladó|lähettäjä|saatja|nuo|no|sūtītājs|gönderen|kimden|từ|người gửi|dari|จาก|de la|expeditor|από|αποστολέας
			发件人|發件人|寄件者|寄件人|差出人|送信者|보낸 사람|보낸사람|발신|보낸이|מאת|من|از|প্রেরক|de parte de|remetente|nga|送信元|प्रेषक|igorlea|daripada|ад`,
		labelDate: `sent|date|gesendet|gesendet am|datum|envoyé|envoyé le|envoyé par|date d'envoi|date d’envoi|message du|enviado|enviat|enviat el|enviado el|enviada|enviado em|enviado o|enviada em|enviado a|fecha|data|inviato|inviato il|verzonden|verzonden op|sendt|dato|sent on|sent at|date sent
			skickat|skickades|sent date|wysłano|wyslano|data wysłania|wysłane|odesláno|odoslané|dátum|elküldve|küldve|dátuma|trimis|trimisă|отправлено|отправлен|дата|надіслано|відправлено|дата відправлення|изпратено|poslano|poslato|poslané
			lähetetty|päivämäärä|päiväys|pvm|saadetud|kuupäev|išsiųsta|data ir laikas|nosūtīts|datums|gönderildi|gönderme tarihi|gönderilme tarihi|tarih|ngày|đã gửi|gửi|ngày gửi|dikirim|terkirim|tanggal|tarikh|dihantar|ส่ง|วันที่|στάλθηκε|ημερομηνία|εστάλη|sendt den|sent:
			发送时间|發送時間|发送日期|日期|时间|時間|寄件日期|傳送時間|傳送日期|送信日時|日時|日付|送信日|보낸 날짜|보낸날짜|날짜|전송|일시|תאריך|נשלח|تاريخ|التاريخ|تم الإرسال|تاريخ الإرسال|فرستاده شده|أرسلت|تاریخ|dagsetning|sent|dërguar|भेजा गया|दिनांक|bidalia|адпраўлена|послато`,
		labelTo: `to|an|empfänger|à|a|destinataire|aan|para|per|per a|ke|til|till|do|komu|кому|до|за|címzett|către|kime|alıcı|kam|gavėjas|vastaanottaja|saaja|đến|tới|người nhận|kepada|untuk|ถึง|pro|προς|za|prima|adresat|destinatario|destinatário|
			收件人|收件者|宛先|받는 사람|받는사람|수신|받는이|אל|إلى|به|til:|प्रति|hartzailea|каму|prejemnik|adresāts`,
		labelSubject: `subject|betreff|objet|sujet|asunto|assunto|oggetto|onderwerp|emne|ämne|temat|předmět|predmet|tárgy|subiect|тема|предмет|относно|aihe|otsikko|teema|konu|chủ đề|tiêu đề|subjek|perihal|judul|tajuk|เรื่อง|assumpte|efni|θέμα|tema|zadeva|naslov|sujets|lēma|temats|
			主题|主題|主旨|标题|件名|제목|נושא|الموضوع|موضوع|re|onderwerp|विषय|gaia|тэма|thema`,
		labelOther: `cc|bcc|kopie|copie|copie à|cópia|copia|копия|копія|抄送|副本|참조|kopi|kopia|dw|másolatot kap|kopio|reply-to|reply to|antwort an|répondre à|importance|wichtigkeit|priority|priorität|attachments|anlagen|pièces jointes|adjuntos|anexos|allegati|bijlagen|organization|c.c.|ccn|cci|
			responder a|rispondi a|bilgi|masolat|másolat|skrivet av|вложения|附件|添付ファイル|koopia|kópia|kopija|afrit|kopie an|κοιν.|κοινοποίηση|עותק|نسخة|สำเนา|首選項|優先度|size|mailed-by|signed-by`,
	} {
		for w := range strings.SplitSeq(strings.ReplaceAll(words, "\n", "|"), "|") {
			if w = strings.TrimSpace(w); w != "" {
				labels[w] |= kind
			}
		}
	}
}

// phraseSet makes a set of phrases that are apart by bars or line ends.
func phraseSet(s string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.SplitSeq(strings.ReplaceAll(s, "\n", "|"), "|") {
		if w = strings.TrimSpace(w); w != "" {
			set[w] = true
		}
	}
	return set
}

// visible removes what is not seen but stands in the way of comparing: direction marks, zero-width characters, and
// no-break spaces become spaces.
func visible(s string) string {
	if octets.IsASCII([]byte(s)) {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x2069, r == 0xfeff, r == 0xad, r == utf8.RuneError:
			return -1
		case r == 0xa0 || r == 0x202f || r == 0x2007 || r == 0x3000:
			return ' '
		}
		return r
	}, s))
}

// decoration are the characters that mail programs draw lines and emphasis with.
const decoration = "-–—_=*#~+<>[]|·•. \t:"

// undecorated is s without the decoration around it; drawn tells how many characters went at the left.
func undecorated(s string) (text string, drawn int) {
	t := strings.TrimLeft(s, decoration)
	drawn = utf8.RuneCountInString(s[:len(s)-len(t)])
	return strings.TrimRight(t, decoration), drawn
}

// containsAny tells whether one of the phrases stands in s.
func containsAny(s string, phrases []string) bool {
	return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(s, p) })
}
