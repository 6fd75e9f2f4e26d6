package outbound

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

func TestMaildir(t *testing.T) {
	dir := t.TempDir()
	m := Maildir{Dir: dir}
	l := &Letter{Delivery: id.New(), From: address.Address{Local: "bounce+x", Domain: "desk.test"}, To: address.Address{Local: "Bob", Domain: "example.com"}, Body: []byte("Subject: x\r\n\r\nhello\r\n")}
	for range 2 { // sent again it replaces itself
		if a := m.Send(t.Context(), l); a.Result != ResultDelivered {
			t.Fatalf("attempt %+v", a)
		}
	}
	box := filepath.Join(dir, "bob@example.com")
	got, err := os.ReadFile(filepath.Join(box, "new", l.Delivery.String()+".eml"))
	if want := "Return-Path: <bounce+x@desk.test>\r\nDelivered-To: Bob@example.com\r\n" + string(l.Body); err != nil || string(got) != want {
		t.Errorf("letter %q, %v", got, err)
	}
	for sub, n := range map[string]int{"new": 1, "cur": 0, "tmp": 0} {
		if list, err := os.ReadDir(filepath.Join(box, sub)); err != nil || len(list) != n {
			t.Errorf("%d files in %s, %v", len(list), sub, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if a := (Maildir{Dir: filepath.Join(dir, "file")}).Send(t.Context(), l); a.Result != ResultDeferred || !a.Site {
		t.Errorf("a folder that cannot be made: %+v", a)
	}
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"bob@example.com":              "bob@example.com",
		"../../etc/passwd@x":           "%2e.%2f..%2fetc%2fpasswd@x",
		".hidden@x":                    "%2ehidden@x",
		"a\x00b@x":                     "a%00b@x",
		"jürgen@x":                     "j%c3%bcrgen@x",
		`"a b"@x`:                      "%22a%20b%22@x",
		strings.Repeat("a", 64) + "@x": strings.Repeat("a", 64) + "@x",
	} {
		if got := safeName(in); got != want {
			t.Errorf("safeName(%q) = %q, want %q", in, got, want)
		}
	}
	one, two := safeName(strings.Repeat("/", 200)+"1"), safeName(strings.Repeat("/", 200)+"2")
	if len(one) > 255 || one == two {
		t.Errorf("long names: %q, %q", one, two)
	}
}
