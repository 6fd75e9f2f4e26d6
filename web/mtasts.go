package web

import (
	"net/http"
	"strings"

	"mxdesk/outbound/mtasts"
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
	own, published := mtasts.Own(mtasts.Mode(organisation.Settings.MTASTS), s.cfg.MX, organisation.Settings.MTASTSMaxAge)
	if !published {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte(own.Text)) //nolint:errcheck // the client may have gone
}
