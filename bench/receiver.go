package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"mxdesk/internal/smtptest"
)

// refusedPrefix begins the local parts that the receiver refuses for good.
const refusedPrefix = "no"

// badReceiver is a mail server that is slow, busy, forgetful and rude, by chance, at every phase. It numbers the replies that it
// makes up, remembers whom each was about, and what it took: the sender's log can be held against that.
type badReceiver struct {
	server *smtptest.Server

	mu     sync.Mutex
	random *rand.Rand
	talks  map[int]*chat           // by connection
	said   []utterance             // by number
	got    map[string][]*reception // by recipient
	sum    int
	better bool // it behaves from now on
}

// chat is what the receiver remembers of a connection.
type chat struct {
	client     string   // the name in EHLO, which is the node's
	recipients []string // taken in the transaction
}

// utterance is one reply, numbered.
type utterance struct {
	code       int
	recipients []string // whom it was about; none: the connection or the transaction
	taken      map[string]*reception
}

// reception is one copy of a letter that was taken.
type reception struct {
	at     time.Time
	node   string
	silent bool // nobody was told: the connection ended in place of the answer
	logged bool // the sender's log has the answer
}

func newBadReceiver(seed uint64) (*badReceiver, error) {
	r := &badReceiver{random: rand.New(rand.NewPCG(seed, 3)), talks: map[int]*chat{}, got: map[string][]*reception{}}
	encryption, _, err := smtptest.NewCertificate("mx.test")
	if err != nil {
		return nil, err
	}
	r.server, err = smtptest.Start(smtptest.Config{TLS: encryption, Script: r.script})
	return r, err
}

// behave ends the half-open connections: they take five minutes each.
func (r *badReceiver) behave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.better = true
}

func (r *badReceiver) total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sum
}

// of are the copies that came for an address.
func (r *badReceiver) of(address string) []*reception {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[address]
}

// reply is an answer with a number behind it.
func (r *badReceiver) reply(text string, recipients ...string) string {
	code, _ := strconv.Atoi(text[:3])
	r.said = append(r.said, utterance{code: code, recipients: recipients})
	return fmt.Sprintf("%s (r%d)", text, len(r.said)-1)
}

// script does something bad to one command in twelve or so. Each command has one letter's fate in its hands: that of
// the connection, that of the recipient, that of the body.
func (r *badReceiver) script(c smtptest.Command) smtptest.Action {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.talks[c.Conn] == nil {
		r.talks[c.Conn] = &chat{}
	}
	t := r.talks[c.Conn]
	dice := r.random.IntN(1000)
	switch c.Verb {
	case "QUIT", "RSET":
		return smtptest.Action{}
	case "EHLO":
		t.client = strings.TrimPrefix(c.Line, "EHLO ")
	case "MAIL":
		t.recipients = nil
	case "STARTTLS":
		return r.encrypt(dice)
	case "RCPT":
		return r.recipient(t, c, dice)
	case smtptest.Body:
		return r.body(t, dice)
	}
	switch {
	case dice < 10:
		return smtptest.Action{Reply: r.reply("421 4.3.2 shutting down"), Close: true}
	case dice < 20:
		return smtptest.Action{Close: true}
	case dice < 30 && c.Verb == "DATA": // the connection ends before the final dot
		return smtptest.Action{Reply: "354 go ahead", Close: true}
	case dice < 40 && c.Verb != "EHLO" && c.Verb != smtptest.Connect:
		return smtptest.Action{Reply: r.reply("451 4.3.0 not now")}
	case dice < 80:
		return smtptest.Action{Wait: r.later()}
	case dice < 82 && !r.better: // half open: nothing more is ever heard
		return smtptest.Action{Wait: make(chan struct{})}
	}
	return smtptest.Action{}
}

func (r *badReceiver) encrypt(dice int) smtptest.Action {
	switch {
	case dice < 30:
		return smtptest.Action{Reply: r.reply("454 4.7.0 no TLS today")}
	case dice < 60: // the handshake fails
		return smtptest.Action{Reply: "220 2.0.0 go ahead", Close: true}
	}
	return smtptest.Action{}
}

func (r *badReceiver) recipient(t *chat, c smtptest.Command, dice int) smtptest.Action {
	_, path, _ := strings.Cut(c.Line, "<")
	to, _, _ := strings.Cut(path, ">")
	switch {
	case strings.HasPrefix(to, refusedPrefix):
		return smtptest.Action{Reply: r.reply("554 5.7.1 not wanted here", to)}
	case dice < 20:
		return smtptest.Action{Reply: r.reply("450 4.2.0 greylisted", to)}
	case dice < 30:
		return smtptest.Action{Reply: r.reply("552 5.2.2 too many recipients", to)}
	case dice < 40:
		return smtptest.Action{Reply: r.reply("421 4.3.2 shutting down"), Close: true}
	}
	t.recipients = append(t.recipients, to)
	return smtptest.Action{}
}

func (r *badReceiver) body(t *chat, dice int) (a smtptest.Action) {
	silent := false
	switch {
	case dice < 20:
		return smtptest.Action{Reply: r.reply("451 4.3.0 disk full", t.recipients...)}
	case dice < 30:
		return smtptest.Action{Reply: r.reply("421 4.3.2 shutting down"), Close: true}
	case dice < 60: // taken, and nobody hears of it
		silent, a.Close = true, true
	case dice < 160:
		a.Wait = r.later()
	}
	taken := map[string]*reception{}
	for _, to := range t.recipients {
		taken[to] = &reception{at: time.Now(), node: t.client, silent: silent}
		r.got[to] = append(r.got[to], taken[to])
		r.sum++
	}
	if !silent {
		a.Reply = r.reply("250 2.0.0 taken", t.recipients...)
		r.said[len(r.said)-1].taken = taken
	}
	return a
}

// later is some time later.
func (r *badReceiver) later() <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(time.Duration(r.random.IntN(300))*time.Millisecond, func() { close(done) })
	return done
}
