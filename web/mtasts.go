package web

import (
	"net/http"
	"strings"

	"mxdesk/outbound/mtasts"
	"mxdesk/ticketing"
)

// policy serves the MTA-STS policy of a domain of ours (RFC 8461 section 3.3). Who asks for any other name learns nothing.
func (s *Site) policy(w http.ResponseWriter, r *http.Request) {
	domain, found := strings.CutPrefix(hostOf(r), policyHost)
	if !found {
		http.NotFound(w, r)
		return
	}
	organisation := s.cfg.Directory.ByDomain(domain)
	if organisation == nil {
		http.NotFound(w, r)
		return
	}
	own, published := ownPolicy(organisation, s.cfg.MX)
	if !published {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte(own.Text)) //nolint:errcheck // the client may have gone
}

func ownPolicy(o *ticketing.Organisation, mx []string) (own mtasts.OwnPolicy, published bool) {
	return mtasts.Own(mtasts.Mode(o.Settings.MTASTS), mx, o.Settings.MTASTSMaxAge)
}

// PolicyHosts lists the names under which policies are published now: each needs a certificate.
func PolicyHosts(d *ticketing.Directory, mx []string) (hosts []string) {
	for _, o := range d.Organisations() {
		if _, published := ownPolicy(o, mx); !published {
			continue
		}
		for _, domain := range o.Domains {
			if !strings.HasPrefix(domain, "[") { // an address has no names below it
				hosts = append(hosts, policyHost+domain)
			}
		}
	}
	return hosts
}
