package outbound

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

func benchDraft() *Draft {
	return draft(func(d *Draft) {
		d.Text, d.References = strings.Repeat("A line of a letter, as people write them, more or less.\n", 70), []string{"root@desk.test", "q1@example.com"}
	})
}

func BenchmarkCompose(b *testing.B) {
	d := benchDraft()
	b.ReportAllocs()
	for b.Loop() {
		Compose(d)
	}
}

func BenchmarkSign(b *testing.B) {
	keys, err := GenerateKeys(testDomain, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	d := benchDraft()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sign(Compose(d), keys, d.Date); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClaim claims from ten lanes, as much as one claim takes, and gives it back, while 200,000 letters wait in another, which is dead.
func BenchmarkClaim(b *testing.B) {
	x := newWorld(b)
	fill(x, 200_000, "dead.test")
	for i := range 10 {
		fill(x, 1000, fmt.Sprintf("d%d.test", i))
	}
	x.exec(`INSERT INTO lanes (lane, next_at, fail_streak) VALUES ('dead.test', now() + '1 day', 3)`)
	list, err := pending(x.ctx, x.pool, "", maxLanes)
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, l := range list {
		names = append(names, l.Lane)
	}
	if err := makeLanes(x.ctx, x.pool, names); err != nil {
		b.Fatal(err)
	}
	var times []time.Duration
	var looking time.Duration
	for b.Loop() {
		begun := time.Now()
		if _, err := pending(x.ctx, x.pool, "", maxLanes); err != nil {
			b.Fatal(err)
		}
		looking += time.Since(begun)
		list, err := claim(x.ctx, x.pool, names, 20)
		times = append(times, time.Since(begun))
		if err != nil || claimed(list) != maxClaimed {
			b.Fatalf("claimed %d, %v", claimed(list), err)
		}
		b.StopTimer()
		var results []result
		var lanes []laneResult
		for _, batch := range list {
			for _, l := range batch.leases {
				results = append(results, result{lease: l, undo: true})
			}
			lanes = append(lanes, laneResult{lane: batch.lane})
		}
		if _, err := record(x.ctx, x.pool, results, lanes, nil); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	slices.Sort(times)
	b.ReportMetric(float64(looking.Microseconds())/1000/float64(len(times)), "looking-ms")
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkDrain sends letters of 4 KiB to 100 domains through a server that discards them.
func BenchmarkDrain(b *testing.B) {
	b.Run("signed", func(b *testing.B) { drain(b, true) })
	b.Run("unsigned", func(b *testing.B) { drain(b, false) })
}

func drain(b *testing.B, signed bool) {
	const letters, domains = 10_000, 100
	x := newWorld(b)
	if signed {
		x.signingKeys(time.Now())
	}
	var taken atomic.Int64
	addr := discardServer(b, &taken)
	for b.Loop() {
		b.StopTimer()
		text := benchDraft().Text
		for n := 0; n < letters; n += 500 {
			var m []Message
			for i := range 500 {
				one := x.message(fmt.Sprintf("u%d@d%d.test", i, i%domains))
				one.Text = text
				m = append(m, one)
			}
			x.enqueue(m...)
		}
		x.told()
		taken.Store(0)
		b.StartTimer()
		stop := start(x, x.worker(smtpTo(b, addr)))
		x.await(letters)
		stop()
		if n := taken.Load(); n != letters {
			b.Fatalf("%d letters arrived", n)
		}
		if n := one[int](x, `SELECT count(*) FROM deliveries`); n != 0 {
			b.Fatalf("%d letters left", n)
		}
	}
	b.ReportMetric(float64(b.N*letters)/b.Elapsed().Seconds(), "letters/s")
}

type discarding struct{ n *atomic.Int64 }

func (d discarding) NewSession(*smtp.Conn) (smtp.Session, error) { return d, nil }
func (d discarding) Mail(string, *smtp.MailOptions) error        { return nil }
func (d discarding) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (d discarding) Reset()                                      {}
func (d discarding) Logout() error                               { return nil }
func (d discarding) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	d.n.Add(1)
	return err
}

func discardServer(b *testing.B, n *atomic.Int64) netip.AddrPort {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := smtp.NewServer(discarding{n})
	s.Domain = "mx.test"
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	b.Cleanup(func() {
		_ = s.Shutdown(context.Background())
		<-done
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// BenchmarkFirstByte is the time from the commit of one letter to the transport, with an idle worker.
func BenchmarkFirstByte(b *testing.B) {
	x := newWorld(b)
	at := make(chan time.Time, 1)
	stop := start(x, x.worker(script(func(*Letter) Attempt { at <- time.Now(); return Attempt{Result: ResultDelivered} })))
	defer stop()
	var times []time.Duration
	for b.Loop() {
		x.send("a@x.test")
		committed := time.Now()
		x.q.Hint()
		times = append(times, (<-at).Sub(committed))
		x.await(len(times))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "p95-ms")
}
