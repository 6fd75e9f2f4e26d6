package ticketing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/pgtest"
	"mxdesk/outbound"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// desk is a whole ticketing stage on a database of its own, with one organisation.
type desk struct {
	t       *testing.T
	pool    *pgxpool.Pool
	dir     *Directory
	queue   *outbound.Queue
	intake  *Intake
	service *Service
	org     *Organisation
	anna    id.ID // staff, told of what nobody owns

	mu  sync.Mutex
	now time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	ctx := context.Background()
	d := &desk{t: t, pool: pgtest.New(t), now: time.Now().UTC().Truncate(time.Second)}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	if d.dir, err = NewDirectory(ctx, d.pool, log); err != nil {
		t.Fatal(err)
	}
	d.queue = outbound.NewQueue(d.pool, outbound.QueueConfig{})
	if d.service, err = NewService(d.pool, d.dir, d.queue, d.clock); err != nil {
		t.Fatal(err)
	}
	d.intake, err = NewIntake(IntakeConfig{
		Pool: d.pool, Directory: d.dir, Queue: d.queue, Log: log, Metrics: prometheus.NewRegistry(), Clock: d.clock, Hostname: "MX.host.test",
	})
	if err != nil {
		t.Fatal(err)
	}
	d.org = d.organisation("Example", "example.test")
	d.anna, err = d.service.AddStaff(ctx, d.org.ID, NewStaff{
		Name: "Anna Agent", Address: "anna@staff.test", Role: "technician", Preferences: []string{"unassigned_new", "unassigned_reply"},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.org = d.dir.Organisation(d.org.ID)
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	intake := d.intake
	wg.Go(func() { intake.Run(running) }) //nolint:errcheck // it returns nil
	t.Cleanup(func() { stop(); wg.Wait() })
	return d
}

func (d *desk) organisation(name, domain string) *Organisation {
	d.t.Helper()
	oid, err := d.service.CreateOrganisation(context.Background(), NewOrganisation{Name: name, Address: "help@" + domain, RelaxStaffProof: true})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.dir.Organisation(oid)
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) later(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

// mail is one letter to be delivered; empty fields get a usual value.
type mail struct {
	from      string // From, and envelope sender unless null
	null      bool   // MAIL FROM:<>
	to        []string
	subject   string
	text      string
	messageID string
	header    string // more fields
	tlsOnly   bool   // REQUIRETLS
}

var mailCount atomic.Int64

func (m mail) letter(now time.Time) *message.Letter {
	n := mailCount.Add(1)
	if m.messageID == "" {
		m.messageID = fmt.Sprintf("m%d.%d@client.test", n, now.UnixNano())
	}
	raw := "From: " + m.from + "\r\nTo: " + strings.Join(m.to, ", ") + "\r\nSubject: " + m.subject +
		"\r\nMessage-ID: <" + m.messageID + ">\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n" + m.header + "\r\n" +
		strings.ReplaceAll(m.text, "\n", "\r\n") + "\r\n"
	l := &message.Letter{
		ID: id.New(), ReceivedAt: now, Raw: []byte(raw), Received: "Received: by example.test; now\r\n",
		Session: message.Session{ID: id.New(), Client: netip.MustParseAddr("192.0.2.1"), Helo: "client.test", Protocol: "ESMTP", RequireTLS: m.tlsOnly},
	}
	if !m.null {
		l.MailFrom = bare(m.from)
	}
	for _, r := range m.to {
		l.Recipients = append(l.Recipients, bare(r))
	}
	return l
}

// bare is the address of a mailbox as a test writes it.
func bare(s string) address.Address {
	if _, inner, ok := strings.Cut(s, "<"); ok {
		s = strings.TrimSuffix(inner, ">")
	}
	a, err := address.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

// deliver brings a letter in as smtpd does: recipients first, then the letter.
func (d *desk) deliver(m mail) (id.ID, error) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	l := m.letter(d.clock())
	for _, r := range l.Recipients {
		if err := d.intake.CheckRecipient(ctx, l.MailFrom, r); err != nil {
			return id.ID{}, err
		}
	}
	receipt, err := d.intake.Deliver(ctx, l)
	return receipt.ID, err
}

func (d *desk) must(m mail) id.ID {
	d.t.Helper()
	letter, err := d.deliver(m)
	if err != nil {
		d.t.Fatalf("letter %q: %v", m.subject, err)
	}
	return letter
}

func (d *desk) refused(m mail, want error) {
	d.t.Helper()
	if _, err := d.deliver(m); !errors.Is(err, want) {
		d.t.Fatalf("letter %q: %v, want %v", m.subject, err, want)
	}
}

func (d *desk) ticket(number int64) *Ticket {
	d.t.Helper()
	t, err := d.service.Ticket(context.Background(), d.org.ID, number)
	if err != nil {
		d.t.Fatalf("ticket %d: %v", number, err)
	}
	return t
}

func (d *desk) tickets() []TicketSummary {
	d.t.Helper()
	all, err := d.service.Tickets(context.Background(), d.org.ID, TicketFilter{})
	if err != nil {
		d.t.Fatal(err)
	}
	return all
}

// entries are the ticket's entries as "kind: body", events as "event: name".
func (d *desk) entries(number int64) []string {
	d.t.Helper()
	list, err := d.service.Entries(context.Background(), d.org.ID, number, id.ID{}, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		s := string(e.Kind) + ": " + e.Body
		if e.Kind == EventEntry {
			s = "event: " + e.Event
		}
		if e.ThirdParty {
			s += " (third party)"
		}
		out = append(out, s)
	}
	return out
}

// sent is one mail in the queue.
type sent struct {
	To, Template, Subject, Text, Auto, FromName, MessageID, Refs string
	ReplyTo                                                      string
	Ticket                                                       int64
	Unsubscribe                                                  bool
}

// sentMail takes the mails that were queued since the last call, in order.
func (d *desk) sentMail() []sent {
	d.t.Helper()
	rows, err := d.pool.Query(context.Background(), `
		SELECT d.recipient, m.template, m.subject, m.body_text, m.auto_submitted, m.from_name, d.rfc_message_id, d.refs,
		       COALESCE(d.ticket_number, 0), COALESCE(d.participant_no, 0), m.from_address, d.unsubscribe
		FROM deliveries d JOIN messages m USING (organisation_id, message_id) ORDER BY d.delivery_id`)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	var out []sent
	for rows.Next() {
		var s sent
		var no int
		var from string
		if err := rows.Scan(&s.To, &s.Template, &s.Subject, &s.Text, &s.Auto, &s.FromName, &s.MessageID, &s.Refs, &s.Ticket, &no, &from, &s.Unsubscribe); err != nil {
			d.t.Fatal(err)
		}
		s.ReplyTo = d.org.Signer.Ticket(bare(from), address.TicketRef{Ticket: s.Ticket, Participant: no}).String()
		out = append(out, s)
	}
	if _, err := d.pool.Exec(context.Background(), `DELETE FROM deliveries`); err != nil {
		d.t.Fatal(err)
	}
	return out
}

// to finds the mail to an address.
func to(t *testing.T, mails []sent, addr string) sent {
	t.Helper()
	for _, m := range mails {
		if m.To == addr {
			return m
		}
	}
	t.Fatalf("no mail to %s among %d: %+v", addr, len(mails), mails)
	return sent{}
}
