package dns

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

// servedTTL is the TTL, in seconds, of all that a Server says.
const servedTTL = 60

// Server answers from a Fake over UDP and TCP, as a recursive resolver would, so that other programs can
// be tested against the same zone data. Names that are to fail get SERVFAIL.
type Server struct {
	Addr netip.AddrPort

	fake     atomic.Pointer[Fake]
	queries  atomic.Int64
	udp, tcp *dns.Server
	wg       sync.WaitGroup
}

// Serve starts a server on a loopback address: "127.0.0.1:0" takes any free port.
func Serve(addr string, f Fake) (*Server, error) {
	// UDP takes a port first; TCP may find that one in use, then both try another.
	for range 10 {
		s, err := serveOnce(addr, f)
		if err == nil {
			return s, nil
		}
		if !strings.HasSuffix(addr, ":0") {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no port free for UDP and TCP at %s", addr)
}

func serveOnce(addr string, f Fake) (*Server, error) {
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{Addr: pc.LocalAddr().(*net.UDPAddr).AddrPort()}
	ln, err := net.Listen("tcp", s.Addr.String())
	if err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.Set(f)
	var started sync.WaitGroup
	started.Add(2)
	s.udp = &dns.Server{PacketConn: pc, Handler: s, UDPSize: udpSize, NotifyStartedFunc: started.Done}
	s.tcp = &dns.Server{Listener: ln, Handler: s, NotifyStartedFunc: started.Done}
	s.wg.Go(func() { _ = s.udp.ActivateAndServe() }) // ends with Close; before it there is nobody to tell
	s.wg.Go(func() { _ = s.tcp.ActivateAndServe() })
	started.Wait()
	return s, nil
}

// Set replaces the zone data.
func (s *Server) Set(f Fake) { s.fake.Store(&f) }

// Queries is how many questions were asked.
func (s *Server) Queries() int { return int(s.queries.Load()) }

// Close stops the server and waits for it.
func (s *Server) Close() error {
	err := errors.Join(s.udp.Shutdown(), s.tcp.Shutdown())
	s.wg.Wait()
	return err
}

// ServeDNS answers one question; it is for package miekg/dns.
func (s *Server) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	s.queries.Add(1)
	r := new(dns.Msg)
	r.SetReply(m)
	r.RecursionAvailable = true
	if len(m.Question) == 1 {
		(*s.fake.Load()).fill(r, m.AuthenticatedData || wantsDNSSEC(m))
	}
	size := dns.MinMsgSize
	if opt := m.IsEdns0(); opt != nil {
		r.SetEdns0(udpSize, opt.Do())
		size = max(size, int(opt.UDPSize()))
	}
	if _, ok := w.RemoteAddr().(*net.TCPAddr); ok {
		size = dns.MaxMsgSize
	}
	r.Truncate(size)
	_ = w.WriteMsg(r) // the one who asks will ask again
}

func wantsDNSSEC(m *dns.Msg) bool {
	opt := m.IsEdns0()
	return opt != nil && opt.Do()
}

// fill puts the answer into r.
func (f Fake) fill(r *dns.Msg, wantsAD bool) {
	q := r.Question[0]
	typ := strings.ToLower(dns.TypeToString[q.Qtype])
	records, path, authentic, err := f.resolve(typ, canonical(unescapeText(q.Name)))
	r.AuthenticatedData = authentic && wantsAD
	switch {
	case errors.Is(err, ErrTemp):
		r.Rcode = dns.RcodeServerFailure
		return
	case errors.Is(err, ErrNoDomain):
		r.Rcode = dns.RcodeNameError
	}
	owner := q.Name
	for _, next := range path[1:] {
		target := presentation(next)
		r.Answer = append(r.Answer, &dns.CNAME{Hdr: header(owner, dns.TypeCNAME), Target: target})
		owner = target
	}
	if err == nil {
		r.Answer = append(r.Answer, records.wire(owner, q.Qtype)...)
		return
	}
	r.Ns = []dns.RR{&dns.SOA{Hdr: header(".", dns.TypeSOA), Ns: ".", Mbox: ".", Minttl: servedTTL}}
}

func header(name string, typ uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: typ, Class: dns.ClassINET, Ttl: servedTTL}
}

// wire are the records of one type as the library writes them.
func (r Records) wire(owner string, typ uint16) (out []dns.RR) {
	h := header(owner, typ)
	switch typ {
	case dns.TypeTXT:
		for _, t := range r.TXT {
			out = append(out, &dns.TXT{Hdr: h, Txt: characterStrings(t)})
		}
	case dns.TypeMX:
		for _, m := range r.MX {
			out = append(out, &dns.MX{Hdr: h, Preference: m.Preference, Mx: target(m.Host)})
		}
	case dns.TypeA:
		for _, ip := range r.addresses(false) {
			out = append(out, &dns.A{Hdr: h, A: ip.AsSlice()})
		}
	case dns.TypeAAAA:
		for _, ip := range r.addresses(true) {
			out = append(out, &dns.AAAA{Hdr: h, AAAA: ip.AsSlice()})
		}
	case dns.TypePTR:
		for _, p := range r.PTR {
			out = append(out, &dns.PTR{Hdr: h, Ptr: target(p)})
		}
	case dns.TypeCNAME:
		out = append(out, &dns.CNAME{Hdr: h, Target: target(canonical(r.CNAME))})
	case dns.TypeTLSA:
		for _, t := range r.TLSA {
			out = append(out, &dns.TLSA{Hdr: h, Usage: t.Usage, Selector: t.Selector, MatchingType: t.MatchingType, Certificate: hex.EncodeToString(t.Data)})
		}
	}
	return out
}

func target(name string) string {
	if name == "" || name == "." {
		return "."
	}
	return presentation(name)
}

// characterStrings cuts a text into pieces of 255 octets (RFC 1035 section 3.3).
func characterStrings(s string) []string {
	out := []string{}
	for len(s) > 255 {
		out = append(out, escapeText(s[:255]))
		s = s[255:]
	}
	return append(out, escapeText(s))
}
