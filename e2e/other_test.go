//go:build !linux

package e2e

import "testing"

func TestStories(t *testing.T) {
	t.Skip("the stories need Linux: a block of loopback addresses, and Debian's mail servers")
}
