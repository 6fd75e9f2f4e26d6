package address

import (
	"errors"
	"strings"
	"testing"

	"mxdesk/internal/id"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, out, key string }{
		{"bob@example.com", "bob@example.com", "bob@example.com"},
		{"Bob@EXAMPLE.com.", "Bob@example.com", "bob@example.com"},
		{`"bob"@example.com`, "bob@example.com", "bob@example.com"},
		{`"x@evil.com"@good.com`, `"x@evil.com"@good.com`, `"x@evil.com"@good.com`},
		{`"a\"b"@example.com`, `"a\"b"@example.com`, `"a\"b"@example.com`},
		{"jürgen@bücher.example", "jürgen@xn--bcher-kva.example", "jürgen@xn--bcher-kva.example"},
		{"a@[192.0.2.1]", "a@[192.0.2.1]", "a@[192.0.2.1]"},
		{"a@[ipv6:2001:DB8::1]", "a@[IPv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"},
		{"a%b!c@example.com", "a%b!c@example.com", "a%b!c@example.com"},
		{"a@under_score.example", "a@under_score.example", "a@under_score.example"},
	} {
		a, err := Parse(c.in)
		if err != nil || a.String() != c.out || a.Key() != c.key {
			t.Errorf("Parse(%q) = %q (key %q), %v; want %q (key %q)", c.in, a, a.Key(), err, c.out, c.key)
		}
	}
	for _, in := range []string{
		"", "@", "a@", "@b", "a", "a b@c.de", "a@b c", "a@b@c", "a..b@c", ".a@c", "a.@c", "a@-b", "a@b-", "a@b..c",
		"a\x00@b", "a\r\n@b", "\"a\r\"@b", `"a@b`, `"a"b"@c`, `"a\"@c`, `""@c`, "@a,@b:c@d", "a@[1.2.3]", "a@[fe80::1%eth0]", "a@[::1",
		"<a@b>", "a@b> RET=FULL", "a\xff@b.example", strings.Repeat("a", 65) + "@b.example",
		"a@" + strings.Repeat("b", 64) + ".example", "a@" + strings.Repeat("b.", 128) + "example",
	} {
		if a, err := Parse(in); !errors.Is(err, ErrSyntax) {
			t.Errorf("Parse(%q) = %q, %v; want ErrSyntax", in, a, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a@b", `"a\"b"@c`, "jürgen@bücher.example", "a@[IPv6:::1]", "a@b."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		out := a.String()
		if strings.ContainsAny(out, "\x00\r\n") {
			t.Fatalf("%q keeps a control character", out)
		}
		again, err := Parse(out)
		if err != nil || again != a {
			t.Fatalf("Parse(%q) = %#v; its String parses to %#v, %v", s, a, again, err)
		}
	})
}

func TestSigned(t *testing.T) {
	s, other := NewSigner([]byte(strings.Repeat("k", MinKey))), NewSigner([]byte(strings.Repeat("o", MinKey)))
	help := Address{Local: "help", Domain: "example.test"}
	ref := TicketRef{Ticket: 1234, Participant: 2}

	a := s.Ticket(help, ref)
	if !strings.HasPrefix(a.Local, "help+1234.2.") {
		t.Errorf("ticket address %s", a)
	}
	up := Address{Local: strings.ToUpper(a.Local), Domain: a.Domain}
	for _, addr := range []Address{a, up} {
		if got, ok := s.ParseTicket(addr); !ok || got != ref {
			t.Errorf("ParseTicket(%s) = %v, %v", addr, got, ok)
		}
	}
	long := s.Ticket(Address{Local: strings.Repeat("x", 60), Domain: "example.test"}, TicketRef{Ticket: 1 << 62, Participant: 9999})
	if got, ok := s.ParseTicket(long); !ok || len(long.Local) > MaxLocal || got.Participant != 9999 {
		t.Errorf("long address %s: %v, %v", long, got, ok)
	}

	d := id.New()
	r := s.ReturnPath("example.test", d)
	if got, ok := s.ParseReturnPath(r); !ok || got != d {
		t.Errorf("ParseReturnPath(%s) = %v, %v", r, got, ok)
	}
	c := s.Confirm("example.test", d)
	if got, ok := s.ParseConfirm(c); !ok || got != d {
		t.Errorf("ParseConfirm(%s) = %v, %v", c, got, ok)
	}
	if _, ok := s.ParseConfirm(Address{Local: strings.Replace(r.Local, "bounce+", "confirm+", 1), Domain: r.Domain}); ok {
		t.Error("the signature of a return path confirms a letter")
	}
	m := s.MessageID("example.test", 77, d)
	if n, got, ok := s.ParseMessageID(m); !ok || n != 77 || got != d {
		t.Errorf("ParseMessageID(%s) = %v, %v, %v", m, n, got, ok)
	}

	if _, ok := other.ParseTicket(a); ok {
		t.Error("another organisation's key accepts the ticket address")
	}
	if _, ok := other.ParseReturnPath(r); ok {
		t.Error("another organisation's key accepts the return path")
	}
	for _, forged := range []string{"help+1235.2." + a.Local[12:], "help+1234.1." + a.Local[12:], "help+1234.2.aaaaaaaaaaaaaaaa", "help+1234.2.", "help", "help+", strings.Replace(r.Local, "bounce+", "help+", 1)} {
		if _, ok := s.ParseTicket(Address{Local: forged, Domain: "example.test"}); ok {
			t.Errorf("%s accepted", forged)
		}
	}
	if _, _, ok := s.ParseMessageID(strings.Replace(m, "77.", "78.", 1)); ok {
		t.Error("a forged Message-ID accepted")
	}
}
