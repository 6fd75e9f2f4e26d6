package smtpd

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"mxdesk/internal/dns"
)

func TestConfirmedName(t *testing.T) {
	zone := dns.Fake{
		"192.0.2.1":         {PTR: []string{"mail.example.org"}},
		"mail.example.org":  {A: []string{"192.0.2.1", "2001:db8::1"}},
		"192.0.2.2":         {PTR: []string{"mail.example.org"}}, // does not lead back
		"192.0.2.3":         {PTR: []string{"no such.name\r\nX: y", "gone.example.org", "third.example.org"}},
		"third.example.org": {A: []string{"192.0.2.3"}},
		"192.0.2.4":         {Fail: true},
		"192.0.2.5":         {PTR: []string{"a.example.org", "b.example.org", "c.example.org", "d.example.org", "fifth.example.org"}},
		"fifth.example.org": {A: []string{"192.0.2.5"}},
		"2001:db8::1":       {PTR: []string{"MAIL.example.org."}},
	}
	for client, want := range map[string]string{
		"192.0.2.1": "mail.example.org", "192.0.2.2": "", "192.0.2.3": "third.example.org", "192.0.2.4": "", "192.0.2.5": "",
		"2001:db8::1": "mail.example.org", "192.0.2.9": "",
	} {
		if got := confirmedName(context.Background(), zone, netip.MustParseAddr(client)); got != want {
			t.Errorf("%s: %q, want %q", client, got, want)
		}
	}
}

// The name is looked up while the client talks, and stands in the letter.
func TestNameOfTheClient(t *testing.T) {
	backend := &fakeBackend{}
	zone := dns.Fake{"127.0.0.1": {PTR: []string{"local.example.org"}}, "local.example.org": {A: []string{"127.0.0.1"}}}
	p := start(t, backend, func(c *Config) { c.Resolver = zone }).inData()
	p.do(letter("x\r\n.\r\n"), "250")
	l := backend.taken()[0]
	if l.Session.PTR != "local.example.org" || !strings.Contains(l.Received, "(local.example.org [127.0.0.1])") {
		t.Errorf("PTR %q, received %q", l.Session.PTR, l.Received)
	}
}

// panickyDNS is a resolver with a mistake in it.
type panickyDNS struct{ dns.Fake }

func (panickyDNS) PTR(context.Context, netip.Addr) ([]string, bool, error) { panic("a mistake") }

func (panickyDNS) IPFamily(context.Context, string, bool) ([]netip.Addr, bool, error) {
	panic("a mistake")
}

// A mistake in what is asked beside the session costs the answer, and nothing else.
func TestPanicBesideASession(t *testing.T) {
	backend := &fakeBackend{}
	p := start(t, backend, func(c *Config) {
		c.Resolver, c.Admission = panickyDNS{}, Admission{Blocklists: []Blocklist{{"black.example", 1}}, Threshold: 1}
	}).inData()
	p.do(letter("x\r\n.\r\n"), "250")
	if got := backend.taken()[0].Session.PTR; got != "" {
		t.Errorf("PTR %q", got)
	}
}

// slowDNS answers nothing until the question is given up.
type slowDNS struct{ dns.Fake }

func (slowDNS) PTR(ctx context.Context, _ netip.Addr) ([]string, bool, error) {
	<-ctx.Done()
	return nil, false, dns.ErrTemp
}

// A name server that does not answer delays neither the banner nor the end of the connection.
func TestNameServerIsSilent(t *testing.T) {
	p := start(t, &fakeBackend{}, func(c *Config) { c.Resolver = slowDNS{} }).greeted()
	p.do("QUIT\r\n", "221")
	p.wantEnd()
}
