package address

import (
	"strings"
	"testing"

	"mxdesk/internal/id"
	"mxdesk/internal/octets"
)

// FuzzSigned: what is believed to be ours is written in one way only, but for the case of letters.
func FuzzSigned(f *testing.F) {
	s := NewSigner([]byte(strings.Repeat("a", MinKey)))
	support, v := Address{Local: "help", Domain: "desk.test"}, id.ID{1}
	for _, a := range []string{
		s.Ticket(support, TicketRef{Ticket: 1, Participant: 2}).Local, s.ReturnPath("", v).Local, s.Confirm("", v).Local, s.MessageID("desk.test", 1, v),
		"help+01.2.aaaaaaaaaaaaaaaa", "bounce+.", "a+b+c..", "1..@",
	} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a := Address{Local: text, Domain: "desk.test"}
		if ref, ok := s.ParseTicket(a); ok {
			mailbox := Address{Local: text[:strings.LastIndexByte(text, '+')]}
			if own := s.Ticket(mailbox, ref).Local; len(text) <= MaxLocal && !strings.EqualFold(own, text) {
				t.Fatalf("%q is read as %q", text, own)
			}
		}
		if d, ok := s.ParseReturnPath(a); ok && !strings.EqualFold(s.ReturnPath("", d).Local, text) {
			t.Fatalf("%q is read as delivery %s", text, d)
		}
		if l, ok := s.ParseConfirm(a); ok && !strings.EqualFold(s.Confirm("", l).Local, text) {
			t.Fatalf("%q is read as letter %s", text, l)
		}
		if n, d, ok := s.ParseMessageID(text); ok {
			_, domain, _ := strings.Cut(text, "@")
			if own := s.MessageID(domain, n, d); !strings.EqualFold(own, text) {
				t.Fatalf("%q is read as %q", text, own)
			}
		}
	})
}

// FuzzDomain: a domain as we keep it is read as itself, and can stand in a header, a DNS question and an SQL array.
func FuzzDomain(f *testing.F) {
	for _, s := range []string{"Bücher.Example.", "[192.0.2.1]", "[IPv6:::1]", "a_b.-c", "xn--bcher-kva.example", "faß.de", "1.2.3.4", "a..b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDomain(s)
		if err != nil {
			return
		}
		again, err := ParseDomain(d)
		if err != nil || again != d || len(d) > MaxDomain || !octets.IsASCII([]byte(d)) || strings.ContainsAny(d, " \t\r\n\x00\"'{},;") {
			t.Fatalf("%q becomes %q, then %q, %v", s, d, again, err)
		}
	})
}
