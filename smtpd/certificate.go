package smtpd

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// CertificateFiles is a certificate chain and its key in two PEM files, which are read again when they change: whoever
// renews certificates need not tell us.
type CertificateFiles struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]fileStamp
	looked  time.Time
}

type fileStamp struct {
	changed time.Time
	size    int64
}

// lookEvery is how often, at most, the files are asked whether they changed.
const lookEvery = time.Second

// NewCertificateFiles reads the files; they must be good at the start.
func NewCertificateFiles(certFile, keyFile string, log *slog.Logger) (*CertificateFiles, error) {
	c := &CertificateFiles{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	c.looked = c.now()
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// GetCertificate is for Config.GetCertificate. It looks at the files at most once a second; while what is in them does
// not load (half written, say), the certificate from before is used.
func (c *CertificateFiles) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.looked) < lookEvery {
		return c.current, nil
	}
	c.looked = now
	if stamp, err := c.stat(); err != nil || stamp == c.stamp {
		return c.current, nil
	}
	if err := c.load(); err != nil {
		c.log.Error("certificate kept as it was", "error", err)
	} else {
		c.log.Info("certificate read again", "file", c.certFile, "expires", c.current.Leaf.NotAfter)
	}
	return c.current, nil
}

// Expires is when the certificate in use ends.
func (c *CertificateFiles) Expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.Leaf.NotAfter
}

// Covers tells whether the certificate in use is for a name.
func (c *CertificateFiles) Covers(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.Leaf.VerifyHostname(name) == nil
}

func (c *CertificateFiles) stat() (stamp [2]fileStamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, fmt.Errorf("looking at a certificate file: %w", err)
		}
		stamp[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return stamp, nil
}

func (c *CertificateFiles) load() error {
	stamp, err := c.stat()
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("loading certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current, c.stamp = &cert, stamp
	return nil
}
