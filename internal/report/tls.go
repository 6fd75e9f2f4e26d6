package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// The policy types of RFC 8460 section 4.4.
const (
	PolicyTLSA = "tlsa"
	PolicySTS  = "sts"
	PolicyNone = "no-policy-found"
)

// The result types of RFC 8460 section 4.3.
const (
	NoStartTLS         = "starttls-not-supported"
	HostMismatch       = "certificate-host-mismatch"
	CertificateExpired = "certificate-expired"
	NotTrusted         = "certificate-not-trusted"
	ValidationFailure  = "validation-failure"
	TLSAInvalid        = "tlsa-invalid"
	DNSSECInvalid      = "dnssec-invalid"
	DANERequired       = "dane-required"
	STSFetchError      = "sts-policy-fetch-error"
	STSInvalid         = "sts-policy-invalid"
	STSWebPKIInvalid   = "sts-webpki-invalid"

	OtherResult = "other" // ours, for what the RFC does not know
)

var tlsResults = []string{
	NoStartTLS, HostMismatch, CertificateExpired, NotTrusted, ValidationFailure, TLSAInvalid, DNSSECInvalid, DANERequired,
	STSFetchError, STSInvalid, STSWebPKIInvalid,
}

// TLS is a report on the TLS of the sessions of a day (RFC 8460 section 4).
type TLS struct {
	Organization string
	Contact      string
	ID           string
	Begin, End   time.Time
	Policies     []TLSPolicy
}

// TLSPolicy is what was seen under one policy.
type TLSPolicy struct {
	Type     string // PolicyTLSA, …
	Domain   string // in lower case, A-labels
	Strings  []string
	MX       []string // patterns of an MTA-STS policy
	Passed   int64    // sessions
	Failed   int64
	Failures []TLSFailure
}

// TLSFailure is one way in which sessions failed.
type TLSFailure struct {
	Result      string // NoStartTLS, …, OtherResult
	SendingIP   string
	ReceivingMX string
	ReceivingIP string
	Sessions    int64
	Reason      string
}

// The form of a report on the wire.
type (
	tlsWire struct {
		Organization string          `json:"organization-name"`
		Range        tlsRange        `json:"date-range"`
		Contact      string          `json:"contact-info"`
		ID           string          `json:"report-id"`
		Policies     []tlsPolicyWire `json:"policies"`
	}
	tlsRange struct {
		Start time.Time `json:"start-datetime"`
		End   time.Time `json:"end-datetime"`
	}
	tlsPolicyWire struct {
		Policy struct {
			Type    string `json:"policy-type"`
			Strings texts  `json:"policy-string,omitempty"`
			Domain  string `json:"policy-domain"`
			MX      texts  `json:"mx-host,omitempty"`
		} `json:"policy"`
		Summary struct {
			Passed int64 `json:"total-successful-session-count"`
			Failed int64 `json:"total-failure-session-count"`
		} `json:"summary"`
		Failures []tlsFailureWire `json:"failure-details,omitempty"`
	}
	tlsFailureWire struct {
		Result      string `json:"result-type"`
		SendingIP   string `json:"sending-mta-ip,omitempty"`
		ReceivingMX string `json:"receiving-mx-hostname,omitempty"`
		ReceivingIP string `json:"receiving-ip,omitempty"`
		Sessions    int64  `json:"failed-session-count"`
		Reason      string `json:"failure-reason-code,omitempty"`
	}
)

// texts is a list of strings; some reporters write a single one without brackets.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		*t = make(texts, 1)
		return json.Unmarshal(data, &(*t)[0])
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// Marshal writes the report.
func (r *TLS) Marshal() ([]byte, error) {
	w := tlsWire{
		Organization: r.Organization, Range: tlsRange{r.Begin.UTC(), r.End.UTC()}, Contact: r.Contact, ID: r.ID,
		Policies: make([]tlsPolicyWire, len(r.Policies)),
	}
	for i, p := range r.Policies {
		to := &w.Policies[i]
		to.Policy.Type, to.Policy.Domain, to.Policy.Strings, to.Policy.MX = p.Type, p.Domain, p.Strings, p.MX
		to.Summary.Passed, to.Summary.Failed = p.Passed, p.Failed
		for _, f := range p.Failures {
			to.Failures = append(to.Failures, tlsFailureWire(f))
		}
	}
	data, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("write TLS report: %w", err)
	}
	return data, nil
}
