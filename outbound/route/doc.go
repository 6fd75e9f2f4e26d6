// Package route finds the hosts that take the mail of a domain, and connects to them.
//
//	domain ── Router.Hosts ──▶ hosts, best first ── Targets ──▶ addresses ── Dialer ──▶ connection
//
// What the DNS says, and what it means (RFC 5321 section 5.1, RFC 7505):
//
//	MX answer                         outcome
//	no such domain                    permanent, host_unknown
//	temporary error                   temporary, network
//	the null MX alone                 permanent, not_accepting
//	no MX, but addresses              the domain itself is the host
//	no MX and no address              permanent, host_unknown
//	MX, some host has an address      those hosts; equal preferences in random order
//	MX, a host is ourselves           only hosts preferred to us; none: permanent, loop
//	MX, no host has an address        permanent, host_unknown; temporary, network if some lookup failed
//	only addresses nobody may have    permanent, host_unknown
//	the last two, of more than 10 MX  temporary, network: we looked at the first ten
//
// Addresses that nobody may have are those of the machine and of private networks: whoever writes an MX
// record must not choose which of our internal services we talk to. They are left out of
// Hosts and refused once more by the Dialer at the moment of connecting, so that it does
// not matter how old or by whom the answer was. Hosts which the operator configured are trusted.
//
// What the domain published about TLS, and what a connection to its host must then be; DANE is asked about only
// when every answer on the way was authentic, and goes before MTA-STS (RFC 8461 section 2). TLSA records of a host that is an
// alias stand under the name at its end, or else under its own (tlsa.go):
//
//	TLSA of the host        MTA-STS of the domain     the connection
//	usable                  any                       TLS, certificate by TLSA
//	lookup failed           any                       none: this host is left out
//	none usable             not enforced              TLS with any certificate
//	none, or none usable    enforced, host matches    TLS, certificate by name
//	none, or none usable    enforced, no match        none: this host is left out
//	none                    none, testing             TLS if offered
//
// No host left is a temporary error, tls_required. A policy is never answered with plaintext.
//
// Reading order: route.go, policy.go, tlsa.go, own.go, forbidden.go, dialer.go.
package route
