package pgtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"mxdesk/internal/postgres"
)

// Server is a private PostgreSQL in a folder that goes with it.
type Server struct {
	*postgres.Server
	dir string
}

// StartServer starts a private PostgreSQL that is fast, and forgets everything in a power failure.
func StartServer() (*Server, error) {
	removeLeftOvers()
	dir, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // run by root, it belongs to another user
		return nil, fmt.Errorf("open the folder for PostgreSQL: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := postgres.Start(ctx, postgres.Config{
		Dir: dir,
		Settings: map[string]string{
			"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
			"max_connections": "300", // many test programs at once
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Server{server, dir}, nil
}

// Stop stops the server and removes its folder.
func (s *Server) Stop() error {
	return errors.Join(s.Server.Stop(), os.RemoveAll(s.dir))
}

const folderPrefix = "mxdesk-pgtest-"

// removeLeftOvers removes the folders of test programs that were killed. A folder in use is locked; a
// young one may not be locked yet.
func removeLeftOvers() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*")) // the pattern is well formed
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < time.Hour {
			continue
		}
		lock, err := os.Open(filepath.Join(dir, "lock"))
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(dir) // what is not ours stays
		}
		lock.Close()
	}
}
