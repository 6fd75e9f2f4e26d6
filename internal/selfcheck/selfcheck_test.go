package selfcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/pgtest"
	"mxdesk/internal/smtptest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// worst wants the worst line of a report to be of that level and to hold the text.
func worst(t *testing.T, what string, r Report, level Level, text string) {
	t.Helper()
	codes := map[Level]int{OK: 0, Warning: 1, Error: 2}
	if len(r) == 0 || r.Code() != codes[level] {
		t.Errorf("%s: %+v, want %s", what, r, level)
		return
	}
	for _, l := range r {
		if l.Level == level && strings.Contains(l.Text, text) && (l.Do == "") == (level == OK) {
			return
		}
	}
	t.Errorf("%s: no %s line with %q and what to do in %+v", what, level, text, r)
}

func TestIdentity(t *testing.T) {
	const host = "mx.desk.test"
	for what, c := range map[string]struct {
		zone  dns.Fake
		level Level
		text  string
	}{
		"agrees":           {dns.Fake{host: {A: []string{"192.0.2.1"}}, "192.0.2.1": {PTR: []string{"MX.desk.test"}}}, OK, "lead to each other"},
		"no address":       {dns.Fake{}, Error, "no address"},
		"no answer":        {dns.Fake{host: {Fail: true}}, Warning, "no answer"},
		"private":          {dns.Fake{host: {A: []string{"10.0.0.1"}}}, Warning, "nobody outside"},
		"no PTR":           {dns.Fake{host: {A: []string{"192.0.2.1"}}}, Error, "no PTR"},
		"PTR of others":    {dns.Fake{host: {A: []string{"192.0.2.1"}}, "192.0.2.1": {PTR: []string{"host1.isp.test"}}}, Error, "host1.isp.test"},
		"one of two wrong": {dns.Fake{host: {A: []string{"192.0.2.1", "2001:db8::1"}}, "192.0.2.1": {PTR: []string{host}}}, Error, "2001:db8::1"},
		"PTR fails":        {dns.Fake{host: {A: []string{"192.0.2.1"}}, "192.0.2.1": {Fail: true}}, Warning, "no answer"},
	} {
		worst(t, what, Identity(t.Context(), c.zone, host, true), c.level, c.text)
	}
	worst(t, "no PTR where nothing leaves", Identity(t.Context(), dns.Fake{host: {A: []string{"192.0.2.1"}}}, host, false), OK, "192.0.2.1")
}

func TestListener(t *testing.T) {
	config, roots := smtptest.Certificate(t, "mx.test")
	never := make(chan struct{})
	script := func(verb string, a smtptest.Action) func(smtptest.Command) smtptest.Action {
		return func(c smtptest.Command) smtptest.Action {
			if c.Verb == verb {
				return a
			}
			return smtptest.Action{}
		}
	}
	for what, c := range map[string]struct {
		host   string
		tls    *tls.Config
		script func(smtptest.Command) smtptest.Action
		level  Level
		text   string
		serves bool
	}{
		"all well":       {"mx.test", config, nil, OK, "takes mail", true},
		"without TLS":    {"mx.test", nil, nil, OK, "takes mail", false},
		"another name":   {"mx.other.test", config, nil, Warning, "not as mx.other.test", true},
		"refuses":        {"mx.test", nil, script(smtptest.Connect, smtptest.Action{Reply: "554 \x1b[2Jgo away"}), Error, "554", false},
		"hangs up":       {"mx.test", nil, script(smtptest.Connect, smtptest.Action{Close: true}), Error, "does not greet", false},
		"refuses EHLO":   {"mx.test", nil, script("EHLO", smtptest.Action{Reply: "421 no"}), Error, "421", false},
		"breaks TLS":     {"mx.test", config, script("STARTTLS", smtptest.Action{Reply: "454 no"}), Error, "STARTTLS fails", false},
		"endless reply":  {"mx.test", nil, script("EHLO", smtptest.Action{Reply: strings.Repeat("250-x\r\n", maxTalk/5)}), Error, "EHLO", false},
		"never says 220": {"mx.test", nil, script(smtptest.Connect, smtptest.Action{Wait: never}), Error, "does not greet", false},
	} {
		s := smtptest.New(t, smtptest.Config{TLS: c.tls, Script: c.script})
		ctx, cancel := t.Context(), func() {}
		if what == "never says 220" {
			ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
		}
		report, chain := Listener(ctx, "tcp", s.Addr().String(), c.host, 0)
		cancel()
		worst(t, what, report, c.level, c.text)
		if (chain != nil) != c.serves {
			t.Errorf("%s: chain %v", what, chain)
		}
		if what == "all well" {
			worst(t, "its certificate", Certificate(chain, []string{"mx.test"}, roots, time.Now()), Warning, "ends on") // it is short-lived
		}
		s.Close()
		if report, _ := Listener(t.Context(), "tcp", s.Addr().String(), c.host, 0); report.Code() != 2 {
			t.Errorf("%s: ended, and yet %+v", what, report)
		}
	}
	for address, want := range map[string]string{":25": "127.0.0.1:25", "0.0.0.0:25": "127.0.0.1:25", "[::]:25": "[::1]:25", "192.0.2.1:25": "192.0.2.1:25"} {
		if got := local("tcp", address); got != want {
			t.Errorf("%s is tried at %s, want %s", address, got, want)
		}
	}
}

func TestCertificate(t *testing.T) {
	config, roots := smtptest.Certificate(t, "mx.test", "mx2.test")
	leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	chain := []*x509.Certificate{leaf}
	for what, c := range map[string]struct {
		chain []*x509.Certificate
		names []string
		roots *x509.CertPool
		now   time.Time
		level Level
		text  string
	}{
		"none":         {nil, nil, roots, leaf.NotBefore, Warning, "in the clear"},
		"ended":        {chain, []string{"mx.test"}, roots, leaf.NotAfter.Add(time.Hour), Error, "it ended"},
		"not begun":    {chain, []string{"mx.test"}, roots, leaf.NotBefore.Add(-time.Hour), Error, "it begins"},
		"ends soon":    {chain, []string{"mx.test"}, roots, leaf.NotAfter.Add(-time.Hour), Warning, "it ends"},
		"another name": {chain, []string{"mx.test", "mx3.test"}, roots, leaf.NotAfter.Add(-time.Hour), Error, "mx3.test"},
		"unknown root": {chain, []string{"mx2.test"}, x509.NewCertPool(), leaf.NotAfter.Add(-time.Hour), Warning, "nobody vouches"},
	} {
		worst(t, what, Certificate(c.chain, c.names, c.roots, c.now), c.level, c.text)
	}
}

func TestFacts(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	well := DatabaseFacts{Version: "15", Connections: 10, MaxConnections: 100}
	with := func(f func(*DatabaseFacts)) Report {
		facts := well
		f(&facts)
		return Database(facts)
	}
	for what, c := range map[string]struct {
		report Report
		level  Level
		text   string
	}{
		"same time":       {Clock(at, time.Second, at.Add(500*time.Millisecond)), OK, "agrees"},
		"slow answer":     {Clock(at, 10*time.Second, at.Add(9*time.Second)), OK, "agrees"},
		"we are behind":   {Clock(at, time.Second, at.Add(10*time.Second)), Warning, "9s"},
		"we are ahead":    {Clock(at, time.Second, at.Add(-10*time.Minute)), Error, "10m"},
		"room":            {Disk("data", 50<<30, 100<<30, 128<<20), OK, "51200"},
		"little room":     {Disk("data", 300<<20, 1<<30, 128<<20), Warning, "300"},
		"5 percent":       {Disk("data", 4<<30, 100<<30, 128<<20), Warning, "4096"},
		"no room":         {Disk("data", 100<<20, 100<<30, 128<<20), Error, "100"},
		"same schema":     {Schema(3, 3), OK, "3"},
		"old schema":      {Schema(2, 3), Warning, "2"},
		"newer schema":    {Schema(4, 3), Error, "4"},
		"short queue":     {Backlog(10, time.Minute, 0, 0), OK, "10 deliveries"},
		"long queue":      {Backlog(20_000, time.Minute, 1, 0), Warning, "20000"},
		"slow queue":      {Backlog(1, 5*time.Hour, 1, 0), Warning, "5h"},
		"stuck queue":     {Backlog(1, 25*time.Hour, 1, 0), Error, "25h"},
		"paused lane":     {Backlog(0, 0, 0, 1), Warning, "1 are paused"},
		"database":        {Database(well), OK, "PostgreSQL 15"},
		"transaction":     {with(func(f *DatabaseFacts) { f.OldestTransaction = 10 * time.Minute }), Warning, "10m"},
		"old transaction": {with(func(f *DatabaseFacts) { f.OldestTransaction = 2 * time.Hour }), Error, "2h"},
		"old snapshot":    {with(func(f *DatabaseFacts) { f.OldestSnapshot = 20_000_000 }), Warning, "20000000"},
		"wraparound":      {with(func(f *DatabaseFacts) { f.Wraparound = 1_500_000_000 }), Error, "1500000000"},
		"connections":     {with(func(f *DatabaseFacts) { f.Connections = 95 }), Warning, "95 of 100"},
	} {
		worst(t, what, c.report, c.level, c.text)
	}
}

// TestAskDatabase: what a real PostgreSQL says, and that it sees a transaction of another connection.
func TestAskDatabase(t *testing.T) {
	pool := pgtest.New(t)
	pgtest.Prepare(t, pool, pgtest.Statements(t, "."))
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background()) //nolint:errcheck // a test
	if _, err := tx.Exec(t.Context(), "SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	f, before, took, err := AskDatabase(t.Context(), pool)
	if err != nil || f.Version == "" || f.MaxConnections < f.Connections || f.Connections < 2 || f.OldestTransaction <= 0 || f.Wraparound <= 0 {
		t.Errorf("%+v, %v", f, err)
	}
	worst(t, "clock", Clock(before, took, f.Now), OK, "agrees")
}
