package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"mxdesk/internal/dns"
)

// testNow is the clock of the tests: later than that of other signers.
var testNow = time.Unix(4_000_000_000, 0)

type testKeys struct {
	rsa     *rsa.PrivateKey
	small   *rsa.PrivateKey
	ed25519 ed25519.PrivateKey
}

var keysOnce = sync.OnceValue(func() testKeys {
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return testKeys{big, small, ed}
})

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func rsaText(k *rsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		panic(err)
	}
	return base64Of(der)
}

// zone holds the keys of example.com: s (RSA), e (Ed25519), and those of the options.
func zone(more map[string]string) dns.Fake {
	k := keysOnce()
	f := dns.Fake{
		"s._domainkey.example.com":    {TXT: []string{"v=DKIM1; k=rsa; p=" + rsaText(k.rsa)}},
		"e._domainkey.example.com":    {TXT: []string{"v=DKIM1; k=ed25519; p=" + base64Of(k.ed25519.Public().(ed25519.PublicKey))}},
		"slow._domainkey.example.com": {Fail: true},
	}
	for name, txt := range more {
		f[name+"._domainkey.example.com"] = dns.Records{TXT: []string{txt}}
	}
	return f
}

const testHeader = "From: Ann <ann@example.com>\r\nTo: desk@example.net\r\nSubject: A  folded\r\n\tsubject \r\nDate: Mon, 06 Jan 2025 10:00:00 +0000\r\n"

const testBody = "Hello  there \t x\r\n\r\nSecond line\t\r\n \r\n\r\n"

// sign puts a signature field above the letter. The tags are those given, with bh= and b= added unless they are
// there; the algorithm of the key is up to the caller.
func sign(t testing.TB, name, tags, header, body string, private crypto.Signer) string {
	t.Helper()
	if !strings.Contains(tags, "bh=") && name != "ARC-Seal" {
		h := sha256.New()
		relaxed := strings.Contains(strings.ReplaceAll(tags, " ", ""), "/relaxed")
		writeBody(h, []byte(body), relaxed)
		tags += ";\r\n\tbh=" + base64Of(h.Sum(nil))
	}
	field := name + ": " + tags + ";\r\n\tb="
	l := Parse([]byte(field + "\r\n" + header + "\r\n" + body))
	c := &claim{field: &l.Fields[0]}
	var err error
	if c.tags, err = parseTags(string(l.Fields[0].Value)); err != nil {
		t.Fatalf("tags of the test: %v", err)
	}
	c.names = list(strings.ToLower(c.tags.values["h"]))
	if p := c.parseCanonical(c.tags.values["c"]); p != nil {
		c.relaxed.header = true // signed as anything, to be refused
	}
	sum, p := l.hashHeader(c)
	if p != nil {
		t.Fatalf("hash: %v", p.reason)
	}
	return field + base64Of(signSum(t, private, sum)) + "\r\n" + header
}

func signSum(t testing.TB, private crypto.Signer, sum [sha256.Size]byte) []byte {
	t.Helper()
	hash := crypto.Hash(crypto.SHA256)
	if _, ok := private.(ed25519.PrivateKey); ok {
		hash = 0
	}
	b, err := private.Sign(rand.Reader, sum[:], hash)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seal adds one ARC set to a letter.
func seal(t testing.TB, header, body string, n int, status string) string {
	t.Helper()
	k := keysOnce()
	header = sign(t, "ARC-Message-Signature", fmt.Sprintf("i=%d; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s; h=from:subject", n), header, body, k.rsa)
	header = fmt.Sprintf("ARC-Authentication-Results: i=%d; example.com; dkim=pass\r\n", n) + header
	field := fmt.Sprintf("ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=example.com; s=s;\r\n\tb=", n, status)
	l := Parse([]byte(field + "\r\n" + header + "\r\n" + body))
	ch := &chain{}
	sets := make([]set, maxSets+1)
	ch.collect(sets, // finds fault with the empty b= of the new seal, but keeps it
		l.All("arc-seal"), l.All("arc-message-signature"), l.All("arc-authentication-results"), testNow)
	h := sha256.New()
	var buf []byte
	for i := 1; i <= n; i++ {
		buf = append(appendField(buf[:0], sets[i].results.raw, true), crlf...)
		buf = append(appendField(buf, sets[i].message.field.raw, true), crlf...)
		if i < n {
			buf = append(appendField(buf, sets[i].seal.field.raw, true), crlf...)
		} else {
			buf = sets[i].seal.appendSelf(buf, true)
		}
		h.Write(buf)
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return field + base64Of(signSum(t, k.rsa, sum)) + "\r\n" + header
}

func letter(header, body string) []byte { return []byte(header + "\r\n" + body) }

// unix writes line ends as LF alone.
func unix(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }
