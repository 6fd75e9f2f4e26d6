//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/id"
	"mxdesk/internal/mailauth"
	"mxdesk/internal/message"
	"mxdesk/internal/pgtest"
	"mxdesk/outbound"
	"mxdesk/smtpd"
	"mxdesk/ticketing"
)

// gate is the way of a letter up to its ticket, as main wires it, within this process.
type gate struct {
	t       *testing.T
	pool    *pgxpool.Pool
	service *ticketing.Service
	org     int32
	metrics *prometheus.Registry
	log     *lines
	addr    string
}

// lines holds log lines; what is written while it is read waits.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

// spamFilter finds spam where the letter says so.
type spamFilter struct{}

func (spamFilter) Check(_ context.Context, l *message.Letter) (message.Spam, error) {
	if bytes.Contains(l.Raw, []byte("Subject: Spam")) {
		return message.Spam{Score: 9, Symbols: []string{}}, nil
	}
	return message.Spam{Symbols: []string{}}, nil
}

func newGate(t *testing.T, zone dns.Fake) *gate {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	pool := pgtest.New(t)
	g := &gate{t: t, pool: pool, metrics: prometheus.NewRegistry(), log: &lines{}}
	log := slog.New(slog.NewTextHandler(g.log, nil))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	directory, err := ticketing.NewDirectory(ctx, pool, log)
	must(err)
	queue := outbound.NewQueue(pool, outbound.QueueConfig{})
	g.service, err = ticketing.NewService(pool, directory, queue, nil)
	must(err)
	intake, err := ticketing.NewIntake(ticketing.IntakeConfig{Pool: pool, Directory: directory, Queue: queue, Log: log, Metrics: g.metrics})
	must(err)
	g.org, err = g.service.CreateOrganisation(ctx, ticketing.NewOrganisation{Name: "Example", Address: "help@example.test"})
	must(err)
	_, err = g.service.AddStaff(ctx, g.org, ticketing.NewStaff{Name: "Anna", Address: "anna@staff.test", Role: "technician"})
	must(err)
	_, err = g.service.AddStaff(ctx, g.org, ticketing.NewStaff{Name: "Bob", Address: "bob@open.test", Role: "technician", Preferences: []string{"unassigned_new"}})
	must(err)
	server, err := smtpd.New(smtpd.Config{
		Hostname: "mx.example.test", Listen: []string{"127.0.0.1:0"}, SpoolDir: t.TempDir(), Log: log, Metrics: g.metrics,
		Resolver: zone, Verifier: mailauth.Letters{Verifier: &mailauth.Verifier{DNS: zone}}, Filter: spamFilter{}, Spam: smtpd.SpamScores{Hold: 8},
	}, intake)
	must(err)
	var running sync.WaitGroup
	running.Go(func() { intake.Run(ctx) }) //nolint:errcheck // it returns nil
	running.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	g.addr = server.Addrs()[0].String()
	return g
}

// send brings a letter in and returns the last reply.
func (g *gate) send(from, to, letter string) string {
	g.t.Helper()
	conn, err := net.DialTimeout("tcp", g.addr, patience)
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the talk is over
	_ = conn.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(conn)
	reply := func() (line string) {
		for {
			if line, err = in.ReadString('\n'); err != nil {
				g.t.Fatalf("reading a reply: %v", err)
			}
			if len(line) > 3 && line[3] == ' ' {
				return strings.TrimSpace(line)
			}
		}
	}
	last := reply()
	letter = strings.ReplaceAll(letter, "\r\n.", "\r\n..")
	for _, command := range []string{"EHLO client.test\r\n", "MAIL FROM:<" + from + ">\r\n", "RCPT TO:<" + to + ">\r\n", "DATA\r\n", letter + "\r\n.\r\n"} {
		if _, err := conn.Write([]byte(command)); err != nil {
			g.t.Fatal(err)
		}
		if last = reply(); last[0] > '3' {
			return last
		}
	}
	return last
}

// counters are the values of a metric, by their labels.
func (g *gate) counters(name string) map[string]float64 {
	g.t.Helper()
	all, err := g.metrics.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range all {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			out[strings.Join(labels, " ")] = m.GetCounter().GetValue()
		}
	}
	return out
}

func plainLetter(from, subject, more, text string) string {
	return "From: " + from + "\r\nTo: help@example.test\r\nSubject: " + subject + "\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <" +
		id.New().String() + "@client.test>\r\n" + more + "\r\n" + text + "\r\n"
}

func letterWithFile(from, name string) string {
	return plainLetter(from, "File", "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
		"--b\r\n\r\nSee below.\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="+name+"\r\n\r\nx\r\n--b--")
}

// reasonCase is a letter that meets one reason.
type reasonCase struct {
	decision, reason string
	settings         string // a merge patch, taken back afterwards
	to               string // envelope recipient; "" is help@example.test
	letter           string
	reply            string // how it begins
}

// Every decision on a letter has one name: in the reply, when it is refused or held, in the trace, in the log and in the metrics.
func TestEveryReasonHasOneName(t *testing.T) {
	need(t, python, dkimpy)
	record := func(policy string) dns.Records { return dns.Records{TXT: []string{"v=DMARC1; p=" + policy}} }
	zone := dns.Fake{
		"open.test": {A: []string{"192.0.2.1"}}, "_dmarc.reject.test": record("reject"), "_dmarc.quarantine.test": record("quarantine"),
		"_dmarc.none.test": record("none"), "_dmarc.staff.test": {Fail: true}, "x._domainkey.slow.test": {Fail: true},
	}
	g := newGate(t, zone)
	signer := g.signer()
	mass := "List-Id: <news.open.test>\r\nPrecedence: list\r\n"
	forwarded := "Authentication-Results: fwd.test; dkim=pass header.d=reject.test\r\n"
	hidden := plainLetter("ann@open.test", "Many", "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n", strings.Repeat("--b\r\n\r\nx\r\n", 1100)+"--b--")
	const dot5, held, ok = "550 5.7.1 ", "250 2.0.0 Held for review ", "250 2.0.0 Accepted as "
	cases := []reasonCase{
		{decision: "refused", reason: "blocked-network", settings: `{"blocked_networks": ["127.0.0.0/8"]}`, letter: plainLetter("ann@open.test", "x", "", "x"), reply: dot5},
		{decision: "refused", reason: "blocked-sender", settings: `{"blocked_senders": ["open.test"]}`, letter: plainLetter("ann@open.test", "x", "", "x"), reply: dot5},
		{decision: "refused", reason: "dmarc", letter: plainLetter("ann@reject.test", "x", "", "x"), reply: dot5},
		{decision: "refused", reason: "sender-dns", letter: plainLetter("anna@staff.test", "x", "", "x"), reply: "451 4.7.1 "},
		{decision: "refused", reason: "attachment-type", settings: `{"attachments": {"forbidden": ["@executables"]}}`, letter: letterWithFile("ann@open.test", "tool.exe"), reply: dot5 + "Attachments of this type are not taken here: .exe "},
		{decision: "refused", reason: "attachment-limits", settings: `{"attachments": {"max_file_bytes": 0, "max_files": 1}}`, letter: strings.Replace(letterWithFile("ann@open.test", "a.txt"), "--b--", "--b\r\nContent-Disposition: attachment; filename=b.bin\r\n\r\ny\r\n--b--", 1), reply: dot5},
		{decision: "refused", reason: "unregistered", settings: `{"accept_unregistered": false}`, letter: plainLetter("new@open.test", "x", "", "x"), reply: dot5},
		{decision: "refused", reason: "mass-mail", settings: `{"refuse_mass_mail": true}`, letter: plainLetter("ann@open.test", "News", mass, "x"), reply: dot5},
		{decision: "refused", reason: "loop", letter: strings.Replace(plainLetter("ann@open.test", "x", "", "x"), "Message-ID: <", "Message-ID: <"+signer.MessageID("example.test", 1, id.New())+">\r\nX-Old: <", 1), reply: "554 5.4.6 "},
		{decision: "held", reason: "dmarc-quarantine", letter: plainLetter("ann@quarantine.test", "x", "", "x"), reply: held},
		{decision: "held", reason: "dmarc-quarantine", settings: `{"hold_dmarc_reject": true}`, letter: plainLetter("ann@reject.test", "x", "", "x"), reply: held},
		{decision: "held", reason: "spam-held", letter: plainLetter("ann@open.test", "Spam", "", "x"), reply: held},
		{decision: "held", reason: "attachment-type", settings: `{"attachments": {"forbidden": [".exe"], "action": "hold"}}`, letter: letterWithFile("ann@open.test", "tool.exe"), reply: held},
		{decision: "held", reason: "attachment-limits", settings: `{"attachments": {"max_file_bytes": 1, "action": "hold"}}`, letter: strings.Replace(letterWithFile("ann@open.test", "a.bin"), "\r\n\r\nx\r\n", "\r\n\r\nxyz\r\n", 1), reply: held},
		{decision: "held", reason: "attachment-hidden", settings: `{"attachments": {"forbidden": [".exe"]}}`, letter: hidden, reply: held},
		{decision: "taken", reason: "allowed-network", settings: `{"allowed_networks": ["127.0.0.1"]}`, letter: plainLetter("ann@reject.test", "x", "", "x"), reply: ok},
		{decision: "taken", reason: "dmarc-exempt", settings: `{"dmarc_exempt": ["reject.test"]}`, letter: plainLetter("ann@reject.test", "x", "", "x"), reply: ok},
		{decision: "taken", reason: "dmarc-none", letter: plainLetter("ann@none.test", "x", "", "x"), reply: ok},
		{decision: "believed", reason: "trusted-forwarder", settings: `{"trusted_forwarders": [{"networks": ["127.0.0.1"], "authserv_id": "fwd.test"}]}`, letter: forwarded + plainLetter("ann@reject.test", "x", "", "x"), reply: ok},
		{decision: "believed", reason: "arc-sealer", settings: `{"arc_sealers": ["list.test"]}`, letter: sealedBy(t, zone, "list.test", "reject.test", plainLetter("ann@reject.test", "x", "", "x")), reply: ok},
	}
	for _, c := range cases {
		g.walk(c)
	}
	g.walk(g.unconfirmed(signer))
	for labels := range g.counters("mxdesk_admission_total") {
		if g.counters("mxdesk_admission_total")[labels] == 0 {
			t.Errorf("no letter met %s", labels)
		}
	}
}

// walk sends the letter of a case and looks for the name of its reason in all places.
func (g *gate) walk(c reasonCase) {
	t := g.t
	t.Helper()
	label := c.decision + " " + c.reason
	change := ticketing.SettingsChange{}
	if c.settings != "" {
		if err := json.Unmarshal([]byte(c.settings), &change); err != nil {
			t.Fatal(err)
		}
	}
	g.change(change)
	before, refusals := g.counters("mxdesk_admission_total"), g.counters("mxdesk_smtp_refusals_total")[c.reason]
	g.log.clear()
	to := c.to
	if to == "" {
		to = "help@example.test"
	}
	reply := g.send("ann@open.test", to, c.letter)
	if !strings.HasPrefix(reply, c.reply) {
		t.Errorf("%s: reply %q, want %s", label, reply, c.reply)
	}
	logged := map[string]string{"refused": `msg="letter refused"`, "held": `msg="letter taken"`, "taken": `msg="letter taken"`, "believed": `believed=` + c.reason}[c.decision]
	eventually(t, label+" in the log and the metrics", func() bool {
		return strings.Contains(g.log.String(), logged) && g.counters("mxdesk_admission_total")[label] == before[label]+1
	})
	if c.decision != "believed" && !strings.Contains(g.log.String(), " reason="+c.reason+" ") {
		t.Errorf("%s: log %s", label, g.log.String())
	}
	if c.decision == "held" && !strings.HasPrefix(reply, c.reply+"["+c.reason+"] as ") {
		t.Errorf("%s: reply %q", label, reply)
	}
	trace := g.log.String() // where no letter is stored
	if c.decision == "refused" {
		if !strings.HasSuffix(reply, "["+c.reason+"]") || g.counters("mxdesk_smtp_refusals_total")[c.reason] != refusals+1 {
			t.Errorf("%s: reply %q, refusals %v", label, reply, g.counters("mxdesk_smtp_refusals_total"))
		}
	} else if letter, err := id.Parse(reply[strings.LastIndexByte(reply, ' ')+1:]); err != nil {
		t.Errorf("%s: no id in %q", label, reply)
	} else if l, err := g.service.Letter(t.Context(), g.org, letter); err != nil || (l.Outcome == ticketing.HeldLetter) != (c.decision == "held") {
		t.Errorf("%s: letter %+v, %v", label, l, err)
	} else {
		trace = string(l.Trace)
		if c.decision == "believed" && (!strings.Contains(string(l.Verdict), `"believed"`) || !strings.Contains(trace, "is verified")) {
			t.Errorf("%s: verdict %s, trace %s", label, l.Verdict, trace)
		}
	}
	if said := "admission: " + c.decision + ": " + c.reason; !strings.Contains(trace, said) && !strings.Contains(trace, "belief: "+c.reason) {
		t.Errorf("%s: trace %s", label, trace)
	}
	for name := range change {
		change[name] = nil
	}
	g.change(change)
}

func (g *gate) change(c ticketing.SettingsChange) {
	g.t.Helper()
	if len(c) == 0 {
		return
	}
	if err := g.service.ChangeSettings(g.t.Context(), g.org, 0, 0, c); err != nil {
		g.t.Fatal(err)
	}
}

// signer signs as the organisation does.
func (g *gate) signer() *address.Signer {
	g.t.Helper()
	var key []byte
	if err := g.pool.QueryRow(g.t.Context(), `SELECT address_key FROM organisations WHERE organisation_id = $1`, g.org).Scan(&key); err != nil {
		g.t.Fatal(err)
	}
	return address.NewSigner(key)
}

// unconfirmed is a letter in Bob's name to his own address of a ticket.
func (g *gate) unconfirmed(signer *address.Signer) reasonCase {
	g.t.Helper()
	if reply := g.send("ann@open.test", "help@example.test", plainLetter("carl@open.test", "Question", "", "Why?")); !strings.HasPrefix(reply, "250") {
		g.t.Fatal(reply)
	}
	var ref address.TicketRef
	if err := g.pool.QueryRow(g.t.Context(), `
		SELECT ticket_number, participant_no FROM participants WHERE organisation_id = $1 AND address = 'bob@open.test'
		ORDER BY ticket_number DESC LIMIT 1`, g.org).Scan(&ref.Ticket, &ref.Participant); err != nil {
		g.t.Fatal(err)
	}
	to := signer.Ticket(address.Address{Local: "help", Domain: "example.test"}, ref).String()
	return reasonCase{decision: "held", reason: "staff-unconfirmed", to: to, letter: plainLetter("bob@open.test", "Re: Question", "", "Because."), reply: "250 2.0.0 Held for review "}
}

const arcsign = `
import sys, dkim
letter = sys.stdin.buffer.read()
fields = dkim.arc_sign(letter, b'arc', sys.argv[2].encode(), open(sys.argv[1],'rb').read(), sys.argv[2].encode(), include_headers=[b'from', b'subject', b'to', b'date'])
if not fields: sys.exit('not sealed')
sys.stdout.buffer.write(b''.join(fields) + letter)
`

// sealedBy is the letter as a list forwards it that found a signature of author on it; dkimpy seals it.
func sealedBy(t *testing.T, zone dns.Fake, sealer, author, letter string) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	zone["arc._domainkey."+sealer] = dns.Records{TXT: []string{"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)}}
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python.path, "-I", "-c", arcsign, key, sealer)
	cmd.Stdin = strings.NewReader(fmt.Sprintf("Authentication-Results: %s; dkim=pass header.d=%s; arc=none\r\n%s", sealer, author, letter))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dkimpy: %v", err)
	}
	return string(out)
}
