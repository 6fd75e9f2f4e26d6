package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for out, want := range map[string]struct {
		version string
		major   int
	}{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": {"15.18", 15},
		"postgres (PostgreSQL) 18beta1\n":                        {"18beta1", 18},
		"postgres (PostgreSQL) 17\n":                             {"17", 17},
		"postgres (PostgreSQL) devel\n":                          {"", 0},
		"postgres (PostgreSQL) ":                                 {"", 0},
		"mysqld 8":                                               {"", 0},
		"":                                                       {"", 0},
	} {
		if version, major := parseVersion(out); version != want.version || major != want.major {
			t.Errorf("parseVersion(%q) = %q, %d, want %v", out, version, major, want)
		}
	}
}

func TestChoose(t *testing.T) {
	found := []programs{{"/a", "14.9", 14}, {"/b", "17.1", 17}, {"/c", "15.18", 15}}
	for _, c := range []struct {
		found []programs
		major int
		want  string // the folder, or part of the error
	}{
		{found, 0, "/b"},
		{found, 15, "/c"},
		{found, 14, "/a"}, // a cluster of that version is read by that version
		{found, 16, "made by version 16"},
		{found, 16, "postgresql"},
		{found, 16, "17.1 in /b"},
		{found[:1], 0, "needs version 15"},
		{nil, 0, "found in the usual places: none"},
	} {
		p, err := choose(c.found, c.major, "")
		if err == nil && p.dir != c.want {
			t.Errorf("choose(%d) = %v, want %s", c.major, p, c.want)
		}
		if err != nil && (!errors.Is(err, ErrNoPrograms) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("choose(%d): %v, want %s", c.major, err, c.want)
		}
	}
}

func TestBinDirIsTheOnlyPlace(t *testing.T) {
	dir := t.TempDir()
	if _, err := findPrograms(t.Context(), dir, 0); !errors.Is(err, ErrNoPrograms) || !strings.Contains(err.Error(), dir) {
		t.Errorf("in an empty folder: %v", err)
	}
	for name, script := range map[string]string{"initdb": "", "postgres": "echo 'postgres (PostgreSQL) 99.1'"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := findPrograms(t.Context(), dir, 0); err != nil || p.major != 99 || p.dir != dir {
		t.Errorf("found %v, %v", p, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "postgres"), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := findPrograms(t.Context(), dir, 0); !errors.Is(err, ErrNoPrograms) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("one that does not work: %v", err)
	}
}

func TestInitOptions(t *testing.T) {
	for major, builtin := range map[int]bool{15: false, 16: false, 17: true, 18: true} {
		options := initOptions(major)
		if slices.Contains(options, "--locale-provider=builtin") != builtin {
			t.Errorf("%d: %v", major, options)
		}
	}
}

func TestEnvironmentKeepsSecretsBack(t *testing.T) {
	got := environment([]string{"PATH=/bin", "PGPORT=1", "MXDESK_DATABASE_URL=postgres://u:secret@h/d", "HOME=/root", "LANG=de_DE"})
	if want := []string{"PATH=/bin", "HOME=/root"}; !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

func TestParsePidFile(t *testing.T) {
	for content, want := range map[string]pidFile{
		"4711\n/d\n1700000000\n5432\n/run\n\n  1  2\nready   \n": {4711, true},
		"4711\n/d\n1700000000\n5432\n/run\n\n  1  2\nstarting\n": {4711, false},
		"4711\n/d\n1700000000\n5432\n/run\n\n  1  2\nstopping\n": {4711, false},
		"4711\n":                 {4711, false},
		"":                       {},
		"-4711\n":                {}, // of a single-user server
		"1\nx":                   {}, // never a server of ours, and never to be signalled
		"ready":                  {},
		"99999999999999999999\n": {},
	} {
		if got := parsePidFile(content); got != want {
			t.Errorf("parsePidFile(%q) = %v, want %v", content, got, want)
		}
	}
}

func FuzzParsePidFile(f *testing.F) {
	f.Add("4711\n/d\n17\n5432\n/run\n\n 1 2\nready\n")
	f.Add("-1\n")
	f.Fuzz(func(t *testing.T, content string) {
		// kill takes 0 and negative numbers for groups of processes, and 1 is init.
		if got := parsePidFile(content); got.pid != 0 && got.pid <= 1 || got.pid == 0 && got.ready {
			t.Errorf("parsePidFile(%q) = %v", content, got)
		}
	})
}
