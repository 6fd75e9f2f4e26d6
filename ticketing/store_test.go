package ticketing

import (
	"testing"

	"mxdesk/internal/pgtest"
)

func TestStatements(t *testing.T) {
	statements := pgtest.Statements(t, ".")
	if len(statements) < 40 {
		t.Fatalf("found %d statements; is the search broken?", len(statements))
	}
	pgtest.Prepare(t, pgtest.New(t), statements)
}
