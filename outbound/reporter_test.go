package outbound

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
	reports "mxdesk/internal/report"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

var yesterday = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// reporter is a Reporter whose clock can be set; it was yesterday when the results came.
func (x *world) reporter(zone dns.Fake) (*Reporter, *time.Time) {
	now := yesterday
	clock := func() time.Time { return now }
	return NewReporter(x.q, ReporterConfig{
		Results: &Results{Clock: clock}, TLS: true, DMARC: true, Organization: "Desk & Sons", From: testFrom, Resolver: zone,
		Client: http.DefaultClient, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: clock,
	}), &now
}

// sentReports delivers what is queued and returns the letters with the text of the report in each.
func (x *world) sentReports() (letters []*Letter, texts []string) {
	x.t.Helper()
	var mu sync.Mutex
	x.round(x.worker(script(func(l *Letter) Attempt {
		mu.Lock()
		defer mu.Unlock()
		letters = append(letters, l)
		return taken
	})))
	for _, l := range letters {
		c := message.Read(l.Body, message.Envelope{})
		if len(c.Attachments) != 1 {
			x.t.Fatalf("%d files in %s", len(c.Attachments), l.Body)
		}
		unpacked, err := reports.Unpack(c.Attachments[0].Data)
		if err != nil {
			x.t.Fatal(err)
		}
		text, err := io.ReadAll(unpacked)
		if err != nil {
			x.t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return letters, texts
}

func (x *world) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func seenSession(domain, result string) route.Session {
	return route.Session{
		Domain: domain, Published: route.Published{Policy: reports.PolicySTS, Lines: []string{"version: STSv1", "mode: enforce"}, MX: []string{"mx." + domain}},
		Host: "mx." + domain, LocalIP: "192.0.2.1", RemoteIP: "192.0.2.2", Result: result,
	}
}

// TestTLSReports: what was seen of a domain in a day goes, once, to where the domain wants it.
func TestTLSReports(t *testing.T) {
	x := newWorld(t)
	var posted [][]byte
	refuse := true
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		data, _ := io.ReadAll(req.Body)
		posted = append(posted, data)
		if req.Header.Get("Content-Type") != "application/tlsrpt+gzip" {
			t.Errorf("posted as %s", req.Header.Get("Content-Type"))
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	r, now := x.reporter(dns.Fake{
		"_smtp._tls.x.test":    {TXT: []string{"v=TLSRPTv1; rua=mailto:tls@x.test," + server.URL}},
		"_smtp._tls.fail.test": {Fail: true},
	})
	r.cfg.Client = server.Client()
	for range 3 {
		r.cfg.Results.AddTLS(seenSession("x.test", ""))
	}
	r.flush(x.ctx)
	r.cfg.Results.AddTLS(seenSession("x.test", ""))
	r.cfg.Results.AddTLS(seenSession("x.test", reports.CertificateExpired))
	r.cfg.Results.AddTLS(seenSession("silent.test", ""))
	r.cfg.Results.AddTLS(seenSession("fail.test", ""))
	r.flush(x.ctx)
	x.must(r.work(x.ctx))
	if n := one[int](x, `SELECT count(*) FROM reports_owed`); n != 0 {
		t.Fatalf("%d reports are due before the day ends", n)
	}

	*now = yesterday.Add(17 * time.Hour)
	x.must(r.work(x.ctx))
	letters, texts := x.sentReports()
	if len(letters) != 1 || letters[0].To.String() != "tls@x.test" || !letters[0].AnyTLS {
		t.Fatalf("%d letters: %+v", len(letters), letters)
	}
	got, err := reports.ParseTLS(strings.NewReader(texts[0]))
	x.must(err)
	p := got.Policies[0]
	if got.Organization != "Desk & Sons" || got.Contact != testFrom.String() || got.ID != "2026-03-01_x.test@desk.test" || len(got.Policies) != 1 || p.Type != reports.PolicySTS ||
		p.Passed != 4 || p.Failed != 1 || p.Failures[0].Result != reports.CertificateExpired || p.Failures[0].SendingIP != "192.0.2.1" || len(p.Strings) != 2 {
		t.Errorf("%+v", got)
	}
	header := string(letters[0].Body)
	for _, want := range []string{
		"\r\nTLS-Report-Domain: x.test\r\n", "\r\nTLS-Report-Submitter: desk.test\r\n", "\r\nAuto-Submitted: auto-generated\r\n",
		`Content-Type: multipart/report; report-type="tlsrpt";`, "Report Domain: x.test Submitter: desk.test", "application/tlsrpt+gzip",
		`filename="desk.test!x.test!1772323200!1772409599.json.gz"`,
	} {
		if !strings.Contains(header, want) {
			t.Errorf("no %q in\n%s", want, header)
		}
	}
	state := func(domain string) string {
		return one[string](x, `SELECT state FROM reports_owed WHERE domain = $1`, domain)
	}
	if state("x.test") != "pending" || state("silent.test") != "unwanted" || state("fail.test") != "pending" {
		t.Errorf("x.test %s, silent.test %s, fail.test %s", state("x.test"), state("silent.test"), state("fail.test"))
	}

	refuse = false
	*now = now.Add(time.Hour)
	x.must(r.work(x.ctx))
	*now = now.Add(time.Hour)
	x.must(r.work(x.ctx))
	if letters, _ := x.sentReports(); len(letters) != 0 || len(posted) != 1 || state("x.test") != "sent" {
		t.Errorf("%d letters more, %d posted, %s", len(letters), len(posted), state("x.test"))
	}
	*now = now.Add(24 * time.Hour)
	for range reportTries {
		*now = now.Add(5 * time.Hour)
		x.must(r.work(x.ctx))
	}
	if state("fail.test") != "failed" {
		t.Errorf("fail.test: %s", state("fail.test"))
	}
	*now = now.Add(resultAge)
	x.must(r.work(x.ctx))
	if n := one[int](x, `SELECT (SELECT count(*) FROM reports_owed) + (SELECT count(*) FROM tls_results)`); n != 0 {
		t.Errorf("%d rows are kept", n)
	}
}

// TestPostedWherePossible: one destination that takes nothing keeps no report from the others.
func TestPostedWherePossible(t *testing.T) {
	x := newWorld(t)
	posted := map[string]int{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if posted[req.URL.Path]++; req.URL.Path != "/good" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	r, now := x.reporter(dns.Fake{
		"_smtp._tls.x.test": {TXT: []string{"v=TLSRPTv1; rua=" + server.URL + "/bad," + server.URL + "/good," + server.URL + "/worse"}},
	})
	r.cfg.Client = server.Client()
	r.cfg.Results.AddTLS(seenSession("x.test", ""))
	r.flush(x.ctx)
	*now = yesterday.Add(17 * time.Hour)
	x.must(r.work(x.ctx))
	*now = now.Add(time.Hour)
	x.must(r.work(x.ctx))
	if posted["/bad"] != 2 || posted["/good"] != 1 || posted["/worse"] != 2 {
		t.Errorf("posted %v", posted)
	}
	if got := one[string](x, `SELECT state FROM reports_owed`); got != "pending" {
		t.Errorf("state %s", got)
	}
}

// TestReportWasMailed: a node that died when the mail was queued and nothing more was to be done has sent the report.
func TestReportWasMailed(t *testing.T) {
	x := newWorld(t)
	r, now := x.reporter(dns.Fake{"_smtp._tls.x.test": {TXT: []string{"v=TLSRPTv1; rua=mailto:tls@x.test"}}})
	r.cfg.Results.AddTLS(seenSession("x.test", ""))
	r.flush(x.ctx)
	*now = yesterday.Add(17 * time.Hour)
	x.must(r.work(x.ctx))
	x.exec(`UPDATE reports_owed SET state = 'pending'`)
	*now = now.Add(time.Hour)
	x.must(r.work(x.ctx))
	letters, _ := x.sentReports()
	if got := one[string](x, `SELECT state FROM reports_owed`); got != "sent" || len(letters) != 1 {
		t.Errorf("state %s, %d letters", got, len(letters))
	}
}

// TestOvertakenReport: a node that stood still while another sent the report sends it no more.
func TestOvertakenReport(t *testing.T) {
	x := newWorld(t)
	r, now := x.reporter(dns.Fake{"_smtp._tls.x.test": {TXT: []string{"v=TLSRPTv1; rua=mailto:tls@x.test"}}})
	r.cfg.Results.AddTLS(seenSession("x.test", ""))
	r.flush(x.ctx)
	*now = yesterday.Add(17 * time.Hour)
	x.must(pgx.BeginFunc(x.ctx, x.q.pool, func(tx pgx.Tx) error { return keepOwed(x.ctx, tx, *now, true, false) }))
	stood, err := claimOwed(x.ctx, x.q.pool, *now, []string{"tls"})
	x.must(err)
	*now = now.Add(time.Hour)
	x.must(r.work(x.ctx))
	x.must(r.one(x.ctx, stood))
	letters, _ := x.sentReports()
	if got := one[string](x, `SELECT state FROM reports_owed`); got != "sent" || len(letters) != 1 {
		t.Errorf("state %s, %d letters", got, len(letters))
	}
}

// TestReportWaitsForQueue: while a report cannot be queued, where it is to go stays known.
func TestReportWaitsForQueue(t *testing.T) {
	x := newWorld(t)
	r, now := x.reporter(dns.Fake{"_smtp._tls.x.test": {TXT: []string{"v=TLSRPTv1; rua=mailto:tls@x.test"}}})
	r.cfg.From.Domain = "later.test" // no organisation has it yet
	r.cfg.Results.AddTLS(seenSession("x.test", ""))
	r.flush(x.ctx)
	*now = yesterday.Add(17 * time.Hour)
	x.must(r.work(x.ctx))
	if got := one[string](x, `SELECT state FROM reports_owed`); got != "pending" {
		t.Errorf("state %s", got)
	}
	r.cfg.From = testFrom
	*now = now.Add(time.Hour)
	x.must(r.work(x.ctx))
	letters, _ := x.sentReports()
	if got := one[string](x, `SELECT state FROM reports_owed`); got != "sent" || len(letters) != 1 {
		t.Errorf("state %s, %d letters", got, len(letters))
	}
}

// stuckResolver answers nothing while it is asked for TXT records.
type stuckResolver struct {
	dns.Fake
	asked chan struct{}
}

func (s stuckResolver) TXT(ctx context.Context, _ string) ([]string, bool, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return nil, false, ctx.Err()
}

// TestCountsWhileSending: while a report hangs at somebody's name servers, what is seen meanwhile is written down.
func TestCountsWhileSending(t *testing.T) {
	x := newWorld(t)
	r, now := x.reporter(nil)
	stuck := stuckResolver{asked: make(chan struct{})}
	r.cfg.Resolver, r.flushEvery, r.reportEvery = stuck, 10*time.Millisecond, 10*time.Millisecond
	r.cfg.Results.AddTLS(seenSession("x.test", ""))
	r.flush(x.ctx)
	*now = yesterday.Add(17 * time.Hour)
	ctx, cancel := context.WithCancel(x.ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	<-stuck.asked
	r.cfg.Results.AddTLS(seenSession("y.test", ""))
	for deadline := time.Now().Add(time.Minute); one[int](x, `SELECT count(*) FROM tls_results`) != 2; {
		if time.Now().After(deadline) {
			t.Fatal("the counts are not written")
		}
	}
	cancel()
	x.must(<-ended)
}

// TestDMARCReports: they go to the domain's own organisation, and to others only if those agree.
func TestDMARCReports(t *testing.T) {
	x := newWorld(t)
	r, now := x.reporter(dns.Fake{
		"_dmarc.x.test":                     {TXT: []string{"v=DMARC1; p=reject; rua=mailto:own@reports.x.test!1m,mailto:yes@agrees.test,mailto:no@victim.test,mailto:small@x.test!1"}},
		"x.test._report._dmarc.agrees.test": {TXT: []string{"v=DMARC1; rua=mailto:instead@agrees.test,mailto:no@victim.test"}},
		"_dmarc.two.test":                   {TXT: []string{"v=DMARC1; p=none; rua=mailto:a@two.test", "v=DMARC1; p=none; rua=mailto:b@two.test"}},
	})
	fact := DMARCFact{
		Policy: reports.DMARCPolicy{Domain: "x.test", Policy: "reject"},
		Record: reports.DMARCRecord{SourceIP: "192.0.2.9", Disposition: "reject", HeaderFrom: "x.test", SPFResults: []reports.AuthResult{{Domain: "y.test", Scope: "mfrom", Result: "fail"}}},
	}
	for range 5 {
		r.cfg.Results.AddDMARC(fact)
	}
	fact.Policy.Domain = "two.test"
	r.cfg.Results.AddDMARC(fact)
	r.flush(x.ctx)
	*now = yesterday.Add(17 * time.Hour)
	x.must(r.work(x.ctx))
	letters, texts := x.sentReports()
	to := map[string]bool{}
	for i, l := range letters {
		to[l.To.String()] = true
		var records []reports.DMARCRecord
		got, err := reports.ParseDMARC(strings.NewReader(texts[i]), func(r *reports.DMARCRecord) { records = append(records, *r) })
		x.must(err)
		if len(records) != 1 || records[0].Count != 5 || records[0].SourceIP != "192.0.2.9" || got.Policy.Domain != "x.test" || got.Email != testFrom.String() {
			t.Errorf("%+v", got)
		}
		if l.AnyTLS {
			t.Error("a DMARC report does not care for TLS policies")
		}
	}
	if len(to) != 2 || !to["own@reports.x.test"] || !to["instead@agrees.test"] {
		t.Errorf("sent to %v", to)
	}
}

// TestResultsAreKept: counts that cannot be written are written later, and their number is bounded.
func TestResultsAreKept(t *testing.T) {
	x := newWorld(t)
	r, _ := x.reporter(nil)
	r.cfg.Results.AddTLS(seenSession("x.test", ""))
	r.cfg.Results.AddDMARC(DMARCFact{Policy: reports.DMARCPolicy{Domain: "nul.test"}, Record: reports.DMARCRecord{HeaderFrom: "nul\x00.test"}})
	gone, cancel := context.WithCancel(x.ctx)
	cancel()
	r.flush(gone)
	r.cfg.Results.AddTLS(seenSession("x.test", ""))
	r.flush(x.ctx)
	if n := one[int](x, `SELECT sum(sessions)::int FROM tls_results`); n != 2 {
		t.Errorf("%d sessions", n)
	}
	for i := range maxResults + 10 {
		s := seenSession("x.test", "")
		s.Reason = strings.Repeat("x", 1+i%900) + strings.Repeat("y", i/900)
		r.cfg.Results.AddTLS(s)
	}
	if len(r.cfg.Results.tls) != maxResults || r.cfg.Results.lost != 10 {
		t.Errorf("%d kept, %d lost", len(r.cfg.Results.tls), r.cfg.Results.lost)
	}
}

// TestWhatIsObserved: each way in which TLS can go with a host has its name in RFC 8460.
func TestWhatIsObserved(t *testing.T) {
	cert, roots := smtptest.Certificate(t, "mx.test")
	other, _ := smtptest.Certificate(t, "mx.test")
	sts := route.Published{Policy: reports.PolicySTS, Lines: []string{"version: STSv1"}}
	enforced := route.Host{Name: "mx.test", TLS: smtpclient.TLSVerified, Policy: route.PolicyMTASTS, Published: sts}
	testing0 := route.Host{Name: "mx.test", TLS: smtpclient.TLSOpportunistic, Policy: route.PolicyTesting, Published: sts}
	nothing := route.Host{Name: "mx.test", TLS: smtpclient.TLSOpportunistic, Published: route.Published{Policy: reports.PolicyNone}}
	fetch := nothing
	fetch.Published = route.Published{Policy: reports.PolicySTS, Problem: reports.STSFetchError}
	unusable := route.Host{Name: "mx.test", TLS: smtpclient.TLSRequired, Policy: route.PolicyDANEOnly, Published: route.Published{Policy: reports.PolicyTLSA}}
	named := func(h route.Host, name string) route.Host { h.Name = name; return h }
	for _, c := range []struct {
		name   string
		host   route.Host
		server *tls.Config
		want   string // results of the sessions
	}{
		{"enforced", enforced, cert, "ok"},
		{"enforced, another issuer", enforced, other, reports.NotTrusted},
		{"enforced, another name", named(enforced, "mx2.test"), cert, reports.HostMismatch},
		{"enforced, no TLS", enforced, nil, reports.NoStartTLS},
		{"testing", testing0, cert, "ok"},
		{"testing, another issuer", testing0, other, reports.NotTrusted},
		{"testing, another name", named(testing0, "mx2.test"), cert, reports.HostMismatch},
		{"nothing published", nothing, other, "ok"},
		{"nothing published, no TLS", nothing, nil, reports.NoStartTLS},
		{"policy not fetched", fetch, cert, reports.STSFetchError},
		{"TLSA unusable", unusable, cert, reports.TLSAInvalid},
		{"smart host", route.Host{Name: "mx.test", TLS: smtpclient.TLSOpportunistic}, cert, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := smtptest.Config{TLS: c.server}
			if c.server == nil {
				cfg.Script = func(smtptest.Command) smtptest.Action { return smtptest.Action{} }
			}
			peer := smtptest.New(t, cfg)
			c.host.Addresses, c.host.Port = []netip.Addr{peer.Addr().Addr()}, peer.Addr().Port()
			s := smtpTo(t)
			s.BaseTLS = &tls.Config{RootCAs: roots}
			s.Hosts = func(context.Context, string) ([]route.Host, error) { return []route.Host{c.host}, nil }
			var seen []string
			s.Observe = func(o route.Session) {
				if o.Domain != "x.test" || o.Host != c.host.Name || o.LocalIP == "" || o.RemoteIP != peer.Addr().Addr().String() {
					t.Errorf("%+v", o)
				}
				if o.Result == "" {
					o.Result = "ok"
				}
				seen = append(seen, o.Result)
			}
			conn := s.Open("x.test")
			conn.Send(t.Context(), letterTo("a@x.test"))
			conn.Close()
			if got := strings.Join(seen, " "); got != c.want {
				t.Errorf("observed %q, want %q", got, c.want)
			}
		})
	}
}
