package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/dns"
)

type attackCmd struct {
	Only        []string `help:"The pitfalls whose names hold one of these words; by default all."`
	Slow        int      `default:"1000" help:"Slow senders from one network."`
	Connections int      `default:"10000" help:"Connections at one time."`
	Keep        bool     `help:"Keep the folder with database and log."`
}

// Who takes part. Each has a loopback address that the domain's SPF record names; letters from elsewhere are forged.
const (
	support    = "help@example.test"
	customer5  = "carl@customer.test"
	agent      = "anna@staff.test"
	openAgent  = "ben@open.test" // staff of a domain that publishes no DMARC record
	customerIP = "127.0.0.5"
	agentIP    = "127.0.0.6"
	strangerIP = "127.0.0.66"

	proxyIP     = "127.0.0.77" // whose connections begin with a PROXY header
	forwarderIP = "127.0.0.44" // of a server whose results the organisation believes
	forwarder   = "mx.forwarder.test"
	sealer      = "sealer.test"
	webHost     = "help.example.test" // in links
	// victims are those in whose name letters are forged: nothing may ever reach them.
	victims = "victim.test"
)

// attack is one run against one mxdesk.
type attack struct {
	*attackCmd
	in    *instance
	sink  *sink
	pool  *pgxpool.Pool
	count atomic.Int64 // letters made, for their Message-IDs
	zone  dns.Fake     // the DNS, which pitfalls add to

	lmtp, web, metrics string // addresses
}

// pitfall is one promise that somebody tries to break.
type pitfall struct {
	name string
	play func(a *attack, ctx context.Context, f *findings)
}

// pitfalls are played in this order; the last one costs us the database.
var pitfalls = []pitfall{
	{"smuggling: malformed ends of data over DATA", (*attack).smuggleData},
	{"smuggling: malformed ends of data over BDAT", (*attack).smuggleChunks},
	{"smuggling: malformed ends of data over LMTP", (*attack).smuggleLMTP},
	{"smuggling: a pause past the timeout, then commands", (*attack).pause},
	{"STARTTLS: plaintext behind the command is never run", (*attack).injectTLS},
	{"other protocols: HTTP verbs", (*attack).speakHTTP},
	{"early talkers", (*attack).speakEarly},
	{"PROXY headers: of strangers, and malformed ones", (*attack).pretend},
	{"slow senders from one network", (*attack).crawl},
	{"very many connections", (*attack).flood},
	{"bombs: header and MIME", (*attack).bomb},
	{"hostile DNS: SPF policies and keys", (*attack).hostileDNS},
	{"relaying", (*attack).relay},
	{"addresses with parameters, controls, 8-bit octets", (*attack).oddAddresses},
	{"forged staff", (*attack).forgeStaff},
	{"forged results of forwarders and sealers", (*attack).forgeResults},
	{"guessed and altered ticket addresses and return paths", (*attack).guess},
	{"delivery reports that are none", (*attack).reports},
	{"forbidden files under every name", (*attack).smuggleFiles},
	{"links: looking at them does nothing, guessed ones lead nowhere", (*attack).followLinks},
	{"public pages: paths, hosts, headers, bodies", (*attack).oddRequests},
	{"public pages: slow clients, and many from one network", (*attack).slowBrowsers},
	{"header injection", (*attack).injectHeader},
	{"log injection", (*attack).injectLog},
	{"notes stay among staff", (*attack).leakNote},
	{"autoresponders and loops", (*attack).loop},
	{"null sender", (*attack).nullSender},
	{"backscatter", (*attack).backscatter},
	{"what we send is strict", (*attack).strictness},
	{"trouble of our own is temporary", (*attack).loseDatabase},
}

// findings is what one pitfall broke.
type findings struct {
	mu    sync.Mutex
	list  []string
	notes []string
}

func (f *findings) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

// note adds a figure to the report.
func (f *findings) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// check takes an error for a finding.
func (f *findings) check(what string, err error) bool {
	if err != nil {
		f.add("%s: %v", what, err)
	}
	return err == nil
}

// want takes an answer that begins otherwise for a finding; several beginnings are apart by "|".
func (f *findings) want(what, got, begins string) {
	for b := range strings.SplitSeq(begins, "|") {
		if strings.HasPrefix(got, b) && (b != "" || got == "") {
			return
		}
	}
	f.add("%s: answered %q, want %s", what, got, begins)
}

// Run plays every pitfall and fails when anything broke.
func (c *attackCmd) Run(ctx context.Context, top *cli) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	a := &attack{attackCmd: c}
	err := a.start(ctx, top.Mxdesk)
	if err == nil {
		err = a.playAll(ctx)
	}
	err = errors.Join(err, a.stop())
	if a.in != nil && (err != nil || c.Keep) {
		fmt.Println("folder:", a.in.dir)
	} else if a.in != nil {
		a.in.remove()
	}
	return err
}

func (a *attack) playAll(ctx context.Context) error {
	broken := 0
	for _, p := range pitfalls {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(a.Only) > 0 && !slices.ContainsFunc(a.Only, func(word string) bool { return strings.Contains(p.name, word) }) {
			continue
		}
		f := &findings{}
		begin := time.Now()
		p.play(a, ctx, f)
		word := "held"
		if len(f.list) > 0 {
			word = "broken"
			broken++
		}
		fmt.Printf("%-7s %s (%v)\n", word, p.name, time.Since(begin).Round(10*time.Millisecond))
		for _, line := range append(f.notes, f.list...) {
			fmt.Printf("          %s\n", line)
		}
	}
	if broken > 0 {
		return fmt.Errorf("%d pitfalls are broken", broken)
	}
	return nil
}

// start fills the DNS with the people, and starts the sink and an mxdesk whose timeouts are short.
func (a *attack) start(ctx context.Context, program string) (err error) {
	spf := func(ip string) dns.Records {
		return dns.Records{TXT: []string{"v=spf1 ip4:" + ip + " -all"}, A: []string{ip}}
	}
	reject := dns.Records{TXT: []string{"v=DMARC1; p=reject"}}
	if a.sink, err = newSink(); err != nil {
		return err
	}
	a.sink.keep = true
	if a.in, err = newInstance(program, "smtp://"+a.sink.addr()); err != nil {
		return err
	}
	a.publish(dns.Fake{
		"customer.test": spf(customerIP), "staff.test": spf(agentIP), "open.test": spf(agentIP), victims: spf("127.0.0.99"),
		"_dmarc.staff.test": reject, "example.test": spf("127.0.0.25"), "_dmarc.example.test": reject,
	})
	for _, addr := range []*string{&a.lmtp, &a.web, &a.metrics} {
		port, err := freePort()
		if err != nil {
			return err
		}
		*addr = "127.0.0.1:" + port
	}
	if err = a.configure(); err != nil {
		return err
	}
	if err = a.in.start(); err != nil {
		return err
	}
	if err = a.in.ready(ctx); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"organisation", "Example", support, "--sign-at-once"}, {"staff", "1", "Anna Agent", agent}, {"staff", "1", "Ben Agent", openAgent},
	} {
		if err = a.in.command(append([]string{"admin"}, args...)...); err != nil {
			return err
		}
	}
	if a.pool, err = a.in.pool(ctx); err != nil {
		return err
	}
	return a.decide(ctx, fmt.Sprintf(`{"loop_guards": false, "attachments": {"forbidden": ["@executables"], "action": "refuse"}, "arc_sealers": [%q],
		"trusted_forwarders": [{"networks": ["%s/32"], "authserv_id": %q}]}`, sealer, forwarderIP, forwarder))
}

// decide changes settings of the organisation.
func (a *attack) decide(ctx context.Context, settings string) error {
	_, err := a.pool.Exec(ctx, `
		WITH r AS (UPDATE directory_revision SET revision = revision + 1 RETURNING revision)
		UPDATE organisations SET settings = settings || $1::jsonb, revision = r.revision FROM r`, settings)
	time.Sleep(1500 * time.Millisecond) // a change takes effect within a second
	return err
}

// publish adds names to the DNS.
func (a *attack) publish(more dns.Fake) {
	zone := maps.Clone(a.zone)
	if zone == nil {
		zone = dns.Fake{}
	}
	maps.Copy(zone, more)
	a.zone = zone
	a.in.names.Set(zone)
}

// configure writes the configuration: no network is exempt, timeouts are short, the log tells all.
func (a *attack) configure() error {
	cert, key, err := a.certificate()
	if err != nil {
		return err
	}
	limits := fmt.Sprintf("[smtp]\nexempt_networks = []\nmax_connections = 20000\nconnections_per_minute = 100000\n"+
		"idle_timeout = \"%v\"\ndata_timeout = \"%v\"\ngreet_delay = \"50ms\"\nlmtp_listen = [%q]\nproxy_networks = [\"%s/32\"]\n", attackIdle, attackData, a.lmtp, proxyIP)
	text := strings.Replace(a.in.text, "[smtp]\n", limits, 1)
	text = strings.Replace(text, `level = "warn"`, `level = "debug"`, 1)
	text = strings.Replace(text, "[metrics]\nlisten = []\n", fmt.Sprintf("[metrics]\nlisten = [%q]\npprof = true\n", a.metrics), 1)
	text += fmt.Sprintf("[web]\nlisten = [%q]\nurl = \"https://%s\"\nexempt_networks = []\n", a.web, webHost)
	text += fmt.Sprintf("[tls]\ncertificate_file = %q\nkey_file = %q\n", cert, key)
	return a.in.configure(text)
}

// The timeouts of the attacked server.
const (
	attackIdle = 8 * time.Second
	attackData = 10 * time.Second
)

// certificate makes a self-signed certificate in the folder of the instance.
func (a *attack) certificate() (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(a.in.dir, "cert.pem"), filepath.Join(a.in.dir, "key.pem")
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
		"-subj", "/CN=mx.example.test", "-keyout", keyFile, "-out", certFile).CombinedOutput()
	if err != nil {
		return "", "", fmt.Errorf("openssl: %w: %s", err, out)
	}
	return certFile, keyFile, nil
}

func (a *attack) stop() (err error) {
	if a.pool != nil {
		a.pool.Close()
	}
	if a.in != nil {
		err = a.in.stop()
	}
	if a.sink != nil {
		a.sink.close()
	}
	return err
}

// envelope is one letter to be sent.
type envelope struct {
	ip, from, to string
	letter       string // header, empty line, body; "" for a plain one
}

// letter makes a letter; fields are header lines without line ends that replace those of the same name.
func (a *attack) letter(from, subject, body string, fields ...string) string {
	n := a.count.Add(1)
	header := []string{
		"From: " + from, "To: " + support, "Subject: " + subject, "Date: " + time.Now().Format(time.RFC1123Z),
		fmt.Sprintf("Message-ID: <%d.%d@client.test>", n, time.Now().UnixNano()),
	}
	for _, f := range fields {
		name, _, _ := strings.Cut(f, ":")
		header = slices.DeleteFunc(header, func(h string) bool { return strings.HasPrefix(h, name+":") })
	}
	return strings.Join(append(header, fields...), "\r\n") + "\r\n\r\n" + body + "\r\n"
}

// submit sends one letter and tells the first answer that is not the wanted one, or the last.
func (a *attack) submit(ctx context.Context, e envelope) string {
	t, err := dialFrom(ctx, e.ip, a.in.smtp)
	if err != nil {
		return err.Error()
	}
	defer t.close()
	steps := []struct{ say, begins string }{
		{"EHLO client.test", "250"}, {"MAIL FROM:<" + e.from + ">", "250"}, {"RCPT TO:<" + e.to + ">", "250"}, {"DATA", "354"},
	}
	if got := t.answer(); !strings.HasPrefix(got, "220") {
		return got
	}
	for _, s := range steps {
		if got := t.ask(s.say); !strings.HasPrefix(got, s.begins) {
			return got
		}
	}
	text := e.letter
	if text == "" {
		text = a.letter(e.from, "A question", "Words.")
	}
	t.send(strings.ReplaceAll(text, "\r\n.", "\r\n.."))
	return t.ask(".")
}

// connect opens a connection of the stranger's; nil, and a finding, when there is none.
func (a *attack) connect(ctx context.Context, f *findings) *talker {
	t, err := dialFrom(ctx, strangerIP, a.in.smtp)
	if !f.check("connect", err) {
		return nil
	}
	return t
}

// upToRecipient is a connection on which a letter may be begun.
func (a *attack) upToRecipient(ctx context.Context, f *findings, from string) *talker {
	t := a.connect(ctx, f)
	if t != nil {
		f.check(from, t.must("", "220", "EHLO client.test", "250", "MAIL FROM:<"+from+">", "250", "RCPT TO:<"+support+">", "250"))
	}
	return t
}

// number asks the database for one number.
func (a *attack) number(ctx context.Context, f *findings, query string, args ...any) (n int) {
	f.check("database", a.pool.QueryRow(ctx, query, args...).Scan(&n))
	return n
}

// settle waits until all mail has left, and returns what came to an address since.
func (a *attack) settle(ctx context.Context, f *findings, to string) []sunk {
	f.check("outgoing mail", drained(ctx, a.pool, func(int) error { return nil }))
	return a.sink.letters(func(l sunk) bool { return strings.HasSuffix(l.to, to) })
}
