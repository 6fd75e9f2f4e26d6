package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/smtptest"
)

// served runs a server with one plain and one TLS listener.
func served(t *testing.T, handler http.HandlerFunc, change func(*ServerConfig)) (plain, secure string, roots *x509.CertPool, stop func()) {
	t.Helper()
	a, _ := listener(t)
	b, _ := listener(t)
	config, roots := smtptest.Certificate(t, "help.test")
	c := ServerConfig{
		Handler: handler, Plain: []net.Listener{a}, TLS: []net.Listener{b}, MaxConnections: 50, MaxPerNetwork: 50,
		Certificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName != "help.test" {
				return nil, errors.New("unknown name")
			}
			return &config.Certificates[0], nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	return a.Addr().String(), b.Addr().String(), roots, run(t, NewServer(c).Run)
}

func hello(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }

// client asks addr for help.test.
func client(addr string, c *tls.Config, http2 bool) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
		TLSClientConfig: c, ForceAttemptHTTP2: http2, DisableKeepAlives: !http2,
	}}
}

func fetch(t *testing.T, c *http.Client, url string) (status int, body string, err error) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	c.CloseIdleConnections()
	return resp.StatusCode, string(text), err
}

func TestProtocols(t *testing.T) {
	plain, secure, roots, _ := served(t, hello, nil)
	if _, body, err := fetch(t, client(plain, nil, false), "http://help.test/"); err != nil || body != "HTTP/1.1" {
		t.Errorf("plain: %q, %v", body, err)
	}
	for want, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		if _, body, err := fetch(t, client(secure, &tls.Config{RootCAs: roots}, http2), "https://help.test/"); err != nil || body != want {
			t.Errorf("TLS: %q, %v, want %s", body, err, want)
		}
	}
	for what, c := range map[string]*tls.Config{
		"TLS 1.1":               {RootCAs: roots, ServerName: "help.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"a name not ours":       {InsecureSkipVerify: true, ServerName: "stranger.test"},
		"no name":               {InsecureSkipVerify: true, ServerName: ""},
		"a challenge, not ACME": {RootCAs: roots, ServerName: "help.test", NextProtos: []string{acmeProtocol}},
	} {
		if conn, err := tls.Dial("tcp", secure, c); err == nil {
			conn.Close()
			t.Errorf("%s: the handshake came to its end", what)
		}
	}
}

// TestPlainFirst: a server that began with plain HTTP speaks HTTP/2 to browsers all the same.
func TestPlainFirst(t *testing.T) {
	a, _ := listener(t)
	b, _ := listener(t)
	config, roots := smtptest.Certificate(t, "help.test")
	s := NewServer(ServerConfig{
		Handler: http.HandlerFunc(hello), Log: slog.New(slog.DiscardHandler),
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &config.Certificates[0], nil },
	})
	ended := make(chan error, 2)
	go func() { ended <- s.http.Serve(a) }()
	defer func() {
		s.http.Close()
		<-ended
		<-ended
	}()
	if _, body, err := fetch(t, client(a.Addr().String(), nil, false), "http://help.test/"); err != nil || body != "HTTP/1.1" {
		t.Errorf("plain: %q, %v", body, err)
	}
	go func() { ended <- s.http.ServeTLS(b, "", "") }()
	if _, body, err := fetch(t, client(b.Addr().String(), &tls.Config{RootCAs: roots}, true), "https://help.test/"); err != nil || body != "HTTP/2.0" {
		t.Errorf("TLS: %q, %v", body, err)
	}
}

// Who asks for a challenge and for more is a browser, and gets the page's certificate.
func TestChallengeHandshake(t *testing.T) {
	challenge, _ := smtptest.Certificate(t, "challenge.test")
	_, secure, _, _ := served(t, hello, func(c *ServerConfig) {
		c.Challenge = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &challenge.Certificates[0], nil }
	})
	for want, protocols := range map[string][]string{
		"challenge.test": {acmeProtocol}, "help.test": {acmeProtocol, "http/1.1"},
	} {
		conn, err := tls.Dial("tcp", secure, &tls.Config{InsecureSkipVerify: true, ServerName: "help.test", NextProtos: protocols})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("%v: certificate of %s, want %s", protocols, got, want)
		}
		conn.Close()
	}
}

func TestLargeHeader(t *testing.T) {
	plain, _, _, _ := served(t, hello, nil)
	r, err := http.NewRequest(http.MethodGet, "http://help.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X", strings.Repeat("x", 2*maxHeader))
	resp, err := client(plain, nil, false).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// Over a limit a connection is closed at once; when one ends there is room again.
func TestConnectionLimits(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for name, change := range map[string]func(*ServerConfig){
		"in all":                 func(c *ServerConfig) { c.MaxConnections = 2 },
		"from a network":         func(c *ServerConfig) { c.MaxPerNetwork = 2 },
		"in all, though exempt":  func(c *ServerConfig) { c.MaxConnections, c.MaxPerNetwork, c.Exempt = 2, 1, loopback },
		"from a network, exempt": func(c *ServerConfig) { c.MaxPerNetwork, c.Exempt = 2, loopback },
	} {
		t.Run(name, func(t *testing.T) {
			plain, _, _, _ := served(t, hello, change)
			var open []net.Conn
			dial := func() net.Conn {
				conn, err := net.Dial("tcp", plain)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				conn.SetDeadline(time.Now().Add(patience))
				return conn
			}
			answered := func(conn net.Conn) bool {
				io.WriteString(conn, "GET / HTTP/1.1\r\nHost: help.test\r\n\r\n")
				n, _ := conn.Read(make([]byte, 8))
				return n > 0
			}
			for range 2 {
				open = append(open, dial())
				if !answered(open[len(open)-1]) {
					t.Fatal("below the limit, and not answered")
				}
			}
			if got, want := answered(dial()), strings.HasSuffix(name, "network, exempt"); got != want {
				t.Errorf("the third connection is answered: %v", got)
			}
			open[0].Close()
			eventually(t, "room again", func() bool { return answered(dial()) })
		})
	}
}

// An exempt address may stand in the network of others, which is how IPv6 counts: it is not limited, and they are.
func TestExemptAmongOthers(t *testing.T) {
	one, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	l := newLimits(ServerConfig{MaxConnections: 100, MaxPerNetwork: 1, Exempt: []netip.Prefix{netip.PrefixFrom(one, 128)}})
	for range 3 {
		if !l.enter(one) {
			t.Fatal("one who is exempt is refused")
		}
	}
	if !l.enter(other) || l.enter(other) {
		t.Error("not one of the others is let in")
	}
	l.leave(one)
	if l.enter(other) {
		t.Error("when one who is exempt leaves there is room for others")
	}
	l.leave(other)
	l.leave(one)
	l.leave(one)
	if !l.enter(other) || l.open != 1 || len(l.networks) != 1 {
		t.Errorf("%d open, of %d networks", l.open, len(l.networks))
	}
}

// A request in progress ends when the server is stopped, and no new one begins.
func TestStop(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	plain, _, _, stop := served(t, func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		io.WriteString(w, "whole")
	}, nil)
	answer := make(chan string, 1)
	go func() {
		_, body, err := fetch(t, client(plain, nil, false), "http://help.test/")
		if err != nil {
			body = err.Error()
		}
		answer <- body
	}()
	<-begun
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	eventually(t, "no new connections", func() bool {
		conn, err := net.Dial("tcp", plain)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(release)
	if got := <-answer; got != "whole" {
		t.Errorf("the answer is %q", got)
	}
	<-stopped
}
