package spf

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

// evaluation is the state of one Check.
type evaluation struct {
	resolver dns.Resolver
	ip       netip.Addr
	helo     string
	receiver string
	now      time.Time

	local, senderDomain string
	domain              string // the one asked about first

	terms, void int
	names       []string // the client's validated names
	named       bool     // names has been filled
}

// verdict is the outcome for one domain: the directive that matched, and where its record says how to explain a fail.
type verdict struct {
	result    message.Result
	mechanism string
	exp       *domainSpec
	domain    string
}

// check is check_host of section 4. The depth of includes and redirects is bounded by maxTerms.
func (e *evaluation) check(ctx context.Context, domain string, depth int) verdict {
	if depth > maxTerms || !isCheckable(domain) {
		return verdict{result: message.None}
	}
	rec, result := e.fetch(ctx, domain)
	if result != message.Pass {
		return verdict{result: result}
	}
	for _, d := range rec.directives {
		matched, problem := e.matches(ctx, &d, domain, depth)
		if problem != "" {
			return verdict{result: problem, mechanism: d.text}
		}
		if matched {
			return verdict{d.result, d.text, rec.exp, domain}
		}
	}
	if rec.redirect == nil {
		return verdict{result: message.Neutral, mechanism: "default"}
	}
	if e.terms++; e.terms > maxTerms {
		return verdict{result: message.PermError}
	}
	v := e.check(ctx, e.expandName(ctx, rec.redirect, domain), depth+1)
	if v.result == message.None {
		v.result = message.PermError // section 6.1
	}
	return v
}

// fetch finds the one SPF record of a domain (sections 4.4 and 4.5); pass means that there is one.
func (e *evaluation) fetch(ctx context.Context, domain string) (record, message.Result) {
	texts, _, err := e.resolver.TXT(ctx, domain)
	if err != nil {
		return record{}, failed(err)
	}
	found := ""
	for _, txt := range texts {
		if !isRecord(txt) {
			continue
		}
		if found != "" {
			return record{}, message.PermError
		}
		found = txt
	}
	if found == "" {
		return record{}, message.None
	}
	rec, err := parseRecord(found)
	if err != nil {
		return record{}, message.PermError
	}
	return rec, message.Pass
}

// matches tells whether a mechanism matches (section 5); problem is set when that ends the evaluation.
func (e *evaluation) matches(ctx context.Context, d *directive, domain string, depth int) (matched bool, problem message.Result) {
	switch d.name {
	case "all":
		return true, ""
	case "ip4", "ip6":
		return d.prefix.Contains(e.ip), ""
	}
	if e.terms++; e.terms > maxTerms {
		return false, message.PermError
	}
	target := e.expandName(ctx, d.spec, domain)
	if d.name == "include" {
		return e.includes(ctx, target, depth)
	}
	if !dns.IsName(target) {
		return false, "" // section 4.8
	}
	switch d.name {
	case "a":
		return e.matchesHost(ctx, d, target)
	case "mx":
		return e.matchesMX(ctx, d, target)
	case "ptr":
		return e.matchesName(ctx, target)
	default: // exists, always by IPv4 (section 5.7)
		_, _, err := e.resolver.IPFamily(ctx, target, false)
		return err == nil, e.account(err)
	}
}

func (e *evaluation) includes(ctx context.Context, target string, depth int) (bool, message.Result) {
	switch r := e.check(ctx, target, depth+1).result; r {
	case message.Pass:
		return true, ""
	case message.None, message.PermError:
		return false, message.PermError
	case message.TempError:
		return false, r
	default:
		return false, ""
	}
}

// account counts a void lookup, and tells the problem that an error of a lookup is.
func (e *evaluation) account(err error) message.Result {
	if err == nil {
		return ""
	}
	if failed(err) == message.TempError {
		return message.TempError
	}
	if e.void++; e.void > maxVoid {
		return message.PermError
	}
	return ""
}

func (e *evaluation) matchesHost(ctx context.Context, d *directive, name string) (bool, message.Result) {
	ips, _, err := e.resolver.IPFamily(ctx, name, e.ip.Is6())
	return e.within(d, ips), e.account(err)
}

// within tells whether the client is in the network of one of the addresses.
func (e *evaluation) within(d *directive, ips []netip.Addr) bool {
	bits := d.bits4
	if e.ip.Is6() {
		bits = d.bits6
	}
	for _, ip := range ips {
		if netip.PrefixFrom(ip.Unmap(), bits).Contains(e.ip) {
			return true
		}
	}
	return false
}

func (e *evaluation) matchesMX(ctx context.Context, d *directive, name string) (bool, message.Result) {
	hosts, _, err := e.resolver.MX(ctx, name)
	if err != nil {
		return false, e.account(err)
	}
	if len(hosts) > maxHosts {
		return false, message.PermError
	}
	for _, h := range hosts {
		if !dns.IsName(h.Host) { // the null MX
			continue
		}
		ips, _, err := e.resolver.IPFamily(ctx, h.Host, e.ip.Is6())
		if err != nil && failed(err) == message.TempError {
			return false, message.TempError
		}
		if e.within(d, ips) {
			return true, ""
		}
	}
	return false, ""
}

func (e *evaluation) matchesName(ctx context.Context, target string) (bool, message.Result) {
	for _, name := range e.clientNames(ctx) {
		if isWithin(name, target) {
			return true, ""
		}
	}
	return false, ""
}

// isWithin tells whether name is the domain or below it.
func isWithin(name, domain string) bool {
	if len(name) == len(domain) {
		return strings.EqualFold(name, domain)
	}
	at := len(name) - len(domain)
	return at > 0 && name[at-1] == '.' && strings.EqualFold(name[at:], domain)
}

// clientNames are the names of the client whose addresses hold the client's (section 5.5). Errors mean that there are
// none: the reverse zone is not that of the domain in question.
func (e *evaluation) clientNames(ctx context.Context) []string {
	if e.named {
		return e.names
	}
	e.named = true
	names, _, err := e.resolver.PTR(ctx, e.ip)
	if err != nil {
		return nil
	}
	for _, name := range names[:min(len(names), maxHosts)] {
		name = strings.TrimSuffix(name, ".")
		if !dns.IsName(name) {
			continue
		}
		ips, _, err := e.resolver.IPFamily(ctx, name, e.ip.Is6())
		if err != nil {
			continue
		}
		for _, ip := range ips {
			if ip.Unmap() == e.ip {
				e.names = append(e.names, name)
				break
			}
		}
	}
	return e.names
}

// clientName is the macro %{p}: the domain itself if it is a name of the client, else one below it, else any.
func (e *evaluation) clientName(ctx context.Context, domain string) string {
	best, rank := "unknown", 0
	for _, name := range e.clientNames(ctx) {
		r := 1
		if strings.EqualFold(name, domain) {
			r = 3
		} else if isWithin(name, domain) {
			r = 2
		}
		if r > rank {
			best, rank = name, r
		}
	}
	return best
}

// explain makes the text a fail is explained with (section 6.2), "" when anything is wrong with it.
func (e *evaluation) explain(ctx context.Context, v verdict) string {
	name := e.expandName(ctx, v.exp, v.domain)
	if !dns.IsName(name) {
		return ""
	}
	texts, _, err := e.resolver.TXT(ctx, name)
	if err != nil || len(texts) != 1 || len(texts[0]) > maxRecord {
		return ""
	}
	spec, err := parseMacro(texts[0], inExplain)
	if err != nil {
		return ""
	}
	return clean(e.expand(ctx, spec, v.domain))
}
