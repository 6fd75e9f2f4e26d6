//go:build linux

package e2e

import (
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
)

// verifiedCase is a letter to a server of others whose certificate is checked.
type verifiedCase struct {
	policyCase
	server host
	domain string
}

// verification is a zone, policies, and the servers in them.
type verification struct {
	w        *world
	ca       *authority
	zone     *signedZone
	policies map[string]string
	cases    []verifiedCase
}

// add starts a server twice, at two addresses: one has a policy of MTA-STS, the other TLSA records. Each is the host of a
// second domain too, whose policy or record it does not meet.
func (v *verification) add(name, stsIP, daneIP string, start func(domain, ip string, cert func(*certificateRequest)) host) {
	label := strings.ToLower(name)
	good := func(host string) func(*certificateRequest) { return names(host) }
	self := func(host string) func(*certificateRequest) { return selfSigned(host) }

	domain := label + ".sts.test"
	server := start(domain, stsIP, names("mx."+domain))
	v.w.add(hostOf("other."+domain, stsIP))
	v.policies[domain] = stsPolicy("enforce", "mx."+domain)
	v.policies["other."+domain] = stsPolicy("enforce", "mx.other."+domain)
	v.cases = append(v.cases, verifiedCase{
		policyCase{scenario: name + ": MTA-STS enforced, good certificate: delivered, verified", cert: good, state: "delivered", policy: "mta-sts"}, server, domain,
	}, verifiedCase{
		policyCase{scenario: name + ": MTA-STS enforced, certificate for another name: deferred", cert: good, state: "deferred", policy: "mta-sts", reply: "certificate is valid for"},
		server, "other." + domain,
	})

	var cert *x509.Certificate
	domain = label + ".dane.test"
	server = start(domain, daneIP, kept(&cert, selfSigned("mx."+domain)))
	held := daneCase{
		policyCase: policyCase{name: label, scenario: name + ": DANE 3 1 1, self-signed certificate: delivered, verified", ip: daneIP, cert: self, state: "delivered", policy: "dane"},
		tlsa:       func(host, _ *x509.Certificate) string { return "3 1 1 " + hashOf(host) },
	}
	broken := daneCase{
		policyCase: policyCase{name: "other." + label, scenario: name + ": DANE, TLSA record of another key: deferred", ip: daneIP, cert: self, state: "deferred", policy: "dane", reply: "no TLSA record fits"},
		tlsa:       func(_, ca *x509.Certificate) string { return "3 1 1 " + hashOf(ca) },
	}
	for _, c := range []daneCase{held, broken} {
		v.zone.lines = append(v.zone.lines, c.zone(v.w.port, cert, v.ca.cert)...)
		v.cases = append(v.cases, verifiedCase{c.policyCase, server, c.name + ".dane.test"})
	}
}

// TestInteropVerified: the certificates that Postfix and OpenSMTPD show after STARTTLS are held against MTA-STS and DANE, as
// Exim's are in the other stories.
func TestInteropVerified(t *testing.T) {
	peers := peersFolder(t)
	w := theWorld(t)
	need(t, swaks)
	ca := newAuthority(t)
	v := &verification{w: w, ca: ca, zone: newSignedZone(t, w, peers, w.address(185)), policies: map[string]string{}}
	v.add("Postfix", w.address(181), w.address(182), func(domain, ip string, cert func(*certificateRequest)) host {
		return postfixWith(t, w, domain, ip, ca, cert)
	})
	v.add("OpenSMTPD", w.address(183), w.address(184), func(domain, ip string, cert func(*certificateRequest)) host {
		return startOpenSMTPD(t, w, peers, domain, ip, ca, cert)
	})
	v.zone.serve(t, nil)
	v.zone.resolver(t, w.address(186), "validator iterator")
	startPolicyHost(t, w, ca, w.address(187), v.policies)
	trust := "SSL_CERT_FILE=" + ca.file(t, filepath.Join(w.folder(t, "roots"), "roots.pem"))
	d := newDesk(t, w, with("dns.resolvers", `["`+w.address(186)+`:53"]`), func(d *desk, _ map[string]string) { d.env = append(d.env, trust) })
	for _, c := range v.cases {
		scenario(t, c.scenario, func(t *testing.T) { c.reaches(t, d, c.server, c.domain) })
	}
}

// postfixWith starts Postfix for a domain, with a certificate of the authority, and publishes the domain.
func postfixWith(t *testing.T, w *world, domain, ip string, ca *authority, cert func(*certificateRequest)) *postfixServer {
	t.Helper()
	file := filepath.Join(w.folder(t, "certificate"), "mx")
	ca.issue(t, file+".pem", file+".key", cert)
	p, err := startPostfix(w, domain, ip, "smtpd_tls_chain_files = "+file+".key, "+file+".pem")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	w.add(hostOf(domain, ip))
	if !within(t.Context(), patience, func() bool { return !p.alive() || len(p.find("daemon started")) > 0 }) || !p.alive() {
		t.Fatalf("it does not start\n%s", p.logTail())
	}
	return p
}
