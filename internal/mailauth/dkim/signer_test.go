package dkim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"regexp"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"mxdesk/internal/message"
)

var signAt = time.Unix(1_767_323_045, 0)

func signingKeys() []SigningKey {
	k := keysOnce()
	return []SigningKey{{"example.com", "s", k.rsa}, {"example.com", "e", k.ed25519}}
}

// What we sign passes with another verifier and with ours, also when a relay has folded it anew, and no more when anything
// signed is changed or added.
func TestSign(t *testing.T) {
	names := []string{"From", "From", "Subject", "Subject", "To", "To", "Date", "Cc", "List-Unsubscribe-Post", "X-Twice", "X-Twice", "X-Twice"}
	for name, c := range map[string]struct{ header, body string }{
		"plain":       {testHeader, testBody},
		"no body":     {testHeader, ""},
		"empty lines": {testHeader, "\r\n\r\n"},
		"long":        {testHeader, strings.Repeat("a line  with spaces \r\n\r\n", 50_000)},
		"twice":       {testHeader + "X-Twice: one\r\nX-Twice:  two\r\n", testBody},
		"no line end": {testHeader, "last"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := letter(c.header, c.body)
			signatures, err := Sign(raw, names, signingKeys(), signAt)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Sign(raw, names, signingKeys(), signAt)
			if err != nil || !bytes.Equal(signatures, again) {
				t.Errorf("signed again, it is another: %v", err)
			}
			for line := range bytes.SplitSeq(signatures, crlf) {
				if len(line) > 78 {
					t.Errorf("a line of %d octets: %s", len(line), line)
				}
			}
			signed := append(signatures, raw...)
			expectBoth(t, "as sent", signed, true)
			head, body, _ := bytes.Cut(signed, []byte("\r\n\r\n"))
			folded := regexp.MustCompile(`\r\n[ \t]+`).ReplaceAll(head, []byte(" "))
			folded = regexp.MustCompile(`([;,]) `).ReplaceAll(folded, []byte("$1\r\n\t "))
			expectBoth(t, "folded anew", bytes.Join([][]byte{folded, body}, []byte("\r\n\r\n")), true)
			for _, field := range []string{"From: <eve@example.com>", "Cc: eve@example.com", "List-Unsubscribe-Post: List-Unsubscribe=One-Click", "X-Twice: three"} {
				expectBoth(t, field+" added", append([]byte(field+"\r\n"), signed...), false)
			}
			expectBoth(t, "another body", append(signed[:len(signed):len(signed)], "more\r\n"...), false)
			expectBoth(t, "another subject", bytes.Replace(signed, []byte("A  folded"), []byte("B  folded"), 1), false)
		})
	}
}

func expectBoth(t *testing.T, what string, raw []byte, pass bool) {
	t.Helper()
	ours, _ := Parse(raw).Verify(t.Context(), zone(nil), testNow)
	if len(ours) != 2 {
		t.Fatalf("%s: %d signatures", what, len(ours))
	}
	for _, s := range ours {
		if (s.Result == message.Pass) != pass || pass && (!s.Whole || s.Reason != "") {
			t.Errorf("%s: %+v", what, s)
		}
	}
	theirs, err := msgauth.VerifyWithOptions(bytes.NewReader(raw), &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		return zone(nil)[name].TXT, nil
	}})
	if err != nil || len(theirs) != 2 {
		t.Fatalf("%s: %d signatures, %v", what, len(theirs), err)
	}
	for _, v := range theirs {
		if (v.Err == nil) != pass || pass && !v.Time.Equal(signAt) {
			t.Errorf("%s: %v, made at %v", what, v.Err, v.Time)
		}
	}
}

func TestSignWithOddKeys(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw := letter(testHeader, testBody)
	if _, err := Sign(raw, []string{"From"}, []SigningKey{{"example.com", "x", other}}, signAt); err == nil {
		t.Error("signed with an algorithm that DKIM does not know")
	}
	long := SigningKey{strings.Repeat(strings.Repeat("d", 60)+".", 3) + "example", "s", keysOnce().rsa} // longer than a line
	signature, err := Sign(raw, []string{"From", strings.Repeat("X", 100)}, []SigningKey{long}, signAt)
	if err != nil || len(Parse(append(signature, raw...)).All("dkim-signature")) != 1 {
		t.Errorf("%s, %v", signature, err)
	}
}
