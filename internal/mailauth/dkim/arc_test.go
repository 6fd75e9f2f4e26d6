package dkim

import (
	"strings"
	"testing"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

// sealed is a letter with a chain of n sets.
func sealed(t testing.TB, n int) string {
	header := testHeader
	for i := 1; i <= n; i++ {
		status := "pass"
		if i == 1 {
			status = "none"
		}
		header = seal(t, header, testBody, i, status)
	}
	return header
}

func TestChain(t *testing.T) {
	one, three := sealed(t, 1), sealed(t, 3)
	swap := func(s, old, new string) string { return strings.Replace(s, old, new, 1) }
	for _, c := range []struct {
		name, header string
		want         message.Result
		instances    int
		reason       string
	}{
		{"no chain", testHeader, "none", 0, ""},
		{"one set", one, "pass", 1, ""},
		{"three sets", three, "pass", 3, ""},
		{"body or header changed", swap(three, "Ann", "Eve"), "fail", 3, "message signature of instance 3"},
		{"an old set changed", swap(three, "i=1; example.com; dkim=pass", "i=1; example.com; dkim=fail"), "fail", 3, "seal of instance 3"},
		{"a seal missing", swap(three, "ARC-Seal: i=2", "X-Seal: i=2"), "fail", 3, "instance 2 is not complete"},
		{"a set missing", strings.NewReplacer(": i=2", ": i=4").Replace(three), "fail", 4, "instance 2"},
		{"twice the same instance", swap(three, "ARC-Seal: i=3", "ARC-Seal: i=2"), "fail", 3, "of its own"},
		{"instance 0", swap(one, "ARC-Seal: i=1", "ARC-Seal: i=0"), "fail", 1, "of its own"},
		{"instance 51", swap(one, "ARC-Seal: i=1", "ARC-Seal: i=51"), "fail", 1, "of its own"},
		{"results without instance", swap(one, "Results: i=1; ", "Results: "), "fail", 1, "of its own"},
		{"h= in a seal", swap(one, "cv=none;", "cv=none; h=from;"), "fail", 1, "h= in a seal"},
		{"seal signed by the message signature", swap(one, "h=from:subject", "h=from:subject:arc-seal"), "fail", 1, "ARC-Seal"},
		{"cv=pass at the beginning", swap(one, "cv=none", "cv=pass"), "fail", 1, "cv=pass"},
		{"cv=none later", swap(three, "cv=pass", "cv=none"), "fail", 3, "cv=none"},
		{"a sealer found it broken", swap(three, "cv=pass", "cv=fail"), "fail", 3, "found the chain broken"},
		{"cv of another kind", swap(one, "cv=none", "cv=maybe"), "fail", 1, "no cv="},
		{"key not available", strings.ReplaceAll(one, "s=s;", "s=slow;"), "temperror", 1, "not available"},
		{"no key", strings.ReplaceAll(one, "s=s;", "s=none;"), "fail", 1, "no key"},
		{"too many sets", strings.Repeat("ARC-Seal: i=1\r\n", 51) + testHeader, "fail", 0, "more than 50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := Parse(letter(c.header, testBody)).Verify(t.Context(), zone(nil), testNow)
			if got.Result != c.want || got.Instances != c.instances || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("%+v", got)
			}
		})
	}
	_, got := Parse(letter(three, testBody)).Verify(t.Context(), zone(nil), testNow)
	if strings.Join(got.Sealers, " ") != "example.com example.com example.com" {
		t.Errorf("sealers %v", got.Sealers)
	}
	if _, got := Parse(letter(one, testBody+"more")).Verify(t.Context(), zone(nil), testNow); got.Result != message.Fail {
		t.Errorf("longer body: %+v", got)
	}
}

// A chain of fifty sets is looked up and verified once each.
func TestLongChain(t *testing.T) {
	_, got := Parse(letter(sealed(t, 50), testBody)).Verify(dns.WithBudget(t.Context(), 1), zone(nil), testNow)
	if got.Result != message.Pass || got.Instances != 50 {
		t.Errorf("%+v", got)
	}
}
