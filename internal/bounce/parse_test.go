package bounce

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// report makes an Input of an RFC 3464 report: its text, its fields, and the original.
func report(text, fields, original string) *Input {
	in := letter("Mail Delivery System <MAILER-DAEMON@mx.here.example>", "Undelivered Mail Returned to Sender", text)
	in.Type, in.ReportType = "multipart/report", "delivery-status"
	in.Parts = []Part{{"text/plain", []byte(text)}, {"message/delivery-status", []byte(fields)}}
	if original != "" {
		in.Parts = append(in.Parts, Part{"message/rfc822", []byte(original)})
	}
	return in
}

func TestFields(t *testing.T) {
	tests := []struct {
		name   string
		fields string
		kind   string
		want   string // address original action status code mta reason hard, "; " between recipients
	}{
		{"a type of address within the address", "Final-Recipient: rfc822; SMTP:them@there.example\nAction: failed\nStatus: 5.1.1\n", Failure, "them@there.example  failed 5.1.1   user_unknown true"},
		{"one failure", `Reporting-MTA: dns; mx.here.example
Arrival-Date: Mon, 2 Mar 2026 10:00:00 +0000

Final-Recipient: rfc822; Them@There.example
Original-Recipient: rfc822;sales@there.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.there.example
Diagnostic-Code: smtp; 550 5.1.1 <them@there.example>: Recipient
    address rejected: User unknown
`, Failure, "them@there.example sales@there.example failed 5.1.1 550 mx.there.example user_unknown true"},

		{"several recipients", `Reporting-MTA: dns; mx.here.example

Final-Recipient: rfc822; a@there.example
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp; 552 mailbox full

Final-Recipient: rfc822; b@there.example
Action: delayed
Status: 4.4.1
Diagnostic-Code: smtp; connect to mx.there.example: Connection timed out

Final-Recipient: rfc822; c@there.example
Action: delivered
Status: 2.0.0
`, Failure, "a@there.example  failed 5.2.2 552  mailbox_full false; b@there.example  delayed 4.4.1   network false; c@there.example  delivered 2.0.0    false"},

		{"no blank line between recipients", `Reporting-MTA: dns; mx.here.example
Final-Recipient: rfc822; a@there.example
Action: failed
Status: 5.1.1
Final-Recipient: rfc822; b@there.example
Action: failed
Status: 5.1.2
`, Failure, "a@there.example  failed 5.1.1   user_unknown true; b@there.example  failed 5.1.2   host_unknown true"},

		{"a gap within a recipient, and stray MIME fields", `Content-Type: text/plain

Final-Recipient: RFC822; <a@there.example>

Action: failed
Status: 5.2.1 (mailbox disabled, not accepting messages)
Diagnostic-Code: smtp; 550 User Unknown
`, Failure, "a@there.example  failed 5.2.1 550  suspended false"},

		{"a diagnostic that is wrapped but not folded", `Final-Recipient: rfc822; a@there.example
Action: failed
Status: 5.0.0
Diagnostic-Code: smtp; 550 the mailbox of this
recipient is over quota
`, Failure, "a@there.example  failed 5.0.0 550  mailbox_full false"},

		{"words of our own for the action", `Final-Recipient: rfc822; a@there.example
Action: expired
Status:
Diagnostic-Code: Connection timed out
`, Failure, "a@there.example  failed    network false"},

		{"no action at all", `Final-Recipient: rfc822; a@there.example
Status: 2.1.5
Diagnostic-Code: smtp; 250 2.1.5 Ok
`, Success, "a@there.example  delivered 2.1.5 250   false"},

		{"still trying", `Final-Recipient: rfc822; a@there.example
Action: Delayed
Status: 4.4.0 (other or undefined network or routing status)
Will-Retry-Until: Thu, 5 Mar 2026 10:00:00 +0000
`, Delay, "a@there.example  delayed 4.4.0   network false"},

		{"given up with a temporary status", `Final-Recipient: rfc822; a@there.example
Action: failed
Status: 4.4.7
Diagnostic-Code: smtp; 554 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.2 Connection timed out>
`, Failure, "a@there.example  failed 4.4.7 421  expired false"},

		{"UTF-8 and xtext addresses", `Final-Recipient: utf-8; j\x{FC}rgen@there.example
Original-Recipient: rfc822;us+2Bdesk@there.example
Action: failed
Status: 5.1.1
`, Failure, "jürgen@there.example us+desk@there.example failed 5.1.1   user_unknown true"},

		{"a quoted local part", `Final-Recipient: rfc822; "a..b"@there.example
Action: failed
Status: 5.1.1
`, Failure, "a..b@there.example  failed 5.1.1   user_unknown true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Parse(report("Your mail could not be delivered.", tt.fields, quoted))
			if r == nil {
				t.Fatal("no report")
			}
			var got []string
			for _, c := range r.Recipients {
				got = append(got, strings.Join([]string{c.Address, c.OriginalAddress, c.Action, c.Status, c.SMTPCode, c.RemoteMTA, c.Reason, fmt.Sprint(c.Hard)}, " "))
			}
			if s := strings.Join(got, "; "); s != tt.want || r.Kind != tt.kind {
				t.Errorf("got  %s %s\nwant %s %s", r.Kind, s, tt.kind, tt.want)
			}
			if r.MessageID != "abc.123@here.example" || r.OriginalSubject != "Grüße" || !r.HasOriginal {
				t.Errorf("original: %q %q %v", r.MessageID, r.OriginalSubject, r.HasOriginal)
			}
		})
	}
}

// TestFieldsAndText reads what the text knows and the fields do not.
func TestFieldsAndText(t *testing.T) {
	fields := "Reporting-MTA: dns; mx.here.example\n\nFinal-Recipient: rfc822; them@there.example\nAction: failed\nStatus: 5.0.0\n"
	r := Parse(report("** Address not found **\n\nYour message wasn't delivered to them@there.example because the address couldn't be found.", fields, ""))
	if r == nil || r.Recipients[0].Reason != UserUnknown || r.Recipients[0].Diagnostic == "" {
		t.Errorf("reason from the text: %+v", r)
	}
	r = Parse(report("Delivery to the following recipients failed permanently:\n\n   * them@there.example\n", "Reporting-MTA: dns; mx.here.example\n", ""))
	if r == nil || len(r.Recipients) != 1 || r.Recipients[0].Address != "them@there.example" || r.Recipients[0].Action != Failed {
		t.Errorf("recipient from the text: %+v", r)
	}
	in := letter("MAILER-DAEMON@mx.here.example", "Returned mail: see transcript for details", "Some words.\n\n"+fields+"\n"+quoted)
	r = Parse(in)
	if r == nil || len(r.Recipients) != 1 || r.Recipients[0].Address != "them@there.example" || r.MessageID != "abc.123@here.example" {
		t.Errorf("fields in the text: %+v", r)
	}
}

// TestOriginals finds the letter a report is about wherever a system puts it.
func TestOriginals(t *testing.T) {
	fields := "Final-Recipient: rfc822; two@there.example\nAction: failed\nStatus: 5.1.1\n"
	two := strings.Replace(quoted, "To: Them <them@there.example>", "To: Them <them@there.example>,\n two@there.example", 1)
	for _, kind := range []string{"message/rfc822", "text/rfc822-headers", "message/partial", "message/global-headers", "text/plain"} {
		in := report("could not be delivered", fields, "")
		in.Parts = append(in.Parts, Part{kind, []byte(two)})
		r := Parse(in)
		if r == nil || r.MessageID != "abc.123@here.example" || r.OriginalRcpt != "two@there.example" || r.OriginalSubject != "Grüße" || !r.HasOriginal {
			t.Errorf("%s: %+v", kind, r)
		}
	}
	in := letter("MAILER-DAEMON@x.example", "Successful Mail Delivery Report", "Your message was successfully delivered to the destination(s) listed below.\n\n<them@there.example>: delivery via mx.there.example: 250 2.0.0 Ok\n")
	if r := Parse(in); r == nil || r.Kind != Success || r.Recipients[0].Action != Delivered || r.Recipients[0].Reason != "" {
		t.Errorf("success: %+v", r)
	}
}

func TestFeedback(t *testing.T) {
	arf := func(fields string) *Input {
		in := letter("fbl@provider.example", "FW: Hello", "This is an email abuse report.")
		in.Type, in.ReportType = "multipart/report", "feedback-report"
		in.Parts = []Part{{"text/plain", nil}, {"message/feedback-report", []byte(fields)}, {"message/rfc822", []byte(quoted)}}
		return in
	}
	for fields, want := range map[string]string{
		"Feedback-Type: abuse\nVersion: 1\nOriginal-Rcpt-To: <Them@there.example>\n": "abuse them@there.example",
		"Feedback-Type: Opt-Out\nRemoval-Recipient: them@there.example\n":            "opt-out them@there.example",
		"Feedback-Type: auth-failure\nAuth-Failure: dmarc\n":                         "auth-failure them@there.example",
		"Feedback-Type: not-spam\n":                                                  "not-spam them@there.example",
		"Feedback-Type: fraud\n":                                                     "fraud them@there.example",
		"Feedback-Type: virus\n":                                                     "virus them@there.example",
		"Feedback-Type: something-new\n":                                             "other them@there.example",
		"User-Agent: none\n":                                                         "abuse them@there.example",
	} {
		r := Parse(arf(fields))
		if r == nil || r.Kind != Feedback || r.FeedbackType+" "+r.OriginalRcpt != want || r.MessageID != "abc.123@here.example" {
			t.Errorf("%q: %+v, want %s", fields, r, want)
		}
	}
	in := letter("staff@provider.example", "complaint about message from 192.0.2.7", "")
	in.Parts = []Part{{"message/rfc822", []byte("X-HmXmrOriginalRecipient: them@there.example\n" + quoted)}}
	if r := Parse(in); r == nil || r.Kind != Feedback || r.FeedbackType != "abuse" {
		t.Errorf("a complaint without fields: %+v", r)
	}
}

func TestSNS(t *testing.T) {
	const bounce = `{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"them@there.example","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]},` +
		`"mail":{"messageId":"0001-ses","destination":["them@there.example"],"commonHeaders":{"subject":"Hello","messageId":"<abc.123@here.example>"}}}`
	envelope := `{"Type":"Notification","Message":"` + strings.ReplaceAll(bounce, `"`, `\"`) + `"}`
	for name, text := range map[string]string{"plain": bounce + "\n\n--\nfooter", "envelope": envelope, "broken line": strings.Replace(bounce, "Permanent", "Perma!\n nent", 1)} {
		in := letter("no-reply@sns.provider.example", "AWS Notification Message", text)
		r := Parse(in)
		if r == nil || r.Kind != Failure || len(r.Recipients) != 1 || r.MessageID != "abc.123@here.example" || r.OriginalSubject != "Hello" {
			t.Fatalf("%s: %+v", name, r)
		}
		if c := r.Recipients[0]; c.Address != "them@there.example" || c.Status != "5.1.1" || c.SMTPCode != "550" || c.Reason != UserUnknown || !c.Hard {
			t.Errorf("%s: %+v", name, c)
		}
	}
	for kind, want := range map[string]string{
		`{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"a@b.example"}],"complaintFeedbackType":"not-spam"}}`: "feedback not-spam",
		`{"notificationType":"Delivery","delivery":{"recipients":["a@b.example"],"smtpResponse":"250 ok"}}`:                                         "success ",
		`{"eventType":"DeliveryDelay","deliveryDelay":{"delayType":"MailboxFull","delayedRecipients":[{"emailAddress":"a@b.example"}]}}`:            "delay ",
	} {
		if r := Parse(letter("x@y.example", "", kind)); r == nil || r.Kind+" "+r.FeedbackType != want {
			t.Errorf("%s: %+v, want %s", kind, r, want)
		}
	}
	if r := Parse(letter("x@y.example", "", `{"notificationType":"AmazonSnsSubscriptionSucceeded"}`)); r != nil {
		t.Errorf("not about a letter: %+v", r)
	}
}

// TestLimits feeds what no honest system would send.
func TestLimits(t *testing.T) {
	var fields strings.Builder
	for i := range 3 * maxRecipients {
		fmt.Fprintf(&fields, "Final-Recipient: rfc822; u%d@there.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 %s\n\n", i, strings.Repeat("no ", 20))
	}
	for name, in := range map[string]*Input{
		"many recipients":  report(strings.Repeat("<a@b.example>: no\n", 100000), fields.String(), quoted),
		"long address":     report("", "Final-Recipient: rfc822; "+strings.Repeat("a", 1<<20)+"@b.example\nAction: failed\n", ""),
		"long diagnostic":  report("", "Final-Recipient: rfc822; a@b.example\nAction: failed\nDiagnostic-Code: smtp; "+strings.Repeat("550 x ", 1<<18), ""),
		"controls":         report("could not be delivered", "Final-Recipient: rfc822; a\x00b@c.example\nAction: failed\nDiagnostic-Code: smtp; 550 \x1b[31m\x07\u202ebad\xff\xfe\nRemote-MTA: dns; a\x00b\n", "Message-ID: <a\x00\r\n b@c>\nSubject: =?utf-8?q?a=00=0Ab?=\nFrom: x\n"),
		"at signs":         letter("MAILER-DAEMON@x.example", "failure notice", strings.Repeat("@", 1<<20)),
		"one endless line": letter("MAILER-DAEMON@x.example", "failure notice", strings.Repeat("a@b.example ", 1<<17)),
		"many headings":    letter("MAILER-DAEMON@x.example", "failure notice", strings.Repeat("Received: x\nTo: y\n", 1<<15)),
		"deep JSON":        letter("x@y.example", "", `{"notificationType":`+strings.Repeat("[", 1<<17)),
	} {
		t.Run(name, func(t *testing.T) { checkReport(t, Parse(in)) })
	}
}

// checkReport fails if a report holds what nobody downstream should have to deal with.
func checkReport(t *testing.T, r *Report) {
	t.Helper()
	if r == nil {
		return
	}
	if len(r.Recipients) > maxRecipients {
		t.Errorf("%d recipients", len(r.Recipients))
	}
	text := []string{r.Kind, r.MessageID, r.OriginalRcpt, r.OriginalSubject, r.FeedbackType}
	for _, c := range r.Recipients {
		text = append(text, c.Address, c.OriginalAddress, c.Action, c.Status, c.SMTPCode, c.Diagnostic, c.RemoteMTA, c.Reason)
		if c.Hard && c.Reason != UserUnknown && c.Reason != HostUnknown && c.Reason != Moved {
			t.Errorf("hard, but %s", c.Reason)
		}
	}
	for _, s := range text {
		if len(s) > maxDiagnostic || !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
			t.Errorf("unclean: %.100q", s)
		}
	}
	switch r.Kind {
	case Failure, Delay, Success, Feedback:
	default:
		t.Errorf("kind %q", r.Kind)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("MAILER-DAEMON@x.example", "failure notice", "Hi.\n<a@b.example>:\n550 5.1.1 no such user\n\n--- Below this line is a copy of the message.\n\n"+quoted, "", "", byte(0))
	f.Add("x@y.example", "Delivery Status Notification (Delay)", "delayed", "Final-Recipient: rfc822; a@b.example\nAction: delayed\nStatus: 4.4.1\n", quoted, byte(1))
	f.Add("x@y.example", "", `{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"a@b"}]}}`, "", "", byte(0))
	f.Add("x@y.example", "complaint about message from 192.0.2.1", "", "Feedback-Type: abuse\nOriginal-Rcpt-To: a@b.example\n", "Subject: =?utf-8?b?AA==?=\n", byte(2))
	f.Fuzz(func(t *testing.T, from, subject, text, fields, original string, kind byte) {
		in := letter(from, subject, text)
		in.NullSender = kind&4 != 0
		switch kind & 3 {
		case 1:
			in = report(text, fields, original)
		case 2:
			in.ReportType = "feedback-report"
			in.Parts = []Part{{"message/feedback-report", []byte(fields)}, {"text/rfc822-headers", []byte(original)}}
		}
		checkReport(t, Parse(in))
	})
}

func BenchmarkParse(b *testing.B) {
	in := report("I'm sorry to have to inform you that your message could not be delivered.\n\n<them@there.example>: host mx.there.example[192.0.2.7] said: 550 5.1.1 unknown user\n",
		"Reporting-MTA: dns; mx.here.example\n\nFinal-Recipient: rfc822; them@there.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown user\n", quoted)
	b.ReportAllocs()
	for b.Loop() {
		if Parse(in) == nil {
			b.Fatal("no report")
		}
	}
}

func BenchmarkParseManyRecipients(b *testing.B) {
	var text, fields strings.Builder
	for i := range maxRecipients {
		fmt.Fprintf(&text, "<u%d@there.example>: host mx.there.example[192.0.2.7] said: 550 5.1.1 unknown user\n", i)
		fmt.Fprintf(&fields, "Final-Recipient: rfc822; u%d@there.example\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550 %s\n\n", i, strings.Repeat("sorry ", 200))
	}
	in := report(text.String(), fields.String(), quoted)
	b.ReportAllocs()
	for b.Loop() {
		if Parse(in) == nil {
			b.Fatal("no report")
		}
	}
}
