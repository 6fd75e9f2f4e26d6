package pgtest

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Statements are the SQL texts of a package: its constants whose name begins with "sql", from the files
// store_*.go of dir, by name. Constants may be put together with "+".
func Statements(t testing.TB, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "store_*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no store_*.go in %s: %v", dir, err)
	}
	values := map[string]ast.Expr{}
	for _, f := range files {
		file, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == len(spec.Names) {
				for i, name := range spec.Names {
					values[name.Name] = spec.Values[i]
				}
			}
			return true
		})
	}
	statements := map[string]string{}
	for name, value := range values {
		if strings.HasPrefix(name, "sql") {
			statements[name] = evaluate(t, value, values)
		}
	}
	return statements
}

// evaluate is the text of a constant expression.
func evaluate(t testing.TB, e ast.Expr, values map[string]ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.StringVal(constant.MakeFromLiteral(e.Value, e.Kind, 0))
	case *ast.Ident:
		return evaluate(t, values[e.Name], values)
	case *ast.BinaryExpr:
		return evaluate(t, e.X, values) + evaluate(t, e.Y, values)
	}
	t.Fatalf("a statement is made of %T", e)
	return ""
}

// Prepare has PostgreSQL prepare every statement of a package; it names those that it refuses.
func Prepare(t testing.TB, pool *pgxpool.Pool, statements map[string]string) {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for name, sql := range statements {
		if _, err := conn.Conn().Prepare(t.Context(), "", sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
