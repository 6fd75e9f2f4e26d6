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
	"math/big"
	"os"
	"testing"
	"time"
)

// authority signs the certificates of the stories about TLS.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority of the stories"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// file writes the authority's certificate, for those who shall trust it.
func (a *authority) file(t testing.TB, name string) string {
	t.Helper()
	if err := os.WriteFile(name, a.pem, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// certificateRequest is what a certificate shall be like.
type certificateRequest struct {
	template   *x509.Certificate
	selfSigned bool
	made       **x509.Certificate
}

// names is a request for a good certificate.
func names(hosts ...string) func(*certificateRequest) {
	return func(r *certificateRequest) { r.template.DNSNames = hosts }
}

func expired(hosts ...string) func(*certificateRequest) {
	return func(r *certificateRequest) {
		r.template.DNSNames, r.template.NotAfter = hosts, time.Now().Add(-time.Hour)
	}
}

func selfSigned(hosts ...string) func(*certificateRequest) {
	return func(r *certificateRequest) { r.template.DNSNames, r.selfSigned = hosts, true }
}

// kept tells the certificate that was made.
func kept(to **x509.Certificate, request func(*certificateRequest)) func(*certificateRequest) {
	return func(r *certificateRequest) {
		request(r)
		r.made = to
	}
}

// issue writes a certificate with its chain, and its key.
func (a *authority) issue(t testing.TB, certFile, keyFile string, request func(*certificateRequest)) {
	t.Helper()
	r := certificateRequest{template: &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "a mail host"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}}
	request(&r)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer, chain := a.cert, a.key, a.pem
	if r.selfSigned {
		parent, signer, chain = r.template, key, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, r.template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if r.made != nil {
		if *r.made, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	err = errors.Join(
		os.WriteFile(certFile, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), chain...), 0o644),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}
