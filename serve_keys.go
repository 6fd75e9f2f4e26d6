package main

import (
	"context"

	"mxdesk/internal/dnscheck"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// keyKeeper looks after the DKIM keys.
func (s *server) keyKeeper() (stage, error) {
	if err := s.openResolver(); err != nil {
		return stage{}, err
	}
	k := outbound.NewKeyKeeper(s.queue, outbound.KeyKeeperConfig{Resolver: s.resolver, Log: s.log, Metrics: s.metrics})
	return stage{"keys", k.Run}, nil
}

// domainRecords gives the API what a domain has to publish; it asks the DNS where this node does at all.
func (s *server) domainRecords() (func(context.Context, *ticketing.Organisation, string) ([]dnscheck.Record, error), error) {
	a := dnsAdvisor{queue: s.queue, hosts: mailHosts(s.cfg), senders: sendersOf(s.cfg)}
	if asksDNS(s.cfg, s.dev) {
		if err := s.openResolver(); err != nil {
			return nil, err
		}
		a.resolver = s.resolver
	}
	return a.records, nil
}
