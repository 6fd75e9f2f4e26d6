package main

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// sink is a mail server that takes everything and remembers what came when.
type sink struct {
	listener net.Listener
	server   *smtp.Server

	mu   sync.Mutex
	byID map[string][]time.Time // Message-ID → when it came
	rcpt map[string]int
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{listener: l, byID: map[string][]time.Time{}, rcpt: map[string]int{}}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }))
	s.server.Domain = "sink.test"
	s.server.ErrorLog = silent{}
	go s.server.Serve(l) //nolint:errcheck // it ends with close
	return s, nil
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

func (s *sink) addr() string { return s.listener.Addr().String() }
func (s *sink) close()       { s.server.Close() } //nolint:errcheck // the end

func (s *sink) to(address string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcpt[address]
}

func (s *sink) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.byID {
		n += len(t)
	}
	return n
}

// repeated are the times of every letter that came more than once.
func (s *sink) repeated() (all [][]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.byID {
		if len(t) > 1 {
			all = append(all, t)
		}
	}
	return all
}

type sinkSession struct {
	sink *sink
	to   string
}

func (s *sinkSession) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }
func (s *sinkSession) Reset()                                    { s.to = "" }
func (s *sinkSession) Logout() error                             { return nil }
func (s *sinkSession) Data(r io.Reader) error {
	messageID := ""
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	header := true
	for scan.Scan() {
		line := scan.Text()
		header = header && line != ""
		if name, value, ok := strings.Cut(line, ":"); header && ok && strings.EqualFold(name, "Message-ID") {
			messageID = strings.TrimSpace(value)
		}
	}
	if err := scan.Err(); err != nil {
		return err
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.byID[messageID] = append(s.sink.byID[messageID], time.Now())
	s.sink.rcpt[s.to]++
	return nil
}
