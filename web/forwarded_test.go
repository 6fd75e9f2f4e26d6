package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

var testProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}

func TestForwardedFor(t *testing.T) {
	for _, c := range []struct {
		peer, fields, want string // fields are apart by "|"
	}{
		{"192.0.2.1", "198.51.100.7", "192.0.2.1"}, // no proxy of ours
		{"127.0.0.1", "", "127.0.0.1"},
		{"127.0.0.1", "198.51.100.7", "198.51.100.7"},
		{"::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"},
		{"127.0.0.1", "203.0.113.1, 198.51.100.7", "198.51.100.7"}, // the left one is the client's word
		{"127.0.0.1", "203.0.113.1|198.51.100.7", "198.51.100.7"},
		{"127.0.0.1", "203.0.113.1, 198.51.100.7, 10.0.0.9", "198.51.100.7"},
		{"127.0.0.1", "203.0.113.1, 198.51.100.7,2001:db8:1::9", "198.51.100.7"},
		{"127.0.0.1", "203.0.113.1, 10.0.1.9, 10.0.0.9", "10.0.1.9"}, // the proxy of a stranger
		{"127.0.0.1", "10.0.0.8, 10.0.0.9", "10.0.0.8"},
		{"127.0.0.1", "198.51.100.7:4711", "198.51.100.7"},
		{"127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"},
		{"127.0.0.1", "[2001:db8::7]", "2001:db8::7"},
		{"127.0.0.1", "2001:db8::7", "2001:db8::7"},
		{"127.0.0.1", "198.51.100.7, unknown", "127.0.0.1"},
		{"127.0.0.1", "198.51.100.7, unknown, 10.0.0.9", "10.0.0.9"},
		{"127.0.0.1", "198.51.100.7,", "127.0.0.1"},
		{"", "203.0.113.1, 198.51.100.7", "198.51.100.7"},
	} {
		peer, _ := netip.ParseAddr(c.peer)
		var fields []string
		if c.fields != "" {
			fields = strings.Split(c.fields, "|")
		}
		if got := forwardedFor(peer, testProxies, fields); got.String() != c.want {
			t.Errorf("%q behind %q is %v, want %s", c.fields, c.peer, got, c.want)
		}
		if got := forwardedFor(peer, nil, fields); got != peer {
			t.Errorf("%q behind %q, where no proxy is listed, is %v", c.fields, c.peer, got)
		}
	}
}

func FuzzForwardedFor(f *testing.F) {
	f.Add("203.0.113.1, 198.51.100.7:80,[2001:db8:1::9]")
	f.Fuzz(func(t *testing.T, field string) {
		// Whatever a client writes, what a proxy of ours adds behind it counts.
		if got := forwardedFor(netip.MustParseAddr("127.0.0.1"), testProxies, []string{field, "198.51.100.7"}); got.String() != "198.51.100.7" {
			t.Fatalf("%q: %v", field, got)
		}
		if got := forwardedFor(netip.MustParseAddr("192.0.2.1"), testProxies, []string{field}); got.String() != "192.0.2.1" {
			t.Fatalf("%q: %v", field, got)
		}
	})
}

// Behind a proxy, each client has a limit of downloads of his own, and cannot get round it by what he writes.
func TestDownloadsBehindProxy(t *testing.T) {
	p := newPages(t, func(c *Config) {
		c.Proxies, c.Exempt = testProxies, testProxies
	})
	ask := func(forwarded string) int {
		r := httptest.NewRequest(http.MethodGet, "/a/none", nil)
		r.RemoteAddr = "127.0.0.1:4711"
		r.Header.Set("X-Forwarded-For", forwarded)
		w := httptest.NewRecorder()
		p.server.Config.Handler.ServeHTTP(w, r)
		return w.Code
	}
	for range downloadsPerMinute {
		if got := ask("127.0.0.1, 198.51.100.7"); got != http.StatusNotFound {
			t.Fatalf("within the limit: %d", got)
		}
	}
	if got := ask("203.0.113.9, 198.51.100.7"); got != http.StatusTooManyRequests {
		t.Errorf("over the limit: %d", got)
	}
	if got := ask("198.51.100.8"); got != http.StatusNotFound {
		t.Errorf("another client: %d", got)
	}
}
