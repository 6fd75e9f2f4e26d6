package main

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"mxdesk/internal/smtptest"
)

// refusedPrefix begins the local parts that the receiver refuses for good.
const refusedPrefix = "no"

// badReceiver is a mail server that is slow, busy, forgetful and rude, by chance, at every phase; it remembers what it took.
type badReceiver struct {
	server *smtptest.Server

	mu     sync.Mutex
	random *rand.Rand
	rcpt   map[int]string // of the transaction on each connection
	got    map[string][]reception
	sum    int
}

// reception is one copy of a letter that was taken.
type reception struct {
	at     time.Time
	silent bool // nobody was told: the connection ended in place of the answer
}

func newBadReceiver(seed uint64) (*badReceiver, error) {
	r := &badReceiver{random: rand.New(rand.NewPCG(seed, 3)), rcpt: map[int]string{}, got: map[string][]reception{}}
	var err error
	r.server, err = smtptest.Start(smtptest.Config{Script: r.script})
	return r, err
}

func (r *badReceiver) total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sum
}

// of are the copies that came for an address.
func (r *badReceiver) of(address string) []reception {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[address]
}

// script does something bad to one command in twelve or so. Each command has one letter's fate in its hands: that of
// the connection, that of the recipient, that of the body.
func (r *badReceiver) script(c smtptest.Command) smtptest.Action {
	r.mu.Lock()
	defer r.mu.Unlock()
	dice := r.random.IntN(100)
	switch c.Verb {
	case "QUIT", "RSET":
		return smtptest.Action{}
	case "RCPT":
		return r.recipient(c, dice)
	case smtptest.Body:
		return r.body(c, dice)
	}
	switch {
	case dice < 1:
		return smtptest.Action{Reply: "421 4.3.2 shutting down", Close: true}
	case dice < 2:
		return smtptest.Action{Close: true}
	case dice < 3 && c.Verb == "DATA": // the connection ends before the final dot
		return smtptest.Action{Reply: "354 go ahead", Close: true}
	case dice < 4 && c.Verb != "EHLO":
		return smtptest.Action{Reply: "451 4.3.0 not now"}
	case dice < 8:
		return smtptest.Action{Wait: r.later()}
	}
	return smtptest.Action{}
}

func (r *badReceiver) recipient(c smtptest.Command, dice int) smtptest.Action {
	_, path, _ := strings.Cut(c.Line, "<")
	to, _, _ := strings.Cut(path, ">")
	r.rcpt[c.Conn] = to
	switch {
	case strings.HasPrefix(to, refusedPrefix):
		return smtptest.Action{Reply: "554 5.7.1 not wanted here"}
	case dice < 2:
		return smtptest.Action{Reply: "450 4.2.0 greylisted"}
	case dice < 3:
		return smtptest.Action{Reply: "552 5.2.2 too many recipients"}
	case dice < 4:
		return smtptest.Action{Reply: "421 4.3.2 shutting down", Close: true}
	}
	return smtptest.Action{}
}

func (r *badReceiver) body(c smtptest.Command, dice int) (a smtptest.Action) {
	one := reception{at: time.Now()}
	switch {
	case dice < 2:
		return smtptest.Action{Reply: "451 4.3.0 disk full"}
	case dice < 3:
		return smtptest.Action{Reply: "421 4.3.2 shutting down", Close: true}
	case dice < 6: // taken, and nobody hears of it
		one.silent, a.Close = true, true
	case dice < 16:
		a.Wait = r.later()
	}
	to := r.rcpt[c.Conn]
	r.got[to] = append(r.got[to], one)
	r.sum++
	return a
}

// later is some time later.
func (r *badReceiver) later() <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(time.Duration(r.random.IntN(300))*time.Millisecond, func() { close(done) })
	return done
}
