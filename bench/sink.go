package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/textproto"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// sink is a mail server that takes everything and remembers what came when.
type sink struct {
	listener *strictListener
	server   *smtp.Server
	keep     bool // the letters too, not only their names

	mu   sync.Mutex
	byID map[string][]time.Time // Message-ID → when it came
	rcpt map[string]int
	kept []sunk
}

// sunk is one letter with its envelope.
type sunk struct {
	from, to string
	raw      []byte
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{listener: &strictListener{Listener: l}, byID: map[string][]time.Time{}, rcpt: map[string]int{}}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }))
	s.server.Domain = "sink.test"
	s.server.ErrorLog = silent{}
	go s.server.Serve(s.listener) //nolint:errcheck // it ends with close
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

// letters are those kept for which the condition holds.
func (s *sink) letters(wanted func(sunk) bool) (found []sunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.kept {
		if wanted(l) {
			found = append(found, l)
		}
	}
	return found
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
	sink     *sink
	from, to string
}

func (s *sinkSession) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error   { s.to = to; return nil }
func (s *sinkSession) Reset()                                      { s.from, s.to = "", "" }
func (s *sinkSession) Logout() error                               { return nil }
func (s *sinkSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	messageID := ""
	if header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw))).ReadMIMEHeader(); err == nil {
		messageID = header.Get("Message-Id")
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.byID[messageID] = append(s.sink.byID[messageID], time.Now())
	s.sink.rcpt[s.to]++
	if s.sink.keep {
		s.sink.kept = append(s.sink.kept, sunk{s.from, s.to, raw})
	}
	return nil
}
