package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"mxdesk/internal/message"
)

// progressEvery is how often a command that takes long says what it is doing.
const progressEvery = 3 * time.Second

// progress says on standard error, now and then, what a command is doing, so that whoever waits for it knows. A command that
// ends sooner says nothing. nil says nothing at all.
type progress struct {
	out   io.Writer
	began time.Time
	stop  chan struct{}
	ended chan struct{}

	mu    sync.Mutex
	words string // "": nothing is to be said
}

// newProgress says what there is to say at each tick, until close.
func newProgress(out io.Writer, began time.Time, ticks <-chan time.Time) *progress {
	p := &progress{out: out, began: began, stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		for {
			select {
			case <-p.stop:
				return
			case now := <-ticks:
				p.say(now)
			}
		}
	}()
	return p
}

// watched tells whether somebody looks at standard error.
func watched(verbose bool) bool {
	info, err := os.Stderr.Stat()
	return verbose || err == nil && info.Mode()&os.ModeCharDevice != 0
}

// set tells what the command is doing from now on.
func (p *progress) set(format string, args ...any) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.words = message.CleanLine(fmt.Sprintf(format, args...))
}

func (p *progress) say(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.words != "" {
		fmt.Fprintf(p.out, "%s (%d s)\n", p.words, int(now.Sub(p.began).Seconds()))
	}
}

// close ends it; nothing is said afterwards.
func (p *progress) close() {
	if p == nil {
		return
	}
	close(p.stop)
	<-p.ended
}
