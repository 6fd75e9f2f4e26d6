package dns

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseZone(t *testing.T) {
	const text = `# zone
%s
Example.COM.:
- TXT: v=spf1 mx -all           # comment
- TXT: "quoted # no comment\t\x41\u00e9"
- TXT: 'it''s: fine'
- TXT:
  - 'v=spf1 ip4:'
  - '192.0.2.5 -all'
- TXT: []
- TXT: one long text
    on two lines
- MX: [10, mail.example.com.]
- MX:
  - 20
  - Mail2.example.com
- MX: [0, .]
- A: 192.0.2.1
- AAAA: CAFE:BABE::1
- NS: ns.example.com
- TLSA: [3, 1, 1, abcd]
www.example.com:
- CNAME: Example.com.
foo:bar/baz.example.com:
  - A: 192.0.2.2
? a-very-long-name.example.com
: - TXT: found
"macro%percent  space.example.com":
- PTR: host.example.com.
slow.example.com:
- TXT: v=spf1 -all
- TIMEOUT: true
soon.example.com:
- SERVFAIL: true
word.example.com:
- TIMEOUT
fine.example.com:
- TIMEOUT: false
bare.example.com:
flow.example.com: [{TXT: "a, b"}, {MX: [1, x.example]}]
example.com:
- A: 192.0.2.9
`
	got, err := ParseZone(strings.Replace(text, "%s", "---", 1))
	if err != nil {
		t.Fatal(err)
	}
	want := Fake{
		"example.com": {
			TXT:  []string{"v=spf1 mx -all", "quoted # no comment\tAé", "it's: fine", "v=spf1 ip4:192.0.2.5 -all", "", "one long text on two lines"},
			MX:   []MX{{10, "mail.example.com"}, {20, "Mail2.example.com"}, {0, ""}},
			A:    []string{"192.0.2.1", "cafe:babe::1", "192.0.2.9"},
			TLSA: []TLSA{{3, 1, 1, []byte{0xab, 0xcd}}},
		},
		"www.example.com":                  {CNAME: "example.com"},
		"foo:bar/baz.example.com":          {A: []string{"192.0.2.2"}},
		"a-very-long-name.example.com":     {TXT: []string{"found"}},
		"macro%percent  space.example.com": {PTR: []string{"host.example.com"}},
		"slow.example.com":                 {TXT: []string{"v=spf1 -all"}, Fail: true},
		"soon.example.com":                 {Fail: true},
		"word.example.com":                 {Fail: true},
		"fine.example.com":                 {},
		"bare.example.com":                 {},
		"flow.example.com":                 {TXT: []string{"a, b"}, MX: []MX{{1, "x.example"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	crlf, err := ParseZone(strings.ReplaceAll(text, "\n", "\r\n"))
	if err == nil || crlf != nil {
		t.Error("a directive was accepted") // the %s line
	}
	if crlf, err = ParseZone(strings.ReplaceAll(strings.Replace(text, "%s", "", 1), "\n", "\r\n")); err != nil || !cmp.Equal(crlf, want) {
		t.Errorf("with CRLF: %v", err)
	}
}

func TestParseZoneEmpty(t *testing.T) {
	for _, s := range []string{"", "# nothing\n", "---\n", "{}"} {
		if f, err := ParseZone(s); err != nil || len(f) != 0 {
			t.Errorf("ParseZone(%q) = %v, %v", s, f, err)
		}
	}
}

func TestParseZoneErrors(t *testing.T) {
	for _, c := range []struct{ text, where string }{
		{"just text", "names"},
		{"- a\n- b\n", "names"},
		{"a:\n- A: 192.0.2\n", "a: A"},
		{"a:\n- A: 2001:db8::1\n", "a: A"},
		{"a:\n- TXT:\n  - key:\n", "a: TXT"},
		{"a:\n- TXT: [[x]]\n", "a: TXT"},
		{"a:\n- TXT: {x: y}\n", "a: TXT"},
		{"a:\n- MX: [x, y]\n", "a: MX"},
		{"a:\n- MX: [70000, y]\n", "a: MX"},
		{"a:\n- MX: [1]\n", "a: MX"},
		{"a:\n- TLSA: [1, 2, 3, xx]\n", "a: TLSA"},
		{"a:\n- TXT: \"open\n", "line 2"},
		{"a:\n- TXT: [1, 2\n", "line 2"},
		{"a:\n- TXT: [1] 2\n", "line 2"},
		{"a:\n- TXT: \"\\q\"\n", "line 2"},
		{"a:\n- TXT: |\n    text\n", "line 2"},
		{"a:\n- TXT: &x y\n", "line 2"},
		{"a:\n    - TXT: x\n  - TXT: y\n", "line 3"},
		{"a:\n- TXT: x\nnot a key\n", "line 3"},
		{"a: " + strings.Repeat("[", 100), "line 1"},
		{strings.Repeat("- ", 100) + "x", "line 1"},
	} {
		if f, err := ParseZone(c.text); !errors.Is(err, ErrZone) || !strings.Contains(err.Error(), c.where) {
			t.Errorf("ParseZone(%.40q) = %v, %v; want an error about %q", c.text, f, err, c.where)
		}
	}
}

func FuzzParseZone(f *testing.F) {
	for _, s := range []string{"a:\n- TXT: x\n", "? a\n: - MX: [1, b]\n", "a: [{TXT: \"x\"}]", "a:\n- TXT:\n  - 'x'\n  - y\n   z\n", "-\n-\n", "- - - a: b\n", "\t #"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		zone, err := ParseZone(s)
		if err != nil {
			if !errors.Is(err, ErrZone) {
				t.Fatalf("error %v is no ErrZone", err)
			}
			return
		}
		for name := range zone { // whatever was accepted can be asked for
			if _, _, err := zone.IP(t.Context(), name); err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrTemp) {
				t.Fatal(err)
			}
		}
	})
}
