package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/dnscheck"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/internal/pgtest"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// desk is the API over a whole ticketing stage on a database of its own.
type desk struct {
	t       testing.TB
	pool    *pgxpool.Pool
	service *ticketing.Service
	intake  *ticketing.Intake
	dir     *ticketing.Directory
	queue   *outbound.Queue
	metrics *prometheus.Registry
	logged  *lockedBuffer
	api     *API
	url     string
	org     int32
	anna    id.ID
	tokens  map[ticketing.Rights]string
	zone    dns.Fake // what the API sees of the DNS

	mu    sync.Mutex
	calls map[string]map[int]bool // statuses seen, by operation
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	ctx := context.Background()
	d := &desk{
		t: t, pool: pgtest.New(t), metrics: prometheus.NewRegistry(), logged: &lockedBuffer{},
		tokens: map[ticketing.Rights]string{}, zone: dns.Fake{}, calls: map[string]map[int]bool{},
	}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	d.dir, err = ticketing.NewDirectory(ctx, d.pool, quiet)
	d.must(err)
	d.queue = outbound.NewQueue(d.pool, outbound.QueueConfig{})
	d.service, err = ticketing.NewService(d.pool, d.dir, d.queue, nil)
	d.must(err)
	d.queue.OnFinal = d.service.RecordFinal
	d.intake, err = ticketing.NewIntake(ticketing.IntakeConfig{Pool: d.pool, Directory: d.dir, Queue: d.queue, Log: quiet, Metrics: prometheus.NewRegistry()})
	d.must(err)
	d.org = d.organisation("Example", "example.test")
	d.anna, err = d.service.AddStaff(ctx, d.org, ticketing.NewStaff{
		Name: "Anna Agent", Address: "anna@staff.test", Role: "technician", Preferences: []string{"unassigned_new"},
	})
	d.must(err)
	for _, rights := range []ticketing.Rights{ticketing.ReadRights, ticketing.AgentRights, ticketing.AdminRights} {
		d.tokens[rights] = d.token(d.org, id.ID{}, rights)
	}
	d.tokens[ticketing.OperatorRights] = d.token(0, id.ID{}, ticketing.OperatorRights)
	d.api = New(Config{
		DomainDNS: DomainDNS{Resolver: d.zone, Records: func(ctx context.Context, _ *ticketing.Organisation, domain string) ([]dnscheck.Record, error) {
			return dnscheck.Check(ctx, d.zone, dnscheck.Records(dnscheck.Domain{Name: domain, Hosts: []string{"mx.example.test"}})), nil
		}},
		Service: d.service, Directory: d.dir, Queue: d.queue, Intake: d.intake, Registerer: d.metrics, Log: slog.New(slog.NewTextHandler(d.logged, nil)),
	})
	server := httptest.NewServer(d.api)
	d.url = server.URL
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { d.intake.Run(running) }) //nolint:errcheck // it returns nil
	t.Cleanup(func() { server.Close(); stop(); wg.Wait() })
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) organisation(name, domain string) int32 {
	d.t.Helper()
	org, err := d.service.CreateOrganisation(context.Background(), ticketing.NewOrganisation{Name: name, Address: "help@" + domain})
	d.must(err)
	return org
}

func (d *desk) token(org int32, person id.ID, rights ticketing.Rights) string {
	d.t.Helper()
	token, err := d.service.CreateToken(context.Background(), org, person, rights, "a "+string(rights)+" program")
	d.must(err)
	return token
}

// mail delivers a letter from carl@client.test to help@example.test and returns its id.
func (d *desk) mail(subject, rest string) id.ID { return d.mailTo("help@example.test", subject, rest) }

// mailTo delivers a letter; rest is the end of its header, an empty line and its text.
func (d *desk) mailTo(to, subject, rest string) id.ID {
	return d.judged(to, subject, rest, message.Verdict{})
}

// judged is mailTo with a verdict of sender authentication.
func (d *desk) judged(to, subject, rest string, verdict message.Verdict) id.ID {
	d.t.Helper()
	from, err := address.Parse("carl@client.test")
	d.must(err)
	rcpt, err := address.Parse(to)
	d.must(err)
	now := time.Now().UTC()
	raw := "From: Carl Customer <carl@client.test>\r\nTo: " + to + "\r\nSubject: " + subject + "\r\nMessage-ID: <" + id.New().String() +
		"@client.test>\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n" + strings.ReplaceAll(rest, "\n", "\r\n") + "\r\n"
	l := &message.Letter{
		ID: id.New(), ReceivedAt: now, Raw: []byte(raw), Received: "Received: by example.test; now\r\n", MailFrom: from, Recipients: []address.Address{rcpt},
		Session: message.Session{ID: id.New(), Client: netip.MustParseAddr("192.0.2.1"), Helo: "client.test", Protocol: "ESMTP"},
		Verdict: verdict,
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	receipt, err := d.intake.Deliver(ctx, l)
	d.must(err)
	return receipt.ID
}

// ask is one request. The zero value of a field means the usual: GET, read rights.
type ask struct {
	method, path string
	rights       ticketing.Rights
	token        string // instead of one with rights
	body         string
	header       map[string]string
}

// got is an answer; value is its body when that is JSON.
type got struct {
	status int
	header http.Header
	raw    []byte
	value  map[string]any
}

func (g got) text(name string) string { s, _ := g.value[name].(string); return s }

func (g got) items() []map[string]any {
	var list []map[string]any
	items, _ := g.value["items"].([]any)
	for _, item := range items {
		list = append(list, item.(map[string]any))
	}
	return list
}

// do sends a request, holds the answer against the OpenAPI document and wants the status.
func (d *desk) do(want int, a ask) got {
	d.t.Helper()
	g, err := d.send(a)
	d.must(err)
	if g.status != want {
		d.t.Fatalf("%s %s: %d, want %d\n%s", a.method, a.path, g.status, want, g.raw)
	}
	return g
}

func (d *desk) send(a ask) (got, error) {
	if a.method == "" {
		a.method = "GET"
	}
	if a.rights == "" {
		a.rights = ticketing.ReadRights
	}
	if a.token == "" {
		a.token = d.tokens[a.rights]
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, a.method, d.url+a.path, strings.NewReader(a.body))
	if err != nil {
		return got{}, err
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	for name, value := range a.header {
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return got{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	g := got{status: resp.StatusCode, header: resp.Header}
	if g.raw, err = io.ReadAll(resp.Body); err != nil {
		return g, err
	}
	if strings.Contains(g.header.Get("Content-Type"), "json") && a.method != "HEAD" {
		if err := json.Unmarshal(g.raw, &g.value); err != nil {
			return g, fmt.Errorf("the body is no JSON object: %w\n%s", err, g.raw)
		}
	}
	return g, d.hold(r, g)
}

// hold holds an answer against the OpenAPI document.
func (d *desk) hold(r *http.Request, g got) error {
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
	} {
		if g.header.Get(name) != want {
			return fmt.Errorf("%s %s: %s is %q", r.Method, r.URL.Path, name, g.header.Get(name))
		}
	}
	if _, err := id.Parse(g.header.Get("Request-Id")); err != nil || g.header.Get("Content-Security-Policy") == "" {
		return fmt.Errorf("%s %s: no request id, or no policy: %v", r.Method, r.URL.Path, g.header)
	}
	if g.header.Get("Access-Control-Allow-Origin") != "" {
		return fmt.Errorf("%s: CORS is on", r.URL.Path)
	}
	var m mux.RouteMatch
	if !d.api.router.Match(r, &m) || m.Route == nil {
		return nil
	}
	path, err := m.Route.GetPathTemplate()
	if err != nil {
		return err
	}
	item := d.api.huma.OpenAPI().Paths[path]
	if item == nil {
		return nil // the document itself, or the page
	}
	o := map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PATCH": item.Patch, "PUT": item.Put, "DELETE": item.Delete}[r.Method]
	if o == nil {
		return fmt.Errorf("%s %s is served and not documented", r.Method, path)
	}
	d.mu.Lock()
	if d.calls[o.OperationID] == nil {
		d.calls[o.OperationID] = map[int]bool{}
	}
	d.calls[o.OperationID][g.status] = true
	d.mu.Unlock()
	return d.fits(o, g)
}

func (d *desk) fits(o *huma.Operation, g got) error {
	response := o.Responses[fmt.Sprint(g.status)]
	if response == nil {
		return fmt.Errorf("%s: status %d is not documented", o.OperationID, g.status)
	}
	contentType, _, _ := strings.Cut(g.header.Get("Content-Type"), ";")
	media := response.Content[contentType]
	if media == nil {
		media = response.Content["*/*"]
	}
	if media == nil {
		return fmt.Errorf("%s: %d with type %q is not documented", o.OperationID, g.status, contentType)
	}
	for name := range response.Headers {
		if g.header.Get(name) == "" {
			return fmt.Errorf("%s: the documented header %s is missing", o.OperationID, name)
		}
	}
	if g.value == nil {
		return nil
	}
	result := &huma.ValidateResult{}
	huma.Validate(d.api.huma.OpenAPI().Components.Schemas, media.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, g.value, result)
	if len(result.Errors) > 0 {
		return fmt.Errorf("%s: the answer is not as documented: %v\n%s", o.OperationID, result.Errors, g.raw)
	}
	return nil
}

// lockedBuffer is a log that several requests write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
