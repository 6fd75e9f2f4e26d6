package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"
)

// peer is a server that mxdesk is measured beside, or that takes letters: a process with a folder and a port of its own.
type peer struct {
	name string
	dir  string
	port string
	addr string
	cmd  *exec.Cmd // nil: it is no child of ours
}

// newPeer makes the folder of a peer and finds its port.
func newPeer(name string) (*peer, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "mxdesk-"+name+"-")
	if err != nil {
		return nil, err
	}
	return &peer{name: name, dir: dir, port: port, addr: "127.0.0.1:" + port}, nil
}

// run starts the program and waits until it answers. It is stopped when it does not.
func (p *peer) run(ctx context.Context, patience time.Duration, cmd *exec.Cmd) error {
	p.cmd = cmd
	err := cmd.Start()
	if err == nil {
		err = p.answers(ctx, patience)
	}
	if err != nil {
		p.stop()
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// answers waits until the peer takes connections.
func (p *peer) answers(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("it does not answer"))
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the program and deletes the folder.
func (p *peer) stop() {
	if p.cmd != nil && p.cmd.Process != nil {
		p.cmd.Process.Kill() //nolint:errcheck // the end
		p.cmd.Wait()         //nolint:errcheck // it was killed
	}
	os.RemoveAll(p.dir) //nolint:errcheck // a leftover in /tmp does no harm
}

// startSink starts Postfix's discarding server.
func startSink(ctx context.Context) (*peer, error) {
	p, err := newPeer("smtp-sink")
	if err != nil {
		return nil, err
	}
	// -u: it will not run as root.
	return p, p.run(ctx, 5*time.Second, exec.Command("smtp-sink", "-u", "nobody", p.addr, "1024"))
}
