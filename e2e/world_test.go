//go:build linux

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mxdesk/internal/dns"
)

// The domains of the people.
const (
	customerDomain = "customer.test"
	staffDomain    = "staff.test"
)

// world is what all stories share: the DNS and the mail servers of customers and staff. It starts
// with the first story that needs it.
type world struct {
	dir              string
	net              string // "127.x.y."
	port             int    // of every mail server
	dns              *dns.Server
	customers, staff *postfixServer

	mu       sync.Mutex
	zone     dns.Fake
	lastDesk int // last octet of the address of the newest mxdesk
}

// sharedWorld makes the world once.
type sharedWorld struct {
	once  sync.Once
	world *world
	err   error
}

var shared sharedWorld

// theWorld returns the world; the test ends when it cannot be made.
func theWorld(t testing.TB) *world {
	t.Helper()
	need(t, postfix)
	shared.once.Do(func() { shared.world, shared.err = newWorld() })
	if shared.err != nil {
		t.Fatalf("start the mail servers of customers and staff: %v", shared.err)
	}
	w := shared.world
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s", w.customers.logTail(), w.staff.logTail())
		}
	})
	return w
}

func (s *sharedWorld) close() error {
	if s.world == nil {
		return nil
	}
	return s.world.close()
}

func newWorld() (w *world, err error) {
	w = &world{lastDesk: 3}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	w.dir = filepath.Join(root, "world")
	if err = os.Mkdir(w.dir, 0o755); err != nil {
		return w, err
	}
	if err = w.takeAddresses(); err != nil {
		return w, err
	}
	if w.customers, err = startPostfix(w, customerDomain, w.address(2)); err != nil {
		return w, err
	}
	w.staff, err = startPostfix(w, staffDomain, w.address(3))
	return w, err
}

// takeAddresses finds a block of loopback addresses that nobody uses and serves the DNS there.
func (w *world) takeAddresses() error {
	var failures []error
	for range 5 {
		w.net = fmt.Sprintf("127.%d.%d.", 1+mathrand.IntN(254), 1+mathrand.IntN(254))
		w.zone = dns.Fake{}
		for domain, host := range map[string]int{customerDomain: 2, staffDomain: 3} {
			mx := "mx." + domain
			// swaks sends from 127.0.0.1; a domain that disowns its letters gets no acknowledgement.
			w.zone[domain] = dns.Records{MX: []dns.MX{{Preference: 10, Host: mx}}, TXT: []string{"v=spf1 mx ip4:127.0.0.1 -all"}}
			w.zone[mx] = dns.Records{A: []string{w.address(host)}}
			w.zone[w.address(host)] = dns.Records{PTR: []string{mx}}
		}
		server, err := dns.Serve(w.address(1)+":53", w.zone)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		w.dns = server
		l, err := net.Listen("tcp", w.address(2)+":0")
		if err != nil {
			return err
		}
		w.port = l.Addr().(*net.TCPAddr).Port
		return l.Close()
	}
	return fmt.Errorf("the DNS of the stories needs port 53 of a loopback address, as root: %w", errors.Join(failures...))
}

func (w *world) address(last int) string { return fmt.Sprint(w.net, last) }

// folder makes a folder that PostgreSQL's user may pass.
func (w *world) folder(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp(w.dir, name+"-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (w *world) close() error {
	var all []error
	for _, p := range []*postfixServer{w.customers, w.staff} {
		if p != nil {
			all = append(all, p.stop())
		}
	}
	if w.dns != nil {
		all = append(all, w.dns.Close())
	}
	return errors.Join(all...)
}

// publish adds the lines of a zone file and the address of a host to the DNS.
func (w *world) publish(t testing.TB, host, ip, lines string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	zone := maps.Clone(w.zone)
	zone[host], zone[ip] = dns.Records{A: []string{ip}}, dns.Records{PTR: []string{host}}
	zone, err := zone.WithZoneFile(lines)
	if err != nil {
		t.Fatalf("mxdesk dns printed no zone file: %v\n%s", err, lines)
	}
	w.zone = zone
	w.dns.Set(zone)
}

// certificate writes a self-signed certificate for a host into dir.
func certificate(dir, host string) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	return certFile, keyFile, errors.Join(
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
