//go:build linux

package e2e

import (
	"io"
	"maps"
	"net"
	netsmtp "net/smtp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// forgetful is a gateway between desks: from each letter it takes what marks it as a machine's and what ties it to another,
// subject too, and brings it to the desk of its recipient. Letters to others it drops.
type forgetful map[string]string // address of a desk, by its domain

// NewSession implements smtp.Backend.
func (f forgetful) NewSession(*smtp.Conn) (smtp.Session, error) { return &passing{desks: f}, nil }

// passing is one session with it.
type passing struct {
	desks    forgetful
	from, to string
}

func (p *passing) Mail(from string, _ *smtp.MailOptions) error { p.from = from; return nil }
func (p *passing) Rcpt(to string, _ *smtp.RcptOptions) error   { p.to = to; return nil }
func (p *passing) Reset()                                      {}
func (p *passing) Logout() error                               { return nil }

func (p *passing) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, domain, _ := strings.Cut(p.to, "@")
	desk := p.desks[domain]
	if desk == "" {
		return nil
	}
	conn, err := net.DialTimeout("tcp", desk, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // then it waits
	c, err := netsmtp.NewClient(conn, desk)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return c.Hello("gateway.test") },
		func() error { return c.Mail(p.from) },
		func() error { return c.Rcpt(p.to) },
		func() error {
			w, err := c.Data()
			if err != nil {
				return err
			}
			if _, err = io.WriteString(w, "Subject: Your message\r\n"+forget(string(text))); err != nil {
				return err
			}
			return w.Close()
		},
		c.Quit,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// forget takes fields out of a letter.
func forget(text string) string {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	var b strings.Builder
	drop := false
	for line := range strings.Lines(head + "\r\n") {
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(strings.ToLower(line), ":")
			drop = slices.Contains([]string{"auto-submitted", "precedence", "x-auto-response-suppress", "in-reply-to", "references", "subject"}, name)
		}
		if !drop {
			b.WriteString(line)
		}
	}
	return b.String() + "\r\n" + body
}

// TestTwoDesks: the support address of each of two desks is the other's customer, and between them is a gateway that takes away
// all by which they could know that. Both fall silent within three letters, and a ticket says why.
func TestTwoDesks(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts two desks")
	}
	w := theWorld(t)
	listener, err := net.Listen("tcp", w.address(2)+":0")
	if err != nil {
		t.Fatal(err)
	}
	between := forgetful{}
	server := smtp.NewServer(between)
	server.Domain = "gateway.test"
	ended := make(chan error, 1)
	relay := with("outbound.transport", `"smtp://`+listener.Addr().String()+`"`)
	one, other := newDesk(t, w, relay), newDesk(t, w, relay)
	for _, d := range []*desk{one, other} {
		between[d.name] = d.smtp()
		w.sendsBy(d.name, "127.0.0.1")
	}
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-ended })

	fromOutside(t, one, other.support(), one.support(), "Who is there?")
	var mails, others int
	eventually(t, "all that the desks wrote has arrived, and nothing followed from it", func() bool {
		mails = one.mailsTo(t, other)
		arrived := other.lettersFrom(t, one)
		others = other.mailsTo(t, one)
		// What a letter causes is committed with it, so whoever counts the answers last misses none.
		return arrived == mails && one.lettersFrom(t, other) == 1+others && one.mailsTo(t, other) == mails
	})
	if mails < 1 || mails > 3 || others < 1 || others > 3 {
		t.Errorf("%d and %d automatic letters, want one to three of each", mails, others)
	}
	var said []string
	for _, d := range []*desk{one, other} {
		for _, k := range d.tickets(t) {
			for _, e := range d.entries(t, k.ID) {
				if e.Event == "loop.stopped" {
					said = append(said, e.Text)
				}
			}
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "words") {
		t.Errorf("the tickets say %q, want one sentence about words that came again", said)
	}
	t.Logf("%d and %d automatic letters; %q", mails, others, said)
}

// mailsTo is how many letters the desk wrote to the support address of another.
func (d *desk) mailsTo(t *testing.T, other *desk) (n int) {
	for _, x := range d.deliveries(t) {
		if x.Recipient == other.support() {
			n++
		}
	}
	return n
}

// lettersFrom is how many letters the desk has from the support address of another.
func (d *desk) lettersFrom(t *testing.T, other *desk) (n int) {
	for _, l := range d.letters(t) {
		if l.From == other.support() {
			n++
		}
	}
	return n
}

// TestNeighbours: two organisations on one server write to each other, though the best mail host of each is that very server.
func TestNeighbours(t *testing.T) {
	w := theWorld(t)
	d := newDesk(t, w)
	neighbour := "help@next." + d.name
	d.command(t, "admin", "organisation", "Neighbour of "+d.name, neighbour, "--sign-at-once")
	w.publish(t, "mx."+d.name, d.ip, d.command(t, "dns", "--offline"))
	w.sendsBy("next."+d.name, "127.0.0.1")
	fromOutside(t, d, neighbour, d.support(), "Is the wall between us yours?")
	got := d.awaitDelivery(t, neighbour, "delivered")
	if a := got.Log[0]; a.Host != "mx."+d.name || a.Code != 250 {
		t.Errorf("delivery %+v", got)
	}
}

// sendsBy lets one address alone send for a domain.
func (w *world) sendsBy(domain, ip string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	zone := maps.Clone(w.zone)
	r := zone[domain]
	r.TXT = slices.DeleteFunc(slices.Clone(r.TXT), func(s string) bool { return strings.HasPrefix(s, "v=spf1") })
	r.TXT = append(r.TXT, "v=spf1 ip4:"+ip+" -all")
	zone[domain] = r
	w.zone = zone
	w.dns.Set(zone)
}
