package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// patience is for an answer that comes, on a machine that does much else.
const patience = time.Minute

func newSystem(t *testing.T, cfg Config) *System {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func serve(t *testing.T, f Fake) *Server {
	t.Helper()
	s, err := Serve("127.0.0.1:0", f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestCache(t *testing.T) {
	server := serve(t, testZone())
	s := newSystem(t, Config{Servers: []string{server.Addr.String()}, Timeout: patience}) // who asks again is counted
	ctx := t.Context()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got, _, err := s.TXT(ctx, "Example.com."); err != nil || len(got) != 2 {
				t.Errorf("%v, %v", got, err)
			}
			if _, _, err := s.MX(ctx, "gone.example"); !errors.Is(err, ErrNoDomain) {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if n := server.Queries(); n != 2 {
		t.Errorf("%d queries for two questions", n)
	}
	for range 2 {
		if _, _, err := s.MX(ctx, "broken.example.com"); !errors.Is(err, ErrTemp) {
			t.Errorf("%v", err)
		}
	}
	if n := server.Queries(); n != 4 {
		t.Errorf("%d queries: a failure must not be remembered, nor asked again of the only server", n)
	}
}

func TestCacheBounds(t *testing.T) {
	c := newCache(3, 10_000)
	now := time.Now()
	put := func(name string, size int) {
		c.put(question{name, 1}, &flight{result: result{size: size}}, now.Add(time.Minute))
	}
	has := func(name string) bool { _, ok := c.get(question{name, 1}, now); return ok }
	put("a", 10)
	put("b", 10)
	put("c", 10)
	has("a") // now b is the one not used for the longest time
	put("d", 10)
	if !has("a") || has("b") || !has("c") || !has("d") {
		t.Error("not the least recently used entry was dropped")
	}
	put("large", 4000)
	put("larger", 4500)
	if has("large") || !has("larger") || c.bytes > c.maxBytes || c.entries != len(c.byQuestion) || c.entries != c.order.Len() {
		t.Errorf("%d entries of %d bytes", c.entries, c.bytes)
	}
	put("huge", 40_000)
	if c.entries != 0 || c.bytes != 0 {
		t.Errorf("what does not fit is kept: %d entries of %d bytes", c.entries, c.bytes)
	}
	put("e", 1)
	put("e", 2)
	if _, ok := c.get(question{"e", 1}, now.Add(time.Minute)); ok || c.entries != 0 || c.bytes != 0 {
		t.Errorf("an entry outlives its time: %d entries of %d bytes", c.entries, c.bytes)
	}
}

// raw is a server that does to each query what the test says; nil means no answer.
func raw(t *testing.T, answer func(q *dns.Msg) *dns.Msg) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buf[:n]) != nil {
				continue
			}
			if r := answer(q); r != nil {
				if out, err := r.Pack(); err == nil {
					_, _ = pc.WriteTo(out, from)
				}
			}
		}
	}()
	t.Cleanup(func() { _ = pc.Close(); <-done })
	return pc.LocalAddr().String()
}

func reply(q *dns.Msg, records ...string) *dns.Msg {
	r := new(dns.Msg)
	r.SetReply(q)
	for _, s := range records {
		rr, err := dns.NewRR(s)
		if err != nil {
			panic(err)
		}
		r.Answer = append(r.Answer, rr)
	}
	return r
}

func TestBadServers(t *testing.T) {
	silent := raw(t, func(*dns.Msg) *dns.Msg { return nil })
	other := raw(t, func(q *dns.Msg) *dns.Msg {
		r := reply(q, `other.example. 60 TXT "forged"`)
		r.Question[0].Name = "other.example."
		return r
	})
	refusing := raw(t, func(q *dns.Msg) *dns.Msg {
		r := reply(q)
		r.Rcode = dns.RcodeRefused
		return r
	})
	stray := raw(t, func(q *dns.Msg) *dns.Msg { return reply(q, `other.example. 60 TXT "forged"`) })
	wrongID := raw(t, func(q *dns.Msg) *dns.Msg { r := reply(q, `example.com. 60 TXT "forged"`); r.Id++; return r })
	good := serve(t, testZone()).Addr.String()
	for _, c := range []struct {
		name    string
		servers []string
		timeout time.Duration
		want    error
	}{
		{"silent", []string{silent}, 50 * time.Millisecond, ErrTemp},
		{"silent, then good", []string{silent, good}, 5 * time.Second, nil}, // the good one has as much
		{"answers another question", []string{other}, patience, ErrTemp},
		{"answers another question, then good", []string{other, good}, patience, nil},
		{"another id", []string{wrongID}, 50 * time.Millisecond, ErrTemp},
		{"refuses", []string{refusing}, patience, ErrTemp},
		{"refuses, then good", []string{refusing, good}, patience, nil},
		{"records of another name", []string{stray}, patience, ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, Config{Servers: c.servers, Timeout: c.timeout, Tries: 2})
			got, _, err := s.TXT(t.Context(), "example.com")
			if !errors.Is(err, c.want) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestEndOfWaiting(t *testing.T) {
	asked := make(chan struct{}, 10)
	silent := raw(t, func(*dns.Msg) *dns.Msg { asked <- struct{}{}; return nil })
	s := newSystem(t, Config{Servers: []string{silent}, Timeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() { _, _, err := s.TXT(ctx, "a.example"); waiting <- err }()
	<-asked
	cancel()
	if err := <-waiting; !errors.Is(err, ErrTemp) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	go func() { _, _, err := s.TXT(t.Context(), "b.example"); waiting <- err }()
	<-asked
	s.Close()
	if err := <-waiting; !errors.Is(err, ErrTemp) {
		t.Errorf("closed: %v", err)
	}
	if _, _, err := s.TXT(t.Context(), "c.example"); !errors.Is(err, ErrTemp) {
		t.Errorf("after Close: %v", err)
	}
}

func TestTooManyQuestions(t *testing.T) {
	s := newSystem(t, Config{Servers: []string{"127.0.0.1"}})
	for i := range maxFlying {
		s.flying[question{fmt.Sprint(i), 1}] = nil
	}
	if _, _, err := s.TXT(t.Context(), "example.com"); !errors.Is(err, ErrTemp) {
		t.Errorf("%v", err)
	}
}

func TestAuthenticNeedsTrust(t *testing.T) {
	s := newSystem(t, Config{Servers: []string{"127.0.0.1", "192.0.2.53:5353", "::1", "[2001:db8::53]:53"}})
	want := []server{{"127.0.0.1:53", true}, {"192.0.2.53:5353", false}, {"[::1]:53", true}, {"[2001:db8::53]:53", false}}
	for i, got := range s.servers {
		if got != want[i] {
			t.Errorf("server %v, want %v", got, want[i])
		}
	}
	all := newSystem(t, Config{Servers: []string{"192.0.2.53"}, TrustAD: true})
	if !all.servers[0].trusted {
		t.Error("TrustAD has no effect")
	}
	m := reply(new(dns.Msg).SetQuestion("a.example.", dns.TypeA), "a.example. 60 A 192.0.2.1")
	m.AuthenticatedData = true
	if read(m, dns.TypeA, false).authentic || !read(m, dns.TypeA, true).authentic {
		t.Error("the AD bit counts from trusted servers, and only from them")
	}
	if _, err := New(Config{Servers: []string{"dns.example"}}); err == nil {
		t.Error("a name was taken for the address of a server")
	}
}

func TestTTL(t *testing.T) {
	soa := func(ttl, minimum uint32) []dns.RR {
		return []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl}, Minttl: minimum}}
	}
	for _, c := range []struct {
		name   string
		answer []string
		ns     []dns.RR
		want   time.Duration
	}{
		{"as told", []string{"a.example. 600 A 192.0.2.1"}, nil, 10 * time.Minute},
		{"the least counts", []string{"a.example. 300 CNAME b.example.", "b.example. 600 A 192.0.2.1", "b.example. 90 A 192.0.2.2"}, nil, 90 * time.Second},
		{"not longer than an hour", []string{"a.example. 86400 A 192.0.2.1"}, nil, time.Hour},
		{"at least a moment", []string{"a.example. 0 A 192.0.2.1"}, nil, minTTL},
		{"nothing, with SOA", nil, soa(600, 120), 2 * time.Minute},
		{"nothing, with a long SOA", nil, soa(86400, 86400), maxNegativeTTL},
		{"nothing, without SOA", nil, nil, 0},
	} {
		m := reply(new(dns.Msg).SetQuestion("a.example.", dns.TypeA), c.answer...)
		m.Ns = c.ns
		if got := read(m, dns.TypeA, true); got.ttl != c.want {
			t.Errorf("%s: %v, want %v", c.name, got.ttl, c.want)
		}
	}
}

func TestPointersAreHostNames(t *testing.T) {
	odd := raw(t, func(q *dns.Msg) *dns.Msg {
		name := q.Question[0].Name
		return reply(q, name+` 60 PTR a\010b.example.`, name+` 60 PTR mail\.example.com.`, name+` 60 PTR good.example.`)
	})
	s := newSystem(t, Config{Servers: []string{odd}})
	got, _, err := s.PTR(t.Context(), netip.MustParseAddr("192.0.2.1"))
	if err != nil || len(got) != 1 || got[0] != "good.example" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestServeSet(t *testing.T) {
	server := serve(t, nil)
	server.Set(testZone())
	s := newSystem(t, Config{Servers: []string{server.Addr.String()}})
	if _, _, err := s.MX(t.Context(), "example.com"); err != nil {
		t.Error(err)
	}
	if _, err := Serve(server.Addr.String(), nil); err == nil {
		t.Error("two servers on one port")
	}
	c := &dns.Client{Timeout: patience}
	r, _, err := c.Exchange(new(dns.Msg).SetQuestion("long.example.", dns.TypeTXT), server.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	if !r.Truncated || r.Len() > dns.MinMsgSize {
		t.Errorf("without EDNS: truncated %v, %d octets", r.Truncated, r.Len())
	}
	c.Net = "tcp"
	r, _, err = c.Exchange(new(dns.Msg).SetQuestion("alias.example.com.", dns.TypeA), server.Addr.String())
	if err != nil || len(r.Answer) != 2 || r.Answer[0].Header().Rrtype != dns.TypeCNAME {
		t.Errorf("%v, %v", r, err)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\\b\"c\x00\xff \\065")
	f.Add(strings.Repeat("x", 256))
	f.Fuzz(func(t *testing.T, s string) {
		m := new(dns.Msg)
		m.SetQuestion("a.example.", dns.TypeTXT)
		m.Answer = []dns.RR{&dns.TXT{Hdr: header("a.example.", dns.TypeTXT), Txt: characterStrings(s)}}
		if len(s) > 60_000 {
			return
		}
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		back := new(dns.Msg)
		if err := back.Unpack(wire); err != nil {
			t.Fatal(err)
		}
		if got := unescapeText(strings.Join(back.Answer[0].(*dns.TXT).Txt, "")); got != s {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

func FuzzRead(f *testing.F) {
	m := reply(new(dns.Msg).SetQuestion("a.example.", dns.TypeA), "a.example. 60 CNAME b.example.", "b.example. 60 A 192.0.2.1")
	wire, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil || len(m.Question) != 1 {
			return
		}
		got := read(m, m.Question[0].Qtype, true)
		if (got.err == nil) != (len(got.records) > 0) || got.ttl > maxTTL {
			t.Fatalf("%+v", got)
		}
	})
}

func BenchmarkCached(b *testing.B) {
	server, err := Serve("127.0.0.1:0", testZone())
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	s, err := New(Config{Servers: []string{server.Addr.String()}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.MX(b.Context(), "example.com"); err != nil {
			b.Fatal(err)
		}
	}
}
