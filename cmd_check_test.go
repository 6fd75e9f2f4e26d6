package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/dnscheck"
	"mxdesk/internal/selfcheck"
	"mxdesk/internal/smtptest"
	"mxdesk/outbound"
)

// publishing is a desk whose DNS the test publishes.
type publishing struct {
	*desk
	server *dns.Server
	zone   dns.Fake
}

func newPublishing(t *testing.T) *publishing {
	p := &publishing{desk: newDesk(t), zone: dns.Fake{"mx.desk.test": {A: []string{"192.0.2.1"}}, "192.0.2.1": {PTR: []string{"mx.desk.test"}}}}
	var err error
	if p.server, err = dns.Serve("127.0.0.1:0", p.zone); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.server.Close() }) //nolint:errcheck // a test
	t.Setenv("MXDESK_DNS_RESOLVERS", p.server.Addr.String())
	t.Setenv("MXDESK_HOSTNAME", "mx.desk.test")
	t.Setenv("MXDESK_OUTBOUND_TRANSPORT", "mx")
	t.Setenv("MXDESK_DATA_DIR", t.TempDir())
	return p
}

// publish publishes what a zone file says.
func (p *publishing) publish(text string) {
	p.t.Helper()
	zone, err := p.zone.WithZoneFile(text)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, text)
	}
	p.zone = zone
	p.server.Set(zone)
}

// TestDNSCommand: what is printed can be published as it is; then nothing is missing.
func TestDNSCommand(t *testing.T) {
	p := newPublishing(t)
	offline, err := p.run("dns", "--offline")
	if err != nil || strings.Contains(offline, "MISSING") || !strings.Contains(offline, "\n;   mx.desk.test. IN A\n") || strings.Count(offline, "_domainkey.desk.test. IN TXT") != 2 {
		t.Fatalf("offline: %v\n%s", err, offline)
	}
	before, err := p.run("dns")
	if !errors.Is(err, errRecords) || strings.Count(before, "MISSING") != 6 {
		t.Errorf("before: %v\n%s", err, before)
	}
	for _, line := range []string{"; mx.desk.test, this server", "; address: published", "mx.desk.test. IN A 192.0.2.1", "; PTR: published", "1.2.0.192.in-addr.arpa. IN PTR mx.desk.test."} {
		if !strings.Contains(before, line+"\n") {
			t.Errorf("no %q in\n%s", line, before)
		}
	}
	p.publish(before)
	after, err := p.run("dns", "DESK.test")
	if err != nil || strings.Contains(after, "MISSING") || strings.Count(after, ": published") != 6 {
		t.Errorf("after: %v\n%s", err, after)
	}
	text, err := p.run("dns", "--json", "desk.test")
	var list []printedDomain
	if jsonErr := json.Unmarshal([]byte(text), &list); err != nil || jsonErr != nil || len(list) != 1 || len(list[0].Records) != 6 || list[0].Records[0].Status != dnscheck.OK {
		t.Errorf("JSON: %v, %v\n%s", err, jsonErr, text)
	}
	list = nil
	text, err = p.run("dns", "--json", "--host", "away.test")
	if jsonErr := json.Unmarshal([]byte(text), &list); !errors.Is(err, errRecords) || jsonErr != nil || len(list) != 2 || list[0].Domain != "away.test" || list[0].Records[0].Status != dnscheck.Missing {
		t.Errorf("JSON of another host: %v, %v\n%s", err, jsonErr, text)
	}
	if _, err := p.run("dns", "other.test"); err == nil {
		t.Error("records of a domain that is none of ours")
	}

	zone := maps.Clone(p.zone) // the server reads the other
	zone["_dmarc.desk.test"] = dns.Records{TXT: []string{"v=DMARC1; p=\x1b[2Jnone\n_dmarc IN TXT x"}}
	p.server.Set(zone)
	hostile, err := p.run("dns")
	if !errors.Is(err, errRecords) || strings.ContainsRune(hostile, '\x1b') || strings.Contains(hostile, "\n_dmarc IN") {
		t.Errorf("hostile: %v\n%q", err, hostile)
	}
	p.server.Close() //nolint:errcheck // a test
	silent, err := p.run("dns")
	if err != nil || !strings.Contains(silent, "the DNS gives no answer") {
		t.Errorf("a DNS without answers: %v\n%s", err, silent)
	}
}

// TestRelayedDNS: where a smart host sends the letters, neither SPF nor the reverse name has to do with the addresses of this machine.
func TestRelayedDNS(t *testing.T) {
	p := newPublishing(t)
	records, err := p.run("dns", "--offline")
	if err != nil {
		t.Fatal(err)
	}
	p.publish(strings.ReplaceAll(records, "v=spf1 mx -all", "v=spf1 ip4:198.51.100.7 -all"))
	if out, err := p.run("dns"); !errors.Is(err, errRecords) || !strings.Contains(out, "letters from 192.0.2.1 get fail") {
		t.Errorf("no smart host: %v\n%s", err, out)
	}
	p.do(func(ctx context.Context, d *database) error {
		return d.queue.SetRelay(ctx, 1, outbound.Relay{Kind: outbound.RelaySmarthost, Host: "relay.test", Port: 465, Implicit: true})
	})
	if out, err := p.run("dns"); err != nil || !strings.Contains(out, "SPF: published: a smart host sends the letters") || !strings.Contains(out, "not evaluated") {
		t.Errorf("a smart host of the organisation: %v\n%s", err, out)
	}
	p.do(func(ctx context.Context, d *database) error { return d.queue.DropRelay(ctx, 1) })
	t.Setenv("MXDESK_OUTBOUND_TRANSPORT", "smtps://relay.test:465")
	zone := maps.Clone(p.zone) // the server reads the other
	delete(zone, "192.0.2.1")
	p.server.Set(zone)
	if out, _ := p.run("check"); !strings.Contains(out, "ok       name: mx.desk.test is 192.0.2.1") || !strings.Contains(out, "ok       DNS of desk.test: 6 of 6") {
		t.Errorf("a smart host of the server:\n%s", out)
	}
}

// TestCheckCommand: the exit code follows the worst line; the lines say what to do.
func TestCheckCommand(t *testing.T) {
	p := newPublishing(t)
	config, _ := smtptest.Certificate(t, "mx.desk.test")
	smtp := smtptest.New(t, smtptest.Config{Name: "mx.desk.test", TLS: config})
	t.Setenv("MXDESK_SMTP_LISTEN", smtp.Addr().String())
	check := func(want int, lines ...string) {
		t.Helper()
		out, err := p.run("check")
		code := 0
		var coded exitCode
		if errors.As(err, &coded) {
			code = coded.code
		}
		if code != want {
			t.Errorf("exit code %d, want %d: %v\n%s", code, want, err, out)
		}
		for _, line := range lines {
			if !strings.Contains(out, line) {
				t.Errorf("no %q in\n%s", line, out)
			}
		}
	}
	check(2, "error    DNS of desk.test: MX at desk.test: MISSING", "→ see mxdesk dns desk.test", "ok       reverse name: mx.desk.test and 192.0.2.1",
		"ok       listener", "ok       clock", "ok       schema", "ok       queue: 0 deliveries", "warning  certificate: it ends")
	records, err := p.run("dns", "--offline")
	if err != nil {
		t.Fatal(err)
	}
	p.publish(records)
	check(2, "ok       DNS of desk.test: 6 of 6 records are as they should be", "warning  certificate: nobody vouches for it")

	out, _ := p.run("check", "--json")
	var report selfcheck.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Errorf("JSON: %v\n%s", err, out)
	}
	for _, l := range report { // the PostgreSQL of tests runs without fsync
		if l.Level == selfcheck.Error && !strings.Contains(l.Text, "fsync is off") {
			t.Errorf("%+v", l)
		}
	}
	smtp.Close()
	check(2, "error    listener: nobody answers", "→ start mxdesk serve")
	p.do(func(ctx context.Context, d *database) error {
		_, err := d.pool.Exec(ctx, "INSERT INTO schema_migrations (version, name) VALUES (9999, 'later')")
		return err
	})
	check(2, "error    schema: the database has version 9999")
	t.Setenv("MXDESK_DATABASE_URL", fmt.Sprintf("postgres://nobody@%s/none?connect_timeout=2", p.server.Addr))
	check(2, "error    database:")
	t.Setenv("MXDESK_DATABASE_URL", "")
	check(2, "error    database: no private PostgreSQL runs", "→ start mxdesk serve")
}

// TestCheckEnds: a check ends when it is told to, whatever it waits for.
func TestCheckEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	silent := smtptest.New(t, smtptest.Config{Script: func(smtptest.Command) smtptest.Action { return smtptest.Action{Wait: make(chan struct{})} }})
	if report, _ := selfcheck.Listener(ctx, "tcp", silent.Addr().String(), "mx.desk.test", time.Hour); report.Code() != 2 {
		t.Errorf("%+v", report)
	}
}
