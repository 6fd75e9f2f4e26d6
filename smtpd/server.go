package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"mxdesk/internal/id"
)

// Server takes letters by SMTP and hands them to a Backend.
type Server struct {
	cfg     Config
	backend Backend
	tls     *tls.Config
	metrics *metrics
	limits  *limits
	rates   *rates
	space   *space
	smtp    *smtp.Server
	lmtp    *smtp.Server

	ready chan struct{} // closed when addrs is set
	addrs []net.Addr

	ctx    context.Context // of all connections; ends when a stop takes too long
	cancel context.CancelFunc

	mu       sync.Mutex
	wires    map[*wire]struct{}
	stopping bool
}

// ErrStopTimeout is returned by Run when sessions went on after a stop and had to be cut off.
var ErrStopTimeout = errors.New("smtpd: letters were still in progress when the server was stopped")

// lastGrace is how long sessions that were cut off have to notice it.
const lastGrace = 5 * time.Second

// New prepares a server; Run makes it listen. The error says what is wrong with cfg.
func New(cfg Config, backend Backend) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		backend: backend,
		tls:     tlsConfig(&cfg),
		metrics: newMetrics(),
		limits:  newLimits(&cfg),
		rates:   newRates(&cfg),
		space:   &space{dir: cfg.SpoolDir, floor: cfg.MinFree},
		ready:   make(chan struct{}),
		wires:   map[*wire]struct{}{},
	}
	if cfg.Metrics != nil {
		if err := s.metrics.register(cfg.Metrics); err != nil {
			return nil, fmt.Errorf("smtpd: registering metrics: %w", err)
		}
	}
	s.smtp, s.lmtp = s.protocol(false), s.protocol(true)
	return s, nil
}

// protocol is go-smtp's part of the server: parameters, the sequence of commands, and calls of the session.
func (s *Server) protocol(lmtp bool) *smtp.Server {
	p := smtp.NewServer(smtp.BackendFunc(s.newSession))
	p.LMTP = lmtp
	p.Domain = s.cfg.Hostname
	p.MaxRecipients = s.cfg.MaxRecipients
	p.MaxMessageBytes = s.cfg.MaxSize
	p.MaxLineLength = 0 // the wire knows commands from text
	p.EnableSMTPUTF8 = true
	p.EnableDSN = true
	p.EnableREQUIRETLS = true // the wire offers it: go-smtp does not see the TLS below
	p.ErrorLog = libraryLog{s.cfg.Log}
	return p
}

// Ready is closed when the server listens.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addrs are the addresses on which the server listens, in the order of Config.Listen, Config.Listeners and
// Config.LMTPListeners. It waits for Ready.
func (s *Server) Addrs() []net.Addr {
	<-s.ready
	return s.addrs
}

// Run listens until ctx ends, and then stops: no new connections, 421 to the idle, and up to Config.StopTimeout for
// letters in progress. All goroutines have ended when it returns. The error is nil after a
// clean stop. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	probe, err := unnamedFile(s.cfg.SpoolDir)
	if err != nil {
		return fmt.Errorf("smtpd: the spool folder is not usable: %w", err)
	}
	_ = probe.Close()
	listeners, err := s.listen(ctx)
	if err != nil {
		return err
	}
	firstLMTP := len(listeners)
	listeners = append(listeners, s.cfg.LMTPListeners...)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer s.cancel()
	for _, l := range listeners {
		s.addrs = append(s.addrs, l.Addr())
	}
	close(s.ready)
	if s.cfg.SharedRates != nil {
		var sharing sync.WaitGroup
		sharing.Go(func() { s.share(s.ctx) })
		defer sharing.Wait()
		defer s.cancel()
	}

	ended := make(chan error, len(listeners))
	for i, l := range listeners {
		protocol, lmtp := s.smtp, i >= firstLMTP
		if lmtp {
			protocol = s.lmtp
		}
		go func() { ended <- protocol.Serve(gate{l, s, lmtp}) }()
	}
	left := len(listeners)
	select {
	case <-ctx.Done():
	case err = <-ended: // nobody closed it, so the system did
		left--
		err = fmt.Errorf("smtpd: accepting connections: %w", err)
	}
	for _, l := range listeners {
		_ = l.Close()
	}
	for ; left > 0; left-- {
		<-ended
	}
	return errors.Join(err, s.stopSessions())
}

func (s *Server) listen(ctx context.Context) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, addr := range s.cfg.Listen {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return nil, fmt.Errorf("smtpd: %w", err)
		}
		listeners = append(listeners, l)
	}
	return append(listeners, s.cfg.Listeners...), nil
}

// stopSessions waits for the sessions to end, and cuts off those that do not.
func (s *Server) stopSessions() error {
	s.mu.Lock()
	s.stopping = true
	for w := range s.wires {
		w.stop()
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		_ = s.smtp.Shutdown(context.Background())
		_ = s.lmtp.Shutdown(context.Background())
		close(ended)
	}()
	timer := time.NewTimer(s.cfg.StopTimeout)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
	}
	s.cancel()
	s.mu.Lock()
	for w := range s.wires {
		w.kill()
	}
	s.mu.Unlock()
	timer.Reset(lastGrace)
	select {
	case <-ended:
	case <-timer.C:
	}
	return ErrStopTimeout
}

// newWire dresses a connection that the limits let in.
func (s *Server) newWire(conn net.Conn, client netip.Addr, now time.Time) *wire {
	w := &wire{
		srv: s, id: id.New(), ctx: s.ctx, client: client, born: now,
		raw: conn, conn: conn, in: inBuffers.Get().(*[inBuffer]byte),
	}
	s.metrics.sessions.Inc()
	s.metrics.open.Inc()
	s.mu.Lock()
	defer s.mu.Unlock()
	w.stopping = s.stopping
	s.wires[w] = struct{}{}
	return w
}

// closed forgets a connection.
func (s *Server) closed(w *wire) {
	s.mu.Lock()
	delete(s.wires, w)
	s.mu.Unlock()
	s.limits.leaveTotal()
	if w.counted {
		s.limits.leaveNetwork(w.client)
	}
	s.metrics.open.Dec()
	if s.cfg.Log.Enabled(w.ctx, slog.LevelDebug) {
		s.cfg.Log.Debug("session closed", "session", w.id.String(), "client", w.client.String(),
			"letters", w.letters, "tls", w.handshake, "seconds", s.cfg.Now().Sub(w.born).Seconds())
	}
}

// libraryLog brings what go-smtp has to say into our log.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(format string, v ...any) {
	l.log.Error("go-smtp", "error", printable(fmt.Sprintf(format, v...)))
}

func (l libraryLog) Println(v ...any) {
	l.log.Error("go-smtp", "error", printable(strings.TrimSpace(fmt.Sprintln(v...))))
}
