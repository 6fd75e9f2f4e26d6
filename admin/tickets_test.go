package admin

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mxdesk/internal/id"
	"mxdesk/ticketing"
)

const agentRights = ticketing.AgentRights

// ids follows a list to its end and returns the ids of each page.
func (d *desk) pages(path string) [][]string {
	d.t.Helper()
	var all [][]string
	for next := path; next != ""; {
		g := d.do(200, ask{path: next})
		var ids []string
		for _, item := range g.items() {
			ids = append(ids, item["id"].(string))
		}
		all = append(all, ids)
		if len(all) > 100 {
			d.t.Fatal("the list has no end")
		}
		next = g.text("next")
	}
	return all
}

func TestListsHavePages(t *testing.T) {
	d := newDesk(t)
	for i, words := range []string{"The lamp is broken", "Where is my parcel?", "An invoice is missing", "Please call me", "Thank you"} {
		d.mail(fmt.Sprintf("Letter %d", i), "\n"+words) // the same words again would get no answer
	}
	d.do(200, ask{method: "PATCH", path: "/v1/tickets/tkt_2", rights: agentRights, body: `{"owner":"per_` + d.anna.String() + `"}`})
	d.do(200, ask{method: "PATCH", path: "/v1/tickets/tkt_4", rights: agentRights, body: `{"status":"closed"}`})
	requester := d.do(200, ask{path: "/v1/tickets/tkt_1"}).text("requester")
	for _, test := range []struct {
		path string
		want [][]string
	}{
		{"/v1/tickets?limit=2", [][]string{{"tkt_5", "tkt_4"}, {"tkt_3", "tkt_2"}, {"tkt_1"}}},
		{"/v1/tickets?limit=5", [][]string{{"tkt_5", "tkt_4", "tkt_3", "tkt_2", "tkt_1"}}},
		{"/v1/tickets?limit=2&status=new&requester=" + requester, [][]string{{"tkt_5", "tkt_3"}, {"tkt_1"}}},
		{"/v1/tickets?status=closed", [][]string{{"tkt_4"}}},
		{"/v1/tickets?unowned=true&limit=4", [][]string{{"tkt_5", "tkt_4", "tkt_3", "tkt_1"}}},
		{"/v1/tickets?owner=per_" + d.anna.String(), [][]string{{"tkt_2"}}},
		{"/v1/tickets?requester=per_" + d.anna.String(), [][]string{nil}},
		{"/v1/tickets?category=cat_99", [][]string{nil}},
	} {
		if diff := cmp.Diff(test.want, d.pages(test.path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.path, diff)
		}
	}
	for path, least := range map[string]int{
		"/v1/letters?limit=2": 5, "/v1/deliveries?limit=3": 10, "/v1/tickets/tkt_2/entries?limit=1": 2,
	} {
		all, _, _ := strings.Cut(path, "?")
		want := len(d.do(200, ask{path: all + "?limit=100"}).items())
		if want < least {
			t.Errorf("%s: %d items, want %d at least", all, want, least)
		}
		seen := map[string]bool{}
		for _, page := range d.pages(path) {
			for _, one := range page {
				if seen[one] {
					t.Errorf("%s shows %s twice", path, one)
				}
				seen[one] = true
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d items, want %d", path, len(seen), want)
		}
	}
}

func TestChange(t *testing.T) {
	d := newDesk(t)
	d.mail("One", "\nText")
	anna := "per_" + d.anna.String()
	change := func(body string) got {
		t.Helper()
		return d.do(200, ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agentRights, body: body, header: map[string]string{"Content-Type": "application/merge-patch+json; charset=utf-8"}})
	}
	for _, step := range []struct {
		body string
		want map[string]any
	}{
		{`{}`, map[string]any{"status": "new", "version": 1.0}},
		{`{"owner":"` + anna + `","priority":"urgent","tags":["a","b"],"due_at":"2030-01-02T03:04:05+01:00"}`, map[string]any{
			"owner": anna, "owner_name": "Anna Agent", "priority": "urgent", "tags": []any{"a", "b"}, "due_at": "2030-01-02T02:04:05Z", "version": 2.0, "status": "in_progress",
		}},
		{`{"status":"waiting"}`, map[string]any{"status": "waiting", "owner": anna, "tags": []any{"a", "b"}, "due_at": "2030-01-02T02:04:05Z"}},
		{`{"owner":null,"tags":null,"due_at":null}`, map[string]any{"owner": nil, "owner_name": "", "tags": []any{}, "due_at": nil, "priority": "urgent"}},
		{`{"require_tls":true}`, map[string]any{"require_tls": true, "priority": "urgent"}},
		{`{"status":"closed"}`, map[string]any{"status": "closed", "require_tls": true}},
		{`{"status":"in_progress"}`, map[string]any{"status": "in_progress", "closed_at": nil}},
	} {
		changed := change(step.body)
		shown := d.do(200, ask{path: "/v1/tickets/tkt_1"})
		for name, want := range step.want {
			if diff := cmp.Diff(want, shown.value[name]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", step.body, name, diff)
			}
		}
		for _, g := range []got{changed, shown} {
			if tag := fmt.Sprintf(`"%v"`, shown.value["version"]); g.header.Get("ETag") != tag {
				t.Errorf("%s: ETag %s, want %s", step.body, g.header.Get("ETag"), tag)
			}
		}
	}
}

func TestIfMatch(t *testing.T) {
	d := newDesk(t)
	d.mail("One", "\nText")
	change := func(want int, tag string) {
		t.Helper()
		d.do(want, ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agentRights, body: `{"status":"in_progress"}`, header: map[string]string{"If-Match": tag}})
	}
	change(412, `"7"`)
	change(412, `W/"1"`)
	change(412, `"none of ours"`)
	change(400, `1`)
	change(400, `"1", "2"`)
	change(200, `"1"`)
	change(412, `"1"`)
	change(200, `*`)

	tag := d.do(200, ask{path: "/v1/tickets/tkt_1"}).header.Get("ETag")
	const racers = 8
	statuses := make([]int, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			g, err := d.send(ask{
				method: "PATCH", path: "/v1/tickets/tkt_1", rights: agentRights, header: map[string]string{"If-Match": tag}, body: fmt.Sprintf(`{"tags":["racer%d"]}`, i),
			})
			if err != nil {
				t.Error(err)
			}
			statuses[i] = g.status
		})
	}
	wg.Wait()
	won, lost := 0, 0
	for _, status := range statuses {
		switch status {
		case http.StatusOK:
			won++
		case http.StatusPreconditionFailed:
			lost++
		}
	}
	if won != 1 || lost != racers-1 {
		t.Errorf("%v: one must win, all others must be told", statuses)
	}
}

func TestIdempotencyKey(t *testing.T) {
	d := newDesk(t)
	d.mail("One", "\nText")
	post := func(want int, path, token, key, text string) got {
		t.Helper()
		return d.do(want, ask{method: "POST", path: "/v1/tickets/tkt_1/" + path, token: token, body: `{"text":"` + text + `"}`, header: map[string]string{"Idempotency-Key": key}})
	}
	agent, admin := d.tokens[agentRights], d.tokens[ticketing.AdminRights]
	first := post(201, "replies", agent, "k1", "Use water.")
	mails := len(d.do(200, ask{path: "/v1/deliveries"}).items())
	again := post(201, "replies", agent, "k1", "Use water.")
	if diff := cmp.Diff(first.value, again.value); diff != "" {
		t.Errorf("the answer changed (-first +again):\n%s", diff)
	}
	if n := len(d.do(200, ask{path: "/v1/deliveries"}).items()); n != mails {
		t.Errorf("%d mails, want %d: the customer was told twice", n, mails)
	}
	post(422, "replies", agent, "k1", "Use sand.")
	post(422, "notes", agent, "k1", "Use water.")
	if other := post(201, "replies", agent, "k2", "Use water."); other.text("id") == first.text("id") {
		t.Error("another key is another request")
	}
	if other := post(201, "replies", admin, "k1", "Use water."); other.text("id") == first.text("id") {
		t.Error("the key of another token is another key")
	}
	if n := d.words(); n != 1+3 {
		t.Errorf("%d texts in the ticket, want 4", n)
	}

	const senders = 6
	ids := make([]string, senders)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			g, err := d.send(ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agentRights, body: `{"text":"at once"}`, header: map[string]string{"Idempotency-Key": "k3"}})
			if err != nil || g.status != http.StatusCreated {
				t.Errorf("%d, %v: %s", g.status, err, g.raw)
			}
			ids[i] = g.text("id")
		})
	}
	wg.Wait()
	for _, one := range ids {
		if one != ids[0] {
			t.Fatalf("different entries: %v", ids)
		}
	}
	if n := d.words(); n != 5 {
		t.Errorf("%d texts in the ticket, want 5", n)
	}
}

// words counts the entries of ticket 1 that are no events.
func (d *desk) words() (n int) {
	d.t.Helper()
	for _, e := range d.do(200, ask{path: "/v1/tickets/tkt_1/entries?limit=100"}).items() {
		if e["kind"] != "event" {
			n++
		}
	}
	return n
}

func TestDownloads(t *testing.T) {
	d := newDesk(t)
	d.mail("One", withFile)
	files := d.do(200, ask{path: "/v1/tickets/tkt_1/attachments"}).items()
	for i, want := range []struct{ contentType, disposition, begins string }{
		{"image/png", "attachment; filename*=utf-8''Feuer%20%C3%BC.png", "\x89PNG"},
		{"application/octet-stream", "attachment; filename=evil.html", "<script>"},
	} {
		g := d.do(200, ask{path: files[i]["content"].(string)})
		if g.header.Get("Content-Type") != want.contentType || g.header.Get("Content-Disposition") != want.disposition || !strings.HasPrefix(string(g.raw), want.begins) {
			t.Errorf("%v\n%q", g.header, g.raw)
		}
		if !strings.Contains(g.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("a browser may run it: %v", g.header)
		}
	}
	d.do(404, ask{path: "/v1/tickets/tkt_1/entries/" + files[0]["entry"].(string) + "/attachments/9"})
	d.do(422, ask{path: "/v1/tickets/tkt_1/entries/" + files[0]["entry"].(string) + "/attachments/-1"})
	d.do(404, ask{path: "/v1/letters/ltr_" + id.New().String() + "/raw"})
}

func TestDisposition(t *testing.T) {
	for name, want := range map[string]string{
		"report.pdf":                    "attachment; filename=report.pdf",
		"":                              "attachment; filename=attachment",
		"../../etc/passwd":              "attachment; filename=passwd",
		"a\r\nSet-Cookie: x=1":          `attachment; filename="a Set-Cookie_ x=1"`,
		`a"; filename=b.exe`:            `attachment; filename="a_; filename=b.exe"`,
		"\xff\xfe":                      "",
		strings.Repeat("ü", 200) + ".x": "",
	} {
		got := disposition(name)
		if want != "" && got != want || !strings.HasPrefix(got, "attachment; filename") || strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestReadIfMatch(t *testing.T) {
	for in, want := range map[string]int{"": 0, "*": 0, `"1"`: 1, ` "12" `: 12, `"0"`: -1, `"-1"`: -1, `""`: -1, `"`: -1, `"1`: -1, `W/"1"`: -1, `"99999999999999999999"`: -1} {
		got, err := readIfMatch(in)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, %v, want %d", in, got, err, want)
		}
	}
}

// What a schema lets through can be read, and is written again as it was.
func FuzzIDs(f *testing.F) {
	for _, seed := range []string{"tkt_1", "tkt_999999999999999999", "ltr_" + id.New().String(), "ltr_00000000000000000000000000", "ltr_", "tkt_01", "tkt_-1", ""} {
		f.Add(seed)
	}
	ticketSchema, letterSchema := ticketID("").Schema(nil), letterID("").Schema(nil)
	ticketPattern, letterPattern := compiled(ticketSchema), compiled(letterSchema)
	f.Fuzz(func(t *testing.T, s string) {
		if n := ticketID(s).number(); ticketPattern.MatchString(s) != (n > 0 && n < 1e18 && string(writeNumber[ticketID]("tkt", n)) == s) {
			t.Errorf("%q is read as %d", s, n)
		}
		v := letterID(s).id()
		if letterPattern.MatchString(s) && string(writeID[letterID]("ltr", v)) != s {
			t.Errorf("%q is read as %s", s, v)
		}
	})
}

// The clock of the desk is real: what was made is from about now, in UTC.
func TestTimesAreUTC(t *testing.T) {
	d := newDesk(t)
	d.mail("One", "\nText")
	at, err := time.Parse(time.RFC3339, d.do(200, ask{path: "/v1/tickets/tkt_1"}).text("created_at"))
	if err != nil || at.Location() != time.UTC {
		t.Errorf("created_at %v: %v", at, err)
	}
}
