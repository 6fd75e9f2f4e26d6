package ticketing

import (
	"reflect"
	"testing"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
	reports "mxdesk/internal/report"
	"mxdesk/outbound"
)

// TestDMARCFact: what may be reported of a letter, and that it counts once.
func TestDMARCFact(t *testing.T) {
	const record = "v=DMARC1; p=reject; sp=none; adkim=s; t=y"
	newParcel := func(change func(*parcel)) *parcel {
		l := mail{from: "a@x.test", to: []string{"help@example.test"}, text: "Hello"}.letter(reportDay)
		l.Verdict = message.Verdict{
			SPF:   message.SPF{Result: message.Fail, Domain: "x.test", Identity: "mailfrom"},
			DKIM:  []message.DKIM{{Domain: "y.test", Selector: "s1", Result: message.Pass}},
			DMARC: message.DMARC{Result: message.Fail, Domain: "x.test", PolicyDomain: "x.test", Policy: "reject", Record: record},
		}
		p := &parcel{job: &job{letter: l}}
		change(p)
		return p
	}
	want := outbound.DMARCFact{
		Policy: reports.DMARCPolicy{Domain: "x.test", Policy: "reject", Subdomain: "none", DKIM: "s", SPF: "r", Testing: "y"},
		Record: reports.DMARCRecord{
			SourceIP: "192.0.2.1", Disposition: "reject", HeaderFrom: "x.test", EnvelopeFrom: "x.test",
			DKIMResults: []reports.AuthResult{{Domain: "y.test", Selector: "s1", Result: "pass"}},
			SPFResults:  []reports.AuthResult{{Domain: "x.test", Scope: "mfrom", Result: "fail"}},
		},
	}
	got, ok := dmarcFact(newParcel(func(p *parcel) { p.refused = message.ErrDMARC }))
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for name, c := range map[string]struct {
		change      func(*parcel)
		disposition string // "": nothing is told
	}{
		"held":          {func(p *parcel) { p.summary = summary{outcome: HeldLetter, reason: reasonDMARCHeld} }, "quarantine"},
		"taken":         {func(*parcel) {}, "none"},
		"passed":        {func(p *parcel) { p.letter.Verdict.DMARC.Result = message.Pass }, "none"},
		"a report":      {func(p *parcel) { p.summary.outcome = DailyReport }, ""},
		"known":         {func(p *parcel) { p.known = id.New() }, ""},
		"released":      {func(p *parcel) { p.release = &release{} }, ""},
		"not published": {func(p *parcel) { p.letter.Verdict.DMARC.Result = message.None }, ""},
		"not found out": {func(p *parcel) { p.letter.Verdict.DMARC.Result = message.TempError }, ""},
		"not checked":   {func(p *parcel) { p.letter.Verdict = message.Verdict{} }, ""},
	} {
		if got, ok := dmarcFact(newParcel(c.change)); ok != (c.disposition != "") || got.Record.Disposition != c.disposition {
			t.Errorf("%s: %v %+v", name, ok, got)
		}
	}
}
