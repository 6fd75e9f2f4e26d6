//go:build linux

package e2e

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
)

// write composes the letter of a person's mail program.
func write(from, to, subject, body string, more ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: <%d@mailer.test>\n", from, to, subject, time.Now().Format(time.RFC1123Z), time.Now().UnixNano())
	for _, field := range more {
		b.WriteString(field + "\n")
	}
	b.WriteString("\n" + body + "\n")
	return b.String()
}

// answer composes the answer to a letter, as mail programs do: to Reply-To, quoting.
func answer(t *testing.T, l letter, from, subject, body string) (to, text string) {
	t.Helper()
	to = l.address(t, "Reply-To").Address
	quoted := "\n> " + strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(l.text, "\r", "")), "\n", "\n> ")
	id := l.header.Get("Message-ID")
	return to, write(from, to, subject, body+"\n\nOn Monday "+l.address(t, "From").String()+" wrote:"+quoted,
		"In-Reply-To: "+id, "References: "+strings.TrimSpace(l.header.Get("References")+" "+id))
}

// TestTicketFromFirstLetterToLast: a customer asks, is acknowledged, is answered, asks back, and reopens what an
// agent closed. Every hop is a real mail server, every hop is encrypted, every letter is signed.
func TestTicketFromFirstLetterToLast(t *testing.T) {
	w := theWorld(t)
	need(t, python, dkimpy, dnspython, nacl, perl, mailDKIM)
	d := newDesk(t, w)
	carlsBox, annasBox := w.customers.mailbox("carl"), w.staff.mailbox("anna")
	fromCarl := func(to, text string) { w.customers.send(t, "carl@"+customerDomain, to, text) }
	fromAnna := func(to, text string) { w.staff.send(t, "anna@"+staffDomain, to, text) }

	// Carl asks. He hears that his letter arrived, and Anna hears of the ticket.
	const conversation = "AdxOoJ7pMDEyMzQ1Njc4OTo7PD0+Pw=="
	fromCarl(d.support(), write(carl, d.support(), "Printer on fire", "It burns. What shall I do?", "Thread-Index: "+conversation))
	ack := carlsBox.await(t, d.name, 1)
	if ack.get("Auto-Submitted") != "auto-replied" || !strings.Contains(ack.get("Subject"), "Printer on fire") {
		t.Errorf("acknowledgement: Auto-Submitted %q, Subject %q", ack.get("Auto-Submitted"), ack.get("Subject"))
	}
	notice := annasBox.await(t, d.name, 1)
	if !strings.Contains(notice.text, "It burns. What shall I do?") {
		t.Errorf("the notification does not hold the words of the customer:\n%s", notice.text)
	}
	tickets := d.tickets(t)
	if len(tickets) != 1 || tickets[0].Status != "new" || tickets[0].Requester != "carl@"+customerDomain || tickets[0].Subject != "Printer on fire" {
		t.Fatalf("tickets: %+v", tickets)
	}
	number := tickets[0].ID

	// Anna answers her notification; Carl reads her words, and not that a machine passed them on.
	fromAnna(answer(t, notice, anna, "Re: "+notice.get("Subject"), "Pull the plug."))
	reply := carlsBox.await(t, d.name, 2)
	if !strings.Contains(reply.text, "Pull the plug.") || reply.get("Auto-Submitted") != "" || !strings.Contains(reply.address(t, "From").Name, "Anna Agent") {
		t.Errorf("the reply: From %q, Auto-Submitted %q:\n%s", reply.get("From"), reply.get("Auto-Submitted"), reply.text)
	}
	for _, l := range []letter{ack, notice, reply} {
		if l.get("Thread-Index") != conversation || l.get("Thread-Topic") != "Printer on fire" {
			t.Errorf("not in Carl's conversation: Thread-Index %q, Thread-Topic %q", l.get("Thread-Index"), l.get("Thread-Topic"))
		}
	}
	if !threaded(reply, ack) {
		t.Errorf("the reply does not refer to the acknowledgement:\n%s", reply.raw)
	}
	d.awaitStatus(t, number, "waiting")

	// Carl answers: the ticket is Anna's again.
	fromCarl(answer(t, reply, carl, "Re: "+reply.get("Subject"), "It still burns."))
	again := annasBox.await(t, d.name, 2)
	if !strings.Contains(again.text, "It still burns.") {
		t.Errorf("the notification of the answer:\n%s", again.text)
	}
	d.awaitStatus(t, number, "in_progress")

	// Anna closes it with a word. Carl reads it; the command is for mxdesk alone.
	fromAnna(answer(t, again, anna, "Re: "+again.get("Subject")+" #close#", "We sent you a new one."))
	d.awaitStatus(t, number, "closed")
	last := carlsBox.await(t, d.name, 3)
	if !strings.Contains(last.text, "We sent you a new one.") || strings.Contains(last.get("Subject"), "#close#") {
		t.Errorf("the last words: Subject %q:\n%s", last.get("Subject"), last.text)
	}

	// Carl reopens it with an answer, and a silent #close# of Anna's ends it.
	fromCarl(answer(t, last, carl, "Re: "+last.get("Subject"), "The new one burns too!"))
	third := annasBox.await(t, d.name, 3)
	d.awaitStatus(t, number, "in_progress")
	fromAnna(answer(t, third, anna, "#close# Re: "+third.get("Subject"), ""))
	d.awaitStatus(t, number, "closed")

	wantEntries(t, d.entries(t, number), []string{
		"message carl@customer.test: It burns. What shall I do?",
		"reply anna@staff.test: Pull the plug.",
		"message carl@customer.test: It still burns.",
		"reply anna@staff.test: We sent you a new one.",
		"event ticket.closed",
		"message carl@customer.test: The new one burns too!",
		"event ticket.reopened",
		"event ticket.closed",
	})
	if n := len(d.tickets(t)); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
	if n := len(carlsBox.letters(t, d.name)); n != 3 {
		t.Errorf("Carl got %d letters, want 3: the acknowledgement and two replies", n)
	}
	if n := len(annasBox.letters(t, d.name)); n != 3 {
		t.Errorf("Anna got %d letters, want 3: those that Carl caused", n)
	}
	checkEncrypted(t, d, 6, 6)
	t.Logf("signatures of %d letters were checked", checkSignatures(t, w, d.name))
}

func threaded(l, earlier letter) bool {
	return slices.Contains(strings.Fields(l.header.Get("References")), earlier.header.Get("Message-ID"))
}

// wantEntries compares words and chosen events with those of a ticket, in their order.
func wantEntries(t *testing.T, entries []entry, want []string) {
	t.Helper()
	var got []string
	for _, e := range entries {
		switch {
		case e.Kind != "event":
			got = append(got, fmt.Sprintf("%s %s: %s", e.Kind, e.Author, strings.TrimSpace(e.Text)))
		case e.Event == "ticket.closed" || e.Event == "ticket.reopened":
			got = append(got, "event "+e.Event)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the ticket holds\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// checkEncrypted: Postfix insists on TLS, and says so; what mxdesk sent says in its Received field how it came.
func checkEncrypted(t *testing.T, d *desk, in, out int) {
	t.Helper()
	sent := func() (n int) {
		for _, server := range []*postfixServer{d.w.customers, d.w.staff} {
			n += len(server.find("status=sent", "relay=mx."+d.name, "250 2.0.0 Accepted as "))
		}
		return n
	}
	// Postfix tells of a letter after mxdesk has it.
	eventually(t, fmt.Sprintf("Postfix tells that it sent %d letters to mxdesk", in), func() bool { return sent() >= in })
	if n := sent(); n != in {
		t.Errorf("Postfix sent %d letters to mxdesk, want %d", n, in)
	}
	for _, server := range []*postfixServer{d.w.customers, d.w.staff} {
		if len(server.find("TLS connection established to mx."+d.name)) == 0 {
			t.Errorf("the server of %s did not begin TLS with mxdesk\n%s", server.domain, server.logTail())
		}
	}
	received := 0
	for _, box := range []maildir{d.w.customers.mailbox("carl"), d.w.staff.mailbox("anna")} {
		for _, l := range box.letters(t, d.name) {
			received++
			trace := l.header["Received"][0]
			if !strings.Contains(trace, "TLSv1.3") || !strings.Contains(trace, "from mx."+d.name) {
				t.Errorf("%s came without TLS, or from somebody else: %s", l.path, trace)
			}
			if path, err := mail.ParseAddress(l.header.Get("Return-Path")); err != nil || !strings.HasPrefix(path.Address, "bounce+") {
				t.Errorf("%s has the return path %q", l.path, l.header.Get("Return-Path"))
			}
		}
	}
	if received != out {
		t.Errorf("%d letters arrived, want %d", received, out)
	}
	for _, x := range d.deliveries(t) {
		full := one[delivery](t, d, "/v1/deliveries/"+x.ID)
		if full.State != "delivered" || len(full.Log) != 1 || full.Log[0].Code != 250 || !strings.Contains(full.Log[0].TLS, "1.3") {
			t.Errorf("delivery: %+v", full)
		}
	}
}
