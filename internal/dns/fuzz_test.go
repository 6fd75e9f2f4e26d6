package dns

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// FuzzAnswer reads a server's octets the whole way to the values that others work with.
func FuzzAnswer(f *testing.F) {
	for _, c := range []struct {
		typ     uint16
		records []string
	}{
		{dns.TypeTXT, []string{`a.example. 60 TXT "v=spf1 " "-all\009\"\\"`}},
		{dns.TypeMX, []string{`a.example. 60 MX 10 mx\.\032.example.`, "a.example. 60 MX 0 ."}},
		{dns.TypePTR, []string{"a.example. 60 CNAME b.example.", `b.example. 60 PTR x\010y.example.`}},
		{dns.TypeTLSA, []string{"a.example. 60 TLSA 3 1 1 abcd", "a.example. 60 RRSIG TLSA 8 2 60 20300101000000 20200101000000 1 example. AAAA"}},
		{dns.TypeA, []string{"a.example. 60 A 192.0.2.1"}},
		{dns.TypeAAAA, []string{"a.example. 4000000000 AAAA ::1"}},
	} {
		wire, err := reply(new(dns.Msg).SetQuestion("a.example.", c.typ), c.records...).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil || len(m.Question) != 1 {
			return
		}
		answers(m, m)
		s := &System{cache: newCache(10, maxCacheBytes)}
		known := &flight{done: make(chan struct{}), result: read(m, m.Question[0].Qtype, true)}
		close(known.done)
		const name = "a.example"
		s.cache.put(question{name, m.Question[0].Qtype}, known, time.Now().Add(time.Hour))
		s.flying = map[question]*flight{}
		checkAnswers(t, s, m.Question[0].Qtype, name)
	})
}

// checkAnswers holds that a host's name and an address are such, and that nothing grows.
func checkAnswers(t *testing.T, s *System, typ uint16, name string) {
	ctx := t.Context()
	switch typ {
	case dns.TypeTXT:
		found, _, err := s.TXT(ctx, name)
		if len(strings.Join(found, "")) > dns.MaxMsgSize || err != nil && found != nil {
			t.Fatalf("%q, %v", found, err)
		}
	case dns.TypeMX:
		found, _, _ := s.MX(ctx, name)
		for _, mx := range found {
			if strings.ContainsFunc(mx.Host, func(r rune) bool { return r < ' ' || r == 0x7f }) { // it is not a host name yet
				t.Fatalf("host %q", mx.Host)
			}
		}
	case dns.TypeTLSA:
		found, _, _ := s.TLSA(ctx, name)
		for _, r := range found {
			if len(r.Data) > dns.MaxMsgSize {
				t.Fatalf("%d octets", len(r.Data))
			}
		}
	case dns.TypeA, dns.TypeAAAA:
		found, _, _ := s.IPFamily(ctx, name, typ == dns.TypeAAAA)
		for _, ip := range found {
			if !ip.IsValid() || typ == dns.TypeA && !ip.Is4() {
				t.Fatalf("address %v", ip)
			}
		}
	}
}

// FuzzName: what can be asked for comes back from the wire as it was, and names of addresses are read as them.
func FuzzName(f *testing.F) {
	for _, s := range []string{"a.example", "1.2.0.192.in-addr.arpa", strings.Repeat("0.", 32) + "ip6.arpa", "bücher.example", "a\\.b", "a b\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ip, ok := parseReverse(s); ok && reverse(ip) != s {
			t.Fatalf("%q is read as %v", s, ip)
		}
		if ASCII(ASCII(s)) != ASCII(s) {
			t.Fatalf("%q: %q", s, ASCII(s))
		}
		name := canonical(s)
		if !IsName(name) {
			return
		}
		wire, err := new(dns.Msg).SetQuestion(presentation(name), dns.TypeA).Pack()
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(wire); err != nil || !sameName(m.Question[0].Name, presentation(name)) {
			t.Fatalf("%q comes back as %q, %v", name, m.Question[0].Name, err)
		}
	})
}
