package web

import (
	"testing"

	"go.uber.org/goleak"

	"mxdesk/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }
