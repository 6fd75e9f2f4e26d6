package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minimumMajor is the oldest major version of PostgreSQL that a new cluster is made with.
const minimumMajor = 15

// programs is one installed PostgreSQL.
type programs struct {
	dir     string // where initdb and postgres are
	version string // "15.18"
	major   int
}

// usualPlaces are patterns of folders that hold the server's programs.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin",       // Debian, Ubuntu
	"/usr/pgsql-*/bin",                // packages of the PostgreSQL project for Red Hat
	"/usr/libexec/postgresql*",        // Alpine
	"/usr/local/pgsql/bin",            // built from source
	"/opt/homebrew/opt/postgres*/bin", // macOS
	"/usr/local/opt/postgres*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// findPrograms returns the installation in binDir, or, with an empty binDir, one from the usual
// places: of exactly this major version, or with major 0 the newest.
func findPrograms(ctx context.Context, binDir string, major int) (programs, error) {
	dirs := []string{binDir}
	if binDir == "" {
		dirs = candidateDirs(ctx)
	}
	var found []programs
	var silent []string
	for _, dir := range dirs {
		p, err := examine(ctx, dir)
		switch {
		case err != nil:
			silent = append(silent, err.Error())
		case p.major > 0:
			found = append(found, p)
		}
	}
	best, err := choose(found, major, binDir)
	if err != nil && silent != nil {
		err = fmt.Errorf("%w (not used: %s)", err, strings.Join(silent, "; "))
	}
	return best, err
}

// candidateDirs lists every folder worth a look, each once.
func candidateDirs(ctx context.Context) []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range usualPlaces {
		matches, _ := filepath.Glob(pattern) // the patterns are well formed
		dirs = append(dirs, matches...)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// askTime bounds the wait for a program to tell its version, which on a laden machine takes seconds.
const askTime = time.Minute

// examine asks the postgres in dir for its version. The zero value means that there is none; an error, that there is one
// that does not say what it is.
func examine(ctx context.Context, dir string) (programs, error) {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return programs{}, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return programs{}, fmt.Errorf("%s/postgres --version: %w", dir, err)
	}
	version, major := parseVersion(string(out))
	if major == 0 {
		return programs{}, fmt.Errorf("%s/postgres --version says nothing of a version", dir)
	}
	return programs{dir, version, major}, nil
}

// parseVersion reads "postgres (PostgreSQL) 15.18 (Debian …)"; major is 0 when it cannot.
func parseVersion(out string) (version string, major int) {
	_, rest, _ := strings.Cut(out, "(PostgreSQL) ")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return "", 0
	}
	digits := fields[0]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end] // "18.1", "18beta1"
	}
	major, err := strconv.Atoi(digits)
	if err != nil {
		return "", 0
	}
	return fields[0], major
}

// choose picks from what was found, or says what to install.
func choose(found []programs, major int, binDir string) (programs, error) {
	best := programs{}
	var seen []string
	for _, p := range found {
		seen = append(seen, p.version+" in "+p.dir)
		if fits := p.major == major || major == 0 && p.major >= minimumMajor; fits && p.major > best.major {
			best = p
		}
	}
	if best.major > 0 {
		return best, nil
	}
	where := "the usual places"
	if binDir != "" {
		where = binDir
	}
	if seen == nil {
		seen = []string{"none"}
	}
	looked := fmt.Sprintf("found in %s: %s", where, strings.Join(seen, ", "))
	if major == 0 {
		return best, fmt.Errorf("%w: it needs version %d or newer; %s; install %s", ErrNoPrograms, minimumMajor, looked, packageName(0))
	}
	return best, fmt.Errorf("%w: the data was made by version %d and only that version can read it; %s; install %s",
		ErrNoPrograms, major, looked, packageName(major))
}

// packageName is what to install for a major version, or for the system's own version with 0.
func packageName(major int) string {
	switch {
	case runtime.GOOS == "darwin" && major == 0:
		return "postgresql with Homebrew"
	case runtime.GOOS == "darwin":
		return fmt.Sprintf("postgresql@%d with Homebrew", major)
	case major == 0:
		return "the package postgresql"
	}
	return fmt.Sprintf("the package postgresql-%d", major)
}
