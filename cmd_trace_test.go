package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/id"
	"mxdesk/migrations"
	"mxdesk/ticketing"
)

// TestTrace: each name of a letter or delivery leads to it, with or without its brackets or prefix, and what leads to nothing says so.
func TestTrace(t *testing.T) {
	d := newDesk(t)
	sent := d.send("bob@a.test")[0]
	d.receive(1, "carl@b.test", "1.a@b.test")
	d.receive(1, "forger@b.test", "carl@b.test") // a Message-ID that is somebody's address
	d.receive(1, "eve@b.test", `we"ird,id@b.test`)
	var returnPath string
	d.do(func(_ context.Context, db *database) error {
		delivery, err := id.Parse(sent)
		returnPath = db.directory.Organisations()[0].Signer.ReturnPath("desk.test", delivery).String()
		return err
	})
	for what, want := range map[string]string{
		returnPath: "bob@a.test", "<" + returnPath + ">": "bob@a.test",
		sent: "bob@a.test", "dlv_" + sent: "bob@a.test", "bob@a.test": sent, "<Bob@A.test>": sent,
		"1.a@b.test": "<carl@b.test>", "<1.a@b.test>": "<carl@b.test>", `we"ird,id@b.test`: "<eve@b.test>",
		"carl@b.test": "<carl@b.test>", "<carl@b.test>": "<forger@b.test>",
		"#0": "!no ticket number", "#-1": "!no ticket number", "tkt_0": "!no ticket number", "#9": `!nothing is known of "#9"`, "tkt_9": "!nothing is known",
		"nobody@b.test": "!nothing is known", "<nobody@b.test>": "!nothing is known", id.New().String(): "!nothing is known", "nonsense": "!is no id",
		"a\x1b[31m@b.test": `!nothing is known of "a\x1b[31m`,
	} {
		out, err := d.run("trace", what)
		wanted, refused := strings.CutPrefix(want, "!")
		if (err != nil) != refused {
			t.Errorf("%s: %q, %v", what, out, err)
			continue
		}
		if refused {
			out = err.Error()
		}
		if !strings.Contains(out, wanted) {
			t.Errorf("%s: no %q in %q", what, wanted, out)
		}
	}
	if out, err := d.run("trace", "carl@b.test"); err != nil || strings.Contains(out, "forger") {
		t.Errorf("a Message-ID passes for an address: %q, %v", out, err)
	}
}

// TestTraceJSON: every list is a list, and what was left out is said.
func TestTraceJSON(t *testing.T) {
	d := newDesk(t)
	d.receive(21, "carl@b.test", "x@b.test")
	d.receive(20, "eve@b.test", "y@b.test")
	for who, more := range map[string]bool{"carl@b.test": true, "eve@b.test": false} {
		out, err := d.run("trace", "--json", who)
		if err != nil {
			t.Fatal(err)
		}
		var found []ticketing.Found
		if err := json.Unmarshal([]byte(out), &found); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if len(found) != 1 || len(found[0].Letters) != 20 || found[0].More != more || !strings.Contains(out, `"Deliveries": []`) || !strings.Contains(out, `"Entries": []`) {
			t.Errorf("%s: %s", who, out)
		}
		if out, err := d.run("trace", who); err != nil || strings.Contains(out, "There are more") != more {
			t.Errorf("%s: %s, %v", who, out, err)
		}
	}
	sent := d.send("bob@a.test")[0]
	if out, err := d.run("queue", "show", "--json", sent); err != nil || !strings.Contains(out, `"Attempts": 0`) || !strings.Contains(out, `"Log": []`) {
		t.Errorf("%s, %v", out, err)
	}
}

// TestPrintLetter: of a letter everything is told that is known: who brought it, what was found of its sender, what was decided, and
// what it caused. What strangers wrote is quoted.
func TestPrintLetter(t *testing.T) {
	var out strings.Builder
	printLetter(&out, ticketing.LetterSummary{
		ReceivedAt: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), MailFrom: "carl@b.test", RcptTo: "help@desk.test", From: "carl@b.test",
		Subject: "x\x1b[31m", MessageID: "1@b.test", Kind: "human", Outcome: ticketing.AddedEntry, Ticket: 7, Size: 99, Problem: "none",
		Session: []byte(`{"client": "192.0.2.1", "ptr": "mx.b.test", "helo": "b\u001btest", "tls": "TLS1.3", "protocol": "ESMTPS"}`),
		Verdict: []byte(`{"spf": {"result": "pass", "domain": "b.test"}, "dkim": [{"result": "fail", "domain": "b.test", "reason": "body"}, {"result": "pass", "domain": "c\u001btest"}],
			"dmarc": {"result": "pass", "domain": "b.test"}, "arc": {"result": "none"}, "spam": {"score": 3.5}, "believed": {"source": "arc-sealer", "by": "list.test"}}`),
		Trace: []byte(`{"decisions": ["thread: #7"], "commands": [{"command": "#take#", "done": true, "result": "Anna owns it"}, {"command": "#x#", "done": false, "result": "no such command"}],
			"notifications": [{"event": "message.received", "rules": [{"rule": 1, "not": "when assigned is true"}, {"rule": 2, "told": ["anna@desk.test"],
			"skipped": [{"why": "unsubscribed", "addresses": ["bob@desk.test"], "more": 3}, {"why": "nobody is owner"}]}]}]}`),
	})
	for _, want := range []string{
		`brought by 192.0.2.1 "mx.b.test", "b\x1btest" in its greeting, ESMTPS, TLS1.3`,
		`sender: spf pass "b.test", dkim fail "b.test" ("body"), dkim pass "c\x1btest", dmarc pass "b.test", spam score 3.5, believed arc-sealer "list.test"`,
		"problem: none", `"thread: #7"`, `command "#take#": done, "Anna owns it"`, `command "#x#": not done, "no such command"`,
		`message.received, rule 2: told "anna@desk.test"`, `message.received, rule 2: not told "bob@desk.test" and 3 more: unsubscribed`,
	} {
		if !strings.Contains(out.String(), "  "+want+"\n") {
			t.Errorf("no line %s in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") || strings.Contains(out.String(), "rule 1") || strings.Contains(out.String(), "nobody") {
		t.Errorf("too much in\n%s", out.String())
	}
	out.Reset()
	printLetter(&out, ticketing.LetterSummary{Kind: "human", Outcome: ticketing.OpenedTicket})
	if strings.Count(out.String(), "\n") != 3 {
		t.Errorf("a letter of which nothing is known: %s", out.String())
	}
}

// TestOtherSchema: on a database of another release a command says so and touches nothing, and one that is away is told of.
func TestOtherSchema(t *testing.T) {
	d := newDesk(t)
	d.do(func(ctx context.Context, db *database) error {
		_, err := db.pool.Exec(ctx, "DELETE FROM schema_migrations WHERE version = $1", migrations.Latest())
		return err
	})
	if _, err := d.run("queue", "list"); err == nil || !strings.Contains(err.Error(), "mxdesk migrate") {
		t.Errorf("an older database: %v", err)
	}
	t.Setenv("MXDESK_DATABASE_URL", "host="+t.TempDir()+" user=x")
	if _, err := d.run("queue", "list"); err == nil || !strings.Contains(err.Error(), "look whether mxdesk serve and PostgreSQL run") {
		t.Errorf("no database: %v", err)
	}
}
