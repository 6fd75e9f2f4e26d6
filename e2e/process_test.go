//go:build linux

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a long-lived program and what it writes.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed when it has ended and all it wrote was read
	killed bool          // by kill

	mu    sync.Mutex
	lines []string
}

// start starts a program, in the folder dir and a session of its own; it ends when this program does.
func start(dir string, env []string, name string, args ...string) (*process, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	return launch(cmd)
}

// launch starts a program and reads what it writes.
func launch(cmd *exec.Cmd) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		r.Close()
		return nil, err
	}
	go p.read(r)
	return p, nil
}

func (p *process) read(r io.ReadCloser) {
	defer close(p.ended)
	defer p.cmd.Wait() //nolint:errcheck // its fate is read from ProcessState
	defer r.Close()
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, in.Text())
		p.mu.Unlock()
	}
}

// log is what it wrote so far.
func (p *process) log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[:len(p.lines):len(p.lines)]
}

// find returns the lines that hold all of the texts.
func (p *process) find(texts ...string) (found []string) {
	for _, line := range p.log() {
		all := true
		for _, s := range texts {
			all = all && strings.Contains(line, s)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}

// alive tells whether it runs.
func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends it as a power failure does.
func (p *process) kill() {
	p.killed = true
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// stop sends SIGTERM and waits; the error tells of an exit code other than 0, or of a process that had to be killed.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill() // it may end at this very moment
		<-p.ended
		return fmt.Errorf("%s did not end within %v of SIGTERM", p.cmd.Path, patience)
	}
	if !p.killed && !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s", p.cmd.Path, p.cmd.ProcessState)
	}
	return nil
}

// tail is the end of the log without the lines that hold one of the texts, for those who look for the reason of a failure.
func (p *process) tail(n int, without ...string) string {
	lines := slices.DeleteFunc(slices.Clone(p.log()), func(line string) bool {
		return slices.ContainsFunc(without, func(s string) bool { return strings.Contains(line, s) })
	})
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
