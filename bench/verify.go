package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/dns"
	"mxdesk/internal/mailauth"
	"mxdesk/internal/message"
	"mxdesk/smtpd"
)

// verifyWithin is what sender authentication may add to an ordinary letter.
const verifyWithin = 2 * time.Millisecond

// verify measures what sender authentication adds: whole SMTP sessions with the same letter of 4 KB, signed by one RSA key
// of 2048 bits, from a domain with SPF and DMARC, to two servers of our SMTP code that store nothing, one of them with the
// verifier. The DNS is asked over UDP and cached, as in the program. It is CPU time of this process, the client's part
// included in both, and a name server's too.
func (c *benchCmd) verify(ctx context.Context) error {
	letter, zone, err := signedLetter()
	if err != nil {
		return err
	}
	names, err := dns.Serve("127.0.0.1:0", zone)
	if err != nil {
		return err
	}
	defer names.Close() //nolint:errcheck // nobody asks any more
	resolver, err := dns.New(dns.Config{Servers: []string{names.Addr.String()}})
	if err != nil {
		return err
	}
	defer resolver.Close()
	judge := &counting{Letters: mailauth.Letters{Verifier: &mailauth.Verifier{DNS: resolver, Receiver: "mx.example.test"}}}
	plain, stopPlain, err := sessions(ctx, nil)
	if err != nil {
		return err
	}
	defer stopPlain()
	checked, stopChecked, err := sessions(ctx, judge)
	if err != nil {
		return err
	}
	defer stopChecked()
	const warm, letters = 100, 500
	var without, with, ratio []result
	for round := range c.Rounds + 1 {
		n := letters
		if round == 0 {
			n = warm
		}
		a, err := cpuPerLetter(ctx, plain, letter, n)
		if err != nil {
			return err
		}
		b, err := cpuPerLetter(ctx, checked, letter, n)
		if err != nil {
			return err
		}
		if round > 0 {
			without, with = append(without, result{cpu: a}), append(with, result{cpu: b})
			ratio = append(ratio, result{cpu: b / a})
		}
	}
	if judge.passed != warm+c.Rounds*letters {
		return fmt.Errorf("%d letters passed SPF, DKIM and DMARC, not all", judge.passed)
	}
	cpu := func(r result) float64 { return r.cpu }
	a, b, x := spread(without, cpu), spread(with, cpu), spread(ratio, cpu)
	fmt.Printf("CPU of a letter's session, µs (min-max): without verification %.0f (%.0f-%.0f), with %.0f (%.0f-%.0f), ratio %.2f (%.2f-%.2f)\n",
		a[1], a[0], a[2], b[1], b[0], b[2], x[1], x[0], x[2])
	added := time.Duration((b[1] - a[1]) * float64(time.Microsecond))
	fmt.Printf("verification adds %v; the limit is %v\n", added.Round(time.Microsecond), verifyWithin)
	if added > verifyWithin {
		return fmt.Errorf("verification adds %v to a letter, more than %v", added, verifyWithin)
	}
	return nil
}

// counting is a verifier that counts what passed everything.
type counting struct {
	mailauth.Letters
	passed int // letters come one at a time
}

// Verify implements smtpd.Verifier.
func (c *counting) Verify(ctx context.Context, l *message.Letter) message.Verdict {
	v := c.Letters.Verify(ctx, l)
	if v.SPF.Result == message.Pass && len(v.DKIM) == 1 && v.DKIM[0].Result == message.Pass && v.DMARC.Result == message.Pass {
		c.passed++
	}
	return v
}

// signedLetter is the letter and the DNS of its sender.
func signedLetter() ([]byte, dns.Fake, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	letter := "From: Carl <carl@customer.test>\r\nTo: help@example.test\r\nSubject: A question\r\nDate: Mon, 06 Jan 2025 10:00:00 +0000\r\n" +
		"Message-ID: <1@customer.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
		strings.Repeat("Some words of a customer who has a question about a thing.\r\n", 64)
	var signed bytes.Buffer
	err = dkim.Sign(&signed, strings.NewReader(letter), &dkim.SignOptions{
		Domain: "customer.test", Selector: "s", Signer: key, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		HeaderKeys: []string{"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"},
	})
	return signed.Bytes(), dns.Fake{
		"customer.test":              {TXT: []string{"v=spf1 ip4:127.0.0.1 -all"}, A: []string{"127.0.0.1"}},
		"s._domainkey.customer.test": {TXT: []string{"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)}},
		"_dmarc.customer.test":       {TXT: []string{"v=DMARC1; p=reject"}},
	}, err
}

// sessions runs a server of our SMTP code.
func sessions(ctx context.Context, v smtpd.Verifier) (addr string, stop func(), err error) {
	c := smtpd.DefaultConfig()
	c.Hostname, c.Listen, c.MaxMessages, c.Metrics = "mx.example.test", []string{"127.0.0.1:0"}, 1<<30, prometheus.NewRegistry()
	c.Log, c.SpoolDir, c.Verifier = slog.New(slog.DiscardHandler), os.TempDir(), v
	s, err := smtpd.New(c, discardBackend{})
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s.Addrs()[0].String(), func() { cancel(); <-ended }, nil
}

// cpuPerLetter sends letters, one session each, and tells what one cost in µs.
func cpuPerLetter(ctx context.Context, addr string, letter []byte, n int) (float64, error) {
	before := ownCPU()
	for range n {
		t, err := dialFrom(ctx, "127.0.0.1", addr)
		if err != nil {
			return 0, err
		}
		err = t.upToData("carl@customer.test", "help@example.test")
		if err == nil {
			t.send(string(letter))
			err = t.must(".", "250", "QUIT", "221")
		}
		t.close()
		if err != nil {
			return 0, err
		}
	}
	return float64((ownCPU() - before).Microseconds()) / float64(n), nil
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) //nolint:errcheck // it cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
