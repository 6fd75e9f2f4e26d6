package main

import (
	"context"
	"fmt"
	"strings"
)

// proxyV2 is a header of the PROXY protocol, version 2, for TCP over IPv4: length octets of address and more are said, those given follow.
func proxyV2(length int, rest string) string {
	return "\r\n\r\n\x00\r\nQUIT\n\x21\x11" + string([]byte{byte(length >> 8), byte(length)}) + rest
}

// pretend names another client by the PROXY protocol: from where nobody is asked for it, and in ways that are none.
func (a *attack) pretend(ctx context.Context, f *findings) {
	const addresses = "\x7f\x00\x00\x06\x7f\x00\x00\x01\x03\xe8\x00\x19"
	v1 := "PROXY TCP4 " + agentIP + " 127.0.0.1 1000 25\r\n"
	for _, header := range []string{v1, proxyV2(12, addresses), "PROXY UNKNOWN\r\n", v1 + "EHLO x\r\n" + a.smuggled(500)} {
		a.spokeFirst(ctx, f, header)
	}
	t := a.connect(ctx, f)
	if t == nil {
		return
	}
	f.want("greeting", t.answer(), "220")
	f.want("PROXY as a command", t.ask(strings.TrimSpace(v1)), "5")
	t.close()
	for _, header := range []string{
		"EHLO x\r\n", "\r\n", "PROXY\r\n", "PROXY TCP4\r\n", "PROXY TCP4 999.0.0.6 127.0.0.1 1000 25\r\n", "PROXY TCP4 127.0.0.6 127.0.0.1 99999 25\r\n", "PROXY TCP4 ::1 127.0.0.1 1 25\r\n",
		"proxy TCP4 127.0.0.6 127.0.0.1 1000 25\r\n", "PROXY TCP4 127.0.0.6 127.0.0.1 1000 25\n", "PROXY TCP4 127.0.0.6\x00 127.0.0.1 1000 25\r\n",
		"PROXY TCP4 " + strings.Repeat("1", 5000) + "\r\n", "PROXY TCP4 127.0.0.6 127.0.0.1 1000 25 " + strings.Repeat("x", 200) + "\r\n",
		proxyV2(3, "abc"), proxyV2(65535, strings.Repeat("x", 65535)), strings.Replace(proxyV2(12, addresses), "\x21", "\x31", 1), strings.Replace(proxyV2(12, addresses), "\x11", "\x31", 1),
		v1 + "EHLO x\r\n" + a.smuggled(501), proxyV2(12, addresses) + a.smuggled(502), v1 + v1,
	} {
		a.proxied(ctx, f, header, "554|421|451||")
	}
	a.throughProxy(ctx, f, v1)
	a.checkSmuggled(ctx, f, "proxied")
}

// proxied connects as the proxy does.
func (a *attack) proxied(ctx context.Context, f *findings, header, begins string) *talker {
	t, err := dialFrom(ctx, proxyIP, a.in.smtp)
	if !f.check("connect", err) {
		return nil
	}
	t.send(header)
	f.want(fmt.Sprintf("the proxy says %.50q", header), t.answer(), begins)
	if begins != "220" {
		if got := t.answer(); got != "" {
			f.add("the proxy says %.50q: the connection goes on: %q", header, got)
		}
		t.close()
	}
	return t
}

// throughProxy is how it should be: the client is whom the proxy names, and the limits are his.
func (a *attack) throughProxy(ctx context.Context, f *findings, header string) {
	if t := a.proxied(ctx, f, header, "220"); t != nil {
		f.check("a letter through the proxy", t.must("EHLO client.test", "250", "MAIL FROM:<proxied@client.test>", "250", "RCPT TO:<"+support+">", "250", "DATA", "354"))
		t.send(a.letter("proxied@client.test", "Through a proxy", "Words."))
		f.want("a letter through the proxy", t.ask("."), "250")
		t.close()
	}
	if n := a.number(ctx, f, `SELECT count(*) FROM letters WHERE mail_from = 'proxied@client.test' AND received_field LIKE '%['||$1||']%'`, agentIP); n != 1 {
		f.add("the letter through the proxy does not name its client")
	}
	greeted := 0
	for range 40 {
		t, err := dialFrom(ctx, proxyIP, a.in.smtp)
		if !f.check("connect", err) {
			return
		}
		defer t.close()
		t.send("PROXY TCP4 127.0.0.88 127.0.0.1 1000 25\r\n")
		if strings.HasPrefix(t.answer(), "220") {
			greeted++
		}
	}
	if greeted == 0 || greeted > 30 {
		f.add("%d connections of one client behind the proxy; the limit is 30", greeted)
	}
}
