package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

func verifyOne(t *testing.T, r dns.Resolver, raw []byte) Signature {
	t.Helper()
	out, _ := Parse(raw).Verify(t.Context(), r, testNow)
	if len(out) != 1 {
		t.Fatalf("%d signatures", len(out))
	}
	return out[0]
}

// What another program signs passes here, however it is canonicalised, and fails when a bit is changed.
func TestAgreesWithOtherSigner(t *testing.T) {
	k := keysOnce()
	raw := letter(testHeader, testBody)
	for _, headerCan := range []msgauth.Canonicalization{"simple", "relaxed"} {
		for _, bodyCan := range []msgauth.Canonicalization{"simple", "relaxed"} {
			for selector, signer := range map[string]crypto.Signer{"s": k.rsa, "e": k.ed25519} {
				t.Run(fmt.Sprintf("%s/%s/%s", headerCan, bodyCan, selector), func(t *testing.T) {
					var signed bytes.Buffer
					err := msgauth.Sign(&signed, bytes.NewReader(raw), &msgauth.SignOptions{
						Domain: "example.com", Selector: selector, Signer: signer, HeaderCanonicalization: headerCan, BodyCanonicalization: bodyCan,
						HeaderKeys: []string{"From", "From", "Subject", "To", "Date", "Cc"},
					})
					if err != nil {
						t.Fatal(err)
					}
					good := signed.Bytes()
					if s := verifyOne(t, zone(nil), good); s.Result != message.Pass || !s.Whole || s.Domain != "example.com" || s.Selector != selector || s.Identity != "@example.com" {
						t.Fatalf("%+v", s)
					}
					if s := verifyOne(t, zone(nil), unix(good)); s.Result != message.Pass {
						t.Errorf("with LF alone: %+v", s)
					}
					if s := verifyOne(t, zone(nil), append([]byte("From ann@example.com Mon Jan 6\r\n"), good...)); s.Result != message.Pass {
						t.Errorf("from an mbox: %+v", s)
					}
					for _, change := range [][2]string{{"Hello", "hello"}, {"A  folded", "B  folded"}, {"Ann", "Eve"}} {
						bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
						if s := verifyOne(t, zone(nil), bad); s.Result != message.Fail {
							t.Errorf("%s: %+v", change[1], s)
						}
					}
					added := append([]byte("From: Eve <eve@example.org>\r\n"), good...)
					if s := verifyOne(t, zone(nil), added); s.Result != message.Fail {
						t.Errorf("a From more: %+v", s)
					}
				})
			}
		}
	}
}

func TestSignature(t *testing.T) {
	k := keysOnce()
	public := rsaText(k.rsa)
	keys := zone(map[string]string{
		"strict":  "v=DKIM1; t=s; p=" + public,
		"testing": "v=DKIM1; t=y; p=" + public,
		"sha1":    "v=DKIM1; h=sha1; p=" + public,
		"web":     "v=DKIM1; s=web; p=" + public,
		"mail":    "v=DKIM1; s=web:email; h=sha1:sha256; p=" + public,
		"late":    "k=rsa; v=DKIM1; p=" + public,
		"other":   "v=DKIM1; p=" + rsaText(k.small),
		"gone":    "v=DKIM1; p=",
	})
	keys["two._domainkey.example.com"] = dns.Records{TXT: []string{"some other text", "v=DKIM1; p=" + rsaText(k.small), "v=DKIM1; p=" + public}}
	const base = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s; h=From:To:Subject:Date"
	swap := func(old, new string) string { return strings.Replace(base, old, new, 1) }
	for _, c := range []struct {
		name, tags string
		want       message.Result
		reason     string
	}{
		{"good", base, "pass", ""},
		{"white space everywhere", " v = 1 ; a =\r\n\trsa-sha256 ; c = relaxed/relaxed ;d=example.com; s = s; h = From :\r\n\t To : Subject:Date ", "pass", ""},
		{"upper-case domain", swap("d=example.com", "d=EXAMPLE.com"), "pass", ""},
		{"upper-case identity", base + "; i=Ann@Sub.EXAMPLE.COM", "pass", ""},
		{"quoted-printable identity", base + "; i=a=3Db@example.com", "pass", ""},
		{"a tag that ends in b", base + "; xb=keep; zb=this", "pass", ""},
		{"no version", swap("v=1; ", ""), "permerror", "version"},
		{"other version", swap("v=1", "v=2"), "permerror", "version"},
		{"unknown algorithm", swap("rsa-sha256", "rsa-sha512"), "permerror", "algorithm"},
		{"algorithm in capitals", swap("rsa-sha256", "RSA-SHA256"), "permerror", "algorithm"},
		{"sha1", swap("rsa-sha256", "rsa-sha1"), "permerror", "rsa-sha1"},
		{"key of another algorithm", swap("rsa-sha256", "ed25519-sha256"), "permerror", "another algorithm"},
		{"no domain", swap("d=example.com; ", ""), "permerror", "without d="},
		{"bad domain", swap("d=example.com", "d=exa mple..com"), "permerror", "domain name"},
		{"no selector", swap("s=s; ", ""), "permerror", "without s="},
		{"no h", swap("; h=From:To:Subject:Date", ""), "permerror", "without h="},
		{"From not signed", swap("h=From:", "h="), "permerror", "From"},
		{"empty h", swap("From:To:Subject:Date", ""), "permerror", "From"},
		{"Subject not signed", swap(":Subject", ""), "pass", "not all From and Subject"},
		{"too many names", base + strings.Repeat(":x", 200), "permerror", "names"},
		{"unknown canonicalization", swap("c=relaxed/relaxed", "c=nofws/relaxed"), "permerror", "canonicalization"},
		{"twice the same tag", base + "; s=s", "permerror", "tag list"},
		{"empty tag", base + ";; x=1", "permerror", "tag list"},
		{"identity elsewhere", base + "; i=@example.org", "permerror", "domain d="},
		{"identity that looks alike", base + "; i=@badexample.com", "permerror", "domain d="},
		{"identity without domain", base + "; i=ann", "permerror", "without a domain"},
		{"bad quoted-printable", base + "; i=a=zz@example.com", "permerror", "i="},
		{"expired", base + "; t=1600000000; x=1600003600", "fail", "expired"},
		{"not yet expired", base + "; t=1600000000; x=4100000000", "pass", ""},
		{"expires before made", base + "; t=1600000000; x=1600000000", "permerror", "before"},
		{"future", base + "; t=4000000600", "fail", "future"},
		{"a little ahead", base + "; t=4000000100", "pass", ""},
		{"time that is none", base + "; t=soon", "permerror", "t="},
		{"time with too many digits", base + "; x=99999999999999999999999", "pass", ""},
		{"query method", base + "; q=http/xml", "permerror", "query"},
		{"one query method of two", base + "; q=http/xml:dns/txt", "pass", ""},
		{"body hash of another", base + "; bh=" + base64Of(make([]byte, 32)), "fail", "body"},
		{"body hash that is none", base + "; bh=?", "permerror", "bh="},
		{"l of the whole body", base + "; l=30", "pass", ""},
		{"l too long", base + "; l=31", "permerror", "longer"},
		{"l of a part", base + "; l=5", "policy", "whole body"},
		{"l that is none", base + "; l=all", "permerror", "l="},
		{"no key", swap("s=s", "s=none"), "permerror", "no key"},
		{"key not available", swap("s=s", "s=slow"), "temperror", "not available"},
		{"strict key, same domain", swap("s=s", "s=strict") + "; i=ann@example.com", "pass", ""},
		{"strict key, subdomain", swap("s=s", "s=strict") + "; i=ann@sub.example.com", "permerror", "subdomains"},
		{"testing key", swap("s=s", "s=testing"), "pass", ""},
		{"key for sha1 alone", swap("s=s", "s=sha1"), "permerror", "sha256"},
		{"key for the web", swap("s=s", "s=web"), "permerror", "mail"},
		{"key for mail too", swap("s=s", "s=mail"), "pass", ""},
		{"key with its version late", swap("s=s", "s=late"), "permerror", "version"},
		{"another key", swap("s=s", "s=other"), "fail", "match"},
		{"revoked key", swap("s=s", "s=gone"), "permerror", "revoked"},
		{"several records", swap("s=s", "s=two"), "pass", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := ""
			if _, err := parseTags(c.tags); err == nil {
				header = sign(t, "DKIM-Signature", c.tags, testHeader, testBody, k.rsa)
			} else {
				header = "DKIM-Signature: " + c.tags + "; bh=AAAA; b=AAAA\r\n" + testHeader
			}
			s := verifyOne(t, keys, letter(header, testBody))
			if s.Result != c.want || !strings.Contains(s.Reason, c.reason) || c.reason == "" && s.Reason != "" {
				t.Errorf("got %s (%s), want %s (%s)", s.Result, s.Reason, c.want, c.reason)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	k := keysOnce()
	header := sign(t, "DKIM-Signature", "v=1; a=rsa-sha256; d=example.com; s=s; h=from:subject; i=a=3D=\r\n\t20b@Sub.example.com", testHeader, testBody, k.rsa)
	s := verifyOne(t, zone(nil), letter(header, testBody))
	if s.Result != message.Pass || s.Identity != "a= b@Sub.example.com" || s.Algorithm != "rsa-sha256" || s.KeyBits != 2048 {
		t.Errorf("%+v", s)
	}
}

func TestWhole(t *testing.T) {
	k := keysOnce()
	for h, want := range map[string]bool{"from:subject": true, "from": false, "from:subject:subject": true, "from:from:subject": true} {
		header := sign(t, "DKIM-Signature", "v=1; a=rsa-sha256; d=example.com; s=s; h="+h, testHeader, testBody, k.rsa)
		if s := verifyOne(t, zone(nil), letter(header, testBody)); s.Result != message.Pass || s.Whole != want {
			t.Errorf("%s: %+v", h, s)
		}
	}
	header := sign(t, "DKIM-Signature", "v=1; a=rsa-sha256; d=example.com; s=s; h=from:subject", testHeader, testBody, k.rsa)
	if s := verifyOne(t, zone(nil), letter("Subject: another\r\n"+header, testBody)); s.Result != message.Pass || s.Whole {
		t.Errorf("with a Subject put on top: %+v", s)
	}
}

func TestNoBody(t *testing.T) {
	k := keysOnce()
	for _, c := range []string{"simple/simple", "simple/relaxed"} {
		header := sign(t, "DKIM-Signature", "v=1; a=rsa-sha256; c="+c+"; d=example.com; s=s; h=from:subject", testHeader, "", k.rsa)
		for _, raw := range []string{header, header + "\r\n", header + "\r\n\r\n\r\n"} {
			if s := verifyOne(t, zone(nil), []byte(raw)); s.Result != message.Pass {
				t.Errorf("%s: %+v", c, s)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	k := keysOnce()
	tags := "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s; h=from:subject:x-big"
	header := sign(t, "DKIM-Signature", tags, testHeader, testBody, k.rsa)
	field := strings.SplitAfterN(header, "From:", 2)[0]
	field = strings.TrimSuffix(field, "From:")
	for _, c := range []struct {
		name, header string
		want         message.Result
		count        int
	}{
		{"ten signatures of twelve", strings.Repeat(field, 12) + testHeader, message.Pass, 10},
		{"too many fields", header + strings.Repeat("X: y\r\n", 1000), message.PermError, 1},
		{"as many as may be", header + strings.Repeat("X: y\r\n", 1000-5), message.Pass, 1},
		{"too many octets", header + "X: " + strings.Repeat("y\r\n ", 90_000) + "\r\n", message.PermError, 1},
		{"a signed field too long", header + "X-Big: " + strings.Repeat("y", 33_000) + "\r\n", message.PermError, 1},
		{"a long field that is not signed", header + "X-Other: " + strings.Repeat("y", 33_000) + "\r\n", message.Pass, 1},
		{"a long signature", "DKIM-Signature: " + strings.Repeat(" ", 33_000) + field[16:] + testHeader, message.PermError, 1},
	} {
		out, _ := Parse(letter(c.header, testBody)).Verify(t.Context(), zone(nil), testNow)
		if len(out) != c.count {
			t.Errorf("%s: %d signatures", c.name, len(out))
			continue
		}
		for _, s := range out {
			if s.Result != c.want {
				t.Errorf("%s: %+v", c.name, s)
			}
		}
	}
}

// A header that is too large must not hide the From fields.
func TestLateFrom(t *testing.T) {
	l := Parse([]byte(strings.Repeat("X: y\r\n", 3000) + strings.Repeat("From: a@example.com\r\n", 5000) + "\r\n"))
	if n := len(l.All("from")); !l.TooLarge || n != 2 {
		t.Errorf("%d From fields", n)
	}
}

func TestKeySizes(t *testing.T) {
	text := func(n int) string {
		b := make([]byte, n/8)
		b[0], b[len(b)-1] = 0x80, 1
		k := rsa.PublicKey{N: bigFrom(b), E: 65537}
		der, err := x509.MarshalPKIXPublicKey(&k)
		if err != nil {
			t.Fatal(err)
		}
		return "v=DKIM1; p=" + base64Of(der)
	}
	pkcs1 := "p=" + base64Of(x509.MarshalPKCS1PublicKey(&keysOnce().rsa.PublicKey))
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for _, c := range []struct {
		name, txt string
		ok        bool
	}{
		{"512", text(512), false},
		{"1016", text(1016), false},
		{"1024", text(1024), true},
		{"4096", text(4096), true},
		{"4104", text(4104), false},
		{"65536", text(65536), false},
		{"PKCS 1", pkcs1, true},
		{"garbage", "v=DKIM1; p=AAAA", false},
		{"no base64", "v=DKIM1; p=???", false},
		{"no key", "v=DKIM1", false},
		{"empty", "", false},
		{"long", "p=" + base64Of(x509.MarshalPKCS1PublicKey(&keysOnce().rsa.PublicKey)) + "; n=" + strings.Repeat("x", 5000), false},
		{"unknown type", "k=dsa; p=AAAA", false},
		{"short ed25519", "k=ed25519; p=AAAA", false},
		{"ed25519", "k=ed25519; p=" + base64Of(ed.Public().(ed25519.PublicKey)), true},
		{"spaces", "v=DKIM1 ; p = " + strings.Join(strings.SplitAfter(rsaText(keysOnce().rsa), "A"), " "), true},
	} {
		if _, p := parseKey(c.txt); (p == nil) != c.ok {
			t.Errorf("%s: %v", c.name, p)
		}
	}
}

func TestCanonicalBody(t *testing.T) {
	for _, c := range []struct{ in, simple, relaxed string }{
		{"", "\r\n", ""},
		{"\r\n\r\n", "\r\n", ""},
		{" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"}, // RFC 6376 section 3.4.5
		{"a", "a\r\n", "a\r\n"},
		{"a\nb\n", "a\r\nb\r\n", "a\r\nb\r\n"},
		{"\r\na\r\n \r\n", "\r\na\r\n \r\n", "\r\na\r\n"},
		{"a\r\r\nb", "a\r\r\nb\r\n", "a\r\r\nb\r\n"},
		{strings.Repeat("\n", 1500) + "a", strings.Repeat("\r\n", 1500) + "a\r\n", strings.Repeat("\r\n", 1500) + "a\r\n"},
		{"\t a\t\tb ", "\t a\t\tb \r\n", " a b\r\n"},
	} {
		for _, relaxed := range []bool{false, true} {
			want := c.simple
			if relaxed {
				want = c.relaxed
			}
			var b bytes.Buffer
			if n := writeBody(&b, []byte(c.in), relaxed); b.String() != want || n != int64(b.Len()) {
				t.Errorf("%q relaxed=%v: %q (%d), want %q", c.in, relaxed, b.String(), n, want)
			}
		}
	}
}

func TestCanonicalField(t *testing.T) {
	for _, c := range []struct{ in, simple, relaxed string }{
		{"A: X", "A: X", "a:X"},
		{"B : Y\t\r\n\tZ  ", "B : Y\t\r\n\tZ  ", "b:Y Z"},
		{"C:\n d\n\te", "C:\r\n d\r\n\te", "c:d e"},
		{"D:", "D:", "d:"},
		{"E: a\rb", "E: a\rb", "e:a\rb"},
	} {
		if got := string(appendField(nil, []byte(c.in), false)); got != c.simple {
			t.Errorf("simple %q: %q", c.in, got)
		}
		if got := string(appendField(nil, []byte(c.in), true)); got != c.relaxed {
			t.Errorf("relaxed %q: %q", c.in, got)
		}
	}
}
