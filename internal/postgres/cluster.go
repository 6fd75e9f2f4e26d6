package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	roleName     = "mxdesk" // the role that owns the cluster
	databaseName = "mxdesk"
	port         = "5432" // part of the socket's name; nothing listens on a network
	// maxSocketPath is the longest path of a socket that every system takes, in octets.
	maxSocketPath = 100
)

// cluster is a data folder that we hold the lock of, and all that is needed to run a server on it.
type cluster struct {
	dir      string // Config.Dir, absolute, without symbolic links
	data     string
	runDir   string // of the socket
	tempRun  bool   // runDir is in /tmp and goes with us
	lock     *os.File
	programs programs
	account  account
	settings map[string]string
	fresh    bool // the cluster was made just now
}

// openCluster takes the lock, and makes the cluster if there is none. Call close in the end.
func openCluster(ctx context.Context, cfg Config) (*cluster, error) {
	dir, err := makeDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, data: filepath.Join(dir, "data")}
	if c.lock, err = lockFile(filepath.Join(dir, "lock")); err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, cfg); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// prepare does all that is done once, before the server is started for the first time.
func (c *cluster) prepare(ctx context.Context, cfg Config) error {
	major, err := clusterMajor(c.data)
	if err != nil {
		return err
	}
	if c.programs, err = findPrograms(ctx, cfg.BinDir, major); err != nil {
		return err
	}
	if c.account, err = chooseAccount(c.data); err != nil {
		return err
	}
	if major == 0 {
		if err := c.initialise(ctx, cfg.Settings["fsync"] == "off"); err != nil {
			return err
		}
	}
	if err := c.writeAccess(); err != nil {
		return err
	}
	if err := c.makeRunDir(); err != nil {
		return err
	}
	c.settings = c.chooseSettings(ctx, cfg.Settings)
	return nil
}

// close gives the lock back.
func (c *cluster) close() {
	if c.tempRun {
		os.RemoveAll(c.runDir)
	}
	c.lock.Close()
}

// makeDir makes the folder, open to pass for the server's user when we are root, and returns its
// real path: a server left behind is known by it.
func makeDir(dir string) (string, error) {
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o755
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return "", fmt.Errorf("make the folder: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", fmt.Errorf("resolve the folder: %w", err)
	}
	return dir, nil
}

// lockFile locks the file at path for this process and writes its id there. A second mxdesk would
// otherwise take the first one's server for one left behind, and stop it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		holder := make([]byte, 20)
		n, _ := f.ReadAt(holder, 0) // only for the message
		return nil, fmt.Errorf("%w (process %s holds %s)", ErrInUse, bytes.TrimSpace(holder[:n]), path)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write the lock: %w", err)
	}
	return f, nil
}

// clusterMajor is the major version that made the cluster in data; 0 when there is no cluster and
// one can be made there.
func clusterMajor(data string) (int, error) {
	content, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		names, err := os.ReadDir(data)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("read the data folder: %w", err)
		}
		if len(names) > 0 {
			return 0, fmt.Errorf("%s holds something that is no PostgreSQL cluster; it is left alone", data)
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the cluster: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || major <= 0 {
		return 0, fmt.Errorf("%s holds a cluster of unknown version %.20q", data, content)
	}
	return major, nil
}

// initialise makes the cluster beside its place and renames it, so that data is whole or not there.
func (c *cluster) initialise(ctx context.Context, noSync bool) error {
	fresh := c.data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove an unfinished cluster: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := c.account.give(fresh); err != nil {
		return fmt.Errorf("give the data folder to %s: %w", c.account.name, err)
	}
	args := append([]string{"-D", fresh, "-U", roleName, "--no-instructions"}, initOptions(c.programs.major)...)
	if noSync {
		args = append(args, "--no-sync")
	}
	var out bytes.Buffer // initdb says little
	cmd := c.command(ctx, "initdb", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	// The death signal is bound to this thread, as in startProcess.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(out.String())
		return c.explain(fmt.Errorf("initdb: %w: %s", err, said[max(len(said)-1000, 0):]))
	}
	if err := os.Rename(fresh, c.data); err != nil {
		return fmt.Errorf("put the new cluster in place: %w", err)
	}
	c.fresh = true
	return syncDir(c.dir)
}

// initOptions are those of initdb that matter for ever. With plain C as locale lower('Ä'), ILIKE and
// full text search would not fold; C.UTF-8 folds, and sorts the same on every machine.
func initOptions(major int) []string {
	locale := "C.UTF-8"
	if runtime.GOOS == "darwin" {
		locale = "en_US.UTF-8" // older releases have no C.UTF-8
	}
	options := []string{"-E", "UTF8", "--locale=" + locale, "--data-checksums", "--auth-local=peer", "-A", "reject"}
	if major >= 17 {
		options = append(options, "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
	}
	return options
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open for sync: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync the folder: %w", err)
	}
	return nil
}

// writeAccess writes who may connect: this user and the server's, by the socket.
func (c *cluster) writeAccess() error {
	var ident strings.Builder
	names := []string{c.account.name}
	if c.account.credential != nil {
		names = append(names, "root")
	}
	for _, name := range names {
		fmt.Fprintf(&ident, "mxdesk \"%s\" %s\n", name, roleName)
	}
	hba := "local all " + roleName + " peer map=mxdesk\n"
	for path, content := range map[string]string{c.hbaFile(): hba, c.identFile(): ident.String()} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return fmt.Errorf("write who may connect: %w", err)
		}
	}
	return nil
}

func (c *cluster) hbaFile() string   { return filepath.Join(c.dir, "pg_hba.conf") }
func (c *cluster) identFile() string { return filepath.Join(c.dir, "pg_ident.conf") }

// makeRunDir makes the folder of the socket, which nobody but the server's user (and root) may enter.
func (c *cluster) makeRunDir() error {
	c.runDir = filepath.Join(c.dir, "run")
	var err error
	// Both PostgreSQL and the connection string take a comma for the end of a name.
	if len(c.runDir)+len("/.s.PGSQL."+port) > maxSocketPath || strings.ContainsAny(c.runDir, `,"`) {
		c.runDir, err = os.MkdirTemp("/tmp", "mxdesk-") // $TMPDIR may be long, or closed to the server's user
		c.tempRun = err == nil
	} else if err = os.Mkdir(c.runDir, 0o700); errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = c.account.give(c.runDir)
	}
	if err != nil {
		return fmt.Errorf("make the folder of the socket: %w", err)
	}
	return nil
}

// chooseSettings returns the settings of the server: ours, and on top of them those asked for.
func (c *cluster) chooseSettings(ctx context.Context, asked map[string]string) map[string]string {
	chosen := map[string]string{
		"cluster_name":            "mxdesk",
		"max_connections":         "60",
		"jit":                     "off", // our queries are short
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"max_wal_size":            "512MB",
		"log_checkpoints":         "off",
		"listen_addresses":        "",
		"unix_socket_directories": c.runDir,
		"port":                    port,
		"hba_file":                c.hbaFile(),
		"ident_file":              c.identFile(),
		"log_destination":         "stderr",
		"logging_collector":       "off",
		"log_line_prefix":         "",
	}
	// lz4 is an option of the build; an unknown value would keep the server from starting.
	lz4 := map[string]string{"default_toast_compression": "lz4", "wal_compression": "lz4"}
	test := c.command(ctx, "postgres", append([]string{"-D", c.data, "-C", "wal_compression"}, arguments(lz4)...)...)
	if test.Run() == nil {
		maps.Copy(chosen, lz4)
	}
	maps.Copy(chosen, asked)
	return chosen
}

// arguments are settings as postgres takes them, in a fixed order.
func arguments(settings map[string]string) []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// command is a program of PostgreSQL, to run as the server's user.
func (c *cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.programs.dir, name), args...)
	cmd.Dir = c.dir
	cmd.Env = environment(os.Environ())
	cmd.SysProcAttr = attributes(c.account.credential, syscall.SIGKILL)
	return cmd
}

// serverCommand is the server. stranger is a process id in postmaster.pid that is known not to be a
// server's: postgres disregards the id that this variable names (meant for that of a shell).
func (c *cluster) serverCommand(stranger int) *exec.Cmd {
	// Not bound to a context: it is stopped by signals, in order.
	cmd := c.command(context.Background(), "postgres", append([]string{"-D", c.data}, arguments(c.settings)...)...)
	cmd.SysProcAttr = attributes(c.account.credential, syscall.SIGINT)
	if stranger != 0 {
		cmd.Env = append(cmd.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(stranger))
	}
	return cmd
}

// environment keeps what a program needs to run. Our own environment may hold secrets, and
// variables like PGPORT would change what the server does.
func environment(all []string) []string {
	var kept []string
	for _, variable := range all {
		name, _, _ := strings.Cut(variable, "=")
		if slices.Contains([]string{"PATH", "HOME", "TZDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LOCPATH", "LOCALE_ARCHIVE"}, name) {
			kept = append(kept, variable)
		}
	}
	return kept
}

// explain adds to a refused permission which folder is closed to the server's user.
func (c *cluster) explain(err error) error {
	if closed := c.account.closedFolder(c.dir); closed != "" {
		return fmt.Errorf("the user %s, as which PostgreSQL runs, may not pass through %s (chmod o+x, or choose another folder): %w",
			c.account.name, closed, err)
	}
	return err
}
