package dmarc

import (
	"context"
	"errors"
	"strings"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

// Identifier is a domain that SPF or DKIM spoke about. Unknown means that a temporary error kept it from being proved.
type Identifier struct {
	Domain  string // in lower case, A-labels
	Unknown bool
}

// Policy is what was found about the author's domain; it waits for the identifiers.
type Policy struct {
	domain string
	tree   *tree
	path   path
}

// Discover looks for the policy of the author's domain, which is in lower case and in A-labels.
func Discover(ctx context.Context, r dns.Resolver, domain string) *Policy {
	p := &Policy{domain: domain, tree: newTree(r)}
	p.path = p.tree.walk(ctx, domain)
	return p
}

// Evaluate makes the result from the identifiers that passed, or might have.
func (p *Policy) Evaluate(ctx context.Context, spf *Identifier, dkim []Identifier) message.DMARC {
	out := message.DMARC{Result: message.None, Domain: p.domain, Policy: "none"}
	n, ok := p.path.policy()
	if p.path.err != nil && (!ok || n.domain != p.domain) {
		out.Result = message.TempError
		return out
	}
	if !ok || !n.record.applies() {
		return out
	}
	rec := n.record
	out.PolicyDomain, out.Record, out.Testing = n.domain, rec.Text, rec.Testing
	open := false // something that could not be found out would have made it pass
	note := func(aligned *bool, id Identifier, strict bool) {
		switch yes, err := p.aligned(ctx, id.Domain, strict); {
		case err != nil || yes && id.Unknown:
			open = true
		case yes:
			*aligned = true
		}
	}
	if spf != nil {
		note(&out.AlignedSPF, *spf, rec.StrictSPF)
	}
	for _, id := range dkim {
		note(&out.AlignedDKIM, id, rec.StrictDKIM)
	}
	var err error
	out.Policy, err = p.requested(ctx, n)
	switch {
	case out.AlignedSPF || out.AlignedDKIM:
		out.Result = message.Pass
	case open || err != nil:
		out.Result = message.TempError
	default:
		out.Result = message.Fail
	}
	return out
}

// aligned tells whether a domain is the author's (strict) or of the same organization (section 4.4).
func (p *Policy) aligned(ctx context.Context, domain string, strict bool) (bool, error) {
	if domain == p.domain || strict {
		return domain == p.domain, nil
	}
	if topLabel(domain) != topLabel(p.domain) {
		return false, nil
	}
	if p.path.err != nil {
		return false, p.path.err
	}
	organization := p.path.organization()
	if domain != organization && !strings.HasSuffix(domain, "."+organization) {
		return false, nil
	}
	other := p.tree.walk(ctx, domain)
	return other.err == nil && other.organization() == organization, other.err
}

// requested is the policy asked for this author's domain: p= if the record is its own, else sp=, or np= if the domain does
// not exist (section 4.10.1). While it is not known whether it exists, sp= holds.
func (p *Policy) requested(ctx context.Context, n node) (string, error) {
	rec := n.record
	if n.domain == p.domain {
		return rec.Policy, nil
	}
	policy := rec.Policy
	if rec.Subdomain != "" {
		policy = rec.Subdomain
	}
	if rec.Missing == "" || rec.Missing == policy {
		return policy, nil
	}
	exists, err := p.exists(ctx)
	if err == nil && !exists {
		return rec.Missing, nil
	}
	return policy, err
}

// exists tells whether the author's domain has an address or takes mail (section 3.2.13).
func (p *Policy) exists(ctx context.Context) (bool, error) {
	_, _, err := p.tree.resolver.MX(ctx, p.domain)
	if err == nil || errors.Is(err, dns.ErrNoDomain) {
		return err == nil, nil
	}
	_, _, err2 := p.tree.resolver.IP(ctx, p.domain)
	switch {
	case err2 == nil:
		return true, nil
	case errors.Is(err, dns.ErrNotFound) && errors.Is(err2, dns.ErrNotFound):
		return false, nil
	case errors.Is(err2, dns.ErrNotFound):
		return false, err
	}
	return false, err2
}

func topLabel(domain string) string { return domain[strings.LastIndexByte(domain, '.')+1:] }
