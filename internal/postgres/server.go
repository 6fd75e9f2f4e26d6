package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	// startPatience is how long a server that ends while it starts is started again.
	startPatience = 20 * time.Second
	// maxEnds unexpected ends within endsWindow, and the supervisor gives up.
	maxEnds    = 5
	endsWindow = time.Minute
)

var (
	// ErrInUse is returned by Start when another program holds the folder.
	ErrInUse = errors.New("the folder is in use by another mxdesk")
	// ErrNoPrograms is returned by Start when no fit PostgreSQL is installed.
	ErrNoPrograms = errors.New("no PostgreSQL that can be used is installed")
	// ErrGaveUp is returned by Run when the server kept ending.
	ErrGaveUp = errors.New("PostgreSQL keeps ending")
)

// Config says where and how to run the server.
type Config struct {
	// Dir is the folder for all that belongs to the server; made when it does not exist.
	Dir string
	// BinDir is where initdb and postgres are; "" to search the usual places.
	BinDir string
	// Settings are settings of PostgreSQL that come before our own choice.
	Settings map[string]string
	// Logger gets what the server writes to its standard error, and what the supervisor does.
	// nil for slog.Default().
	Logger *slog.Logger
}

// Server is a running private PostgreSQL and its supervisor.
type Server struct {
	cluster *cluster
	logger  *slog.Logger
	cancel  context.CancelFunc
	done    chan struct{} // closed when the supervisor has ended
	err     error         // why; valid once done is closed
}

// Start starts the server and returns when it takes connections: 0.1 to 0.2 s, after a crash as long
// as recovery takes, and one or two seconds for the first start in an empty folder. The end of ctx
// stops the attempt; it has no effect on a server that was returned.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	c, err := openCluster(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("private PostgreSQL: %w", err)
	}
	s := &Server{cluster: c, logger: cfg.Logger, done: make(chan struct{})}
	began := time.Now()
	p, err := s.launch(ctx)
	if err != nil {
		c.close()
		return nil, fmt.Errorf("private PostgreSQL: %w", err)
	}
	s.logger.Info("PostgreSQL runs", "version", c.programs.version, "folder", c.dir, "user", c.account.name,
		"pid", p.pid(), "took", time.Since(began).Round(time.Millisecond))

	supervision, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	go s.supervise(supervision, p)
	return s, nil
}

// URL is the connection string of the database; it stays the same while the Server lives.
func (s *Server) URL() string { return s.cluster.url(databaseName) }

// Ended is closed when the server has ended for good: stopped, or given up. Stop then tells why.
func (s *Server) Ended() <-chan struct{} { return s.done }

// Run waits until ctx ends, then stops the server; or until the supervisor gives up, and returns an
// error that wraps ErrGaveUp. Give it a context that outlives whatever uses the database.
func (s *Server) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return s.Stop()
	case <-s.done:
		return s.err
	}
}

// Stop stops the server and returns when it has ended. Open transactions are rolled back. Only the
// first call does something; the others wait for the same end.
func (s *Server) Stop() error {
	s.cancel()
	<-s.done
	return s.err
}

// supervise restarts the server when it ends, until stopping ends or it gives up.
func (s *Server) supervise(stopping context.Context, p *process) {
	defer close(s.done)
	defer s.cluster.close()
	var ends []time.Time
	for {
		select {
		case <-stopping.Done():
			s.err = p.stop()
			s.logger.Info("PostgreSQL stopped", "folder", s.cluster.dir)
			return
		case <-p.ended:
			if stopping.Err() != nil {
				return // whoever stops us may have told the server as well
			}
		}
		ends = recent(append(ends, time.Now()))
		s.logger.Error("PostgreSQL ended unexpectedly", "pid", p.pid(), "reason", p.reason())
		if len(ends) >= maxEnds {
			s.err = fmt.Errorf("%w: %d times within %v, last: %s", ErrGaveUp, len(ends), endsWindow, p.reason())
			return
		}
		var err error
		if p, err = s.restart(stopping, len(ends)); err != nil {
			if stopping.Err() == nil {
				s.err = fmt.Errorf("%w: restart: %w", ErrGaveUp, err)
			}
			return
		}
	}
}

// restart launches the server after a pause that doubles with each end of late.
func (s *Server) restart(stopping context.Context, ends int) (*process, error) {
	if err := pause(stopping, 50*time.Millisecond<<ends); err != nil {
		return nil, err
	}
	p, err := s.launch(stopping)
	if err == nil {
		s.logger.Info("PostgreSQL runs again", "pid", p.pid())
	}
	return p, err
}

// recent drops the ends that no longer count.
func recent(ends []time.Time) []time.Time {
	for len(ends) > 0 && time.Since(ends[0]) > endsWindow {
		ends = ends[1:]
	}
	return ends
}

// launch starts the server and waits until it takes connections. A server that ends meanwhile is
// started again for a while: the processes of a killed one may need a moment to go.
func (s *Server) launch(ctx context.Context) (*process, error) {
	began := time.Now()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		p, err := s.launchOnce(ctx)
		if err == nil || !errors.Is(err, errEnded) || time.Since(began) > startPatience {
			return p, err
		}
		s.logger.Warn("PostgreSQL did not start, trying again", "error", err)
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (s *Server) launchOnce(ctx context.Context) (*process, error) {
	stranger, err := s.cluster.endOrphan(ctx, s.logger)
	if err != nil {
		return nil, err
	}
	p, err := startProcess(s.cluster.serverCommand(stranger), s.logger)
	if err != nil {
		return nil, s.cluster.explain(err)
	}
	slow := time.AfterFunc(3*time.Second, func() {
		s.logger.Info("PostgreSQL takes long to start: it recovers what was not written before it ended", "pid", p.pid())
	})
	defer slow.Stop()
	if err := s.cluster.awaitReady(ctx, p); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	p.log.routine.Store(false)
	return p, nil
}

// pause waits, and returns the error of ctx if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
