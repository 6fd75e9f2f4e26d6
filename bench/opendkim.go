package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// startOpendkim starts Debian's signing filter, with an RSA key of 2,048 bits for example.test.
func startOpendkim(ctx context.Context) (*peer, error) {
	if _, err := exec.LookPath("opendkim"); err != nil {
		return nil, errors.New("there is no opendkim: apt-get install opendkim")
	}
	p, err := newPeer("opendkim")
	if err != nil {
		return nil, err
	}
	key, conf := filepath.Join(p.dir, "key.pem"), filepath.Join(p.dir, "opendkim.conf")
	if out, err := exec.CommandContext(ctx, "openssl", "genrsa", "-traditional", "-out", key, "2048").CombinedOutput(); err != nil {
		p.stop()
		return nil, fmt.Errorf("openssl genrsa: %w: %s", err, out)
	}
	text := fmt.Sprintf("Syslog no\nMode s\nCanonicalization relaxed/relaxed\nDomain example.test\nSelector s\nKeyFile %s\nSocket inet:%s@127.0.0.1\nRequireSafeKeys No\n", key, p.port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		p.stop()
		return nil, err
	}
	cmd := exec.Command("opendkim", "-f", "-x", conf)
	cmd.Stderr = os.Stderr
	return p, p.run(ctx, 5*time.Second, cmd)
}

// relayOpendkim measures Postfix that takes letters, has opendkim sign them, and passes them on, until the last has left.
func (c *benchCmd) relayOpendkim(ctx context.Context) (result, error) {
	s, err := startSink(ctx)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	o, err := startOpendkim(ctx)
	if err != nil {
		return result{}, err
	}
	defer o.stop()
	pf, err := newPostfix(ctx, append(relaying(s), "smtpd_milters = inet:"+o.addr, "milter_default_action = tempfail")...)
	if err != nil {
		return result{}, err
	}
	defer pf.stop()
	cpu := func() float64 { return treeCPU(pf.master()) + treeCPU(o.cmd.Process.Pid) }
	start, begin := cpu(), time.Now()
	if err := c.feed(ctx, pf); err != nil {
		return result{}, err
	}
	if err := pf.empty(); err != nil {
		return result{}, err
	}
	n := float64(c.Letters)
	return result{rate: n / time.Since(begin).Seconds(), cpu: (cpu() - start) / n * 1000}, nil
}
