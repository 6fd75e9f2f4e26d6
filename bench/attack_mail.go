package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/mail"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// recipients asks for each address whether a letter may go there, and compares the answers' beginnings.
func (a *attack) recipients(ctx context.Context, f *findings, begins string, list ...string) {
	for _, r := range list {
		t := a.connect(ctx, f)
		if t == nil {
			return
		}
		f.check("a sender", t.must("", "220", "EHLO client.test", "250", "MAIL FROM:<x@"+victims+">", "250"))
		f.want(fmt.Sprintf("RCPT TO:%q", r), t.ask("RCPT TO:"+r), begins)
		t.close()
	}
}

func (a *attack) relay(ctx context.Context, f *findings) {
	a.recipients(ctx, f, "5",
		"<x@victim.test>", "<x%victim.test@example.test>", "<victim.test!x@example.test>", "<victim.test!x>", "<x@victim.test@example.test>",
		"<@example.test:x@victim.test>", "<@victim.test,@example.test:x@victim.test>", "<\"x@victim.test\"@example.test>", "<\"x@victim.test\">", "<x@[127.0.0.1]>",
		"<help@[127.0.0.1]>", "<help@[IPv6:::1]>", "<x@victim.test.>", "<x@example.test.victim.test>", "<x@victimexample.test>", "<help@sub.example.test>",
		"<help@examp\u04cfe.test>", "<help@xn--exampe-xyz.test>", "<help%example.test@victim.test>", "<help@example.test%victim.test>", "<help@example.test@victim.test>",
		"<help@example.test\\@victim.test>", "<\"help@example.test\\\\\"@victim.test>", "<help@example..test>", "<help@.example.test>", "<x>", "<>", "<@>", "<@example.test>", "<help@>",
		"<help@example.test,x@victim.test>", "<help@example.test;x@victim.test>", "<(c)x@victim.test>", "<x@victim.test(example.test)>", "<x/victim.test@example.test>",
		"<@victim.test:help@example.test@victim.test>", "<mx.example.test!help@victim.test>", "<postmaster@victim.test>", "<x@mx.example.test>", "<x@localhost>", "<root>")
	// The other spellings of our own address come to us or are refused; they never leave.
	a.recipients(ctx, f, "250|5", "<HELP@EXAMPLE.TEST>", "<help@Example.Test>", "<help@example.test.>", "<\"help\"@example.test>", "<@victim.test:help@example.test>", "<h\\elp@example.test>",
		"<help@\uff45xample.test>", "<postmaster>", "<Postmaster@example.test>")
	a.nothingTo(ctx, f, victims)
}

func (a *attack) oddAddresses(ctx context.Context, f *findings) {
	a.recipients(ctx, f, "5",
		"<help@example.test> RET=FULL", "<help@example.test> XYZ=1", "<help@example.test>RET=FULL", "<help@example.test> <x@victim.test>", "<help@example.test>,<x@victim.test>",
		"<help@example.test\x00>", "<help\x00@example.test>", "<help\x01@example.test>", "<he\x7flp@example.test>", "<help@exam\tple.test>", "<he lp@example.test>",
		"<h\xc3\xa9lp@example.test>", "<help@ex\xc3\xa4mple.test>", "<\xff\xfe@example.test>", "<help@example.test\x80>", "<help@example.test\x1b[2J>",
		"<"+strings.Repeat("a", 65)+"@example.test>", "<help@"+strings.Repeat("a.", 130)+"test>", "<\"a\x00b\"@example.test>", "<\"a\rb\"@example.test>", "<\"a\nb\"@example.test>",
		"help@example.test>", "<help@example.test", "help@example.test", "<<help@example.test>>")
	for _, from := range []string{
		"<a@b.test> SIZE=1 SIZE=2 X=Y", "<a@b.test> RET=FULL> X", "<a@b.test\x00>", "<a\x08@b.test>", "<\xe9@b.test>", "<a@b.test> BODY=EVIL", "<a@b.test> SIZE=-1", "<a@b.test> SIZE=99999999999999999999999",
		"<a@b.test> AUTH=<x", "<a b@c.test>", "a@b.test", "<a@b.test", "<a@b.test>>", "<a@b.test> RET=FULL\x00",
	} {
		t := a.connect(ctx, f)
		if t == nil {
			return
		}
		f.check("greeting", t.must("", "220", "EHLO client.test", "250"))
		f.want(fmt.Sprintf("MAIL FROM:%q", from), t.ask("MAIL FROM:"+from), "5")
		t.close()
	}
	// As the address that we answer: what is in it may not become a parameter or a second recipient.
	for i, from := range []string{"\"a> RET=FULL\"@customer.test", "\"a> <x@victim.test\"@customer.test", "\"x@victim.test\"@customer.test", "\"x,y\"@customer.test", "\"a b\"@customer.test"} {
		a.submit(ctx, envelope{ip: customerIP, from: from, to: support, letter: a.letter(from, fmt.Sprintf("Odd sender %d", i), "Words.")})
	}
	a.nothingTo(ctx, f, victims)
}

// nothingTo checks that nothing was ever sent to a domain.
func (a *attack) nothingTo(ctx context.Context, f *findings, domain string) {
	for _, l := range a.settle(ctx, f, domain) {
		f.add("a letter was sent to %s: %.200s", l.to, l.raw)
	}
}

// logLine is how every line of the log begins.
var logLine = regexp.MustCompile(`^(time=\d{4}-|\d{4}-|\d{4}/)`)

func (a *attack) injectLog(ctx context.Context, f *findings) {
	forged := "x\r\ntime=2024-01-01T00:00:00Z level=ERROR msg=forged"
	for _, cut := range []string{"\r\n", "\n", "\r", "\x1b[2J", "\u2028", "\x85", "\x00"} {
		text := strings.Replace(forged, "\r\n", cut, 1)
		t := a.connect(ctx, f)
		if t == nil {
			return
		}
		t.answer()
		for _, say := range []string{"EHLO " + text, "HELO \"" + text, "MAIL FROM:<" + text + ">", "RCPT TO:<" + text + ">", text, "VRFY " + text} {
			t.send(say + "\r\n")
			t.answer()
		}
		t.close()
		word := "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(text)) + "?="
		a.submit(ctx, envelope{ip: strangerIP, from: "log@client.test", to: support, letter: a.letter(word+" <log@client.test>", word, text, "Message-ID: <"+word+">")})
	}
	f.check("log", a.in.log.Sync())
	log, err := os.ReadFile(a.in.log.Name())
	if !f.check("log", err) {
		return
	}
	for line := range strings.Lines(string(log)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "time=2024") || strings.ContainsFunc(line, control) || !utf8.ValidString(line) || line != "" && !logLine.MatchString(line) && !strings.HasPrefix(line, "mxdesk") {
			f.add("a line of the log: %.120q", line)
		}
	}
}

func control(r rune) bool {
	return r != '\t' && (unicode.IsControl(r) || r == '\u2028' || r == '\u2029')
}

// loop plays robots against the automatic answers: one that says what it is, and one that does not.
func (a *attack) loop(ctx context.Context, f *findings) {
	f.check("guards", a.decide(ctx, `{"loop_guards": true}`))
	t := a.open(ctx, f, "Robots")
	before := len(a.settle(ctx, f, customer5))
	for _, mark := range []string{
		"Auto-Submitted: auto-replied", "Auto-Submitted: auto-generated", "Precedence: bulk", "Precedence: junk", "Precedence: list", "List-Id: <a.client.test>",
		"X-Auto-Response-Suppress: All", "X-Autoreply: yes", "X-Loop: help@example.test", "List-Unsubscribe: <mailto:x@client.test>", "Auto-Submitted: auto-notified",
	} {
		for _, to := range []string{support, t.customer} {
			a.submit(ctx, envelope{ip: customerIP, from: customer5, to: to, letter: a.letter(customer5, "Out of office", "I am away.", mark)})
		}
	}
	if n := len(a.settle(ctx, f, customer5)) - before; n > 0 {
		f.add("%d automatic letters were answered", n)
	}
	const rounds = 40
	for i := range rounds {
		from := "robot@customer.test"
		a.submit(ctx, envelope{ip: customerIP, from: from, to: support, letter: a.letter(from, fmt.Sprintf("Re: your letter %d", i), "Thank you for your letter.")})
	}
	answers := len(a.settle(ctx, f, "robot@customer.test"))
	f.note("%d letters of a robot that does not say so were answered %d times", rounds, answers)
	if answers > 10 {
		f.add("%d answers to one address within minutes", answers)
	}
	a.parrot(ctx, f)
	// Our own letter, coming back.
	for _, l := range a.sink.letters(func(l sunk) bool { return l.to == customer5 }) {
		got := a.submit(ctx, envelope{ip: strangerIP, from: customer5, to: support, letter: string(l.raw)})
		f.want("a letter of ours that comes back", got, "250|55")
		break
	}
	for _, from := range []string{support, t.customer, "postmaster@example.test"} {
		a.submit(ctx, envelope{ip: strangerIP, from: from, to: support, letter: a.letter(from, "From yourself", "Hello me.")})
	}
	for _, l := range a.settle(ctx, f, "@example.test") {
		f.add("we wrote to ourselves, %s", l.to)
	}
}

// parrot answers every letter of ours with the same words, to where answers are wanted; it says nowhere what it is.
func (a *attack) parrot(ctx context.Context, f *findings) {
	const from = "parrot@customer.test"
	f.check("budget", a.unbudget(ctx))
	to, seen := support, 0
	for range 15 {
		f.want("the parrot", a.submit(ctx, envelope{ip: customerIP, from: from, to: to, letter: a.letter(from, "I got your letter", "Hello, hello.")}), "250")
		letters := a.settle(ctx, f, from)
		if len(letters) == seen {
			continue
		}
		seen = len(letters)
		if m, err := mail.ReadMessage(bytes.NewReader(letters[seen-1].raw)); f.check("a letter of ours", err) {
			if reply, err := mail.ParseAddress(m.Header.Get("Reply-To")); err == nil {
				to = reply.Address
			}
		}
	}
	f.note("a robot that repeats itself was answered %d times", seen)
	if seen == 0 || seen > 3 {
		f.add("%d letters to a robot that repeats itself; a chain ends within 3", seen)
	}
}

func (a *attack) nullSender(ctx context.Context, f *findings) {
	for i, from := range []string{"null@customer.test", "null@client.test", "mailer-daemon@customer.test", "<>"} {
		a.submit(ctx, envelope{ip: customerIP, from: "", to: support, letter: a.letter(from, fmt.Sprintf("Null %d", i), "A letter that may have no answer.", "Return-Path: <null@customer.test>", "Reply-To: null@customer.test", "Errors-To: null@customer.test")})
	}
	for _, to := range []string{"null@customer.test", "null@client.test", "mailer-daemon@customer.test"} {
		for range a.settle(ctx, f, to) {
			f.add("the null sender was answered, at %s", to)
		}
	}
	for _, l := range a.settle(ctx, f, "") {
		if l.to == "" || l.to == "<>" {
			f.add("a letter of ours has no recipient")
		}
	}
}

// backscatter writes in the name of somebody whose domain forbids it: he may hear nothing of it.
func (a *attack) backscatter(ctx context.Context, f *findings) {
	a.recipients(ctx, f, "5", "<nobody@example.test>", "<help2@example.test>", "<help.@example.test>", "<mailer-daemon@example.test>")
	for i, to := range []string{support, "postmaster@example.test", "abuse@example.test", "nobody@example.test"} {
		forged := fmt.Sprintf("forged%d@%s", i, victims)
		a.submit(ctx, envelope{ip: strangerIP, from: forged, to: to, letter: a.letter(forged, fmt.Sprintf("Forged %d", i), "Words.", "Disposition-Notification-To: "+forged, "Return-Receipt-To: "+forged)})
	}
	big := strings.Repeat("w", 900) + "\r\n"
	refused := "refused@" + victims
	a.submit(ctx, envelope{ip: strangerIP, from: refused, to: support, letter: "Subject: no From\r\n\r\nx\r\n"})
	a.submit(ctx, envelope{ip: strangerIP, from: refused, to: support, letter: a.letter(refused, "big", strings.Repeat(big, 40000))})
	a.submit(ctx, envelope{ip: strangerIP, from: refused, to: support, letter: a.letter(refused, "bare", "a\nb")})
	a.nothingTo(ctx, f, victims)
}

// strictness feeds us what must not be passed on as it is, and looks at all that we have sent in this run.
func (a *attack) strictness(ctx context.Context, f *findings) {
	f.check("budget", a.unbudget(ctx))
	nasty := "one\rtwo\nthree\x00four\r.\r\n.\r\nfive " + strings.Repeat("long ", 5000) + "\r\n.\n.\r\n" + strings.Repeat("ü", 3000)
	for i, kind := range []string{"text/plain; charset=utf-8", "text/html; charset=utf-8", "application/octet-stream; name=\"a\rb\"", "message/rfc822", "text/plain; charset=utf-16"} {
		from := fmt.Sprintf("nasty%d@customer.test", i)
		got := a.submit(ctx, envelope{ip: customerIP, from: from, to: support, letter: a.letter(from, strings.Repeat("long=?utf-8?q?=00=0D.=0D?= ", 200), wrapped(base64.StdEncoding.EncodeToString([]byte(nasty))),
			"MIME-Version: 1.0", "Content-Type: "+strings.ReplaceAll(kind, "\r", " "), "Content-Transfer-Encoding: base64")})
		f.want("nasty content", got, "250")
		if len(a.settle(ctx, f, from)) == 0 {
			f.add("%s was not answered", from)
		}
	}
	faults := a.sink.listener.all()
	f.note("%d letters came out in this run", a.sink.total())
	if len(faults) > 0 {
		f.add("%d faults in what we sent, the first is %s", len(faults), faults[0])
	}
	for _, l := range a.sink.letters(func(sunk) bool { return true }) {
		header, _, _ := bytes.Cut(bytes.ReplaceAll(l.raw, []byte("\r\n"), []byte("\n")), []byte("\n\n"))
		if bytes.Count(header, []byte("\nFrom: ")) != 1 || !bytes.HasPrefix(header, []byte("DKIM-Signature: ")) {
			f.add("a letter to %s has not one From field, or no signature", l.to)
		}
	}
}

// loseDatabase kills PostgreSQL while letters come, not as often as makes mxdesk give up: none may be refused for good.
func (a *attack) loseDatabase(ctx context.Context, f *findings) {
	stop := time.After(15 * time.Second)
	kill := time.NewTicker(4 * time.Second)
	defer kill.Stop()
	counts := map[string]int{}
	for i := 0; ; i++ {
		select {
		case <-stop:
			f.note("answers while PostgreSQL was killed: %v", counts)
			return
		case <-kill.C:
			if pid := a.in.postmaster(); pid != 0 {
				syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it may be gone
			}
		default:
		}
		got := a.submit(ctx, envelope{ip: fmt.Sprintf("127.2.0.%d", 1+i%200), from: "trouble@client.test", to: support})
		code, _, _ := strings.Cut(got, " ")
		counts[code]++
		if strings.HasPrefix(got, "5") {
			f.add("while PostgreSQL was away: %s", got)
		}
		for _, word := range []string{"pgx", "sql", "postgres", "dial", "context", "EOF"} {
			if code != "250" && code != "dial" && strings.Contains(strings.ToLower(got), strings.ToLower(word)) {
				f.add("the answer tells of our inside: %s", got)
			}
		}
	}
}
