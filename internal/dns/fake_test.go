package dns

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testZone() Fake {
	return Fake{
		"example.com":          {MX: []MX{{10, "mx.example.com"}}, TXT: []string{"v=spf1 mx -all", ""}, Authentic: true},
		"mx.example.com":       {A: []string{"192.0.2.1", "2001:db8::1"}, Authentic: true},
		"alias.example.com":    {CNAME: "Mx.example.com."},
		"nowhere.example.com":  {CNAME: "gone.example"},
		"loop.example.com":     {CNAME: "loop.example.com"},
		"a.deep.example.com":   {A: []string{"192.0.2.2"}},
		"empty.example.com":    {},
		"null.example.com":     {MX: []MX{{0, ""}}},
		"slow.example.com":     {TXT: []string{"here"}, Fail: true},
		"half.example.com":     {A: []string{"192.0.2.3"}, FailTypes: []string{"aaaa"}},
		"broken.example.com":   {MX: []MX{{1, "x.example.com"}}, FailTypes: []string{"mx"}},
		"192.0.2.1":            {PTR: []string{"mx.example.com"}},
		"2001:db8::1":          {PTR: []string{"mx.example.com"}},
		"_25._tcp.example.com": {TLSA: []TLSA{{3, 1, 1, []byte{0xab, 0xcd}}}, Authentic: true},
		"odd name!.example":    {TXT: []string{"tab\there \"quoted\" back\\slash \x80\xff \\065"}},
		"long.example":         {TXT: []string{longText()}},
	}
}

// longText does not fit into a UDP answer, nor into one character-string.
func longText() string {
	b := make([]byte, 5000)
	for i := range b {
		b[i] = byte('a' + i%26)
	}
	return string(b)
}

// TestResolvers asks the Fake, and the real resolver with a server for the same Fake, the same
// questions: they must not differ.
func TestResolvers(t *testing.T) {
	server, err := Serve("127.0.0.1:0", testZone())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	system, err := New(Config{Servers: []string{server.Addr.String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	for name, r := range map[string]Resolver{"fake": testZone(), "system": system} {
		t.Run(name, func(t *testing.T) { askAll(t, r) })
	}
}

func askAll(t *testing.T, r Resolver) {
	ctx := t.Context()
	for _, c := range []struct {
		typ, name string
		want      any
		authentic bool
		err       error
	}{
		{"txt", "example.com", []string{"v=spf1 mx -all", ""}, true, nil},
		{"txt", "EXAMPLE.com.", []string{"v=spf1 mx -all", ""}, true, nil},
		{"txt", "odd name!.example", testZone()["odd name!.example"].TXT, false, nil},
		{"txt", "long.example", []string{longText()}, false, nil},
		{"mx", "example.com", []MX{{10, "mx.example.com"}}, true, nil},
		{"mx", "null.example.com", []MX{{0, ""}}, false, nil},
		{"tlsa", "_25._tcp.example.com", []TLSA{{3, 1, 1, []byte{0xab, 0xcd}}}, true, nil},
		{"cname", "alias.example.com", "mx.example.com", false, nil},
		{"cname", "nowhere.example.com", "gone.example", false, nil},
		{"cname", "loop.example.com", "loop.example.com", false, nil},
		{"cname", "mx.example.com", "", true, ErrNotFound},
		{"cname", "gone.example", "", false, ErrNoDomain},
		{"cname", "slow.example.com", "", false, ErrTemp},
		{"ip", "mx.example.com", addrs("192.0.2.1", "2001:db8::1"), true, nil},
		{"ip", "alias.example.com", addrs("192.0.2.1", "2001:db8::1"), false, nil},
		{"ip", "half.example.com", addrs("192.0.2.3"), false, nil},
		{"ptr", "192.0.2.1", []string{"mx.example.com"}, false, nil},
		{"ptr", "::ffff:192.0.2.1", []string{"mx.example.com"}, false, nil},
		{"ptr", "2001:db8::1", []string{"mx.example.com"}, false, nil},
		{"txt", "slow.example.com", []string{"here"}, false, nil},
		{"mx", "slow.example.com", nil, false, ErrTemp},
		{"mx", "broken.example.com", nil, false, ErrTemp},
		{"ip", "loop.example.com", nil, false, ErrTemp},
		{"ip", "nowhere.example.com", nil, false, ErrNoDomain},
		{"ip", "gone.example", nil, false, ErrNoDomain},
		{"txt", "mx..example.com", nil, false, ErrNoDomain},
		{"txt", "", nil, false, ErrNoDomain},
		{"txt", "empty.example.com", nil, false, ErrNotFound},
		{"txt", "deep.example.com", nil, false, ErrNotFound},
		{"mx", "mx.example.com", nil, true, ErrNotFound},
		{"ptr", "192.0.2.9", nil, false, ErrNoDomain},
	} {
		got, authentic, err := ask(ctx, r, c.typ, c.name)
		if !errors.Is(err, c.err) || c.err == ErrNotFound && errors.Is(err, ErrNoDomain) {
			t.Errorf("%s %s: error %v, want %v", c.typ, c.name, err, c.err)
		}
		if errors.Is(err, ErrTemp) && errors.Is(err, ErrNotFound) {
			t.Errorf("%s %s: %v is both temporary and final", c.typ, c.name, err)
		}
		if c.err == nil && !cmp.Equal(got, c.want, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) {
			t.Errorf("%s %s = %v, want %v", c.typ, c.name, got, c.want)
		}
		if authentic != c.authentic {
			t.Errorf("%s %s: authentic %v", c.typ, c.name, authentic)
		}
	}
}

func addrs(texts ...string) (out []netip.Addr) {
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func ask(ctx context.Context, r Resolver, typ, name string) (got any, authentic bool, err error) {
	switch typ {
	case "txt":
		return r.TXT(ctx, name)
	case "mx":
		return r.MX(ctx, name)
	case "tlsa":
		return r.TLSA(ctx, name)
	case "cname":
		return r.CNAME(ctx, name)
	case "ptr":
		return r.PTR(ctx, netip.MustParseAddr(name))
	}
	return r.IP(ctx, name)
}

func TestFakeIsNotShared(t *testing.T) {
	f := testZone()
	got, _, _ := f.TXT(t.Context(), "example.com")
	got[0] = "changed"
	if again, _, _ := f.TXT(t.Context(), "example.com"); again[0] == "changed" {
		t.Error("the caller holds the zone's own slice")
	}
}

func TestBudget(t *testing.T) {
	ctx := WithBudget(t.Context(), 3)
	f := testZone()
	if _, _, err := f.IP(ctx, "mx.example.com"); err != nil {
		t.Fatalf("two lookups of three: %v", err)
	}
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	if _, _, err := f.TXT(child, "example.com"); err != nil {
		t.Fatalf("third lookup of three: %v", err)
	}
	if _, _, err := f.TXT(ctx, "gone.example"); !errors.Is(err, ErrBudget) || !errors.Is(err, ErrTemp) {
		t.Errorf("fourth lookup: %v, want ErrBudget", err)
	}
	cancel()
	if _, _, err := f.TXT(child, "example.com"); !errors.Is(err, ErrTemp) || !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}

func TestReverse(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.1":          "1.2.0.192.in-addr.arpa",
		"::ffff:192.0.2.1":   "1.2.0.192.in-addr.arpa",
		"2001:db8::567:89ab": "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		addr := netip.MustParseAddr(ip)
		if got := reverse(addr); got != want {
			t.Errorf("reverse(%s) = %s, want %s", ip, got, want)
		}
		if got, ok := parseReverse(want); !ok || got != addr.Unmap() {
			t.Errorf("parseReverse(%s) = %s, %v", want, got, ok)
		}
	}
	for _, name := range []string{"1.2.0.in-addr.arpa", "01.2.0.192.in-addr.arpa", "x.2.0.192.in-addr.arpa", "1.ip6.arpa", "in-addr.arpa", "example.com"} {
		if ip, ok := parseReverse(name); ok {
			t.Errorf("parseReverse(%s) = %s", name, ip)
		}
	}
}

func TestMergeIP(t *testing.T) {
	good := func(v bool, s string) answer[netip.Addr] { return answer[netip.Addr]{addrs(s), v, nil} }
	bad := func(v bool, err error) answer[netip.Addr] { return answer[netip.Addr]{nil, v, err} }
	for _, c := range []struct {
		name      string
		v4, v6    answer[netip.Addr]
		n         int
		authentic bool
		err       error
	}{
		{"both", good(true, "192.0.2.1"), good(true, "2001:db8::1"), 2, true, nil},
		{"one unsigned", good(true, "192.0.2.1"), good(false, "2001:db8::1"), 2, false, nil},
		{"only IPv4, vouched for", good(true, "192.0.2.1"), bad(true, ErrNotFound), 1, true, nil},
		{"only IPv4, nobody vouches for the absence", good(true, "192.0.2.1"), bad(false, ErrNotFound), 1, true, nil},
		{"IPv6 fails", good(true, "192.0.2.1"), bad(false, ErrTemp), 1, true, nil},
		{"IPv4 fails", bad(false, ErrTemp), good(true, "2001:db8::1"), 1, true, nil},
		{"IPv4 fails, unsigned", bad(false, ErrTemp), good(false, "2001:db8::1"), 1, false, nil},
		{"none", bad(false, ErrNotFound), bad(false, ErrNotFound), 0, false, ErrNotFound},
		{"none and failure", bad(false, ErrNotFound), bad(false, ErrTemp), 0, false, ErrTemp},
		{"failure and none", bad(false, ErrTemp), bad(false, ErrNotFound), 0, false, ErrTemp},
	} {
		got, authentic, err := mergeIP(c.v4, c.v6)
		if len(got) != c.n || authentic != c.authentic || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v, %v", c.name, got, authentic, err)
		}
	}
	cached := make([]netip.Addr, 1, 4)
	cached[0] = netip.MustParseAddr("192.0.2.1")
	got, _, _ := mergeIP(answer[netip.Addr]{records: cached}, good(false, "2001:db8::1"))
	got[0] = netip.MustParseAddr("192.0.2.2")
	if !slices.Equal(cached, addrs("192.0.2.1")) {
		t.Error("the caller holds a slice of the answers")
	}
}
