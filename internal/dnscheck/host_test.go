package dnscheck

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	miekg "github.com/miekg/dns"

	"mxdesk/internal/dns"
)

// TestHost: what is said of the name of a mail server, record by record.
func TestHost(t *testing.T) {
	good := dns.Fake{
		"mx.desk.test": {A: []string{"192.0.2.1", "2001:db8::1"}},
		"192.0.2.1":    {PTR: []string{"MX.desk.test"}},
		"2001:db8::1":  {PTR: []string{"mx.desk.test"}},
	}
	with := func(name string, r dns.Records) dns.Fake {
		z := dns.Fake{name: r}
		for n, records := range good {
			if n != name {
				z[n] = records
			}
		}
		return z
	}
	for _, c := range []struct {
		name  string
		zone  dns.Fake // nil: nobody is asked
		known string
		sends bool
		want  []string // type value status
		text  string
	}{
		{"all right", good, "", true, []string{"A 192.0.2.1 ok", "AAAA 2001:db8::1 ok", "PTR mx.desk.test. ok", "PTR mx.desk.test. ok"}, ""},
		{"it sends nothing", good, "", false, []string{"A 192.0.2.1 ok", "AAAA 2001:db8::1 ok"}, ""},
		{"known, as published", good, "192.0.2.1", false, []string{"A 192.0.2.1 ok", "AAAA 2001:db8::1 weak"}, "smtp.listen does not name it"},
		{"known, not published", good, "192.0.2.7", true, []string{"A 192.0.2.7 different", "A 192.0.2.1 weak", "AAAA 2001:db8::1 weak", "PTR mx.desk.test. missing", "PTR mx.desk.test. ok", "PTR mx.desk.test. ok"}, "not to this one"},
		{"known, private", good, "10.0.0.1", false, []string{"A 192.0.2.1 ok", "AAAA 2001:db8::1 ok"}, ""},
		{"no address", with("mx.desk.test", dns.Records{}), "", true, []string{"A  missing"}, "others reach this server"},
		{"no address, known", with("mx.desk.test", dns.Records{}), "192.0.2.1", true, []string{"A 192.0.2.1 missing", "PTR mx.desk.test. ok"}, ""},
		{"no answer", with("mx.desk.test", dns.Records{Fail: true}), "", true, []string{"A  no_answer"}, "temporary"},
		{"private", with("mx.desk.test", dns.Records{A: []string{"10.0.0.1"}}), "", true, []string{"A 10.0.0.1 weak"}, "nobody outside"},
		{"another name in reverse", with("192.0.2.1", dns.Records{PTR: []string{"pool-1.isp.test"}}), "", true, []string{"A 192.0.2.1 ok", "AAAA 2001:db8::1 ok", "PTR mx.desk.test. different", "PTR mx.desk.test. ok"}, "whoever gave you 192.0.2.1"},
		{"no reverse name", with("192.0.2.1", dns.Records{}), "", true, []string{"A 192.0.2.1 ok", "AAAA 2001:db8::1 ok", "PTR mx.desk.test. missing", "PTR mx.desk.test. ok"}, ""},
		{"not asked", nil, "", true, []string{"A  unchecked"}, "others reach this server"},
		{"not asked, known", nil, "2001:db8::1", true, []string{"AAAA 2001:db8::1 unchecked", "PTR mx.desk.test. unchecked"}, ""},
	} {
		s := Server{Name: "mx.desk.test", Sends: c.sends}
		if c.known != "" {
			s.Known = []netip.Addr{netip.MustParseAddr(c.known)}
		}
		var r dns.Resolver
		if c.zone != nil {
			r = c.zone
		}
		var got, texts []string
		for _, rec := range Host(t.Context(), r, s) {
			got = append(got, fmt.Sprintf("%s %s %s", rec.Type, rec.Value, rec.Status))
			texts = append(texts, rec.Text)
			line := rec.Line()
			if rr, err := miekg.NewRR(line); err != nil || (rr == nil) != (rec.Value == "") {
				t.Errorf("%s: %q is no line of a zone file: %v", c.name, line, err)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if all := strings.Join(texts, "\n"); !strings.Contains(all, c.text) || c.text == "" && strings.TrimSpace(all) != "" {
			t.Errorf("%s: says %q, want %q", c.name, all, c.text)
		}
	}
}
