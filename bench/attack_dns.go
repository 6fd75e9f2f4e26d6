package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"mxdesk/internal/dns"
)

// dnsWithin is how long a letter may take whose sender's DNS answers at once, however it is arranged.
const dnsWithin = 5 * time.Second

// hostileDNS writes from domains whose records cost a naive reader very many questions, or very much arithmetic.
func (a *attack) hostileDNS(ctx context.Context, f *findings) {
	zone := hostileZone()
	a.publish(zone)
	f.check("the DNS", a.signedBy(ctx, f, "bigkey.test"))
	for _, domain := range []string{"circle.test", "wide.test", "mx.wide.test", "voids.test", "macros.test", "chain.test", "long.test", "fails.test", "two.test", "octets.test", "pointer.test"} {
		from := "x@" + domain
		began, used := time.Now(), processCPU(a.in.cmd.Process.Pid)
		got := a.submit(ctx, envelope{ip: strangerIP, from: from, to: support})
		f.want("a letter from "+domain, got, "250|4")
		if took := time.Since(began); took > dnsWithin {
			f.add("a letter from %s took %v", domain, took)
		}
		if used = processCPU(a.in.cmd.Process.Pid) - used; used > bombCPU {
			f.add("a letter from %s took %.2f s CPU", domain, used)
		}
	}
}

// hostileZone holds the domains.
func hostileZone() dns.Fake {
	text := func(s ...string) dns.Records { return dns.Records{TXT: s, A: []string{"127.0.0.99"}} }
	repeat := strings.Repeat
	z := dns.Fake{
		"circle.test": text("v=spf1 include:circle.test redirect=circle.test"),
		"two.test":    text("v=spf1 -all", "v=spf1 +all"), "octets.test": text("v=spf1 \x00\xff\r\ninclude:x -all"),
		"macros.test": text("v=spf1 " + repeat("exists:%{ir}.%{l1r-}.%{d2}.%{h}.%{s}.macros.test ", 9) + "-all"),
		"long.test":   text("v=spf1 " + repeat("ip4:192.0.2.1 ", 1500) + "-all"), "fails.test": text("v=spf1 include:slow.test -all"), "slow.test": {Fail: true},
		"pointer.test": text("v=spf1 ptr -all"),
	}
	// A key of 64 Kbit: DER of a SEQUENCE of two INTEGERs, within a SubjectPublicKeyInfo as parsers take it.
	z["s._domainkey.bigkey.test"] = dns.Records{TXT: []string{"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(bigKey(8192))}}
	z["bigkey.test"] = text("v=spf1 -all")
	wide, voids := "v=spf1", "v=spf1"
	for i := range 10 {
		wide += fmt.Sprintf(" include:w%d.wide.test", i)
		voids += fmt.Sprintf(" a:nothing%d.voids.test", i)
		inner := "v=spf1"
		for j := range 10 {
			inner += fmt.Sprintf(" mx:m%d.wide.test", j)
		}
		z[fmt.Sprintf("w%d.wide.test", i)] = text(inner)
		var hosts []dns.MX
		for j := range 100 {
			hosts = append(hosts, dns.MX{Preference: uint16(j), Host: fmt.Sprintf("h%d.wide.test", j)})
		}
		z[fmt.Sprintf("m%d.wide.test", i)] = dns.Records{MX: hosts}
		z[fmt.Sprintf("c%d.chain.test", i)] = dns.Records{CNAME: fmt.Sprintf("c%d.chain.test", (i+1)%10)}
	}
	z["wide.test"], z["voids.test"], z["chain.test"] = text(wide), text(voids), text("v=spf1 a:c0.chain.test include:c1.chain.test -all")
	z["mx.wide.test"] = text("v=spf1 mx:m1.wide.test mx:m2.wide.test -all")
	return z
}

// bigKey is a public RSA key with a modulus of that many octets.
func bigKey(octets int) []byte {
	element := func(tag byte, content []byte) []byte {
		n := len(content)
		return append([]byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, content...)
	}
	modulus := append([]byte{0}, []byte(strings.Repeat("\xff", octets))...)
	key := element(0x30, append(element(0x02, modulus), 0x02, 0x03, 1, 0, 1))
	algorithm := []byte{0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00}
	return element(0x30, append(algorithm, element(0x03, append([]byte{0}, key...))...))
}

// signedBy sends a letter with eight signatures of the domain, as long as its key.
func (a *attack) signedBy(ctx context.Context, f *findings, domain string) error {
	from := "x@" + domain
	body := sha256.Sum256([]byte("words\r\n")) // right, so that the signature itself is looked at
	signature := "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=" + domain + "; s=s; h=from:subject; bh=" + base64.StdEncoding.EncodeToString(body[:]) + ";\r\n b=" +
		strings.ReplaceAll(wrapped(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x7f", 8192)))), "\r\n", "\r\n ")
	used := processCPU(a.in.cmd.Process.Pid)
	got := a.submit(ctx, envelope{ip: strangerIP, from: from, to: support, letter: a.letter(from, "A large key", "words", repeated(8, func(int) string { return signature })...)})
	f.want("a letter signed by a key of 64 Kbit", got, "250|55")
	if used = processCPU(a.in.cmd.Process.Pid) - used; used > bombCPU {
		return fmt.Errorf("signatures of a key of 64 Kbit took %.2f s CPU", used)
	}
	return nil
}
