package route

import (
	"context"
	"fmt"

	"mxdesk/internal/report"
	"mxdesk/outbound/mtasts"
)

// Published is what a domain and its host published about TLS, as TLS reports name it (RFC 8460 section 4.4). The zero value
// is for hosts that nobody reports on: smart hosts and address literals.
type Published struct {
	Policy  string   // report.PolicyTLSA, …
	Lines   []string // the policy
	MX      []string // patterns of an MTA-STS policy
	Problem string   // what is wrong with it, whatever the host does: a result type of RFC 8460
}

// Session is what one session with a host said of TLS, or why there was none.
type Session struct {
	Domain string
	Published
	Host     string
	LocalIP  string
	RemoteIP string
	Result   string // a result type of RFC 8460 section 4.3; "": success
	Reason   string // our words for it
}

// published tells which policy a session with a host is under.
func published(host string, t tlsa, policy mtasts.Policy) Published {
	switch {
	case len(t.records) > 0 || t.err != nil:
		p := Published{Policy: report.PolicyTLSA}
		for _, r := range t.records[:min(len(t.records), maxHosts)] {
			p.Lines = append(p.Lines, fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.MatchingType, r.Data[:min(len(r.Data), maxTLSAData)]))
		}
		return p
	case policy.Problem != "":
		return Published{Policy: report.PolicySTS, Problem: policy.Problem}
	case policy.Mode == mtasts.Enforce || policy.Mode == mtasts.Testing:
		p := Published{Policy: report.PolicySTS, Lines: policy.Lines(), MX: policy.MX}
		if !policy.Matches(host) {
			p.Problem = report.ValidationFailure
		}
		return p
	}
	return Published{Policy: report.PolicyNone}
}

// maxTLSAData is how much of a record is shown: all of the usual hashes.
const maxTLSAData = 64

// observe tells of a host that must not be used.
func (r *Router) observe(domain string, h Host, t tlsa, err error) {
	if r.Observe == nil {
		return
	}
	result := report.ValidationFailure
	if t.err != nil {
		result = report.DNSSECInvalid
	}
	r.Observe(Session{Domain: domain, Published: h.Published, Host: h.Name, Result: result, Reason: err.Error()})
}

// anyTLS marks a context under which policies are not asked.
type anyTLS struct{}

// AnyTLS returns a context for a letter that goes out whatever the TLS policies of the domain say: a TLS report, which could
// not tell of a failure that holds it up (RFC 8460 section 3). Its sessions are not reported on.
func AnyTLS(ctx context.Context) context.Context { return context.WithValue(ctx, anyTLS{}, true) }
