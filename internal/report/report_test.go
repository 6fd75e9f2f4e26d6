package report

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// parseDMARC reads a report with all its records.
func parseDMARC(data []byte) (*DMARC, error) {
	var records []DMARCRecord
	r, err := ParseDMARC(bytes.NewReader(data), func(rec *DMARCRecord) { records = append(records, *rec) })
	if r != nil {
		r.Records = records
	}
	return r, err
}

func parseTLS(data []byte) (*TLS, error) { return ParseTLS(bytes.NewReader(data)) }

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func TestParseTLS(t *testing.T) {
	r, err := parseTLS(sample(t, "google.json"))
	if err != nil {
		t.Fatal(err)
	}
	p := r.Policies[0]
	if r.Organization != "Example Search Inc." || !r.Begin.Equal(day) || r.ID != "2026-03-01T00:00:00Z_example.test" {
		t.Errorf("metadata %+v", r)
	}
	if p.Type != PolicySTS || p.Domain != "example.test" || p.Passed != 120 || p.Failed != 3 || len(p.Strings) != 4 {
		t.Errorf("policy %+v", p)
	}
	want := []TLSFailure{
		{Result: CertificateExpired, SendingIP: "192.0.2.25", ReceivingMX: "mx.example.test", ReceivingIP: "198.51.100.7", Sessions: 2},
		{Result: OtherResult, Sessions: 1},
	}
	if !reflect.DeepEqual(p.Failures, want) {
		t.Errorf("failures %+v", p.Failures)
	}
	r, err = parseTLS(sample(t, "microsoft.json"))
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Policies[1]; len(r.Policies) != 2 || p.Type != PolicyTLSA || p.Domain != "example.test" || len(p.Strings) != 1 || len(p.MX) != 1 {
		t.Errorf("policies %+v", r.Policies)
	}
}

func TestParseDMARC(t *testing.T) {
	r, err := parseDMARC(sample(t, "google.xml"))
	if err != nil {
		t.Fatal(err)
	}
	want := &DMARC{
		Organization: "search.example", Email: "noreply-dmarc-support@search.example", ID: "13241806473862010561",
		Begin: day, End: day.Add(24*time.Hour - time.Second),
		Policy: DMARCPolicy{Domain: "example.test", DKIM: "r", SPF: "r", Policy: "quarantine", Subdomain: "none", Missing: "none"},
		Records: []DMARCRecord{{
			SourceIP: "198.51.100.7", Count: 12, Disposition: "none", DKIM: true, HeaderFrom: "example.test",
			DKIMResults: []AuthResult{{Domain: "example.test", Selector: "mx2026", Result: "pass"}},
			SPFResults:  []AuthResult{{Domain: "bounces.example.test", Result: "softfail"}},
		}},
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	if r, err = parseDMARC(sample(t, "microsoft.xml")); err != nil {
		t.Fatal(err)
	}
	rec := r.Records[0]
	if r.Organization != "Office & Outlook" || r.Policy.Domain != "example.test" || rec.Passed() || rec.Disposition != "reject" ||
		rec.EnvelopeFrom != "spam.example" || len(rec.Reasons) != 1 || rec.Reasons[0].Comment != "arc=fail" {
		t.Errorf("%+v", r)
	}
}

func TestRoundTrip(t *testing.T) {
	tls := &TLS{
		Organization: "Desk", Contact: "help@desk.test", ID: "1@desk.test", Begin: day, End: day.Add(24*time.Hour - time.Second),
		Policies: []TLSPolicy{{
			Type: PolicySTS, Domain: "x.test", Strings: []string{"version: STSv1"}, MX: []string{"*.x.test"}, Passed: 3, Failed: 1,
			Failures: []TLSFailure{{Result: HostMismatch, SendingIP: "192.0.2.1", ReceivingMX: "mx.x.test", ReceivingIP: "192.0.2.2", Sessions: 1, Reason: "x509: …"}},
		}},
	}
	data, err := tls.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseTLS(data); err != nil || !reflect.DeepEqual(got, tls) {
		t.Errorf("%+v, %v", got, err)
	}
	dmarc := &DMARC{
		Organization: "Desk & <Sons>", Email: "help@desk.test", ID: "1", Begin: day, End: day.Add(24*time.Hour - time.Second),
		Policy: DMARCPolicy{Domain: "x.test", DKIM: "r", SPF: "s", Policy: "reject", Testing: "n"},
		Records: []DMARCRecord{{
			SourceIP: "2001:db8::1", Count: 2, Disposition: "quarantine", SPF: true, HeaderFrom: "x.test", EnvelopeFrom: "y.test",
			Reasons: []DMARCReason{{Type: "local_policy", Comment: "why"}}, SPFResults: []AuthResult{{Domain: "y.test", Scope: "mfrom", Result: "pass"}},
		}},
	}
	if data, err = dmarc.Marshal(); err != nil {
		t.Fatal(err)
	}
	if got, err := parseDMARC(data); err != nil || !reflect.DeepEqual(got, dmarc) {
		t.Errorf("%+v, %v\n%s", got, err, data)
	}
}

func zipped(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(sample(t, "google.xml")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packed(t testing.TB, text []byte) []byte {
	t.Helper()
	data, err := Pack(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unpacked is the whole text.
func unpacked(data []byte) ([]byte, error) {
	text, err := Unpack(data)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(text)
}

func TestUnpack(t *testing.T) {
	xml := sample(t, "google.xml")
	bomb := packed(t, make([]byte, 20<<20))
	for _, c := range []struct {
		name string
		data []byte
		ok   bool
	}{
		{"as it is", xml, true},
		{"gzip", packed(t, xml), true},
		{"zip", zipped(t, "r.xml"), true},
		{"zip of two", zipped(t, "r.xml", "s.xml"), false},
		{"zip of none", zipped(t), false},
		{"bomb", bomb, false},
		{"bomb in a bomb is a text that nobody reads", packed(t, bomb), true},
		{"cut gzip", packed(t, xml)[:100], false},
		{"cut zip", zipped(t, "r.xml")[:100], false},
		{"too long", make([]byte, maxPacked+1), false},
	} {
		got, err := unpacked(c.data)
		switch {
		case (err == nil) != c.ok, err != nil && !errors.Is(err, ErrMalformed):
			t.Errorf("%s: %v", c.name, err)
		case c.ok && !strings.HasPrefix(c.name, "bomb") && !bytes.Equal(got, xml):
			t.Errorf("%s: %.40q", c.name, got)
		}
	}
}

// What stands before a text is passed over, within bounds.
func TestKind(t *testing.T) {
	for _, c := range []struct {
		text       string
		tls, dmarc bool
	}{
		{"\xef\xbb\xbf\r\n {", true, false},
		{strings.Repeat(" ", maxBlank-1) + "<", false, true},
		{strings.Repeat(" ", maxBlank) + "<", false, false},
		{"PDF", false, false},
		{"", false, false},
		{"\xef\xbb", false, false},
	} {
		got, err := Unpack([]byte(c.text))
		if err != nil || got.IsTLS() != c.tls || got.IsDMARC() != c.dmarc {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
}

// TestManyFailures: what is beyond the bound is added up, and no session is lost.
func TestManyFailures(t *testing.T) {
	text := string(sample(t, "google.json"))
	one := `{"result-type":"certificate-expired","sending-mta-ip":"192.0.2.25","failed-session-count":2},`
	many := strings.Replace(text, `"failure-details":[`, `"failure-details":[`+strings.Repeat(one, 5*maxFailures), 1)
	r, err := parseTLS([]byte(many))
	if err != nil {
		t.Fatal(err)
	}
	list, sum := r.Policies[0].Failures, int64(0)
	for _, f := range list {
		sum += f.Sessions
	}
	if len(list) != maxFailures+2 || sum != 10*maxFailures+3 || list[maxFailures] != (TLSFailure{Result: CertificateExpired, Sessions: 8*maxFailures + 2}) {
		t.Errorf("%d failures with %d sessions, %+v", len(list), sum, list[maxFailures:])
	}
}

// As many records as may be in a report are no more elements than may be.
func TestManyRecords(t *testing.T) {
	text := string(sample(t, "google.xml"))
	from, to := strings.Index(text, "<record>"), strings.Index(text, "</record>")+len("</record>")
	r, err := parseDMARC([]byte(text[:from] + strings.Repeat(text[from:to], maxRecords) + text[to:]))
	if err != nil || len(r.Records) != maxRecords {
		t.Fatal(err)
	}
}

// TestHostile: what is meant to hurt is refused, and says so.
func TestHostile(t *testing.T) {
	xml, json := string(sample(t, "google.xml")), string(sample(t, "google.json"))
	record := xml[strings.Index(xml, "<record>") : strings.Index(xml, "</record>")+len("</record>")]
	for name, text := range map[string]string{
		"document type":    strings.Replace(xml, "<feedback>", `<!DOCTYPE f [<!ENTITY a "aaaa">]><feedback>`, 1),
		"entity":           strings.Replace(xml, "search.example", "&a;", 1),
		"deep":             strings.Replace(xml, "<version>", "", 1) + strings.Repeat("<a>", 1000),
		"many records":     strings.Replace(xml, record, strings.Repeat(record, maxRecords+1), 1),
		"many elements":    strings.Replace(xml, record, strings.Repeat("<a/>", maxValues), 1),
		"many attributes":  strings.Replace(xml, "<record>", "<record"+strings.Repeat(` a=""`, maxGap)+">", 1),
		"long name":        strings.Replace(xml, "<record>", "<"+strings.Repeat("a", maxName+1)+">", 1),
		"two documents":    xml + "<feedback></feedback>",
		"cut":              xml[:len(xml)-20],
		"crossed tags":     strings.Replace(xml, "</row>", "</wor>", 1),
		"negative count":   strings.Replace(xml, "<count>12", "<count>-12", 1),
		"no report id":     strings.Replace(xml, "13241806473862010561", "", 1),
		"a year":           strings.Replace(xml, "1772409599", "1803859200", 1),
		"no domain":        strings.Replace(xml, "<domain>example.test", "<domain>a b", 1),
		"deep JSON":        strings.Repeat("[", 1000),
		"many values":      `{"policies":[` + strings.Repeat("{},", maxValues) + "{}]}",
		"many policies":    strings.Replace(json, `"policies":[`, `"policies":[`+strings.Repeat("{},", maxPolicies), 1),
		"another type":     strings.Replace(json, `"sts"`, `"sts2"`, 1),
		"no policy domain": strings.Replace(json, `"policy-domain":"example.test"`, `"policy-domain":""`, 1),
		"no JSON":          json[:len(json)-3],
		"two JSONs":        json + "{}",
		"long text":        strings.Replace(xml, "search.example", strings.Repeat("w", maxGap), 1),
		"long comment":     strings.Replace(xml, "<record>", "<!--"+strings.Repeat("<a>", maxGap/3)+"--><record>", 1),
		"long JSON text":   strings.Replace(json, `"policies"`, `"x":"`+strings.Repeat("w", 2*maxGap)+`","policies"`, 1),
		"long number":      strings.Replace(json, `"policies"`, `"x":`+strings.Repeat("9", 2*maxGap)+`,"policies"`, 1),
		"long failure":     strings.Replace(json, `"failure-details":[`, `"failure-details":[{"x":[`+strings.Repeat("1,", maxGap)+`1]},`, 1),
		"no date":          strings.Replace(json, "2026-03-01T23:59:59Z", "2026-02-01T23:59:59Z", 1),
	} {
		var err error
		switch u, bad := Unpack([]byte(text)); {
		case bad != nil:
			err = bad
		case u.IsDMARC():
			_, err = ParseDMARC(u, func(*DMARCRecord) {})
		default:
			_, err = ParseTLS(u)
		}
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDestinations(t *testing.T) {
	text := func(list []Destination) string {
		var words []string
		for _, d := range list {
			words = append(words, d.Mail.String()+d.URL)
		}
		return strings.Join(words, " ")
	}
	for _, c := range []struct {
		records []string
		want    string
	}{
		{nil, ""},
		{[]string{"v=TLSRPTv1; rua=mailto:r@x.test"}, "r@x.test"},
		{[]string{"v=TLSRPTv1;rua=mailto:r@x.test,https://x.test/v1 ;"}, "r@x.test https://x.test/v1"},
		{[]string{"v=spf1 -all", "v=TLSRPTv1; rua=mailto:r%2Bs@x.test; ext=1"}, "r+s@x.test"},
		{[]string{"v=TLSRPTv1; rua=mailto:r@x.test", "v=TLSRPTv1; rua=mailto:s@x.test"}, ""},
		{[]string{"v=TLSRPTv1; rua=mailto:r@x.test; rua=mailto:s@x.test"}, ""},
		{[]string{"v=TLSRPTv1; junk; rua=mailto:r@x.test"}, ""},
		{[]string{"v=TLSRPTv2; rua=mailto:r@x.test"}, ""},
		{[]string{"v=TLSRPTv1; rua=http://x.test/,mailto:nobody,https://u:p@x.test/,mailto:a@[192.0.2.1],ftp://x"}, ""},
		{[]string{"v=TLSRPTv1; rua=" + strings.Repeat("mailto:r@x.test,", 9)}, strings.TrimSpace(strings.Repeat("r@x.test ", maxDestinations))},
	} {
		if got := text(TLSDestinations(c.records)); got != c.want {
			t.Errorf("%q: %q, want %q", c.records, got, c.want)
		}
	}
	got := DMARCDestinations("mailto:a@x.test!10m, mailto:b@y.test!512, https://x.test/, mailto:c@z.test!q")
	if text(got) != "a@x.test b@y.test" || got[0].Max != 10<<20 || got[1].Max != 512 {
		t.Errorf("%+v", got)
	}
	got = DMARCDestinations("mailto:a@x.test!10485760,mailto:b@y.test!9000000t,mailto:c@z.test!0,mailto:d@z.test!99999999999999999999")
	if text(got) != "a@x.test b@y.test" || got[0].Max != 10<<20 || got[1].Max != math.MaxInt64 {
		t.Errorf("%+v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"google.json", "microsoft.json", "google.xml", "microsoft.xml"} {
		f.Add(sample(f, name))
	}
	f.Add(packed(f, []byte("<feedback/>")))
	f.Add(zipped(f, "r.xml"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := unpacked(data)
		if err != nil {
			return
		}
		if r, err := parseTLS(text); err == nil {
			out, err := r.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			again, err := parseTLS(out)
			if err != nil || len(again.Policies) != len(r.Policies) || again.ID != r.ID {
				t.Fatalf("%q reads as %+v, again as %+v: %v", text, r, again, err)
			}
		}
		if r, err := parseDMARC(text); err == nil {
			out, err := r.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			again, err := parseDMARC(out)
			if err != nil || len(again.Records) != len(r.Records) || again.Organization != r.Organization {
				t.Fatalf("%q reads as %+v, again as %+v: %v", text, r, again, err)
			}
		}
	})
}

func FuzzDestinations(f *testing.F) {
	f.Add("v=TLSRPTv1; rua=mailto:r@x.test,https://x.test/v1!10m")
	f.Fuzz(func(t *testing.T, s string) {
		for _, d := range append(TLSDestinations([]string{s}), DMARCDestinations(s)...) {
			if d.Mail.IsZero() == (d.URL == "") || d.URL != "" && !strings.HasPrefix(d.URL, "https://") || d.Max < 0 {
				t.Fatalf("%q gives %+v", s, d)
			}
		}
	})
}

// weighed is a text that looks now and then how much memory is in use.
type weighed struct {
	*Text
	read int
	most uint64
}

// ReadByte implements io.ByteReader.
func (w *weighed) ReadByte() (byte, error) {
	if w.read++; w.read%(1<<20) == 0 {
		w.most = max(w.most, inUse())
	}
	return w.Text.ReadByte()
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemory: reports that unpack to as much as may be are never in memory as a whole, nor is what is made of them.
func TestMemory(t *testing.T) {
	xml, json := string(sample(t, "google.xml")), string(sample(t, "google.json"))
	from, to := strings.Index(xml, "<record>"), strings.Index(xml, "</record>")
	many := func(text, before, piece string) []byte {
		n := min(maxValues/2, (maxUnpacked-len(text))/len(piece))
		return packed(t, []byte(strings.Replace(text, before, before+strings.Repeat(piece, n), 1)))
	}
	for name, data := range map[string][]byte{
		"records":  packed(t, []byte(xml[:from]+strings.Repeat(xml[from:to]+strings.Repeat("<x>"+strings.Repeat("w", 300)+"</x>", 4)+"</record>", maxRecords-1)+xml[from:])),
		"results":  many(xml, "<auth_results>", "<dkim><domain>"+strings.Repeat("w", 40)+"</domain></dkim>"),
		"failures": many(json, `"failure-details":[`, `{"failure-reason-code":"`+strings.Repeat("w", 50)+`"},`),
	} {
		text, err := Unpack(data)
		if err != nil {
			t.Fatal(err)
		}
		before, w := inUse(), &weighed{Text: text}
		if text.IsDMARC() {
			_, err = ParseDMARC(w, func(*DMARCRecord) {})
		} else {
			_, err = ParseTLS(w)
		}
		if w.read < 4<<20 {
			t.Errorf("%s: only %d octets were read, %v", name, w.read, err)
		}
		if w.most > before+2<<20 {
			t.Errorf("%s, %d KB packed: %d KB in use, %v", name, len(data)>>10, (w.most-before)>>10, err)
		}
	}
}
