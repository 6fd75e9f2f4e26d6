package main

import (
	"context"
	"fmt"
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
