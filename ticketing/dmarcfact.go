package ticketing

import (
	"errors"

	"mxdesk/internal/mailauth/dmarc"
	"mxdesk/internal/message"
	reports "mxdesk/internal/report"
	"mxdesk/outbound"
)

// dmarcFact is what the owner of the domain in From may be told of a letter: where it came from, what SPF and DKIM said, and
// what became of it (RFC 9990); nothing of its words, nor for whom it was. A letter counts once, when it comes first, whatever
// organisations it goes to; ok is false when there is nothing to tell. Reports are not told of: two hosts would for ever report the
// report of the other.
func dmarcFact(p *parcel) (f outbound.DMARCFact, ok bool) {
	v := p.letter.Verdict
	d := v.DMARC
	if d.Result != message.Pass && d.Result != message.Fail || p.release != nil || !p.known.IsZero() ||
		p.summary.outcome == DailyReport || !p.letter.Session.Client.IsValid() {
		return f, false
	}
	f.Policy = reports.DMARCPolicy{Domain: d.PolicyDomain, Policy: d.Policy, DKIM: "r", SPF: "r", Testing: "n"}
	if rec, ok := dmarc.Parse(d.Record); ok && rec.Policy != "" {
		f.Policy.Policy, f.Policy.Subdomain, f.Policy.Missing = rec.Policy, rec.Subdomain, rec.Missing
		f.Policy.DKIM, f.Policy.SPF = strict(rec.StrictDKIM), strict(rec.StrictSPF)
		if rec.Testing {
			f.Policy.Testing = "y"
		}
	}
	f.Record = reports.DMARCRecord{
		SourceIP: p.letter.Session.Client.Unmap().String(), DKIM: d.AlignedDKIM, SPF: d.AlignedSPF, HeaderFrom: d.Domain, EnvelopeFrom: p.letter.MailFrom.Domain,
		SPFResults: []reports.AuthResult{{Domain: v.SPF.Domain, Scope: spfScope(v.SPF.Identity), Result: string(v.SPF.Result)}},
	}
	for _, s := range v.DKIM[:min(len(v.DKIM), maxReportedSignatures)] {
		f.Record.DKIMResults = append(f.Record.DKIMResults, reports.AuthResult{Domain: s.Domain, Selector: s.Selector, Result: string(s.Result)})
	}
	f.Record.Disposition, f.Record.Reasons = dispositionOf(p)
	return f, true
}

// maxReportedSignatures is how many of a letter's signatures are told of (RFC 9990 allows any number).
const maxReportedSignatures = 5

// dispositionOf is what was done because of DMARC, and why not what the domain asked for.
func dispositionOf(p *parcel) (disposition string, reasons []reports.DMARCReason) {
	d := p.letter.Verdict.DMARC
	asked := d.Policy
	switch {
	case d.Result == message.Pass:
		return "none", nil
	case errors.Is(p.refused, message.ErrDMARC):
		disposition = "reject"
	case p.summary.outcome == HeldLetter && p.summary.reason == reasonDMARCHeld:
		disposition = "quarantine"
	default:
		disposition = "none"
	}
	if disposition != asked {
		kind := "local_policy"
		if d.Testing {
			kind = "policy_test_mode"
		}
		reasons = append(reasons, reports.DMARCReason{Type: kind})
	}
	return disposition, reasons
}

func strict(yes bool) string {
	if yes {
		return "s"
	}
	return "r"
}

func spfScope(identity string) string {
	if identity == "helo" {
		return "helo"
	}
	return "mfrom"
}
