package message

import (
	"strings"
	"testing"
)

// What mail programs put above the letter they answer, in the languages they speak. None stands in a letter of somebody.
var introductions = []string{
	// Gmail
	"On Mon, Jan 6, 2025 at 9:05 AM Ann Example <ann@example.com> wrote:",
	"Am Mo., 6. Jan. 2025 um 09:05 Uhr schrieb Ann Example <ann@example.com>:",
	"Le lun. 6 janv. 2025 à 09:05, Ann Example <ann@example.com> a écrit :",
	"El lun, 6 ene 2025 a las 9:05, Ann Example (<ann@example.com>) escribió:",
	"Em seg., 6 de jan. de 2025 às 09:05, Ann Example <ann@example.com> escreveu:",
	"Il giorno lun 6 gen 2025 alle ore 09:05 Ann Example <ann@example.com> ha scritto:",
	"Op ma 6 jan 2025 om 09:05 schreef Ann Example <ann@example.com>:",
	"Den mån 6 jan. 2025 kl 09:05 skrev Ann Example <ann@example.com>:",
	"man. 6. jan. 2025 kl. 09.05 skrev Ann Example <ann@example.com>:",
	"ma 6. tammik. 2025 klo 9.05 Ann Example (ann@example.com) kirjoitti:",
	"pon., 6 sty 2025 o 09:05 Ann Example <ann@example.com> napisał(a):",
	"po 6. 1. 2025 v 9:05 odesílatel Ann Example <ann@example.com> napsal:",
	"po 6. 1. 2025 o 9:05 Ann Example <ann@example.com> napísal(a):",
	"Ann Example <ann@example.com> ezt írta (időpont: 2025. jan. 6., H, 9:05):",
	"În lun., 6 ian. 2025 la 09:05, Ann Example <ann@example.com> a scris:",
	"На пн, 6.01.2025 г. в 9:05 Ann Example <ann@example.com> написа:",
	"пн, 6 янв. 2025 г. в 09:05, Ann Example <ann@example.com>:",
	"пн, 6 січ. 2025 р. о 09:05 Ann Example <ann@example.com> пише:",
	"Στις Δευ 6 Ιαν 2025 στις 9:05 π.μ., ο χρήστης Ann Example <ann@example.com> έγραψε:",
	"Ann Example <ann@example.com>, 6 Oca 2025 Pzt, 09:05 tarihinde şunu yazdı:",
	"V V pon., 6. jan. 2025 ob 09:05 je oseba Ann Example <ann@example.com> napisala:",
	"pon, 6. sij 2025. u 09:05 Ann Example <ann@example.com> napisao je:",
	"пон, 6. јан 2025. у 09:05 Ann Example <ann@example.com> је написао/ла:",
	"Kuupäev E, 6. jaanuar 2025 kell 09:05 kirjutas Ann Example <ann@example.com>:",
	"Pirmd., 2025. g. 6. janv., plkst. 09:05 — lietotājs Ann Example (<ann@example.com>) rakstīja:",
	"2025-01-06, pr, 09:05 Ann Example <ann@example.com> rašė:",
	"Vào Th 2, 6 thg 1, 2025 vào lúc 09:05 Ann Example <ann@example.com> đã viết:",
	"Pada Sen, 6 Jan 2025 pukul 09.05 Ann Example <ann@example.com> menulis:",
	"Pada Isn, 6 Jan 2025 pada 9:05 PG Ann Example <ann@example.com> menulis:",
	"ในวันที่ จ. 6 ม.ค. 2025 เวลา 09:05 Ann Example <ann@example.com> เขียนว่า:",
	"2025年1月6日(月) 9:05 Ann Example <ann@example.com>:",
	"Ann Example <ann@example.com> 于2025年1月6日周一 09:05写道：",
	"Ann Example <ann@example.com> 於 2025年1月6日 週一 上午9:05寫道：",
	"2025년 1월 6일 (월) 오전 9:05, Ann Example <ann@example.com>님이 작성:",
	"\u202bבתאריך יום ב׳, 6 בינו׳ 2025 ב-9:05 מאת \u202aAnn Example\u202c\u200f <\u202aann@example.com\u202c\u200f>:\u202c",
	"في الاثنين، 6 يناير 2025 في 9:05 ص تمت كتابة ما يلي بواسطة Ann Example <ann@example.com>:",
	"در تاریخ دوشنبه ۶ ژانویه ۲۰۲۵،\u200f ۹:۰۵ Ann Example <ann@example.com> نوشت:",
	"सोम, 6 जन॰ 2025 को 9:05 पूर्वाह्न बजे को Ann Example <ann@example.com> ने लिखा:",
	"El dl., 6 de gen. 2025, 9:05, Ann Example <ann@example.com> va escriure:",
	"O luns, 6 de xan. de 2025 ás 9:05, Ann Example <ann@example.com> escribiu:",
	"mán., 6. jan. 2025 kl. 09:05 skrifaði Ann Example <ann@example.com>:",
	// Apple Mail
	"Am 06.01.2025 um 09:05 schrieb Ann Example <ann@example.com>:",
	"Le 6 janv. 2025 à 09:05, Ann Example <ann@example.com> a écrit :",
	"El 6 ene 2025, a las 9:05, Ann Example <ann@example.com> escribió:",
	"No dia 6 de jan. de 2025, às 09:05, Ann Example <ann@example.com> escreveu:",
	"Il giorno 6 gen 2025, alle ore 09:05, Ann Example <ann@example.com> ha scritto:",
	"Op 6 jan 2025, om 09:05 heeft Ann Example <ann@example.com> het volgende geschreven:",
	"6 jan. 2025 kl. 09:05 skrev Ann Example <ann@example.com>:",
	"Den 6. jan. 2025 kl. 09.05 skrev Ann Example <ann@example.com>:",
	"Ann Example <ann@example.com> kirjoitti 6.1.2025 kello 9.05:",
	"Wiadomość napisana przez Ann Example <ann@example.com> w dniu 06.01.2025, o godz. 09:05:",
	"6. 1. 2025 v 9:05, Ann Example <ann@example.com>:",
	"6 янв. 2025 г., в 09:05, Ann Example <ann@example.com> написал(а):",
	"6 січ. 2025 р. о 09:05 Ann Example <ann@example.com> пише:",
	"2025/01/06 9:05、Ann Example <ann@example.com>のメール:",
	"2025. 1. 6. 오전 9:05, Ann Example <ann@example.com> 작성:",
	"在 2025年1月6日，上午9:05，Ann Example <ann@example.com> 写道：",
	"Ann Example <ann@example.com> 於 2025年1月6日 上午9:05 寫道：",
	"Ann Example <ann@example.com> şunları yazdı (6 Oca 2025 09:05):",
	"Στις 6 Ιαν 2025, στις 9:05 π.μ., ο/η Ann Example <ann@example.com> έγραψε:",
	"\u200fבתאריך 6 בינו׳ 2025, בשעה 9:05, \u200fAnn Example <ann@example.com> כתב/ה:",
	"بتاريخ ٦ يناير ٢٠٢٥، الساعة ٩:٠٥ ص، كتب/كتبت Ann Example <ann@example.com>:",
	"La data de 6 ian. 2025, la 09:05, Ann Example <ann@example.com> a scris:",
	// Thunderbird
	"On 06.01.25 09:05, Ann Example wrote:",
	"Am 06.01.25 um 09:05 schrieb Ann Example:",
	"Le 06/01/2025 à 09:05, Ann Example a écrit :",
	"El 6/1/25 a las 9:05, Ann Example escribió:",
	"Em 06/01/2025 09:05, Ann Example escreveu:",
	"Il 06/01/25 09:05, Ann Example ha scritto:",
	"Op 06-01-2025 om 09:05 schreef Ann Example:",
	"W dniu 6.01.2025 o 09:05, Ann Example pisze:",
	"Dne 06. 01. 25 v 9:05 Ann Example napsal(a):",
	"Dňa 6. 1. 2025 o 9:05 Ann Example napísal(a):",
	"2025. 01. 06. 9:05 keltezéssel, Ann Example írta:",
	"06.01.2025 09:05, Ann Example пишет:",
	"06.01.25 09:05, Ann Example пише:",
	"На 6.01.25 г. в 9:05, Ann Example написа:",
	"6.1.2025 9.05, Ann Example kirjoitti:",
	"Den 06-01-2025 kl. 09:05 skrev Ann Example:",
	"Den 2025-01-06 kl. 09:05, skrev Ann Example:",
	"På 06.01.2025 09:05, skrev Ann Example:",
	"6.01.2025 09:05 tarihinde Ann Example yazdı:",
	"On 2025/01/06 9:05, Ann Example wrote:",
	"在 2025/1/6 9:05, Ann Example 写道:",
	"Ann Example 於 2025/1/6 上午 09:05 寫道:",
	"25. 1. 6. 09:05에 Ann Example 이(가) 쓴 글:",
	"Στις 6/1/25 09:05, ο/η Ann Example έγραψε:",
	"Pe 06.01.2025 09:05, Ann Example a scris:",
	"Dana 6. 1. 2025. u 9:05, Ann Example je napisao/la:",
	"Dne 6. 01. 25 ob 09:05 je Ann Example napisal(a):",
	"Kell 09:05 06.01.2025 kirjutas Ann Example:",
	"Vào 06/01/2025 09:05, Ann Example đã viết:",
	// Roundcube, Zimbra, Yahoo, Outlook on phones, Proton, Yandex, mail.ru, GMX
	"On 2025-01-06 09:05, Ann Example wrote:",
	"Am 2025-01-06 09:05, schrieb Ann Example:",
	"El 2025-01-06 09:05, Ann Example escribió:",
	"Il 2025-01-06 09:05 Ann Example ha scritto:",
	"Ann Example wrote on 6.1.2025 at 9:05:",
	"Ann Example schrieb am 06.01.2025 um 09:05:",
	"Ann Example <ann@example.com> hat am 06.01.2025 09:05 CET geschrieben:",
	"Ann Example <ann@example.com> wrote on 06/01/2025 09:05 CET:",
	"Ann Example <ann@example.com> schrieb am Mo., 6. Jan. 2025, 09:05:",
	"On Monday, January 6th, 2025 at 9:05 AM, Ann Example <ann@example.com> wrote:",
	"On Monday, January 6, 2025 at 09:05:11 AM GMT+1, Ann Example <ann@example.com> wrote:",
	"Am Montag, 6. Januar 2025 um 09:05:11 MEZ hat Ann Example <ann@example.com> Folgendes geschrieben:",
	"Le lundi 6 janvier 2025 à 09:05:11 UTC+1, Ann Example <ann@example.com> a écrit :",
	"El lunes, 6 de enero de 2025, 09:05:11 CET, Ann Example <ann@example.com> escribió:",
	"Em segunda-feira, 6 de janeiro de 2025 às 09:05:11 BRT, Ann Example <ann@example.com> escreveu:",
	"Il lunedì 6 gennaio 2025 alle ore 09:05:11 CET, Ann Example <ann@example.com> ha scritto:",
	"06.01.2025, 09:05, \"Ann Example\" <ann@example.com>:",
	"Понедельник, 6 января 2025, 9:05 +03:00 от Ann Example <ann@example.com>:",
	"понедельник, 6 января 2025 г., 09:05 +03:00 от Ann Example <ann@example.com>:",
	"At 2025-01-06 09:05:11, \"Ann Example\" <ann@example.com> wrote:",
	"在 2025-01-06 09:05:11，\"Ann Example\" <ann@example.com> 写道：",
	"Quoting Ann Example <ann@example.com>:",
	"Zitat von Ann Example <ann@example.com>:",
	"Quoting \"Example, Ann\" <ann@example.com>:",
	"Citando Ann Example <ann@example.com>:",
	"Ann Example a écrit le 06/01/2025 09:05 :",
	"Ann Example napisał dnia 06.01.2025 09:05:",
	"[Ann Example] wrote on [6.1.2025]:",
	// More, some in languages of no table: an address in brackets, a date and a colon are enough above a quote.
	"в пн, 6 сту 2025 г. у 9:05 Ann Example <ann@example.com> піша:",
	"Op Ma. 06 Jan. 2025 om 09:05 het Ann Example <ann@example.com> geskryf:",
	"সোম, ৬ জানু, ২০২৫ তারিখে ৯:০৫ AM টায় তারিখে Ann Example <ann@example.com> লিখেছেন:",
	"في الاثنين، ٦ يناير ٢٠٢٥ في ٩:٠٥ ص تمت كتابة ما يلي بواسطة Ann Example <ann@example.com>:",
	"Xyz 6 qwe 2025 9:05 Ann Example <ann@example.com> zyx:",
	"* Ann Example <ann@example.com> [2025-01-06 09:05]:",
	"Ann Example писал(а) 2025-01-06 09:05:",
	"Вы писали 6 января 2025 г., 9:05:11:",
	"Am 06.01.2025 um 09:05 schriebst du:",
	"-------- Ann Example wrote --------",
	"---- 回复的原邮件 ----",
}

func TestIntroductionsOfManyLanguages(t *testing.T) {
	for _, intro := range introductions {
		text := "Hello there.\nIt still burns.\n\n" + intro + "\n\n> Does it burn?\n> Tell us.\n"
		reply, quoted, _ := splitReply(appendPlain(nil, text), replyContext{answer: true})
		if reply != "Hello there.\nIt still burns." || !strings.Contains(quoted, "Does it burn?") {
			t.Errorf("%s\nreply %q", intro, reply)
		}
	}
}

// Programs wrap the line that introduces a quote where it suits them.
func TestWrappedIntroductions(t *testing.T) {
	for _, intro := range []string{
		"On Mon, Jan 6, 2025 at 9:05 AM Annabella\nExample <ann@example.com> wrote:",
		"2025년 1월 6일 (월) 오전 9:05, Ann Example <ann@example.com>님이\n작성:",
		"В письме от понедельник, 6 января 2025 г. 9:05:11 MSK\nпользователь Ann Example написал:",
		"Pirmd., 2025. g. 6. janv., plkst. 09:05 — lietotājs Ann\nExample (<ann@example.com>) rakstīja:",
		"در تاریخ دوشنبه ۶ ژانویه ۲۰۲۵،\u200f ۹:۰۵ Ann Example\n<ann@example.com> نوشت:",
	} {
		text := "Hello there.\nIt still burns.\n\n" + intro + "\n\n> Does it burn?\n"
		if reply, _, _ := split(text, replyContext{answer: true}); reply != "Hello there.\nIt still burns." {
			t.Errorf("%s\nreply %q", intro, reply)
		}
	}
}

// The header that Outlook and its kin put above a letter they answer, without any other mark.
var quotedHeaders = []string{
	"From: Ann Example <ann@example.com>\nSent: Monday, January 6, 2025 9:05 AM\nTo: Bob Other <bob@example.net>\nSubject: Fire",
	"From: Ann Example <ann@example.com>\nDate: Monday, January 6, 2025 at 9:05 AM\nTo: Bob Other <bob@example.net>\nCc: C <c@example.net>\nSubject: Re: Fire",
	"Von: Ann Example <ann@example.com>\nGesendet: Montag, 6. Januar 2025 09:05\nAn: Bob Other <bob@example.net>\nBetreff: Fire",
	"Von: Ann Example\nDatum: Montag, 6. Januar 2025 um 09:05\nAn: Bob Other\nBetreff: Fire",
	"Gesendet: Montag, 06. Januar 2025 um 09:05 Uhr\nVon: \"Ann Example\" <ann@example.com>\nAn: bob@example.net\nBetreff: Fire",
	"De : Ann Example <ann@example.com>\nEnvoyé : lundi 6 janvier 2025 09:05\nÀ : Bob Other <bob@example.net>\nObjet : Fire",
	"De: Ann Example <ann@example.com>\nEnviado el: lunes, 6 de enero de 2025 9:05\nPara: Bob Other <bob@example.net>\nAsunto: Fire",
	"De: Ann Example <ann@example.com>\nEnviada em: segunda-feira, 6 de janeiro de 2025 09:05\nPara: Bob Other <bob@example.net>\nAssunto: Fire",
	"Da: Ann Example <ann@example.com>\nInviato: lunedì 6 gennaio 2025 09:05\nA: Bob Other <bob@example.net>\nOggetto: Fire",
	"Van: Ann Example <ann@example.com>\nVerzonden: maandag 6 januari 2025 09:05\nAan: Bob Other <bob@example.net>\nOnderwerp: Fire",
	"Från: Ann Example <ann@example.com>\nSkickat: den 6 januari 2025 09:05\nTill: Bob Other <bob@example.net>\nÄmne: Fire",
	"Fra: Ann Example <ann@example.com>\nSendt: 6. januar 2025 09:05\nTil: Bob Other <bob@example.net>\nEmne: Fire",
	"Lähettäjä: Ann Example <ann@example.com>\nLähetetty: maanantai 6. tammikuuta 2025 9.05\nVastaanottaja: Bob Other <bob@example.net>\nAihe: Fire",
	"Od: Ann Example <ann@example.com>\nWysłano: poniedziałek, 6 stycznia 2025 09:05\nDo: Bob Other <bob@example.net>\nTemat: Fire",
	"Od: Ann Example <ann@example.com>\nOdesláno: pondělí 6. ledna 2025 9:05\nKomu: Bob Other <bob@example.net>\nPředmět: Fire",
	"Od: Ann Example <ann@example.com>\nOdoslané: pondelok 6. januára 2025 9:05\nKomu: Bob Other <bob@example.net>\nPredmet: Fire",
	"Feladó: Ann Example <ann@example.com>\nElküldve: 2025. január 6., hétfő 9:05\nCímzett: Bob Other <bob@example.net>\nTárgy: Fire",
	"De la: Ann Example <ann@example.com>\nTrimis: luni, 6 ianuarie 2025 09:05\nCătre: Bob Other <bob@example.net>\nSubiect: Fire",
	"От: Ann Example <ann@example.com>\nОтправлено: понедельник, 6 января 2025 г. 9:05\nКому: Bob Other <bob@example.net>\nТема: Fire",
	"Від: Ann Example <ann@example.com>\nНадіслано: понеділок, 6 січня 2025 р. 9:05\nКому: Bob Other <bob@example.net>\nТема: Fire",
	"От: Ann Example <ann@example.com>\nИзпратено: понеделник, 6 януари 2025 г. 9:05\nДо: Bob Other <bob@example.net>\nОтносно: Fire",
	"Šalje: Ann Example <ann@example.com>\nPoslano: 6. siječnja 2025. 9:05\nPrima: Bob Other <bob@example.net>\nPredmet: Fire",
	"Od: Ann Example <ann@example.com>\nPoslano: ponedeljek, 06. januar 2025 09:05\nZa: Bob Other <bob@example.net>\nZadeva: Fire",
	"Kimden: Ann Example <ann@example.com>\nGönderildi: 6 Ocak 2025 Pazartesi 09:05\nKime: Bob Other <bob@example.net>\nKonu: Fire",
	"Gönderen: Ann Example <ann@example.com>\nTarih: 6 Ocak 2025 Pazartesi 09:05\nAlıcı: Bob Other <bob@example.net>\nKonu: Fire",
	"Από: Ann Example <ann@example.com>\nΣτάλθηκε: Δευτέρα, 6 Ιανουαρίου 2025 9:05 πμ\nΠρος: Bob Other <bob@example.net>\nΘέμα: Fire",
	"Saatja: Ann Example <ann@example.com>\nSaadetud: esmaspäev, 6. jaanuar 2025 09:05\nAdressaat: Bob Other <bob@example.net>\nTeema: Fire",
	"No: Ann Example <ann@example.com>\nNosūtīts: pirmdiena, 2025. gada 6. janvāris 09:05\nKam: Bob Other <bob@example.net>\nTēma: Fire",
	"Nuo: Ann Example <ann@example.com>\nIšsiųsta: 2025 m. sausio 6 d., pirmadienis 09:05\nKam: Bob Other <bob@example.net>\nTema: Fire",
	"发件人: Ann Example <ann@example.com>\n发送时间: 2025年1月6日 9:05\n收件人: Bob Other <bob@example.net>\n主题: Fire",
	"发件人： Ann Example\n日期： 2025-01-06 09:05\n收件人： bob@example.net\n抄送： c@example.net\n主题： Fire",
	"寄件者: Ann Example <ann@example.com>\n寄件日期: 2025年1月6日 上午 09:05\n收件者: Bob Other <bob@example.net>\n主旨: Fire",
	"差出人: Ann Example <ann@example.com>\n送信日時: 2025年1月6日 9:05\n宛先: Bob Other <bob@example.net>\n件名: Fire",
	"From: Ann Example <ann@example.com>\n日付: 2025年1月6日 月曜日 9:05\nTo: Bob Other\n件名: Fire",
	"보낸 사람: Ann Example <ann@example.com>\n보낸 날짜: 2025년 1월 6일 월요일 오전 9:05\n받는 사람: Bob Other <bob@example.net>\n제목: Fire",
	"보낸사람: Ann Example <ann@example.com>\n받는사람: Bob Other <bob@example.net>\n날짜: 2025-01-06 09:05\n제목: Fire",
	"מאת: Ann Example <ann@example.com>\nנשלח: יום שני 06 ינואר 2025 09:05\nאל: Bob Other <bob@example.net>\nנושא: Fire",
	"من: Ann Example <ann@example.com>\nتم الإرسال: الاثنين 6 يناير 2025 9:05 ص\nإلى: Bob Other <bob@example.net>\nالموضوع: Fire",
	"Từ: Ann Example <ann@example.com>\nĐã gửi: Thứ Hai, 6 Tháng Một 2025 9:05 SA\nĐến: Bob Other <bob@example.net>\nChủ đề: Fire",
	"Dari: Ann Example <ann@example.com>\nDikirim: Senin, 06 Januari 2025 09:05\nKe: Bob Other <bob@example.net>\nSubjek: Fire",
	"จาก: Ann Example <ann@example.com>\nส่ง: วันจันทร์ 6 มกราคม 2025 9:05\nถึง: Bob Other <bob@example.net>\nเรื่อง: Fire",
	"De: Ann Example <ann@example.com>\nEnviat: dilluns, 6 de gener de 2025 9:05\nPer a: Bob Other <bob@example.net>\nAssumpte: Fire",
	"Frá: Ann Example <ann@example.com>\nSent: mánudagur, 6. janúar 2025 09:05\nTil: Bob Other <bob@example.net>\nEfni: Fire",
	"*From:* Ann Example <ann@example.com>\n*Sent:* Monday, January 6, 2025 9:05 AM\n*To:* Bob Other <bob@example.net>\n*Subject:* Fire",
	"From:\tAnn Example <ann@example.com>\nTo:\tBob Other <bob@example.net>\nDate:\t06/01/2025 09:05\nSubject:\tFire",
	"From: \"Ann Example\" <ann@example.com>\nTo: \"Bob Other\" <bob@example.net>\nSent: Monday, January 6, 2025 9:05:11 AM\nSubject: Fire",
	"प्रेषक: Ann Example <ann@example.com>\nभेजा गया: सोमवार, 6 जनवरी 2025 9:05\nप्रति: Bob Other <bob@example.net>\nविषय: Fire",
	"Igorlea: Ann Example <ann@example.com>\nBidalia: 2025(e)ko urtarrilaren 6a 9:05\nHartzailea: Bob Other\nGaia: Fire",
	"Od: Ann Example <ann@example.com>\nWysłane: 6 stycznia 2025 9:05\nDo: Bob Other\nTemat: Fire",
	"Від: Ann Example <ann@example.com>\nВідправлено: 6 січня 2025 р. 9:05\nКому: Bob Other\nТема: Fire",
	"-----Original Message-----\nFrom: Ann Example\nSent: 6 January 2025",
	"________________________________\nVon: Ann Example <ann@example.com>\nGesendet: Montag, 6. Januar 2025 09:05:11\nAn: Bob Other\nBetreff: Fire",
	"-------- Ursprüngliche Nachricht --------\nVon: Ann Example <ann@example.com>\nDatum: 06.01.25 09:05 (GMT+01:00)\nAn: Bob Other\nBetreff: Fire",
	"-------- Message d'origine --------\nDe : Ann Example <ann@example.com>\nDate : 06/01/2025 09:05 (GMT+01:00)\nÀ : Bob\nObjet : Fire",
	"------------------ 原始邮件 ------------------\n发件人: \"Ann\" <ann@example.com>;\n发送时间: 2025年1月6日(星期一) 上午9:05\n收件人: \"Bob\"<bob@example.net>;\n主题: Fire",
	"------------------ Original ------------------\nFrom: \"Ann\" <ann@example.com>;\nDate: Mon, Jan 6, 2025 09:05 AM\nTo: \"Bob\"<bob@example.net>;\nSubject: Fire",
	"---- On Mon, 06 Jan 2025 09:05:11 +0100 Ann Example <ann@example.com> wrote ----",
	"---- Original message ----\nFrom: ann@example.com\nDate: 06/01/2025 09:05",
	">>> Ann Example <ann@example.com> 06.01.2025 09:05 >>>",
	">>> Ann Example 06/01/2025 09:05 >>>",
	"----- Original Message -----\nFrom: \"Ann Example\" <ann@example.com>\nTo: \"Bob\" <bob@example.net>\nSent: Monday, January 06, 2025 9:05 AM\nSubject: Fire",
	"----- Mail original -----\nDe: \"Ann Example\" <ann@example.com>\nÀ: \"Bob\" <bob@example.net>\nEnvoyé: Lundi 6 Janvier 2025 09:05:11\nObjet: Fire",
	"----- Ursprüngliche Mail -----\nVon: \"Ann Example\" <ann@example.com>\nAn: \"Bob\" <bob@example.net>\nGesendet: Montag, 6. Januar 2025 09:05:11\nBetreff: Fire",
	"----- Messaggio originale -----\nDa: \"Ann Example\" <ann@example.com>\nA: \"Bob\" <bob@example.net>\nInviato: Lunedì, 6 gennaio 2025 9:05:11\nOggetto: Fire",
	"-----Ursprüngliche Nachricht-----\nVon: Ann Example\nGesendet: Montag, 6. Januar 2025",
	"----Mensaje original----\nDe: ann@example.com\nFecha: 06/01/2025 9:05",
	"-----Исходное сообщение-----\nОт: Ann\nОтправлено: 6 января 2025",
	"------- Original Message -------\nOn Monday, January 6th, 2025 at 9:05 AM, Ann Example <ann@example.com> wrote:",
	"-----Ann Example <ann@example.com> wrote: -----\nTo: bob@example.net\nFrom: Ann Example <ann@example.com>\nDate: 01/06/2025 09:05AM\nSubject: Fire",
	"-----Ann Example <ann@example.com> schrieb: -----\nAn: bob@example.net\nVon: Ann Example <ann@example.com>\nDatum: 06.01.2025 09:05\nBetreff: Fire",
}

func TestQuotedHeadersOfManyLanguages(t *testing.T) {
	for _, head := range quotedHeaders {
		text := "Hello there.\nIt still burns.\n\n" + head + "\n\nDoes it burn?\nTell us.\n"
		reply, quoted, _ := splitReply(appendPlain(nil, text), replyContext{answer: true})
		if reply != "Hello there.\nIt still burns." || !strings.Contains(quoted, "Does it burn?") {
			t.Errorf("%s\nreply %q", head, reply)
		}
	}
}

// What phones and programs add below every letter.
var mobileFooters = []string{
	"Sent from my iPhone", "Sent from my iPad", "Sent from my Samsung Galaxy smartphone.", "Sent from Outlook for iOS", "Get Outlook for Android", "Sent from Mail for Windows", "Sent from Yahoo Mail for iPhone",
	"Sent with Proton Mail secure email.", "Sent from Proton Mail for Android.", "Sent from my Huawei Mobile", "Sent via BlackBerry", "Sent from my Galaxy", "Sent using Zoho Mail",
	"Von meinem iPhone gesendet", "Von meinem Samsung Galaxy Smartphone gesendet.", "Gesendet von Outlook für iOS", "Gesendet mit der GMX Mail App", "Gesendet mit der mobilen Mail App", "Diese Nachricht wurde von meinem Android Mobiltelefon mit GMX Mail gesendet.", "Von Outlook für Android gesendet", "Outlook für Android beziehen", "Gesendet von Yahoo Mail auf Android",
	"Envoyé de mon iPhone", "Envoyé depuis mon smartphone Samsung Galaxy.", "Envoyé à partir de Outlook pour Android", "Obtenez Outlook pour iOS", "Télécharger Outlook pour Android", "Envoyé avec la messagerie sécurisée Proton Mail.", "Envoyé depuis mon mobile Orange",
	"Enviado desde mi iPhone", "Enviado desde mi Samsung Mobile de Claro", "Obtener Outlook para Android", "Enviado desde Outlook para iOS", "Enviado do meu iPhone", "Enviado do meu smartphone Samsung Galaxy.", "Obter o Outlook para Android", "Obtenha o Outlook para iOS", "Enviado via iPhone", "Enviat des del meu iPhone",
	"Inviato da iPhone", "Inviato dal mio iPhone", "Inviato da Outlook per Android", "Ottieni Outlook per Android", "Scarica Outlook per iOS", "Inviato da Libero Mail per Android", "Verstuurd vanaf mijn iPhone", "Verzonden vanaf mijn Galaxy", "Outlook voor Android downloaden", "Verzonden met Outlook voor iOS",
	"Skickat från min iPhone", "Skickat från Outlook för iOS", "Hämta Outlook för Android", "Sendt fra min iPhone", "Sendt fra Outlook til iOS", "Hent Outlook til Android", "Få Outlook for Android", "Sendt fra min Samsung Galaxy-smarttelefon.", "Lähetetty iPhonesta", "Hanki Outlook Androidille", "Lähetetty Samsung Galaxy -älypuhelimesta.",
	"Wysłane z iPhone'a", "Wysłane z iPhone’a", "Pobierz aplikację Outlook dla systemu Android", "Pobierz Outlook dla Android", "Wysłano z telefonu Samsung Galaxy", "Odesláno z iPhonu", "Odesláno z mého iPhonu", "Odoslané z iPhonu", "Získať Outlook pre Android", "Získat Outlook pro Android", "Az iPhone-omról küldve", "Elküldve az iPhone-omról", "Trimis de pe iPhone-ul meu", "Descărcați Outlook pentru Android",
	"Отправлено с iPhone", "Отправлено из мобильной Почты Mail.ru", "Отправлено из Outlook для iOS", "Отправлено из мобильного приложения Яндекс Почты", "Скачать Outlook для Android", "Надіслано з iPhone", "Надіслано з мого iPhone", "Изпратено от моя iPhone", "Poslano s mojeg iPhonea", "Poslano iz mojega iPhona", "Poslato sa mog iPhone-a",
	"iPhone'umdan gönderildi", "Android için Outlook uygulamasını edinin", "Samsung Galaxy akıllı telefonumdan gönderildi.", "Στάλθηκε από το iPhone μου", "Λήψη του Outlook για Android", "iPhoneから送信", "iPadから送信", "Outlook for iOS を入手", "Androidから送信", "我的 iPhone 傳送", "從我的 iPhone 傳送", "发自我的iPhone", "发自我的 iPhone", "发自我的华为手机", "发自我的小米手机", "获取 Outlook for Android", "取得 Android 版 Outlook", "나의 iPhone에서 보냄", "나의 iPad에서 보냄", "내 Galaxy에서 보냄", "Android용 Outlook 다운로드",
	"נשלח מה-iPhone שלי", "تم الإرسال من الـ iPhone", "أُرسلت من الـ iPhone الخاص بي", "مُرسل من الـ iPhone", "Đã gửi từ iPhone của tôi", "Dikirim dari iPhone saya", "Dihantar daripada iPhone saya", "ส่งจาก iPhone ของฉัน", "Saadetud minu iPhone'ist", "Išsiųsta iš mano iPhone", "Nosūtīts no mana iPhone", "Sent from my Windows Phone", "Sent from a mobile device, please excuse typos", "Sent from Gmail Mobile", "Sent from BlueMail", "Sent via the Samsung Galaxy S21 5G, an AT&T 5G smartphone",
}

func TestFootersOfManyLanguages(t *testing.T) {
	for _, footer := range mobileFooters {
		text := "Hello there.\nIt still burns.\n\n" + footer + "\n\nOn 06.01.25 09:05, Ann Example wrote:\n> Does it burn?\n"
		if reply, _, _ := splitReply(appendPlain(nil, text), replyContext{answer: true}); reply != "Hello there.\nIt still burns." {
			t.Errorf("%s\nreply %q", footer, reply)
		}
	}
	for _, words := range []string{
		"Sent from the warehouse on Friday.", "Wysłane z magazynu wczoraj.", "Envoyé de Paris hier, merci de vérifier.", "Get the parcel from my desk please.", "Gesendet wurde es am Freitag.", "Obtener un reembolso sería mejor.", "发自内心的感谢。", "Outlook for Android crashes.", "Obtenez une réponse de lui.",
	} {
		text := "Hello there.\n\n" + words + "\n\nOn 06.01.25 09:05, Ann Example wrote:\n> Does it burn?\n"
		if reply, _, _ := splitReply(appendPlain(nil, text), replyContext{answer: true}); reply != "Hello there.\n\n"+words {
			t.Errorf("%s is the writer's, reply %q", words, reply)
		}
	}
}

// The elements that mail programs put around the letter they answer.
func TestQuoteContainers(t *testing.T) {
	for _, open := range []string{
		`<div class="gmail_quote">`, `<div class="gmail_quote gmail_quote_container">`, `<blockquote type="cite">`, `<div class="moz-cite-prefix">`, `<div class="yahoo_quoted" id="yahoo_quoted_1">`, `<div class="protonmail_quote">`,
		`<div id="divRplyFwdMsg" dir="ltr">`, `<div id="x_divRplyFwdMsg">`, `<div id="appendonsend">`, `<div class="zmail_extra">`, `<div name="quote">`, `<div class="ms-outlook-mobile-reference-message">`, `<div id="mail-editor-reference-message-container">`,
		`<blockquote class="tutanota_quote">`, `<div name="messageReplySection">`, `<div class="ntes-mailmaster-quote">`, `<div id="isReplyContent">`, `<div class="fairemail_quote">`, `<div class="aqm-original">`, `<div class="sh-quoted-content">`,
		`<div class="missive_quote">`, `<blockquote class="front-blockquote">`, `<div class="freshdesk_quote">`, `<div class="mailru-blockquote">`, `<div id="OLK_SRC_BODY_SECTION">`,
	} {
		page := "<div>Hello there.</div><div>It still burns.</div><br>" + open + "<div>Ann said:</div><p>Does it burn?</p></div>"
		c := Read([]byte("Subject: Re: x\r\nIn-Reply-To: <a@b.example>\r\nContent-Type: text/html\r\n\r\n"+page), Envelope{})
		if c.ReplyText != "Hello there.\nIt still burns." || !strings.Contains(c.QuotedText, "Does it burn?") {
			t.Errorf("%s\nreply %q", open, c.ReplyText)
		}
	}
}

// A letter that is passed on is what it is about, however deep it was passed on before.
func TestNestedForwards(t *testing.T) {
	for _, text := range []string{
		"Please see below.\n\n---------- Forwarded message ---------\nFrom: Ann <ann@example.com>\nDate: Mon, Jan 6, 2025 at 9:05 AM\nSubject: Fw: Fire\nTo: <bob@example.net>\n\n\nFYI\n\n-------- Weitergeleitete Nachricht --------\nVon: Cleo <cleo@example.org>\nDatum: 05.01.2025\nAn: ann@example.com\nBetreff: Fire\n\nIt burns.",
		"Please see below.\n\nBegin forwarded message:\n\nFrom: Ann <ann@example.com>\nSubject: Fire\nDate: 6 January 2025 at 09:05:11 CET\nTo: bob@example.net\n\nIt burns.",
		"Bitte lesen.\n\nAnfang der weitergeleiteten Nachricht:\n\nVon: Ann <ann@example.com>\nBetreff: Fire\nDatum: 6. Januar 2025 um 09:05:11 MEZ\nAn: bob@example.net\n\nIt burns.",
		"请看。\n\n---------- 转发的邮件 ----------\n发件人: Ann <ann@example.com>\n日期: 2025年1月6日\n主题: Fire\n收件人: bob@example.net\n\nIt burns.",
		"Посмотрите.\n\n-------- Пересылаемое сообщение --------\n06.01.2025, 09:05, \"Ann\" <ann@example.com>:\n\nIt burns.",
		"Voyez.\n\n-------- Message transféré --------\nSujet : Fire\nDate : Mon, 6 Jan 2025\nDe : Ann <ann@example.com>\nPour : bob@example.net\n\nIt burns.",
		"Zie.\n\n---------- Doorgestuurd bericht ---------\nVan: Ann <ann@example.com>\nDatum: ma 6 jan 2025\nOnderwerp: Fire\nAan: bob@example.net\n\nIt burns.",
		"見てください。\n\n---------- 転送メッセージ ----------\n差出人: Ann <ann@example.com>\n日付: 2025年1月6日\n件名: Fire\n宛先: bob@example.net\n\nIt burns.",
	} {
		for _, ctx := range []replyContext{{forward: true}, {forward: true, answer: true}, {answer: true}} {
			if reply, _, _ := splitReply(appendPlain(nil, text), ctx); !strings.HasSuffix(reply, "It burns.") {
				t.Errorf("%+v: reply %q", ctx, reply)
			}
		}
	}
}
