package outbound

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strconv"
	"strings"
	"testing"
)

// TestStatements lets PostgreSQL parse and plan every statement of the package: those are the
// constants whose name begins with sql.
func TestStatements(t *testing.T) {
	x := newWorld(t)
	conn, err := x.pool.Acquire(x.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	statements := map[string]string{}
	pkgs, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return strings.HasPrefix(f.Name(), "store_") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range pkgs["outbound"].Files {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "sql") {
				return true
			}
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			statements[spec.Names[0].Name] = text
			return true
		})
	}
	if len(statements) < 30 {
		t.Fatalf("found %d statements; is the search broken?", len(statements))
	}
	for name, sql := range statements {
		if _, err := conn.Conn().Prepare(x.ctx, "", sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
