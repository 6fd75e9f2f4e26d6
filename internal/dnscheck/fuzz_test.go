package dnscheck

import (
	"slices"
	"testing"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

// FuzzCheck: whatever a domain publishes, what is shown of it is fit for a terminal and a page.
func FuzzCheck(f *testing.F) {
	d := exampleDomain(f)
	for _, records := range [][]string{
		{"v=spf1 mx -all", "v=DMARC1; p=reject", d.Keys[0].Record, "v=STSv1;id=1", "v=TLSRPTv1; rua=mailto:x@y.test"},
		{"v=spf1 \x1b[31m", "v=DMARC1;p=\r\n", "v=DKIM1; k=rsa; p=AAAA", "v=STSv1", "v=TLSRPTv1"},
		{"v=spf1 include:a.test", "", "p=", "\xff", "\x00"},
	} {
		f.Add(records[0], records[1], records[2], records[3], records[4], "mx.desk.test")
	}
	f.Fuzz(func(t *testing.T, spf, dmarc, key, sts, reports, host string) {
		zone := exampleZone(d)
		zone["a.test"] = dns.Records{MX: []dns.MX{{Preference: 10, Host: host}}, TXT: []string{spf}}
		for name, text := range map[string]string{
			"_dmarc.a.test": dmarc, "s1._domainkey.a.test": key, "_mta-sts.a.test": sts, "_smtp._tls.a.test": reports,
		} {
			zone[name] = dns.Records{TXT: []string{text}}
		}
		for _, r := range Check(t.Context(), zone, Records(d)) {
			unfit := func(s string) bool { return message.CleanLine(s) != s }
			if r.Status == Unchecked || unfit(r.Text) || slices.ContainsFunc(r.Published, unfit) || len(r.Published) > maxShown {
				t.Fatalf("%+v", r)
			}
		}
	})
}
