package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"time"
)

// ends are octets that some server takes for the end of data. Only CRLF.CRLF is one.
var ends = []string{
	"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\r\n.\r\n", "\r\n.\r\r\n", "\n.\r", "\r.\n", "\n\n.\r\n",
	"\r\n\x00.\r\n", "\r\n.\x00\r\n", "\x00\r\n.\r\n", "\r\n.\r\x00\n", "\r\n .\r\n", "\r\n. \r\n", "\r\n.\t\r\n", "\r\n..\r\n",
	"\r\n\x0b.\r\n", "\x85.\x85", "\xe2\x80\xa8.\xe2\x80\xa8", "\r\n.\n\r\n",
}

// smuggled is what would be a second letter if the end before it were one.
func (a *attack) smuggled(n int) string {
	from := fmt.Sprintf("smuggled%d@%s", n, victims)
	return "MAIL FROM:<" + from + ">\r\nRCPT TO:<" + support + ">\r\nDATA\r\n" + a.letter(from, "smuggled", "smuggled") + ".\r\nQUIT\r\n"
}

// checkSmuggled looks into the database: no smuggled letter, and each outer one once at most.
func (a *attack) checkSmuggled(ctx context.Context, f *findings, outer string) {
	if n := a.number(ctx, f, `SELECT count(*) FROM letters WHERE mail_from LIKE 'smuggled%'`); n > 0 {
		f.add("%d smuggled letters are in the database", n)
	}
	query := `SELECT coalesce(max(n), 0) FROM (SELECT count(*) n FROM letters WHERE mail_from LIKE $1 GROUP BY mail_from) AS outer_letters`
	if n := a.number(ctx, f, query, outer+"%"); n > 1 {
		f.add("an outer letter is there %d times", n)
	}
}

func (a *attack) smuggleData(ctx context.Context, f *findings) {
	a.smuggle(ctx, f, a.in.smtp, "EHLO", "outer")
}

// smuggleLMTP does the same to what mail servers of ours bring: they pass on what strangers wrote.
func (a *attack) smuggleLMTP(ctx context.Context, f *findings) {
	a.smuggle(ctx, f, a.lmtp, "LHLO", "inner")
}

func (a *attack) smuggle(ctx context.Context, f *findings, addr, hello, name string) {
	for i, end := range ends {
		for _, inOne := range []bool{true, false} {
			t, err := dialFrom(ctx, strangerIP, addr)
			if !f.check("connect", err) {
				return
			}
			outer := fmt.Sprintf("%s%d.%v@client.test", name, i, inOne)
			f.check(outer, t.must("", "220", hello+" client.test", "250", "MAIL FROM:<"+outer+">", "250", "RCPT TO:<"+support+">", "250", "DATA", "354"))
			letter := strings.TrimSuffix(a.letter(outer, "outer", "words"), "\r\n") + end
			if inOne {
				t.send(letter + a.smuggled(i))
			} else {
				t.send(letter)
				time.Sleep(20 * time.Millisecond)
				t.send(a.smuggled(i))
			}
			t.send("\r\n.\r\nQUIT\r\n")
			for got := t.answer(); got != ""; got = t.answer() {
				if strings.HasPrefix(got, "354") {
					f.add("%q: a second DATA was opened", end)
				}
			}
			t.close()
		}
	}
	a.checkSmuggled(ctx, f, name)
}

func (a *attack) smuggleChunks(ctx context.Context, f *findings) {
	for i, end := range ends {
		outer := fmt.Sprintf("chunk%d@client.test", i)
		body := a.letter(outer, "chunk", "words") + end
		inside := a.smuggled(i)
		for _, chunks := range []string{
			fmt.Sprintf("BDAT %d LAST\r\n%s", len(body+inside), body+inside),
			fmt.Sprintf("BDAT %d\r\n%sBDAT %d LAST\r\n%s", len(body), body, len(inside), inside),
			// A size that is none: what follows cannot be told from commands, so nothing may be run.
			fmt.Sprintf("BDAT %d LAST\r\n%s", 1<<62, inside),
			"BDAT -1 LAST\r\n" + inside, "BDAT 0x5 LAST\r\n" + inside, "BDAT 5LAST\r\n" + inside,
			"BDAT 99999999999999999999 LAST\r\n" + inside, "BDAT\r\n" + inside, "BDAT +5 LAST\r\n" + inside,
		} {
			t := a.upToRecipient(ctx, f, outer)
			if t == nil {
				return
			}
			t.send(chunks + "QUIT\r\n")
			t.conn.(interface{ CloseWrite() error }).CloseWrite() //nolint:errcheck // the answers tell
			for got := t.answer(); got != ""; got = t.answer() {
				if strings.HasPrefix(got, "354") {
					f.add("%.60q: a DATA was opened", chunks)
				}
			}
			t.close()
		}
	}
	a.checkSmuggled(ctx, f, "chunk")
}

// pause stops in the middle of a letter, longer than the server waits, and goes on with commands.
func (a *attack) pause(ctx context.Context, f *findings) {
	var all sync.WaitGroup
	for i, begin := range []string{"", "BDAT 5000 LAST\r\n", "BDAT 4\r\nFrom", "BDAT 5000\r\n"} {
		all.Go(func() {
			outer := fmt.Sprintf("paused%d@client.test", i)
			t := a.upToRecipient(ctx, f, outer)
			if t == nil {
				return
			}
			defer t.close()
			if begin == "" {
				f.check("DATA", t.must("DATA", "354"))
			}
			t.send(begin + a.letter(outer, "paused", "half of it")[:40])
			last := ""
			for got := t.answer(); got != ""; got = t.answer() {
				last = got
			}
			f.want("a pause after "+begin, last, "421")
			t.send("\r\n.\r\n" + a.smuggled(100+i))
			if got := t.answer(); got != "" {
				f.add("%q: after the timeout the connection still answers %q", begin, got)
			}
		})
	}
	all.Wait()
	a.checkSmuggled(ctx, f, "paused")
	if n := a.number(ctx, f, `SELECT count(*) FROM letters WHERE mail_from LIKE 'paused%'`); n > 0 {
		f.add("%d half letters were stored", n)
	}
}

// injectTLS sends commands behind STARTTLS in plaintext (CVE-2011-0411).
func (a *attack) injectTLS(ctx context.Context, f *findings) {
	for _, behind := range []string{"NOOP\r\n", "MAIL FROM:<smuggled200@" + victims + ">\r\n", "EHLO injected.test\r\nMAIL FROM:<smuggled201@" + victims + ">\r\nRCPT TO:<" + support + ">\r\n"} {
		t := a.connect(ctx, f)
		if t == nil {
			return
		}
		f.check("greeting", t.must("", "220", "EHLO client.test", "250"))
		t.send("STARTTLS\r\n" + behind)
		got := t.answer()
		f.want("STARTTLS with plaintext behind", got, "220|421|5||")
		if strings.HasPrefix(got, "220") {
			a.afterTLS(ctx, f, t, behind)
		}
		t.close()
	}
	t := a.connect(ctx, f)
	if t == nil {
		return
	}
	defer t.close()
	f.check("STARTTLS", t.must("", "220", "EHLO client.test", "250", "MAIL FROM:<before@"+victims+">", "250", "STARTTLS", ""))
	a.afterTLS(ctx, f, t, "MAIL before STARTTLS")
}

// afterTLS takes up TLS, if the server does, and looks what it remembers: nothing.
func (a *attack) afterTLS(ctx context.Context, f *findings, t *talker, what string) {
	conn := tls.Client(t.conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // ours, self-signed
	if err := conn.HandshakeContext(ctx); err != nil {
		return // refused to go on: as good
	}
	inside := over(conn)
	f.want(what+", then RCPT within TLS", inside.ask("RCPT TO:<"+support+">"), "503")
	f.want(what+", then MAIL within TLS before EHLO", inside.ask("MAIL FROM:<a@client.test>"), "503")
	f.want(what+", then EHLO within TLS", inside.ask("EHLO client.test"), "250")
	f.want(what+", then RCPT after EHLO", inside.ask("RCPT TO:<"+support+">"), "503")
}

func (a *attack) speakHTTP(ctx context.Context, f *findings) {
	for _, verb := range []string{"GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "DELETE", "PATCH", "TRACE", "get"} {
		t := a.connect(ctx, f)
		if t == nil {
			return
		}
		f.want("greeting", t.answer(), "220")
		f.want(verb, t.ask(verb+" / HTTP/1.1"), "554|421||")
		t.send("Host: mx.example.test\r\n\r\nEHLO x\r\n" + a.smuggled(300))
		if got := t.answer(); got != "" {
			f.add("%s: the connection goes on: %q", verb, got)
		}
		t.close()
	}
	// The other way a browser or TLS client comes: it speaks first.
	for _, first := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "SSH-2.0-x\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		a.spokeFirst(ctx, f, first)
	}
	a.checkSmuggled(ctx, f, "http")
}

func (a *attack) speakEarly(ctx context.Context, f *findings) {
	for _, first := range []string{"EHLO client.test\r\n", "\r\n", "E", "EHLO client.test\r\n" + a.smuggled(400)} {
		a.spokeFirst(ctx, f, first)
	}
	// Before the answer to a command that ends a pipeline.
	t := a.connect(ctx, f)
	if t == nil {
		return
	}
	defer t.close()
	f.want("greeting", t.answer(), "220")
	t.send("EHLO client.test\r\n" + a.smuggled(401))
	f.want("EHLO and more", t.answer(), "503|554|421")
	a.checkSmuggled(ctx, f, "early")
}

// spokeFirst speaks before the greeting: refused, and the connection ends.
func (a *attack) spokeFirst(ctx context.Context, f *findings, first string) {
	t := a.connect(ctx, f)
	if t == nil {
		return
	}
	defer t.close()
	t.send(first)
	f.want(fmt.Sprintf("%.20q before the greeting", first), t.answer(), "554|421||")
	if got := t.answer(); got != "" {
		f.add("%.20q: the connection goes on: %q", first, got)
	}
}
