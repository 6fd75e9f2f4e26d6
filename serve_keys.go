package main

import (
	"mxdesk/admin"
	"mxdesk/outbound"
)

// keyKeeper looks after the DKIM keys.
func (s *server) keyKeeper() (stage, error) {
	if err := s.openResolver(); err != nil {
		return stage{}, err
	}
	k := outbound.NewKeyKeeper(s.queue, outbound.KeyKeeperConfig{Resolver: s.resolver, Log: s.log, Metrics: s.metrics})
	return stage{"keys", k.Run}, nil
}

// domainDNS lets the API tell what domains have to publish, and look at it where this node asks the DNS at all.
func (s *server) domainDNS() (admin.DomainDNS, error) {
	a := newDNSAdvisor(nil, s.queue, s.cfg)
	var d admin.DomainDNS
	if asksDNS(s.cfg, s.dev) {
		if err := s.openResolver(); err != nil {
			return d, err
		}
		a.resolver, d.Resolver = s.resolver, s.resolver
	}
	d.Records = a.records
	return d, nil
}
