package mailauth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"go.uber.org/goleak"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/mailauth/dkim"
	"mxdesk/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var client = netip.MustParseAddr("192.0.2.1")

const plain = "From: Ann <ann@example.com>\r\nTo: desk@example.net\r\nSubject: Help\r\nDate: Mon, 06 Jan 2025 10:00:00 +0000\r\n\r\nHello\r\n"

// world is a DNS in which example.com is protected, and a letter signed by it; esp.example may send for nobody but itself.
func world(t testing.TB, headers ...string) (dns.Fake, []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if len(headers) == 0 {
		headers = []string{"From", "From", "Subject", "Subject", "To", "Date"}
	}
	var signed bytes.Buffer
	err = msgauth.Sign(&signed, strings.NewReader(plain), &msgauth.SignOptions{
		Domain: "example.com", Selector: "s", Signer: private, HeaderCanonicalization: "relaxed", BodyCanonicalization: "relaxed", HeaderKeys: headers,
	})
	if err != nil {
		t.Fatal(err)
	}
	return dns.Fake{
		"example.com":              {TXT: []string{"v=spf1 ip4:192.0.2.0/24 -all"}},
		"esp.example":              {TXT: []string{"v=spf1 ip4:192.0.2.0/24 -all"}},
		"slow.example.com":         {Fail: true},
		"_dmarc.example.com":       {TXT: []string{"v=DMARC1; p=reject"}},
		"s._domainkey.example.com": {TXT: []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}},
	}, signed.Bytes()
}

func TestVerify(t *testing.T) {
	zone, signed := world(t)
	forged := []byte(strings.Replace(plain, "Help", "Pay", 1))
	for _, c := range []struct {
		name, from       string
		raw              []byte
		spf, dkim, dmarc message.Result
		policy           string
	}{
		{"both", "ann@example.com", signed, "pass", "pass", "pass", "reject"},
		{"DKIM alone", "x@esp.example", signed, "pass", "pass", "pass", "reject"},
		{"SPF alone", "ann@example.com", forged, "pass", "", "pass", "reject"},
		{"neither", "x@esp.example", forged, "pass", "", "fail", "reject"},
		{"null sender", "", forged, "none", "", "fail", "reject"},
		{"SPF not known", "x@slow.example.com", forged, "temperror", "", "temperror", "reject"},
		{"no From", "ann@example.com", []byte("Subject: x\r\n\r\n"), "pass", "", "none", "none"},
		{"two From", "ann@example.com", append([]byte("From: eve@example.org\r\n"), plain...), "pass", "", "permerror", "none"},
		{"two domains", "ann@example.com", []byte("From: a@example.com, b@example.org\r\n\r\n"), "pass", "", "permerror", "none"},
		{"no policy", "x@esp.example", []byte("From: x@esp.example\r\n\r\n"), "pass", "", "none", "none"},
		{"nothing at all", "x@esp.example", nil, "pass", "", "none", "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Verifier{DNS: zone}
			got := v.Verify(t.Context(), In{IP: client, Helo: "mail", MailFrom: c.from, Raw: c.raw})
			signature := message.Result("")
			if len(got.DKIM) > 0 {
				signature = got.DKIM[0].Result
			}
			if got.SPF.Result != c.spf || signature != c.dkim || got.DMARC.Result != c.dmarc || got.DMARC.Policy != c.policy || got.ARC.Result != message.None {
				t.Errorf("%+v", got)
			}
		})
	}
	zone2, partly := world(t, "From", "Date")
	v := Verifier{DNS: zone2}
	if got := v.Verify(t.Context(), In{Raw: partly}); got.DKIM[0].Result != message.Pass || got.DMARC.Result != message.Fail {
		t.Errorf("Subject not signed: %+v", got)
	}
	letter := &message.Letter{Session: message.Session{Client: client, Helo: "mail"}, MailFrom: address.Address{Local: "ann", Domain: "example.com"}, Raw: signed}
	if got := (Letters{&Verifier{DNS: zone}}).Verify(t.Context(), letter); got.SPF.Result != message.Pass || got.DMARC.Result != message.Pass {
		t.Errorf("as smtpd has it: %+v", got)
	}
}

// silent is a DNS that never answers; broken one that panics.
type silent struct{ dns.Fake }

func (silent) TXT(ctx context.Context, _ string) ([]string, bool, error) {
	<-ctx.Done()
	return nil, false, dns.ErrTemp
}

type broken struct{ dns.Fake }

func (broken) TXT(context.Context, string) ([]string, bool, error) { panic("broken") }

// Whatever is wrong with the DNS, there is a verdict, and it is that we do not know.
func TestNoAnswer(t *testing.T) {
	zone, signed := world(t)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	for name, v := range map[string]Verifier{
		"silent": {DNS: silent{}, Timeout: time.Millisecond},
		"broken": {DNS: broken{}, Log: quiet},
		"budget": {DNS: zone, Lookups: 1},
	} {
		got := v.Verify(t.Context(), In{IP: client, MailFrom: "ann@example.com", Raw: signed})
		unknown := 0
		for _, r := range []message.Result{got.SPF.Result, got.DKIM[0].Result, got.DMARC.Result} {
			if r == message.TempError {
				unknown++
			}
			if r == message.Fail || r == message.PermError {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if unknown < 2 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func authorOf(raw string) (string, error) { return authorDomain(dkim.Parse([]byte(raw))) }

func TestAuthorDomain(t *testing.T) {
	for from, want := range map[string]string{
		"ann@example.com":                                 "example.com",
		" Ann <ann@EXAMPLE.com> ":                         "example.com",
		`"ceo@example.com" <eve@example.org>`:             "example.org",
		`ceo@example.com <eve@example.org>`:               "example.org",
		`=?utf-8?q?ceo=40example=2Ecom?= <e@example.org>`: "example.org",
		"ann@example.com (Ann <x@example.org>)":           "example.com",
		"(a (b) \\) <x@example.org>) ann@example.com":     "example.com",
		`"a@example.org"@example.com`:                     "example.com",
		`"a\"@example.org" <ann@example.com>`:             "example.com",
		"<@relay.example:ann@example.com>":                "example.com",
		"Ann <ann@\r\n example.com>":                      "example.com",
		"Team: ann@example.com, bob@example.com;":         "example.com",
		"ann@münchen.example":                             "xn--mnchen-3ya.example",
		"a@example.com, b@EXAMPLE.COM":                    "example.com",
		"ann@example.com.":                                "example.com",
		"ann@example.com, eve@example.org":                "several",
		"<ann@example.com> <eve@example.org>":             "several",
		"<ann@example.com>, Bob":                          "several",
		"ann@example.com eve@example.org":                 "several",
		"ann@[192.0.2.1]":                                 "several",
		"ann":                                             "several",
		"ann@ex\xe4mple.com":                              "several",
		"ann@exa_mple!.com":                               "several",
		"":                                                "none",
		"undisclosed:;":                                   "none",
		"(ann@example.com)":                               "none",
		`"ann@example.com"`:                               "none",
		"<>":                                              "several",
	} {
		got, err := authorOf("From: " + from + "\r\n\r\n")
		switch err {
		case errSeveralFrom:
			got = "several"
		case errNoFrom:
			got = "none"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", from, got, want)
		}
	}
	if _, err := authorOf("from : a@example.com\r\nFROM: a@example.com\r\n\r\n"); err != errSeveralFrom {
		t.Errorf("two fields: %v", err)
	}
	long := strings.Repeat("(x)\r\n ", 30_000)
	if got, err := authorOf("From: " + long + "<a@example.com>\r\n\r\n"); err != nil || got != "example.com" {
		t.Errorf("long: %q, %v", got, err)
	}
	if _, err := authorOf("From: " + long + long + "<a@example.com>\r\n\r\n"); err != errSeveralFrom {
		t.Errorf("too long: %v", err)
	}
	if _, err := authorOf(strings.Repeat("X: y\r\n", 2000) + "From: a@example.com\r\n\r\n"); err != nil {
		t.Errorf("late: %v", err)
	}
}

func TestAuthenticationResults(t *testing.T) {
	v := message.Verdict{
		SPF: message.SPF{Result: message.Pass, Domain: "example.com", Identity: "mailfrom"},
		DKIM: []message.DKIM{
			{Result: message.Pass, Domain: "example.com", Selector: "s", Identity: "@example.com", Algorithm: "rsa-sha256"},
			{Result: message.Fail, Domain: "example.org", Selector: "x", Identity: "a b@example.org", Reason: `it "is" \ bad`},
		},
		DMARC: message.DMARC{Result: message.Pass, Domain: "example.com", Policy: "reject", Record: "v=DMARC1; p=reject"},
		ARC:   message.ARC{Result: message.None},
	}
	want := "Authentication-Results: desk.example;\r\n" +
		"\tspf=pass\r\n\t smtp.mailfrom=example.com;\r\n" +
		"\tdkim=pass\r\n\t header.d=example.com\r\n\t header.s=s\r\n\t header.a=rsa-sha256\r\n\t header.i=@example.com;\r\n" +
		"\tdkim=fail\r\n\t reason=\"it \\\"is\\\" \\\\ bad\"\r\n\t header.d=example.org\r\n\t header.s=x\r\n\t header.i=\"a b@example.org\";\r\n" +
		"\tdmarc=pass\r\n\t header.from=example.com\r\n\t policy.dmarc=reject;\r\n" +
		"\tarc=none\r\n"
	if got := AuthenticationResults("desk.example", v); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := AuthenticationResults("desk.example", message.Verdict{}); got != "Authentication-Results: desk.example; none\r\n" {
		t.Errorf("%q", got)
	}
}

// Nothing that a sender chose ends the field, or begins another one.
func TestInjection(t *testing.T) {
	evil := "x\r\nBcc: eve@example.org\r\n\r\n;dkim=pass\x00\xff" + strings.Repeat("y", 2000)
	v := message.Verdict{
		SPF:   message.SPF{Result: message.Pass, Domain: evil, Identity: "helo"},
		DKIM:  []message.DKIM{{Result: message.Fail, Domain: evil, Selector: evil, Identity: evil, Algorithm: evil, Reason: evil}},
		DMARC: message.DMARC{Result: message.Fail, Domain: evil, Policy: evil, Record: "x"},
		ARC:   message.ARC{Result: message.Fail, Reason: evil},
	}
	checkField(t, AuthenticationResults(evil, v))
}

func checkField(t *testing.T, field string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(field, "\r\n"), "\r\n")
	for i, line := range lines {
		if len(line) > 998 || i > 0 && !strings.HasPrefix(line, "\t") || strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }) {
			t.Errorf("line %d: %q", i, line)
		}
	}
}

func TestForged(t *testing.T) {
	const ours = "desk.example"
	fields := []struct {
		text   string
		forged bool
	}{
		{"Received: by desk.example\r\n", false},
		{"Authentication-Results: desk.example; dmarc=pass\r\n", true},
		{"AUTHENTICATION-RESULTS : DESK.Example.\r\n 1; dmarc=pass\r\n", true},
		{"Authentication-Results: (x) \"desk.example\" (y); dmarc=pass\r\n", true},
		{"Authentication-Results:\r\n\tdesk.example\r\n", true},
		{"Authentication-Results: desk.example(c); none\r\n", true},
		{"Authentication-Results: other.desk.example; dmarc=pass\r\n", false},
		{"Authentication-Results: other (desk.example); dmarc=pass\r\n", false},
		{"X-Authentication-Results: desk.example; dmarc=pass\r\n", false},
		{"ARC-Authentication-Results: i=1; desk.example; dmarc=pass\r\n", false},
		{"Authentication-Results: (open desk.example; dmarc=pass\r\n", true},
		{"Authentication-Results:\r\n", true},
		{"Authentication-Results: ; dmarc=pass\r\n", true},
	}
	raw, want := "", []Range{}
	for _, f := range fields {
		if f.forged {
			want = append(want, Range{len(raw), len(raw) + len(f.text)})
		}
		raw += f.text
	}
	late := strings.Repeat("X: y\r\n", 3000)
	raw += late
	want = append(want, Range{len(raw), len(raw) + len(fields[1].text)})
	raw += fields[1].text + "\r\nAuthentication-Results: desk.example; in the body\r\n"
	got := Forged([]byte(raw), ours)
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", raw[got[i].Start:got[i].End], raw[want[i].Start:want[i].End])
		}
	}
}

// FuzzVerify: whatever comes, there is a verdict, fit for JSON and for a header field.
func FuzzVerify(f *testing.F) {
	zone, signed := world(f)
	f.Add(signed, "ann@example.com", "mail")
	f.Add([]byte("From: \"x@y\" (c) <@a,@b:c@d>, e: f;\nAuthentication-Results: (\n\n"), "", "[1.2.3.4]")
	v := Verifier{DNS: zone}
	f.Fuzz(func(t *testing.T, raw []byte, from, helo string) {
		got := v.Verify(t.Context(), In{IP: client, Helo: helo, MailFrom: from, Raw: raw})
		if got.SPF.Result == "" || got.DMARC.Result == "" || got.ARC.Result == "" {
			t.Fatalf("%+v", got)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Fatal(err)
		}
		checkField(t, AuthenticationResults(helo, got))
		for _, r := range Forged(raw, helo) {
			if r.Start < 0 || r.Start >= r.End || r.End > len(raw) {
				t.Fatalf("%+v", r)
			}
		}
	})
}

// FuzzAuthor: no domain is found that is not in the field.
func FuzzAuthor(f *testing.F) {
	for _, s := range []string{"a@b.example", `"q\"" <a@b>`, "(((", "<<<@", "x:;:;", `"`, "a@b,c@d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\r\n") {
			return
		}
		got, err := authorOf("From: " + s + "\r\n\r\n")
		if err == nil && (got == "" || !strings.Contains(s, "@")) {
			t.Fatalf("%q: %q", s, got)
		}
	})
}

// BenchmarkVerify is all of it for an ordinary letter, without the network.
func BenchmarkVerify(b *testing.B) {
	zone, signed := world(b)
	v := Verifier{DNS: zone}
	b.ReportAllocs()
	for b.Loop() {
		if got := v.Verify(b.Context(), In{IP: client, MailFrom: "ann@example.com", Raw: signed}); got.DMARC.Result != message.Pass {
			b.Fatal(got)
		}
	}
}
