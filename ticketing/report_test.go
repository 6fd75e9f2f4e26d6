package ticketing

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/message"
	reports "mxdesk/internal/report"
)

var reportDay = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// tlsReport is a letter as large receivers send it.
func tlsReport(t *testing.T, domain, id string) mail {
	t.Helper()
	r := reports.TLS{
		Organization: "Search Inc.", Contact: "tls@search.test", ID: id, Begin: reportDay, End: reportDay.Add(24*time.Hour - time.Second),
		Policies: []reports.TLSPolicy{{
			Type: reports.PolicySTS, Domain: domain, Passed: 40, Failed: 3,
			Failures: []reports.TLSFailure{{Result: reports.CertificateExpired, ReceivingMX: "mx." + domain, Sessions: 2}},
		}},
	}
	text, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return reportMail(t, "tls-reports@example.test", "application/tlsrpt+gzip", text)
}

func dmarcReport(t *testing.T, domain, id string) mail {
	t.Helper()
	r := reports.DMARC{
		Organization: "office.test", Email: "dmarc@office.test", ID: id, Begin: reportDay, End: reportDay.Add(24*time.Hour - time.Second),
		Policy: reports.DMARCPolicy{Domain: domain, Policy: "reject"},
		Records: []reports.DMARCRecord{
			{SourceIP: "192.0.2.1", Count: 7, Disposition: "none", DKIM: true, HeaderFrom: domain},
			{SourceIP: "203.0.113.9", Count: 5, Disposition: "reject", HeaderFrom: domain},
		},
	}
	text, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return reportMail(t, "DMARC-Reports@example.test", "application/gzip", text)
}

func reportMail(t *testing.T, to, contentType string, text []byte) mail {
	t.Helper()
	packed, err := reports.Pack(text)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for data := base64.StdEncoding.EncodeToString(packed); data != ""; {
		n := min(len(data), 76)
		lines.WriteString(data[:n] + "\n")
		data = data[n:]
	}
	return mail{
		from: "noreply@search.test", to: []string{to}, subject: "Report Domain: example.test",
		header: "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
		text: "--b\nContent-Type: text/plain\n\nA report.\n--b\nContent-Type: " + contentType +
			"; name=r.gz\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=r.gz\n\n" + lines.String() + "--b--",
	}
}

// awaitReports waits until n reports are stored and none waits.
func (d *desk) awaitReports(n int) []Report {
	d.t.Helper()
	var list []Report
	d.await(func(ctx context.Context) string {
		var err error
		if list, err = d.service.Reports(ctx, d.org.ID, ReportFilter{}); err != nil {
			d.t.Fatal(err)
		}
		var waiting int
		if err := d.pool.QueryRow(ctx, `SELECT count(*) FROM reports_waiting`).Scan(&waiting); err != nil {
			d.t.Fatal(err)
		}
		if len(list) == n && waiting == 0 {
			return ""
		}
		return fmt.Sprintf("%d reports, %d waiting; want %d", len(list), waiting, n)
	})
	return list
}

// await waits until nothing is wrong any more.
func (d *desk) await(wrong func(context.Context) string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	pulse := time.NewTicker(5 * time.Millisecond)
	defer pulse.Stop()
	for {
		problem := wrong(ctx)
		if problem == "" {
			return
		}
		select {
		case <-pulse.C:
		case <-ctx.Done():
			d.t.Fatal(problem)
		}
	}
}

// reportSeries are the metrics of reports, each by its name and the values of its labels.
func (d *desk) reportSeries() map[string]float64 {
	d.t.Helper()
	registry, m := prometheus.NewRegistry(), d.intake.metrics
	registry.MustRegister(m.reports, m.tlsSessions, m.dmarcLetters)
	families, err := registry.Gather()
	if err != nil {
		d.t.Fatal(err)
	}
	series := map[string]float64{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			name := f.GetName()
			for _, l := range metric.GetLabel() {
				name += " " + l.GetValue()
			}
			series[name] = metric.GetCounter().GetValue()
		}
	}
	return series
}

// awaitSeries waits until metrics of reports have these values: what is stored is counted a moment later.
func (d *desk) awaitSeries(want map[string]float64) {
	d.t.Helper()
	d.await(func(context.Context) string {
		counted := d.reportSeries()
		wrong := maps.Clone(want)
		maps.DeleteFunc(wrong, func(series string, n float64) bool { return counted[series] == n })
		if len(wrong) == 0 {
			return ""
		}
		return fmt.Sprintf("want %v; there are %v", wrong, counted)
	})
}

// TestReportsAreCounted: reports to the addresses of a domain make no ticket and no answer, and count once.
func TestReportsAreCounted(t *testing.T) {
	d := newDesk(t)
	d.must(tlsReport(t, "example.test", "t1"))
	d.must(dmarcReport(t, "example.test", "d1"))
	list := d.awaitReports(2)
	tls, dmarc := list[1], list[0]
	if tls.Kind != "tls" {
		tls, dmarc = dmarc, tls
	}
	if tls.State != ReportCounted || tls.Domain != "example.test" || tls.Passed != 40 || tls.Failed != 3 || tls.Reporter != "Search Inc." ||
		tls.Submitter != "search.test" || tls.Authentic || !tls.BeginsAt.Equal(reportDay) {
		t.Errorf("TLS: %+v", tls)
	}
	if dmarc.State != ReportCounted || dmarc.Passed != 7 || dmarc.Failed != 5 || dmarc.ExternalID != "d1" {
		t.Errorf("DMARC: %+v", dmarc)
	}
	d.must(dmarcReport(t, "example.test", "d1")) // another letter with the same report
	d.must(dmarcReport(t, "example.test", "d2"))
	d.awaitReports(3)

	d.awaitSeries(map[string]float64{
		"mxdesk_reports_total dmarc duplicate":                                1,
		"mxdesk_reports_total dmarc counted":                                  2,
		"mxdesk_reported_dmarc_letters_total none example.test pass":          14,
		"mxdesk_reported_dmarc_letters_total reject example.test fail":        10,
		"mxdesk_reported_tls_sessions_total example.test certificate-expired": 2,
		"mxdesk_reported_tls_sessions_total example.test other":               1,
		"mxdesk_reported_tls_sessions_total example.test pass":                40,
	})
	days, err := d.service.ReportDays(t.Context(), d.org.ID, ReportDaysFilter{From: reportDay, To: reportDay.AddDate(0, 0, 1), Kind: "dmarc"})
	if err != nil || len(days) != 2 || !days[0].Day.Equal(reportDay) || days[0].Result != "fail" || days[0].Quantity != 10 {
		t.Errorf("%+v, %v", days, err)
	}
	r, lines, err := d.service.Report(t.Context(), d.org.ID, dmarc.ID)
	if err != nil || r.ExternalID != "d1" || len(lines) != 2 || lines[1].Peer != "203.0.113.9" {
		t.Errorf("%+v, %+v, %v", r, lines, err)
	}
	letters, err := d.service.Letters(t.Context(), d.org.ID, LetterFilter{Outcome: DailyReport})
	if err != nil || len(letters) != 4 || len(d.tickets()) != 0 || len(d.sentMail()) != 0 {
		t.Errorf("%d letters, %d tickets, %v", len(letters), len(d.tickets()), err)
	}
}

// TestReportsThatDoNotCount: what is no report, a bomb, or about others is taken, listed with its reason, and counts nothing.
func TestReportsThatDoNotCount(t *testing.T) {
	d := newDesk(t)
	bomb := reportMail(t, "tls-reports@example.test", "application/gzip", []byte(`{"x":[`+strings.Repeat(`"`+strings.Repeat("w", 1000)+`",`, 20<<10)))
	for _, c := range []struct {
		name, state, problem string
		mail                 mail
	}{
		{"no report", ReportMalformed, "no report in the letter", mail{from: "a@client.test", to: []string{"dmarc-reports@example.test"}, subject: "Hello", text: "Hello"}},
		{"somebody else's domain", ReportForeign, errForeign.Error(), tlsReport(t, "other.test", "t1")},
		{"a top-level domain", ReportForeign, errForeign.Error(), dmarcReport(t, "test", "d1")},
		{"bomb", ReportMalformed, "unpacks to more than", bomb},
		{"an XML bomb", ReportMalformed, "document type", reportMail(t, "dmarc-reports@example.test", "application/gzip", []byte("<feedback><!DOCTYPE x>"))},
	} {
		letter := d.must(c.mail)
		found := false
		for _, r := range d.awaitReports(1) {
			found = r.State == c.state && strings.Contains(r.Problem, c.problem) && r.Passed+r.Failed == 0 && r.Letter == letter
		}
		if !found {
			list, _ := d.service.Reports(t.Context(), d.org.ID, ReportFilter{})
			t.Errorf("%s: %+v", c.name, list)
		}
		if _, err := d.pool.Exec(t.Context(), `DELETE FROM reports`); err != nil {
			t.Fatal(err)
		}
	}
	for series := range d.reportSeries() {
		if strings.HasPrefix(series, "mxdesk_reported_") {
			t.Errorf("counted %s", series)
		}
	}
	if len(d.tickets()) != 0 || len(d.sentMail()) != 0 {
		t.Error("they made tickets or mail")
	}
}

// TestReportBesideTicket: a letter to a report address and a support address is both; one that DMARC holds is read when it is
// released.
func TestReportBesideTicket(t *testing.T) {
	d := newDesk(t)
	m := tlsReport(t, "example.test", "t1")
	m.from, m.subject, m.to = "carl@client.test", "What is this?", append(m.to, "help@example.test")
	d.must(m)
	d.awaitReports(1)
	if len(d.tickets()) != 1 {
		t.Errorf("%d tickets", len(d.tickets()))
	}
	m = dmarcReport(t, "example.test", "d1")
	l := m.letter(d.clock())
	l.Verdict.DMARC = message.DMARC{Result: message.Fail, Policy: "quarantine", PolicyDomain: "search.test"}
	held, err := d.intake.Deliver(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	d.awaitReports(1)
	if err := d.intake.Release(t.Context(), d.org.ID, held.ID); err != nil {
		t.Fatal(err)
	}
	d.awaitReports(2)
	if got, err := d.service.Letter(t.Context(), d.org.ID, held.ID); err != nil || got.Outcome != DailyReport {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestReportLinesBounded: a report with many sources keeps some, and all their numbers.
func TestReportLinesBounded(t *testing.T) {
	var lines reportLines
	for range 3 * maxReportLines {
		lines.add(ReportLine{Result: "fail", Disposition: "none", Peer: "192.0.2.1", Quantity: 2})
	}
	lines.add(ReportLine{Result: "pass", Disposition: "none", Quantity: 1})
	kept := lines.all()
	var sum int64
	for _, l := range kept {
		sum += l.Quantity
	}
	if len(kept) != maxReportLines+2 || sum != 6*maxReportLines+1 || lines.failed != 6*maxReportLines || lines.passed != 1 {
		t.Errorf("%d lines, sum %d, failed %d, passed %d", len(kept), sum, lines.failed, lines.passed)
	}
}

// TestOldReportsAreForgotten, however many they are, with their lines; others stay.
func TestOldReportsAreForgotten(t *testing.T) {
	d := newDesk(t)
	_, err := d.pool.Exec(t.Context(), `
		INSERT INTO reports (organisation_id, report_key, report_id, letter_id, received_at, kind, domain, submitter, authentic, state, problem)
		SELECT $1, decode(md5(n::text), 'hex'), gen_random_uuid(), gen_random_uuid(), now() - CASE WHEN n > $2 THEN interval '1 hour' ELSE interval '2 days' END,
		       'tls', 'example.test', 'search.test', true, 'malformed', 'no JSON'
		  FROM generate_series(1, $2::int + 3) n`, d.org.ID, 2*forgottenReports+1)
	if err != nil {
		t.Fatal(err)
	}
	if err := deleteReports(t.Context(), d.pool, time.Now().Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM reports`).Scan(&n); err != nil || n != 3 {
		t.Errorf("%d reports are left, %v", n, err)
	}
}
