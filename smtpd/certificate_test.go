package smtpd

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(c tls.Certificate, changed time.Time) {
		t.Helper()
		key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		for file, block := range map[string]*pem.Block{
			certFile: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
		} {
			if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, changed, changed); err != nil {
				t.Fatal(err)
			}
		}
	}
	old, renewed := newTestCert(), newTestCert()
	now := time.Unix(1_800_000_000, 0)
	if _, err := NewCertificateFiles(certFile, keyFile, slog.Default()); err == nil {
		t.Fatal("files that do not exist were loaded")
	}
	write(old, now)
	log := &syncBuffer{}
	c, err := NewCertificateFiles(certFile, keyFile, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	c.now = func() time.Time { return now }
	c.looked = now
	serves := func(want tls.Certificate) {
		t.Helper()
		got, err := c.GetCertificate(nil)
		if err != nil || !bytes.Equal(got.Certificate[0], want.Certificate[0]) {
			t.Fatalf("another certificate, %v", err)
		}
	}
	serves(old)
	write(renewed, now.Add(time.Minute))
	serves(old) // within the same second nobody looks
	now = now.Add(time.Second)
	serves(renewed)
	if err := os.WriteFile(certFile, []byte("half writ"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	serves(renewed)
	if !bytes.Contains([]byte(log.String()), []byte("certificate kept as it was")) {
		t.Errorf("log: %s", log)
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	serves(renewed)
	write(old, now)
	now = now.Add(time.Second)
	serves(old)
	if name := c.current.Leaf.DNSNames[0]; !c.Covers(name) || c.Covers("other."+name) {
		t.Errorf("covers %s: %v, other.%s: %v", name, c.Covers(name), name, c.Covers("other."+name))
	}
	if got := c.Expires(); got.Before(time.Now()) {
		t.Errorf("expires %v", got)
	}
}
