//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mxdesk/internal/id"
)

// fromOutside sends a letter straight to mxdesk with swaks, and returns the id by which it was taken.
func fromOutside(t *testing.T, d *desk, from, to, subject string, more ...string) (letter string) {
	t.Helper()
	need(t, swaks)
	args := append([]string{
		"--server", d.ip, "--port", fmt.Sprint(d.w.port), "--ehlo", "outside.test", "--from", from, "--to", to,
		"--h-Subject", subject, "--body", "Hello, can you help me with my " + newWord() + "?", // the same words again get no answer
	}, more...)
	return idOf(t, mustOutput(t, "", swaks.path, args...))
}

// newWord is a word that was never said before, of letters alone: those who compare words leave numbers out.
func newWord() string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			r += 'A' - '0'
		}
		return r
	}, id.New().String())
}

// TestSwaks: what a person sees who tries the server by hand.
func TestSwaks(t *testing.T) {
	w := theWorld(t)
	need(t, swaks)
	d := newDesk(t, w)
	server := []string{"--server", d.ip, "--port", fmt.Sprint(w.port), "--from", "carl@" + customerDomain}
	plain := mustOutput(t, "", swaks.path, append(server, "--to", d.support(), "--h-Subject", "In the open")...)
	encrypted := mustOutput(t, "", swaks.path, append(server, "--to", d.support(), "--h-Subject", "Under cover", "--tls")...)
	if !strings.Contains(encrypted, "TLS started with cipher TLSv1.3") || strings.Contains(plain, "TLS started") {
		t.Errorf("TLS is not as asked for:\n%s\n%s", plain, encrypted)
	}
	for _, c := range []struct{ to, want string }{
		{"nobody@" + d.name, "550 5.1.1"},
		{"somebody@elsewhere.test", "550 5.7.1"},
		{"help+1.1.aaaaaaaaaaaaaaaa@" + d.name, "550 5.1.1"},
	} {
		if out, err := output(t, "", swaks.path, append(server, "--to", c.to)...); err == nil || !strings.Contains(out, "<** "+c.want) {
			t.Errorf("to %s: want %s, got %v:\n%s", c.to, c.want, err, out)
		}
	}
	sent := d.command(t, "send", "--server", d.smtp(), "--from", "carl@"+customerDomain, "--to", d.support(), "--subject", "By ourselves", "Words")
	checkTraces(t, d, map[string]string{"In the open": idOf(t, plain), "Under cover": idOf(t, encrypted), "By ourselves": idOf(t, sent)})
}

// checkTraces: an id that a sender was told leads to the letter, its ticket and what was sent because of it.
func checkTraces(t *testing.T, d *desk, ids map[string]string) {
	t.Helper()
	list := d.letters(t)
	if len(list) != len(ids) {
		t.Errorf("%d letters, want %d", len(list), len(ids))
	}
	eventually(t, "Anna is told of all", func() bool {
		told := slices.DeleteFunc(d.deliveries(t), func(x delivery) bool { return x.Recipient != "anna@"+staffDomain || x.State != "delivered" })
		return len(told) == len(ids)
	})
	for subject, id := range ids {
		i := slices.IndexFunc(list, func(l receivedLetter) bool { return l.ID == "ltr_"+id })
		if i < 0 {
			t.Errorf("the API knows no letter %s", id)
			continue
		}
		number := strings.TrimPrefix(list[i].Ticket, "tkt_")
		for _, what := range []string{id, "ltr_" + id, "#" + number, "<" + list[i].MessageID + ">", "carl@" + customerDomain} {
			out := d.command(t, "trace", what)
			for _, want := range []string{"letter " + id, `subject "` + subject + `"`, "became ticket #" + number} {
				if !strings.Contains(out, want) {
					t.Errorf("mxdesk trace %s does not tell %s:\n%s", what, want, out)
				}
			}
		}
		if out := d.command(t, "trace", "--json", id); !json.Valid([]byte(out)) || !strings.Contains(out, `"ID": "`+id+`"`) {
			t.Errorf("mxdesk trace --json %s prints:\n%s", id, out)
		}
		if out := d.command(t, "trace", id); !strings.Contains(out, `to "anna@staff.test": delivered`) {
			t.Errorf("mxdesk trace %s does not tell of the notification:\n%s", id, out)
		}
	}
}

// TestRefusedRecipient: the customer's server does not know him. That is told at once, and stands in the ticket.
func TestRefusedRecipient(t *testing.T) {
	w := theWorld(t)
	d := newDesk(t, w)
	const ghost = "ghost@" + customerDomain
	fromOutside(t, d, ghost, d.support(), "I do not exist")
	got := d.awaitDelivery(t, ghost, "failed")
	if got.Code != 550 || got.Reason != "user_unknown" || len(got.Log) != 1 || got.Log[0].Host != "mx."+customerDomain {
		t.Errorf("delivery: %+v", got)
	}
	wantFailure(t, d, ghost, "User unknown in virtual mailbox table")
}

// TestReportComesLater: the customer's server takes the letter, finds that it cannot keep it, and writes a report to the
// return path. The delivery that had been delivered has failed.
func TestReportComesLater(t *testing.T) {
	w := theWorld(t)
	d := newDesk(t, w)
	const gone = "gone@" + customerDomain
	fromOutside(t, d, gone, d.support(), "My mailbox will be closed")
	got := d.awaitDelivery(t, gone, "failed")
	if len(got.Log) < 1 || got.Log[0].Result != "delivered" || got.Log[0].Code != 250 {
		t.Errorf("the log does not begin with the delivery: %+v", got)
	}
	wantFailure(t, d, gone, "This mailbox was closed")
	list := d.letters(t)
	if len(list) != 2 || list[0].Outcome != "bounce" || list[0].Kind == "human" {
		t.Errorf("letters: %+v", list)
	}
	if n := len(d.tickets(t)); n != 1 {
		t.Errorf("%d tickets, want 1: a report opens none", n)
	}
	// The report itself caused no mail: those to the customer and to Anna are of the first letter.
	if n := len(d.deliveries(t)); n != 2 {
		t.Errorf("deliveries: %+v", d.deliveries(t))
	}
}

// wantFailure: the ticket tells, once, who was not reached and in whose words.
func wantFailure(t *testing.T, d *desk, recipient, words string) {
	t.Helper()
	var told []string
	for _, e := range d.entries(t, d.tickets(t)[0].ID) {
		if e.Event == "delivery.failed" {
			told = append(told, e.Text)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], recipient) || !strings.Contains(told[0], words) {
		t.Errorf("the ticket tells %q, want one event about %s with %q", told, recipient, words)
	}
}

// TestAnsweringMachines: machines that answer every letter get one acknowledgement, and that is all.
func TestAnsweringMachines(t *testing.T) {
	w := theWorld(t)
	need(t, python)
	d := newDesk(t, w)
	mails := 0
	for i, c := range []struct {
		way, kind string
		mails     int // that its owner's letter and its own cause
	}{
		{"away-path", "auto-reply", 2},
		{"away-reply", "auto-reply", 2},
		{"away-mute", "human", 3}, // nothing but its words tells: Anna reads it
	} {
		sender := c.way + "@" + customerDomain
		fromOutside(t, d, sender, d.support(), "I go on holiday "+c.way)
		// Its machine's answer to our acknowledgement arrives.
		eventually(t, "the answering machine writes to mxdesk", func() bool { return len(d.letters(t)) == 2*i+2 })
		if l := d.letters(t)[0]; l.Kind != c.kind || l.Outcome == "ticket" {
			t.Errorf("%s: the machine's letter is %+v", c.way, l)
		}
		// What a letter causes is committed with it, so a second answer would be here now.
		mails += c.mails
		list := d.deliveries(t)
		toMachine := slices.DeleteFunc(slices.Clone(list), func(x delivery) bool { return x.Recipient != sender })
		if len(toMachine) != 1 || len(list) != mails {
			t.Errorf("%s: %d letters to the machine, want 1; %d in all, want %d", c.way, len(toMachine), len(list), mails)
		}
		if n := len(d.tickets(t)); n != i+1 {
			t.Errorf("%s: %d tickets, want %d", c.way, n, i+1)
		}
	}
}
