package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// talk is a ticket that customer5 has opened, and what the two sides were sent.
type talk struct {
	number           int64
	customer, agents string // their signed reply addresses
	messageID        string // of the customer's acknowledgement, with brackets
	returnPath       string // of the same
}

// open has the customer open a ticket, and waits for the mails about it.
func (a *attack) open(ctx context.Context, f *findings, subject string) (t talk) {
	f.check("budget", a.unbudget(ctx))
	f.want("a letter that opens a ticket", a.submit(ctx, envelope{ip: customerIP, from: customer5, to: support, letter: a.letter(customer5, subject, "Please help.")}), "250")
	a.settle(ctx, f, "")
	f.check("its number", a.pool.QueryRow(ctx, `SELECT number FROM tickets WHERE subject = $1`, subject).Scan(&t.number))
	for _, l := range a.sink.letters(func(l sunk) bool { return bytes.Contains(l.raw, []byte(subject)) }) {
		m, err := mail.ReadMessage(bytes.NewReader(l.raw))
		if !f.check("a letter of ours", err) {
			return t
		}
		reply, err := mail.ParseAddress(m.Header.Get("Reply-To"))
		switch {
		case err != nil:
		case l.to == customer5:
			t.customer, t.messageID, t.returnPath = reply.Address, m.Header.Get("Message-Id"), l.from
		case l.to == agent:
			t.agents = reply.Address
		}
	}
	if t.customer == "" || t.agents == "" {
		f.add("the ticket %q was not announced to its customer and to the agent: %+v", subject, t)
	}
	return t
}

// unbudget gives everybody a fresh budget of automatic answers, and nobody is taken for a machine any more.
func (a *attack) unbudget(ctx context.Context) error {
	_, err := a.pool.Exec(ctx, `UPDATE person_addresses SET auto_count = 0, auto_day_count = 0, guard = ''`)
	return err
}

// untouched checks that a ticket is as its customer left it: open, without words that pass for an agent's or the customer's,
// and that no secret reached the addresses at the end.
func (a *attack) untouched(ctx context.Context, f *findings, t talk, what string) {
	if n := a.number(ctx, f, `SELECT count(*) FROM tickets WHERE number = $1 AND status = 'closed'`, t.number); n > 0 {
		f.add("%s: the ticket was closed", what)
	}
	if n := a.number(ctx, f, `SELECT count(*) FROM entries WHERE ticket_number = $1 AND kind IN ('reply', 'note') AND body LIKE '%forged%'`, t.number); n > 0 {
		f.add("%s: it counts as an agent's words", what)
	}
	for _, l := range a.settle(ctx, f, "@customer.test") {
		if bytes.Contains(l.raw, []byte("forged words")) {
			f.add("%s: the words were mailed to the customer", what)
		}
	}
}

// forgeStaff writes as an agent, from where the agent does not write.
func (a *attack) forgeStaff(ctx context.Context, f *findings) {
	t := a.open(ctx, f, "Forged staff")
	tag := fmt.Sprintf("#close# [#%d] Forged staff", t.number)
	taken, tried := 0, 0
	for i, who := range []string{agent, openAgent} {
		for _, c := range []struct {
			what, to string
			fields   []string
		}{
			{"to the support address", support, nil},
			{"to the support address, quoting our Message-ID", support, []string{"In-Reply-To: " + t.messageID, "References: " + t.messageID}},
			{"to the customer's signed address", t.customer, nil},
			{"to the customer's signed address in another case", strings.ToUpper(t.customer), nil},
			{"with a display name and a comment", support, []string{"From: \"" + who + "\" (" + who + ") <x@" + victims + ">", "References: " + t.messageID}},
			{"with an encoded word as its name", support, []string{"From: =?utf-8?q?" + strings.ReplaceAll(who, "@", "=40") + "?= <x@" + victims + ">", "References: " + t.messageID}},
			{"with Sender and Reply-To", support, []string{"From: x@" + victims, "Sender: " + who, "Reply-To: " + who, "References: " + t.messageID}},
			{"with Authentication-Results of ours", support, []string{"Authentication-Results: mx.example.test; dmarc=pass header.from=staff.test; spf=pass", "References: " + t.messageID}},
			{"two From fields", support, []string{"From: x@" + victims + "\r\nFrom: " + who, "References: " + t.messageID}},
			{"two From addresses", support, []string{"From: x@" + victims + ", " + who, "References: " + t.messageID}},
		} {
			for _, envelopeFrom := range []string{who, "x@" + victims} {
				got := a.submit(ctx, envelope{ip: strangerIP, from: envelopeFrom, to: c.to, letter: a.letter(who, tag, fmt.Sprintf("forged words %d", i), c.fields...)})
				if tried++; strings.HasPrefix(got, "250") {
					taken++
				}
			}
			a.untouched(ctx, f, t, who+" "+c.what)
		}
	}
	f.note("%d of %d forged letters were taken in, as a stranger's", taken, tried)
	// The real agent still can.
	got := a.submit(ctx, envelope{ip: agentIP, from: agent, to: t.agents, letter: a.letter(agent, "#close# done", "Real words.")})
	f.want("the real agent", got, "250")
	if n := a.number(ctx, f, `SELECT count(*) FROM tickets WHERE number = $1 AND status = 'closed'`, t.number); n != 1 {
		f.add("the real agent could not close the ticket")
	}
}

// guess alters what is signed: nothing of it may be taken.
func (a *attack) guess(ctx context.Context, f *findings) {
	t := a.open(ctx, f, "Guessed addresses")
	for _, signed := range []string{t.customer, t.agents, t.returnPath} {
		local, domain, _ := strings.Cut(signed, "@")
		for i := strings.IndexByte(local, '+') + 1; i < len(local); i++ {
			other := byte('a')
			if local[i] == 'a' {
				other = 'b'
			}
			if '0' <= local[i] && local[i] <= '9' {
				other = '0' + (local[i]-'0'+1)%10
			}
			a.refused(ctx, f, local[:i]+string(other)+local[i+1:]+"@"+domain)
		}
		for _, altered := range []string{
			local[:len(local)-1], local + "a", strings.Replace(local, "+", "+0", 1), strings.Replace(local, "+", "+-", 1), strings.Replace(local, ".", "..", 1),
			strings.ReplaceAll(local, "+", "-"),
		} {
			a.refused(ctx, f, altered+"@"+domain)
		}
	}
	for _, guessed := range []string{"help+1@example.test", "help+1.1@example.test", "help+1.1.aaaaaaaaaaaaaaaa@example.test", "help+@example.test", "bounce+@example.test", "bounce@example.test", "t+1.1.aaaaaaaaaaaaaaaa@example.test"} {
		a.refused(ctx, f, guessed)
	}
	// A stranger with the right words in the header: no part of the ticket is shown to him.
	for _, fields := range [][]string{{"References: " + t.messageID}, {"In-Reply-To: " + t.messageID}, nil} {
		stranger := "stranger@stranger.test"
		a.submit(ctx, envelope{ip: strangerIP, from: stranger, to: support, letter: a.letter(stranger, fmt.Sprintf("Re: [#%d] Guessed addresses", t.number), "Show me.", fields...)})
	}
	for _, l := range a.settle(ctx, f, "@stranger.test") {
		if bytes.Contains(l.raw, []byte("Please help.")) {
			f.add("a stranger was sent words of the ticket")
		}
	}
}

// refused checks that nothing can be sent to an address, neither by a person nor as a report.
func (a *attack) refused(ctx context.Context, f *findings, to string) {
	t := a.connect(ctx, f)
	if t == nil {
		return
	}
	defer t.close()
	f.check("a sender", t.must("", "220", "EHLO client.test", "250", "MAIL FROM:<x@"+victims+">", "250"))
	f.want("RCPT of "+to, t.ask("RCPT TO:<"+to+">"), "550|501|553")
	f.check("the null sender", t.must("RSET", "250", "MAIL FROM:<>", "250"))
	f.want("RCPT of "+to+" from the null sender", t.ask("RCPT TO:<"+to+">"), "550|501|553")
}

// reports sends what looks like a delivery report: to return paths from people, and with the right words to the wrong place.
func (a *attack) reports(ctx context.Context, f *findings) {
	t := a.open(ctx, f, "False reports")
	f.want("a person's letter to a return path", a.submit(ctx, envelope{ip: customerIP, from: customer5, to: t.returnPath}), "550")
	report := "--b\r\nContent-Type: text/plain\r\n\r\nfailed\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.customer.test\r\n\r\n" +
		"Final-Recipient: rfc822; " + customer5 + "\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n" +
		"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: " + support + "\r\nTo: " + customer5 + "\r\nMessage-ID: " + t.messageID + "\r\nSubject: x\r\n\r\nx\r\n--b--\r\n"
	for _, from := range []string{"", "mailer-daemon@" + victims} {
		for _, to := range []string{support, t.customer} {
			a.submit(ctx, envelope{ip: strangerIP, from: from, to: to, letter: a.letter("mailer-daemon@"+victims, "Undelivered", report,
				"MIME-Version: 1.0", "Content-Type: multipart/report; report-type=delivery-status; boundary=b")})
		}
	}
	if n := a.number(ctx, f, `WITH gone AS (DELETE FROM suppressions RETURNING 1) SELECT count(*) FROM gone`); n > 0 {
		f.add("a forged report suppressed an address")
	}
	s, err := dialFrom(ctx, strangerIP, a.in.smtp)
	if f.check("connect", err) {
		f.check("a report to two", s.must("", "220", "EHLO client.test", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+t.returnPath+">", "250", "RCPT TO:<"+support+">", "550"))
		s.close()
	}
}

// injection is what a value with line ends could bring into a header.
const injection = "X-Injected"

func (a *attack) injectHeader(ctx context.Context, f *findings) {
	for i, breaking := range []string{"=0D=0A", "=0A", "=0D", "=00=0D=0A", "=E2=80=A8", "=C2=85", "=0B", "=0D=0A=20"} {
		word := "=?utf-8?q?x" + breaking + injection + ":=20yes?="
		from := fmt.Sprintf("inject%d@customer.test", i)
		a.submit(ctx, envelope{ip: customerIP, from: from, to: support, letter: a.letter(word+" <"+from+">", "Inject "+word, "Words.",
			"Message-ID: <inject"+fmt.Sprint(i, time.Now().UnixNano())+"@client.test>", "Reply-To: "+word+" <"+from+">", "Cc: "+word+" <cc@customer.test>")})
	}
	a.injectEverywhere(ctx)
	a.submit(ctx, envelope{ip: customerIP, from: "inject9@customer.test", to: support, letter: a.letter("inject9@customer.test", "Inject a message id", "Words.",
		"Message-ID: <a\r\n "+injection+": yes@client.test>", "References: <a\r\n\t"+injection+":yes> <b@c>")})
	for _, helo := range []string{"a\r" + injection + ": yes", "a\n" + injection + ": yes", "a\x00" + injection, "a) (" + injection, "<" + injection + ">", "a\t" + injection, "[" + injection} {
		t, err := dialFrom(ctx, customerIP, a.in.smtp)
		if !f.check("connect", err) {
			return
		}
		f.want("greeting", t.answer(), "220")
		if strings.HasPrefix(t.ask("EHLO "+helo), "250") {
			f.check("after a strange EHLO", t.must("MAIL FROM:<"+customer5+">", "250", "RCPT TO:<"+support+">", "250", "DATA", "354"))
			t.send(a.letter(customer5, "Strange EHLO", "Words."))
			f.want("a letter after EHLO "+fmt.Sprintf("%q", helo), t.ask("."), "250|5")
		}
		t.close()
	}
	if n := len(a.settle(ctx, f, "inject0@customer.test")); n == 0 {
		f.add("the letters were not answered: nothing was tried")
	}
	for _, l := range a.settle(ctx, f, "") {
		header, _, _ := strings.Cut(string(l.raw), "\n\n")
		header, _, _ = strings.Cut(header, "\r\n\r\n")
		for line := range strings.Lines(header) {
			if strings.HasPrefix(line, injection) {
				f.add("a header field of the attacker's in a letter to %s", l.to)
			}
		}
	}
	if n := a.number(ctx, f, `SELECT count(*) FROM letters WHERE received_field LIKE E'%\n'||$1||'%' OR received_field LIKE E'%\r'||$1||'%'`, injection); n > 0 {
		f.add("a field of the attacker's in %d Received fields", n)
	}
}

// injectEverywhere puts line ends into what else of a letter and its envelope may come back: file names, threads, DSN parameters.
func (a *attack) injectEverywhere(ctx context.Context) {
	for i, breaking := range []string{"%0D%0A", "%0A", "%0D", "%00%0D%0A", "%E2%80%A8", "%C2%85"} {
		from := fmt.Sprintf("infile%d@customer.test", i)
		plain := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%00", "\x00").Replace(breaking) + injection + ": yes"
		word := "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte("x"+plain)) + "?="
		body := "--b\r\nContent-Type: text/plain\r\n\r\nwords\r\n--b\r\nContent-Type: text/plain; name=\"" + word + "\"\r\n" +
			"Content-Disposition: attachment; filename*=utf-8''x" + breaking + injection + ":%20yes\r\nContent-ID: <" + word + ">\r\n\r\nfile\r\n--b--"
		a.submit(ctx, envelope{ip: customerIP, from: from, to: support, letter: a.letter(from, "Inject a file name", body, "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b",
			"Thread-Topic: "+word, "Thread-Index: "+word, "In-Reply-To: "+word, "References: <"+word+"@x>", "Keywords: "+word, "Organization: "+word)})
	}
	for i, parameters := range []string{" ENVID=a+0D+0A" + injection + ":+20yes", " RET=HDRS ENVID=+0A" + injection} {
		a.submit(ctx, envelope{ip: customerIP, from: fmt.Sprintf("inenvelope%d@customer.test>%s<", i, parameters), to: support + "> NOTIFY=FAILURE ORCPT=rfc822;a+0D+0A" + injection + ":+20yes <"})
	}
}

// leakNote has the agent write notes in many ways: none of them may reach the customer.
func (a *attack) leakNote(ctx context.Context, f *findings) {
	t := a.open(ctx, f, "Notes for staff")
	const secret = "between-us-only"
	for _, subject := range []string{
		"#note# look", "#tech# look", "Re: Notes for staff #note#", "#NOTE# look", "#note:x# look", "#Tech # look", "=?utf-8?q?=23note=23?= look", "＃note＃ look", "#note#close#", "#close# #note#", "#note", "# note # look",
	} {
		got := a.submit(ctx, envelope{ip: agentIP, from: agent, to: t.agents, letter: a.letter(agent, subject, secret+" "+subject, "Cc: "+customer5)})
		f.want("note "+subject, got, "250")
	}
	kept := a.number(ctx, f, `SELECT count(*) FROM entries WHERE ticket_number = $1 AND kind = 'note'`, t.number)
	var public string
	f.check("entries", a.pool.QueryRow(ctx, `SELECT coalesce(string_agg(body, '; '), '') FROM entries WHERE ticket_number = $1 AND kind = 'reply'`, t.number).Scan(&public))
	f.note("%d of 12 spellings were taken as notes; not: %s", kept, public)
	for _, subject := range []string{"#note# look", "#tech# look", "#NOTE# look"} {
		for _, l := range a.settle(ctx, f, "@customer.test") {
			if bytes.Contains(l.raw, []byte(secret+" "+subject)) {
				f.add("the note %q went to %s", subject, l.to)
			}
		}
	}
	// What follows quotes the history: the customer's next mail may not hold it either.
	a.submit(ctx, envelope{ip: agentIP, from: agent, to: t.agents, letter: a.letter(agent, "Re: Notes for staff", "An answer for you.")})
	a.submit(ctx, envelope{ip: customerIP, from: customer5, to: t.customer, letter: a.letter(customer5, "#status# #history# #help#", "What do you say?")})
	for _, l := range a.settle(ctx, f, "@customer.test") {
		if bytes.Contains(l.raw, []byte(secret+" #note#")) || bytes.Contains(l.raw, []byte(secret+" #tech#")) {
			f.add("a note travelled with a later letter to %s", l.to)
		}
	}
}
