package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os/exec"
	"strings"

	"mxdesk/internal/dns"
)

// forgeResults writes as the agent with results that somebody else is said to have found: an Authentication-Results field of
// a server that the organisation believes, and ARC chains in the name of a sealer that it believes.
func (a *attack) forgeResults(ctx context.Context, f *findings) {
	t := a.open(ctx, f, "Forged results")
	results := "Authentication-Results: " + forwarder + "; dkim=pass header.d=staff.test header.s=s; spf=pass smtp.mailfrom=" + agent
	received := "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000"
	n := 0
	write := func(what, ip, above string) {
		n++
		letter := above + "\r\n" + a.letter(agent, fmt.Sprintf("#close# [#%d] Forged results", t.number), "forged words", "References: "+t.messageID)
		a.submit(ctx, envelope{ip: ip, from: "list@lists.test", to: support, letter: letter})
		a.untouched(ctx, f, t, what)
	}
	write("results of the forwarder, from a stranger", strangerIP, results)
	write("results of our own", forwarderIP, strings.Replace(results, forwarder, "mx.example.test", 1))
	write("results of the forwarder below a hop", forwarderIP, received+"\r\n"+results)
	write("results of a name that begins like his", forwarderIP, strings.Replace(results, forwarder, forwarder+".evil.test", 1))
	write("results of somebody above", forwarderIP, "Authentication-Results: evil.test; none ("+forwarder+"; dkim=pass header.d=staff.test)")
	write("results in quotes", forwarderIP, "Authentication-Results: \"evil.test\r\n "+forwarder+"\"; dkim=pass header.d=staff.test")
	write("results for another domain", forwarderIP, strings.ReplaceAll(results, "staff.test", "evil.test"))
	write("results in a comment", forwarderIP, "Authentication-Results: "+forwarder+"; dkim=fail (; dkim=pass header.d=staff.test)")
	write("results that say DMARC passed", forwarderIP, "Authentication-Results: "+forwarder+"; dmarc=pass header.from=staff.test")
	for _, c := range a.forgedChains(ctx, f) {
		write(c.what, strangerIP, c.fields)
	}
	f.note("%d forged results", n)
	// The forwarder himself is believed, or nothing was tried.
	letter := results + "\r\n" + a.letter(agent, fmt.Sprintf("#close# [#%d] Forged results", t.number), "Real words.", "References: "+t.messageID)
	f.want("the forwarder", a.submit(ctx, envelope{ip: forwarderIP, from: "list@lists.test", to: support, letter: letter}), "250")
	if n := a.number(ctx, f, `SELECT count(*) FROM tickets WHERE number = $1 AND status = 'closed'`, t.number); n != 1 {
		f.add("the forwarder was not believed: nothing was tried")
	}
}

// chain is the fields of an ARC chain.
type chain struct{ what, fields string }

// forgedChains are chains in the sealer's name without his key, and a good one of somebody who is not believed.
func (a *attack) forgedChains(ctx context.Context, f *findings) (list []chain) {
	passed := "; dkim=pass header.d=staff.test header.s=s; spf=pass smtp.mailfrom=" + agent
	set := func(i int, domain, cv string) string {
		return fmt.Sprintf("ARC-Seal: i=%[1]d; a=rsa-sha256; cv=%[3]s; d=%[2]s; s=s; t=1700000000; b=AAAA\r\n"+
			"ARC-Message-Signature: i=%[1]d; a=rsa-sha256; c=relaxed/relaxed; d=%[2]s; s=s; h=from:subject; bh=AAAA; b=AAAA\r\n"+
			"ARC-Authentication-Results: i=%[1]d; mx.%[2]s%[4]s", i, domain, cv, passed)
	}
	list = []chain{
		{"a chain with nonsense for signatures", set(1, sealer, "none")},
		{"a chain that begins with pass", set(1, sealer, "pass")},
		{"a chain of two", set(2, sealer, "pass") + "\r\n" + set(1, "client.test", "none")},
		{"results without a seal", "ARC-Authentication-Results: i=1; mx." + sealer + passed},
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if !f.check("a key", err) {
		return list
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if !f.check("a key", err) {
		return list
	}
	record := dns.Records{TXT: []string{"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)}}
	a.publish(dns.Fake{"s._domainkey.unlisted.test": record, "s._domainkey." + sealer: {TXT: []string{"v=DKIM1; k=rsa; p="}}})
	good, err := sealed(ctx, key, "unlisted.test", "Authentication-Results: mx.unlisted.test"+passed+"\r\nFrom: "+agent+"\r\n\r\nforged words\r\n")
	if f.check("dkimpy seals", err) {
		list = append(list, chain{"a good chain of somebody else", good}, chain{"a good chain of somebody else, renamed", strings.ReplaceAll(good, "unlisted.test", sealer)})
	}
	return list
}

// sealed is the ARC set that dkimpy puts above a letter.
func sealed(ctx context.Context, key *rsa.PrivateKey, domain, letter string) (string, error) {
	const script = `import sys, dkim
letter, key, domain = sys.stdin.buffer.read(), sys.argv[1].encode(), sys.argv[2].encode()
sys.stdout.buffer.write(b"".join(dkim.arc_sign(letter, b"s", domain, key, b"mx." + domain, include_headers=[b"from"])))`
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "-c", script, string(private), domain)
	cmd.Stdin = strings.NewReader(letter)
	var words bytes.Buffer
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil || len(out) == 0 {
		return "", fmt.Errorf("dkimpy: %w: %s", err, words.Bytes())
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(string(out), "\r\n", "\n"), "\n", "\r\n")), nil
}
