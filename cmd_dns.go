package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"mxdesk/config"
	"mxdesk/internal/dns"
	"mxdesk/internal/dnscheck"
	"mxdesk/outbound"
	"mxdesk/outbound/mtasts"
	"mxdesk/ticketing"
)

type dnsCmd struct {
	Dev     bool   `help:"The database of serve --dev."`
	Host    string `help:"Name of this mail server; by default the configured hostname."`
	Offline bool   `help:"Do not ask the DNS what is published now."`
	JSON    bool   `name:"json" help:"Print JSON."`
	Domain  string `arg:"" optional:"" help:"Only this domain."`
}

// errRecords: what must be published is not. Which records that are, the list that was printed tells.
var errRecords = errors.New("required records are missing from the DNS, or different there")

// printedDomain is a domain, or the name of the server itself, as it is printed in JSON.
type printedDomain struct {
	Organisation int32 // 0: the server
	Domain       string
	Records      []dnscheck.Record
}

// Run prints the DNS records of this server and of every domain, each beside what is published. Its exit code is 1 when a required one is
// not as it must be.
func (c dnsCmd) Run(e *environment) error {
	cfg, err := e.load(c.Dev)
	if err != nil {
		return err
	}
	if c.Host != "" {
		cfg.Hostname, cfg.Web.MTASTSHosts = config.Hostname(c.Host), []config.Hostname{config.Hostname(c.Host)}
		cfg.SMTP.Listen = nil // that of this machine
	}
	var resolver dns.Resolver
	if !c.Offline && asksDNS(cfg, c.Dev) {
		system, err := newResolver(cfg)
		if err != nil {
			return err
		}
		defer system.Close()
		resolver = system
	}
	list := []printedDomain{}
	if c.Domain == "" {
		for _, s := range servers(cfg) {
			e.progress.set("asks the DNS about %s", s.Name)
			list = append(list, printedDomain{0, s.Name, dnscheck.Host(e.ctx, resolver, s)})
		}
	}
	// There may be many domains, and slow name servers: only a signal ends this, not the time that other commands have.
	err = e.withDatabase(c.Dev, func(_ context.Context, d *database) error {
		advisor := newDNSAdvisor(resolver, d.queue, cfg)
		for _, o := range d.directory.Organisations() {
			for _, domain := range o.Domains {
				if c.Domain != "" && !strings.EqualFold(dns.ASCII(c.Domain), dns.ASCII(domain)) {
					continue
				}
				e.progress.set("asks the DNS about %s, domain %d", domain, len(list)+1)
				records, err := advisor.records(e.ctx, o, domain)
				if err != nil {
					return err
				}
				list = append(list, printedDomain{o.ID, domain, records})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.Domain != "" && len(list) == 0 {
		return fmt.Errorf("%s is no domain of an organisation here", c.Domain)
	}
	if err := c.print(e.stdout, list); err != nil {
		return err
	}
	for _, d := range list {
		if slices.ContainsFunc(d.Records, mustBeMended) {
			return errRecords
		}
	}
	return nil
}

func mustBeMended(r dnscheck.Record) bool {
	return r.Status.Wrong() && (r.Need == dnscheck.Required || r.Need == dnscheck.Pending)
}

func (c dnsCmd) print(w io.Writer, list []printedDomain) error {
	if c.JSON {
		for _, d := range list {
			for i, r := range d.Records {
				d.Records[i].Published = append([]string{}, r.Published...) // a list, also when it is empty
			}
		}
		return printJSON(w, list)
	}
	for _, d := range list {
		of := "this server"
		if d.Organisation > 0 {
			of = fmt.Sprintf("organisation %d", d.Organisation)
		}
		if _, err := fmt.Fprintf(w, "; %s, %s\n", dns.ASCII(d.Domain), of); err != nil {
			return err
		}
		for _, r := range d.Records {
			printRecord(w, r)
		}
		fmt.Fprintln(w)
	}
	return nil
}

// statusWords are what people read.
var statusWords = map[dnscheck.Status]string{
	dnscheck.Unchecked: "", dnscheck.OK: "published", dnscheck.Weak: "published, but", dnscheck.Missing: "MISSING",
	dnscheck.Different: "DIFFERENT", dnscheck.NoAnswer: "the DNS gives no answer",
}

// printRecord prints a record as a line of a zone file, below comments with what is published.
func printRecord(w io.Writer, r dnscheck.Record) {
	words := slices.DeleteFunc([]string{r.About, statusWords[r.Status], r.Text}, func(s string) bool { return s == "" })
	fmt.Fprintf(w, "; %s\n", strings.Join(words, ": "))
	if r.Status == dnscheck.Different || r.Status == dnscheck.Weak {
		for _, p := range r.Published {
			fmt.Fprintf(w, ";   now: %s\n", p)
		}
	}
	if line := r.Line(); line != "" {
		fmt.Fprintln(w, line)
	} else {
		fmt.Fprintf(w, ";   %s. IN %s\n", r.Name, r.Type)
	}
}

// dnsAdvisor knows what domains have to publish.
type dnsAdvisor struct {
	resolver dns.Resolver // nil: nobody is asked
	queue    *outbound.Queue
	hosts    []string
	pages    string // host of the public pages
	name     string // of this machine: letters reach others from its addresses
	relayed  bool   // but for those that a smart host sends
}

func newDNSAdvisor(r dns.Resolver, q *outbound.Queue, cfg config.Config) dnsAdvisor {
	a := dnsAdvisor{r, q, mailHosts(cfg), "", string(cfg.Hostname), relayed(cfg)}
	if u, err := url.Parse(string(cfg.Web.URL)); err == nil {
		a.pages = u.Hostname()
	}
	return a
}

// records lists what a domain has to publish, compared with what it does.
func (a dnsAdvisor) records(ctx context.Context, o *ticketing.Organisation, domain string) ([]dnscheck.Record, error) {
	keys, err := a.queue.KeysOf(ctx, o.ID, domain)
	if err != nil {
		return nil, err
	}
	d := dnscheck.Domain{Name: domain, Hosts: a.hosts, Pages: a.pages, Relayed: a.relayed}
	switch own, err := a.queue.Relay(ctx, o.ID); {
	case err == nil:
		d.Relayed = own.Kind == outbound.RelaySmarthost
	case !errors.Is(err, outbound.ErrNoRelay):
		return nil, err
	}
	for _, k := range keys {
		d.Keys = append(d.Keys, dnscheck.Key{Selector: k.Selector, State: k.State, Record: k.Record(), Public: k.Public()})
	}
	if own, ok := mtasts.Own(mtasts.Mode(o.Settings.MTASTS), a.hosts, o.Settings.MTASTSMaxAge); ok {
		d.MTASTS = own.Record()
	}
	if a.resolver == nil {
		return dnscheck.Records(d), nil
	}
	if !d.Relayed {
		d.Senders, _, _ = a.resolver.IP(ctx, a.name) // without an answer they are unknown
	}
	return dnscheck.Check(ctx, a.resolver, dnscheck.Records(d)), nil
}

// mailHosts are the mail exchangers of our domains, in the order in which MTA-STS policies name them.
func mailHosts(cfg config.Config) (hosts []string) {
	for _, h := range cfg.Web.MTASTSHosts {
		hosts = append(hosts, string(h))
	}
	return hosts
}

// servers are the names by which others reach this server: its own, and that of its MX records if that is another.
func servers(cfg config.Config) []dnscheck.Server {
	host := dnscheck.Server{Name: string(cfg.Hostname), Sends: !relayed(cfg)}
	for _, l := range cfg.SMTP.Listen {
		if at, err := netip.ParseAddrPort(l.Address); l.Network == "tcp" && err == nil {
			host.Known = append(host.Known, at.Addr())
		}
	}
	list := []dnscheck.Server{host}
	if hosts := mailHosts(cfg); len(hosts) > 0 && !strings.EqualFold(hosts[0], host.Name) {
		list = append(list, dnscheck.Server{Name: hosts[0]})
	}
	return list
}

// relayed tells whether a smart host sends the letters to others.
func relayed(cfg config.Config) bool {
	k := cfg.Outbound.Transport.Kind
	return k == config.TransportSMTP || k == config.TransportSMTPS
}

// asksDNS tells whether there is a DNS to ask: in development only one that is named.
func asksDNS(cfg config.Config, development bool) bool {
	return !development || len(cfg.DNS.Resolvers) > 0
}

func newResolver(cfg config.Config) (*dns.System, error) {
	var servers []string
	for _, r := range cfg.DNS.Resolvers {
		servers = append(servers, r.Address)
	}
	return dns.New(dns.Config{Servers: servers, Timeout: cfg.DNS.Timeout})
}
