//go:build linux

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/acmetest"
	"mxdesk/internal/dns"
	"mxdesk/outbound/mtasts"
)

// The ports of the public pages in this story.
const plainPort, securePort = 8026, 8443

// starttls is the serial number of the certificate that a node shows a mail server for a host, "" when the roots do not lead to it.
func starttls(d *desk, host string, roots *x509.CertPool) string {
	conn, err := net.Dial("tcp", d.smtp())
	if err != nil {
		return ""
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		conn.Close()
		return ""
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{ServerName: host, RootCAs: roots}); err != nil {
		return ""
	}
	state, _ := c.TLSConnectionState()
	return state.PeerCertificates[0].SerialNumber.String()
}

// TestCertificates: a node with public pages gets certificates from Pebble; a node that only takes letters has them too, and has
// the renewed one without a restart. The policy of a domain, switched on in the API, gets its certificate and is served.
func TestCertificates(t *testing.T) {
	w := theWorld(t)
	need(t, peer{"/usr/bin/pebble", "pebble"})
	url := databaseServer(t, w, "certificates-database")
	var ca *acmetest.CA
	var host string
	byACME := func(d *desk, settings map[string]string) {
		if ca == nil {
			host = "mx." + d.name
			here := dns.Records{A: []string{d.ip}}
			ca = acmetest.Start(t, dns.Fake{host: here, "mta-sts." + d.name: here}, plainPort, securePort)
			settings["web.listen"] = fmt.Sprintf(`["%s:%d"]`, d.ip, plainPort)
			settings["web.tls_listen"] = fmt.Sprintf(`["%s:%d"]`, d.ip, securePort)
		}
		roots := filepath.Join(d.dir, "ca.pem")
		if err := os.WriteFile(roots, ca.Roots, 0o644); err != nil {
			t.Fatal(err)
		}
		delete(settings, "tls.certificate_file")
		delete(settings, "tls.key_file")
		settings["tls.acme"], settings["tls.acme_agree_to_terms"] = "true", "true"
		settings["tls.acme_directory"], settings["tls.acme_ca_file"] = `"`+ca.Directory+`"`, `"`+roots+`"`
		settings["tls.acme_names"] = `["` + host + `"]`
	}
	mouth := newDesk(t, w, with("database.url", `"`+url+`"`), with("roles", `["deliver", "smtp", "api", "jobs"]`), byACME)
	ear := configured(t, w, with("database.url", `"`+url+`"`), with("roles", `["smtp"]`), byACME)
	ear.serve(t)
	roots := ca.Issuers(t)
	first := map[*desk]string{}
	for _, node := range []*desk{mouth, ear} {
		eventually(t, "the certificate at "+node.name, func() bool { first[node] = starttls(node, host, roots); return first[node] != "" })
	}

	mouth.change(t, "/v1/settings", `{"mta_sts": "enforce", "mta_sts_max_age": 604800}`)
	client := mtasts.NewClient(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("%s:%d", mouth.ip, securePort))
	})
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	var policy mtasts.Policy
	eventually(t, "the policy of the domain", func() (ok bool) {
		var err error
		policy, err = mtasts.Fetch(t.Context(), client, mouth.name)
		return err == nil
	})
	if !policy.Enforced() || !policy.Matches(host) || policy.MaxAge.Hours() != 7*24 {
		t.Errorf("the policy is %+v", policy)
	}

	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.WithoutCancel(t.Context()))
	if _, err := db.Exec(t.Context(), `UPDATE acme_certificates SET next_attempt_at = now() WHERE name = $1`, host); err != nil {
		t.Fatal(err)
	}
	for _, node := range []*desk{mouth, ear} {
		eventually(t, "the renewed certificate at "+node.name, func() bool {
			now := starttls(node, host, roots)
			return now != "" && now != first[node]
		})
	}
	if n := len(ear.find("certificate ordered")); n != 0 {
		t.Errorf("the node without public pages ordered %d times", n)
	}
}
