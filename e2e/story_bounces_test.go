//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/mail"
	"net/smtp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bounceFolder names a folder of reports with expected.json that are to be played too.
const bounceFolder = "TEST_BOUNCES"

// outgoing is one delivery as its letter tells of it.
type outgoing struct {
	recipient, ticket, id string
	returnPath, messageID string
	toOwner               int // letters to the owner before the report
	desk, nonce           string
}

// fill puts what the letter tells into a sample.
func (o outgoing) fill(sample []byte) []byte {
	filled := strings.NewReplacer("{{recipient}}", o.recipient, "{{return_path}}", o.returnPath, "{{message_id}}", o.messageID,
		"{{desk}}", o.desk, "{{nonce}}", o.nonce).Replace(string(sample))
	return []byte(strings.ReplaceAll(filled, "\n", "\r\n"))
}

// bounceDesk is a desk that delivers into a Maildir: every letter arrives, and can be read.
func bounceDesk(t *testing.T) *desk {
	t.Helper()
	return newDesk(t, theWorld(t), with("outbound.transport", `"maildir:outbox"`))
}

// deliver brings a letter by SMTP; from is "" for the null sender.
func (d *desk) deliver(t *testing.T, from, to string, letter []byte) {
	t.Helper()
	c, err := smtp.Dial(d.smtp())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(what string, err error) {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	must("EHLO", c.Hello("mx.report.test"))
	must("MAIL", c.Mail(from))
	must("RCPT", c.Rcpt(to))
	w, err := c.Data()
	must("DATA", err)
	_, err = w.Write(letter)
	must("letter", err)
	must("final dot", w.Close())
}

// correspond lets a customer write, makes Anna the owner of his ticket, and waits for the acknowledgement to arrive.
func (d *desk) correspond(t *testing.T, name string) outgoing {
	t.Helper()
	o := outgoing{recipient: name + "@" + customerDomain, desk: d.name, nonce: d.name + "." + name}
	letter := "From: Carl <" + o.recipient + ">\r\nTo: " + d.support() + "\r\nSubject: Question of " + name + "\r\nMessage-ID: <" + name +
		"@customer.test>\r\n\r\nHello, can you help me?\r\n"
	d.deliver(t, o.recipient, d.support(), []byte(letter))
	x := d.awaitDelivery(t, o.recipient, "delivered")
	o.id = x.ID
	for _, k := range d.tickets(t) {
		if k.Requester == o.recipient {
			o.ticket = k.ID
		}
	}
	d.change(t, "/v1/tickets/"+o.ticket, `{"owner":"`+d.anna+`"}`)
	file := filepath.Join(d.dir, "data", "outbox", o.recipient, "new", strings.TrimPrefix(o.id, "dlv_")+".eml")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	o.returnPath, o.messageID = strings.Trim(m.Header.Get("Return-Path"), "<>"), strings.Trim(m.Header.Get("Message-ID"), "<>")
	o.toOwner = d.toOwner(t, o)
	return o
}

// toOwner counts the letters to Anna about the ticket.
func (d *desk) toOwner(t *testing.T, o outgoing) int {
	t.Helper()
	return len(all[delivery](t, d, "/v1/deliveries?ticket="+o.ticket+"&address=anna@"+staffDomain))
}

// wanted is one line of want.txt.
type wanted struct{ sample, state, reason, words, suppressed string }

func readWanted(t *testing.T, name string) (list []wanted) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if part := strings.Split(in.Text(), "|"); len(part) == 5 && part[0][0] != '#' {
			for i := range part {
				part[i] = strings.TrimSpace(part[i])
			}
			list = append(list, wanted{part[0], part[1], part[2], part[3], part[4]})
		}
	}
	return list
}

// TestBounces: a report in each dialect arrives by SMTP at the return path of a letter. It closes that delivery, stands in the
// ticket in the other server's words, is told to the owner once, and counts against the address.
func TestBounces(t *testing.T) {
	list := readWanted(t, "testdata/bounces/want.txt")
	if len(list) < 25 {
		t.Fatalf("%d samples", len(list))
	}
	// One address gets 30 automatic letters in ten minutes, and Anna two with each sample.
	for some := range slices.Chunk(list, 13) {
		playSamples(t, bounceDesk(t), some)
	}
}

func playSamples(t *testing.T, d *desk, list []wanted) {
	for _, want := range list {
		t.Run(want.sample, func(t *testing.T) {
			o := d.correspond(t, want.sample)
			sample, err := os.ReadFile(filepath.Join("testdata", "bounces", want.sample+".eml"))
			if err != nil {
				t.Fatal(err)
			}
			to := o.returnPath
			if want.suppressed == "complaint" { // those come to where the provider was told to send them
				to = "abuse@" + d.name
			}
			report := o.fill(sample)
			d.deliver(t, "", to, report)
			d.deliver(t, "", to, append(report, "\r\nThe same again.\r\n"...))
			d.wantBounce(t, o, want)
		})
	}
}

// wantBounce checks what the report changed.
func (d *desk) wantBounce(t *testing.T, o outgoing, want wanted) {
	t.Helper()
	got := one[delivery](t, d, "/v1/deliveries/"+o.id)
	if got.State != want.state || want.reason != "*" && got.Reason != want.reason {
		t.Errorf("the delivery is %s %s, want %s %s", got.State, got.Reason, want.state, want.reason)
	}
	if len(got.Log) != 3 {
		t.Errorf("the log has %d lines, want the delivery and two reports: %+v", len(got.Log), got.Log)
	}
	failures, complaints := 0, 0
	for _, e := range d.entries(t, o.ticket) {
		switch e.Event {
		case "delivery.failed":
			failures++
			if !strings.Contains(e.Text, want.words) || !strings.Contains(e.Text, o.recipient) || strings.ContainsFunc(e.Text, func(c rune) bool { return c < ' ' }) {
				t.Errorf("the ticket tells %q, want %q", e.Text, want.words)
			}
		case "participant.complained":
			complaints++
		}
	}
	told := d.toOwner(t, o) - o.toOwner
	if n := map[bool]int{true: 1}[want.state == "failed"]; failures != n || told != n {
		t.Errorf("%d events and %d letters to the owner, want %d", failures, told, n)
	}
	d.wantSuppressed(t, o, want, complaints)
}

func (d *desk) wantSuppressed(t *testing.T, o outgoing, want wanted, complaints int) {
	t.Helper()
	type suppression struct {
		Address, Reason string
		Active          bool
		AutomaticOnly   bool `json:"automatic_only"`
	}
	list := all[suppression](t, d, "/v1/suppressions?all=true&limit=100")
	i := slices.IndexFunc(list, func(s suppression) bool { return s.Address == o.recipient })
	active := i >= 0 && list[i].Active
	switch {
	case active != (want.suppressed != ""):
		t.Errorf("suppressed: %v, want %q", active, want.suppressed)
	case want.suppressed == "complaint":
		if !list[i].AutomaticOnly || list[i].Reason != "complaint" || complaints == 0 {
			t.Errorf("complaint: %+v, %d events", list[i], complaints)
		}
		for _, p := range one[struct {
			Participants []struct {
				Email      string
				Subscribed bool
			}
		}](t, d, "/v1/tickets/"+o.ticket).Participants {
			if p.Email == o.recipient && p.Subscribed {
				t.Error("who complained still gets mail about the ticket")
			}
		}
	}
}

// TestSuppressionEnds: a suppressed address gets nothing; a letter from there ends that.
func TestSuppressionEnds(t *testing.T) {
	d := bounceDesk(t)
	o := d.correspond(t, "comes-back")
	sample, err := os.ReadFile("testdata/bounces/postfix-unknown-user.eml")
	if err != nil {
		t.Fatal(err)
	}
	d.deliver(t, "", o.returnPath, o.fill(sample))
	reply := func(to, id, words string) {
		d.deliver(t, o.recipient, to, []byte("From: Carl <"+o.recipient+">\r\nTo: "+to+"\r\nSubject: Another\r\nMessage-ID: <"+id+"@customer.test>\r\n\r\n"+words+"\r\n"))
	}
	if n := len(all[struct{ Address string }](t, d, "/v1/suppressions")); n != 1 {
		t.Fatalf("%d suppressions, want 1", n)
	}
	reply(d.support(), "again", "I am back: my mailbox works now.")
	if n := len(all[struct{ Address string }](t, d, "/v1/suppressions?all=true")); n != 0 {
		t.Errorf("%d suppressions after a letter from there", n)
	}
	d.awaitDelivery(t, o.recipient, "delivered")
}

// TestBounceFolder plays a folder of reports that others collected, when it is given: each arrives at the return path of a
// letter, and closes the delivery if it tells of a failure.
func TestBounceFolder(t *testing.T) {
	folder := os.Getenv(bounceFolder)
	if folder == "" {
		t.Skip("no folder is given in " + bounceFolder)
	}
	data, err := os.ReadFile(filepath.Join(folder, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected struct {
		Cases []struct {
			ID, File string
			Expect   [][]any
		}
	}
	if err := json.Unmarshal(data, &expected); err != nil {
		t.Fatal(err)
	}
	d := bounceDesk(t)
	right, played := 0, 0
	for i, c := range expected.Cases {
		report, err := os.ReadFile(filepath.Join(folder, c.File))
		if err != nil {
			t.Fatal(err)
		}
		var actions string
		for _, e := range c.Expect {
			if len(e) == 3 && e[0] == "bounce.final_recipients[].action" {
				actions = fmt.Sprint(e[2])
			}
		}
		if actions == "" {
			continue // no report, or nothing is said of its recipients
		}
		o := d.correspond(t, fmt.Sprintf("case%d", i))
		d.deliver(t, "", o.returnPath, report)
		state := one[delivery](t, d, "/v1/deliveries/"+o.id).State
		if played++; state == map[bool]string{true: "failed", false: "delivered"}[strings.Contains(actions, "failed")] {
			right++
		} else {
			t.Logf("%s: %s after %s", c.ID, state, actions)
		}
	}
	t.Logf("%d of %d reports closed the right delivery or left it", right, played)
	if right != played {
		t.Fail()
	}
}
