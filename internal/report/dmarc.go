package report

import (
	"encoding/xml"
	"fmt"
	"time"
)

// DMARC is an aggregate report (RFC 7489 section 7.2, RFC 9990).
type DMARC struct {
	Organization string
	Email        string
	ID           string
	Begin, End   time.Time
	Policy       DMARCPolicy
	Records      []DMARCRecord
}

// DMARCPolicy is what the domain published.
type DMARCPolicy struct {
	Domain    string // in lower case, A-labels
	DKIM, SPF string // alignment: r or s
	Policy    string // none, quarantine or reject; for subdomains, and for those that do not exist:
	Subdomain string
	Missing   string
	Testing   string // y or n
}

// DMARCRecord is what was seen of the letters from one address with the same results.
type DMARCRecord struct {
	SourceIP     string
	Count        int64
	Disposition  string // none, pass, quarantine or reject; "other" for what is read and is none of them
	DKIM, SPF    bool   // aligned and passed
	Reasons      []DMARCReason
	HeaderFrom   string
	EnvelopeFrom string
	DKIMResults  []AuthResult
	SPFResults   []AuthResult
}

// Passed tells whether the letters passed DMARC.
func (r *DMARCRecord) Passed() bool { return r.DKIM || r.SPF }

// DMARCReason is why the policy was not applied.
type DMARCReason struct {
	Type    string `xml:"type"`
	Comment string `xml:"comment,omitempty"`
}

// AuthResult is one result of DKIM or SPF.
type AuthResult struct {
	Domain   string `xml:"domain"`
	Selector string `xml:"selector,omitempty"`
	Scope    string `xml:"scope,omitempty"`
	Result   string `xml:"result"`
}

// The form of a report on the wire, for writing.
type (
	dmarcWire struct {
		XMLName      xml.Name          `xml:"urn:ietf:params:xml:ns:dmarc-2.0 feedback"`
		Version      string            `xml:"version"`
		Organization string            `xml:"report_metadata>org_name"`
		Email        string            `xml:"report_metadata>email"`
		ID           string            `xml:"report_metadata>report_id"`
		Begin        int64             `xml:"report_metadata>date_range>begin"`
		End          int64             `xml:"report_metadata>date_range>end"`
		Generator    string            `xml:"report_metadata>generator"`
		Policy       dmarcPolicyWire   `xml:"policy_published"`
		Records      []dmarcRecordWire `xml:"record"`
	}
	dmarcPolicyWire struct {
		Domain    string `xml:"domain"`
		Method    string `xml:"discovery_method"`
		Policy    string `xml:"p"`
		Subdomain string `xml:"sp,omitempty"`
		Missing   string `xml:"np,omitempty"`
		DKIM      string `xml:"adkim,omitempty"`
		SPF       string `xml:"aspf,omitempty"`
		Testing   string `xml:"testing,omitempty"`
	}
	dmarcRecordWire struct {
		SourceIP     string        `xml:"row>source_ip"`
		Count        int64         `xml:"row>count"`
		Disposition  string        `xml:"row>policy_evaluated>disposition"`
		DKIM         string        `xml:"row>policy_evaluated>dkim"`
		SPF          string        `xml:"row>policy_evaluated>spf"`
		Reasons      []DMARCReason `xml:"row>policy_evaluated>reason"`
		HeaderFrom   string        `xml:"identifiers>header_from"`
		EnvelopeFrom *string       `xml:"identifiers>envelope_from"`
		DKIMResults  []AuthResult  `xml:"auth_results>dkim"`
		SPFResults   []AuthResult  `xml:"auth_results>spf"`
	}
)

// Marshal writes the report in the form of RFC 9990. Characters that XML cannot hold are replaced.
func (r *DMARC) Marshal() ([]byte, error) {
	w := dmarcWire{
		Version: "1.0", Organization: r.Organization, Email: r.Email, ID: r.ID, Begin: r.Begin.Unix(), End: r.End.Unix(), Generator: "mxdesk",
		Policy: dmarcPolicyWire{
			Domain: r.Policy.Domain, Method: "treewalk", Policy: r.Policy.Policy, Subdomain: r.Policy.Subdomain, Missing: r.Policy.Missing,
			DKIM: r.Policy.DKIM, SPF: r.Policy.SPF, Testing: r.Policy.Testing,
		},
	}
	for _, rec := range r.Records {
		to := dmarcRecordWire{
			SourceIP: rec.SourceIP, Count: rec.Count, Disposition: rec.Disposition, DKIM: passFail(rec.DKIM), SPF: passFail(rec.SPF),
			Reasons: rec.Reasons, HeaderFrom: rec.HeaderFrom, DKIMResults: rec.DKIMResults, SPFResults: rec.SPFResults,
		}
		if rec.EnvelopeFrom != "" {
			to.EnvelopeFrom = &rec.EnvelopeFrom
		}
		w.Records = append(w.Records, to)
	}
	data, err := xml.MarshalIndent(w, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write DMARC report: %w", err)
	}
	return append([]byte(xml.Header), append(data, '\n')...), nil
}

func passFail(pass bool) string {
	if pass {
		return "pass"
	}
	return "fail"
}
