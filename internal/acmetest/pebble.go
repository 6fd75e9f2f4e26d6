// Package acmetest runs Pebble, Let's Encrypt's certificate authority for tests, on loopback: real challenges, real
// chains, and a share of the nonces refused as authorities do.
package acmetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
)

// program is where Debian's package has it.
const program = "/usr/bin/pebble"

const patience = time.Minute // on a machine that does much else

// CA is a running authority.
type CA struct {
	Directory string // URL
	Roots     []byte // PEM, by which the directory is believed; not those of what it issues

	management string
	client     *http.Client
	cmd        *exec.Cmd
	runs       context.Context // ends with cmd
	said       bytes.Buffer    // by cmd, to be read when it has ended
	names      *dns.Server
	stop       sync.Once
}

// Start runs an authority that looks names up in zone, and asks for HTTP-01 and TLS-ALPN-01 at the two ports. It ends with the
// test. Without Pebble the test fails, or is skipped when MXDESK_TEST_WITHOUT names the package.
func Start(t testing.TB, zone dns.Fake, httpPort, tlsPort int) *CA {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		without := os.Getenv("MXDESK_TEST_WITHOUT")
		if slices.Contains(strings.Fields(without), "pebble") {
			t.Skipf("%s is missing (MXDESK_TEST_WITHOUT=%s)", program, without)
		}
		t.Fatalf("%s is missing: install Debian's package pebble, or set MXDESK_TEST_WITHOUT=pebble to skip what needs it", program)
	}
	dir := t.TempDir()
	c := &CA{}
	server, roots := smtptest.Certificate(t, "localhost")
	c.client = &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}, DisableKeepAlives: true,
	}}
	cert := server.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	must(t, err)
	c.Roots = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	write(t, dir, "cert.pem", c.Roots)
	write(t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	c.names, err = dns.Serve("127.0.0.1:0", zone)
	must(t, err)
	t.Cleanup(func() {
		c.Stop()
		if t.Failed() {
			t.Logf("Pebble said:\n%s", c.said.Bytes())
		}
	})
	for range 5 { // somebody else may take a free port before Pebble does, which then ends
		c.launch(t, dir, httpPort, tlsPort)
		if c.answers(t, c.Directory) && c.answers(t, "https://"+c.management+"/roots/0") {
			return c
		}
	}
	t.Fatal("Pebble ends at once")
	return nil
}

// launch runs Pebble at addresses that are free now.
func (c *CA) launch(t testing.TB, dir string, httpPort, tlsPort int) {
	t.Helper()
	listen := freeAddress(t)
	c.management = freeAddress(t)
	_, port, _ := net.SplitHostPort(listen)
	c.Directory = "https://localhost:" + port + "/dir"
	settings, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": c.management, "certificate": filepath.Join(dir, "cert.pem"),
		"privateKey": filepath.Join(dir, "key.pem"), "httpPort": httpPort, "tlsPort": tlsPort,
	}})
	must(t, err)
	write(t, dir, "pebble.json", settings)
	cmd := exec.Command(program, "-strict", "-config", filepath.Join(dir, "pebble.json"), "-dnsserver", c.names.Addr.String())
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20")
	cmd.Stdout, cmd.Stderr = &c.said, &c.said
	must(t, cmd.Start())
	runs, ended := context.WithCancel(context.Background())
	go func() { _ = cmd.Wait(); ended() }()
	c.cmd, c.runs = cmd, runs
}

// Stop ends the authority: from now on it cannot be reached.
func (c *CA) Stop() {
	c.stop.Do(func() {
		if c.cmd != nil {
			_ = c.cmd.Process.Kill()
			<-c.runs.Done()
		}
		c.names.Close()
	})
}

// Issuers are the roots of what the authority issues.
func (c *CA) Issuers(t testing.TB) *x509.CertPool {
	t.Helper()
	resp, err := c.client.Get("https://" + c.management + "/roots/0")
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("no root in %q", text)
	}
	return pool
}

// answers waits until there is an answer, or tells that Pebble has ended.
func (c *CA) answers(t testing.TB, url string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.runs, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	must(t, err)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := c.client.Do(r)
		if err == nil {
			resp.Body.Close() //nolint:errcheck // nothing was read
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if c.runs.Err() != nil {
				return false
			}
			t.Fatalf("Pebble does not answer: %v", err)
		}
	}
}

// freeAddress is one of loopback at which nobody listens now. A variable for tests.
var freeAddress = func(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close() //nolint:errcheck // it was only asked for its port
	return l.Addr().String()
}

func write(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("run Pebble: %w", err))
	}
}
