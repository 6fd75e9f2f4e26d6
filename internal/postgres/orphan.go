package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pidFile is what we need of postmaster.pid.
type pidFile struct {
	pid   int
	ready bool // the server takes connections
}

// readPidFile reads postmaster.pid; the zero value when there is none, or none that makes sense.
func (c *cluster) readPidFile() (pidFile, error) {
	f, err := os.Open(filepath.Join(c.data, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return pidFile{}, nil
	}
	if err != nil {
		return pidFile{}, fmt.Errorf("read postmaster.pid: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return pidFile{}, fmt.Errorf("read postmaster.pid: %w", err)
	}
	return parsePidFile(string(content)), nil
}

// parsePidFile reads the process id in the first line and the state in the eighth.
func parsePidFile(content string) pidFile {
	lines := strings.Split(content, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 1 {
		return pidFile{}
	}
	return pidFile{pid, len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready"}
}

// endOrphan stops a server that a killed run of this program left on the cluster. If the process
// named in postmaster.pid lives but is no such server, it returns its id: the file is stale and the
// number has been given to a stranger.
func (c *cluster) endOrphan(ctx context.Context, logger *slog.Logger) (stranger int, err error) {
	file, err := c.readPidFile()
	if err != nil || file.pid == 0 || !alive(file.pid) {
		return 0, err
	}
	if !c.isOurServer(ctx, file.pid) {
		return file.pid, nil
	}
	logger.Warn("PostgreSQL was left running by a mxdesk that was killed; stopping it", "pid", file.pid)
	began := time.Now()
	for signal := syscall.SIGINT; ; {
		if err := syscall.Kill(file.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return 0, fmt.Errorf("stop the server left behind (process %d): %w", file.pid, err)
		}
		// Not our child: there is nothing to wait on, so look again and again.
		for patience := time.Since(began) + stopPatience(signal); time.Since(began) < patience; {
			if !c.isOurServer(ctx, file.pid) {
				return 0, nil
			}
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return 0, err
			}
		}
		if signal == syscall.SIGQUIT {
			return 0, fmt.Errorf("the server left behind (process %d) does not stop", file.pid)
		}
		signal = syscall.SIGQUIT
	}
}

func stopPatience(signal syscall.Signal) time.Duration {
	if signal == syscall.SIGINT {
		return fastStop
	}
	return immediateStop
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// isOurServer tells whether the process pid is a postgres that works on this cluster: a server has
// its data folder as working directory, and as argument of -D when we started it.
func (c *cluster) isOurServer(ctx context.Context, pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if cmdline, err := os.ReadFile(filepath.Join(proc, "cmdline")); err == nil {
		program, _, _ := bytes.Cut(cmdline, []byte{0})
		cwd, err := os.Stat(filepath.Join(proc, "cwd"))
		data, err2 := os.Stat(c.data)
		return err == nil && err2 == nil && filepath.Base(string(program)) == "postgres" && os.SameFile(cwd, data)
	}
	if _, err := os.Stat("/proc/self"); err == nil {
		return false // there is a /proc, and the process is not in it
	}
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), "postgres -D "+c.data+" ")
}
