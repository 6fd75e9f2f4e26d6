//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mxdesk/internal/dns"
)

// routed is a letter to a domain whose DNS leads elsewhere than to one good host.
type routed struct {
	domain, state, reason string
	host                  string // that took it
	words                 string // of the reply
}

// sends checks what becomes of the acknowledgement.
func (c routed) sends(t *testing.T, d *desk) {
	t.Helper()
	to := "carl@" + c.domain
	fromOutside(t, d, to, d.support(), "Where is "+c.domain)
	got := d.awaitDelivery(t, to, c.state)
	first := got.Log[0]
	if len(got.Log) != 1 || first.Host != c.host || got.Reason != c.reason || !strings.Contains(first.Reply, c.words) {
		t.Errorf("want host %q, reason %q and words %q: %+v", c.host, c.reason, c.words, got)
	}
}

// TestInteropRoute: hosts that are dead, silent, forbidden or none at all.
func TestInteropRoute(t *testing.T) {
	peers := peersFolder(t)
	w := theWorld(t)
	need(t, swaks)
	listeners := []listener{}
	if l, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", w.port)); err == nil {
		listeners = append(listeners, listener{"::1", names("mx.six.route.test")})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	exim := startExim(t, w, peers, "route.test", w.address(160), newAuthority(t), listeners...)
	refuses, silent, full := w.address(161), w.address(162), w.address(163)
	listenSilently(t, silent, w.port)
	listenWithFullQueue(t, full, w.port)
	second := func(name, first string) {
		domain := name + ".route.test"
		w.add(hostOf(domain, first))
		w.add(dns.Fake{domain: {
			MX:  []dns.MX{{Preference: 10, Host: "mx." + domain}, {Preference: 20, Host: "mx.route.test"}},
			TXT: []string{"v=spf1 ip4:127.0.0.1 -all"},
		}})
	}
	second("refuses", refuses)
	second("silent", silent)
	second("full", full)
	d := newDesk(t, w, with("admission.check_sender_domain", "false"))
	spf := []string{"v=spf1 ip4:127.0.0.1 -all"}
	w.add(dns.Fake{
		"null.route.test":   {MX: []dns.MX{{Host: ""}}, TXT: spf},
		"loop.route.test":   {MX: []dns.MX{{Preference: 10, Host: "mx." + d.name}}, TXT: spf},
		"self.route.test":   {MX: []dns.MX{{Preference: 10, Host: "another.name.test"}, {Preference: 20, Host: "mx.route.test"}}, TXT: spf},
		"another.name.test": {A: []string{d.ip}},
		"alone.route.test":  {A: []string{exim.ip}, TXT: spf},
		"six.route.test":    {A: []string{"::1"}, TXT: spf},
	})
	scenario(t, "null MX (RFC 7505): fails at once, told in the ticket", func(t *testing.T) {
		routed{domain: "null.route.test", state: "failed", reason: "not_accepting", words: "null MX"}.sends(t, d)
		wantFailure(t, d, "carl@null.route.test", "null MX")
	})
	scenario(t, "MX is mxdesk itself: fails as a loop, told in the ticket", func(t *testing.T) {
		routed{domain: "loop.route.test", state: "failed", reason: "loop", words: "comes back to ourselves"}.sends(t, d)
		wantFailure(t, d, "carl@loop.route.test", "comes back to ourselves")
	})
	scenario(t, "MX is mxdesk itself by another name: fails as a loop, and no worse host is tried", func(t *testing.T) {
		routed{domain: "self.route.test", state: "failed", reason: "loop", words: "comes back to ourselves"}.sends(t, d)
	})
	scenario(t, "no MX, but an address: delivered there", func(t *testing.T) {
		routed{domain: "alone.route.test", state: "delivered", host: "alone.route.test"}.sends(t, d)
	})
	scenario(t, "only an IPv6 address: delivered there", func(t *testing.T) {
		if len(listeners) == 0 {
			t.Skip("this machine has no ::1")
		}
		routed{domain: "six.route.test", state: "delivered", host: "six.route.test"}.sends(t, d)
	})
	for name, what := range map[string]string{
		"refuses": "first MX refuses the connection", "silent": "first MX never greets", "full": "first MX does not answer (full queue)",
	} {
		scenario(t, what+": the second takes it within a minute", func(t *testing.T) {
			routed{domain: name + ".route.test", state: "delivered", host: "mx.route.test"}.sends(t, d)
		})
	}
	scenario(t, "MX with a loopback address, default configuration: fails, nobody is connected to", func(t *testing.T) {
		careful := newDesk(t, w, with("outbound.allow_private_destinations", "false"))
		before := len(exim.written())
		routed{domain: "route.test", state: "failed", reason: "host_unknown", words: "only addresses of private networks"}.sends(t, careful)
		for _, line := range exim.written()[before:] {
			if strings.Contains(line, careful.name) {
				t.Errorf("it was connected to: %s", line)
			}
		}
	})
}

// listenSilently takes connections and says nothing.
func listenSilently(t *testing.T, ip string, port int) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", ip, port))
	if err != nil {
		t.Fatal(err)
	}
	var taken []net.Conn
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			nc, err := l.Accept()
			if err != nil {
				return // closed
			}
			taken = append(taken, nc)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close() // this is the end
		<-ended
		for _, nc := range taken {
			_ = nc.Close()
		}
	})
}

// listenWithFullQueue makes a listener that answers no connection, because nobody takes those that wait.
func listenWithFullQueue(t *testing.T, ip string, port int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket := os.NewFile(uintptr(fd), "a full queue")
	t.Cleanup(func() { _ = socket.Close() })
	addr := syscall.SockaddrInet4{Port: port, Addr: netip.MustParseAddr(ip).As4()}
	if err := errors.Join(syscall.Bind(fd, &addr), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		nc, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", ip, port), time.Second)
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = nc.Close() })
	}
	t.Fatal("the queue of the listener does not fill")
}

// TestInteropRelay: mxdesk gives its letters to a smart host and shows it who it is.
func TestInteropRelay(t *testing.T) {
	peers := peersFolder(t)
	w := theWorld(t)
	need(t, swaks)
	other := w.address(171)
	ca := newAuthority(t)
	exim := startExim(t, w, peers, "relay.test", w.address(170), ca, listener{other, names("mx2.relay.test")})
	w.add(hostOf("relay.test", exim.ip))
	w.add(dns.Fake{"mx2.relay.test": {A: []string{other}}})
	trust := "SSL_CERT_FILE=" + ca.file(t, filepath.Join(exim.dir, "roots.pem"))
	named := fmt.Sprintf("smtp://mx.relay.test:%d", w.port)
	for _, c := range []struct {
		scenario, transport, user, password string
		any                                 bool
		state, log                          string
	}{
		{"smart host with STARTTLS, AUTH PLAIN", named, "plain", "right plain", false, "delivered", "A=plain:plain"},
		{"smart host with STARTTLS, AUTH LOGIN", fmt.Sprintf("smtp://mx2.relay.test:%d", w.port), "login", "right login", false, "delivered", "A=login:login"},
		{"smart host with implicit TLS, AUTH PLAIN", fmt.Sprintf("smtps://mx.relay.test:%d", exim.smtps), "plain", "right plain", false, "delivered", "A=plain:plain"},
		{"smart host, wrong password: deferred, nothing lost", named, "plain", "wrong", false, "deferred", "authenticator failed"},
		{"smart host with another's certificate: the password is not shown", "smtp://" + exim.listen(), "plain", "right plain", false, "deferred", "TLS"},
		{"smart host with another's certificate, which is allowed", "smtp://" + exim.listen(), "plain", "right plain", true, "delivered", "A=plain:plain"},
	} {
		scenario(t, c.scenario, func(t *testing.T) {
			d := newDesk(t, w, with("outbound.transport", `"`+c.transport+`"`), with("outbound.smarthost_user", `"`+c.user+`"`),
				with("outbound.smarthost_password", `"`+c.password+`"`), with("outbound.smarthost_any_certificate", fmt.Sprint(c.any)),
				func(d *desk, _ map[string]string) { d.env = append(d.env, trust) })
			const dora = "dora@" + customerDomain
			fromOutside(t, d, dora, d.support(), "By way of a relay")
			got := d.awaitDelivery(t, dora, c.state)
			if !strings.HasPrefix(got.Log[0].TLS, "TLS1.3") && c.state == "delivered" {
				t.Errorf("delivery: %+v", got)
			}
			if c.state == "delivered" {
				w.customers.mailbox("dora").await(t, d.name, 1)
			}
			// It may log after mxdesk has recorded the attempt.
			if !within(t.Context(), patience, func() bool { return len(exim.find(c.log, d.name)) > 0 }) {
				t.Errorf("no line of its log has %q\n%s", c.log, exim.logTail())
			}
		})
	}
}
