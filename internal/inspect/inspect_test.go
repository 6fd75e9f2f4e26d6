package inspect

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"mxdesk/internal/message"
)

// TestKeys: every key is there for any letter, null where a value does not apply, never null for a list or a text.
func TestKeys(t *testing.T) {
	nullable := map[string]bool{"message_id": true, "date": true, "from": true, "sender": true, "bounce": true, "auth": true}
	for _, letter := range []string{"", "\x00\xff", "From: a@b.example\n\nHello\n"} {
		var out bytes.Buffer
		if err := New(message.Read([]byte(letter), message.Envelope{}), Options{}).Write(&out); err != nil {
			t.Fatal(err)
		}
		var obj map[string]any
		if err := json.Unmarshal(out.Bytes(), &obj); err != nil {
			t.Fatal(err)
		}
		for _, key := range strings.Fields("schema message_id in_reply_to references thread_refs date from sender reply_to to cc subject subject_clean subject_commands text reply_text " +
			"quoted_text signature html_sanitized attachments kind kind_signals bounce auth warnings") {
			v, found := obj[key]
			if !found || v == nil && !nullable[key] {
				t.Errorf("%q: %s is %v, found %v", letter, key, v, found)
			}
		}
	}
}

func TestObject(t *testing.T) {
	letter := "From: Ann <ann@example.com>\nSubject: Re: Printer #close#\nMessage-ID: <a@b>\nDate: Mon, 6 Jan 2025 10:00:00 +0100\n" +
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello <b>\n--b\nContent-Type: image/png; name=x.png\n\nabc\n--b--\n"
	verdict := &message.Verdict{SPF: message.SPF{Result: message.Pass}}
	obj := New(message.Read([]byte(letter), message.Envelope{}), Options{
		Verdict: verdict,
		Commands: func(subject string) (string, []Command) {
			return strings.TrimSuffix(subject, " #close#"), []Command{{Name: "close"}}
		},
	})
	if obj.SubjectClean != "Printer" || len(obj.SubjectCommands) != 1 || *obj.Date != "2025-01-06T10:00:00+01:00" || *obj.MessageID != "a@b" || obj.From.Name != "Ann" {
		t.Errorf("%+v", obj)
	}
	a := obj.Attachments[0]
	if a.Size != 3 || a.SHA256 != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" || a.Filename != "x.png" {
		t.Errorf("%+v", a)
	}
	if obj.Auth.DKIM == nil || verdict.DKIM != nil {
		t.Error("no signatures are an empty list in the object, and the verdict is not changed")
	}
	var out bytes.Buffer
	if err := obj.Write(&out); err != nil || !strings.Contains(out.String(), "Hello <b>") || !strings.HasSuffix(out.String(), "}\n") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// TestReport: a delivery report fills the bounce object.
func TestReport(t *testing.T) {
	letter := "From: MAILER-DAEMON@example.com\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\n" +
		"Reporting-MTA: dns; x.example\n\nFinal-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.1.1\n\n--b--\n"
	obj := New(message.Read([]byte(letter), message.Envelope{NullSender: true}), Options{})
	if obj.Kind != "bounce" || obj.Bounce == nil || len(obj.Bounce.FinalRecipients) != 1 {
		t.Fatalf("%+v", obj)
	}
	r := obj.Bounce.FinalRecipients[0]
	if r.Address != "bob@example.net" || r.Status != "5.1.1" || r.Reason == nil || *r.Reason != "user_unknown" || !r.Hard || obj.Bounce.OriginalMessageID != nil {
		t.Errorf("%+v", r)
	}
}
