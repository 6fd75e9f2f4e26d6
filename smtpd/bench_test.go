package smtpd

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

// discard is a Backend that takes everything and keeps nothing.
type discard struct{}

func (discard) CheckRecipient(context.Context, address.Address, address.Address) error { return nil }

func (discard) Deliver(_ context.Context, l *message.Letter) (message.Taken, error) {
	return message.Taken{ID: l.ID}, nil
}

// BenchmarkSession measures whole sessions over loopback TCP, the client's part included.
func BenchmarkSession(b *testing.B) {
	text := "From: a@example.org\r\nSubject: hello\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 52)
	for _, bench := range []struct {
		name  string
		size  int
		reuse bool
	}{{"4KiB/new", 1, false}, {"4KiB/reuse", 1, true}, {"64KiB/new", 16, false}} {
		b.Run(bench.name, func(b *testing.B) {
			cfg := Config{
				Hostname: "mx.example.test", Listen: []string{"127.0.0.1:0"}, SpoolDir: b.TempDir(),
				Log: slog.New(slog.DiscardHandler), MaxMessages: 1 << 30,
			}
			s, err := New(cfg, discard{})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			addr := s.Addrs()[0].String()
			sendLetters(b, addr, []byte(strings.Repeat(text, bench.size)+".\r\n"), bench.reuse)
			cancel()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkLibrary is the measure of BenchmarkSession: go-smtp alone, which discards.
func BenchmarkLibrary(b *testing.B) {
	text := "From: a@example.org\r\nSubject: hello\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 52)
	for _, bench := range []struct {
		name string
		size int
	}{{"4KiB/new", 1}, {"64KiB/new", 16}} {
		b.Run(bench.name, func(b *testing.B) {
			s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return librarySession{}, nil }))
			s.ReadTimeout, s.WriteTimeout = patience, patience
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(l) }()
			sendLetters(b, l.Addr().String(), []byte(strings.Repeat(text, bench.size)+".\r\n"), false)
			s.Close()
			<-ended
		})
	}
}

type librarySession struct{}

func (librarySession) Reset()                               {}
func (librarySession) Logout() error                        { return nil }
func (librarySession) Mail(string, *smtp.MailOptions) error { return nil }
func (librarySession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (librarySession) Data(r io.Reader) error               { _, err := io.Copy(io.Discard, r); return err }

// sendLetters sends b.N letters over ten connections at a time.
func sendLetters(b *testing.B, addr string, body []byte, reuse bool) {
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.SetParallelism(5)
	before := cpuTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var c *benchClient
		for pb.Next() {
			if c == nil || !reuse {
				c = dialBench(b, addr)
			}
			c.send(benchMail, "250")
			c.send(benchRcpt, "250")
			c.send(benchData, "354")
			c.send(body, "250")
			if !reuse {
				c.send(benchQuit, "221")
				c.conn.Close()
			}
		}
		if c != nil {
			c.conn.Close()
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "letters/s")
	b.ReportMetric((cpuTime(b)-before).Seconds()*1e6/float64(b.N), "cpu-µs/letter") // holds on a busy machine too
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var (
	benchEhlo = []byte("EHLO client.example.org\r\n")
	benchMail = []byte("MAIL FROM:<a@example.org>\r\n")
	benchRcpt = []byte("RCPT TO:<help@example.test>\r\n")
	benchData = []byte("DATA\r\n")
	benchQuit = []byte("QUIT\r\n")
)

type benchClient struct {
	b    *testing.B
	conn net.Conn
	r    *bufio.Reader
}

func dialBench(b *testing.B, addr string) *benchClient {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return nil
	}
	c := &benchClient{b, conn, bufio.NewReaderSize(conn, 1024)}
	c.send(nil, "220")
	c.send(benchEhlo, "250")
	return c
}

func (c *benchClient) send(s []byte, want string) {
	if _, err := c.conn.Write(s); err != nil {
		c.b.Error(err)
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil || string(line[:3]) != want {
			c.b.Errorf("%q: %q, %v, want %s", s[:min(len(s), 20)], line, err, want)
			return
		}
		if line[3] == ' ' {
			return
		}
	}
}
