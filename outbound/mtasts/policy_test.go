package mtasts

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseRecord(t *testing.T) {
	for _, c := range []struct {
		records []string
		want    string
	}{
		{[]string{"v=STSv1; id=20260101T000000;"}, "20260101T000000"},
		{[]string{"v=STSv1;id=a"}, "a"},
		{[]string{"v=STSv1 ; id=a ; extra=b"}, "a"},
		{[]string{"v=spf1 -all", "v=STSv1; id=a"}, "a"},
		{[]string{"v=STSv1; id=a", "v=STSv1; id=b"}, ""},
		{[]string{"v=STSv1; id=a", "v=STSv1; id=a"}, ""},
		{[]string{"v=STSv2; id=a"}, ""},
		{[]string{"v=STSv1"}, ""},
		{[]string{"v=STSv1; id="}, ""},
		{[]string{"v=STSv1; id=a-b"}, ""},
		{[]string{"v=STSv1; id=a; id=b"}, "a"},
		{[]string{"v=STSv1; id=" + strings.Repeat("x", 33)}, ""},
		{[]string{"id=a; v=STSv1"}, ""},
		{nil, ""},
	} {
		if got, ok := ParseRecord(c.records); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.records, got, ok, c.want)
		}
	}
}

const enforced = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmx: *.Example.net\nmax_age: 86400\n"

func TestParsePolicy(t *testing.T) {
	want := Policy{Mode: Enforce, MX: []string{"mx.example.com", "*.example.net"}, MaxAge: 24 * time.Hour}
	for _, text := range []string{
		enforced,
		strings.ReplaceAll(enforced, "\n", "\r\n"),
		strings.TrimSuffix(enforced, "\n"),
		"mode:enforce\nmode: none\n" + enforced + "no field\nunknown: x\nversion: STSv9\n\n",
	} {
		got, err := ParsePolicy(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
	if p, err := ParsePolicy("version: STSv1\nmode: none\nmax_age: 99999999999\n"); err != nil || p.MaxAge != maxAge*time.Second {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{
		"", "version: STSv1\n", "version: STSv1\nmode: enforce\nmax_age: 1\n",
		strings.Replace(enforced, "STSv1", "STSv2", 1), strings.Replace(enforced, "enforce", "maybe", 1),
		strings.Replace(enforced, "86400", "-1", 1), strings.Replace(enforced, "86400", "", 1),
		strings.Replace(enforced, "86400", "18446744073709551616", 1),
		strings.Replace(enforced, "mx.example.com", "mx_example!", 1), strings.Replace(enforced, "mx.example.com", "[192.0.2.1]", 1),
		strings.Replace(enforced, "mx.example.com", "*.*.com", 1), strings.Replace(enforced, "mx.example.com", "", 1),
		enforced + strings.Repeat("mx: a.example\n", maxHosts), enforced + strings.Repeat("x", maxPolicy),
	} {
		if p, err := ParsePolicy(bad); !errors.Is(err, ErrPolicy) {
			t.Errorf("%.80q: %+v, %v", bad, p, err)
		}
	}
}

func TestMatches(t *testing.T) {
	p := Policy{MX: []string{"mx.example.com", "*.example.net"}}
	for host, want := range map[string]bool{
		"mx.example.com": true, "MX.example.com": true, "mx2.example.com": false, "a.mx.example.com": false,
		"a.example.net": true, "a.b.example.net": false, "example.net": false, "aexample.net": false, "": false,
	} {
		if got := p.Matches(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(enforced)
	f.Add("version: STSv1\r\nmode: none\r\nmax_age: 0")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolicy(text)
		switch {
		case err != nil && !errors.Is(err, ErrPolicy):
			t.Errorf("error %v", err)
		case err == nil && (p.MaxAge < 0 || p.MaxAge > maxAge*time.Second || p.Mode != None && len(p.MX) == 0 || len(p.MX) > maxHosts):
			t.Errorf("policy %+v", p)
		}
		if id, ok := ParseRecord([]string{text}); ok && !validID(id) {
			t.Errorf("id %q", id)
		}
	})
}
