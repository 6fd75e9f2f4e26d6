package message

import (
	"strings"
	"testing"
)

func split(text string, ctx replyContext) (reply, quoted, sig string) {
	return splitReply(appendPlain(nil, text), ctx)
}

// TestIntroductions: what the mail programs of many languages write above the letter they answer.
func TestIntroductions(t *testing.T) {
	for _, intro := range []string{
		"On Mon, Jan 6, 2025 at 10:00 AM Ann Example <ann@example.com> wrote:",
		"On Mon, 6 Jan 2025, 10:00 Ann Example, <ann@example.com> wrote:",
		"On Jan 6, 2025, at 10:00 AM, Ann Example wrote:",
		"On 06/01/2025 10:00, Ann Example wrote:",
		"On Monday, January 6th, 2025 at 10:00 AM, Ann Example <ann@example.com> wrote:",
		"At 10:00 AM 1/6/2025, Ann Example wrote:",
		"Ann Example <ann@example.com> writes:",
		"Am 06.01.2025 um 10:00 schrieb Ann Example:",
		"Am Mo., 6. Jan. 2025 um 10:00 Uhr schrieb Ann Example <ann@example.com>:",
		"Ann Example <ann@example.com> schrieb am Mo., 6. Jan. 2025, 10:00:",
		"Le lun. 6 janv. 2025 à 10:00, Ann Example <ann@example.com> a écrit :",
		"Le 06/01/2025 à 10:00, Ann Example a écrit :",
		"El lun, 6 ene 2025 a las 10:00, Ann Example (<ann@example.com>) escribió:",
		"El 06/01/2025 a las 10:00, Ann Example escribió:",
		"Em seg., 6 de jan. de 2025 às 10:00, Ann Example <ann@example.com> escreveu:",
		"Il giorno lun 6 gen 2025 alle ore 10:00 Ann Example <ann@example.com> ha scritto:",
		"Il 06/01/2025 10:00, Ann Example ha scritto:",
		"Op ma 6 jan 2025 om 10:00 schreef Ann Example <ann@example.com>:",
		"Op 06-01-2025 om 10:00 schreef Ann Example:",
		"Den mån 6 jan. 2025 kl 10:00 skrev Ann Example <ann@example.com>:",
		"man. 6. jan. 2025 kl. 10:00 skrev Ann Example <ann@example.com>:",
		"Den man. 6. jan. 2025 kl. 10.00 skrev Ann Example <ann@example.com>:",
		"ma 6. tammik. 2025 klo 10.00 Ann Example (ann@example.com) kirjoitti:",
		"pon., 6 sty 2025 o 10:00 Ann Example <ann@example.com> napisał(a):",
		"W dniu 06.01.2025 o 10:00, Ann Example pisze:",
		"po 6. 1. 2025 v 10:00 odesílatel Ann Example <ann@example.com> napsal:",
		"po 6. 1. 2025 o 10:00 Ann Example <ann@example.com> napísal(a):",
		"Ann Example <ann@example.com> ezt írta (időpont: 2025. jan. 6., H, 10:00):",
		"În lun., 6 ian. 2025 la 10:00, Ann Example <ann@example.com> a scris:",
		"пн, 6 янв. 2025 г. в 10:00, Ann Example <ann@example.com>:",
		"06.01.2025 10:00, Ann Example пишет:",
		"пн, 6 січ. 2025 р. о 10:00 Ann Example <ann@example.com> пише:",
		"На пн, 6.01.2025 г. в 10:00 Ann Example <ann@example.com> написа:",
		"pon, 6. sij 2025. u 10:00 Ann Example <ann@example.com> napisao je:",
		"V V pon., 6. jan. 2025 ob 10:00 je oseba Ann Example <ann@example.com> napisala:",
		"Ann Example <ann@example.com>, 6 Oca 2025 Pzt, 10:00 tarihinde şunu yazdı:",
		"Στις Δευ 6 Ιαν 2025 στις 10:00 π.μ., ο χρήστης Ann Example <ann@example.com> έγραψε:",
		"2025年1月6日(月) 10:00 Ann Example <ann@example.com>:",
		"2025/01/06 10:00、Ann Example <ann@example.com>のメール:",
		"Ann Example <ann@example.com> 于2025年1月6日周一 10:00写道：",
		"在 2025年1月6日，上午10:00，Ann Example <ann@example.com> 写道：",
		"Ann Example <ann@example.com> 於 2025年1月6日 週一 上午10:00寫道：",
		"2025년 1월 6일 (월) 오전 10:00, Ann Example <ann@example.com>님이 작성:",
		"Vào Th 2, 6 thg 1, 2025 vào lúc 10:00 Ann Example <ann@example.com> đã viết:",
		"Pada Sen, 6 Jan 2025 pukul 10.00 Ann Example <ann@example.com> menulis:",
		"ในวันที่ จ. 6 ม.ค. 2025 เวลา 10:00 Ann Example <ann@example.com> เขียนว่า:",
		"\u202bבתאריך יום ב׳, 6 בינו׳ 2025 ב-10:00 מאת \u202aAnn Example\u202c\u200f <\u202aann@example.com\u202c\u200f>:\u202c",
		"في الاثنين، 6 يناير 2025 في 10:00 ص تمت كتابة ما يلي بواسطة \u202aAnn Example\u202c\u200f <\u202aann@example.com\u202c\u200f>:",
		"El dl., 6 de gen. 2025, 10:00, Ann Example <ann@example.com> va escriure:",
		"2025-01-06 10:00 GMT+01:00 Ann Example <ann@example.com>:",
		"06.01.2025, 10:00, \"Ann Example\" <ann@example.com>:",
		"---- On Mon, 06 Jan 2025 10:00:00 +0000 Ann Example <ann@example.com> wrote ----",
	} {
		for _, rest := range []string{"> old words\n> more", "old words\n\nmore of them"} {
			reply, quoted, _ := split("New words here.\n\n"+intro+"\n\n"+rest+"\n", replyContext{answer: true})
			if reply != "New words here." || !strings.Contains(quoted, "old words") {
				t.Errorf("%s\n  reply %q", intro, reply)
			}
		}
		if cut := strings.Index(intro, " <"); cut > 0 {
			wrapped := intro[:cut] + " <\n" + intro[cut+2:]
			if reply, _, _ := split("New words here.\n\n"+wrapped+"\n> old words\n", replyContext{}); reply != "New words here." {
				t.Errorf("wrapped: %s\n  reply %q", wrapped, reply)
			}
		}
	}
}

// TestHeaderBlocks: the header that Outlook and others put above the letter they answer.
func TestHeaderBlocks(t *testing.T) {
	for _, block := range []string{
		"From: Ann Example <ann@example.com>\nSent: Monday, January 6, 2025 10:00 AM\nTo: Help <help@example.net>\nSubject: Printer",
		"*From:* Ann Example\n*Sent:* Monday\n*To:* Help\n*Subject:* Printer",
		"________________________________\nFrom: Ann Example\nSent: Monday\nTo: Help\nCc: Bob; Carl;\n Dora\nSubject: Printer",
		"Von: Ann Example <ann@example.com>\nGesendet: Montag, 6. Januar 2025 10:00\nAn: Help\nBetreff: Drucker",
		"De : Ann Example\nEnvoyé : lundi 6 janvier 2025 10:00\nÀ : Help\nObjet : Imprimante",
		"De: Ann Example\nEnviado el: lunes, 6 de enero de 2025\nPara: Help\nAsunto: Impresora",
		"De: Ann Example\nEnviada em: segunda-feira\nPara: Help\nAssunto: Impressora",
		"Da: Ann Example\nInviato: lunedì 6 gennaio 2025\nA: Help\nOggetto: Stampante",
		"Van: Ann Example\nVerzonden: maandag 6 januari 2025\nAan: Help\nOnderwerp: Printer",
		"Från: Ann Example\nSkickat: den 6 januari 2025\nTill: Help\nÄmne: Skrivare",
		"Fra: Ann Example\nSendt: 6. januar 2025\nTil: Help\nEmne: Printer",
		"Lähettäjä: Ann Example\nLähetetty: maanantai\nVastaanottaja: Help\nAihe: Tulostin",
		"Od: Ann Example\nWysłano: poniedziałek\nDo: Help\nTemat: Drukarka",
		"Od: Ann Example\nOdesláno: pondělí\nKomu: Help\nPředmět: Tiskárna",
		"Feladó: Ann Example\nElküldve: 2025. január 6.\nCímzett: Help\nTárgy: Nyomtató",
		"От: Ann Example\nОтправлено: понедельник\nКому: Help\nТема: Принтер",
		"Від: Ann Example\nНадіслано: понеділок\nКому: Help\nТема: Принтер",
		"Kimden: Ann Example\nGönderildi: Pazartesi\nKime: Help\nKonu: Yazıcı",
		"差出人: Ann Example\n送信日時: 2025年1月6日\n宛先: Help\n件名: プリンタ",
		"发件人: Ann Example\n发送时间: 2025年1月6日\n收件人: Help\n主题: 打印机",
		"보낸 사람: Ann Example\n보낸 날짜: 2025년 1월 6일\n받는 사람: Help\n제목: 프린터",
		"-----Original Message-----\nFrom: Ann Example\nSent: Monday\nTo: Help\nSubject: Printer",
		"-----Ursprüngliche Nachricht-----\nVon: Ann Example\nBetreff: Drucker",
		"-------- Message d'origine --------\nDe : Ann",
		"----- Исходное сообщение -----",
		"-----元のメッセージ-----",
	} {
		text := "New words here.\n\n" + block + "\n\nOld words.\n"
		if reply, quoted, _ := split(text, replyContext{answer: true}); reply != "New words here." || !strings.Contains(quoted, "Old words") {
			t.Errorf("%s\n  reply %q", block, reply)
		}
		if strings.HasPrefix(block, "-") {
			continue
		}
		if reply, _, _ := split(text, replyContext{forward: true}); reply != strings.TrimSpace(text) {
			t.Errorf("forward: %s\n  reply %q", block, reply)
		}
	}
}

// TestKept: what must not be taken for history or signature.
func TestKept(t *testing.T) {
	for _, text := range []string{
		"On the surface this is simple.\nOn Monday I wrote to ann@example.com:\nplease look at it.\nAnd she did.",
		"These are the steps:\n1. Open the door at 10:00:\n2. Close it.",
		"From: the first floor\nto the second we walked, and the subject was printers.",
		"Fields of the form:\nName: Ann\nFrom: 2025-01-06\nEmail: ann@example.com",
		"Look at this -- it is not a signature.\n-- neither is this one\nBye",
		"Results:\n\n-----\n\nThe first test was run on Monday and it did not end well.\nThe second one was run on Tuesday, and nobody knows how it went.",
		"Sent from my desk, which is much easier than the phone.\n\nAnn",
		"The mail was sent from my iPhone to all of you.",
		"---------- Forwarded message ---------\nFrom: Bob <bob@example.com>\nDate: Mon, Jan 6, 2025\nSubject: Printer\nTo: <ann@example.com>\n\nIt does not print.",
		"Please see below.\n\nBegin forwarded message:\n\nFrom: Bob <bob@example.com>\nSubject: Printer\nDate: 6 January 2025\nTo: ann@example.com\n\nIt does not print.",
		"On 4 March 2025 at 10:00 he wrote to help@example.net:\n\nIt burns.\n\nWhat now?",
		"Dne 4. 3. 2025 v 10:00 jsem napsal na help@example.net:\n\nHoří.",
		"Hello,\n\nOn 4 March 2025 your colleague wrote:\n\nYou get it back.\n\nWhen?",
		"Hallo,\n\nIhr Kollege schrieb mir am 04.03.2025 um 10:00:\n\nSie bekommen es.\n\nWann?",
		"The log says:\n\n2025-03-04 23:32:11 mail from ann@example.com:\n2025-03-04 23:32:12 refused\n\nWhat does that mean?",
		"These came:\n\n04.03.2025 23:32:11 mail from ann@example.com:\nrefused",
		"SELECT *\n-- only the first\nFROM t;",
		"Hello\n> quoted\nanswer one\n> quoted again\nanswer two",
		"Yes: the original message was fine.",
		" _   _ __ <*the* weekly update for the uk>\n| \\ | |__2002-07-19_ o join! mail\n|  \\| | o ntknow-subscribe@lists.example.net\n|_| o website lives at:\nhttp://www.example.net/",
	} {
		for _, ctx := range []replyContext{{}, {answer: true}} {
			if reply, quoted, sig := split(text, ctx); reply != text {
				t.Errorf("%q\n  reply %q\n  quoted %q\n  signature %q", text, reply, quoted, sig)
			}
		}
	}
}

// TestPasted: the header of a letter in a letter that answers none.
func TestPasted(t *testing.T) {
	const text = "This is the announcement:\n\nFrom: Bob\nSent: Monday\nTo: All\nSubject: News\n\nIt prints."
	if reply, _, _ := split(text, replyContext{}); reply != text {
		t.Errorf("%q", reply)
	}
}

// TestCited: quotes in a letter that answers none are what its writer cites.
func TestCited(t *testing.T) {
	for _, text := range []string{
		"My prompt looks so:\n\n>>> import foo\n>>> foo.bar()",
		"The manual says:\n\n> Press the red button.",
	} {
		if reply, quoted, _ := split(text, replyContext{}); reply != text || quoted != "" {
			t.Errorf("%q: %q", text, reply)
		}
		if reply, _, _ := split(text, replyContext{answer: true}); reply == text {
			t.Errorf("%q is quoted in an answer", text)
		}
	}
	const answer = "New.\n\nOn 6 Jan 2025, Bob wrote:\n> old"
	if reply, _, _ := split(answer, replyContext{}); reply != "New." {
		t.Errorf("introduced: %q", reply)
	}
	const passed = "FYI\n\n> Begin forwarded message:\n> \n> From: Bob <bob@example.com>\n> Subject: x\n> \n> It burns."
	if reply, _, _ := split(passed, replyContext{forward: true}); reply != passed {
		t.Errorf("passed on: %q", reply)
	}
	const history = "FYI\n\nFrom: Bob <bob@example.com>\nSent: Monday\nTo: Ann\nSubject: x\n\nYes.\n\nOn 6 Jan 2025, Cleo wrote:\n> old"
	if reply, _, _ := split(history, replyContext{forward: true}); reply != history {
		t.Errorf("passed on with its history: %q", reply)
	}
}

// TestUnknownHeader: the header of a quoted letter in a language of no table is known by address, date and subject.
func TestUnknownHeader(t *testing.T) {
	const head = "Xfrom: Bob <bob@example.com>\nXsent: Monday, 6 January 2025 10:00\nXto: Ann\nXabout: Re: It burns"
	text := "New.\n\n" + head + "\n\nOld."
	if reply, _, _ := split(text, replyContext{answer: true, subject: "It burns"}); reply != "New." {
		t.Errorf("%q", reply)
	}
	for _, ctx := range []replyContext{{answer: true, subject: "Other"}, {answer: true}, {subject: "It burns"}, {answer: true, forward: true, subject: "It burns"}} {
		if reply, _, _ := split(text, ctx); reply != text {
			t.Errorf("%+v: %q", ctx, reply)
		}
	}
}

func TestSplitReply(t *testing.T) {
	for name, c := range map[string]struct{ text, reply, sig string }{
		"signature":             {"Hello\n\n-- \nAnn\nExample Ltd.", "Hello", "-- \nAnn\nExample Ltd."},
		"signature, then quote": {"Hello\n\n-- \nAnn\n\nOn 6 Jan 2025, Bob wrote:\n> old", "Hello", "-- \nAnn"},
		"quote, then signature": {"Hello\n\nOn 6 Jan 2025, Bob wrote:\n> old\n\n-- \nAnn", "Hello", "-- \nAnn"},
		"mobile":                {"Hello\n\nSent from my iPhone\n\n> On 6 Jan 2025, at 10:00, Bob wrote:\n> \n> old", "Hello", "Sent from my iPhone"},
		"mobile in German":      {"Hallo\n\nVon meinem iPhone gesendet", "Hallo", "Von meinem iPhone gesendet"},
		"mobile in Japanese":    {"こんにちは\n\niPhoneから送信", "こんにちは", "iPhoneから送信"},
		"answer below":          {"On 6 Jan 2025, Bob wrote:\n> old one\n> old two\n\nNew words.", "New words.", ""},
		"quoted header":         {"> From: Bob\n> Date: Mon, 6 Jan 2025\n>\n> old\n\nNew words.", "New words.", ""},
		"list below quote":      {"New.\n\nOn 6 Jan 2025, Bob wrote:\n> old\n\nhttps://lists.example.org/mailman/listinfo/x", "New.", "https://lists.example.org/mailman/listinfo/x"},
		"header on top":         {"Date: Monday\nSubject: x\nFrom: Bob\nTo: Ann\n\nWho wrote this?", "Date: Monday\nSubject: x\nFrom: Bob\nTo: Ann\n\nWho wrote this?", ""},
		"unsubscribe":           {"On 6 Jan 2025, Bob wrote:\n> old\n\nPlease unsubscribe me", "Please unsubscribe me", ""},
		"answers between": {
			"Hi Bob,\n\nOn 6 Jan 2025, Bob wrote:\n> first?\n\nYes.\n\n> second?\n\nNo.\n\n> bye\n",
			"Hi Bob,\n\n> first?\n\nYes.\n\n> second?\n\nNo.", "",
		},
		"wrapped quote": {
			"New.\n\nOn 6 Jan 2025, Bob wrote:\n> a line that somebody made so very long that it had to be broken\nin two\n> and went on",
			"New.", "",
		},
		"only a quote":       {"On 6 Jan 2025, Bob wrote:\n> old", "", ""},
		"reply above":        {"New.\n\n##- Please type your reply above this line -##\n\nOld.", "New.", ""},
		"intro in paragraph": {"Thank you!\nOn Mon, 6 Jan 2025 at 10:00, Bob <bob@example.com> wrote:\n> old", "Thank you!", ""},
		"bracket on its own": {"New.\n\nOn 6 Jan 2025 Bob <bob@example.com\n> wrote:\n> old", "New.", ""},
		"shares its line":    {"Thanks, it works! On Mon, Jan 6, 2025 at 10:00 AM Bob <bob@example.com> wrote:\n> old", "Thanks, it works!", ""},
		"shares, wrapped":    {"Danke. Am Mo., 6. Jan. 2025 um 10:00 Uhr schrieb Bob Builder\n<bob@example.com>:\n\n> old", "Danke.", ""},
		"month, not shared":  {"New.\n\nBob wrote (6 Mar 2025 10:00):\n> old", "New.", ""},
		"initials":           {"On Monday, January 6, 2025, 10:00:11, you wrote:\n\nBB> old one\nBB> old two\n\nNew.", "New.", ""},
		"header, then marks": {"See below.\n\n-----Original Message-----\nFrom: Bob\nSent: Monday\nTo: Ann\nSubject: x\n\n> first?\nYes.\n> second?\nNo.", "See below.\n\n> first?\nYes.\n> second?\nNo.", ""},
		"header with gaps":   {"New.\n\nFrom: Bob\n\nSent: Monday\n\nTo: Ann\n\nSubject: x\n\nOld.", "New.", ""},
		"no colon":           {"New.\n\nAm 06.01.25 um 10:00 schrieb Bob <bob@example.com>\n\n> old", "New.", ""},
		"date, no colon":     {"New.\n2025/1/6 Bob <bob@example.com>\n\n> old", "New.", ""},
		"drawn name":         {"New.\n\n---- Bob Builder wrote ----\n\nOld.", "New.", ""},
		"no bare address":    {"New.\nI got this from bob@example.com at 10:00:\n> old", "New.\nI got this from bob@example.com at 10:00:", ""},
		"name with your":     {"New.\n\nOn 6 Jan 2025, Your Shop <bob@example.com> wrote:\n\nOld.", "New.", ""},
		"name and time":      {"New.\n\nBob Builder schrieb am 06.01.2025 10:00:\n\nOld.", "New.", ""},
		"QQ":                 {"新。\n\n------------------&nbsp;原始邮件&nbsp;------------------\n发件人: \"Bob\" <bob@example.com>;\n\n旧。", "新。", ""},
		"marker":             {"New.\n\n##- Xyz abc zyx -##\n\nOld.", "New.", ""},
		"bold":               {"New.\n\n**On Mon, Jan 6, 2025 at 10:00 AM Bob <bob@example.com> wrote:**\n\n> old", "New.", ""},
		"closing below":      {"New.\n\nOn 6 Jan 2025, Bob wrote:\n> old\n\nBest regards,\nAnn", "New.", "Best regards,\nAnn"},
		"no closing":         {"New.\n\nOn 6 Jan 2025, Bob wrote:\n> old\n\nRegards to Bob from me.", "New.\n\n> old\n\nRegards to Bob from me.", ""},
		"secrecy below":      {"New.\n\nOn 6 Jan 2025, Bob wrote:\n> old\n\nThis mail is confidential. If you are not\nthe intended recipient, delete it.", "New.", "This mail is confidential. If you are not\nthe intended recipient, delete it."},
		"secret words below": {"New.\n\nOn 6 Jan 2025, Bob wrote:\n> old\n\nNo.\n\nIt is confidential for the recipient.", "New.\n\n> old\n\nNo.\n\nIt is confidential for the recipient.", ""},
		"list footer":        {"Hello all\n\n_______________________________________________\nusers mailing list\nusers@lists.example.org\nhttps://lists.example.org/listinfo/users", "Hello all", "_______________________________________________\nusers mailing list\nusers@lists.example.org\nhttps://lists.example.org/listinfo/users"},
	} {
		reply, _, sig := split(c.text, replyContext{answer: true})
		if reply != c.reply || sig != c.sig {
			t.Errorf("%s: reply %q, signature %q\n  want %q, %q", name, reply, sig, c.reply, c.sig)
		}
	}
}

// TestHTMLReply: the containers that mail programs put around the letter they answer, in HTML alone.
func TestHTMLReply(t *testing.T) {
	for name, body := range map[string]string{
		"Gmail":            `<div dir="ltr">New words.</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, Jan 6, 2025 at 10:00 AM Bob &lt;<a href="mailto:bob@example.com">bob@example.com</a>&gt; wrote:<br></div><blockquote class="gmail_quote" style="margin:0"><div>Old words.</div></blockquote></div>`,
		"Apple":            `<html><body>New words.<br><div><br><blockquote type="cite"><div>On Jan 6, 2025, at 10:00, Bob &lt;bob@example.com&gt; wrote:</div><br><div>Old words.</div></blockquote></div></body></html>`,
		"Thunderbird":      `<p>New words.</p><div class="moz-cite-prefix">Am 06.01.2025 um 10:00 schrieb Bob:<br></div><blockquote type="cite" cite="mid:x"><p>Old words.</p></blockquote>`,
		"Outlook":          `<div class="WordSection1"><p class="MsoNormal">New words.</p><div><div style="border:none;border-top:solid #E1E1E1 1.0pt"><p class="MsoNormal"><b>From:</b> Bob &lt;bob@example.com&gt;<br><b>Sent:</b> Monday, January 6, 2025 10:00 AM<br><b>To:</b> Ann<br><b>Subject:</b> Printer</p></div></div><p class="MsoNormal">Old words.</p></div>`,
		"Outlook web":      `<div>New words.</div><hr tabindex="-1" style="display:inline-block; width:98%"><div id="divRplyFwdMsg" dir="ltr"><font><b>De&nbsp;:</b> Bob<br><b>Envoyé&nbsp;:</b> lundi<br><b>À&nbsp;:</b> Ann<br><b>Objet&nbsp;:</b> x</font></div><div>Old words.</div>`,
		"Outlook app":      `<div>New words.</div><div id="ms-outlook-mobile-signature">Get <a href="https://aka.ms/o0ukef">Outlook for iOS</a></div><hr><div id="divRplyFwdMsg"><b>From:</b> Bob<br><b>Sent:</b> Monday<br><b>To:</b> Ann<br><b>Subject:</b> x</div><div>Old words.</div>`,
		"Yahoo":            `<div>New words.</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div><div>On Monday, January 6, 2025 at 10:00:00 AM GMT+1, Bob &lt;bob@example.com&gt; wrote:</div><div>Old words.</div></div></div>`,
		"Proton":           `<div>New words.</div><div class="protonmail_quote">On Monday, January 6th, 2025 at 10:00 AM, Bob &lt;bob@example.com&gt; wrote:<br><blockquote class="protonmail_quote" type="cite">Old words.</blockquote></div>`,
		"GMX":              `<div><div>New words.</div><div name="quote" style="margin:10px"><div><b>Gesendet:</b> Montag<br><b>Von:</b> Bob<br><b>An:</b> Ann<br><b>Betreff:</b> x</div><div>Old words.</div></div></div>`,
		"unknown language": `<div>New words.</div><div class="gmail_quote"><div class="gmail_attr">Xyz 6 qwe 2025 Bob zyx:</div><blockquote class="gmail_quote">Old words.</blockquote></div>`,
	} {
		c := Read([]byte("From: ann@example.com\nIn-Reply-To: <a@b>\nContent-Type: text/html; charset=utf-8\n\n"+body), Envelope{})
		if c.ReplyText != "New words." || !strings.Contains(c.QuotedText, "Old words.") {
			t.Errorf("%s: reply %q\n  quoted %q\n  signature %q", name, c.ReplyText, c.QuotedText, c.Signature)
		}
		if !strings.Contains(c.Text, "New words.") || !strings.Contains(c.Text, "Old words.") {
			t.Errorf("%s: text %q", name, c.Text)
		}
	}
	interleaved := `<div>Hi Bob,</div><div class="gmail_quote"><div class="gmail_attr">On Mon, Jan 6, 2025 at 10:00 AM Bob &lt;bob@example.com&gt; wrote:<br></div><blockquote class="gmail_quote">First?</blockquote><div>Yes.</div><blockquote class="gmail_quote">Second?</blockquote><div>No.</div></div>`
	c := Read([]byte("From: ann@example.com\nIn-Reply-To: <a@b>\nContent-Type: text/html; charset=utf-8\n\n"+interleaved), Envelope{})
	if want := "Hi Bob,\n\n> First?\n\nYes.\n\n> Second?\n\nNo."; c.ReplyText != want {
		t.Errorf("answers between: %q, want %q", c.ReplyText, want)
	}
	forward := `<div>See this.</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: Bob &lt;bob@example.com&gt;<br>Date: Mon, Jan 6, 2025<br>Subject: x<br>To: Ann</div><div>Old words.</div></div>`
	c = Read([]byte("From: ann@example.com\nSubject: Fwd: x\nContent-Type: text/html; charset=utf-8\n\n"+forward), Envelope{})
	if !strings.Contains(c.ReplyText, "Old words.") {
		t.Errorf("forward: %q", c.ReplyText)
	}
}

// A text of more lines than are looked at stays whole, and takes no record for each of them.
func TestVeryManyLines(t *testing.T) {
	text := strings.Repeat("> a\n", 3*maxReplyLines) + "end"
	lines := appendPlain(appendPlain(nil, "first"), text)
	if len(lines) > maxReplyLines+2 {
		t.Errorf("%d lines", len(lines))
	}
	if reply, quoted, _ := splitReply(lines, replyContext{}); reply != "first\n"+text || quoted != "" {
		t.Errorf("%d octets of new words, %d of quotes", len(reply), len(quoted))
	}
}
