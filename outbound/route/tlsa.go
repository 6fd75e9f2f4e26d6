package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/outbound/dane"
)

// maxAliases bounds the CNAMEs that are followed from one name; more are taken for a loop.
const maxAliases = 10

// tlsa is what the DNS says of the certificates of one host; nothing, unless it can be believed.
type tlsa struct {
	base    string // the name that the records stand under
	records []dns.TLSA
	err     error
}

// needsName tells whether some record names an authority, so that certificates are judged by their names.
func needsName(t tlsa) bool {
	return slices.ContainsFunc(dane.Usable(t.records), func(r dns.TLSA) bool { return r.Usage == dane.TrustAnchor })
}

// lookupTLSA asks for the TLSA records of all hosts at once.
func (r *Router) lookupTLSA(ctx context.Context, hosts []Host) []tlsa {
	all := make([]tlsa, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		if h.named { // else the host, and with it the records, could be anybody's (RFC 7672 section 2.2)
			wg.Go(func() { all[i] = r.tlsaOf(ctx, h) })
		}
	}
	wg.Wait()
	return all
}

// tlsaOf takes the records of the first name that has any.
func (r *Router) tlsaOf(ctx context.Context, h Host) tlsa {
	bases, err := r.bases(ctx, h)
	if err != nil {
		return tlsa{err: err}
	}
	for _, base := range bases {
		records, authentic, err := r.Resolver.TLSA(ctx, fmt.Sprintf("_%d._tcp.%s", h.Port, base))
		switch {
		case errors.Is(err, dns.ErrNotFound): // also a name that does not exist
		case err != nil:
			return tlsa{err: err}
		case authentic:
			return tlsa{base: base, records: records}
		}
	}
	return tlsa{}
}

// bases are the names that TLSA records of the host may stand under, best first (RFC 7672 section 2.2.2, RFC 7671 section 7).
// Where nobody vouches for its addresses there are none: name servers of unsigned zones may not even know the type. But an
// alias in a signed zone may speak for itself, wherever it leads.
func (r *Router) bases(ctx context.Context, h Host) ([]string, error) {
	target, authentic, err := r.Resolver.CNAME(ctx, h.Name)
	switch {
	case errors.Is(err, dns.ErrNotFound) && h.Authentic:
		return []string{h.Name}, nil
	case errors.Is(err, dns.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case !authentic:
		return nil, nil
	case !h.Authentic:
		return []string{h.Name}, nil
	}
	end, err := r.follow(ctx, target)
	switch {
	case err != nil:
		return nil, err
	case end == "":
		return []string{h.Name}, nil
	}
	return []string{end, h.Name}, nil
}

// namesOf are the domain, and what it is an alias of. Without that one there is a name less that a certificate may be for.
func (r *Router) namesOf(ctx context.Context, domain string) []string {
	if end, err := r.follow(ctx, domain); err == nil && end != "" && end != domain {
		return []string{domain, end}
	}
	return []string{domain}
}

// follow gives the host name at the end of all aliases; "" if that cannot be believed, or is none.
func (r *Router) follow(ctx context.Context, name string) (string, error) {
	for range maxAliases {
		host, err := address.ParseDomain(name)
		if err != nil || host[0] == '[' {
			return "", nil
		}
		target, authentic, err := r.Resolver.CNAME(ctx, host)
		switch {
		case errors.Is(err, dns.ErrNotFound) && authentic:
			return host, nil
		case errors.Is(err, dns.ErrNotFound):
			return "", nil
		case err != nil:
			return "", err
		case !authentic:
			return "", nil
		}
		name = target
	}
	return "", fmt.Errorf("%w: more than %d aliases", dns.ErrTemp, maxAliases)
}
