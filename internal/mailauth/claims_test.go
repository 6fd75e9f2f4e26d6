package mailauth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

func TestParseResults(t *testing.T) {
	for _, c := range []struct {
		name, field string
		ok          bool
		id, want    string // method=result and properties, in short
	}{
		{"usual", " mx.example.org; spf=pass smtp.mailfrom=a@example.com; dkim=pass header.d=example.com header.s=s", true, "mx.example.org", "spf pass a@example.com|dkim pass example.com"},
		{"Google", " mx.google.com;\r\n\tdkim=pass header.i=@example.com header.s=x header.b=\"ab/c\";\r\n\tspf=pass (google.com: domain of a@b.test designates 192.0.2.1 as permitted sender) smtp.mailfrom=\"bounce+1=2@example.com\"", true, "mx.google.com", "dkim pass @example.com|spf pass bounce+1=2@example.com"},
		{"Microsoft", " mx.microsoft.com 1; spf=pass (sender ip is 192.0.2.1) smtp.rcpttodomain=x.test smtp.mailfrom=example.com; dmarc=pass (p=none) action=none header.from=example.com; dkim=none", true, "mx.microsoft.com", "spf pass example.com|dmarc pass |dkim none "},
		{"reason", ` mx; dkim=pass reason="2048-bit key; spf=pass (x" header.d=example.com`, true, "mx", "dkim pass example.com"},
		{"spaces", ` mx ; dkim/1 = PASS header.d = example.com`, true, "mx", "dkim pass example.com"},
		{"nothing", ` mx; none`, true, "mx", ""},
		{"property twice", ` mx; dkim=pass header.d=evil.test header.d=example.com`, true, "mx", ""},
		{"comment that a quoted sender ends", ` mx; spf=pass (domain of "x); dkim=pass header.d=example.com; y=("@evil.test) smtp.mailfrom=a@evil.test`, false, "", ""},
		{"escape in a comment", ` mx; spf=pass (domain of x\) smtp.mailfrom=a@evil.test`, false, "", ""},
		{"semicolon in quotes", ` mx; spf=pass smtp.mailfrom="x; dkim=pass header.d=example.com; y"@evil.test`, false, "", ""},
		{"space in quotes", ` mx; spf=pass smtp.mailfrom="x header.d=example.com"@evil.test`, false, "", ""},
		{"other reason", ` mx; spf=pass x-reason="a; b"`, false, "", ""},
		{"open comment", ` mx; spf=pass (`, false, "", ""},
		{"closed comment", ` mx; spf=pass )`, false, "", ""},
		{"open quote", ` mx; spf=pass reason="x`, false, "", ""},
		{"NUL", " mx; spf=pass\x00", false, "", ""},
		{"no id", `; spf=pass`, false, "", ""},
		{"id in quotes", `"mx"; spf=pass`, false, "", ""},
		{"unknown version", ` mx 2; spf=pass`, false, "", ""},
		{"long", " mx; " + strings.Repeat("x=pass; ", 2000), false, "", ""},
		{"many", " mx" + strings.Repeat(";x=y", maxResults), false, "", ""},
	} {
		id, results, ok := parseResults(c.field)
		var short []string
		for _, r := range results {
			value := r.properties["smtp.mailfrom"] + r.properties["header.d"] + r.properties["header.i"]
			short = append(short, r.method+" "+r.result+" "+value)
		}
		if got := strings.Join(short, "|"); ok != c.ok || id != c.id || got != c.want {
			t.Errorf("%s: %q %v %q, want %q", c.name, id, ok, got, c.want)
		}
	}
}

func FuzzParseResults(f *testing.F) {
	f.Add(` mx; dkim=pass (a "b) header.i=@example.com; spf=pass smtp.mailfrom="x"@y`)
	f.Add(" mx 1;spf=pass reason=\"a;\\\" b\"")
	f.Fuzz(func(t *testing.T, field string) {
		_, results, ok := parseResults(field)
		if !ok && results != nil || len(results) > maxResults {
			t.Errorf("%v, %d results", ok, len(results))
		}
		for _, r := range results {
			if strings.ContainsAny(r.method+r.result, " ;\"()\r\n") {
				t.Errorf("%q", r)
			}
		}
		var c message.Claim
		read(&c, results)
		for _, d := range append(c.DKIM, message.DKIM{Domain: c.SPF.Domain}) {
			if strings.ContainsFunc(d.Domain+d.Selector+d.Algorithm, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%+v", c)
			}
		}
	})
}

// What the forwarder wrote is told from what a sender wrote by the place of the field.
func TestForwardedClaims(t *testing.T) {
	zone, _ := world(t)
	good := "Authentication-Results: fwd.test; dkim=pass header.d=example.com\r\n"
	bad := "Authentication-Results: fwd.test; dkim=fail header.d=example.com\r\n"
	received := "Received: from x by y; Mon, 06 Jan 2025 10:00:00 +0000\r\n"
	for _, c := range []struct {
		name, header string
		want         string // by, received, topmost of each claim
	}{
		{"none", received, ""},
		{"above all", good + received, "fwd.test 0 true"},
		{"below the first hop", received + good, "fwd.test 1 true"},
		{"the sender's below the forwarder's", bad + received + good, "fwd.test 1 false"},
		{"two of one server", "Authentication-Results: fwd.test; dmarc=pass header.from=example.com\r\n" + good + received, "fwd.test 0 false"},
		{"DMARC of others counts for nothing", "Authentication-Results: fwd.test; dmarc=pass header.from=example.com\r\n", ""},
		{"another domain", "Authentication-Results: fwd.test; dkim=pass header.d=evil.test; spf=pass smtp.mailfrom=a@evil.test\r\n", ""},
		{"aligned below", "Authentication-Results: FWD.test; spf=pass smtp.mailfrom=bounce@mail.example.com\r\n", "fwd.test 0 true"},
		{"after a field of nobody", "Authentication-Results: (x\r\n" + good, ""},
		{"unreadable field of the same server above", "Authentication-Results: fwd.test; spf=pass (\"\r\n" + good, "fwd.test 0 false"},
		{"far down", strings.Repeat(received, maxReceivedAbove+1) + good, ""},
		{"behind many", strings.Repeat("Authentication-Results: other.test; none\r\n", maxClaimFields) + good, ""},
	} {
		v := Verifier{DNS: zone}
		got := v.Verify(t.Context(), In{IP: client, MailFrom: "x@fwd.test", Raw: []byte(c.header + plain)})
		var claims []string
		for _, claim := range got.Claims {
			if claim.Source != message.TrustedForwarder || claim.DMARC.Result != message.Pass || claim.DMARC.Domain != "example.com" {
				t.Errorf("%s: %+v", c.name, claim)
			}
			claims = append(claims, fmt.Sprint(claim.By, claim.Received, claim.Topmost))
		}
		if s := strings.Join(claims, "|"); strings.ReplaceAll(s, " ", "") != strings.ReplaceAll(c.want, " ", "") {
			t.Errorf("%s: %q, want %q", c.name, s, c.want)
		}
		if got.DMARC.Result != message.Fail {
			t.Errorf("%s: our own result became %s", c.name, got.DMARC.Result)
		}
	}
	// Who proves himself needs nobody to vouch for him.
	v := Verifier{DNS: zone}
	if got := v.Verify(t.Context(), In{IP: client, MailFrom: "ann@example.com", Raw: []byte(good + plain)}); len(got.Claims) != 0 {
		t.Errorf("claims beside a pass: %+v", got.Claims)
	}
	if got := v.Verify(t.Context(), In{IP: client, MailFrom: "x@fwd.test", Raw: []byte(good + "From: eve@evil.test\r\n" + plain)}); len(got.Claims) != 0 {
		t.Errorf("claims for two From fields: %+v", got.Claims)
	}
}

const arcsign = `
import sys, dkim
key, domain, srv, headers = open(sys.argv[1],'rb').read(), sys.argv[2].encode(), sys.argv[3].encode(), sys.argv[4].split(',')
message = sys.stdin.buffer.read()
fields = dkim.arc_sign(message, b'arc', domain, key, srv, include_headers=[h.encode() for h in headers])
if not fields: sys.exit('not sealed')
sys.stdout.buffer.write(b''.join(fields) + message)
`

// arcSigned seals a letter with dkimpy; the Authentication-Results fields of srv in it become the results of the set.
func arcSigned(t *testing.T, letter, key, domain, srv, headers string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-I", "-c", arcsign, key, domain, srv, headers)
	cmd.Stdin = strings.NewReader(letter)
	var fault strings.Builder
	cmd.Stderr = &fault
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dkimpy: %v: %s", err, fault.String())
	}
	return string(out)
}

// Letters that dkimpy sealed: by a list that changed them, and by a forwarder after it.
func TestSealedClaims(t *testing.T) {
	needDKIMPy(t)
	zone, _ := world(t)
	key := arcKey(t, zone, "list.test", "fwd.test")
	results := func(srv string) string {
		return "Authentication-Results: " + srv + "; dkim=pass header.d=example.com; arc=none\r\n"
	}
	whole := "from,subject,date,to"
	changed := strings.Replace(plain, "Help", "[list] Help", 1) // and so the signature of example.com is gone
	one := arcSigned(t, results("list.test")+changed, key, "list.test", "list.test", whole)
	nothing := "Authentication-Results: fwd.test; spf=pass smtp.mailfrom=x@evil.test; arc=pass\r\n"
	two := arcSigned(t, nothing+one, key, "fwd.test", "fwd.test", whole)
	for _, c := range []struct {
		name, letter string
		arc          message.Result
		want         string // domain and instance
	}{
		{"list", one, message.Pass, "list.test 1"},
		{"list, then a forwarder", two, message.Pass, "list.test 1"},
		{"changed after the seal", strings.Replace(one, "Hello", "Pay me", 1), message.Fail, ""},
		{"results forged", strings.ReplaceAll(one, "header.d=example.com", "header.d=mail.example.com"), message.Fail, ""},
		{"second Subject above the sealed one", strings.Replace(one, "From: Ann", "Subject: Pay\r\nFrom: Ann", 1), message.Pass, ""},
		{"subject not sealed", arcSigned(t, results("list.test")+changed, key, "list.test", "list.test", "from,date"), message.Pass, ""},
		{"second From above the sealed one", strings.Replace(one, "From: Ann", "From: ann@example.com\r\nFrom: Ann", 1), message.Pass, ""},
		{"no results", arcSigned(t, "Authentication-Results: list.test; dkim=fail header.d=example.com; arc=none\r\n"+changed, key, "list.test", "list.test", whole), message.Pass, ""},
	} {
		v := Verifier{DNS: zone}
		got := v.Verify(t.Context(), In{IP: client, MailFrom: "x@fwd.test", Raw: []byte(c.letter)})
		var claims []string
		for _, claim := range got.Claims {
			if claim.Source == message.ARCSealer {
				claims = append(claims, fmt.Sprint(claim.By, " ", claim.Instance))
			}
		}
		if s := strings.Join(claims, "|"); s != c.want || got.ARC.Result != c.arc {
			t.Errorf("%s: %q, want %q; %+v", c.name, s, c.want, got.ARC)
		}
	}
}

// arcKey makes a key, which the zone shows for the domains, and returns its file.
func arcKey(t *testing.T, zone dns.Fake, domains ...string) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, domain := range domains {
		zone["arc._domainkey."+domain] = dns.Records{TXT: []string{"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)}}
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// needDKIMPy fails without dkimpy, unless the environment allows that it is missing.
func needDKIMPy(t *testing.T) {
	t.Helper()
	if exec.CommandContext(t.Context(), "/usr/bin/python3", "-I", "-c", "import dkim").Run() == nil {
		return
	}
	if slices.Contains(strings.Fields(os.Getenv("MXDESK_TEST_WITHOUT")), "python3-dkim") {
		t.Skip("dkimpy is missing (MXDESK_TEST_WITHOUT)")
	}
	t.Fatal("dkimpy is missing: install Debian's package python3-dkim, or set MXDESK_TEST_WITHOUT=python3-dkim to skip what needs it")
}
