package smtpd

import (
	"runtime/debug"
	"sync"
)

// frugalPercent is how much the heap may grow before garbage is collected while a spooled letter is in work. With Go's 100
// a letter of 25 MB could hold twice what its reader needs, in garbage; with less, small letters would pay for it.
const frugalPercent = 25

// frugal counts the spooled letters in work; the setting is the process's.
var frugal struct {
	sync.Mutex
	letters int
	normal  int // percentage without them
}

// collectOften makes the garbage collector run more often until end is called. Calls may overlap.
func collectOften() (end func()) {
	frugal.Lock()
	defer frugal.Unlock()
	if frugal.letters++; frugal.letters == 1 {
		frugal.normal = debug.SetGCPercent(frugalPercent)
	}
	return func() {
		frugal.Lock()
		defer frugal.Unlock()
		if frugal.letters--; frugal.letters == 0 {
			debug.SetGCPercent(frugal.normal)
		}
	}
}
