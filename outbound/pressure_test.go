package outbound

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"mxdesk/internal/pace"
)

// tarpit is a transport to sites that say nothing until they are left, which they are when we are hurried. Others take all.
type tarpit struct {
	good string        // the domain that takes letters
	held chan struct{} // a connection to one of the others
	left atomic.Int64  // of these, ended because somebody waits
}

type tarpitConnection struct {
	*tarpit
	guide Guide
}

func (p *tarpit) Open(string) Connection { return &tarpitConnection{tarpit: p} }
func (p *tarpit) Close()                 {}
func (c *tarpitConnection) Ask(g Guide)  { c.guide = g }
func (c *tarpitConnection) Close()       {}

func (c *tarpitConnection) Send(ctx context.Context, l *Letter) Attempt {
	if l.To.Domain == c.good {
		return taken
	}
	c.held <- struct{}{}
	for range pace.AtOnce(ctx, 5*time.Millisecond) {
		if c.guide.Hurried() {
			c.left.Add(1)
			break
		}
	}
	return siteDown
}

// TestPressure: silent sites, more than there are places for those that have not proved themselves, make room for a site that was
// never written to. While there is room nobody is hurried.
func TestPressure(t *testing.T) {
	for silent, left := range map[int]bool{3: false, 12: true} {
		t.Run(fmt.Sprint(silent), func(t *testing.T) {
			x := newWorld(t)
			p := &tarpit{good: "zzz.test", held: make(chan struct{}, 100)}
			for i := range silent {
				x.send(fmt.Sprintf("u@s%02d.test", i))
			}
			w := x.worker(p)
			w.slots = make(chan struct{}, 10)
			stop := start(x, w)
			defer stop()
			for range min(silent, 5) {
				<-p.held
			}
			x.send("u@zzz.test")
			x.q.Hint()
			x.await(1)
			if got := p.left.Load() > 0; got != left {
				t.Errorf("%d of %d silent sites were left", p.left.Load(), silent)
			}
		})
	}
}
