package route

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"mxdesk/internal/bounce"
	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound/smtpclient"
)

// aliasZone is a signed zone whose mail host, mx.signed.test, is an alias of mx.host.test by way of via.signed.test.
func aliasZone() dns.Fake {
	return dns.Fake{
		"signed.test":     {MX: []dns.MX{{Preference: 1, Host: "mx.signed.test"}}, Authentic: true},
		"mx.signed.test":  {CNAME: "Via.signed.test.", Authentic: true},
		"via.signed.test": {CNAME: "mx.host.test", Authentic: true},
		"mx.host.test":    {A: []string{"203.0.113.6"}, Authentic: true},
	}
}

// TestTLSAOfAlias: where the TLSA records of a mail host that is an alias are looked for (RFC 7672 section 2.2.2).
func TestTLSAOfAlias(t *testing.T) {
	good := dns.TLSA{Usage: 3, Selector: 1, MatchingType: 1, Data: bytes.Repeat([]byte{1}, 32)}
	useless := dns.TLSA{Usage: 1, Selector: 1, MatchingType: 1, Data: bytes.Repeat([]byte{1}, 32)}
	signed := func(list ...dns.TLSA) dns.Records { return dns.Records{TLSA: list, Authentic: true} }
	const atEnd, atName, between = "_25._tcp.mx.host.test", "_25._tcp.mx.signed.test", "_25._tcp.via.signed.test"
	for _, c := range []struct {
		name string
		zone dns.Fake // on top of aliasZone
		base string   // that the certificate is asked for; "": none
		err  bool
	}{
		{"at the end", dns.Fake{atEnd: signed(good), atName: {Fail: true}}, "mx.host.test", false},
		{"at both", dns.Fake{atEnd: signed(good), atName: signed(useless)}, "mx.host.test", false},
		{"at the name alone", dns.Fake{atName: signed(good)}, "mx.signed.test", false},
		{"at the end unsigned", dns.Fake{atEnd: {TLSA: []dns.TLSA{good}}, atName: signed(good)}, "mx.signed.test", false},
		{"on the way alone", dns.Fake{between: signed(good)}, "", false},
		{"nowhere", nil, "", false},
		{"lookup at the end fails", dns.Fake{atEnd: {Fail: true}, atName: signed(good)}, "", true},
		{"lookup at the name fails", dns.Fake{atName: {Fail: true}}, "", true},
		{"alias lookup fails", dns.Fake{"via.signed.test": {CNAME: "mx.host.test", FailTypes: []string{"cname"}, Authentic: true}, atName: signed(good)}, "", true},
		{"addresses unsigned, at the name", dns.Fake{"mx.host.test": {A: []string{"203.0.113.6"}}, atEnd: {Fail: true}, atName: signed(good)}, "mx.signed.test", false},
		{"addresses unsigned, at the end", dns.Fake{"mx.host.test": {A: []string{"203.0.113.6"}}, atEnd: signed(good)}, "", false},
		{"alias on the way unsigned", dns.Fake{"via.signed.test": {CNAME: "mx.host.test"}, atEnd: signed(good), atName: signed(good)}, "mx.signed.test", false},
		{"alias unsigned", dns.Fake{"mx.signed.test": {CNAME: "via.signed.test"}, atEnd: signed(good), atName: signed(good)}, "", false},
		{"MX unsigned", dns.Fake{"signed.test": {MX: []dns.MX{{Preference: 1, Host: "mx.signed.test"}}}, atEnd: signed(good), atName: signed(good)}, "", false},
		{"no alias, addresses unsigned", dns.Fake{"mx.signed.test": {A: []string{"203.0.113.6"}}, atName: signed(good)}, "", false},
		{"no MX, the domain is the alias", dns.Fake{"signed.test": {CNAME: "mx.host.test", Authentic: true}, atEnd: signed(good)}, "mx.host.test", false},
	} {
		zone := aliasZone()
		for name, r := range c.zone {
			zone[name] = r
		}
		hosts, err := (&Router{Resolver: zone}).Hosts(t.Context(), "signed.test")
		var e *Error
		if c.err {
			if !errors.As(err, &e) || e.Permanent || e.Reason != bounce.TLSRequired {
				t.Errorf("%s: %+v, %v; want a temporary error", c.name, hosts, err)
			}
			continue
		}
		if err != nil || len(hosts) != 1 {
			t.Errorf("%s: %v, %v", c.name, hosts, err)
			continue
		}
		h, want := hosts[0], smtpclient.TLSOpportunistic
		if c.base != "" {
			want = smtpclient.TLSVerified
		}
		if h.CertName != c.base || h.TLS != want || (h.Verify != nil) != (c.base != "") || c.base == "" && h.ServerName() != h.Name {
			t.Errorf("%s: TLS %v, certificate of %q, by TLSA: %v", c.name, h.TLS, h.CertName, h.Verify != nil)
		}
	}
}

// TestTLSAOfLoop: aliases that never end are no reason to send without TLS.
func TestTLSAOfLoop(t *testing.T) {
	zone := aliasZone()
	zone["via.signed.test"] = dns.Records{CNAME: "round.test", A: []string{"203.0.113.6"}, Authentic: true}
	zone["round.test"] = dns.Records{CNAME: "via.signed.test", Authentic: true}
	if hosts, err := (&Router{Resolver: zone}).Hosts(t.Context(), "signed.test"); !errors.Is(err, dns.ErrTemp) {
		t.Errorf("%+v, %v", hosts, err)
	}
}

// TestNamesOfAlias: which names a certificate below a trust anchor may be for (RFC 7672 section 3.2.2).
func TestNamesOfAlias(t *testing.T) {
	for _, c := range []struct {
		domain, cert string
		ok           bool
	}{
		{"signed.test", "mx.host.test", true},
		{"signed.test", "signed.test", true},
		{"signed.test", "mx.signed.test", false}, // the records stand under another name
		{"alias.test", "alias.test", true},
		{"alias.test", "signed.test", true}, // what it is an alias of
		{"unsigned.test", "signed.test", false},
	} {
		config, _ := smtptest.Certificate(t, c.cert)
		chain := make([]*x509.Certificate, 0, 2)
		for _, der := range config.Certificates[0].Certificate {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			chain = append(chain, cert)
		}
		anchor := chain[len(chain)-1]
		zone := aliasZone()
		zone["alias.test"] = dns.Records{CNAME: "signed.test", Authentic: true}
		zone["unsigned.test"] = dns.Records{MX: zone["signed.test"].MX, FailTypes: []string{"cname"}, Authentic: true}
		zone["_25._tcp.mx.host.test"] = dns.Records{TLSA: []dns.TLSA{{Usage: 2, Data: anchor.Raw}}, Authentic: true}
		hosts, err := (&Router{Resolver: zone}).Hosts(t.Context(), c.domain)
		if err != nil || len(hosts) != 1 || hosts[0].Verify == nil {
			t.Fatalf("%s: %+v, %v", c.domain, hosts, err)
		}
		err = hosts[0].Verify(tls.ConnectionState{PeerCertificates: chain})
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "valid for") {
			t.Errorf("mail for %s, certificate for %s: %v", c.domain, c.cert, err)
		}
	}
}
