package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	fastStop      = 30 * time.Second // SIGINT: roll back, checkpoint, end
	immediateStop = 10 * time.Second // SIGQUIT: end without a checkpoint; the next start recovers
)

// errEnded is wrapped by the error of a server that ended while it started.
var errEnded = errors.New("postgres ended while it started")

// process is one run of postgres.
type process struct {
	cmd   *exec.Cmd
	log   *logWriter
	ended chan struct{} // closed when it has ended and its log has been read
	err   error         // of Wait; valid once ended is closed
}

// startProcess starts cmd and waits for its end in a goroutine.
func startProcess(cmd *exec.Cmd, logger *slog.Logger) (*process, error) {
	p := &process{cmd: cmd, log: &logWriter{logger: logger}, ended: make(chan struct{})}
	cmd.Stderr = p.log
	p.log.routine.Store(true)
	// Children of a killed postgres hold its standard error for a moment; do not wait for them for ever.
	cmd.WaitDelay = 2 * time.Second
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the thread ends that started the child, not the
		// program; so this thread stays until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			p.log.flush()
		}
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// reason says why a process that has ended did so, in the server's own words if it left some.
func (p *process) reason() string {
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	if said := p.log.lastComplaint(); said != "" {
		how += ": " + said
	}
	return how
}

// stop ends the process, politely first, and returns when it has ended. It returns an error when
// the polite way was not enough.
func (p *process) stop() error {
	p.log.routine.Store(true)
	for _, step := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{
		{syscall.SIGINT, fastStop},
		{syscall.SIGQUIT, immediateStop},
	} {
		p.cmd.Process.Signal(step.signal) // fails only when it has ended
		timer := time.NewTimer(step.patience)
		select {
		case <-p.ended:
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
	p.cmd.Process.Kill()
	<-p.ended
	return fmt.Errorf("PostgreSQL did not stop within %v and was killed; it will recover at its next start", fastStop+immediateStop)
}
