package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/pgtest"
	"mxdesk/outbound"
	"mxdesk/ticketing"
)

// pages is a site with an organisation that has ticket 1: Bob asked, Carol is among the recipients, Anna is staff.
type pages struct {
	t       *testing.T
	pool    *pgxpool.Pool
	service *ticketing.Service
	org     *ticketing.Organisation
	server  *httptest.Server
	now     atomic.Int64 // unix seconds
}

func newPages(t *testing.T, changes ...func(*Config)) *pages {
	t.Helper()
	ctx, log := context.Background(), slog.New(slog.NewTextHandler(io.Discard, nil))
	p := &pages{t: t, pool: pgtest.New(t)}
	p.now.Store(time.Now().Unix())
	directory, err := ticketing.NewDirectory(ctx, p.pool, log)
	if err != nil {
		t.Fatal(err)
	}
	queue := outbound.NewQueue(p.pool, outbound.QueueConfig{})
	if p.service, err = ticketing.NewService(p.pool, directory, queue, p.clock); err != nil {
		t.Fatal(err)
	}
	number, err := p.service.CreateOrganisation(ctx, ticketing.NewOrganisation{Name: "Desk <&> Co", Address: "help@desk.test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := directory.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	p.org = directory.Organisation(number)
	for i, role := range []string{"requester", "collaborator", "staff"} {
		person := id.New()
		p.exec(`INSERT INTO people (organisation_id, person_id, kind, name) VALUES ($1, $2, 'customer', 'x')`, number, person)
		if i == 0 {
			p.exec(`INSERT INTO tickets (organisation_id, number, subject, status, via, category_id, support_address, requester_id, created_at, updated_at)
				SELECT $1, 1, 's', 'new', 'email', min(category_id), 'help@desk.test', $2, now(), now() FROM categories`, number, person)
		}
		p.exec(`INSERT INTO participants (organisation_id, ticket_number, participant_no, person_id, role, address, name)
			VALUES ($1, 1, $2, $3, $4, $5, $6)`, number, i+1, person, role, fmt.Sprintf("p%d@client.test", i+1), fmt.Sprintf("Person %d", i+1))
	}
	c := Config{Directory: directory, Service: p.service, Log: log, Clock: p.clock}
	for _, change := range changes {
		change(&c)
	}
	p.server = httptest.NewServer(New(c))
	t.Cleanup(p.server.Close)
	return p
}

func (p *pages) clock() time.Time { return time.Unix(p.now.Load(), 0).UTC() }

func (p *pages) exec(sql string, args ...any) {
	p.t.Helper()
	if _, err := p.pool.Exec(context.Background(), sql, args...); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

func (p *pages) count(sql string, args ...any) (n int) {
	p.t.Helper()
	if err := p.pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// ask makes a request as a mail program does: no cookies, no redirections.
func (p *pages) ask(method, path string) (*http.Response, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, p.server.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Body = io.NopCloser(strings.NewReader("List-Unsubscribe=One-Click"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // a test
	body, err := io.ReadAll(resp.Body)
	if err != nil && resp.StatusCode == http.StatusOK {
		p.t.Logf("%s %s: %v", method, path, err)
		return resp, "cut off"
	}
	return resp, string(body)
}

func TestUnsubscribe(t *testing.T) {
	p := newPages(t)
	const left, events = `SELECT count(*) FROM participants WHERE NOT subscribed`, `SELECT count(*) FROM entries WHERE event = 'participant.left'`
	link := func(no int) string {
		return outbound.LeavePath + p.org.Signer.LeaveToken(p.org.ID, address.TicketRef{Ticket: 1, Participant: no})
	}
	for range 2 { // a scanner looks
		resp, body := p.ask(http.MethodGet, link(2))
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, `<form method="post">`) || !strings.Contains(body, "Ticket 1 of Desk &lt;&amp;&gt; Co") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		if h := resp.Header; !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Robots-Tag") == "" || h.Get("Set-Cookie") != "" ||
			strings.Contains(body, "<script") {
			t.Errorf("header %v, page %s", h, body)
		}
	}
	p.ask(http.MethodHead, link(2))
	if n := p.count(left); n != 0 {
		t.Fatalf("looking unsubscribed %d", n)
	}
	for range 2 { // once more does nothing more
		resp, body := p.ask(http.MethodPost, link(2))
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, "no more mail") || strings.Contains(body, "<form") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
	if p.count(left) != 1 || p.count(events) != 1 || p.count(`SELECT count(*) FROM participants WHERE NOT subscribed AND participant_no = 2`) != 1 {
		t.Errorf("%d left, %d events", p.count(left), p.count(events))
	}
	if n := p.count(`SELECT count(*) FROM deliveries WHERE participant_no = 2`); n != 1 {
		t.Errorf("%d confirmations, want one as by mail", n)
	}
	p.ask(http.MethodPost, link(3))
	if n := p.count(left); n != 2 {
		t.Errorf("%d left; staff can leave too", n)
	}
	other := address.NewSigner([]byte(strings.Repeat("x", address.MinKey)))
	zero := address.NewSigner(make([]byte, address.MinKey))
	for _, token := range []string{
		"x", "1.1.1", link(1)[len(outbound.LeavePath):] + "a", other.LeaveToken(p.org.ID, address.TicketRef{Ticket: 1, Participant: 1}),
		zero.LeaveToken(999, address.TicketRef{Ticket: 1, Participant: 1}), p.org.Signer.LeaveToken(p.org.ID+1, address.TicketRef{Ticket: 1, Participant: 1}),
		p.org.Signer.FileToken(p.org.ID, address.FileRef{Ticket: 1}),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if resp, _ := p.ask(method, outbound.LeavePath+token); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s of %q: %d", method, token, resp.StatusCode)
			}
		}
	}
	if resp, _ := p.ask(http.MethodPost, link(9)); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a participant who does not exist: %d", resp.StatusCode)
	}
	if n := p.count(left); n != 2 {
		t.Errorf("wrong tokens unsubscribed somebody: %d", n)
	}
}

// attach puts a file into an entry of the kind, and returns its link.
func (p *pages) attach(kind, name string, data []byte) string {
	p.t.Helper()
	entry, hash := id.New(), make([]byte, 32)
	copy(hash, entry[:])
	p.exec(`INSERT INTO entries (organisation_id, ticket_number, entry_id, kind, identity, body, created_at) VALUES ($1, 1, $2, $3, 'api', 'b', now())`, p.org.ID, entry, kind)
	p.exec(`INSERT INTO blobs (organisation_id, sha256, data) VALUES ($1, $2, $3)`, p.org.ID, hash, data)
	p.exec(`INSERT INTO attachments (organisation_id, ticket_number, entry_id, position, filename, content_type, declared_type, content_id, inline, size, sha256)
		VALUES ($1, 1, $2, 0, $3, 'text/html', 'text/html', '', false, $4, $5)`, p.org.ID, entry, name, len(data), hash)
	return outbound.FileLink("", p.org.Signer, p.org.ID, address.FileRef{Ticket: 1, Entry: entry, Expires: p.clock().AddDate(0, 0, 30)})
}

func TestDownload(t *testing.T) {
	p := newPages(t)
	data := bytes.Repeat([]byte("<script>alert(1)</script>\r\n"), 30_000) // several pieces
	link := p.attach("message", "Prüf \"1\".html", data)
	resp, body := p.ask(http.MethodGet, link)
	if resp.StatusCode != http.StatusOK || body != string(data) || resp.ContentLength != int64(len(data)) {
		t.Fatalf("%d, %d octets", resp.StatusCode, len(body))
	}
	for name, want := range map[string]string{
		"Content-Type":            "application/octet-stream",
		"Content-Disposition":     `attachment; filename="Pr_f _1_.html"; filename*=UTF-8''Pr%C3%BCf%20%221%22.html`,
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "default-src 'none'; sandbox",
		"Cache-Control":           "no-store",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if resp, body := p.ask(http.MethodHead, link); resp.StatusCode != http.StatusOK || body != "" || resp.ContentLength != int64(len(data)) {
		t.Errorf("HEAD: %d, %d octets announced", resp.StatusCode, resp.ContentLength)
	}
	if resp, body := p.ask(http.MethodGet, p.attach("reply", "empty", []byte{})); resp.StatusCode != http.StatusOK || body != "" {
		t.Errorf("an empty file: %d %q", resp.StatusCode, body)
	}
	for what, path := range map[string]string{
		"a note's":    p.attach("note", "secret", []byte("x")),
		"a wrong one": link + "a",
		"leaving":     outbound.FilePath + p.org.Signer.LeaveToken(p.org.ID, address.TicketRef{Ticket: 1, Participant: 1}),
		"nothing":     outbound.FileLink("", p.org.Signer, p.org.ID, address.FileRef{Ticket: 1, Entry: id.New(), Expires: p.clock().Add(time.Hour)}),
	} {
		if resp, _ := p.ask(http.MethodGet, path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", what, resp.StatusCode)
		}
	}
	p.exec(`UPDATE blobs SET data = substring(data FOR 300000)`)
	if resp, body := p.ask(http.MethodGet, link); resp.StatusCode != http.StatusOK || body != "cut off" {
		t.Errorf("a file that ends early looks whole: %d octets", len(body))
	}
	p.now.Add(31 * 24 * 3600)
	if resp, body := p.ask(http.MethodGet, link); resp.StatusCode != http.StatusGone {
		t.Errorf("too late: %d %s", resp.StatusCode, body)
	}
	p.exec(`DELETE FROM tickets`)
	p.now.Add(-31 * 24 * 3600)
	if resp, _ := p.ask(http.MethodGet, link); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a deleted ticket: %d", resp.StatusCode)
	}
	refused := 0
	for range downloadsPerMinute {
		if resp, _ := p.ask(http.MethodGet, link); resp.StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no limit on downloads")
	}
}

func TestDisposition(t *testing.T) {
	for name, want := range map[string]string{
		"a.pdf":            `attachment; filename="a.pdf"; filename*=UTF-8''a.pdf`,
		"a\r\nX: y.txt":    `attachment; filename="aX: y.txt"; filename*=UTF-8''aX%3A%20y.txt`,
		`"; x="`:           `attachment; filename="__ x=_"; filename*=UTF-8''%22%3B%20x%3D%22`,
		"../../etc/passwd": `attachment; filename=".._.._etc_passwd"; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd`,
		"日本.txt":           `attachment; filename="__.txt"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt`,
	} {
		if got := disposition(name); got != want {
			t.Errorf("%q: %s", name, got)
		}
	}
}

func TestRate(t *testing.T) {
	spare := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::5/128")}
	r := rate{limit: 2, exempt: spare}
	client, now := netip.MustParseAddr("192.0.2.1"), time.Unix(6000, 0)
	for i, want := range []bool{true, true, false, false} {
		if got := r.allow(client, now); got != want {
			t.Errorf("request %d: %v", i, got)
		}
	}
	if !r.allow(netip.MustParseAddr("192.0.2.2"), now) || !r.allow(client, now.Add(time.Minute)) {
		t.Error("another client, or the next minute, is refused")
	}
	for range 5 {
		for _, exempt := range []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8::5"), {}} {
			if !r.allow(exempt, now) {
				t.Errorf("%v is exempt and refused", exempt)
			}
		}
	}
	for i, want := range []bool{true, true, false} {
		if got := r.allow(netip.MustParseAddr("2001:db8::6"), now); got != want {
			t.Errorf("request %d from the network of one who is exempt: %v", i, got)
		}
	}
}
