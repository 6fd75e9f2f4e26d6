package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"

	reports "mxdesk/internal/report"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
)

// observe tells how TLS went in a session that was just begun for the domain, or failed to.
func (s *SMTP) observe(ctx context.Context, domain string, h route.Host, remote netip.Addr, local net.Addr, client *smtpclient.Client, err error) {
	if s.Observe == nil || h.Published.Policy == "" || ctx.Err() != nil {
		return
	}
	var state *tls.ConnectionState
	if err == nil {
		state = client.TLS()
	}
	var roots *x509.CertPool
	if s.BaseTLS != nil {
		roots = s.BaseTLS.RootCAs
	}
	result, cause, ok := judgeTLS(h, state, roots, err)
	if !ok {
		return
	}
	seen := route.Session{Domain: domain, Published: h.Published, Host: h.Name, RemoteIP: remote.String(), Result: result}
	if at, ok := local.(*net.TCPAddr); ok {
		seen.LocalIP = at.IP.String()
	}
	if cause != nil {
		seen.Reason = clean(cause.Error())
	}
	s.Observe(seen)
}

// judgeTLS is the result type of RFC 8460 for a session, "" for success; ok is false when it says nothing of TLS. What was not
// asked for, because a policy is only being tested, is checked here.
func judgeTLS(h route.Host, state *tls.ConnectionState, roots *x509.CertPool, err error) (result string, cause error, ok bool) {
	switch {
	case errors.Is(err, smtpclient.ErrNoTLS), err == nil && state == nil:
		return reports.NoStartTLS, err, true
	case errors.Is(err, smtpclient.ErrTLS), errors.Is(err, smtpclient.ErrInjection):
		return tlsFailure(err), err, true
	case err != nil:
		return "", nil, false
	case h.Policy == route.PolicyDANEOnly:
		return reports.TLSAInvalid, nil, true
	case h.Published.Problem != "":
		return h.Published.Problem, nil, true
	case h.Policy == route.PolicyTesting:
		if err := verifyChain(h.Name, state, roots); err != nil {
			return tlsFailure(err), err, true
		}
	}
	return "", nil, true
}

// verifyChain checks a certificate as an enforced MTA-STS policy would have it checked.
func verifyChain(name string, state *tls.ConnectionState, roots *x509.CertPool) error {
	chain := state.PeerCertificates
	if len(chain) == 0 {
		return errors.New("no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between})
	return err
}

// tlsFailure names why TLS failed (RFC 8460 section 4.3.1).
func tlsFailure(err error) string {
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &name):
		return reports.HostMismatch
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return reports.CertificateExpired
	case errors.As(err, &invalid), errors.As(err, &unknown):
		return reports.NotTrusted
	}
	return reports.ValidationFailure
}
