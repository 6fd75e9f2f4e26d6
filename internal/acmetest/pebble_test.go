package acmetest

import (
	"net"
	"testing"

	"mxdesk/internal/dns"
)

// TestPortIsTaken: between the question for a free port and its use somebody else may take it.
func TestPortIsTaken(t *testing.T) {
	free := freeAddress
	t.Cleanup(func() { freeAddress = free })
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nobody was served
	asked := 0
	freeAddress = func(t testing.TB) string {
		if asked++; asked == 1 || asked == 4 { // of the directory, then of the management
			return taken.Addr().String()
		}
		return free(t)
	}
	Start(t, dns.Fake{}, 1, 1).Issuers(t)
	if asked != 6 {
		t.Errorf("%d addresses were used, want those of three attempts", asked)
	}
}
