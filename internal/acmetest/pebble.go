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
	"testing"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/smtptest"
)

// program is where Debian's package has it.
const program = "/usr/bin/pebble"

const patience = 30 * time.Second

// CA is a running authority.
type CA struct {
	Directory string // URL
	Roots     []byte // PEM, by which the directory is believed; not those of what it issues

	management string
	client     *http.Client
	cmd        *exec.Cmd
	names      *dns.Server
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
	listen := freeAddress(t)
	c.management = freeAddress(t)
	_, port, _ := net.SplitHostPort(listen)
	c.Directory = "https://localhost:" + port + "/dir"
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
	settings, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": c.management, "certificate": filepath.Join(dir, "cert.pem"),
		"privateKey": filepath.Join(dir, "key.pem"), "httpPort": httpPort, "tlsPort": tlsPort,
	}})
	must(t, err)
	write(t, dir, "pebble.json", settings)
	c.names, err = dns.Serve("127.0.0.1:0", zone)
	must(t, err)

	var said bytes.Buffer
	c.cmd = exec.Command(program, "-strict", "-config", filepath.Join(dir, "pebble.json"), "-dnsserver", c.names.Addr.String())
	c.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20")
	c.cmd.Stdout, c.cmd.Stderr = &said, &said
	must(t, c.cmd.Start())
	t.Cleanup(func() {
		c.Stop()
		if t.Failed() {
			t.Logf("Pebble said:\n%s", said.Bytes())
		}
	})
	c.wait(t)
	return c
}

// Stop ends the authority: from now on it cannot be reached.
func (c *CA) Stop() {
	if c.cmd.ProcessState != nil {
		return
	}
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	c.names.Close()
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

// wait waits until both listeners serve: the directory's, and the management's with the roots.
func (c *CA) wait(t testing.TB) {
	t.Helper()
	for _, url := range []string{c.Directory, "https://" + c.management + "/roots/0"} {
		c.waitFor(t, url)
	}
}

func (c *CA) waitFor(t testing.TB, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := c.client.Get(url)
		if err == nil {
			resp.Body.Close() //nolint:errcheck // nothing was read
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("Pebble does not answer: %v", err)
		}
	}
}

// freeAddress is one of loopback at which nobody listens.
func freeAddress(t testing.TB) string {
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
