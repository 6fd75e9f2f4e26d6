package main

import (
	"mxdesk/smtpd"
	"mxdesk/web"
)

// webServer serves the public pages.
func (s *server) webServer() (stage, error) {
	f := s.cfg.Web
	var hosts []string
	for _, h := range f.MTASTSHosts {
		hosts = append(hosts, string(h))
	}
	site := web.New(web.Config{
		Directory: s.directory, URL: string(f.URL), MX: hosts, Redirect: f.URL != "" && len(f.TLSListen) > 0,
		Log: s.log, Registerer: s.metrics,
	})
	c := web.ServerConfig{
		Handler: site, MaxConnections: f.MaxConnections, MaxPerNetwork: f.MaxConnectionsPerNetwork, Exempt: f.ExemptNetworks,
		Log: s.log, Registerer: s.metrics,
	}
	if err := s.openCertificates(); err != nil {
		return stage{}, err
	}
	if s.certificates != nil {
		c.Certificate = s.certificates.GetCertificate
	}
	var err error
	if c.Plain, err = listen(f.Listen); err != nil {
		return stage{}, err
	}
	if c.TLS, err = listen(f.TLSListen); err != nil {
		return stage{}, err
	}
	return stage{"web", web.NewServer(c).Run}, nil
}

// openCertificates reads the certificate files, once, if there are any.
func (s *server) openCertificates() (err error) {
	if s.cfg.TLS.CertificateFile == "" || s.certificates != nil {
		return nil
	}
	s.certificates, err = smtpd.NewCertificateFiles(s.cfg.TLS.CertificateFile, s.cfg.TLS.KeyFile, s.log)
	return err
}
