package outbound

import "sync/atomic"

// crowd is how many letters must wait for a processor before the last one is given away too.
const crowd = 4

// processors are for composing and signing, which wait for nothing. The last one stays free unless many wait: Go looks at what
// came from the network when a processor has nothing else to do, and otherwise every 10 ms, so while all of them sign, every
// answer of PostgreSQL waits that long. When many wait anyway, nothing is gained by keeping it.
type processors struct {
	usual   chan struct{}
	last    chan struct{}
	waiting atomic.Int64
}

func newProcessors(n int) *processors {
	return &processors{usual: make(chan struct{}, max(n-1, 1)), last: make(chan struct{}, min(n-1, 1))}
}

// take waits for a processor; free gives it back.
func (p *processors) take() (free func()) {
	last := p.last
	if p.waiting.Add(1) <= crowd {
		last = nil
	}
	defer p.waiting.Add(-1)
	select {
	case p.usual <- struct{}{}:
		return func() { <-p.usual }
	case last <- struct{}{}:
		return func() { <-p.last }
	}
}
