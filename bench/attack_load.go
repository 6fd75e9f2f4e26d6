package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// goodWithin is how long a good sender may wait for his 250 while others attack.
const goodWithin = time.Second

// good sends one letter from a network of its own, and takes it for a finding when that is slow or refused.
func (a *attack) good(ctx context.Context, f *findings, while string) {
	begin := time.Now()
	got := a.submit(ctx, envelope{ip: customerIP, from: customer5, to: support})
	took := time.Since(begin)
	f.want("a good sender while "+while, got, "250")
	if took > goodWithin {
		f.add("a good sender waited %v while %s", took.Round(time.Millisecond), while)
	}
	f.note("a good sender had his 250 after %v while %s", took.Round(time.Millisecond), while)
}

// hold opens connections; from names the client's address of each. It returns those that were greeted.
func (a *attack) hold(ctx context.Context, n int, from func(i int) string) (greeted []*talker) {
	var all sync.WaitGroup
	var mu sync.Mutex
	const dialers = 64
	for d := range dialers {
		all.Go(func() {
			for i := d; i < n && ctx.Err() == nil; i += dialers {
				t, err := dialFrom(ctx, from(i), a.in.smtp)
				if err != nil {
					continue
				}
				if !strings.HasPrefix(t.answer(), "220") {
					t.close()
					continue
				}
				mu.Lock()
				greeted = append(greeted, t)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return greeted
}

// crawl has very many senders of one network that say one octet at a time: in commands, in letters, in handshakes.
func (a *attack) crawl(ctx context.Context, f *findings) {
	open := a.hold(ctx, a.Slow, func(int) string { return "127.0.0.2" })
	f.note("%d of %d slow senders from one network were let in", len(open), a.Slow)
	if len(open) > 30 {
		f.add("%d connections from one network; the limit is 30", len(open))
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	var ended atomic.Int64
	for i, t := range open {
		all.Go(func() {
			defer t.close()
			text := "EHLO client.test and a name without end"
			switch i % 3 {
			case 1:
				f.check("a slow letter", t.must("EHLO client.test", "250", "MAIL FROM:<slow@client.test>", "250", "RCPT TO:<"+support+">", "250", "DATA", "354"))
				text = a.letter("slow@client.test", "slow", strings.Repeat("w", 1000))
			case 2:
				f.check("a slow handshake", t.must("EHLO client.test", "250", "STARTTLS", "220"))
				text = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
			}
			for j := 0; ; j = (j + 1) % len(text) {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
				}
				if _, err := t.conn.Write([]byte{text[j]}); err != nil {
					ended.Add(1)
					return
				}
			}
		})
	}
	for range 5 {
		a.good(ctx, f, "slow senders crawl")
		time.Sleep(200 * time.Millisecond)
	}
	wait := time.After(attackData + 25*time.Second)
	for ended.Load() < int64(len(open)) {
		select {
		case <-wait:
			f.add("%d of %d slow senders are still there", int64(len(open))-ended.Load(), len(open))
			close(stop)
			all.Wait()
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	close(stop)
	all.Wait()
}

// flood opens as many connections as the machine allows, 25 from each address.
func (a *attack) flood(ctx context.Context, f *findings) {
	n := min(a.Connections, openFiles()-500)
	idle := pss(a.in.cmd.Process.Pid)
	open := a.hold(ctx, n, func(i int) string { return fmt.Sprintf("127.1.%d.%d", i/25/250, 1+i/25%250) })
	grown := pss(a.in.cmd.Process.Pid) - idle
	f.note("%d of %d connections were open at one time; mxdesk grew by %d MB", len(open), n, grown>>20)
	for range 3 {
		a.good(ctx, f, "all these connections are open")
	}
	if len(open) > 0 && grown/int64(len(open)) > 64<<10 {
		f.add("%d KB of memory for each idle connection", grown/int64(len(open))>>10)
	}
	for _, t := range open {
		t.close()
	}
	a.good(ctx, f, "they all hang up")
}

// bombLimits: what one hostile letter may cost. Small letters are measured against a floor, below which the garbage
// collector decides.
const (
	bombCPU         = 2.0 // seconds
	bombMemoryTimes = 8
	bombMemoryFloor = 64 << 20
)

// bomb sends letters that cost a naive reader far more than their size, one at a time.
func (a *attack) bomb(ctx context.Context, f *findings) {
	pid := a.in.cmd.Process.Pid
	var worstCPU, worstMemory float64
	for _, b := range bombs() {
		letter := a.letter("bomber@client.test", b.name, b.body, b.fields...)
		resetPeak(pid)
		before, used := peak(pid), processCPU(pid)
		got := a.submit(ctx, envelope{ip: strangerIP, from: "bomber@client.test", to: support, letter: letter})
		used, grown := processCPU(pid)-used, peak(pid)-before
		f.want(b.name, got, "250|55")
		if used > bombCPU {
			f.add("%s, %d KB: %.2f s CPU", b.name, len(letter)>>10, used)
		}
		if limit := max(bombMemoryFloor, bombMemoryTimes*int64(len(letter))); grown > limit {
			f.add("%s, %d KB: %d MB of memory", b.name, len(letter)>>10, grown>>20)
		}
		worstCPU, worstMemory = max(worstCPU, used), max(worstMemory, float64(grown)/float64(max(len(letter), bombMemoryFloor/bombMemoryTimes)))
	}
	f.note("%d bombs; the worst took %.2f s CPU and %.1f times its size", len(bombs()), worstCPU, worstMemory)
	a.good(ctx, f, "bombs have gone off")
}

// bombLetter is one hostile letter.
type bombLetter struct {
	name, body string
	fields     []string
}

func bombs() []bombLetter {
	header := func(name string, fields ...string) bombLetter { return bombLetter{name, "words", fields} }
	mime := func(name, contentType, body string) bombLetter {
		return bombLetter{name, body, []string{"MIME-Version: 1.0", "Content-Type: " + contentType}}
	}
	repeat := strings.Repeat
	signature := "DKIM-Signature: v=1; a=rsa-sha256; d=client.test; s=s; bh=AAAA; b=AAAA; h=from"
	return []bombLetter{
		header("10,000 fields", repeated(10000, func(i int) string { return fmt.Sprintf("X-%d: y", i) })...),
		header("a signature over 20,000 names", append(repeated(900, func(i int) string { return fmt.Sprintf("X-%d: y", i) }), signature+repeat(":\r\n x", 20000))...),
		header("200 signatures", repeated(200, func(int) string { return signature + ":to:subject" })...),
		header("a field folded 60,000 times", "X-Folded: a"+repeat("\r\n b", 60000)),
		header("a field of 240 KB", "X-Long: "+repeat(repeat("w", 900)+"\r\n ", 260)),
		header("comments within comments", "References: "+repeat("(", 30000)+repeat(")\r\n ", 10)),
		header("5,000 references", "References:"+repeat(" <a.b.c@client.test>\r\n", 5000)),
		header("encoded words", "Subject: "+repeat("=?utf-8?q?=20?=\r\n ", 9000)),
		header("60 hops", repeated(60, func(int) string { return "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000" })...),
		header("10,000 people", "Cc: "+repeat("a@client.test,\r\n ", 10000)+"b@client.test"),
		mime("1,000,000 parts", `multipart/mixed; boundary=b`, repeat("--b\r\n\r\nx\r\n", 1000000)),
		mime("10,000 levels", `multipart/mixed; boundary=b0`, levels(10000)),
		mime("2,000 letters in letters", "message/rfc822", repeat("Content-Type: message/rfc822\r\n\r\n", 2000)),
		mime("25 MB of one line end", "text/plain", repeat("\r\n", 12<<20)),
		mime("25 MB of quotes", "text/plain", repeat(">>>>>>>>> a\r\n", 2<<20)),
		mime("a million tags that are not closed", "text/html", repeat("<div><b>\r\n", 2000000)),
		mime("deep HTML", "text/html", repeat("<div>", 200)+repeat("\r\n<div>", 3000000)),
		mime("HTML of attributes", "text/html", "<a "+repeat("a=\"&lt;\r\n", 800000)),
		mime("comments in HTML", "text/html", repeat("<!-- \r\n", 3000000)),
		mime("base64 that is none", "application/zip\r\nContent-Transfer-Encoding: base64", repeat("====A=B=\r\n", 1000000)),
		mime("25 MB of base64", "application/zip\r\nContent-Transfer-Encoding: base64", wrapped(base64.StdEncoding.EncodeToString(make([]byte, 18<<20)))),
		mime("quoted-printable of soft line ends", "text/plain\r\nContent-Transfer-Encoding: quoted-printable", repeat("=\r\n", 3000000)),
		mime("a boundary of 100 KB", "multipart/mixed; boundary="+repeat("b", 90000), repeat("--"+repeat("b", 90)+"\r\n", 1000)),
		mime("pieces of a file name", "application/zip"+strings.Join(repeated(5000, func(i int) string { return fmt.Sprintf(";\r\n name*%d*=%%41", i) }), ""), "x"),
		mime("a report of many recipients", "multipart/report; report-type=delivery-status; boundary=b",
			"--b\r\nContent-Type: message/delivery-status\r\n\r\n"+repeat("Final-Recipient: rfc822; a@client.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n", 200000)+"--b--\r\n"),
		mime("forwarded headers", "text/plain", repeat("-----Original Message-----\r\nFrom: a\r\nSent: b\r\nTo: c\r\nSubject: d\r\n", 200000)),
		mime("reply lines", "text/plain", repeat("On Mon, 1 Jan 2024, a wrote\r\n", 800000)),
	}
}

func repeated(n int, make func(i int) string) (list []string) {
	for i := range n {
		list = append(list, make(i))
	}
	return list
}

func levels(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	return b.String()
}

// wrapped cuts base64 into lines.
func wrapped(s string) string {
	var b strings.Builder
	for ; len(s) > 76; s = s[76:] {
		b.WriteString(s[:76] + "\r\n")
	}
	return b.String() + s
}

// resetPeak makes the kernel forget the highest memory that a process has had.
func resetPeak(pid int) {
	os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) //nolint:errcheck // then the figure is too high, which is told
}

// peak is the highest resident memory of a process in bytes, since resetPeak.
func peak(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}
