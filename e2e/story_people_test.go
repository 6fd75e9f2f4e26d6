//go:build linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// The people as their mail programs write them.
const (
	carl = "Carl Customer <carl@" + customerDomain + ">"
	dora = "Dora Döring <dora@" + customerDomain + ">"
	anna = "Anna Agent <anna@" + staffDomain + ">"
)

// says hands a letter of a person to his mail server.
func says(t *testing.T, w *world, from, to, letter string) {
	t.Helper()
	_, address, _ := strings.Cut(strings.TrimSuffix(from, ">"), "<")
	server := w.customers
	if strings.HasSuffix(address, staffDomain) {
		server = w.staff
	}
	server.send(t, address, to, letter)
}

// TestThreePeople: who is copied takes part; what is for staff stays with staff; who leaves is left alone.
func TestThreePeople(t *testing.T) {
	w := theWorld(t)
	d := newDesk(t, w)
	carlsBox, dorasBox, annasBox := w.customers.mailbox("carl"), w.customers.mailbox("dora"), w.staff.mailbox("anna")
	says(t, w, carl, d.support(), write(carl, d.support(), "Two keys", "We lost both.", "Cc: "+strings.ReplaceAll(dora, "ö", "oe")))
	notice := annasBox.await(t, d.name, 1)
	carlsBox.await(t, d.name, 1)

	// Anna notes something for her colleagues, and then answers everybody.
	to, text := answer(t, notice, anna, "Re: "+notice.get("Subject")+" #tech#", "They lose everything, every week.")
	says(t, w, anna, to, text)
	eventually(t, "the note is taken", func() bool { return len(d.letters(t)) == 2 })
	to, text = answer(t, notice, anna, "Re: "+notice.get("Subject"), "New keys are on their way.")
	says(t, w, anna, to, text)
	toCarl, toDora := carlsBox.await(t, d.name, 2), last(t, dorasBox, d.name, "New keys are on their way.")
	if !strings.Contains(toCarl.text, "New keys are on their way.") {
		t.Errorf("Carl reads:\n%s", toCarl.text)
	}
	if a, b := toCarl.address(t, "Reply-To").Address, toDora.address(t, "Reply-To").Address; a == b {
		t.Errorf("Carl and Dora answer to the same address %s", a)
	}

	// Dora leaves; Carl and Anna go on without her.
	to, text = answer(t, toDora, "dora@"+customerDomain, "Re: "+toDora.get("Subject")+" #unsubscribe#", "")
	says(t, w, dora, to, text)
	eventually(t, "Dora's letter is taken", func() bool { return len(d.letters(t)) == 4 })
	to, text = answer(t, notice, anna, "Re: "+notice.get("Subject")+" #close#", "Here they are.")
	says(t, w, anna, to, text)
	last(t, carlsBox, d.name, "Here they are.")
	d.awaitStatus(t, d.tickets(t)[0].ID, "closed")
	for _, l := range append(carlsBox.letters(t, d.name), dorasBox.letters(t, d.name)...) {
		if bytes.Contains(l.raw, []byte("lose everything")) || bytes.Contains(l.raw, []byte("#tech#")) {
			t.Errorf("a customer reads what is for staff:\n%s", l.raw)
		}
	}
	for _, x := range d.deliveries(t)[:1] {
		if x.Recipient != "carl@"+customerDomain {
			t.Errorf("the last letter went to %s too, who has left", x.Recipient)
		}
	}
	checkSignatures(t, w, d.name)
}

// last waits until a letter with the words has arrived.
func last(t *testing.T, box maildir, domain, words string) (found letter) {
	t.Helper()
	eventually(t, "a letter with "+words+" in "+box.dir, func() bool {
		for _, l := range box.letters(t, domain) {
			if strings.Contains(l.text, words) {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

// TestWordsAndFiles: words beyond ASCII and files come out on the other side as they went in, and signatures hold.
func TestWordsAndFiles(t *testing.T) {
	w := theWorld(t)
	d := newDesk(t, w)
	file := bytes.Repeat([]byte{0, 1, '\r', '\n', '.', 0xff}, 5000)
	const subject, words = "Drücker brennt 🔥 — schnell", "Größe: 30 cm.\n.\n..zwei Punkte am Anfang\nFrom here on: Ελληνικά"
	says(t, w, dora, d.support(), withFile(subject, words, file))
	notice := w.staff.mailbox("anna").await(t, d.name, 1)
	if !strings.Contains(notice.get("Subject"), subject) {
		t.Errorf("Subject: %q", notice.get("Subject"))
	}
	for line := range strings.Lines(words) {
		if !strings.Contains(notice.text, strings.TrimSpace(line)) {
			t.Errorf("the notification lacks %q:\n%s", line, notice.text)
		}
	}
	if got := notice.file("Übersicht.bin"); !bytes.Equal(got, file) {
		t.Errorf("the file has %d octets, and is not the one that was sent, of %d", len(got), len(file))
	}
	d.awaitDelivery(t, "dora@"+customerDomain, "delivered")
	checkSignatures(t, w, d.name)
}

// withFile writes Dora's letter with a file.
func withFile(subject, words string, data []byte) string {
	var encoded strings.Builder
	for text := base64.StdEncoding.EncodeToString(data); text != ""; {
		n := min(76, len(text))
		encoded.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	return "From: =?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte("Dora Döring")) + "?= <dora@" + customerDomain + ">\n" +
		"Subject: =?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(subject)) + "?=\nMessage-ID: <words@mailer.test>\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/mixed; boundary=border\n\n--border\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" +
		words + "\n--border\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n" +
		"Content-Disposition: attachment; filename*=utf-8''%C3%9Cbersicht.bin\n\n" + encoded.String() + "--border--\n"
}
