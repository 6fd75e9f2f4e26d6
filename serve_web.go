package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/config"
	"mxdesk/internal/certificate"
	"mxdesk/smtpd"
	"mxdesk/web"
)

// webServer serves the public pages.
func (s *server) webServer() (stage, error) {
	f := s.cfg.Web
	c := web.Config{
		Directory: s.directory, URL: webURL(s.cfg), MX: mailHosts(s.cfg), Redirect: f.URL != "" && len(f.TLSListen) > 0,
		Service: s.service, Exempt: f.ExemptNetworks, Proxies: f.ProxyNetworks, Log: s.log, Registerer: s.metrics,
	}
	listeners := web.ServerConfig{
		MaxConnections: f.MaxConnections, MaxPerNetwork: f.MaxConnectionsPerNetwork,
		Exempt:      slices.Concat(f.ExemptNetworks, f.ProxyNetworks), // a proxy's connections are everybody's
		Certificate: s.certificateForWeb, Log: s.log, Registerer: s.metrics,
	}
	if s.acme != nil {
		c.Challenges, listeners.Challenge = s.acme, s.acme.Challenge
	}
	listeners.Handler = web.New(c)
	var err error
	if listeners.Plain, err = listen(f.Listen); err != nil {
		return stage{}, err
	}
	if listeners.TLS, err = listen(f.TLSListen); err != nil {
		return stage{}, err
	}
	return stage{"web", web.NewServer(listeners).Run}, nil
}

// openCertificates reads the certificate files, and sets up ACME; either may be missing.
func (s *server) openCertificates() (err error) {
	t := s.cfg.TLS
	if t.CertificateFile != "" {
		if s.certificates, err = smtpd.NewCertificateFiles(t.CertificateFile, t.KeyFile, s.log); err != nil {
			return err
		}
		s.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "mxdesk", Subsystem: "tls", Name: "certificate_file_expiry_timestamp_seconds",
			Help: "When the certificate in tls.certificate_file ends, in Unix time.",
		}, func() float64 { return float64(s.certificates.Expires().Unix()) }))
	}
	if !t.ACME {
		return nil
	}
	c := certificate.Config{
		Pool: s.pool, Directory: string(t.ACMEDirectory), Contact: t.ACMEContact, Names: s.certificateNames, Log: s.log, Registerer: s.metrics,
	}
	if t.ACMECAFile != "" {
		if c.Roots, err = os.ReadFile(t.ACMECAFile); err != nil {
			return fmt.Errorf("read tls.acme_ca_file: %w", err)
		}
	}
	if s.has(config.RoleAPI) && len(s.cfg.Web.Listen) > 0 {
		c.Kinds = append(c.Kinds, certificate.HTTP01)
	}
	if s.has(config.RoleAPI) && len(s.cfg.Web.TLSListen) > 0 {
		c.Kinds = append(c.Kinds, certificate.TLSALPN01)
	}
	s.acme, err = certificate.New(c)
	return err
}

// certificateNames is what ACME is to certify: what the configuration names, and the policy hosts of our domains where
// they are served, save what the files are for.
func (s *server) certificateNames() []string {
	var names []string
	for _, name := range s.cfg.TLS.ACMENames {
		names = append(names, string(name))
	}
	if len(s.cfg.Web.TLSListen) > 0 {
		names = append(names, web.PolicyHosts(s.directory, mailHosts(s.cfg))...)
	}
	return slices.DeleteFunc(names, func(name string) bool { return s.certificates != nil && s.certificates.Covers(name) })
}

// certificateForMail is what STARTTLS shows; nil: there is none.
func (s *server) certificateForMail() func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	switch {
	case s.certificates != nil:
		return s.certificates.GetCertificate
	case s.acme != nil:
		return s.acme.ForMail
	}
	return nil
}

// certificateForWeb is the one from files where it is for the name that a browser wants, or there is no other.
func (s *server) certificateForWeb(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.acme == nil || s.certificates != nil && s.certificates.Covers(hello.ServerName) {
		return s.certificates.GetCertificate(hello)
	}
	return s.acme.ForName(hello)
}

// webURL is where browsers reach the public pages, without a slash at its end; "" when nobody does.
func webURL(cfg config.Config) string { return strings.TrimSuffix(string(cfg.Web.URL), "/") }
