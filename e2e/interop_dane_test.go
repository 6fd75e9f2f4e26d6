//go:build linux

package e2e

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	miekg "github.com/miekg/dns"

	"mxdesk/internal/dns"
)

// signedZone serves a zone that Debian's ldns signed, by nsd; unbound validates it.
type signedZone struct {
	w          *world
	peers, dir string
	ip         string
	lines      []string
}

func newSignedZone(t *testing.T, w *world, peers, ip string) *signedZone {
	t.Helper()
	z := &signedZone{w: w, peers: peers, dir: w.folder(t, "zone"), ip: ip}
	z.lines = []string{
		"$ORIGIN dane.test.", "$TTL 5",
		"@ IN SOA ns.dane.test. hostmaster.dane.test. 1 3600 600 86400 5", "@ IN NS ns.dane.test.", "ns IN A " + ip,
	}
	return z
}

// serve signs the zone, changes it behind the signer's back unless tamper is nil, and serves it.
func (z *signedZone) serve(t *testing.T, tamper func(text string) string) {
	t.Helper()
	libraries := unpackedLibraries(t, z.peers)
	tool := func(name string, args ...string) string {
		script := `cd "$1" && shift && exec env "$@"`
		return strings.TrimSpace(mustOutput(t, "", "/bin/sh", append([]string{"-c", script, "sh", z.dir, libraries, filepath.Join(z.peers, "usr/bin", name)}, args...)...))
	}
	key := tool("ldns-keygen", "-k", "-a", "ECDSAP256SHA256", "dane.test")
	z.write(t, "zone", strings.Join(z.lines, "\n")+"\n")
	z.write(t, "anchor", readFile(t, filepath.Join(z.dir, key+".ds")))
	tool("ldns-signzone", "-f", "zone.signed", "zone", key)
	if tamper != nil {
		signed := readFile(t, filepath.Join(z.dir, "zone.signed"))
		changed := tamper(signed)
		if changed == signed {
			t.Fatalf("there was nothing to tamper with:\n%s", signed)
		}
		z.write(t, "zone.signed", changed)
	}
	z.start(t, "nsd.conf", z.ip, libraries, "usr/sbin/nsd", []string{"-d", "-c"})
}

func (z *signedZone) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(z.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// resolver starts an unbound with the modules.
func (z *signedZone) resolver(t *testing.T, ip, modules string) {
	t.Helper()
	z.start(t, "unbound.conf", ip, unpackedLibraries(t, z.peers), "usr/sbin/unbound", []string{"-d", "-c"},
		"MODULES", modules, "SIGNED", z.ip, "DNS", z.w.address(1))
}

// start starts a name server and waits until it answers; it is stopped when the test ends.
func (z *signedZone) start(t *testing.T, config, ip, libraries, name string, args []string, more ...string) {
	t.Helper()
	file := ip + "." + config
	z.write(t, file, strings.NewReplacer(append(more, "DIR", z.dir, "ADDRESS", ip)...).Replace(readFile(t, filepath.Join("testdata", config))))
	p, err := start(z.dir, []string{libraries}, filepath.Join(z.peers, name), append(args, filepath.Join(z.dir, file))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("%v\n%s", err, p.tail(20))
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, p.tail(20))
		}
	})
	question := new(miekg.Msg).SetQuestion("dane.test.", miekg.TypeSOA)
	answers := func() bool {
		r, err := miekg.Exchange(question, ip+":53")
		return err == nil && len(r.Answer) > 0
	}
	if !within(t.Context(), patience, func() bool { return !p.alive() || answers() }) || !p.alive() {
		t.Fatalf("%s does not answer\n%s", name, p.tail(20))
	}
}

// daneCase is a host in the signed zone.
type daneCase struct {
	policyCase
	tlsa  func(host, authority *x509.Certificate) string // nil: no TLSA record
	alias bool                                           // the mail host is an alias, and the TLSA record stands at its end
}

// zone are the records of a case.
func (c *daneCase) zone(port int, host, authority *x509.Certificate) (lines []string) {
	lines = []string{
		fmt.Sprintf("%s IN MX 10 mx.%s", c.name, c.name),
		fmt.Sprintf("%s IN TXT \"v=spf1 ip4:127.0.0.1 -all\"", c.name),
	}
	end := "mx." + c.name
	if c.alias {
		end = "end." + c.name
		lines = append(lines, fmt.Sprintf("mx.%s IN CNAME %s", c.name, end))
	}
	lines = append(lines, fmt.Sprintf("%s IN A %s", end, c.ip))
	if c.tlsa != nil {
		lines = append(lines, fmt.Sprintf("_%d._tcp.%s IN TLSA %s", port, end, c.tlsa(host, authority)))
	}
	return lines
}

func hashOf(c *x509.Certificate) string {
	return fmt.Sprintf("%x", sha256.Sum256(c.RawSubjectPublicKeyInfo))
}

func daneCases() []daneCase {
	self := func(host string) func(*certificateRequest) { return selfSigned(host) }
	other := func(string) func(*certificateRequest) { return names("elsewhere.test") }
	leaf := func(host, _ *x509.Certificate) string { return "3 1 1 " + hashOf(host) }
	anchor := func(_, ca *x509.Certificate) string { return "2 1 1 " + hashOf(ca) }
	wrong := func(*x509.Certificate, *x509.Certificate) string { return "3 1 1 " + strings.Repeat("00", sha256.Size) }
	return []daneCase{
		{policyCase: policyCase{name: "leaf", scenario: "DANE 3 1 1, self-signed certificate: delivered, verified", cert: self, state: "delivered", policy: "dane"}, tlsa: leaf},
		{policyCase: policyCase{
			name: "old", scenario: "DANE 3 1 1, expired certificate: delivered (RFC 7672 section 3.1.1)", state: "delivered", policy: "dane",
			cert: func(host string) func(*certificateRequest) { return expired(host) },
		}, tlsa: leaf},
		{policyCase: policyCase{
			name: "anchor", scenario: "DANE 2 1 1, certificate of the authority: delivered, verified", state: "delivered", policy: "dane",
			cert: func(host string) func(*certificateRequest) { return names(host) },
		}, tlsa: anchor},
		{policyCase: policyCase{name: "misnamed", scenario: "DANE 2 1 1, certificate for another name: deferred", cert: other, state: "deferred", policy: "dane", reply: "certificate is valid for"}, tlsa: anchor},
		{policyCase: policyCase{name: "wrong", scenario: "DANE, TLSA record of another key: deferred, no fallback", cert: self, state: "deferred", policy: "dane", reply: "no TLSA record fits"}, tlsa: wrong},
		{policyCase: policyCase{name: "stripped", scenario: "DANE, STARTTLS not offered: deferred", state: "deferred", policy: "dane", reply: "does not offer STARTTLS"}, tlsa: wrong},
		{policyCase: policyCase{name: "tampered", scenario: "DANE, TLSA record changed on the way (bogus): deferred", cert: self, state: "deferred", reply: "TLSA records of mx.tampered.dane.test"}, tlsa: leaf},
		{policyCase: policyCase{name: "lost", scenario: "DANE, MX record changed on the way (bogus): deferred", cert: self, state: "deferred", reply: "MX lookup failed"}, tlsa: leaf},
		{
			policyCase: policyCase{name: "pkix", scenario: "DANE, only unusable records (1 1 1): TLS, unverified", cert: self, state: "delivered", policy: "dane-unusable"},
			tlsa:       func(host, _ *x509.Certificate) string { return "1 1 1 " + hashOf(host) },
		},
		{policyCase: policyCase{name: "none", scenario: "DNSSEC without TLSA records: opportunistic TLS", cert: self, state: "delivered", policy: "opportunistic"}},
		{policyCase: policyCase{
			name: "alias", scenario: "DANE 2 1 1 at the end of an alias, certificate for that name: delivered, verified", state: "delivered", policy: "dane",
			cert: func(host string) func(*certificateRequest) { return names(strings.Replace(host, "mx.", "end.", 1)) },
		}, tlsa: anchor, alias: true},
		{policyCase: policyCase{
			name: "astray", scenario: "DANE 2 1 1 at the end of an alias, certificate for the alias alone: deferred", state: "deferred", policy: "dane",
			cert: func(host string) func(*certificateRequest) { return names(host) }, reply: "certificate is valid for",
		}, tlsa: anchor, alias: true},
	}
}

// TestInteropDANE: what TLSA records say is obeyed when a validating resolver vouches for it, and not looked at otherwise.
func TestInteropDANE(t *testing.T) {
	peers := peersFolder(t)
	w := theWorld(t)
	need(t, swaks)
	ca := newAuthority(t)
	cases := daneCases()
	made := make([]*x509.Certificate, len(cases))
	var listeners []listener
	for i := range cases {
		c := &cases[i]
		c.ip = w.address(131 + i)
		l := listener{ip: c.ip}
		if c.cert != nil {
			l.cert = kept(&made[i], c.cert("mx."+c.name+".dane.test"))
		}
		listeners = append(listeners, l)
	}
	// The hosts of the unsigned zone are as wrong as can be: nobody may look.
	unsigned := policyCase{name: "open", ip: w.address(151), state: "delivered", policy: "opportunistic", cert: func(host string) func(*certificateRequest) { return selfSigned(host) }}
	listeners = append(listeners, listener{unsigned.ip, unsigned.cert("mx.open.test")})
	exim := startExim(t, w, peers, "dane.test", w.address(130), ca, listeners...)
	w.add(hostOf("open.test", unsigned.ip))
	z := newSignedZone(t, w, peers, w.address(152))
	for i, c := range cases {
		z.lines = append(z.lines, c.zone(w.port, made[i], ca.cert)...)
	}
	z.serve(t, func(text string) string {
		text = strings.Replace(text, "lost.dane.test.\t5\tIN\tMX\t10 ", "lost.dane.test.\t5\tIN\tMX\t11 ", 1)
		mark := fmt.Sprintf("_%d._tcp.mx.tampered.dane.test.\t5\tIN\tTLSA\t3 1 1 ", w.port)
		before, after, found := strings.Cut(text, mark)
		if !found {
			t.Fatalf("no record to tamper with in\n%s", text)
		}
		return before + mark + "0000" + after[4:]
	})
	z.resolver(t, w.address(153), "validator iterator")
	z.resolver(t, w.address(154), "iterator")
	asks := func(ip string) deskOption { return with("dns.resolvers", `["`+ip+`:53"]`) }
	d := newDesk(t, w, asks(w.address(153)))
	for _, c := range cases {
		scenario(t, c.scenario, func(t *testing.T) { c.reaches(t, d, exim, c.name+".dane.test") })
	}
	scenario(t, "unsigned zone: no DANE, opportunistic TLS", func(t *testing.T) {
		w.add(dns.Fake{fmt.Sprintf("_%d._tcp.mx.open.test", w.port): {TLSA: []dns.TLSA{{Usage: 3, Selector: 1, MatchingType: 1, Data: make([]byte, sha256.Size)}}}})
		unsigned.reaches(t, d, exim, "open.test")
	})
	scenario(t, "resolver that does not validate: no DANE, opportunistic TLS", func(t *testing.T) {
		blind := newDesk(t, w, asks(w.address(154)))
		wrong := cases[4].policyCase
		wrong.state, wrong.policy, wrong.reply = "delivered", "opportunistic", ""
		wrong.reaches(t, blind, exim, "wrong.dane.test")
	})
}
