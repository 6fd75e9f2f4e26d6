package dnscheck

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	miekg "github.com/miekg/dns"

	"mxdesk/internal/dns"
)

func key(t testing.TB, selector, state string) Key {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return Key{selector, state, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public), public}
}

func exampleDomain(t testing.TB) Domain {
	return Domain{
		Name: "a.test", Hosts: []string{"mx.desk.test"}, MTASTS: "v=STSv1; id=1;", Senders: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Keys: []Key{key(t, "s1", "active")},
	}
}

// exampleZone publishes all that the domain has to.
func exampleZone(d Domain) dns.Fake {
	return dns.Fake{
		"a.test":               {MX: []dns.MX{{Preference: 10, Host: "mx.desk.test"}}, TXT: []string{"v=spf1 mx -all", "another=1"}},
		"mx.desk.test":         {A: []string{"192.0.2.1"}},
		"s1._domainkey.a.test": {TXT: []string{d.Keys[0].Record}},
		"_dmarc.a.test":        {TXT: []string{"v=DMARC1; p=reject"}},
		"_mta-sts.a.test":      {TXT: []string{"v=STSv1;id=1"}},
		"mta-sts.a.test":       {CNAME: "mx.desk.test"},
		"_smtp._tls.a.test":    {TXT: []string{"v=TLSRPTv1; rua=mailto:tls-reports@a.test"}},
	}
}

// TestCheck: one thing is changed in a zone that is right, and one record is judged otherwise.
func TestCheck(t *testing.T) {
	d := exampleDomain(t)
	for what, c := range map[string]struct {
		name    string
		records dns.Records
		about   string // which record's status changes, "" none; a leading word
		want    Status
		text    string
	}{
		"all right":            {"none.test", dns.Records{}, "", OK, ""},
		"second MX":            {"a.test", dns.Records{MX: []dns.MX{{Preference: 5, Host: "mx.other.test"}, {Preference: 10, Host: "MX.desk.test."}}, TXT: []string{"v=spf1 a:mx.desk.test -all"}}, "MX", Weak, "mail also goes to mx.other.test"},
		"foreign MX":           {"a.test", dns.Records{MX: []dns.MX{{Preference: 5, Host: "mx.other.test"}}, TXT: []string{"v=spf1 ip4:192.0.2.1 -all"}}, "MX", Different, "other hosts"},
		"null MX":              {"a.test", dns.Records{MX: []dns.MX{{}}, TXT: []string{"v=spf1 ip4:192.0.2.0/24 -all"}}, "MX", Different, "takes no mail"},
		"no MX":                {"a.test", dns.Records{TXT: []string{"v=spf1 ip4:192.0.2.0/24 -all"}}, "MX", Missing, ""},
		"MX without answer":    {"a.test", dns.Records{FailTypes: []string{"mx"}, TXT: []string{"v=spf1 ip4:192.0.2.0/24 -all"}}, "MX", NoAnswer, "temporary"},
		"SPF that includes":    {"a.test", dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.desk.test"}}, TXT: []string{"v=spf1 include:inc.test ~all"}}, "", OK, ""},
		"SPF of others":        {"a.test", dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.desk.test"}}, TXT: []string{"v=spf1 ip4:198.51.100.1 -all"}}, "SPF", Different, "letters from 192.0.2.1 get fail"},
		"SPF twice":            {"a.test", dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.desk.test"}}, TXT: []string{"v=spf1 mx -all", "V=SPF1 -all"}}, "SPF", Different, "there are 2"},
		"broken SPF":           {"a.test", dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.desk.test"}}, TXT: []string{"v=spf1 nonsense"}}, "SPF", Different, "permerror"},
		"no SPF":               {"a.test", dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.desk.test"}}, TXT: []string{"v=spf10"}}, "SPF", Missing, ""},
		"SPF without answer":   {"a.test", dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.desk.test"}}, TXT: []string{"v=spf1 include:slow.test -all"}}, "SPF", NoAnswer, "192.0.2.1"},
		"another key":          {"s1._domainkey.a.test", dns.Records{TXT: []string{key(t, "", "").Record}}, "DKIM", Different, "another key"},
		"no key":               {"s1._domainkey.a.test", dns.Records{A: []string{"192.0.2.9"}}, "DKIM", Missing, ""},
		"key without answer":   {"s1._domainkey.a.test", dns.Records{Fail: true}, "DKIM", NoAnswer, ""},
		"DMARC of none":        {"_dmarc.a.test", dns.Records{TXT: []string{"v=DMARC1; p=none"}}, "DMARC", Weak, "nobody"},
		"DMARC without policy": {"_dmarc.a.test", dns.Records{TXT: []string{"v=DMARC1; p=maybe"}}, "DMARC", Different, "no valid policy"},
		"other DMARC":          {"_dmarc.a.test", dns.Records{TXT: []string{"v=DMARC1;p=quarantine;rua=mailto:x@y.test"}}, "", OK, ""},
		"no DMARC":             {"_dmarc.a.test", dns.Records{TXT: []string{"hello"}}, "DMARC", Missing, ""},
		"older policy id":      {"_mta-sts.a.test", dns.Records{TXT: []string{"v=STSv1; id=0;"}}, "MTA-STS", Different, ""},
		"policy host by A":     {"mta-sts.a.test", dns.Records{A: []string{"192.0.2.1"}}, "", OK, ""},
		"policy host of other": {"mta-sts.a.test", dns.Records{A: []string{"192.0.2.7"}}, "MTA-STS", Different, "other machines"},
		"reports nowhere":      {"_smtp._tls.a.test", dns.Records{TXT: []string{"v=TLSRPTv1; rua=tls@a.test"}}, "TLS-RPT", Different, "names nothing"},
		"SPF for everybody":    {"a.test", dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.desk.test"}}, TXT: []string{"v=spf1 mx +all"}}, "SPF", Weak, "anybody"},
		"SPF of all addresses": {"a.test", dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.desk.test"}}, TXT: []string{"v=spf1 ip4:0.0.0.0/0 -all"}}, "SPF", Weak, "anybody"},
		"reports elsewhere":    {"_smtp._tls.a.test", dns.Records{TXT: []string{"v=TLSRPTv1; rua=https://x.test/"}}, "", OK, ""},
	} {
		zone := exampleZone(d)
		zone["inc.test"] = dns.Records{TXT: []string{"v=spf1 ip4:192.0.2.1 -all"}}
		zone["slow.test"] = dns.Records{Fail: true}
		zone[c.name] = c.records
		changed := 0
		for _, r := range Check(t.Context(), zone, Records(d)) {
			switch {
			case r.Status == OK:
			case c.about == "" || r.About != c.about || r.Status != c.want || !strings.Contains(r.Text, c.text):
				t.Errorf("%s: %s %s is %s %q", what, r.About, r.Name, r.Status, r.Text)
			default:
				changed++
			}
		}
		if wanted := c.about != ""; (changed == 1) != wanted {
			t.Errorf("%s: %d records are judged otherwise", what, changed)
		}
	}
}

// TestInheritedPolicy: a domain without a DMARC policy of its own has that of the one above.
func TestInheritedPolicy(t *testing.T) {
	d := Domain{Name: "help.a.test", Hosts: []string{"mx.desk.test"}}
	for policy, want := range map[string]Status{"v=DMARC1; p=reject": OK, "v=DMARC1; p=reject; sp=none": Weak, "v=DMARC2": Missing} {
		zone := dns.Fake{"_dmarc.a.test": {TXT: []string{policy}}, "help.a.test": {A: []string{"192.0.2.1"}}}
		for _, r := range Check(t.Context(), zone, Records(d)) {
			if r.About == "DMARC" && r.Status != want {
				t.Errorf("%s: %s %q", policy, r.Status, r.Text)
			}
		}
		zone["_dmarc.help.a.test"] = dns.Records{TXT: []string{"v=spf1 -all"}} // of a wildcard
		for _, r := range Check(t.Context(), zone, Records(d)) {
			if r.About == "DMARC" && r.Status != want {
				t.Errorf("%s, beside other texts: %s %q", policy, r.Status, r.Text)
			}
		}
	}
}

// TestPolicyHosts: any node may serve MTA-STS policies, and several.
func TestPolicyHosts(t *testing.T) {
	d := exampleDomain(t)
	d.Hosts, d.Pages = append(d.Hosts, "mx2.desk.test"), "help.desk.test"
	zone := exampleZone(d)
	zone["mx2.desk.test"] = dns.Records{A: []string{"192.0.2.2"}}
	zone["help.desk.test"] = dns.Records{A: []string{"192.0.2.3"}}
	judge := func(addresses ...string) Status {
		zone["mta-sts.a.test"] = dns.Records{A: addresses}
		for _, r := range Check(t.Context(), zone, Records(d)) {
			if r.Type == "CNAME" {
				return r.Status
			}
		}
		return ""
	}
	for _, c := range []struct {
		addresses string
		want      Status
	}{
		{"192.0.2.1 192.0.2.2", OK}, {"192.0.2.3", OK}, {"192.0.2.1 192.0.2.4", Different},
	} {
		if got := judge(strings.Fields(c.addresses)...); got != c.want {
			t.Errorf("%s: %s, want %s", c.addresses, got, c.want)
		}
	}
	zone["help.desk.test"] = dns.Records{Fail: true}
	if got := judge("192.0.2.1"); got != OK {
		t.Errorf("that of the first host, another gives no answer: %s", got)
	}
	if got := judge("192.0.2.3"); got != NoAnswer {
		t.Errorf("that of a host without answer: %s", got)
	}
}

// TestKeyStates: what each state of a key asks for.
func TestKeyStates(t *testing.T) {
	for state, want := range map[string]Need{"created": Pending, "published": Pending, "active": Required, "retiring": Wanted, "removed": Obsolete} {
		k := key(t, "s", state)
		if state == "removed" {
			k.Record, k.Public = "", nil
		}
		for _, r := range Check(t.Context(), dns.Fake{"s._domainkey.a.test": {TXT: []string{"x"}}}, Records(Domain{Name: "a.test", Keys: []Key{k}})) {
			if r.About == "DKIM" && (r.Need != want || (r.Line() == "") != (state == "removed") || r.Status.Wrong() == (state == "removed")) {
				t.Errorf("%s: %+v", state, r)
			}
		}
	}
}

// TestLines: each line is a zone file's, and says what the record says.
func TestLines(t *testing.T) {
	d := exampleDomain(t)
	d.Name, d.Hosts = "bücher.test", []string{"mx1.bücher.test", "mx2.desk.test"}
	d.Keys[0].Record = "v=DKIM1; n=" + strings.Repeat(`"\ü`, 200) + "; p=x"
	for _, r := range Records(d) {
		rr, err := miekg.NewRR(r.Line())
		if err != nil || rr == nil {
			t.Fatalf("%q: %v", r.Line(), err)
		}
		if !strings.HasSuffix(rr.Header().Name, "xn--bcher-kva.test.") {
			t.Errorf("owner %s", rr.Header().Name)
		}
		txt, ok := rr.(*miekg.TXT)
		if !ok {
			continue
		}
		server, err := dns.Serve("127.0.0.1:0", dns.Fake{"x.test": {TXT: []string{r.Value}}})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close() //nolint:errcheck // a test
		answer, err := miekg.Exchange(func() *miekg.Msg {
			m := new(miekg.Msg)
			m.SetQuestion("x.test.", miekg.TypeTXT).SetEdns0(4096, false)
			return m
		}(), server.Addr.String())
		if err != nil || strings.Join(answer.Answer[0].(*miekg.TXT).Txt, "") != strings.Join(txt.Txt, "") {
			t.Errorf("%q is published as %v, %v", r.Line(), answer, err)
		}
	}
}
