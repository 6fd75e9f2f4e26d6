package main

import (
	"fmt"

	"mxdesk/config"
	"mxdesk/internal/address"
	"mxdesk/outbound"
	"mxdesk/outbound/mtasts"
	"mxdesk/outbound/route"
)

// onDMARC counts what DMARC said of letters, when that is reported.
func (s *server) onDMARC() func(outbound.DMARCFact) {
	if !s.cfg.Reports.DMARC {
		return nil
	}
	return s.results.AddDMARC
}

// reporter writes what is counted of other domains, on every node, and sends the reports they ask for.
func (s *server) reporter() (*outbound.Reporter, error) {
	r := s.cfg.Reports
	c := outbound.ReporterConfig{Results: &s.results, Log: s.log, Organization: r.Organisation}
	if !s.has(config.RoleJobs) || !r.TLS && !r.DMARC {
		return outbound.NewReporter(s.queue, c), nil
	}
	var err error
	if c.From, err = address.Parse(string(r.From)); err != nil {
		return nil, fmt.Errorf("reports.from: %w", err)
	}
	if s.directory.ByDomain(c.From.Domain) == nil {
		s.log.Warn("reports wait until the domain of reports.from is one of an organisation", "domain", c.From.Domain)
	}
	if err := s.openResolver(); err != nil {
		return nil, err
	}
	router := &route.Router{Resolver: s.resolver}
	dialer := &route.Dialer{AllowPrivate: s.cfg.Outbound.AllowPrivateDestinations}
	c.TLS, c.DMARC, c.Resolver, c.Client = r.TLS, r.DMARC, s.resolver, mtasts.NewClient(router.DialName(dialer))
	return outbound.NewReporter(s.queue, c), nil
}
