package dmarc

import (
	"context"
	"errors"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"

	"mxdesk/internal/dns"
)

// maxQueries bounds one walk (RFC 9989 section 4.10).
const maxQueries = 8

// tree asks for records and remembers the answers, for one letter.
type tree struct {
	resolver dns.Resolver

	mu    sync.Mutex
	known map[string]node
}

// node is what stands at one name.
type node struct {
	domain string
	record Record
	found  bool
	err    error
}

func newTree(r dns.Resolver) *tree { return &tree{resolver: r, known: make(map[string]node)} }

// at finds the record of one domain.
func (t *tree) at(ctx context.Context, domain string) node {
	t.mu.Lock()
	n, ok := t.known[domain]
	t.mu.Unlock()
	if ok {
		return n
	}
	n = node{domain: domain}
	records, _, err := t.resolver.TXT(ctx, "_dmarc."+domain)
	if err != nil && !errors.Is(err, dns.ErrNotFound) {
		n.err = err
	}
	count := 0
	for _, txt := range records {
		if r, ok := Parse(txt); ok {
			n.record = r
			count++
		}
	}
	n.found = count == 1 // several are none
	t.mu.Lock()
	t.known[domain] = n
	t.mu.Unlock()
	return n
}

// path is what one walk found: the records, the nearest first.
type path struct {
	start string
	nodes []node // found ones only
	err   error  // the walk could not be finished
}

// walk asks upwards from the domain until a record says that it is, or is not, a registry's.
func (t *tree) walk(ctx context.Context, domain string) path {
	p := path{start: domain}
	for i := 0; domain != "" && i < maxQueries; i++ {
		n := t.at(ctx, domain)
		if n.err != nil {
			p.err = n.err
			return p
		}
		if n.found {
			p.nodes = append(p.nodes, n)
			if n.record.PSD != "u" {
				break
			}
		}
		domain = parent(domain, i == 0)
	}
	return p
}

// parent is the next name on the way; from the first one the way leads to seven labels at most.
func parent(domain string, first bool) string {
	_, up, _ := strings.Cut(domain, ".")
	for first && strings.Count(up, ".") > 6 {
		_, up, _ = strings.Cut(up, ".")
	}
	return up
}

// organization is the organizational domain of the walk's start (section 4.10.2).
func (p *path) organization() string {
	for _, n := range p.nodes {
		if n.record.PSD == "n" {
			return n.domain
		}
		if n.isRegistry() && n.domain != p.start {
			return below(p.start, n.domain)
		}
	}
	if len(p.nodes) > 0 {
		return p.nodes[len(p.nodes)-1].domain
	}
	return p.start
}

// Organization is the organizational domain of a domain, which is in lower case and in A-labels.
func Organization(ctx context.Context, r dns.Resolver, domain string) (string, error) {
	p := newTree(r).walk(ctx, domain)
	return p.organization(), p.err
}

// isRegistry tells whether the domain is one below which strangers have their domains.
func (n *node) isRegistry() bool {
	if n.record.PSD == "u" {
		suffix, icann := publicsuffix.PublicSuffix(n.domain)
		return icann && suffix == n.domain
	}
	return n.record.PSD == "y"
}

// below is the ancestor of domain, or domain itself, that is one label longer than the registry's.
func below(domain, registry string) string {
	rest := strings.TrimSuffix(domain, "."+registry)
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + registry
}

// policy finds the record that applies to the walk's start: its own, that of its organization, or the registry's.
func (p *path) policy() (node, bool) {
	organization := p.organization()
	for _, wanted := range []string{p.start, organization} {
		for _, n := range p.nodes {
			if n.domain == wanted {
				return n, true
			}
		}
	}
	for _, n := range p.nodes {
		if n.isRegistry() {
			return n, true
		}
	}
	return node{}, false
}
