package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"mxdesk/admin"
	"mxdesk/config"
	"mxdesk/internal/address"
	"mxdesk/internal/admission"
	"mxdesk/internal/certificate"
	"mxdesk/internal/dns"
	"mxdesk/internal/mailauth"
	"mxdesk/internal/postgres"
	"mxdesk/internal/rspamd"
	"mxdesk/migrations"
	"mxdesk/outbound"
	"mxdesk/outbound/mtasts"
	"mxdesk/outbound/route"
	"mxdesk/outbound/smtpclient"
	"mxdesk/smtpd"
	"mxdesk/ticketing"
)

type serveCmd struct {
	Dev bool `help:"Development: ports 2525 and 8025 of this machine, everything under ./data, an example organisation."`
}

// Run serves until a signal or a failure.
func (c serveCmd) Run(e *environment) error {
	cfg, err := e.load(c.Dev)
	if err != nil {
		return err
	}
	log, level := logger(cfg)
	slog.SetDefault(log)
	s := &server{cfg: cfg, dev: c.Dev, log: log, metrics: prometheus.NewRegistry()}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	defer s.close()
	if err := s.open(e.ctx); err != nil {
		return err
	}
	stages, err := s.stages()
	if err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	stages = append(stages, stage{"reload", func(ctx context.Context) error {
		s.reload(ctx, hangup, level, func() (config.Config, error) { return e.load(c.Dev) })
		return nil
	}})
	if c.Dev {
		stages = append(stages, stage{"welcome", func(ctx context.Context) error { return s.welcome(ctx, e.stdout) }})
	}
	return runStages(e.ctx, stages)
}

// server holds what the stages share.
type server struct {
	cfg      config.Config
	dev      bool
	log      *slog.Logger
	metrics  *prometheus.Registry
	postgres *postgres.Server // nil when another server is used
	pool     *pgxpool.Pool
	resolver *dns.System

	directory    *ticketing.Directory
	queue        *outbound.Queue
	service      *ticketing.Service
	intake       *ticketing.Intake
	certificates *smtpd.CertificateFiles // nil: there are none
	acme         *certificate.Manager    // nil: off
	smtp         *smtpd.Server
	strangers    *admission.Store
	results      outbound.Results // what was seen of other domains
	policies     *mtasts.Cache    // of other domains; nil: no letter goes there directly
	listening    []netip.AddrPort // where SMTP is served
}

// open opens the database and what hangs on it.
func (s *server) open(ctx context.Context) error {
	if err := s.openDatabase(ctx); err != nil {
		return err
	}
	var err error
	if s.directory, err = ticketing.NewDirectory(ctx, s.pool, s.log); err != nil {
		return err
	}
	s.directory.WebURL = webURL(s.cfg)
	s.queue = outbound.NewQueue(s.pool, outbound.QueueConfig{Lane: s.lane(), MaxWaiting: s.cfg.Outbound.MaxWaiting})
	if s.service, err = ticketing.NewService(s.pool, s.directory, s.queue, nil); err != nil {
		return err
	}
	s.service.AuthservID = string(s.cfg.Hostname)
	s.queue.OnFinal, s.queue.OnDelay = s.service.RecordFinal, s.service.RecordDelay
	s.intake, err = ticketing.NewIntake(ticketing.IntakeConfig{
		Pool: s.pool, Directory: s.directory, Queue: s.queue, Log: s.log, Metrics: s.metrics, OnDMARC: s.onDMARC(),
		Hostname: string(s.cfg.Hostname),
	})
	return err
}

// openDatabase starts the private PostgreSQL unless another is configured, and brings its schema up to date.
func (s *server) openDatabase(ctx context.Context) error {
	url := string(s.cfg.Database.URL)
	if url == "" {
		var err error
		s.postgres, err = postgres.Start(ctx, postgres.Config{
			Dir: privateDir(s.cfg), BinDir: s.cfg.Database.BinDir, Logger: s.log,
		})
		if err != nil {
			return err
		}
		url = s.postgres.URL()
	}
	var err error
	if s.pool, err = postgres.Pool(ctx, url, s.cfg.Database.PoolSize); err != nil {
		return err
	}
	if err := postgres.Await(ctx, s.pool, time.Minute, s.log); err != nil {
		return err
	}
	if err := migrations.CheckServer(ctx, s.pool); err != nil {
		return err
	}
	level := slog.LevelInfo
	return migrations.ApplyTelling(ctx, s.pool, func(step migrations.Step) {
		if step.Number == 1 { // on empty tables all of them take a second
			s.log.Info("an empty database gets its tables", "migrations", step.Of)
			level = slog.LevelDebug
		}
		s.log.Log(ctx, level, "the database is migrated", "migration", step.Name, "number", step.Number, "of", step.Of)
	})
}

// privateDir is where the private PostgreSQL keeps its files.
func privateDir(c config.Config) string { return filepath.Join(c.DataDir, "postgres") }

// close ends what open began, in the other order.
func (s *server) close() {
	if s.resolver != nil {
		s.resolver.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.postgres != nil {
		if err := s.postgres.Stop(); err != nil {
			s.log.Error("PostgreSQL did not stop well", "error", err)
		}
	}
}

// stages are the parts that run, in the order in which they stop: no new letters first, PostgreSQL last.
func (s *server) stages() ([]stage, error) {
	var list []stage
	if err := s.openCertificates(); err != nil {
		return nil, err
	}
	if s.has(config.RoleSMTP) {
		if err := s.makeSMTP(); err != nil {
			return nil, err
		}
		list = append(list, stage{"smtp", s.smtp.Run}, stage{"strangers", s.strangers.Run})
	}
	http, err := s.httpServers()
	if err != nil {
		return nil, err
	}
	list = append(list, http...)
	if s.acme != nil {
		list = append(list, stage{"certificates", s.acme.Run})
	}
	list = append(list, stage{"intake", s.intake.Run})
	if s.has(config.RoleDeliver) {
		own := s.ownAddresses()
		transport, err := s.transport(own)
		if err != nil {
			return nil, err
		}
		worker := outbound.NewWorker(s.queue, outbound.WorkerConfig{
			Connections: s.cfg.Outbound.Connections, Transport: transport, StopTime: s.cfg.StopTimeout, Retention: s.cfg.Retention.Outgoing, AttemptRetention: s.cfg.Retention.Attempts,
			Log: s.log, Metrics: s.metrics,
			LetterBytes: int(s.cfg.Outbound.MaxLetterSize), WebURL: webURL(s.cfg),
		})
		list = append(list, stage{"outbound", s.deliver(own, worker.Run)})
		if s.policies != nil {
			list = append(list, stage{"policies", (&outbound.PolicyKeeper{Queue: s.queue, Cache: s.policies, Log: s.log}).Run})
		}
	}
	if s.has(config.RoleJobs) && asksDNS(s.cfg, s.dev) {
		keys, err := s.keyKeeper()
		if err != nil {
			return nil, err
		}
		list = append(list, keys)
	}
	if s.has(config.RoleJobs) {
		keeper := &ticketing.Housekeeper{Pool: s.pool, Retention: s.cfg.Retention.Incoming, Log: s.log}
		list = append(list, stage{"housekeeping", keeper.Run})
	}
	reporter, err := s.reporter()
	if err != nil {
		return nil, err
	}
	list = append(list, stage{"reports", reporter.Run}, stage{"hints", s.queue.Run}, stage{"directory", s.directory.Run})
	if s.postgres != nil {
		list = append(list, stage{"postgres", s.watchPostgres})
	}
	return list, nil
}

func (s *server) has(r config.Role) bool { return slices.Contains(s.cfg.Roles, r) }

func (s *server) makeSMTP() error {
	c := smtpd.DefaultConfig()
	f := s.cfg.SMTP
	spool := filepath.Join(s.cfg.DataDir, "spool")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return fmt.Errorf("make the spool folder: %w", err)
	}
	c.Hostname, c.SpoolDir, c.Log, c.Metrics = string(s.cfg.Hostname), spool, s.log, s.metrics
	c.MaxConnections, c.MaxPerNetwork, c.MaxNewPerMinute = f.MaxConnections, f.MaxConnectionsPerNetwork, f.ConnectionsPerMinute
	c.Exempt = append(c.Exempt[:0:0], f.ExemptNetworks...) // not nil when there are none: that would be loopback
	c.MaxMessages, c.MaxRecipients, c.MaxSize = f.MessagesPerConnection, f.MaxRecipients, int64(f.MaxMessageSize)
	c.MaxHeader, c.MaxCommandLine, c.MaxTextLine = int(f.MaxHeaderSize), int(f.MaxCommandLength), int(f.MaxLineLength)
	c.SpoolAbove, c.MinFree, c.GreetDelay = int(f.SpoolAbove), int64(f.MinFreeSpace), f.GreetDelay
	c.IdleTimeout, c.DataTimeout, c.SessionTimeout, c.MaxBadCommands = f.IdleTimeout, f.DataTimeout, f.SessionTimeout, f.MaxBadCommands
	c.StopTimeout, c.QueueFull = s.cfg.StopTimeout, s.queue.Full
	c.Admission, c.Rates = s.admission()
	if len(c.Admission.Blocklists) > 0 || c.Admission.CheckSenderDomain || f.Verify {
		if err := s.openResolver(); err != nil {
			return err
		}
		c.Resolver = s.resolver
	}
	if s.strangers = (&admission.Store{Pool: s.pool, Log: s.log}); s.cfg.Admission.Greylisting {
		c.Admission.Greylist = s.strangers
	}
	c.SharedRates = s.strangers
	if err := s.filter(&c); err != nil {
		return err
	}
	if f.Verify {
		c.Verifier = mailauth.Letters{Verifier: &mailauth.Verifier{DNS: s.resolver, Receiver: c.Hostname, Log: s.log}}
	}
	listeners, err := listen(f.Listen)
	if err != nil {
		return err
	}
	c.Listeners, s.listening = listeners, tcpAddresses(listeners)
	if c.LMTPListeners, err = listenLMTP(f.LMTPListen); err != nil {
		return err
	}
	c.ProxyNetworks = f.ProxyNetworks
	c.GetCertificate = s.certificateForMail()
	s.smtp, err = smtpd.New(c, s.intake)
	return err
}

// admission translates what the configuration says of strangers.
func (s *server) admission() (smtpd.Admission, smtpd.Rates) {
	f := s.cfg.Admission
	a := smtpd.Admission{
		AllowNetworks: f.AllowNetworks, BlockNetworks: f.BlockNetworks, Threshold: f.DNSBlocklistThreshold,
		CheckSenderDomain: f.CheckSenderDomain, GreylistDelay: f.GreylistDelay,
	}
	for _, sender := range f.AllowSenders {
		a.AllowSenders = append(a.AllowSenders, string(sender))
	}
	for _, sender := range f.BlockSenders {
		a.BlockSenders = append(a.BlockSenders, string(sender))
	}
	for _, list := range f.DNSBlocklists {
		a.Blocklists = append(a.Blocklists, smtpd.Blocklist(list))
	}
	return a, smtpd.Rates{
		Sender: f.RatePerSender, SenderDomain: f.RatePerSenderDomain, Network: f.RatePerNetwork, Recipient: f.RatePerRecipient,
	}
}

// filter sets up the content filter, if there is one.
func (s *server) filter(c *smtpd.Config) error {
	f := s.cfg.Spam
	if f.RspamdURL == "" {
		return nil
	}
	client, err := rspamd.New(string(f.RspamdURL), string(f.RspamdPassword), f.Timeout)
	if err != nil {
		return err
	}
	c.Filter = client
	c.Spam = smtpd.SpamScores{Tag: float64(f.TagScore), Hold: float64(f.HoldScore), Refuse: float64(f.RefuseScore)}
	return nil
}

// listenLMTP opens the listeners for LMTP. A mail server runs as somebody else, so who may enter the folder of a socket
// may use it.
func listenLMTP(addresses []config.Listener) ([]net.Listener, error) {
	open, err := listen(addresses)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		if a.Network != "unix" {
			continue
		}
		if err := os.Chmod(a.Address, 0o666); err != nil {
			return nil, fmt.Errorf("open %s to mail servers: %w", a, err)
		}
	}
	return open, nil
}

// listen opens listeners; all or none.
func listen(addresses []config.Listener) (open []net.Listener, err error) {
	for _, a := range addresses {
		l, err := listenOn(a)
		if err != nil {
			for _, l := range open {
				l.Close() //nolint:errcheck // the first error counts
			}
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
		open = append(open, l)
	}
	return open, nil
}

// listenOn opens one listener. A Unix socket that nobody answers any more was left by a kill -9, and is replaced.
func listenOn(a config.Listener) (net.Listener, error) {
	if a.Network != "unix" {
		return net.Listen(a.Network, a.Address)
	}
	if conn, err := net.Dial(a.Network, a.Address); err == nil {
		_ = conn.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if err := os.Remove(a.Address); err != nil {
			return nil, err
		}
	}
	return net.Listen(a.Network, a.Address)
}

// httpServers serve the API, the public pages and, each apart, the metrics.
func (s *server) httpServers() ([]stage, error) {
	domainDNS, err := s.domainDNS()
	if err != nil {
		return nil, err
	}
	handler := admin.New(admin.Config{
		DomainDNS: domainDNS,
		Service:   s.service, Directory: s.directory, Queue: s.queue, Intake: s.intake, Log: s.log, Registerer: s.metrics,
	})
	var list []stage
	if s.has(config.RoleAPI) {
		listeners, err := listen(s.cfg.API.Listen)
		if err != nil {
			return nil, err
		}
		list = append(list, stage{"api", admin.NewServer(handler, listeners, s.log).Run})
		public, err := s.webServer()
		if err != nil {
			return nil, err
		}
		list = append(list, public)
	}
	if len(s.cfg.Metrics.Listen) > 0 {
		listeners, err := listen(s.cfg.Metrics.Listen)
		if err != nil {
			return nil, err
		}
		list = append(list, stage{"metrics", admin.NewServer(admin.Metrics(s.metrics, s.service, s.cfg.Metrics.Pprof), listeners, s.log).Run})
	}
	return list, nil
}

// lane names the queue's lanes: a smart host is one lane for all; nil means one a domain.
func (s *server) lane() func(int32, address.Address) string {
	if !relayed(s.cfg) {
		return nil
	}
	return func(int32, address.Address) string { return "smarthost" }
}

// transport is how letters leave: those of organisations with a relay of their own through that, all others as configured.
func (s *server) transport(own *route.Own) (outbound.Transport, error) {
	o := s.cfg.Outbound
	if err := s.openResolver(); err != nil {
		return nil, err
	}
	router := &route.Router{
		Resolver: s.resolver, Names: []string{string(s.cfg.Hostname)}, Own: own, AllowPrivate: o.AllowPrivateDestinations, Port: uint16(o.MXPort),
		Here: s.here,
	}
	if asksDNS(s.cfg, s.dev) {
		own.Resolver = s.resolver
	}
	dialer := &route.Dialer{AllowPrivate: o.AllowPrivateDestinations, Own: own}
	usual, err := s.usualTransport(router, dialer)
	if err != nil {
		return nil, err
	}
	return &outbound.Relays{
		Queue: s.queue, Default: usual, SMTP: &outbound.SMTP{Name: string(s.cfg.Hostname), Dialer: dialer}, Via: router.Via,
		Dir: filepath.Join(s.cfg.DataDir, "relays"), Log: s.log,
		Client: mtasts.NewClient(router.DialName(&route.Dialer{AllowPrivate: o.AllowPrivateDestinations})),
	}, nil
}

// usualTransport is the one that is configured.
func (s *server) usualTransport(router *route.Router, dialer *route.Dialer) (outbound.Transport, error) {
	o := s.cfg.Outbound
	t := &outbound.SMTP{Name: string(s.cfg.Hostname), Hosts: router.Hosts, Dialer: dialer}
	switch o.Transport.Kind {
	case config.TransportMaildir:
		return outbound.Maildir{Dir: o.Transport.Dir}, nil
	case config.TransportDiscard:
		return outbound.Discard{}, nil
	case config.TransportMX:
		// The policies of other domains may well be served by this machine: those are no letters.
		web := &route.Dialer{AllowPrivate: o.AllowPrivateDestinations}
		s.policies = &mtasts.Cache{
			Resolver: s.resolver, Client: mtasts.NewClient(router.DialName(web)), Store: s.queue.Policies(), Log: s.log,
		}
		router.MTASTS = s.policies.Policy
		router.Observe, t.Observe = s.results.AddTLS, s.results.AddTLS
		return t, nil
	}
	smarthost, err := s.smarthost()
	if err != nil {
		return nil, err
	}
	t.Hosts = func(ctx context.Context, _ string) ([]route.Host, error) { return router.Via(ctx, smarthost) }
	return t, nil
}

// openResolver makes the resolver, once.
func (s *server) openResolver() (err error) {
	if s.resolver != nil {
		return nil
	}
	s.resolver, err = newResolver(s.cfg)
	return err
}

func (s *server) smarthost() (route.Smarthost, error) {
	o := s.cfg.Outbound
	host, port, err := net.SplitHostPort(o.Transport.Address)
	if err != nil {
		return route.Smarthost{}, err
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		return route.Smarthost{}, err
	}
	relay := route.Smarthost{Host: host, Port: uint16(number), TLS: smtpclient.TLSOpportunistic, Implicit: o.Transport.Kind == config.TransportSMTPS}
	switch secret := relay.Implicit || o.SmarthostUser != ""; {
	case secret && o.SmarthostAnyCertificate:
		relay.TLS = smtpclient.TLSRequired
	case secret:
		relay.TLS = smtpclient.TLSVerified
	}
	if o.SmarthostUser != "" {
		relay.Auth = &smtpclient.Auth{Username: o.SmarthostUser, Password: string(o.SmarthostPassword)}
	}
	return relay, nil
}

// watchPostgres ends the program when the private PostgreSQL cannot be kept up. It is stopped by close, after the pool.
func (s *server) watchPostgres(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.postgres.Ended():
		return s.postgres.Stop()
	}
}

// reload takes over what SIGHUP can change: the log level; certificates are read again when they change.
func (s *server) reload(ctx context.Context, hangup <-chan os.Signal, level *slog.LevelVar, load func() (config.Config, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		next, err := load()
		if err != nil {
			s.log.Error("the configuration was not reloaded", "error", err)
			continue
		}
		level.Set(next.Log.Level)
		if keys := s.cfg.NeedsRestart(next); len(keys) > 0 {
			s.log.Warn("some changes need a restart", "keys", keys)
		}
		s.log.Info("the configuration was reloaded")
	}
}

// stage is one part that runs until its context ends.
type stage struct {
	name string
	run  func(context.Context) error
}

// runStages runs all stages until ctx ends or one of them fails, then stops them one after the other, each only when
// the one before it has ended.
func runStages(ctx context.Context, stages []stage) error {
	type ended struct {
		name string
		err  error
	}
	failed := make(chan ended, len(stages))
	var stops []func()
	for _, st := range stages {
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := st.run(own); err != nil {
				failed <- ended{st.name, err}
			}
		})
		stops = append(stops, func() { cancel(); wg.Wait() })
	}
	var first error
	select {
	case <-ctx.Done():
	case f := <-failed:
		first = fmt.Errorf("%s: %w", f.name, f.err)
	}
	for _, stop := range stops {
		stop()
	}
	close(failed)
	for f := range failed {
		first = errors.Join(first, fmt.Errorf("%s: %w", f.name, f.err))
	}
	return first
}
