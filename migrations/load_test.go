package migrations

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestLoad(t *testing.T) {
	for names, want := range map[string]string{
		"0001_a.sql 0002_b.sql":          "",
		"0001_a.sql 0003_c.sql":          "0003_c.sql: expected a name that begins with 0002_",
		"0001_a.sql 0001_b.sql":          "0001_b.sql",
		"0002_b.sql":                     "0002_b.sql",
		"1_a.sql":                        "1_a.sql",
		"a.sql":                          "a.sql",
		"0001_a.sql 0002_b.sql notes.md": "",
	} {
		fsys := fstest.MapFS{}
		for _, name := range strings.Fields(names) {
			fsys[name] = &fstest.MapFile{Data: []byte("SELECT 1")}
		}
		all, err := load(fsys)
		if want == "" && (err != nil || len(all) != 2 || all[1].version != 2 || all[1].name != "0002_b") {
			t.Errorf("%s: %v, %v", names, all, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", names, err, want)
		}
	}
}

func TestOwnFilesLoad(t *testing.T) {
	all, err := load(files)
	if err != nil || len(all) != Latest() || len(all) == 0 {
		t.Errorf("%d migrations, %v; Latest is %d", len(all), err, Latest())
	}
}

func TestLineOf(t *testing.T) {
	const sql = "-- für\nCREATE TABLE a ();\nCREATE TABEL b ();"
	at := func(position int32) error { return &pgconn.PgError{Position: position} }
	for _, err := range []error{at(0), errors.New("broken pipe")} {
		if got := lineOf(sql, err); got != "" {
			t.Errorf("lineOf(%v) = %q, want nothing", err, got)
		}
	}
	position := int32(len([]rune(sql[:strings.Index(sql, "TABEL")]))) + 1
	if got := lineOf(sql, at(position)); got != ", line 3" {
		t.Errorf("lineOf = %q, want line 3", got)
	}
	if got := lineOf(sql, at(9999)); got != ", line 3" {
		t.Errorf("beyond the end: %q", got)
	}
}

func TestCheck(t *testing.T) {
	good := settings{VersionNumber: 150018, Version: "15.18", Fsync: "on", SynchronousCommit: "on", Encoding: "UTF8"}
	for want, change := range map[string]func(*settings){
		"":                          func(*settings) {},
		"14.9":                      func(s *settings) { s.VersionNumber, s.Version = 140009, "14.9" },
		"fsync is off":              func(s *settings) { s.Fsync = "off" },
		"synchronous_commit is off": func(s *settings) { s.SynchronousCommit = "off" },
		"SQL_ASCII":                 func(s *settings) { s.Encoding = "SQL_ASCII" },
	} {
		s := good
		change(&s)
		err := s.check()
		if (err == nil) != (want == "") {
			t.Errorf("%q: error %v", want, err)
		}
		if err != nil && (!errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for _, safe := range []string{"local", "remote_write", "remote_apply"} {
		s := good
		s.SynchronousCommit = safe
		if err := s.check(); err != nil {
			t.Errorf("%s: %v", safe, err)
		}
	}
}
