package outbound

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/smtptest"
)

// start runs a worker; the returned function stops it and waits.
func start(x *world, w *Worker) (stop func()) {
	ctx, cancel := context.WithCancel(x.ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.Run(ctx); err != nil {
			x.t.Errorf("worker: %v", err)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// TestWorker: letters go from the table to a real server, signed, with our addresses, and what became
// of them is told.
func TestWorker(t *testing.T) {
	x := newWorld(t)
	keys := x.signingKeys(time.Now())
	peer := smtptest.New(t, smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
		if c.Verb == "RCPT" && strings.Contains(c.Line, "nobody") {
			return smtptest.Action{Reply: "550 5.1.1 no such user"}
		}
		return smtptest.Action{}
	}})
	registry := prometheus.NewRegistry()
	w := x.worker(smtpTo(t, peer.Addr()))
	w = NewWorker(x.q, WorkerConfig{Transport: w.cfg.Transport, Log: w.log, Metrics: registry})
	stop := start(x, w)
	ids := x.send("bob@a.test", "nobody@a.test", "eve@b.test")
	x.q.Hint()
	x.await(3)
	stop()
	letters := peer.Letters()
	for i, want := range []string{"delivered", "failed user_unknown", "delivered"} {
		if got := x.state(ids[i]); got != want {
			t.Errorf("%d: state %q, want %q", i, got, want)
		}
	}
	if n := len(x.told()); n != 3 {
		t.Errorf("told of %d", n)
	}
	for _, l := range letters {
		from, err := address.Parse(l.From)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := x.signer.ParseReturnPath(from)
		if !ok || d != ids[0] && d != ids[2] {
			t.Errorf("return path %s", l.From)
		}
		for _, v := range verify(t, l.Data, keys) {
			if v.Err != nil {
				t.Errorf("signature: %v", v.Err)
			}
		}
		_, replyTo, _ := strings.Cut(string(l.Data), "\r\nReply-To: Desk <")
		replyTo, _, _ = strings.Cut(replyTo, ">")
		a, err := address.Parse(replyTo)
		if ref, ok := x.signer.ParseTicket(a); err != nil || !ok || ref.Ticket != 7 {
			t.Errorf("Reply-To %q: %v", replyTo, err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "mxdesk_outbound_attempts_total" {
			for _, m := range f.GetMetric() {
				counted[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	if counted["delivered"] != 2 || counted["failed"] != 1 || len(families) != 8 {
		t.Errorf("%d metrics, attempts %v", len(families), counted)
	}
}

// TestTwoWorkers: two workers on one queue send every letter once.
func TestTwoWorkers(t *testing.T) {
	x := newWorld(t)
	const n = 400
	var mu sync.Mutex
	seen := map[id.ID]int{}
	all := make(chan struct{})
	transport := script(func(l *Letter) Attempt {
		mu.Lock()
		defer mu.Unlock()
		if seen[l.Delivery]++; len(seen) == n {
			select {
			case <-all:
			default:
				close(all)
			}
		}
		return taken
	})
	var m []Message
	for i := range n {
		m = append(m, x.message(fmt.Sprintf("u@d%d.test", i%20)))
	}
	x.enqueue(m...)
	other := NewWorker(NewQueue(x.pool, QueueConfig{}), x.worker(transport).cfg)
	stopOne, stopTwo := start(x, x.worker(transport)), start(x, other)
	select {
	case <-all:
	case <-x.ctx.Done():
	}
	stopOne()
	stopTwo()
	mu.Lock()
	defer mu.Unlock()
	for d, times := range seen {
		if times != 1 {
			t.Errorf("%s was sent %d times", d, times)
		}
	}
	if left := one[int](x, `SELECT count(*) FROM deliveries`); left != 0 || len(seen) != n {
		t.Errorf("%d sent, %d left", len(seen), left)
	}
}

// TestHintFromElsewhere: another node's commit wakes a worker long before its idle poll.
func TestHintFromElsewhere(t *testing.T) {
	x := newWorld(t)
	sent := make(chan struct{}, 2)
	w := x.worker(script(func(*Letter) Attempt { sent <- struct{}{}; return taken }))
	stop := start(x, w)
	defer stop()
	other := NewQueue(x.pool, QueueConfig{})
	ctx, cancel := context.WithCancel(x.ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = other.Run(ctx) })
	defer running.Wait()
	defer cancel()
	x.send("a@x.test")
	other.Hint()
	select {
	case <-sent:
	case <-x.ctx.Done():
		t.Fatal("nothing sent")
	}
}

// TestStop: a worker that is told to stop finishes the letter under way, gives back the others, and leaves no lease.
func TestStop(t *testing.T) {
	x := newWorld(t)
	underWay, goOn := make(chan struct{}), make(chan struct{})
	w := x.worker(script(func(*Letter) Attempt {
		close(underWay)
		<-goOn
		return taken
	}))
	ids := x.send("a@x.test", "b@x.test")
	ctx, cancel := context.WithCancel(x.ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx) })
	<-underWay
	cancel()
	close(goOn)
	running.Wait()
	if x.state(ids[0]) != "delivered" || x.state(ids[1]) != "queued" {
		t.Errorf("states %q, %q", x.state(ids[0]), x.state(ids[1]))
	}
	if n := one[int](x, `SELECT attempts FROM deliveries`); n != 0 {
		t.Errorf("the letter given back has %d attempts", n)
	}
}

// TestStopIsBounded: a remote host that does not answer cannot keep us from stopping; nobody is blamed for it.
func TestStopIsBounded(t *testing.T) {
	x := newWorld(t)
	reached := make(chan struct{})
	peer := smtptest.New(t, smtptest.Config{Script: func(c smtptest.Command) smtptest.Action {
		if c.Verb == "RCPT" {
			close(reached)
			return smtptest.Action{Wait: make(chan struct{})}
		}
		return smtptest.Action{}
	}})
	w := x.worker(smtpTo(t, peer.Addr()))
	w.cfg.StopTime = time.Millisecond
	d := x.send("a@x.test")[0]
	stop := start(x, w)
	select {
	case <-reached:
	case <-x.ctx.Done():
		t.Fatal("no connection")
	}
	stop()
	if got := x.state(d); got != "queued" || len(x.attempts(d)) != 0 {
		t.Errorf("state %q, attempts %v", got, x.attempts(d))
	}
	if n := one[int](x, `SELECT fail_streak + inflight FROM lanes`); n != 0 {
		t.Error("the lane is blamed")
	}
}

// TestAttachments: they travel up to the ceiling, and what is beyond is named.
func TestAttachments(t *testing.T) {
	x := newWorld(t)
	entry := id.New()
	x.exec(`INSERT INTO people (organisation_id, person_id, kind) VALUES (1, $1, 'customer')`, entry)
	x.exec(`INSERT INTO categories (organisation_id, category_id, name) VALUES (1, 1, 'c')`)
	x.exec(`INSERT INTO tickets (organisation_id, number, subject, status, via, category_id, support_address, requester_id, created_at, updated_at)
		VALUES (1, 7, 's', 'new', 'email', 1, 'help@desk.test', $1, now(), now())`, entry)
	x.exec(`INSERT INTO entries (organisation_id, ticket_number, entry_id, kind, identity, body, created_at) VALUES (1, 7, $1, 'message', 'verified', 'b', now())`, entry)
	for i, size := range []int{300, 800_000, 400} {
		data := make([]byte, size)
		hash := make([]byte, 32)
		hash[0] = byte(i)
		x.exec(`INSERT INTO blobs (organisation_id, sha256, data) VALUES (1, $1, $2)`, hash, data)
		x.exec(`INSERT INTO attachments (organisation_id, ticket_number, entry_id, position, filename, content_type, declared_type, content_id, inline, size, sha256)
			VALUES (1, 7, $1, $2, $3, 'image/png', '', '', false, $4, $5)`, entry, i, fmt.Sprintf("file%d.png", i), size, hash)
	}
	m := x.message("a@x.test")
	m.Entry, m.AttachEntry = entry, true
	var letter string
	w := x.worker(script(func(l *Letter) Attempt { letter = string(l.Body); return taken }))
	w.cfg.LetterBytes = 32 << 10
	x.enqueue(m)
	x.round(w)
	if strings.Count(letter, "Content-Disposition: attachment") != 2 || !strings.Contains(letter, "file2.png") || !strings.Contains(letter, "- file1.png (782 KB)") {
		t.Errorf("letter:\n%s", letter)
	}
	w.cfg.LetterBytes = 10 << 20
	x.enqueue(func() Message { m := x.message("b@x.test"); m.Entry, m.AttachEntry = entry, true; return m }())
	x.round(w)
	if strings.Count(letter, "Content-Disposition: attachment") != 3 || len(letter) < 1_000_000 {
		t.Errorf("letter of %d octets", len(letter))
	}
	if !w.memory.TryAcquire(w.cfg.MemoryBytes) {
		t.Error("memory was not given back")
	}
}
