package ticketing

import (
	"strings"
	"testing"
	"unicode/utf8"

	reports "mxdesk/internal/report"
)

// FuzzReport reads any letter to the address for reports. What is kept of it can be stored, and the sums are those of the
// lines.
func FuzzReport(f *testing.F) {
	dmarc := reports.DMARC{
		Organization: "Search Inc.", ID: "1", Begin: reportDay, End: reportDay, Policy: reports.DMARCPolicy{Domain: "desk.test"},
		Records: []reports.DMARCRecord{{SourceIP: "192.0.2.1", Count: 2, Disposition: "none", SPF: true, HeaderFrom: "desk.test"}, {Count: 1}},
	}
	xml, err := dmarc.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	packed, err := reports.Pack(xml)
	if err != nil {
		f.Fatal(err)
	}
	const header = "From: r@search.test\r\nSubject: Report\r\nContent-Type: "
	f.Add([]byte(header + "application/xml; name=a.xml\r\n\r\n" + string(xml)))
	f.Add([]byte(header + "application/gzip; name=a.xml.gz\r\nContent-Transfer-Encoding: binary\r\n\r\n" + string(packed)))
	f.Add([]byte(header + "application/tlsrpt+json\r\n\r\n" + `{"organization-name":"x","report-id":"\u0000","date-range":{"start-datetime":"2026-03-01T00:00:00Z",
		"end-datetime":"2026-03-01T23:59:59Z"},"policies":[{"policy":{"policy-type":"sts","policy-domain":"desk.test"},"summary":{
		"total-failure-session-count":9},"failure-details":[{"result-type":"x","failed-session-count":3}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, lines := readReport(Report{Domain: "desk.test"}, []string{"desk.test"}, raw)
		if (r.State == ReportCounted) != (r.Problem == "") || r.State != ReportCounted && lines != nil || r.Domain != "desk.test" {
			t.Fatalf("%+v, %d lines", r, len(lines))
		}
		words := []string{r.Reporter, r.ExternalID, r.Problem}
		var passed, failed int64
		for _, l := range lines {
			words = append(words, l.Result, l.Disposition, l.Peer, l.Detail)
			if l.Quantity <= 0 {
				t.Fatalf("%+v", l)
			}
			if l.Result == linePass {
				passed += l.Quantity
			} else {
				failed += l.Quantity
			}
		}
		if text := strings.Join(words, " "); !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n") {
			t.Fatalf("%q", words)
		}
		if passed != r.Passed || failed != r.Failed || r.BeginsAt != nil && r.BeginsAt.Year() < 2010 {
			t.Fatalf("%+v, lines say %d and %d", r, passed, failed)
		}
		r.key()
	})
}

// FuzzCode: whoever confirms wrote the code on the first line that says anything, and no other letter or digit there.
func FuzzCode(f *testing.F) {
	for _, s := range []string{"\n> ABCDEF.\nx", "*abcdef*", "ABCDEF please", "\u200b\r\nABC DEF", "ａｂｃｄｅｆ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const code = "ABCDEF"
		if !saysCode(text, code) {
			return
		}
		before, _, found := strings.Cut(strings.ToUpper(text), code)
		if !found || strings.ContainsAny(before, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") {
			t.Fatalf("%q", text)
		}
	})
}
