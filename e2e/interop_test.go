//go:build linux

package e2e

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// played is what the table of ./dev interop holds.
type played struct {
	mu   sync.Mutex
	rows []string
}

var interop played

// scenario runs one line of the table: it held, or broke, or was skipped.
func scenario(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Cleanup(func() {
			result := "held"
			switch {
			case t.Failed():
				result = "BROKEN"
			case t.Skipped():
				result = "skipped"
			}
			interop.mu.Lock()
			interop.rows = append(interop.rows, fmt.Sprintf("%-8s %s\n", result, name))
			interop.mu.Unlock()
		})
		f(t)
	})
}

// write puts the table where ./dev interop wants it.
func (p *played) write() error {
	file := os.Getenv("MXDESK_TEST_TABLE")
	if file == "" || len(p.rows) == 0 {
		return nil
	}
	return os.WriteFile(file, []byte(strings.Join(p.rows, "")), 0o644)
}
