package bounce

import (
	"strings"
	"testing"
)

// read writes down what a letter is read as: its kind, and for every recipient address, action, status and reason.
func read(in *Input) string {
	r := Parse(in)
	if r == nil {
		return "none"
	}
	s := r.Kind
	for _, rc := range r.Recipients {
		s += "; " + strings.Join([]string{rc.Address, rc.Action, rc.Status, rc.Reason}, " ")
	}
	return s
}

// TestLanguages reads notices whose language is told by few words, or not known at all: then a listed recipient with a
// reply behind it must do, from a mail system.
func TestLanguages(t *testing.T) {
	const exchange, daemon = "Microsoft Outlook <postmaster@there.example>", "Mail <mailer-daemon@there.example>"
	for _, tt := range []struct{ from, subject, text, want string }{
		{exchange, "Ekki hægt að afhenda", "Ekki tókst að afhenda:\n\nthem@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n", "failure; them@there.example failed 5.1.1 user_unknown"},
		{exchange, "Abwesend", "Ich bin bis 5.5.2026 nicht da.\n\nthem@there.example: Vertretung\n", "none"},
		{exchange, "Niet bestelbaar: Hallo", "Het bericht is niet aangekomen bij:\n\nthem@there.example\n    <srv.there.example #5.2.2>\n", "failure; them@there.example failed 5.2.2 mailbox_full"},
		{exchange, "배달되지 않음", "them@there.example(으)로 보낸 메시지를 배달하지 못했습니다.\n주소를 찾을 수 없습니다.\n", "failure; them@there.example failed  user_unknown"},
		{exchange, "無法傳遞", "無法傳遞給下列收件者:\n\nthem@there.example\n找不到您輸入的電子郵件地址。\n", "failure; them@there.example failed  user_unknown"},
		{exchange, "Übermittlung verzögert: Hallo", "Die Nachricht wurde noch nicht zugestellt an:\n\nthem@there.example\n", "delay; them@there.example delayed  undefined"},
		{daemon, "Message retardé", "Votre message n'a pas pu être remis. De nouvelles tentatives auront lieu.\n\n<them@there.example>: Connection refused\n", "delay; them@there.example delayed  network"},
		{exchange, "Zugestellt: Hallo", "Ihre Nachricht wurde zugestellt an:\n\nthem@there.example\n", "success; them@there.example delivered  "},
		{exchange, "Nicht zugestellt: Hallo", "Unzustellbar:\n\nthem@there.example\n", "failure; them@there.example failed  undefined"},
		{exchange, "传递延迟: 打印机", "此邮件尚未送达:\n\nthem@there.example\n", "delay; them@there.example delayed  undefined"},
		{daemon, "Correo devuelto", "El correo a them@there.example ha sido devuelto: buzón lleno.\n", "failure; them@there.example failed  mailbox_full"},
		{daemon, "Verzögerung der Zustellung", "Die E-Mail an them@there.example wurde bisher nicht zugestellt.\n", "delay; them@there.example delayed  undefined"},
		{daemon, "Mancata consegna", "Il messaggio inviato a them@there.example non è stato consegnato: casella piena.\n", "failure; them@there.example failed  mailbox_full"},
		{daemon, "Mesaj nelivrat", "Nu a putut fi livrat:\n\nthem@there.example: 550 5.1.1 Utilizator inexistent\n", "failure; them@there.example failed 5.1.1 user_unknown"},
		{daemon, "Olevererad post", "Kunde inte levereras till:\n\n<them@there.example>: Brevlådan är full\n", "failure; them@there.example failed  mailbox_full"},
		// scripts that set no spaces
		{daemon, "退信通知", "您发送到them@there.example的邮件无法投递。邮箱不存在\n", "failure; them@there.example failed  user_unknown"},
		{daemon, "전송 실패", "주소를 찾을 수 없으므로 them@there.example에 메일이 전송되지 못했습니다.\n", "failure; them@there.example failed  user_unknown"},
		{daemon, "退信", "无法投递\n\n<用户1@例子.中国>: 用户不存在\n", "failure; 用户1@例子.中国 failed  user_unknown"},
	} {
		in := letter(tt.from, tt.subject, tt.text)
		in.NullSender = true
		if got := read(in); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.text, got, tt.want)
		}
	}
}

// TestToldBelow reads a notice that first tells its readers, and the administrators below.
func TestToldBelow(t *testing.T) {
	in := letter("Microsoft Outlook <postmaster@there.example>", "Undeliverable: Hello", `Delivery has failed to these recipients or groups:

Ann <a@one.example>
The address couldn't be found.

Bob <b@two.example>
It didn't work.

Diagnostic information for administrators:

a@one.example
Remote Server returned '550 5.1.1 not found'

b@two.example
Remote Server returned '554 5.2.2 mailbox full'
`)
	const want = "failure; a@one.example failed 5.1.1 user_unknown; b@two.example failed 5.2.2 mailbox_full"
	if got := read(in); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestLists reads recipients that share a line, or stand in a table.
func TestLists(t *testing.T) {
	for _, tt := range []struct{ subject, text, want string }{
		{"Undeliverable mail", "Could not be delivered to: a@one.example, b@two.example\n\nno such domain\n", "failure; a@one.example failed  host_unknown; b@two.example failed  host_unknown"},
		{"Undeliverable mail", "Could not be delivered:\n\na@one.example     550 User unknown\nb@two.example  552 Mailbox full\n", "failure; a@one.example failed  user_unknown; b@two.example failed  mailbox_full"},
		{"Undeliverable mail", "Could not be delivered:\n\na@one.example 550 User unknown\nb@two.example 552 Mailbox full\n", "failure; a@one.example failed  user_unknown; b@two.example failed  mailbox_full"},
		{"Undeliverable mail", "Your letter to a@one.example from b@two.example could not be delivered.\n", "failure; a@one.example failed  undefined"},
	} {
		if got := read(letter("MAILER-DAEMON@x.example", tt.subject, tt.text)); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.text, got, tt.want)
		}
	}
}

// TestSubjectTells takes the reason from the subject when nothing else tells it, and not from what it repeats of the original's.
func TestSubjectTells(t *testing.T) {
	for subject, want := range map[string]string{
		"Returned mail: User unknown":         "failure; them@there.example failed  user_unknown",
		"Undeliverable: Grüße":                "failure; them@there.example failed  undefined",
		"Undeliverable: Your mailbox is full": "failure; them@there.example failed  undefined",
	} {
		original := strings.Replace(quoted, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Your mailbox is full", 1)
		in := letter("MAILER-DAEMON@x.example", subject, "Your letter to them@there.example is being returned to you.\n\n----- Original message follows -----\n\n"+original)
		if got := read(in); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", subject, got, want)
		}
	}
}

// TestStillTrying: a recipient that is tried again has not run out of time.
func TestStillTrying(t *testing.T) {
	in := report("Warning: message still undelivered after 4 hours", "Final-Recipient: rfc822; them@there.example\nAction: delayed\nStatus: 4.4.7\n", "")
	if got, want := read(in), "delay; them@there.example delayed 4.4.7 network"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestNamedID finds the id of an original that is named, not attached, or that comes behind several lines of dashes.
func TestNamedID(t *testing.T) {
	fields := "Reporting-MTA: dns; x\nX-Original-Message-ID: <abc.123@here.example>\n\nFinal-Recipient: rfc822; them@there.example\nAction: failed\nStatus: 5.1.1\n"
	daemon := "MAILER-DAEMON@x.example"
	for _, in := range []*Input{
		report("could not be delivered", fields, ""),
		letter(daemon, "Mail Delivery Failure", "I was unable to deliver your message to:\n\nthem@there.example\n\nThe message identifier was: <abc.123@here.example>\n"),
		letter(daemon, "Mail delivery failed", "could not be delivered:\n\n  them@there.example\n    mailbox full\n\n------ This is a copy of the message, including all the headers. ------\n------ The body of the message is 8123 characters long; only the first\n------ 106 or so are included here.\n\n"+quoted),
	} {
		if r := Parse(in); r == nil || r.MessageID != "abc.123@here.example" {
			t.Errorf("%+v", r)
		}
	}
}

// TestNullSenders: not all that has no sender is a report; programs that answer and lists have none either.
func TestNullSenders(t *testing.T) {
	const quote = "The letter to them@there.example could not be delivered.\n\n<them@there.example>: 550 5.1.1 User unknown\n"
	for _, tt := range []struct{ from, subject, text, list string }{
		{"Desk <help@there.example>", "[Ticket 4711] Undelivered mail", "We got your question and answer soon.\n\n" + quote, ""},
		{"Bert <bert@there.example>", "Automatic reply: Delivery Status Notification", "I am away; mail cannot be delivered to me. anna@there.example: phone 512\n", ""},
		{"Anna <anna@there.example>", "Undelivered mail, why?", quote, "<users.there.example>"},
		{"postmaster@there.example", "Quarantine summary", "Held back:\n\nbad@evil.example   Cheap pills   score 5.5.1\n", ""},
	} {
		in := letter(tt.from, tt.subject, tt.text)
		header := in.Header
		in.NullSender = true
		in.Header = func(name string) []string {
			if name == "List-Id" && tt.list != "" {
				return []string{tt.list}
			}
			return header(name)
		}
		if got := read(in); got != "none" {
			t.Errorf("%s: %s", tt.subject, got)
		}
	}
}

// TestRobots: what shops and trackers write of deliveries is no report, for it names no recipient, or is their own letter.
func TestRobots(t *testing.T) {
	for _, tt := range []struct{ from, subject, text string }{
		{"Parcels <no-reply@parcel.example>", "Delivery failed", "Your parcel 553 221 could not be delivered.\nEmail: us@here.example\n"},
		{"Pizza Delivery Service <orders@pizza.example>", "Your message to us", "Your order could not be delivered to anna@customer.example.\n"},
		{"Mail System Team <it@customer.example>", "Mail delivery", "Yesterday's letters could not be delivered.\n"},
		{"Pakete <noreply@paket.example>", "Zustellung fehlgeschlagen", "Sendung 553 221 konnte nicht zugestellt werden. Empfänger nicht gefunden.\n"},
		{"Bert (Tracker) <tracker@there.example>", "[OPS-12] Undelivered mail", "<them@there.example>: 550 5.1.1 User unknown: the message could not be delivered.\n"},
		{"System Administrator <admin@there.example>", "Mail delivery", "On Sunday nothing can be delivered. Error 451 may be seen.\n"},
	} {
		in := letter(tt.from, tt.subject, tt.text)
		header := in.Header
		in.Header = func(name string) []string {
			if name == "Auto-Submitted" {
				return []string{"auto-generated"}
			}
			return header(name)
		}
		if got := read(in); got != "none" {
			t.Errorf("%s: %s", tt.from, got)
		}
	}
}
