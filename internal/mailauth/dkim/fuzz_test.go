package dkim

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"mxdesk/internal/message"
)

func bigFrom(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

// FuzzVerify: whatever a letter is, verifying it ends, keeps within its limits, and lets nothing pass that was not signed.
func FuzzVerify(f *testing.F) {
	k := keysOnce()
	f.Add(letter(sign(f, "DKIM-Signature", "v=1; a=rsa-sha256; c=relaxed/simple; d=example.com; s=s; h=from", testHeader, testBody, k.rsa), testBody))
	f.Add(letter(sealed(f, 2), testBody))
	f.Add([]byte("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=AA==; b=AA==\nFrom: a\n\nx"))
	f.Add([]byte("From x\nDKIM-Signature:\n b=;b=\r\n\r\n"))
	r := zone(nil)
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		out, _ := Parse(raw).Verify(t.Context(), r, testNow)
		if !bytes.Equal(raw, before) {
			t.Fatal("the letter has changed")
		}
		if len(out) > maxSignatures {
			t.Fatal("too many signatures")
		}
		for _, s := range out {
			if s.Result == "" || strings.ContainsAny(s.Domain+s.Selector+s.Identity+s.Algorithm, "\r\n\x00") {
				t.Fatalf("%+v", s)
			}
		}
	})
}

// FuzzTags: the value of b= lies where it is said to.
func FuzzTags(f *testing.F) {
	for _, s := range []string{"a=b", " a = b ; b = c d ;", "v=1;;", "b=", "b=x;c=\xc3\xbc", "a=b; a=c", "=x", "b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tags, err := parseTags(s)
		if err != nil {
			return
		}
		b, ok := tags.values["b"]
		if ok != (tags.bStart >= 0) || ok && trimFWS(s[tags.bStart:tags.bEnd]) != b {
			t.Fatalf("b= at %d to %d of %q", tags.bStart, tags.bEnd, s)
		}
	})
}

// FuzzKey: a key that is taken is within its bounds.
func FuzzKey(f *testing.F) {
	f.Add("v=DKIM1; k=rsa; p=" + rsaText(keysOnce().rsa))
	f.Add("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
	f.Add("k=rsa; t=s:y; h=sha256; s=*; n=x; p=")
	f.Fuzz(func(t *testing.T, txt string) {
		if k, p := parseKey(txt); p == nil && (k.public == nil || k.algorithm == "rsa" && (k.bits < minBits || k.bits > maxBits)) {
			t.Fatalf("%+v", k)
		}
	})
}

// FuzzBody holds the canonicalisation against a slow reading of RFC 6376 section 3.4.
func FuzzBody(f *testing.F) {
	for _, s := range []string{"", "\r\n", "a", " a  b \r\n\r\n", "a\nb\r\n \t\n", "\r", "\r\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, relaxed := range []bool{false, true} {
			var got bytes.Buffer
			writeBody(&got, []byte(body), relaxed)
			if want := slowBody(body, relaxed); got.String() != want {
				t.Fatalf("%q relaxed=%v: %q, want %q", body, relaxed, got.String(), want)
			}
		}
	})
}

func slowBody(body string, relaxed bool) string {
	body = strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\n", "\r\n")
	lines := strings.Split(body, "\r\n")
	if relaxed {
		for i, l := range lines {
			l = strings.ReplaceAll(l, "\t", " ")
			for strings.Contains(l, "  ") {
				l = strings.ReplaceAll(l, "  ", " ")
			}
			lines[i] = strings.TrimSuffix(l, " ")
		}
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 {
		if relaxed {
			return ""
		}
		return "\r\n"
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

// BenchmarkVerify is an ordinary letter with one RSA signature of 2048 bits.
func BenchmarkVerify(b *testing.B) {
	body := strings.Repeat("An ordinary line of an ordinary letter, which is not long.\r\n", 70)
	raw := letter(sign(b, "DKIM-Signature", "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s; h=from:to:subject:date", testHeader, body, keysOnce().rsa), body)
	r := zone(nil)
	b.ReportAllocs()
	for b.Loop() {
		if out, _ := Parse(raw).Verify(b.Context(), r, testNow); out[0].Result != message.Pass {
			b.Fatal(out)
		}
	}
}

// BenchmarkHostile are letters made to be slow; each must stay within 2 s and 8 times its size.
func BenchmarkHostile(b *testing.B) {
	const size = 25 << 20
	fill := func(prefix, unit string) []byte {
		return append([]byte(prefix), strings.Repeat(unit, size/len(unit))...)
	}
	k := keysOnce()
	var signatures strings.Builder
	for _, c := range []string{"simple/simple", "relaxed/relaxed", "simple/relaxed", "relaxed/simple", "simple/simple", "relaxed/relaxed", "simple/relaxed", "relaxed/simple", "simple", "relaxed"} {
		field := sign(b, "DKIM-Signature", "v=1; a=rsa-sha256; c="+c+"; d=example.com; s=s; h=from:subject"+strings.Repeat(":x", 190)+"; l=9", "From: a@b\r\n", "x", k.rsa)
		signatures.WriteString(strings.TrimSuffix(field, "From: a@b\r\n"))
	}
	names := "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; bh=AAAA; b=AAAA; h=from" + strings.Repeat(":x", 100_000) + "\r\n"
	for name, raw := range map[string][]byte{
		"many signatures, white space": fill(signatures.String()+"From: a@b\r\n\r\n", "x \t \r\n"),
		"many signatures, short lines": fill(signatures.String()+"From: a@b\r\n\r\n", "x\n"),
		"many signatures, empty lines": append(fill(signatures.String()+"From: a@b\r\n\r\n", "\n"), 'x'),
		"header without end":           fill("", "X: y\r\n"),
		"signatures without end":       fill("", "DKIM-Signature: b=\r\n"),
		"one field without end":        fill("DKIM-Signature: ", "\n b=;"),
		"tags":                         fill("DKIM-Signature: v=1", ";a=b"),
		"names":                        fill(names+"From: a\r\n\r\n", "x"),
		"colons":                       fill("", ":\n"),
		"spaces before the colon":      fill("X", " "),
		"fifty seals":                  fill(sealed(b, 50)+"\r\n", "x\r\n"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse(raw).Verify(b.Context(), zone(nil), testNow)
			}
		})
	}
}
