package selfcheck

import (
	"crypto/x509"
	"strings"
	"time"
)

// expiresSoon is when it is time to look why a certificate was not renewed.
const expiresSoon = 14 * 24 * time.Hour

// Certificate judges the chain that is served, for the names by which senders know this machine. roots nil are those of the system.
func Certificate(chain []*x509.Certificate, names []string, roots *x509.CertPool, now time.Time) (report Report) {
	const check = "certificate"
	if len(chain) == 0 {
		report.Add(check, Warning, "set tls.certificate_file and tls.key_file, or tls.acme", "STARTTLS is not offered: letters come in the clear")
		return report
	}
	leaf := chain[0]
	ends := leaf.NotAfter.UTC().Format(time.DateOnly)
	switch left := leaf.NotAfter.Sub(now); {
	case left <= 0:
		report.Add(check, Error, "renew it", "it ended on %s", ends)
	case now.Before(leaf.NotBefore):
		report.Add(check, Error, "look at the clock and at the certificate", "it begins on %s", leaf.NotBefore.UTC().Format(time.DateOnly))
	case left < expiresSoon:
		report.Add(check, Warning, "renew it", "it ends on %s", ends)
	default:
		report.Add(check, OK, "", "it ends on %s", ends)
	}
	var missing []string
	for _, name := range names {
		if leaf.VerifyHostname(name) != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		report.Add(check, Error, "get one that names them: senders with MTA-STS refuse this one", "it does not name %s", strings.Join(missing, ", "))
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	// A chain that ended is told above; here it is asked who vouches for it.
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: leaf.NotBefore.Add(time.Second)})
	if err != nil {
		report.Add(check, Warning, "serve the whole chain of a certificate that the public trusts; DANE alone does without", "nobody vouches for it: %v", err)
	}
	return report
}
