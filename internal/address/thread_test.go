package address

import (
	"bytes"
	"testing"
)

// TestThread: the same for all letters of a ticket, another for each other ticket and each other organisation.
func TestThread(t *testing.T) {
	a, b := NewSigner(bytes.Repeat([]byte("a"), MinKey)), NewSigner(bytes.Repeat([]byte("b"), MinKey))
	seen := map[[16]byte]bool{}
	for _, s := range []*Signer{a, b} {
		for ticket := range int64(100) {
			n := s.Thread(ticket)
			if n != s.Thread(ticket) || seen[n] {
				t.Fatalf("ticket %d: %x", ticket, n)
			}
			seen[n] = true
		}
	}
}
