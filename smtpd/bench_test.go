package smtpd

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

// discard is a Backend that takes everything and keeps nothing.
type discard struct{}

func (discard) CheckRecipient(context.Context, address.Address, address.Address) error { return nil }

func (discard) Deliver(_ context.Context, l *message.Letter) (id.ID, error) { return l.ID, nil }

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
			body := strings.Repeat(text, bench.size) + ".\r\n"
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.SetParallelism(5)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				var c *benchClient
				for pb.Next() {
					if c == nil || !bench.reuse {
						c = dialBench(b, addr)
					}
					c.send("MAIL FROM:<a@example.org>\r\n", "250")
					c.send("RCPT TO:<help@example.test>\r\n", "250")
					c.send("DATA\r\n", "354")
					c.send(body, "250")
					if !bench.reuse {
						c.send("QUIT\r\n", "221")
						c.conn.Close()
					}
				}
				if c != nil {
					c.conn.Close()
				}
			})
			b.StopTimer()
			cancel()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

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
	c.send("", "220")
	c.send("EHLO client.example.org\r\n", "250")
	return c
}

func (c *benchClient) send(s, want string) {
	if _, err := io.WriteString(c.conn, s); err != nil {
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
