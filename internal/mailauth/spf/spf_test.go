package spf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	library "blitiri.com.ar/go/spf"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

// policy is a zone in which example.com has that policy.
func policy(t testing.TB, record, more string) dns.Fake {
	t.Helper()
	f, err := dns.ParseZone("example.com:\n- TXT: '" + strings.ReplaceAll(record, "'", "''") + "'\n" + more)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func check(t testing.TB, r dns.Resolver, ip string) message.SPF {
	t.Helper()
	return Check(t.Context(), r, Query{IP: netip.MustParseAddr(ip), Helo: "mail.example.net", MailFrom: "ann@example.com", Now: time.Unix(1_700_000_000, 0)})
}

const hosts = `
host.example.com:
- A: 192.0.2.1
- AAAA: 2001:db8::1
mx.example.com:
- MX: [10, gone.example.com]
- MX: [20, host.example.com]
nomx.example.com:
- MX: [0, "."]
slow.example.com:
- TIMEOUT: true
half.example.com:
- AAAA: 2001:db8::1
- TIMEOUT: true
pass.example.com:
- TXT: v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all
fail.example.com:
- TXT: v=spf1 -all exp=why.example.com
bad.example.com:
- TXT: v=spf1 nonsense
two.example.com:
- TXT: v=spf1 -all
- TXT: v=spf1 +all
`

func TestResults(t *testing.T) {
	for _, c := range []struct {
		record, ip string
		want       message.Result
		mechanism  string
	}{
		{"v=spf1", "192.0.2.1", "neutral", "default"},
		{"v=spf10 +all", "192.0.2.1", "none", ""},
		{"V=SPF1 ?ALL", "192.0.2.1", "neutral", "?ALL"},
		{"v=spf1 ~all", "192.0.2.1", "softfail", "~all"},
		{"v=spf1 ip4:192.0.2.1", "192.0.2.1", "pass", "ip4:192.0.2.1"},
		{"v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1", "pass", "ip4:192.0.2.1"},
		{"v=spf1 ip4:192.0.2.128/25 -all", "192.0.2.1", "fail", "-all"},
		{"v=spf1 ip4:0.0.0.0/0 -all", "2001:db8::1", "fail", "-all"},
		{"v=spf1 ip6:::/0 -all", "2001:db8::1", "pass", "ip6:::/0"},
		{"v=spf1 a:host.example.com -all", "192.0.2.1", "pass", "a:host.example.com"},
		{"v=spf1 a:host.example.com -all", "2001:db8::1", "pass", "a:host.example.com"},
		{"v=spf1 a:host.example.com/24//128 -all", "192.0.2.77", "pass", "a:host.example.com/24//128"},
		{"v=spf1 a:host.example.com/24 -all", "2001:db8::2", "fail", "-all"},
		{"v=spf1 a:half.example.com -all", "2001:db8::1", "pass", "a:half.example.com"},
		{"v=spf1 a:half.example.com -all", "192.0.2.1", "temperror", "a:half.example.com"},
		{"v=spf1 mx:mx.example.com -all", "192.0.2.1", "pass", "mx:mx.example.com"},
		{"v=spf1 mx:nomx.example.com -all", "192.0.2.1", "fail", "-all"},
		{"v=spf1 mx:slow.example.com -all", "192.0.2.1", "temperror", "mx:slow.example.com"},
		{"v=spf1 include:pass.example.com -all", "192.0.2.1", "pass", "include:pass.example.com"},
		{"v=spf1 include:fail.example.com ?all", "192.0.2.1", "neutral", "?all"},
		{"v=spf1 include:none.example.com ?all", "192.0.2.1", "permerror", "include:none.example.com"},
		{"v=spf1 include:bad.example.com ?all", "192.0.2.1", "permerror", "include:bad.example.com"},
		{"v=spf1 include:two.example.com ?all", "192.0.2.1", "permerror", "include:two.example.com"},
		{"v=spf1 include:slow.example.com ?all", "192.0.2.1", "temperror", "include:slow.example.com"},
		{"v=spf1 redirect=fail.example.com", "192.0.2.1", "fail", "-all"},
		{"v=spf1 redirect=none.example.com", "192.0.2.1", "permerror", ""},
		{"v=spf1 ?all redirect=fail.example.com", "192.0.2.1", "neutral", "?all"},
		{"v=spf1 redirect=example.com", "192.0.2.1", "permerror", ""},
		{"v=spf1 include:example.com -all", "192.0.2.1", "permerror", "include:example.com"},
		{"v=spf1 exists:host.example.com -all", "2001:db8::9", "pass", "exists:host.example.com"},
		{"v=spf1 exists:%{i}.none.example.com -all", "192.0.2.1", "fail", "-all"},
		{"v=spf1 a:long" + strings.Repeat("x", 60) + ".example.com -all", "192.0.2.1", "fail", "-all"},
		{"v=spf1 a:a..example.com -all", "192.0.2.1", "fail", "-all"},
		{"v=spf1 moo=%{l} -all", "192.0.2.1", "fail", "-all"},
		{"v=spf1" + strings.Repeat(" a:host.example.com", 10) + " -all", "192.0.2.9", "fail", "-all"},
		{"v=spf1" + strings.Repeat(" a:host.example.com", 11) + " -all", "192.0.2.9", "permerror", "a:host.example.com"},
		{"v=spf1 a:n1.example.com a:n2.example.com -all", "192.0.2.1", "fail", "-all"},
		{"v=spf1 a:n1.example.com a:n2.example.com a:n3.example.com -all", "192.0.2.1", "permerror", "a:n3.example.com"},
	} {
		got := check(t, policy(t, c.record, hosts), c.ip)
		if got.Result != c.want || got.Mechanism != c.mechanism || got.Domain != "example.com" || got.Identity != "mailfrom" {
			t.Errorf("%s from %s: %+v", c.record, c.ip, got)
		}
	}
}

// An error anywhere spoils the whole record, even behind what would match first.
func TestSyntaxErrors(t *testing.T) {
	for _, term := range []string{
		"all:x", "all/8", "allx", "include", "include:", "include/24", "include:example.com/24", "exists", "exists:x", "ptr:", "ptr/24",
		"a:", "a/33", "a/032", "a//129", "a/", "a:example.com/24x", "a:museum", "a:museum.", "a:1.2.3.4", "a:example.com:8080", "a:foo.-com",
		"mx/24/24", "ip4", "ip4:", "ip4:1.2.3", "ip4:1.2.3.4/33", "ip4:1.2.3.4/", "ip4:1.2.3.4//32", "ip4:::1", "ip4:01.2.3.4", "ip6:1.2.3.4", "ip6:::1/129",
		"ip6:::1%eth0", "nonsense", "nonsense:x", "redirect:example.com", "-redirect=example.com", "redirect=", "exp=", "=x", "1x=y",
		"redirect=a.example redirect=b.example", "exp=a.example exp=b.example",
		"a:%{x}.example.com", "a:%{d", "a:%(d).example.com", "a:%.example.com", "a:%{d0}.example.com", "a:%{c}.example.com", "a:%{dx}.example.com", "x=%{q}", "a:ex\x7fample.com", "a:ex\u00e4mple.com", "\ta",
	} {
		if _, err := parseRecord("v=spf1 -all " + term); !errors.Is(err, errSyntax) {
			t.Errorf("%q was taken", term)
		}
	}
	if got := check(t, policy(t, "v=spf1 +all nonsense", ""), "192.0.2.1"); got.Result != message.PermError {
		t.Errorf("%+v", got)
	}
}

func TestDomains(t *testing.T) {
	zone := policy(t, "v=spf1 +all", "xn--mnchen-3ya.example:\n- TXT: v=spf1 +all\nmail.example.net:\n- TXT: v=spf1 ~all\ncom:\n- TXT: v=spf1 +all\n")
	for _, c := range []struct {
		from, helo string
		want       message.Result
		domain     string
	}{
		{"ann@example.com", "", "pass", "example.com"},
		{"ann@EXAMPLE.com.", "", "pass", "EXAMPLE.com"},
		{`"a@example.org"@example.com`, "", "pass", "example.com"},
		{"ann@münchen.example", "", "pass", "xn--mnchen-3ya.example"},
		{"", "mail.example.net", "softfail", "mail.example.net"},
		{"", "[192.0.2.1]", "none", "[192.0.2.1]"},
		{"", "HOST", "none", "HOST"},
		{"", "", "none", ""},
		{"ann@com", "", "none", "com"},
		{"ann@a..example.com", "", "none", "a..example.com"},
		{"ann@" + strings.Repeat("x", 64) + ".example.com", "", "none", strings.Repeat("x", 64) + ".example.com"},
		{"ann@bad\r\nBcc: x.example.com", "", "none", "badBcc: x.example.com"},
	} {
		got := Check(t.Context(), zone, Query{IP: netip.MustParseAddr("192.0.2.1"), Helo: c.helo, MailFrom: c.from})
		if got.Result != c.want || c.domain != "" && got.Domain != c.domain || strings.ContainsAny(got.Domain, "\r\n") {
			t.Errorf("%q, %q: %+v", c.from, c.helo, got)
		}
	}
	if got := Check(t.Context(), zone, Query{MailFrom: "ann@example.com"}); got.Result != message.None {
		t.Errorf("without address: %+v", got)
	}
}

func TestMacros(t *testing.T) {
	e := newEvaluation(dns.Fake{
		"192.0.2.3":        {PTR: []string{"else.example.org", "sub.email.example.com", "lies.email.example.com"}},
		"else.example.org": {A: []string{"192.0.2.3"}}, "sub.email.example.com": {A: []string{"192.0.2.3"}}, "lies.email.example.com": {A: []string{"192.0.2.4"}},
	}, Query{IP: netip.MustParseAddr("192.0.2.3"), Helo: "helo.example", MailFrom: "strong-bad@email.example.com", Receiver: "desk.example", Now: time.Unix(1234, 0)})
	for in, want := range map[string]string{ // the table of RFC 7208 section 7.4, and more
		"%{s}": "strong-bad@email.example.com", "%{o}": "email.example.com", "%{d}": "email.example.com", "%{d4}": "email.example.com",
		"%{d3}": "email.example.com", "%{d2}": "example.com", "%{d1}": "com", "%{dr}": "com.example.email", "%{d2r}": "example.email",
		"%{l}": "strong-bad", "%{l-}": "strong.bad", "%{lr}": "strong-bad", "%{lr-}": "bad.strong", "%{l1r-}": "strong",
		"%{ir}.%{v}._spf.%{d2}": "3.2.0.192.in-addr._spf.example.com", "%{h}": "helo.example", "%{p}": "sub.email.example.com",
		"%{S}": "strong-bad%40email.example.com", "%%%_%-": "% %20", "%{c} %{r} %{t}": "192.0.2.3 desk.example 1234", "%{d99999}": "email.example.com",
	} {
		spec, err := parseMacro(in, inExplain)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := e.expand(t.Context(), spec, "email.example.com"); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	e.ip = netip.MustParseAddr("2001:db8::cb01")
	spec, _ := parseMacro("%{ir}.%{v}", inDomain)
	if got, want := e.expand(t.Context(), spec, ""), "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6"; got != want {
		t.Errorf("IPv6: %q", got)
	}
	e.senderDomain = strings.Repeat("label.", 20) + "example.com"
	domain, err := parseDomainSpec("%{o}.%{o}.%{o}")
	if err != nil {
		t.Fatal(err)
	}
	if got := e.expandName(t.Context(), domain, ""); len(got) > 253 || !strings.HasPrefix(got, "label.") || !strings.HasSuffix(got, ".example.com") {
		t.Errorf("too long a name became %q", got)
	}
}

func TestPTR(t *testing.T) {
	more := "1.2.0.192.in-addr.arpa:\n- PTR: mail.example.com\n- PTR: liar.example.com\nmail.example.com:\n- A: 192.0.2.1\nliar.example.com:\n- A: 192.0.2.9\n2.2.0.192.in-addr.arpa:\n- TIMEOUT: true\n"
	for ip, want := range map[string]message.Result{"192.0.2.1": "pass", "192.0.2.2": "fail", "192.0.2.3": "fail"} {
		if got := check(t, policy(t, "v=spf1 ptr -all", more), ip); got.Result != want {
			t.Errorf("%s: %+v", ip, got)
		}
	}
	if got := check(t, policy(t, "v=spf1 ptr:liar.example.com -all", more), "192.0.2.1"); got.Result != message.Fail {
		t.Errorf("%+v", got)
	}
}

func TestExplanation(t *testing.T) {
	for _, c := range []struct{ record, text, want string }{
		{"v=spf1 -all exp=why.example.com", "'See http://%{d}/why?s=%{S}&i=%{i}'", "See http://example.com/why?s=ann%40example.com&i=192.0.2.1"},
		{"v=spf1 exp=why.example.com -all", "plain", "plain"},
		{"v=spf1 -all", "plain", ""},
		{"v=spf1 -all exp=none.example.com", "plain", ""},
		{"v=spf1 -all exp=slow.example.com", "plain", ""},
		{"v=spf1 ~all exp=why.example.com", "plain", ""},
		{"v=spf1 -all exp=why.example.com", "'broken %{'", ""},
		{"v=spf1 -all exp=why.example.com", `"line\r\nline"`, ""},
		{"v=spf1 -all exp=why.example.com", `"\u00fcber"`, ""},
		{"v=spf1 include:fail.example.com -all", "plain", ""},
		{"v=spf1 redirect=fail.example.com exp=none.example.com", "plain", "plain"},
		{"v=spf1 -all exp=why.example.com", strings.Repeat("x", 2000), strings.Repeat("x", 512)},
	} {
		got := check(t, policy(t, c.record, hosts+"why.example.com:\n- TXT: "+c.text+"\n"), "192.0.2.1")
		if got.Explanation != c.want {
			t.Errorf("%s (%s): %q", c.record, c.text, got.Explanation)
		}
	}
}

func TestTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := Check(ctx, policy(t, "v=spf1 +all", ""), Query{IP: netip.MustParseAddr("192.0.2.1"), MailFrom: "a@example.com"})
	if got.Result != message.TempError {
		t.Errorf("%+v", got)
	}
}

// The worst policy that is still valid does not ask without end.
func TestBudget(t *testing.T) {
	var more strings.Builder
	for i := range 10 {
		for h := range 10 {
			fmt.Fprintf(&more, "m%d.example.com:\n- MX: [%d, h%d-%d.example.com]\n", i, h, i, h)
			fmt.Fprintf(&more, "h%d-%d.example.com:\n- A: 192.0.2.1\n", i, h)
		}
	}
	zone := policy(t, "v=spf1 mx:m0.example.com mx:m1.example.com mx:m2.example.com mx:m3.example.com mx:m4.example.com mx:m5.example.com mx:m6.example.com mx:m7.example.com mx:m8.example.com mx:m9.example.com -all", more.String())
	q := Query{IP: netip.MustParseAddr("192.0.2.2"), MailFrom: "a@example.com"}
	if got := Check(dns.WithBudget(t.Context(), 111), zone, q); got.Result != message.Fail {
		t.Errorf("%+v", got)
	}
	if got := Check(dns.WithBudget(t.Context(), 110), zone, q); got.Result != message.TempError {
		t.Errorf("with a smaller budget: %+v", got)
	}
}

// asLibrary lets the library ask our zone data.
type asLibrary struct{ dns.Fake }

func libraryError(err error) error {
	if errors.Is(err, dns.ErrNotFound) {
		return &net.DNSError{IsNotFound: true}
	}
	if err != nil {
		return &net.DNSError{IsTemporary: true}
	}
	return nil
}

func (a asLibrary) LookupTXT(ctx context.Context, name string) ([]string, error) {
	r, _, err := a.TXT(ctx, name)
	return r, libraryError(err)
}

func (a asLibrary) LookupMX(ctx context.Context, name string) (out []*net.MX, err error) {
	r, _, err := a.MX(ctx, name)
	for _, m := range r {
		out = append(out, &net.MX{Host: m.Host, Pref: m.Preference})
	}
	return out, libraryError(err)
}

func (a asLibrary) LookupIPAddr(ctx context.Context, name string) (out []net.IPAddr, err error) {
	r, _, err := a.IP(ctx, name)
	for _, ip := range r {
		out = append(out, net.IPAddr{IP: ip.AsSlice()})
	}
	return out, libraryError(err)
}

func (a asLibrary) LookupAddr(ctx context.Context, ip string) ([]string, error) {
	r, _, err := a.PTR(ctx, netip.MustParseAddr(ip))
	return r, libraryError(err)
}

// On records about which there can be no two opinions, a well-kept library finds the same.
func TestAgreesWithLibrary(t *testing.T) {
	terms := []string{
		"a:host.example.com", "-a:host.example.com/16", "mx:mx.example.com", "~mx:mx.example.com//32", "ip4:192.0.2.0/24", "?ip6:2001:db8::/32", "-ip4:198.51.100.7",
		"include:pass.example.com", "~include:fail.example.com", "include:bad.example.com", "exists:host.example.com", "-exists:%{ir}.list.example.com", "ptr:example.com",
		"redirect=pass.example.com", "redirect=none.example.com", "include:slow.example.com", "a:gone.example.com", "-all", "~all",
	}
	for _, a := range terms {
		for _, b := range terms {
			if strings.HasPrefix(a, "redirect") && strings.HasPrefix(b, "redirect") {
				continue
			}
			zone := policy(t, "v=spf1 "+a+" "+b, hosts+"1.2.0.192.in-addr.arpa:\n- PTR: host.example.com\n9.100.51.198.list.example.com:\n- A: 127.0.0.2\n")
			for _, ip := range []string{"192.0.2.1", "192.0.2.99", "198.51.100.9", "2001:db8::1", "2001:db9::1"} {
				want, _ := library.CheckHostWithSender(net.ParseIP(ip), "mail.example.net", "ann@example.com", library.WithResolver(asLibrary{zone}), library.WithContext(t.Context()))
				if got := check(t, zone, ip); string(got.Result) != string(want) {
					t.Errorf("%s %s from %s: %s, the library says %s", a, b, ip, got.Result, want)
				}
			}
		}
	}
}

// FuzzRecord: whatever a policy is, evaluating it ends with a result and a bounded number of questions.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{"v=spf1 a mx/24//64 ip4:1.2.3.4/8 ip6:::1 ptr exists:%{ir}.x.y -all", "v=spf1 redirect=%{d1r-/}.example.com exp=%{l}.x.y", "v=spf1 include:example.com", "v=spf1 a:%{S99999r.-+,/_=}%%%_%-"} {
		f.Add(s, "local@example.com", "helo")
	}
	f.Fuzz(func(t *testing.T, record, from, helo string) {
		zone := dns.Fake{"example.com": {TXT: []string{record}, A: []string{"192.0.2.1"}, MX: []dns.MX{{Host: "example.com"}}}, "192.0.2.7": {PTR: []string{"example.com"}}}
		got := Check(dns.WithBudget(t.Context(), 200), zone, Query{IP: netip.MustParseAddr("192.0.2.7"), Helo: helo, MailFrom: from})
		if got.Result == "" || strings.ContainsFunc(got.Domain+got.Mechanism+got.Explanation, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%+v", got)
		}
	})
}

// BenchmarkCheck is an ordinary policy: two includes and a network.
func BenchmarkCheck(b *testing.B) {
	zone := policy(b, "v=spf1 include:pass.example.com include:fail.example.com ip4:203.0.113.0/24 -all", hosts)
	b.ReportAllocs()
	for b.Loop() {
		check(b, zone, "203.0.113.5")
	}
}
