package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The rules of the house. README.md draws the rooms; here a machine checks who may enter which.

const module = "mxdesk"

// rule says what the packages in a folder may import. A trailing slash means the packages within.
type rule struct {
	folder string   // "" is main
	ours   []string // the folders of ours that they may import; "*" is all
	never  []string // what they must not import, of ours or others
}

// The first rule that fits a package holds.
var rules = []rule{
	{folder: "", ours: []string{"config", "smtpd", "ticketing", "ticketing/", "outbound", "outbound/", "admin", "web", "migrations", "internal/"}},
	{folder: "config", never: driver},
	{folder: "migrations", ours: []string{"internal/"}},
	{folder: "smtpd", ours: []string{"internal/"}, never: driver},
	{folder: "ticketing/", ours: []string{"ticketing/", "internal/"}, never: impure},
	{folder: "ticketing", ours: []string{"ticketing/", "outbound", "internal/"}},
	{folder: "outbound/", ours: []string{"outbound/", "internal/"}, never: driver},
	{folder: "outbound", ours: []string{"outbound/", "internal/"}},
	{folder: "admin", ours: []string{"ticketing", "ticketing/", "outbound", "internal/"}, never: driver},
	{folder: "web", ours: []string{"ticketing", "outbound", "outbound/", "internal/"}, never: driver},
	{folder: "internal/pgtest", ours: []string{"internal/", "migrations"}},
	{folder: "internal/pgtest/", ours: []string{"internal/"}},
	{folder: "internal/", ours: []string{"internal/"}},
	// Programs that look at mxdesk from outside; nothing imports them.
	{folder: "bench", ours: []string{"*"}},
	{folder: "bench/", ours: []string{"*"}},
	{folder: "e2e", ours: []string{"*"}},
	{folder: "e2e/", ours: []string{"*"}},
}

var (
	driver = []string{"github.com/jackc/pgx/", "database/sql", "mxdesk/internal/postgres"}
	impure = append([]string{"os", "os/exec", "net", "net/http"}, driver...)
)

// The package of each stage of a letter's way.
var stages = []string{"smtpd", "ticketing", "outbound", "web"}

// Methods whose name says what they do.
var selfExplaining = []string{"Error", "String", "Unwrap"}

// Sizes at which a reader loses the thread. The soft ones are reported by go test -v, the hard ones fail.
const (
	softFunction, hardFunction = 60, 80
	softFile, hardFile         = 400, 600
	docLines                   = 60
)

// tooLarge lists what is over a hard size for a good reason: "file.go" or "file.go:function". Keep it empty.
var tooLarge = []string{}

// pkg is what `go list` tells of a package.
type pkg struct {
	ImportPath, Dir, Name string
	GoFiles, Imports      []string
}

// folder is the path of the package within the module, "" for main.
func (p pkg) folder() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func packages(t *testing.T) []pkg {
	t.Helper()
	var errors bytes.Buffer
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Name,GoFiles,Imports", "./...")
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errors.String())
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list finds %d packages only", len(all))
	}
	return all
}

// fits tells whether a folder is the pattern's, or within it when the pattern ends in a slash.
func fits(pattern, folder string) bool {
	return pattern == "*" || pattern == folder || strings.HasSuffix(pattern, "/") && strings.HasPrefix(folder, pattern)
}

func TestWhoImportsWhom(t *testing.T) {
	for _, p := range packages(t) {
		folder := p.folder()
		i := slices.IndexFunc(rules, func(r rule) bool { return fits(r.folder, folder) })
		if i < 0 {
			t.Errorf("no rule says what package %s may import: add one to house_test.go", folder)
			continue
		}
		for _, imported := range p.Imports {
			if wrong := rules[i].forbids(imported); wrong != "" {
				t.Errorf("%s imports %s, %s: hand the value over in main, or move the code", p.ImportPath, imported, wrong)
			}
		}
	}
}

// forbids says why a package may not be imported, "" if it may.
func (r rule) forbids(imported string) string {
	for _, n := range r.never {
		if imported == n || strings.HasSuffix(n, "/") && strings.HasPrefix(imported, n) {
			return "which does no such I/O"
		}
	}
	folder, isOurs := strings.CutPrefix(imported, module+"/")
	if isOurs && !slices.ContainsFunc(r.ours, func(pattern string) bool { return fits(pattern, folder) }) {
		return fmt.Sprintf("but may import only %q of ours", r.ours)
	}
	return ""
}

func TestRule(t *testing.T) {
	r := rule{folder: "smtpd", ours: []string{"internal/"}, never: driver}
	for _, test := range []struct {
		imported string
		wrong    bool
	}{
		{"fmt", false},
		{"mxdesk/internal/dns", false},
		{"mxdesk/ticketing", true},
		{"mxdesk/internal/postgres", true},
		{"github.com/jackc/pgx/v5", true},
	} {
		if got := r.forbids(test.imported) != ""; got != test.wrong {
			t.Errorf("forbids(%s) = %v", test.imported, got)
		}
	}
}

// source is one Go file.
type source struct {
	path, folder string
	test         bool
	file         *ast.File
	fset         *token.FileSet
	lines        int
}

// sources parses every Go file of the module, save those of generated or foreign folders.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, path := range ourFiles(t) {
		if filepath.Ext(path) != ".go" || strings.HasPrefix(path, "tools/") || strings.Contains(path, "testdata/") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		all = append(all, source{path, folder, strings.HasSuffix(path, "_test.go"), file, fset, fset.File(file.Pos()).LineCount()})
	}
	return all
}

// ourFiles lists the files of the repository.
func ourFiles(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == ".git" || path == ".build" || path == "data") {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestEveryStageHasItsDoc(t *testing.T) {
	for _, stage := range stages {
		path := filepath.Join(stage, "doc.go")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s: every stage tells there its purpose, its states, what happens when we die, and where to begin reading", err)
			continue
		}
		if !bytes.HasPrefix(text, []byte("// Package "+stage+" ")) {
			t.Errorf("%s does not begin with the comment of package %s", path, stage)
		}
		if n := bytes.Count(text, []byte("\n")); n > docLines {
			t.Errorf("%s has %d lines: at most %d are read", path, n, docLines)
		}
	}
}

func TestEveryPackageIsExplained(t *testing.T) {
	explained := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test {
			explained[s.folder] = explained[s.folder] || s.file.Doc != nil
		}
	}
	for folder, is := range explained {
		if !is {
			t.Errorf("package %s has no comment: say in one paragraph what it is for", folder)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.file.Name.Name == "main" {
			continue
		}
		for _, d := range s.file.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no comment: say what it is, in which units, with which errors", s.fset.Position(name.Pos()), name.Name)
			}
		}
	}
}

// undocumented lists the exported names of a declaration that nothing explains.
func undocumented(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && receiverIsExported(d) && !slices.Contains(selfExplaining, d.Name.Name) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if d.Doc == nil && spec.Doc == nil && spec.Comment == nil && spec.Name.IsExported() {
					names = append(names, spec.Name)
				}
			case *ast.ValueSpec:
				if d.Doc == nil && spec.Doc == nil && spec.Comment == nil && spec.Names[0].IsExported() {
					names = append(names, spec.Names[0])
				}
			}
		}
		return names
	}
	return nil
}

func receiverIsExported(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.IsExported()
}

// statement is a text that begins as SQL does. Words in messages are in lower case.
var statement = regexp.MustCompile(`^["\x60]\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|LOCK|TRUNCATE|CREATE|ALTER|DROP|COPY|NOTIFY|LISTEN)\s`)

// atHomeWithSQL are the packages whose matter PostgreSQL itself is.
var atHomeWithSQL = []string{"migrations", "internal/postgres", "internal/pgtest", "internal/pgtest/", "bench", "bench/", "e2e", "e2e/"}

func TestSQLStandsInStores(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || strings.HasPrefix(filepath.Base(s.path), "store_") ||
			slices.ContainsFunc(atHomeWithSQL, func(pattern string) bool { return fits(pattern, s.folder) }) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && statement.MatchString(text.Value) {
				t.Errorf("%s: SQL outside of a store_*.go: move the statement there, in a function of its own", s.fset.Position(text.Pos()))
			}
			return true
		})
	}
}

func TestSizes(t *testing.T) {
	excused := map[string]bool{}
	report := func(what string, size, soft, hard int) {
		switch {
		case size > hard && slices.Contains(tooLarge, what):
			excused[what] = true
		case size > hard:
			t.Errorf("%s has %d lines, at most %d fit in a head: split it where its parts have names", what, size, hard)
		case size > soft:
			t.Logf("%s has %d lines; %d would be good", what, size, soft)
		}
	}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if hasFunction(s.file) { // a table is not read from top to bottom
			report(s.path, s.lines, softFile, hardFile)
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
				report(s.path+":"+f.Name.Name, lines, softFunction, hardFunction)
			}
		}
	}
	for _, what := range tooLarge {
		if !excused[what] {
			t.Errorf("%s is not too large any more: take it from the list in house_test.go", what)
		}
	}
}

func hasFunction(f *ast.File) bool {
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool { _, is := d.(*ast.FuncDecl); return is })
}

func TestTestsWaitForSignals(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && call.Sel.Name == "Sleep" {
				if from, ok := call.X.(*ast.Ident); ok && from.Name == "time" {
					t.Errorf("%s: a test that sleeps is slow or wrong: wait for a signal, with a deadline", s.fset.Position(call.Pos()))
				}
			}
			return true
		})
	}
}

// unwelcome is what must not stand in the repository: work left for later, and paths of one developer's machine.
var unwelcome = regexp.MustCompile(`\b(TOD` + `O|FIX` + `ME)\b|(^|[\s"'(=:])/(work|root|home/\w+|Users/\w+)/\w`)

func TestNoUnwelcomeWords(t *testing.T) {
	for _, path := range ourFiles(t) {
		switch filepath.Ext(path) {
		case ".go", ".sql", ".md", ".mod", ".toml", ".yml", ".yaml", ".json", "":
		default:
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if word := unwelcome.FindString(line); word != "" {
				t.Errorf("%s:%d: %q: do it now, or take it out", path, i+1, strings.TrimSpace(word))
			}
		}
	}
}
