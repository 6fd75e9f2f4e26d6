package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/pgtest"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// desk is a database with an organisation, for commands that work on one.
type desk struct {
	t            *testing.T
	organisation int32
	progress     *progress // of the commands that run
}

func newDesk(t *testing.T) *desk {
	t.Setenv("MXDESK_DATABASE_URL", pgtest.URL(t))
	d := &desk{t: t}
	d.do(func(ctx context.Context, db *database) (err error) {
		d.organisation, err = db.service.CreateOrganisation(ctx, ticketing.NewOrganisation{Name: "Desk", Address: "help@desk.test"})
		return err
	})
	return d
}

func (d *desk) do(f func(context.Context, *database) error) {
	d.t.Helper()
	e := &environment{ctx: d.t.Context(), cli: &cli{}}
	if err := e.withDatabase(false, f); err != nil {
		d.t.Fatal(err)
	}
}

// send puts a letter to each recipient into the queue.
func (d *desk) send(recipients ...string) (ids []string) {
	d.t.Helper()
	m := outbound.Message{Organisation: d.organisation, ID: id.New(), Template: "test", From: address.Address{Local: "help", Domain: "desk.test"}, Subject: "x", Text: "x"}
	for _, r := range recipients {
		to, err := address.Parse(r)
		if err != nil {
			d.t.Fatal(err)
		}
		one := outbound.Delivery{ID: id.New(), Recipient: to, MessageID: "x@desk.test"}
		m.Deliveries = append(m.Deliveries, one)
		ids = append(ids, one.ID.String())
	}
	d.do(func(ctx context.Context, db *database) error {
		return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error { return db.queue.EnqueueTx(ctx, tx, []outbound.Message{m}) })
	})
	return ids
}

// receive stores letters as if they had come; they went into no ticket.
func (d *desk) receive(n int, from, messageID string) {
	d.t.Helper()
	d.do(func(ctx context.Context, db *database) error {
		_, err := db.pool.Exec(ctx, `
			INSERT INTO letters (organisation_id, letter_id, received_at, mail_from, rcpt_to, from_address, subject, message_id, kind, outcome,
			                     size, session, trace, received_field, parser_version, encoding, raw)
			SELECT $1, gen_random_uuid(), now(), $2, 'help@desk.test', $2, 'Words', $3, 'human', 'unhandled', 1, '{}', '{}', '', 1, 'identity', ''
			  FROM generate_series(1, $4)`, d.organisation, from, messageID, n)
		return err
	})
}

// run runs a command line.
func (d *desk) run(args ...string) (string, error) {
	d.t.Helper()
	var c cli
	parser, err := kong.New(&c)
	if err != nil {
		d.t.Fatal(err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = parsed.Run(&environment{ctx: d.t.Context(), cli: &c, stdout: &out, progress: d.progress})
	return out.String(), err
}

// TestQueueCommands: one step after the other; each says what it did, and list and show tell it.
func TestQueueCommands(t *testing.T) {
	d := newDesk(t)
	ids := d.send("bob@a.test", "eve@b.test")
	bob, eve := ids[0], ids[1]
	for _, step := range []struct {
		args  string
		want  string // words of the output, or of the error after "!"
		never string
	}{
		{"queue list", eve + " queued bob@a.test b.test", ""},
		{"queue hold " + bob + " dlv_" + eve, bob + " is held dlv_" + eve, ""},
		{"queue list --state held", bob + " " + eve, "due"},
		{"queue list --state queued", "", bob},
		{"queue release " + bob, bob + " is released", ""},
		{"queue release " + bob, "!cannot be done: it is queued", ""},
		{"queue list --lane a.test", bob + " queued due", eve},
		{"queue retry " + eve, eve + " is sent now", ""},
		{"queue retry --lane A.Test.", "a.test is tried now", ""},
		{"queue retry --lane z.test", "!z.test: no such lane mxdesk queue lanes", ""},
		{"queue resume z.test", "!no such lane", ""},
		{"queue pause nonsense\x1b[31m", `!"nonsense\x1b[31m": no such lane`, "\x1b"},
		{"queue retry", "!either", ""},
		{"queue retry --lane a.test " + bob, "!either", ""},
		{"queue pause A.test", "a.test is paused", "A"},
		{"queue list --lane A.TEST", bob, eve},
		{"queue retry " + bob, "!paused: resume", ""},
		{"queue retry --lane a.test", "!paused: resume", ""},
		{"queue lanes", "a.test 1 waiting paused b.test", ""},
		{"queue resume a.test", "a.test goes on", ""},
		{"queue lanes", "a.test b.test", "paused"},
		{"queue cancel " + eve, eve + " is cancelled", ""},
		{"queue cancel " + eve, "!cannot be done: it is cancelled", ""},
		{"queue cancel " + id.New().String(), "!no such delivery", ""},
		{"queue list", bob, eve},
		{"queue list --state cancelled", eve, bob},
		{"queue show " + eve, eve + " cancelled", ""},
		{"queue show " + id.New().String(), "!no such delivery", ""},
		{"queue show nonsense", "!no id", ""},
		{"queue show " + bob, bob + " queued, due a.test", ""},
		{"queue list --limit 0", "!limit", ""},
		{"queue list", "", "There may be more"},
		{"queue list --state lost", "!--state", ""},
		{"log", eve + " cancelled " + bob, ""},
		{"log -n 1", eve, bob},
		{"log --state lost", "!--state", ""},
		{"log --address BOB@A.test", bob, eve},
		{"log --address bob", "!--address: not a mail address", ""},
		{"log --since 1h --until 2h", "!--since must be before --until", ""},
		{"log --since " + stamp(time.Now().Add(-time.Hour)), bob, ""}, // what is printed can be given
		{"log --direction in", "", bob},
		{"log -n 1001", "!limit", ""},
	} {
		out, err := d.run(strings.Fields(step.args)...)
		wanted, refused := strings.CutPrefix(step.want, "!")
		if (err != nil) != refused {
			t.Fatalf("%s: %q, %v", step.args, out, err)
		}
		if refused {
			out = err.Error()
		}
		for _, word := range strings.Fields(wanted) {
			if !strings.Contains(out, word) {
				t.Errorf("%s: no %q in %q", step.args, word, out)
			}
		}
		if step.never != "" && strings.Contains(out, step.never) {
			t.Errorf("%s: %q in %q", step.args, step.never, out)
		}
	}
}

// TestQueueJSON: what a machine reads is JSON, also when there is nothing.
func TestQueueJSON(t *testing.T) {
	d := newDesk(t)
	for _, line := range []string{"queue list --json", "queue lanes --json", "log --json"} {
		if out, err := d.run(strings.Fields(line)...); err != nil || out != "[]\n" {
			t.Errorf("%s of nothing: %q, %v", line, out, err)
		}
	}
	one := d.send("bob@a.test")[0]
	for line, path := range map[string]string{
		"queue list --json": "0/ID", "queue lanes --json": "0/Lane", "log --json": "0/Delivery/ID", "trace --json " + one: "0/Deliveries/0/ID", "queue show --json " + one: "/ID",
	} {
		out, err := d.run(strings.Fields(line)...)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("%s: %v in %q", line, err, out)
		}
		for _, step := range strings.Split(path, "/") {
			if list, ok := v.([]any); ok && step == "0" && len(list) > 0 {
				v = list[0]
			} else if object, ok := v.(map[string]any); ok && step != "" {
				v = object[step]
			}
		}
		if v != one && v != "a.test" {
			t.Errorf("%s: %v at %s of %s", line, v, path, out)
		}
	}
}

// TestListIsCut: a list that ends at its limit says so, and a page of the log is as long as was asked for.
func TestListIsCut(t *testing.T) {
	d := newDesk(t)
	d.send("bob@a.test", "eve@b.test")
	out, err := d.run("queue", "list", "--limit", "1")
	if err != nil || !strings.Contains(out, "There may be more") {
		t.Errorf("%s, %v", out, err)
	}
	d.receive(450, "carl@b.test", "x@b.test")
	if out, err = d.run("log", "--direction", "in", "-n", "1000"); err != nil || strings.Count(out, "  letter ") != 450 {
		t.Errorf("%d letters, %v", strings.Count(out, "  letter "), err)
	}
}
