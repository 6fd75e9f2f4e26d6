package route

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mxdesk/internal/bounce"
	"mxdesk/outbound/dane"
	"mxdesk/outbound/mtasts"
	"mxdesk/outbound/smtpclient"
)

// Who decides what the connection to a host must be: the values of Host.Policy.
const (
	PolicyDANE     = "dane"            // TLSA records verify the certificate
	PolicyDANEOnly = "dane-unusable"   // there are TLSA records, but they can verify nothing: TLS alone
	PolicyMTASTS   = "mta-sts"         // enforced
	PolicyTesting  = "mta-sts-testing" // published, but not to be enforced
	PolicyRequired = "required"        // the sender asks for TLS with a verified name
)

// ErrPolicy is wrapped by the error for hosts that the TLS policies of a domain rule out.
var ErrPolicy = errors.New("TLS policy")

// secure applies what the domain and its hosts published about TLS. Hosts that must not be used are left out.
func (r *Router) secure(ctx context.Context, domain string, hosts []Host) ([]Host, error) {
	var policy mtasts.Policy
	if r.MTASTS != nil {
		var err error
		if policy, err = r.MTASTS(ctx, domain); err != nil {
			return nil, &Error{Reason: bounce.Network, Status: "4.4.3", Text: "the TLS policy of the domain is not known", Err: err}
		}
	}
	out := hosts[:0:0]
	var refused error
	found := r.lookupTLSA(ctx, hosts)
	domains := []string{domain}
	if slices.ContainsFunc(found, needsName) {
		domains = r.namesOf(ctx, domain)
	}
	for i, t := range found {
		h, err := demand(hosts[i], t, policy, domains)
		if err != nil {
			refused = err
			r.observe(domain, h, t, err)
			continue
		}
		out = append(out, h)
	}
	if len(out) == 0 {
		return nil, &Error{Reason: bounce.TLSRequired, Status: "4.7.5", Text: "the TLS policy of the domain allows none of its hosts", Err: refused}
	}
	return out, nil
}

// Secured are the hosts for a letter that requires TLS: encrypted, with a certificate that DANE, MTA-STS or else the roots
// verify for the name of the host.
func Secured(hosts []Host) []Host {
	out := slices.Clone(hosts)
	for i := range out {
		if h := &out[i]; h.TLS != smtpclient.TLSVerified {
			h.TLS, h.Policy = smtpclient.TLSVerified, PolicyRequired
		}
	}
	return out
}

// demand is the decision (pure): what the connection to h must be. The error, for a host that must not be
// used, wraps ErrPolicy. A certificate below a trust anchor may be for the name that the TLSA records stand under, or for one
// of the domain's (RFC 7672 section 3.2.2).
func demand(h Host, t tlsa, policy mtasts.Policy, domains []string) (Host, error) {
	h.Published = published(h.Name, t, policy)
	if t.err != nil { // an attacker may have hidden the records (RFC 7672 section 2.1.2)
		return h, fmt.Errorf("%w: TLSA records of %s: %w", ErrPolicy, h.Name, t.err)
	}
	if usable := dane.Usable(t.records); len(usable) > 0 {
		h.TLS, h.Policy, h.CertName = smtpclient.TLSVerified, PolicyDANE, t.base
		h.Verify = dane.Verify(usable, append([]string{t.base}, domains...)...)
		return h, nil
	}
	if len(t.records) > 0 {
		h.TLS, h.Policy = smtpclient.TLSRequired, PolicyDANEOnly
	}
	switch {
	case policy.Enforced() && !policy.Matches(h.Name):
		return h, fmt.Errorf("%w: MTA-STS of %s does not name %s", ErrPolicy, domains[0], h.Name)
	case policy.Enforced():
		h.TLS, h.Policy = smtpclient.TLSVerified, PolicyMTASTS
	case policy.Mode == mtasts.Testing && h.Policy == "":
		h.Policy = PolicyTesting
	}
	return h, nil
}
