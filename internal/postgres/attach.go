package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotRunning is returned by Attach when no server runs in the folder.
var ErrNotRunning = errors.New("no private PostgreSQL runs in the folder")

// Attach returns the connection string of the server that another process runs in dir, for commands beside it.
// The user of this process must be the one who started that server.
func Attach(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w %s", ErrNotRunning, dir)
	}
	if err != nil {
		return "", err
	}
	lines := strings.Split(string(text), "\n") // the fifth is the folder of the socket
	if len(lines) < 5 || lines[4] == "" {
		return "", fmt.Errorf("%w %s", ErrNotRunning, dir)
	}
	return (&cluster{runDir: lines[4]}).url(databaseName), nil
}
