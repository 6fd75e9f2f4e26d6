package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestPeer(t *testing.T) {
	sleeps := func() *exec.Cmd { return exec.Command("sleep", "600") }
	gone := func(t *testing.T, p *peer) {
		t.Helper()
		if _, err := os.Stat(p.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("its folder: %v", err)
		}
		if p.cmd.Process != nil && p.cmd.ProcessState == nil {
			t.Error("it still runs")
		}
	}
	t.Run("answers", func(t *testing.T) {
		p, err := newPeer("test")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // a test
		if err := p.run(t.Context(), time.Minute, sleeps()); err != nil {
			t.Error(err)
		}
		p.stop()
		gone(t, p)
	})
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		ctx context.Context
		cmd *exec.Cmd
	}{
		"does not answer":       {t.Context(), sleeps()},
		"there is no such":      {t.Context(), exec.Command("/nowhere/at/all")},
		"nobody wants it to go": {stopped, sleeps()},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := newPeer("test")
			if err != nil {
				t.Fatal(err)
			}
			if err := p.run(c.ctx, time.Millisecond, c.cmd); err == nil {
				t.Error("it answers")
			}
			gone(t, p)
		})
	}
}
