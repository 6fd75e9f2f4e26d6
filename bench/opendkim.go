package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// opendkim is Debian's signing filter, with an RSA key of 2,048 bits for example.test.
type opendkim struct {
	cmd  *exec.Cmd
	dir  string
	addr string
}

func startOpendkim(ctx context.Context) (*opendkim, error) {
	if _, err := exec.LookPath("opendkim"); err != nil {
		return nil, errors.New("there is no opendkim: apt-get install opendkim")
	}
	dir, err := os.MkdirTemp("/tmp", "mxdesk-opendkim-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	o := &opendkim{dir: dir, addr: "127.0.0.1:" + port}
	key := filepath.Join(dir, "key.pem")
	if out, err := exec.CommandContext(ctx, "openssl", "genrsa", "-traditional", "-out", key, "2048").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("openssl genrsa: %w: %s", err, out)
	}
	conf := filepath.Join(dir, "opendkim.conf")
	text := fmt.Sprintf("Syslog no\nMode s\nCanonicalization relaxed/relaxed\nDomain example.test\nSelector s\nKeyFile %s\nSocket inet:%s@127.0.0.1\nRequireSafeKeys No\n", key, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	o.cmd = exec.Command("opendkim", "-f", "-x", conf)
	o.cmd.Stderr = os.Stderr
	if err := o.cmd.Start(); err != nil {
		return nil, fmt.Errorf("opendkim: %w", err)
	}
	for range 100 {
		if conn, err := net.Dial("tcp", o.addr); err == nil {
			return o, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, errors.New("opendkim does not answer")
}

func (o *opendkim) stop() {
	o.cmd.Process.Kill() //nolint:errcheck // the end
	o.cmd.Wait()         //nolint:errcheck // it was killed
	os.RemoveAll(o.dir)  //nolint:errcheck // a leftover in /tmp does no harm
}

// relayOpendkim measures Postfix that takes letters, has opendkim sign them, and passes them on, until the last has left.
func (c *benchCmd) relayOpendkim(ctx context.Context) (result, error) {
	s, err := startSink()
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
