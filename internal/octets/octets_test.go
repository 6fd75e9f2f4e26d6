package octets

import (
	"strings"
	"testing"
)

func TestIsASCII(t *testing.T) {
	for n := range 40 {
		text := []byte(strings.Repeat("\x7f", n))
		if !IsASCII(text) {
			t.Errorf("%d octets of ASCII are none", n)
		}
		for i := range text {
			text[i] = 0x80
			if IsASCII(text) {
				t.Errorf("octet %d of %d is above 127, and not seen", i, n)
			}
			text[i] = 0
		}
	}
	long := strings.Repeat("x", 1<<10)
	if n := testing.AllocsPerRun(10, func() { IsASCII([]byte(long)) }); n != 0 {
		t.Errorf("a string is copied: %v allocations", n)
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"", 0, ""},
		{"abc", 0, ""},
		{"abc", 2, "ab"},
		{"abc", 3, "abc"},
		{"abc", 9, "abc"},
		{"aü", 2, "a"},
		{"aü", 3, "aü"},
		{"€", 2, ""},
		{"a\U0001f600b", 4, "a"},
		{"a\U0001f600b", 5, "a\U0001f600"},
		{"\x80\x80\x80", 2, ""}, // no character begins here
	} {
		if got := Clip(c.in, c.n); got != c.want {
			t.Errorf("%q in %d octets is %q, want %q", c.in, c.n, got, c.want)
		}
	}
}
