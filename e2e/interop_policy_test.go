//go:build linux

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"mxdesk/internal/dns"
)

// policyHost serves the MTA-STS policies of domains over HTTPS, on port 443.
type policyHost struct {
	server *http.Server
	asked  atomic.Int64
}

// startPolicyHost serves policies, by domain, with a certificate of the authority.
func startPolicyHost(t *testing.T, w *world, ca *authority, ip string, policies map[string]string) *policyHost {
	t.Helper()
	dir := w.folder(t, "policies")
	var hosts []string
	zone := dns.Fake{}
	for domain := range policies {
		hosts = append(hosts, "mta-sts."+domain)
		zone["mta-sts."+domain] = dns.Records{A: []string{ip}}
		zone["_mta-sts."+domain] = dns.Records{TXT: []string{"v=STSv1; id=1;"}}
	}
	w.add(zone)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	ca.issue(t, cert, key, names(hosts...))
	h := &policyHost{}
	h.server = &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		policy, found := policies[strings.TrimPrefix(r.Host, "mta-sts.")]
		if !found || r.URL.Path != "/.well-known/mta-sts.txt" {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(rw, policy)
	})}
	l, err := net.Listen("tcp", ip+":443")
	if err != nil {
		t.Skipf("the host of MTA-STS policies needs port 443 of a loopback address, as root: %v", err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = h.server.ServeTLS(l, cert, key) }() // ends with Close
	t.Cleanup(func() { _ = h.server.Close(); <-ended })
	return h
}

func stsPolicy(mode string, hosts ...string) string {
	text := "version: STSv1\r\nmode: " + mode + "\r\nmax_age: 86400\r\n"
	for _, host := range hosts {
		text += "mx: " + host + "\r\n"
	}
	return text
}

// policyCase is a domain whose host is like this, and what becomes of a letter to it.
type policyCase struct {
	name, scenario string
	ip             string
	cert           func(host string) func(*certificateRequest) // nil: the host offers no TLS
	state, policy  string
	reply          string // words of the attempt
}

// host is the mail server that a letter shall reach.
type host interface {
	arrivals(d *desk) int
	logTail() string
}

// reaches sends an acknowledgement to the domain and checks the first attempt; what is deferred arrived nowhere.
func (c *policyCase) reaches(t *testing.T, d *desk, s host, domain string) delivery {
	t.Helper()
	to := "carl@" + domain
	before := s.arrivals(d)
	fromOutside(t, d, to, d.support(), fmt.Sprintf("To %s after %d others", domain, len(d.letters(t))))
	got := d.awaitDelivery(t, to, c.state)
	first := got.Log[0]
	switch {
	case len(got.Log) != 1 || first.Policy != c.policy || !strings.Contains(first.Reply, c.reply):
		t.Errorf("want policy %q and words %q, got %+v\n%s", c.policy, c.reply, got, s.logTail())
	case c.state == "delivered" && c.cert != nil && !strings.HasPrefix(first.TLS, "TLS1.3"):
		t.Errorf("it went without TLS: %+v", got)
	}
	want := map[string]int{"delivered": 1}[c.state]
	arrived := 0
	within(t.Context(), patience, func() bool { arrived = s.arrivals(d) - before; return arrived >= want }) // it may log after it answers
	if arrived != want {
		t.Errorf("%d letters arrived, want %d\n%s", arrived, want, s.logTail())
	}
	return got
}

// TestInteropMTASTS: a domain's policy of RFC 8461 is obeyed, whatever its host is like.
func TestInteropMTASTS(t *testing.T) {
	peers := peersFolder(t)
	w := theWorld(t)
	need(t, swaks)
	ca := newAuthority(t)
	good := func(host string) func(*certificateRequest) { return names(host) }
	cases := []policyCase{
		{name: "good", scenario: "MTA-STS enforced, good certificate: delivered, verified", cert: good, state: "delivered", policy: "mta-sts"},
		{
			name: "misnamed", scenario: "MTA-STS enforced, certificate for another name: deferred", state: "deferred", policy: "mta-sts", reply: "certificate is valid for",
			cert: func(string) func(*certificateRequest) { return names("elsewhere.test") },
		},
		{
			name: "selfsigned", scenario: "MTA-STS enforced, self-signed certificate: deferred", state: "deferred", policy: "mta-sts", reply: "unknown authority",
			cert: func(host string) func(*certificateRequest) { return selfSigned(host) },
		},
		{
			name: "expired", scenario: "MTA-STS enforced, expired certificate: deferred", state: "deferred", policy: "mta-sts", reply: "has expired",
			cert: func(host string) func(*certificateRequest) { return expired(host) },
		},
		{name: "stripped", scenario: "MTA-STS enforced, STARTTLS not offered: deferred", state: "deferred", policy: "mta-sts", reply: "does not offer STARTTLS"},
		{name: "unlisted", scenario: "MTA-STS enforced, host not in the policy: deferred", cert: good, state: "deferred", reply: "does not name"},
		{
			name: "testing", scenario: "MTA-STS testing, self-signed certificate: delivered, policy recorded", state: "delivered", policy: "mta-sts-testing",
			cert: func(host string) func(*certificateRequest) { return selfSigned(host) },
		},
	}
	policies, listeners := map[string]string{}, []listener{}
	for i := range cases {
		c := &cases[i]
		c.ip = w.address(111 + i)
		domain, host := c.name+".sts.test", "mx."+c.name+".sts.test"
		policies[domain] = stsPolicy("enforce", host)
		switch c.name {
		case "testing":
			policies[domain] = stsPolicy("testing", host)
		case "unlisted":
			policies[domain] = stsPolicy("enforce", "other.sts.test")
		}
		l := listener{ip: c.ip}
		if c.cert != nil {
			l.cert = c.cert(host)
		}
		listeners = append(listeners, l)
		w.add(hostOf(domain, c.ip))
	}
	exim := startExim(t, w, peers, "sts.test", w.address(110), ca, listeners...)
	web := startPolicyHost(t, w, ca, w.address(109), policies)
	trust := "SSL_CERT_FILE=" + ca.file(t, filepath.Join(exim.dir, "roots.pem"))
	d := newDesk(t, w, func(d *desk, _ map[string]string) { d.env = append(d.env, trust) })
	for _, c := range cases {
		scenario(t, c.scenario, func(t *testing.T) { c.reaches(t, d, exim, c.name+".sts.test") })
	}
	scenario(t, "MTA-STS policy remembered when HTTPS is down, also by the next process", func(t *testing.T) {
		if web.asked.Load() == 0 {
			t.Error("the policy host was never asked")
		}
		if err := web.server.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		d.serve(t)
		w.add(dns.Fake{"_mta-sts.good.sts.test": {TXT: []string{"v=STSv1; id=2;"}}, "_mta-sts.misnamed.sts.test": {}})
		cases[0].reaches(t, d, exim, "good.sts.test")
		d.command(t, "queue", "cancel", d.awaitDelivery(t, "carl@misnamed.sts.test", "deferred").ID)
		d.command(t, "queue", "retry", "--lane", "misnamed.sts.test")
		cases[1].reaches(t, d, exim, "misnamed.sts.test")
	})
}

// hostOf are the records of a domain with one mail host.
func hostOf(domain, ip string) dns.Fake {
	return dns.Fake{
		domain:         {MX: []dns.MX{{Preference: 10, Host: "mx." + domain}}, TXT: []string{"v=spf1 ip4:127.0.0.1 -all"}},
		"mx." + domain: {A: []string{ip}},
		ip:             {PTR: []string{"mx." + domain}},
	}
}
