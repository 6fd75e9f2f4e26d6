package smtpd

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
)

var fromLoopback = func(c *Config) { c.ProxyNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// proxyHeader is one as a proxy sends it for a client.
func proxyHeader(t testing.TB, version byte, client string) string {
	t.Helper()
	header := proxyproto.HeaderProxyFromAddrs(version,
		net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.25:25")))
	b, err := header.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProxy(t *testing.T) {
	v6 := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1}, &net.TCPAddr{IP: net.ParseIP("2001:db8::2"), Port: 25})
	v6Bytes, err := v6.Format()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, header, client string }{
		{"version 1", proxyHeader(t, 1, "198.51.100.7:4711"), "198.51.100.7"},
		{"version 2", proxyHeader(t, 2, "198.51.100.7:4711"), "198.51.100.7"},
		{"version 2, IPv6", string(v6Bytes), "2001:db8::1"},
		{"the proxy itself, version 1", "PROXY UNKNOWN\r\n", "127.0.0.1"},
		{"the proxy itself, version 2", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "127.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			backend := &fakeBackend{}
			p := start(t, backend, fromLoopback).dial()
			p.send(test.header)
			p.want("220")
			p.do("EHLO client.example.org\r\n", "250")
			p.do("MAIL FROM:<a@example.org>\r\n", "250")
			p.do("RCPT TO:<help@example.test>\r\n", "250")
			p.do("DATA\r\n", "354")
			p.do(letter("x\r\n.\r\n"), "250")
			if got := backend.taken()[0].Session.Client.String(); got != test.client {
				t.Errorf("client %s, want %s", got, test.client)
			}
		})
	}
}

func TestProxyRefusals(t *testing.T) {
	good := proxyHeader(t, 1, "198.51.100.7:4711")
	for name, test := range map[string]struct{ sent, want string }{
		"no header":            {"EHLO client.example.org\r\n", "421 4.3.0"},
		"cut off":              {"PROXY TCP4 198.51", "421 4.3.0"},
		"not an address":       {"PROXY TCP4 198.51.100.999 192.0.2.25 1 25\r\n", "421 4.3.0"},
		"long":                 {"PROXY TCP4 " + string(make([]byte, 200)) + "\r\n", "421 4.3.0"},
		"a Unix socket":        {"\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8" + string(make([]byte, 216)), "421 4.3.0"},
		"client speaks before": {good + "EHLO client.example.org\r\n", "554 5.5.1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, &fakeBackend{}, fromLoopback).dial()
			p.send(test.sent)
			p.want(test.want)
			p.wantEnd()
		})
	}
}

// A header from a network that is not listed is what any stranger may say.
func TestProxyIsBelievedFromListedNetworksOnly(t *testing.T) {
	r := start(t, &fakeBackend{}, func(c *Config) { c.ProxyNetworks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	p := r.dial()
	p.want("220")
	p.do(proxyHeader(t, 1, "198.51.100.7:4711"), "500")
}

// The limits hold for the clients behind a proxy, one by one.
func TestLimitsBehindProxy(t *testing.T) {
	r := start(t, &fakeBackend{}, fromLoopback, func(c *Config) { c.MaxPerNetwork = 1 })
	connect := func(client, want string) *peer {
		p := r.dial()
		p.send(proxyHeader(t, 2, client))
		p.want(want)
		return p
	}
	first := connect("198.51.100.7:1", "220")
	connect("198.51.100.7:2", "421 4.7.0 Limit of connections from your network").wantEnd()
	connect("198.51.100.8:1", "220")
	first.do("QUIT\r\n", "221")
	first.wantEnd()
	deadline := time.Now().Add(patience)
	for { // the place is given back a moment after the connection has ended
		p := r.dial()
		p.send(proxyHeader(t, 2, "198.51.100.7:3"))
		if got, _ := p.reply(); got[:3] == "220" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of the first connection was not given back")
		}
	}
}

// A proxy that says nothing is no reason not to stop.
func TestStopWhileAProxyIsSilent(t *testing.T) {
	r := start(t, &fakeBackend{}, fromLoopback)
	p := r.dial()
	r.taken(1) // before that the connection is the system's, which resets it when the listener closes
	r.stop()
	p.want("421 4.3.2")
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
}

// FuzzProxy: the header of a proxy ends where it says, and names an address or none.
func FuzzProxy(f *testing.F) {
	f.Add([]byte(proxyHeader(f, 1, "198.51.100.7:4711")))
	f.Add([]byte(proxyHeader(f, 2, "[2001:db8::1]:4711") + "EHLO x\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8" + strings.Repeat("a", 216)))
	proxy := netip.MustParseAddr("127.0.0.1")
	f.Fuzz(func(t *testing.T, sent []byte) {
		header, err := proxyproto.Read(bufio.NewReader(io.LimitReader(bytes.NewReader(sent), maxProxy)))
		if err != nil {
			return
		}
		client, r := proxied(header, proxy)
		if client.IsValid() != r.isZero() || client.Is4In6() || client.Zone() != "" || len(sent) > 0 && header.Command.IsLocal() && client != proxy {
			t.Fatalf("%q: client %v, reply %+v", sent, client, r)
		}
	})
}
