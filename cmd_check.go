package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/config"
	"mxdesk/internal/dns"
	"mxdesk/internal/dnscheck"
	"mxdesk/internal/network"
	"mxdesk/internal/postgres"
	"mxdesk/internal/selfcheck"
	"mxdesk/migrations"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

type checkCmd struct {
	Dev  bool `help:"That of serve --dev."`
	JSON bool `name:"json" help:"Print JSON."`
}

const (
	checkTime    = 5 * time.Minute  // for all of it
	databaseTime = 20 * time.Second // for one look at the database
)

// checked is what a check looks at.
type checked struct {
	cfg      config.Config
	resolver dns.Resolver // nil: nobody is asked
	report   selfcheck.Report
	progress *progress
}

// Run looks at the server from beside it, whether it runs or not. The exit code is for monitoring: 0 all is well, 1 there
// are warnings, 2 errors.
func (c checkCmd) Run(e *environment) error {
	cfg, err := e.load(c.Dev)
	if err != nil {
		return exitCode{2, err}
	}
	ctx, cancel := context.WithTimeout(e.ctx, checkTime)
	defer cancel()
	check := &checked{cfg: cfg, progress: e.progress}
	if asksDNS(cfg, c.Dev) {
		system, err := newResolver(cfg)
		if err != nil {
			return exitCode{2, err}
		}
		defer system.Close()
		check.resolver = system
	}
	check.all(ctx)
	if c.JSON {
		err = printJSON(e.stdout, check.report)
	} else {
		err = printReport(e.stdout, check.report)
	}
	if err != nil {
		return exitCode{2, err}
	}
	if code := check.report.Code(); code != 0 {
		return exitCode{code, fmt.Errorf("not all is well: see the lines above")}
	}
	return nil
}

func printReport(w io.Writer, report selfcheck.Report) error {
	for _, l := range report {
		line := fmt.Sprintf("%-7s  %s: %s", l.Level, l.Check, l.Text)
		if l.Do != "" {
			line += "\n         → " + l.Do
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

func (c *checked) all(ctx context.Context) {
	if c.resolver == nil {
		c.report.Add("DNS", selfcheck.OK, "", "not asked: in development that needs dns.resolvers")
	} else {
		c.progress.set("asks the DNS about %s", c.cfg.Hostname)
		c.report = append(c.report, selfcheck.Identity(ctx, c.resolver, string(c.cfg.Hostname), !relayed(c.cfg))...)
	}
	if slices.Contains(c.cfg.Roles, config.RoleSMTP) {
		c.listeners(ctx)
	}
	c.disk()
	c.database(ctx)
}

// listeners talks to the SMTP listeners, and judges the certificate of the first that serves any.
func (c *checked) listeners(ctx context.Context) {
	host := string(c.cfg.Hostname)
	var chain []*x509.Certificate
	answered := false
	for _, l := range c.cfg.SMTP.Listen {
		if network.Contains(c.cfg.SMTP.ProxyNetworks, netip.MustParseAddr("127.0.0.1")) {
			c.report.Add("listener", selfcheck.Warning, "look at it through the proxy", "%s is not tried: it expects the header of a proxy from this machine", l.Address)
			continue
		}
		c.progress.set("talks to %s", l.Address)
		lines, served := selfcheck.Listener(ctx, l.Network, l.Address, host, c.cfg.SMTP.GreetDelay)
		c.report = append(c.report, lines...)
		answered = answered || lines.Code() < 2
		if chain == nil {
			chain = served
		}
	}
	if !answered {
		return
	}
	names := []string{host}
	if hosts := mailHosts(c.cfg); len(hosts) == 1 && !strings.EqualFold(hosts[0], host) {
		names = append(names, hosts[0])
	}
	c.report = append(c.report, selfcheck.Certificate(chain, names, nil, time.Now())...)
}

func (c *checked) disk() {
	var st syscall.Statfs_t
	if err := syscall.Statfs(c.cfg.DataDir, &st); err != nil {
		c.report.Add("disk", selfcheck.Warning, "make the data folder, or run as the user of mxdesk serve", "%s: %v", c.cfg.DataDir, err)
		return
	}
	block := int64(st.Bsize)
	c.report = append(c.report, selfcheck.Disk(c.cfg.DataDir, int64(st.Bavail)*block, int64(st.Blocks)*block, int64(c.cfg.SMTP.MinFreeSpace))...)
}

// database looks at the database, and through it at the queue and at the domains.
func (c *checked) database(ctx context.Context) {
	const check = "database"
	c.progress.set("waits for the database")
	url := string(c.cfg.Database.URL)
	if url == "" {
		var err error
		if url, err = postgres.Attach(privateDir(c.cfg)); err != nil {
			c.report.Add(check, selfcheck.Error, "start mxdesk serve", "%v", err)
			return
		}
	}
	pool, err := postgres.Pool(ctx, url, 2)
	if err != nil {
		c.report.Add(check, selfcheck.Error, "mend database.url", "%v", err)
		return
	}
	defer pool.Close()
	looking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	if err := migrations.CheckServer(looking, pool); errors.Is(err, migrations.ErrUnfit) {
		c.report.Add(check, selfcheck.Error, "change the settings of PostgreSQL", "%v", err)
	}
	facts, before, took, err := selfcheck.AskDatabase(looking, pool)
	if err != nil {
		c.report.Add(check, selfcheck.Error, "look at PostgreSQL and its log", "%v", err)
		return
	}
	c.report = append(c.report, selfcheck.Database(facts)...)
	c.report = append(c.report, selfcheck.Clock(before, took, facts.Now)...)
	version, err := migrations.Version(looking, pool)
	if err != nil {
		c.report.Add("schema", selfcheck.Error, "look at PostgreSQL and its log", "%v", err)
		return
	}
	c.report = append(c.report, selfcheck.Schema(version, migrations.Latest())...)
	if version == migrations.Latest() {
		c.desk(ctx, pool)
	}
}

// desk looks at the queue and the domains, which only a database of this version can tell of.
func (c *checked) desk(ctx context.Context, pool *pgxpool.Pool) {
	queue := outbound.NewQueue(pool, outbound.QueueConfig{})
	looking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	depth, err := queue.Depth(looking)
	if err != nil {
		c.report.Add("queue", selfcheck.Error, "look at PostgreSQL and its log", "%v", err)
		return
	}
	waiting := depth.States["queued"] + depth.States["deferred"] + depth.States["leased"]
	c.report = append(c.report, selfcheck.Backlog(waiting, depth.Oldest, depth.BackedOffLanes, depth.PausedLanes)...)
	directory, err := ticketing.NewDirectory(looking, pool, slog.New(slog.DiscardHandler))
	if err != nil {
		c.report.Add("domains", selfcheck.Error, "look at PostgreSQL and its log", "%v", err)
		return
	}
	if c.resolver == nil {
		return
	}
	advisor := newDNSAdvisor(c.resolver, queue, c.cfg)
	for _, o := range directory.Organisations() {
		for _, domain := range o.Domains {
			c.progress.set("asks the DNS about %s", domain)
			records, err := advisor.records(ctx, o, domain)
			if err != nil {
				c.report.Add("DNS of "+domain, selfcheck.Error, "look at PostgreSQL and its log", "%v", err)
				continue
			}
			c.domain(dns.ASCII(domain), records)
		}
	}
}

// domain judges the records of one domain; what is right is told in one line.
func (c *checked) domain(domain string, records []dnscheck.Record) {
	check := "DNS of " + domain
	right := 0
	for _, r := range records {
		level := levelOf(r)
		if level == selfcheck.OK {
			right++
			continue
		}
		words := slices.DeleteFunc([]string{statusWords[r.Status], r.Text}, func(s string) bool { return s == "" })
		c.report.Add(check, level, "see mxdesk dns "+domain, "%s at %s: %s", r.About, r.Name, strings.Join(words, ": "))
	}
	if right > 0 || len(records) == 0 {
		c.report.Add(check, selfcheck.OK, "", "%d of %d records are as they should be", right, len(records))
	}
}

func levelOf(r dnscheck.Record) selfcheck.Level {
	switch {
	case r.Status.Wrong() && r.Need == dnscheck.Required:
		return selfcheck.Error
	case r.Status == dnscheck.OK || r.Status == dnscheck.Unchecked || r.Need == dnscheck.Obsolete:
		return selfcheck.OK
	}
	return selfcheck.Warning
}
