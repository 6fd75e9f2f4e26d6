package admin

import (
	"strings"
	"time"
)

const dailyReport = `MIME-Version: 1.0
Content-Type: multipart/report; report-type=tlsrpt; boundary=b

--b
Content-Type: text/plain

A report.
--b
Content-Type: application/tlsrpt+json
Content-Disposition: attachment; filename=r.json

{"organization-name":"Search","date-range":{"start-datetime":"2026-03-01T00:00:00Z","end-datetime":"2026-03-01T23:59:59Z"},
"contact-info":"x","report-id":"1","policies":[{"policy":{"policy-type":"sts","policy-domain":"example.test"},
"summary":{"total-successful-session-count":5,"total-failure-session-count":2},
"failure-details":[{"result-type":"certificate-expired","receiving-mx-hostname":"mx.example.test","failed-session-count":2}]}]}
--b--
`

// reportOperations lists, shows and sums up a report that came.
func (d *desk) reportOperations() {
	d.t.Helper()
	letter := "ltr_" + d.mailTo("tls-reports@example.test", "Report", dailyReport).String()
	pulse := time.NewTicker(5 * time.Millisecond)
	defer pulse.Stop()
	var items []map[string]any
	for deadline := time.Now().Add(time.Minute); len(items) == 0 && time.Now().Before(deadline); <-pulse.C {
		items = d.do(200, ask{path: "/v1/reports?kind=tls&state=counted&domain=example.test"}).items()
	}
	if len(items) != 1 || items[0]["letter"] != letter || items[0]["reporter"] != "Search" || items[0]["failed"] != 2.0 {
		d.t.Fatalf("reports %v", items)
	}
	one := d.do(200, ask{path: "/v1/reports/" + items[0]["id"].(string)})
	if lines := one.value["lines"].([]any); len(lines) != 2 || !strings.Contains(string(one.raw), `"peer":"mx.example.test"`) {
		d.t.Errorf("report %s", one.raw)
	}
	days := d.do(200, ask{path: "/v1/reports/days?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z"}).items()
	if len(days) != 2 || days[0]["day"] != "2026-03-01" || days[0]["result"] != "certificate-expired" || days[0]["quantity"] != 2.0 {
		d.t.Errorf("days %v", days)
	}
	d.do(422, ask{path: "/v1/reports/days?from=2020-03-01T00:00:00Z&to=2026-03-02T00:00:00Z"})
	if letters := d.do(200, ask{path: "/v1/letters?outcome=report"}).items(); len(letters) != 1 || letters[0]["ticket"] != nil {
		d.t.Errorf("letters %v", letters)
	}
}
