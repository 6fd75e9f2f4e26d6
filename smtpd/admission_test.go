package smtpd

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/message"
	"mxdesk/internal/network"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestClientLists(t *testing.T) {
	a := Admission{
		AllowNetworks: prefixes("192.0.2.7/32", "198.51.100.0/24", "2001:db8:1::/48"),
		BlockNetworks: prefixes("192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32", "203.0.113.0/24"),
	}
	for client, want := range map[string]network.Listing{
		"192.0.2.8": network.Blocked, "192.0.2.7": network.Allowed, "198.51.100.1": network.Blocked, "2001:db8::1": network.Blocked, "2001:db8:1::1": network.Allowed,
		"203.0.113.1": network.Blocked, "8.8.8.8": network.Unlisted,
	} {
		if got := a.client(netip.MustParseAddr(client)); got != want {
			t.Errorf("%s: %d, want %d", client, got, want)
		}
	}
	if got := a.client(netip.Addr{}); got != network.Unlisted {
		t.Errorf("no address: %d", got)
	}
}

func TestSenderLists(t *testing.T) {
	a := Admission{
		AllowSenders: []string{"good@bad.example", "fine.bad.example", "both.example"},
		BlockSenders: []string{"bad.example", "evil@fine.bad.example", "both.example", "test"},
	}
	for sender, want := range map[string]network.Listing{
		"x@bad.example": network.Blocked, "good@bad.example": network.Allowed, "GOOD@bad.example": network.Allowed, "x@sub.bad.example": network.Blocked,
		"x@fine.bad.example": network.Allowed, "x@very.fine.bad.example": network.Allowed, "evil@fine.bad.example": network.Blocked,
		"x@both.example": network.Blocked, "x@notbad.example": network.Unlisted, "x@a.test": network.Blocked, "": network.Unlisted,
	} {
		s, _ := address.Parse(sender) // the null sender is none
		if got := a.sender(s); got != want {
			t.Errorf("%q: %d, want %d", sender, got, want)
		}
	}
}

func TestAdmitSender(t *testing.T) {
	for _, test := range []struct {
		name  string
		facts senderFacts
		want  reply
	}{
		{"nothing known", senderFacts{}, reply{}},
		{"good", senderFacts{score: 4, domain: domainGood}, reply{}},
		{"network blocked", senderFacts{client: network.Blocked, sender: network.Allowed}, replyBlockedNetwork},
		{"sender blocked in an allowed network", senderFacts{client: network.Allowed, sender: network.Blocked}, replyBlockedSender},
		{"network allowed", senderFacts{client: network.Allowed, score: 9, domain: domainMissing}, reply{}},
		{"in DNS lists", senderFacts{score: 5, domain: domainGood}, replyListed},
		{"allowed sender from a listed client", senderFacts{sender: network.Allowed, score: 5}, replyListed},
		{"allowed sender without domain", senderFacts{sender: network.Allowed, domain: domainMissing}, reply{}},
		{"no domain", senderFacts{domain: domainMissing}, replyNoSenderDomain},
		{"null MX", senderFacts{domain: domainNullMX}, replyNullMX},
	} {
		if got := admitSender(test.facts, 5); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got.reason, test.want.reason)
		}
	}
	if got := admitSender(senderFacts{score: 100}, 0); !got.isZero() {
		t.Errorf("without threshold: %q", got.reason)
	}
}

func TestStateOfDomain(t *testing.T) {
	zone := dns.Fake{
		"mx.example":     {MX: []dns.MX{{Preference: 10, Host: "mail.mx.example"}}},
		"a.example":      {A: []string{"192.0.2.1"}},
		"aaaa.example":   {A: []string{"2001:db8::1"}},
		"null.example":   {MX: []dns.MX{{Host: ""}}, A: []string{"192.0.2.1"}},
		"empty.example":  {TXT: []string{"no mail here"}},
		"broken.example": {Fail: true},
		"half.example":   {A: []string{"192.0.2.1"}, FailTypes: []string{"mx"}},
		"noaddr.example": {TXT: []string{"x"}, FailTypes: []string{"a"}},
	}
	for domain, want := range map[string]domainState{
		"mx.example": domainGood, "a.example": domainGood, "aaaa.example": domainGood, "null.example": domainNullMX,
		"empty.example": domainMissing, "gone.example": domainMissing, "broken.example": domainUnknown, "half.example": domainUnknown,
		"noaddr.example": domainUnknown, "[192.0.2.1]": domainGood,
	} {
		if got := stateOf(context.Background(), zone, domain); got != want {
			t.Errorf("%s: %d, want %d", domain, got, want)
		}
	}
}

func TestDNSLists(t *testing.T) {
	zone := dns.Fake{
		"1.2.0.192.black.example": {A: []string{"127.0.0.2"}},
		"1.2.0.192.grey.example":  {A: []string{"127.0.0.4", "127.0.0.9"}},
		"1.2.0.192.white.example": {A: []string{"127.0.0.1"}},
		"2.2.0.192.black.example": {A: []string{"127.255.255.254"}}, // "you may not ask"
		"2.2.0.192.grey.example":  {A: []string{"203.0.113.80"}},    // the domain was parked
		"3.2.0.192.black.example": {Fail: true},
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.black.example": {A: []string{"127.0.0.2"}},
	}
	lists := []Blocklist{{"black.example", 5}, {"grey.example", 2}, {"white.example", -3}}
	for client, want := range map[string]int{"192.0.2.1": 4, "192.0.2.2": 0, "192.0.2.3": 0, "2001:db8::1": 5, "198.51.100.1": 0} {
		if got := new(wire).scoreOf(context.Background(), zone, netip.MustParseAddr(client), lists); got != want {
			t.Errorf("%s: %d, want %d", client, got, want)
		}
	}
}

// What strangers hear, in the order in which it is decided.
func TestAdmissionReplies(t *testing.T) {
	zone := dns.Fake{
		"null.example":            {MX: []dns.MX{{Host: ""}}},
		"example.org":             {A: []string{"192.0.2.1"}},
		"1.2.0.192.black.example": {A: []string{"127.0.0.2"}},
	}
	r := start(t, &fakeBackend{}, fromLoopback, func(c *Config) {
		c.Resolver = zone
		c.Admission = Admission{
			BlockNetworks: prefixes("203.0.113.0/24"), AllowNetworks: prefixes("198.51.100.0/24"), BlockSenders: []string{"bad@example.org"},
			Blocklists: []Blocklist{{"black.example", 1}}, Threshold: 1, CheckSenderDomain: true,
		}
	})
	blocked := r.dial()
	blocked.send(proxyHeader(t, 1, "203.0.113.9:1"))
	blocked.want("554 5.7.1 Your network")
	blocked.wantEnd()
	for _, test := range []struct{ client, sender, want string }{
		{"192.0.2.1:1", "a@example.org", "550 5.7.1 Your address is in blocklists"},
		{"192.0.2.2:1", "a@example.org", "250"},
		{"192.0.2.2:1", "bad@example.org", "550 5.7.1 This sender"},
		{"192.0.2.2:1", "a@gone.example", "550 5.1.8"},
		{"192.0.2.2:1", "a@null.example", "550 5.7.27"},
		{"192.0.2.2:1", "", "250"},
		{"198.51.100.1:1", "a@gone.example", "250"},
		{"198.51.100.1:1", "bad@example.org", "550 5.7.1"},
	} {
		p := r.dial()
		p.send(proxyHeader(t, 1, test.client))
		p.want("220")
		p.do("EHLO client.example.org\r\n", "250")
		p.do("MAIL FROM:<"+test.sender+">\r\n", test.want)
		p.do("QUIT\r\n", "221")
	}
}

// memory is a Greylist that a test fills.
type memory struct {
	mu     sync.Mutex
	known  map[string]bool
	tried  map[string]int
	age    time.Duration
	broken bool
}

func (m *memory) Known(_ context.Context, sender string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return false, errors.New("the database is away")
	}
	return m.known[sender], nil
}

func (m *memory) Tried(_ context.Context, network netip.Prefix, sender, recipient string) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tried[network.String()+" "+sender+" "+recipient]++
	return m.age, nil
}

func (m *memory) Passed(_ context.Context, sender string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[sender] = true
	return nil
}

func TestGreylisting(t *testing.T) {
	m := &memory{known: map[string]bool{"friend@example.org": true}, tried: map[string]int{}}
	verdict := message.Verdict{DMARC: message.DMARC{Result: message.Pass, Domain: "example.org"}}
	r := start(t, &fakeBackend{}, func(c *Config) {
		c.Admission = Admission{Greylist: m, GreylistDelay: time.Minute, AllowSenders: []string{"allowed.example"}}
		c.Verifier = verdictOf(verdict)
	})
	recipient := func(sender, want string) *peer {
		t.Helper()
		p := r.greeted()
		p.do("MAIL FROM:<"+sender+">\r\n", "250")
		p.do("RCPT TO:<help@example.test>\r\n", want)
		return p
	}
	recipient("new@example.org", "451 4.7.1 We do not know you yet")
	if n := m.tried["127.0.0.0/24 new@example.org help@example.test"]; n != 1 {
		t.Errorf("tried: %v", m.tried)
	}
	recipient("friend@example.org", "250")
	recipient("", "250")
	recipient("new@sub.allowed.example", "250")
	m.age = 2 * time.Minute
	p := recipient("new@example.org", "250")
	p.do("DATA\r\n", "354")
	p.do(letter("x\r\n.\r\n"), "250")
	m.age = 0
	recipient("new@example.org", "250") // DMARC has vouched for it
	m.broken = true
	recipient("other@example.org", "250")
}

func TestVouched(t *testing.T) {
	pass := message.DMARC{Result: message.Pass, Domain: "example.org"}
	aligned := pass
	aligned.AlignedSPF = true
	for _, test := range []struct {
		sender string
		dmarc  message.DMARC
		want   bool
	}{
		{"a@example.org", pass, true},
		{"a@bounces.example.org", aligned, true},
		{"victim@example.com", pass, false}, // signed by somebody else
		{"", pass, false},
		{"a@example.org", message.DMARC{Result: message.None, Domain: "example.org"}, false},
	} {
		sender, _ := address.Parse(test.sender) // the null sender is none
		l := &message.Letter{MailFrom: sender, Verdict: message.Verdict{DMARC: test.dmarc}}
		if got := vouched(l); got != test.want {
			t.Errorf("%q, %+v: %v", test.sender, test.dmarc, got)
		}
	}
}
