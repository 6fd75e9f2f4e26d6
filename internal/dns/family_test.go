package dns

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
)

// One family's failure is told when that family is asked for.
func TestIPFamily(t *testing.T) {
	fake := Fake{
		"half.example": {A: []string{"2001:db8::1"}, Fail: true},
		"both.example": {A: []string{"192.0.2.1", "2001:db8::2"}},
	}
	system := newSystem(t, Config{Servers: []string{serve(t, fake).Addr.String()}, Tries: 1})
	for name, r := range map[string]Resolver{"fake": fake, "system": system} {
		for _, c := range []struct {
			host string
			v6   bool
			want string
			err  error
		}{
			{"half.example", true, "2001:db8::1", nil},
			{"half.example", false, "", ErrTemp},
			{"both.example", true, "2001:db8::2", nil},
			{"both.example", false, "192.0.2.1", nil},
			{"none.example", false, "", ErrNoDomain},
		} {
			got, _, err := r.IPFamily(t.Context(), c.host, c.v6)
			if !errors.Is(err, c.err) {
				t.Errorf("%s: %s: %v", name, c.host, err)
			}
			if c.want != "" && !slices.Equal(got, []netip.Addr{netip.MustParseAddr(c.want)}) || c.want == "" && len(got) > 0 {
				t.Errorf("%s: %s: %v", name, c.host, got)
			}
		}
	}
}

func TestASCII(t *testing.T) {
	for in, want := range map[string]string{"": "", "Example.COM": "Example.COM", "münchen.example": "xn--mnchen-3ya.example", "a\xffb": "a\xffb"} {
		if got := ASCII(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
