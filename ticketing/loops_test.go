package ticketing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/id"
)

// The rules that answer most: who writes is told that his letter came, whether it opens a ticket or goes into one; the
// others of the ticket read it.
const answersAll = `{"rules": [
	{"event": "ticket.created", "when": {"by": "customer"}, "notify": ["requester"], "answer": true},
	{"event": "ticket.created", "notify": ["category_staff"], "opted_in": "unassigned_new"},
	{"event": "message.received", "notify": ["requester", "collaborators"], "answer": true, "template": "message.confirmed"},
	{"event": "message.received", "notify": ["requester", "collaborators"], "only": "customers"},
	{"event": "message.received", "notify": ["category_staff"], "opted_in": "unassigned_reply"},
	{"event": "reply.sent", "notify": ["requester", "collaborators"]}
]}`

// rules replaces the notification rules; "" are those of the preset in the settings.
func (d *desk) rules(policy string) {
	d.t.Helper()
	if _, err := d.pool.Exec(d.t.Context(), `UPDATE organisations SET policy = NULLIF($2, '')::jsonb WHERE organisation_id = $1`, d.org.ID, policy); err != nil {
		d.t.Fatal(err)
	}
	d.set(`{"system_address": "operator@system.test"}`)
}

// machine answers a letter of ours; an empty from is the machine's own address.
type machine func(n int, s sent) mail

const (
	robot   = "robot@client.test"
	support = "help@example.test"
)

// machines are those that give no sign of being one, each as it is met.
var machines = []struct {
	name    string
	most    int // letters to it
	answer  machine
	ticket  bool // its letters are new tickets
	patient bool // and it is a person for all that can be known, if it waits
}{
	{"answers in the thread", 2, func(_ int, s sent) mail {
		return mail{to: []string{s.ReplyTo}, subject: "Re: " + s.Subject, text: "Your letter came.", header: "In-Reply-To: <" + s.MessageID + ">\r\n"}
	}, false, false},
	{"with a null return path", 1, func(_ int, s sent) mail {
		return mail{null: true, to: []string{s.ReplyTo}, subject: "Re: " + s.Subject, text: "Your letter came.", header: "In-Reply-To: <" + s.MessageID + ">\r\n"}
	}, false, false},
	{"writes a new letter", 2, func(_ int, s sent) mail {
		return mail{to: []string{support}, subject: "Your letter", text: "Your letter came."}
	}, true, false},
	{"another subject each time, no thread", 2, func(n int, s sent) mail {
		return mail{to: []string{support}, subject: fmt.Sprintf("Thank you %c for %c", 'a'+n, 'b'+n), text: "I am on holiday until Monday."}
	}, true, false},
	{"tells the hour and a number", 2, func(n int, s sent) mail {
		return mail{to: []string{support}, subject: fmt.Sprintf("Case %d", n), text: fmt.Sprintf("Your letter came at 10:%02d, as case C-%d.", n, n)}
	}, true, false},
	{"repeats our subject in its words", 3, func(_ int, s sent) mail {
		_, subject, _ := strings.Cut(s.Subject, "] ")
		return mail{to: []string{support}, subject: "Received: " + subject, text: "We received your letter " + subject + "."}
	}, true, false},
	{"sends our letter back", 1, func(_ int, s sent) mail {
		return mail{to: []string{support}, subject: s.Subject, text: s.Text}
	}, true, false},
	{"another words each time, in the thread", 3, func(n int, s sent) mail {
		return mail{to: []string{s.ReplyTo}, subject: "Re: " + s.Subject, text: "Chatter " + strings.Repeat("x", n+1)}
	}, false, true},
	{"a list that sends our letter to all under its own name", 1, func(_ int, s sent) mail {
		return mail{to: []string{support}, subject: "[list] " + s.Subject, text: s.Text + "\nTo leave this list write to its owner."}
	}, true, false},
	{"a list that keeps our name", 1, func(_ int, s sent) mail {
		return mail{from: support, to: []string{support}, subject: "[list] " + s.Subject, text: s.Text + "\nTo leave this list write to its owner."}
	}, true, false},
	{"a list that says that it is one", 1, func(_ int, s sent) mail {
		return mail{to: []string{support}, subject: "[list] " + s.Subject, text: s.Text, header: "List-Id: <l.client.test>\r\n"}
	}, true, false},
	{"another desk", 1, func(_ int, s sent) mail {
		return mail{to: []string{s.ReplyTo}, subject: "[#7] " + s.Subject, text: "Thank you, we have your message. It is ticket 7.", header: "Auto-Submitted: auto-replied\r\n"}
	}, false, false},
	{"another desk behind a relay that takes its marks away", 3, func(n int, s sent) mail {
		text := strings.NewReplacer("ticket 1", "case 1").Replace("Thank you, we have your message. It is ticket " + fmt.Sprint(70+n) + ", and one of us will answer you.")
		return mail{to: []string{support}, subject: fmt.Sprintf("[#%d] %s", 70+n, s.Subject), text: "Dear friend. " + text}
	}, true, false},
}

// play lets a machine answer all that it gets, and returns how many letters of ours that were, and how many in all were
// automatic.
func (d *desk) play(answer machine, pause time.Duration) (toRobot, automatic int) {
	d.t.Helper()
	d.must(mail{from: robot, to: []string{support}, subject: "A question", text: "Do you have it in red?"})
	for n := 0; ; n++ {
		var got []sent
		for _, s := range d.sentMail() {
			if s.To == robot {
				got = append(got, s)
			}
			if s.Auto != "" {
				automatic++
			}
		}
		toRobot += len(got)
		if len(got) == 0 || toRobot > 30 {
			return toRobot, automatic
		}
		for _, s := range got {
			d.later(pause)
			m := answer(n, s)
			if m.from == "" {
				m.from = robot
			}
			d.must(m)
		}
	}
}

// loopEvents are the sentences of the guards in all tickets.
func (d *desk) loopEvents() (said []string) {
	d.t.Helper()
	for _, t := range d.tickets() {
		list, err := d.service.Entries(context.Background(), d.org.ID, t.Number, id.ID{}, 0)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, e := range list {
			if e.Event == "loop.stopped" {
				said = append(said, e.Body)
			}
		}
	}
	return said
}

// However a machine answers, we fall silent after three letters, and a ticket says so; whichever rules hold, fast or slow.
func TestLoopsEnd(t *testing.T) {
	for _, c := range machines {
		for name, policy := range map[string]string{"answers all": answersAll, "owner-first": ""} {
			for _, pause := range []time.Duration{2 * time.Second, 7 * time.Minute} {
				if c.patient && pause > 5*time.Minute {
					continue // no rule tells it from a person: TestChatterIsBudgeted
				}
				t.Run(fmt.Sprintf("%s/%s/%v", c.name, name, pause), func(t *testing.T) {
					t.Parallel()
					d := newDesk(t)
					d.rules(policy)
					n, automatic := d.play(c.answer, pause)
					events := d.loopEvents()
					t.Logf("%d letters to the machine, %d automatic in all; %q", n, automatic, events)
					most := c.most
					if pause > 5*time.Minute {
						most = 3
					}
					if n > most {
						t.Errorf("%d letters to the machine, want at most %d", n, most)
					}
					if len(events) == 0 && (policy != "" || c.ticket) {
						t.Error("no ticket says so")
					}
				})
			}
		}
	}
}

// A machine that says something new each time, at a person's pace, ends at the budget of one address.
func TestChatterIsBudgeted(t *testing.T) {
	d := newDesk(t)
	d.rules(answersAll)
	d.set(`{"auto_per_day": 4}`)
	n, _ := d.play(func(n int, s sent) mail {
		return mail{to: []string{s.ReplyTo}, subject: "Re: " + s.Subject, text: "Chatter " + strings.Repeat("x", n+1)}
	}, 7*time.Minute)
	if events := d.loopEvents(); n != 4 || len(events) != 1 || !strings.Contains(events[0], "automatic answers") {
		t.Errorf("%d letters to the machine, want 4; %q", n, events)
	}
}

// A person who asks four things at once hears of each, and one whose letters are answers has his confirmations too.
func TestPersonIsAnswered(t *testing.T) {
	d := newDesk(t)
	d.rules(answersAll)
	for i, words := range []string{"The printer burns.", "The stairs creak.", "My screen is black.", "Where is the coffee?"} {
		d.must(mail{from: "carl@client.test", to: []string{support}, subject: fmt.Sprintf("Question %d", i+1), text: words})
		to(t, d.sentMail(), "carl@client.test")
	}
	d.later(time.Hour)
	d.must(mail{from: "carl@client.test", to: []string{support}, subject: "The lift", text: "It is stuck."})
	ack := to(t, d.sentMail(), "carl@client.test")
	for _, words := range []string{"It moves again.", "No, it does not.", "Now it fell down.", "Never mind."} {
		d.later(time.Minute + 30*time.Second)
		d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: The lift", text: words})
		to(t, d.sentMail(), "carl@client.test")
	}
	if said := d.loopEvents(); len(said) > 0 {
		t.Errorf("a guard took him for a machine: %q", said)
	}
}

// Two machines in one ticket, which is passed on from one to the other, end too.
func TestLoopBetweenCollaborators(t *testing.T) {
	d := newDesk(t)
	d.rules(answersAll)
	const other = "other@client.test"
	d.must(mail{from: robot, to: []string{support}, subject: "Us two", text: "Hello.", header: "Cc: " + other + "\r\n"})
	letters := map[string]int{}
	for range 100 {
		list := slices.DeleteFunc(d.sentMail(), func(s sent) bool { return s.To != robot && s.To != other })
		if len(list) == 0 {
			break
		}
		for _, s := range list {
			letters[s.To]++
			d.later(time.Second)
			d.must(mail{from: s.To, to: []string{s.ReplyTo}, subject: "Re: " + s.Subject, text: "This is " + s.To[:5] + ", I am away."})
		}
	}
	if letters[robot] > 5 || letters[other] > 5 || letters[robot] == 0 {
		t.Errorf("letters: %v", letters)
	}
	if len(d.loopEvents()) == 0 {
		t.Error("the ticket does not say so")
	}
}

// A busy ticket: the notices to staff end when their bucket is empty, the ticket says until when, the system address is
// told once; the words of staff go on; and it arms itself again.
func TestBusyTicket(t *testing.T) {
	d := newDesk(t)
	d.rules("")
	d.must(mail{from: "carl@client.test", to: []string{support}, subject: "Busy", text: "Hello."})
	first := d.sentMail()
	ack := to(t, first, "carl@client.test")
	notices, operator := 1, 0
	write := func(i int) {
		d.must(mail{from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: Busy", text: "Line " + strings.Repeat("x", i+1)})
		for _, s := range d.sentMail() {
			switch {
			case s.To == "anna@staff.test":
				notices++
			case s.To == "operator@system.test" && s.Template == templateLoop:
				operator++
			}
		}
	}
	for i := range 15 {
		write(i)
	}
	events := d.loopEvents()
	if notices != 10 || operator != 1 || len(events) != 1 || !strings.Contains(events[0], "letters about one ticket") || !strings.Contains(events[0], "anna@staff.test") {
		t.Errorf("%d notices, %d letters to the system address, events %q", notices, operator, events)
	}
	if n := len(d.entries(1)); n != 1+15+1 {
		t.Errorf("%d entries: something is lost", n)
	}
	for i := range 12 {
		if _, err := d.service.Reply(t.Context(), Actor{Organisation: d.org.ID, Person: d.anna}, 1, fmt.Sprintf("Answer %d", i)); err != nil {
			t.Fatal(err)
		}
		if reply := to(t, d.sentMail(), "carl@client.test"); reply.Auto != "" {
			t.Errorf("the reply is %q", reply.Auto)
		}
	}
	d.later(6 * time.Minute)
	if write(20); notices != 11 {
		t.Errorf("%d notices: the guard did not arm itself again", notices)
	}
}

// All tickets of an address together have a bucket of their own; nodes share it.
func TestAddressVolumeIsShared(t *testing.T) {
	d := newDesk(t)
	d.rules("")
	other, err := NewDirectory(t.Context(), d.pool, d.intake.log)
	if err != nil {
		t.Fatal(err)
	}
	k := addressKey{d.org.ID, "anna@staff.test"}
	for i := range 32 {
		d.must(mail{from: fmt.Sprintf("c%d@client.test", i), to: []string{support}, subject: "x", text: "hello"})
	}
	notices, told, operator := 0, 0, 0
	for _, s := range d.sentMail() {
		switch {
		case s.To == "operator@system.test" && s.Template == templateLoop:
			operator++
		case s.To == k.key && s.Template == templateLoop:
			told++
			if !strings.Contains(s.Text, "letters to one address") || !strings.Contains(s.Text, "about all tickets") || !s.Unsubscribe {
				t.Errorf("she is told %q, and can leave by it: %v", s.Text, s.Unsubscribe)
			}
		case s.To == k.key:
			notices++
		}
	}
	if operator != 1 {
		t.Errorf("the system address is told %d times of one loop, want once", operator)
	}
	if told != 1 {
		t.Errorf("she is told %d times that she is told no more, want once", told)
	}
	if n := len(d.tickets()); n != 32 {
		t.Errorf("%d tickets: something is lost", n)
	}
	events := d.loopEvents()
	if notices != 30 || len(events) != 2 || !strings.Contains(events[0], "letters to one address") {
		t.Errorf("%d notices, want 30; events %q", notices, events)
	}
	if err := d.dir.guards.share(t.Context(), d.pool, d.clock()); err != nil {
		t.Fatal(err)
	}
	// The other node knows nothing until it has letters of its own to share.
	w := newWorld(d.clock(), other.guards)
	s := &scene{world: w, org: d.org}
	for range shareFrom {
		total := s.total(bare(k.key))
		if !total.Send(w.now).May() {
			t.Fatal("the other node stops what it cannot know of")
		}
		total.letters++
	}
	other.guards.record(w)
	if err := other.guards.share(t.Context(), d.pool, d.clock()); err != nil {
		t.Fatal(err)
	}
	total := other.guards.total(k)
	if v := total.Send(d.clock()); v.May() || v.First {
		t.Errorf("the other node sends on, or tells again: %+v", v)
	}
	d.later(11 * time.Hour)
	total = other.guards.total(k)
	if v := total.Send(d.clock()); !v.May() {
		t.Errorf("it does not arm itself again: %+v", v)
	}
	// What is over is forgotten: here, and in the database by whoever shares next.
	other.guards.busy(d.clock())
	if n := len(other.guards.totals); n != 0 {
		t.Errorf("%d totals are kept", n)
	}
	for i := range shareFrom {
		d.must(mail{from: fmt.Sprintf("d%d@client.test", i), to: []string{support}, subject: "x", text: "hello"})
	}
	if err := d.dir.guards.share(t.Context(), d.pool, d.clock()); err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM guard_totals WHERE forget_at < $1`, d.clock()).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d old totals in the database, %v", rows, err)
	}
}

// Nothing automatic goes to an address that no person reads, nor to one of ours.
func TestNoMailToMachines(t *testing.T) {
	d := newDesk(t)
	d.rules(answersAll)
	opened := 0
	for _, from := range []string{"no-reply@client.test", "MAILER-DAEMON@client.test", "list-request@client.test", support} {
		d.must(mail{from: from, to: []string{support}, subject: "x", text: "hello " + from})
		list := d.tickets()
		if len(list) == 0 {
			continue // it says of itself that it is a machine's
		}
		opened++
		number := list[0].Number
		if _, err := d.service.Change(t.Context(), Actor{Organisation: d.org.ID, Name: "test"}, number, 0, Patch{Owner: &d.anna}); err != nil {
			t.Fatal(err)
		}
		for _, s := range d.sentMail() {
			if s.To != "anna@staff.test" && s.To != "operator@system.test" {
				t.Errorf("%s got %s", s.To, s.Template)
			}
		}
	}
	if opened == 0 {
		t.Error("none opened a ticket: nothing was tried")
	}
}

// A monitoring system that writes a hundred different letters within the hour opens a hundred tickets; each acknowledgement
// that it does not get is told in its ticket, and the system address hears of it once.
func TestMonitoringIsNotLost(t *testing.T) {
	d := newDesk(t)
	d.rules(answersAll)
	acknowledged, operator := 0, 0
	const letters = 100
	for i := range letters {
		word := string([]rune{rune('a' + i/26), rune('a' + i%26)})
		d.must(mail{from: "nagios@client.test", to: []string{support}, subject: "PROBLEM " + word, text: "Host " + word + " is down."})
		for _, s := range d.sentMail() {
			switch s.To {
			case "nagios@client.test":
				acknowledged++
			case "operator@system.test":
				operator++
			}
		}
		d.later(36 * time.Second)
	}
	var tickets int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM tickets`).Scan(&tickets); err != nil {
		t.Fatal(err)
	}
	var silent int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM entries WHERE event = 'loop.stopped' AND body LIKE '%to nagios@%'`).Scan(&silent); err != nil {
		t.Fatal(err)
	}
	if tickets != letters || acknowledged == 0 || acknowledged > 40 || silent != letters-acknowledged {
		t.Errorf("%d tickets, %d acknowledged, %d of which the ticket says that it is not", tickets, acknowledged, silent)
	}
	if operator == 0 || operator > 4 {
		t.Errorf("the system address was told %d times", operator)
	}
}

// The system address hears once of a machine that goes on, and nothing at all when there is none or it is ours.
func TestSystemAddressIsToldOnce(t *testing.T) {
	for address, want := range map[string]int{"operator@system.test": 1, "": 0, "help@example.test": 0, "no address": 0} {
		d := newDesk(t)
		d.set(fmt.Sprintf(`{"system_address": %q}`, address))
		told := 0
		for i := range 6 {
			d.must(mail{from: robot, to: []string{support}, subject: fmt.Sprint("Subject ", strings.Repeat("y", i)), text: "I am away."})
			for _, s := range d.sentMail() {
				if s.Template == templateLoop {
					told++
					if s.To != address || !strings.Contains(s.Text, "same words") || s.Auto != "auto-generated" {
						t.Errorf("%+v", s)
					}
				}
			}
			d.later(10 * time.Second)
		}
		if told != want || len(d.loopEvents()) != 5 {
			t.Errorf("%q was told %d times, want %d; events %q", address, told, want, d.loopEvents())
		}
	}
}

// Two photographs without a word, both named as a telephone names all, are two letters.
func TestPicturesAreNotTheSameLetter(t *testing.T) {
	d := newDesk(t)
	d.rules("")
	d.must(mail{from: "carl@client.test", to: []string{support}, subject: "The lift", text: "hello"})
	ack := to(t, d.sentMail(), "carl@client.test")
	picture := func(data string) int {
		d.later(20 * time.Second)
		d.must(mail{
			from: "carl@client.test", to: []string{ack.ReplyTo}, subject: "Re: The lift",
			header: "MIME-Version: 1.0\r\nContent-Type: image/jpeg; name=image0.jpeg\r\nContent-Disposition: attachment; filename=image0.jpeg\r\n", text: data,
		})
		notices := 0
		for _, s := range d.sentMail() {
			if s.To == "anna@staff.test" {
				notices++
			}
		}
		return notices
	}
	if first, second, again := picture("the door"), picture("the cable"), picture("the cable"); first != 1 || second != 1 || again != 0 {
		t.Errorf("notices %d, %d and %d of the same again; %v", first, second, again, d.loopEvents())
	}
}

// Two nodes that take letters of one address at the same time answer no more of them than one node would, and no more that say
// the same.
func TestBudgetHoldsOnTwoNodes(t *testing.T) {
	d := newDesk(t)
	d.rules(answersAll)
	second, err := NewIntake(IntakeConfig{
		Pool: d.pool, Directory: d.dir, Queue: d.queue, Log: d.intake.log, Metrics: prometheus.NewRegistry(), Clock: d.clock, Hostname: "MX2.host.test", Writers: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { second.Run(running) }) //nolint:errcheck // it returns nil
	t.Cleanup(func() { stop(); wg.Wait() })
	for _, c := range []struct {
		from string
		same bool
		most int
	}{{"carl@client.test", false, 5}, {"dora@client.test", true, 1}} {
		d.must(mail{from: c.from, to: []string{support}, subject: "First", text: "Hello."})
		d.sentMail()
		d.later(time.Hour)
		const letters = 40
		errs := make(chan error)
		for i := range letters {
			words := "It is broken " + strings.Repeat("x", i+1)
			if c.same {
				words = "It is broken."
			}
			l := mail{from: c.from, to: []string{support}, subject: "Question", text: words}.letter(d.clock())
			node := []*Intake{d.intake, second}[i%2]
			go func() {
				_, err := node.Deliver(context.Background(), l)
				errs <- err
			}()
		}
		for range letters {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		answers := 0
		for _, s := range d.sentMail() {
			if s.To == c.from {
				answers++
			}
		}
		if answers != c.most {
			t.Errorf("%s had %d automatic answers at once, want %d", c.from, answers, c.most)
		}
	}
}
