package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"mxdesk/internal/address"
	"mxdesk/internal/bounce"
	"mxdesk/internal/dns"
	"mxdesk/outbound/mtasts"
	"mxdesk/outbound/smtpclient"
)

// Bounds on what a domain's owner can make us try (RFC 5321 section 5.1 asks for at least two).
const (
	maxHosts         = 10
	maxAddresses     = 20
	maxHostAddresses = 6 // of one host, so that the first cannot crowd out the others

	smtpPort = 25
)

// Host is one host that takes mail for a domain.
type Host struct {
	Name      string                // as in SNI and certificates; an address literal without brackets for a literal domain
	Addresses []netip.Addr          // in the order to try them: IPv6 and IPv4 in turn
	Port      uint16                // TCP port
	TLS       smtpclient.TLSLevel   // what the connection must be
	Implicit  bool                  // TLS from the first byte
	Policy    string                // who says so: PolicyDANE, …; "": nobody but us
	Verify    smtpclient.VerifyFunc // judges the certificate in place of the roots; nil without such a policy
	Auth      *smtpclient.Auth      // for a smart host
	Authentic bool                  // every DNS answer on the way here was vouched for by a validating resolver
	CertName  string                // the name to ask a certificate for, if it is another than Name: DANE's, of an alias
	Trusted   bool                  // configured by the operator: may be a private address
	Relay     bool                  // a smart host: it takes letters for every domain
	Published Published             // what there is to report on
	Site      string                // the MX site it is part of: domains with the very same MX hosts share it; "": of none

	// Renew gets new words to sign in with, when those in Auth are refused; nil: there are none.
	Renew func(context.Context) (*smtpclient.Auth, error)

	named bool // the answer that names the host was vouched for, whatever is true of its addresses
}

// ServerName is the name to ask a certificate for (RFC 7672 section 8.1).
func (h Host) ServerName() string { return cmp.Or(h.CertName, h.Name) }

// Error is why there is no host for a domain.
type Error struct {
	Permanent bool
	Reason    string // one of the reasons of package bounce
	Status    string // enhanced status code (RFC 3463)
	Text      string // for the log and the ticket: printable
	Err       error  // the cause, if there is one
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Text
	}
	return fmt.Sprintf("%s: %v", e.Text, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Router finds hosts. Its fields are set once; it may be used by many goroutines.
type Router struct {
	Resolver     dns.Resolver
	Names        []string // our own host names: an MX that is one of them is ourselves
	Own          *Own     // our own addresses; nil: none
	AllowPrivate bool     // for tests and closed networks: deliver to any address
	Port         uint16   // where MX hosts listen; 0 is 25

	// Here is where this server itself takes letters for a domain; ErrNotServed: nowhere; another error: nowhere now. They go
	// there when the best mail host of the domain is this server: two organisations here may write to each other. nil: it takes none.
	Here func(ctx context.Context, domain string) (at netip.AddrPort, err error)

	// MTASTS finds the MTA-STS policy of a domain; an error means that it is not known whether there is one. nil: none has.
	MTASTS func(ctx context.Context, domain string) (mtasts.Policy, error)

	// Observe is told of hosts that are ruled out before there is a session; nil: nobody is.
	Observe func(Session)
}

// Smarthost is a relay that takes all mail of an organisation.
type Smarthost struct {
	Host     string // a name, or an address with or without brackets
	Port     uint16
	TLS      smtpclient.TLSLevel
	Implicit bool
	Auth     *smtpclient.Auth
	Tenant   bool // configured by an organisation, not by the operator: it leads into no private network
}

// Hosts finds the hosts for a domain, the ones to try first first. The error is an *Error.
func (r *Router) Hosts(ctx context.Context, domain string) ([]Host, error) {
	domain, err := address.ParseDomain(domain)
	if err != nil {
		return nil, &Error{Permanent: true, Reason: bounce.HostUnknown, Status: "5.1.2", Text: "the domain is no host name", Err: err}
	}
	if ip, ok := literal(domain); ok {
		return r.literalHost(ip)
	}
	records, authentic, err := r.Resolver.MX(ctx, domain)
	switch {
	case errors.Is(err, dns.ErrNoDomain):
		return nil, unknown("the domain does not exist", err)
	case errors.Is(err, dns.ErrNotFound):
		records = []dns.MX{{Host: domain}}
	case err != nil:
		return nil, unreachable("MX lookup failed", err)
	}
	exchangers := usable(records)
	switch {
	case len(exchangers) == 0 && slices.ContainsFunc(records, isNull):
		return nil, &Error{Permanent: true, Reason: bounce.NotAccepting, Status: "5.1.10", Text: "the domain takes no mail (null MX)"}
	case len(exchangers) == 0:
		return nil, unknown("no MX record of the domain names a host", nil)
	}
	hosts, err := r.choose(exchangers, r.resolve(ctx, exchangers), authentic)
	if errors.Is(err, ErrNotServed) {
		return r.here(ctx, domain, err)
	}
	if err != nil && len(exchangers) == maxHosts && len(records) > maxHosts {
		return nil, unreachable("none of the first mail hosts of the domain can be used, and there are more than we try", err)
	}
	if err != nil {
		return nil, err
	}
	for i := range hosts {
		hosts[i].Site = site(exchangers)
	}
	if ctx.Value(anyTLS{}) != nil {
		return hosts, nil
	}
	return r.secure(ctx, domain, hosts)
}

// Via finds the addresses of a smart host. Its errors are always temporary: a mistake in our own
// configuration is no reason to give up a letter.
func (r *Router) Via(ctx context.Context, s Smarthost) ([]Host, error) {
	h := Host{Name: strings.Trim(s.Host, "[]"), Port: s.Port, TLS: s.TLS, Implicit: s.Implicit, Auth: s.Auth, Trusted: !s.Tenant, Relay: true}
	if ip, err := netip.ParseAddr(strings.TrimPrefix(h.Name, "IPv6:")); err == nil {
		h.Addresses = []netip.Addr{ip}
		return r.permitted(h)
	}
	addresses, authentic, err := r.Resolver.IP(ctx, h.Name)
	if err != nil {
		return nil, unreachable("lookup of the smart host failed", err)
	}
	h.Addresses, h.Authentic = inTurn(addresses), authentic
	return r.permitted(h)
}

// permitted takes from a smart host that is not trusted the addresses that it may not have.
func (r *Router) permitted(h Host) ([]Host, error) {
	if !h.Trusted {
		h.Addresses = slices.DeleteFunc(h.Addresses, func(ip netip.Addr) bool {
			return !r.AllowPrivate && forbidden(ip) || r.Own.Has(netip.AddrPortFrom(ip, h.Port))
		})
	}
	if len(h.Addresses) == 0 {
		return nil, unreachable("the smart host has no address that may be used", ErrForbidden)
	}
	return []Host{h}, nil
}

func unknown(text string, err error) *Error {
	return &Error{Permanent: true, Reason: bounce.HostUnknown, Status: "5.1.2", Text: text, Err: err}
}

func unreachable(text string, err error) *Error {
	return &Error{Reason: bounce.Network, Status: "4.4.3", Text: text, Err: err}
}

func literal(domain string) (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(domain, "[")
	if !ok {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSuffix(inner, "]"), "IPv6:"))
	return ip, err == nil
}

func (r *Router) literalHost(ip netip.Addr) ([]Host, error) {
	switch {
	case r.isOwn(ip):
		return nil, loops()
	case !r.AllowPrivate && forbidden(ip):
		return nil, unknown("the address belongs to a private network", nil)
	}
	h := r.host(ip.String(), []netip.Addr{ip})
	h.Site = h.Name
	return []Host{h}, nil
}

func (r *Router) host(name string, addresses []netip.Addr) Host {
	return Host{Name: name, Addresses: addresses, Port: cmp.Or(r.Port, smtpPort), TLS: smtpclient.TLSOpportunistic}
}

// isOwn tells whether an MX host with the address would be ourselves.
func (r *Router) isOwn(ip netip.Addr) bool {
	return r.Own.Has(netip.AddrPortFrom(ip, cmp.Or(r.Port, smtpPort)))
}

// ErrNotServed is the cause of errors of domains whose best mail host is this server, which takes no letters for them.
var ErrNotServed = errors.New("the domain is not served here")

func loops() *Error {
	return &Error{
		Permanent: true, Reason: bounce.Loop, Status: "5.4.6",
		Text: "mail for the domain comes back to ourselves: its best mail host is this server, which has no mailboxes", Err: ErrNotServed,
	}
}

// here is this server as the host of a domain that it serves, else loop, the error.
func (r *Router) here(ctx context.Context, domain string, loop error) ([]Host, error) {
	if r.Here == nil {
		return nil, loop
	}
	at, err := r.Here(ctx, domain)
	switch {
	case errors.Is(err, ErrNotServed):
		return nil, loop
	case err != nil:
		return nil, unreachable("the best mail host of the domain is this server, which cannot tell now whether it serves it", err)
	}
	h := r.host(cmp.Or(slices.Concat(r.Names, []string{domain})...), []netip.Addr{at.Addr()})
	h.Port, h.Trusted = at.Port(), true
	return []Host{h}, nil
}

func isNull(mx dns.MX) bool { return mx.Host == "" || mx.Host == "." }

// usable are the records that name a host, best first, those of one preference in random order
// (RFC 5321 section 5.1), at most maxHosts.
func usable(records []dns.MX) []dns.MX {
	out := make([]dns.MX, 0, len(records))
	seen := make(map[string]bool)
	for _, mx := range records {
		name, err := address.ParseDomain(mx.Host)
		if err != nil || name[0] == '[' {
			continue // the null MX too
		}
		out = append(out, dns.MX{Preference: mx.Preference, Host: name})
	}
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	slices.SortStableFunc(out, func(a, b dns.MX) int { return int(a.Preference) - int(b.Preference) })
	out = slices.DeleteFunc(out, func(mx dns.MX) bool {
		double := seen[mx.Host]
		seen[mx.Host] = true
		return double
	})
	return out[:min(len(out), maxHosts)]
}

// site names what takes mail for all domains with these MX hosts. It is all of them, not the best alone: else a domain that names
// a big site's host beside its own slow one would count against that site.
func site(exchangers []dns.MX) string {
	var names []string
	for _, mx := range exchangers {
		names = append(names, mx.Host)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// found is what a host name led to.
type found struct {
	addresses []netip.Addr
	authentic bool
	err       error
}

// resolve looks all hosts up at once. All are needed, not just the first: any may be ourselves.
func (r *Router) resolve(ctx context.Context, exchangers []dns.MX) []found {
	all := make([]found, len(exchangers))
	var wg sync.WaitGroup
	for i, mx := range exchangers {
		wg.Go(func() {
			f := &all[i]
			f.addresses, f.authentic, f.err = r.Resolver.IP(ctx, mx.Host)
		})
	}
	wg.Wait()
	return all
}

// choose is the decision (pure): which of the resolved exchangers we deliver to.
func (r *Router) choose(exchangers []dns.MX, resolved []found, authentic bool) ([]Host, error) {
	var hosts []Host
	var failed, private error
	total := 0
	end := r.ourPreference(exchangers, resolved)
	for i, mx := range exchangers {
		f := resolved[i]
		switch {
		case int(mx.Preference) >= end:
			continue
		case f.err != nil:
			if !errors.Is(f.err, dns.ErrNotFound) {
				failed = f.err
			}
			continue
		}
		allowed := slices.DeleteFunc(slices.Clone(f.addresses), func(ip netip.Addr) bool { return !r.AllowPrivate && forbidden(ip) })
		if len(allowed) == 0 {
			private = fmt.Errorf("%w: %s", ErrForbidden, mx.Host)
			continue
		}
		allowed = inTurn(allowed)
		allowed = allowed[:min(len(allowed), maxHostAddresses, maxAddresses-total)]
		if total += len(allowed); len(allowed) == 0 {
			break
		}
		h := r.host(mx.Host, allowed)
		h.named, h.Authentic = authentic, authentic && f.authentic
		hosts = append(hosts, h)
	}
	switch {
	case len(hosts) > 0:
		return hosts, nil
	case failed != nil:
		return nil, unreachable("lookup of the mail hosts failed", failed)
	case private != nil:
		return nil, unknown("the mail hosts have only addresses of private networks", private)
	case end <= 0xffff:
		return nil, loops()
	}
	return nil, unknown("no mail host of the domain has an address", nil)
}

// ourPreference is the best preference at which we ourselves are listed, or one above all: hosts
// that are not better than us would send the letter back (RFC 5321 section 5.1).
func (r *Router) ourPreference(exchangers []dns.MX, resolved []found) int {
	for i, mx := range exchangers { // best first
		isName := func(name string) bool { return strings.EqualFold(strings.TrimSuffix(name, "."), mx.Host) }
		if slices.ContainsFunc(r.Names, isName) || slices.ContainsFunc(resolved[i].addresses, r.isOwn) {
			return int(mx.Preference)
		}
	}
	return 0xffff + 1
}

// inTurn puts one IPv6 address, one IPv4 address, and so on, each family in random order: a
// host whose IPv6 is broken costs one attempt, not all of them (as RFC 8305 section 4 orders them).
func inTurn(addresses []netip.Addr) []netip.Addr {
	var v6, v4 []netip.Addr
	for _, ip := range addresses {
		if ip = ip.Unmap(); ip.Is6() {
			v6 = append(v6, ip)
		} else {
			v4 = append(v4, ip)
		}
	}
	shuffle := func(a []netip.Addr) { rand.Shuffle(len(a), func(i, j int) { a[i], a[j] = a[j], a[i] }) }
	shuffle(v6)
	shuffle(v4)
	out := make([]netip.Addr, 0, len(addresses))
	for i := range max(len(v6), len(v4)) {
		if i < len(v6) {
			out = append(out, v6[i])
		}
		if i < len(v4) {
			out = append(out, v4[i])
		}
	}
	return out
}
