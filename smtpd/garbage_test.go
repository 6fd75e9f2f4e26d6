package smtpd

import (
	"runtime/debug"
	"testing"
)

// The collector's setting is back when the last of several large letters is done, and not before.
func TestCollectOften(t *testing.T) {
	setting := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	before := setting()
	first, second := collectOften(), collectOften()
	first()
	if got := setting(); got != frugalPercent {
		t.Errorf("while a letter is in work: %d", got)
	}
	second()
	if got := setting(); got != before {
		t.Errorf("after the last one: %d, want %d", got, before)
	}
}
