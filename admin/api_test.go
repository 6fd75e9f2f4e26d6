package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"mxdesk/internal/id"
	"mxdesk/ticketing"
)

// withFile is the end of a letter with an HTML part and two files.
const withFile = `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html; charset=utf-8

<p>It <b>burns</b>.</p><script>alert(1)</script>
--b
Content-Type: image/png
Content-Disposition: attachment; filename="=?utf-8?Q?Feuer_=C3=BC.png?="
Content-Transfer-Encoding: base64

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
--b
Content-Type: text/html
Content-Disposition: attachment; filename="../evil.html"

<script>alert(1)</script>
--b--
`

// Every operation is called, and every answer is held against the document (desk.hold).
func TestEveryOperationIsAsDocumented(t *testing.T) {
	d := newDesk(t)
	received := "ltr_" + d.mail("Printer on fire", withFile).String()
	const agent, admin = ticketing.AgentRights, ticketing.AdminRights

	one := d.do(200, ask{path: "/v1/tickets"}).items()
	if len(one) != 1 || one[0]["id"] != "tkt_1" || one[0]["subject"] != "Printer on fire" || one[0]["requester_email"] != "carl@client.test" || one[0]["owner"] != nil {
		t.Fatalf("tickets %v", one)
	}
	shown := d.do(200, ask{path: "/v1/tickets/tkt_1"})
	if shown.header.Get("ETag") != `"1"` || shown.text("requester_name") != "Carl Customer" || len(shown.value["participants"].([]any)) == 0 {
		t.Fatalf("ticket %s", shown.raw)
	}
	d.do(200, ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `{"priority":"high"}`})
	reply := d.do(201, ask{method: "POST", path: "/v1/tickets/tkt_1/replies", rights: agent, body: `{"text":"Use water."}`})
	if reply.text("kind") != "reply" || reply.text("text") != "Use water." || reply.text("author_name") != "a agent program" {
		t.Errorf("reply %s", reply.raw)
	}
	d.do(201, ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agent, body: `{"text":"He smokes."}`})
	entries := d.do(200, ask{path: "/v1/tickets/tkt_1/entries"}).items()
	if html, _ := entries[0]["html"].(string); !strings.Contains(html, "<b>burns</b>") || strings.Contains(html, "script") {
		t.Errorf("html %q", html)
	}
	files := d.do(200, ask{path: "/v1/tickets/tkt_1/attachments"}).items()
	if len(files) != 2 {
		t.Fatalf("attachments %v", files)
	}
	d.do(200, ask{path: files[0]["content"].(string)})

	letters := d.do(200, ask{path: "/v1/letters?outcome=ticket&ticket=tkt_1"}).items()
	if len(letters) != 1 || letters[0]["id"] != received {
		t.Errorf("letters %v, want %s", letters, received)
	}
	letter := d.do(200, ask{path: "/v1/letters/" + received})
	if trace := letter.value["trace"].(map[string]any); len(trace) == 0 || letter.value["session"].(map[string]any)["helo"] != "client.test" {
		t.Errorf("letter %s", letter.raw)
	}
	raw := d.do(200, ask{path: letter.text("raw")})
	if !strings.HasPrefix(string(raw.raw), "Received: by example.test") || !strings.Contains(string(raw.raw), "Subject: Printer on fire") ||
		raw.header.Get("Content-Disposition") != "attachment; filename="+received+".eml" {
		t.Errorf("raw letter %v\n%s", raw.header, raw.raw)
	}
	d.deliveryOperations()
	d.heldOperations()
	d.reportOperations()
	d.domainOperations()
	d.outgoingOperations()
	d.settingsOperations()
	d.do(200, ask{method: "POST", path: "/v1/tickets/tkt_1/seen", token: d.token(d.org, d.anna, agent)})
	if staff := d.do(200, ask{path: "/v1/staff"}).items(); len(staff) != 1 || staff[0]["email"] != "anna@staff.test" || len(staff[0]["categories"].([]any)) != 1 {
		t.Errorf("staff %v", staff)
	}
	if list := d.do(200, ask{path: "/v1/categories"}).items(); len(list) != 1 || fmt.Sprint(list[0]["addresses"]) != "[help@example.test]" {
		t.Errorf("categories %v", list)
	}
	if h := d.do(200, ask{path: "/v1/health"}); h.value["queue"] != nil {
		t.Errorf("an organisation sees the queue of all: %s", h.raw)
	}
	if h := d.do(200, ask{path: "/v1/health", rights: ticketing.OperatorRights}); h.value["queue"] == nil {
		t.Errorf("the operator sees no queue: %s", h.raw)
	}
	d.do(200, ask{path: "/healthz", token: "none"})
	d.do(200, ask{path: "/readyz", token: "none"})

	for _, item := range d.api.huma.OpenAPI().Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Patch, item.Put, item.Delete} {
			if o != nil && !d.calls[o.OperationID][o.DefaultStatus] {
				t.Errorf("%s was not called with success: %v", o.OperationID, slices.Collect(maps.Keys(d.calls[o.OperationID])))
			}
		}
	}
}

// deliveryOperations calls what there is for deliveries and lanes.
func (d *desk) deliveryOperations() {
	d.t.Helper()
	const admin = ticketing.AdminRights
	list := d.do(200, ask{path: "/v1/deliveries?ticket=tkt_1&lane=client.test"}).items()
	if len(list) == 0 || list[0]["recipient"] != "carl@client.test" || list[0]["state"] != "queued" {
		d.t.Fatalf("deliveries %v", list)
	}
	path := "/v1/deliveries/" + list[0]["id"].(string)
	_, err := d.pool.Exec(context.Background(), `
		INSERT INTO attempts (organisation_id, delivery_id, attempt, result, remote_host, code, reply)
		SELECT organisation_id, delivery_id, 1, 'deferred', 'mx.client.test', 450, 'later' FROM deliveries WHERE delivery_id = $1`,
		deliveryID(list[0]["id"].(string)).id())
	d.must(err)
	if log := d.do(200, ask{path: path}).value["log"].([]any); len(log) != 1 || log[0].(map[string]any)["reply"] != "later" {
		d.t.Errorf("log %v", log)
	}
	act := func(want int, name, state string) {
		d.t.Helper()
		if g := d.do(want, ask{method: "POST", path: path + "/" + name, rights: admin}); want == 200 && g.text("state") != state {
			d.t.Errorf("%s: state %s, want %s", name, g.text("state"), state)
		}
	}
	act(409, "release", "")
	act(200, "hold", "held")
	act(200, "release", "queued")
	act(200, "retry", "queued")
	if lanes := d.do(200, ask{path: "/v1/lanes"}).items(); len(lanes) != 2 || lanes[0]["lane"] != "client.test" {
		d.t.Errorf("lanes %v", lanes)
	}
	act(200, "cancel", "cancelled")
	act(409, "cancel", "")
	act(409, "retry", "")
	if list := d.do(200, ask{path: "/v1/deliveries?state=cancelled"}).items(); len(list) != 1 {
		d.t.Errorf("cancelled %v", list)
	}
}

func TestDocument(t *testing.T) {
	d := newDesk(t)
	g := d.do(200, ask{path: "/v1/openapi.json", token: "none"})
	if g.text("openapi") != "3.1.0" || g.header.Get("Content-Type") != "application/vnd.oai.openapi+json;version=3.1" {
		t.Errorf("document %s, %v", g.text("openapi"), g.header)
	}
	paths := g.value["paths"].(map[string]any)
	page := d.do(200, ask{path: "/docs", token: "none"})
	text := string(page.raw)
	for path := range paths {
		if !strings.Contains(text, "<code>"+path+"</code>") {
			t.Errorf("the page does not show %s", path)
		}
	}
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(text, `id="`+link[1]+`"`) {
			t.Errorf("the page links to #%s, which it does not have", link[1])
		}
	}
	if strings.Contains(text, "http://") || strings.Contains(text, "https://") || strings.Contains(text, "<script") || strings.Contains(text, "style=") {
		t.Error("the page loads something, or holds what its policy forbids")
	}
	if policy := page.header.Get("Content-Security-Policy"); policy != docsPolicy {
		t.Errorf("policy %q", policy)
	}
	d.do(200, ask{path: "/docs/style.css", token: "none"})
	for name, schema := range d.api.huma.OpenAPI().Components.Schemas.Map() {
		for field, p := range schema.Properties {
			if p.Type == huma.TypeArray && (p.Items == nil || p.UniqueItems) {
				t.Errorf("%s.%s: %v", name, field, p)
			}
		}
	}
	if ids := documented(d.api); len(ids) < 20 {
		t.Errorf("only %d operations: %v", len(ids), ids)
	}
}

func documented(a *API) (ids []string) {
	for _, item := range a.huma.OpenAPI().Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if o != nil {
				ids = append(ids, o.OperationID)
			}
		}
	}
	return ids
}

func TestWhoMayDoWhat(t *testing.T) {
	d := newDesk(t)
	d.mail("One", "\nText")
	gone, err := d.service.AddStaff(context.Background(), d.org, ticketing.NewStaff{Name: "Gone", Address: "gone@staff.test", Role: "technician"})
	d.must(err)
	goneToken, expired := d.token(d.org, gone, ticketing.AgentRights), d.token(d.org, id.ID{}, ticketing.AdminRights)
	for _, sql := range []string{
		`UPDATE people SET state = 'inactive' WHERE name = 'Gone'`,
		`UPDATE tokens SET expires_at = now() - interval '1 second' WHERE token_id = (SELECT token_id FROM tokens ORDER BY token_id DESC LIMIT 1)`,
		`UPDATE directory_revision SET revision = revision + 1`,
		`UPDATE organisations SET revision = (SELECT revision FROM directory_revision)`,
	} {
		_, err := d.pool.Exec(context.Background(), sql)
		d.must(err)
	}
	d.must(d.dir.Refresh(context.Background()))
	const read, agent, admin, operator = ticketing.ReadRights, ticketing.AgentRights, ticketing.AdminRights, ticketing.OperatorRights
	mine := map[string]string{"Organisation": fmt.Sprintf("org_%d", d.org)}
	for _, test := range []struct {
		name    string
		ask     ask
		status  int
		headers string // WWW-Authenticate
	}{
		{"no token", ask{path: "/v1/tickets", header: map[string]string{"Authorization": ""}}, 401, `Bearer realm="mxdesk"`},
		{"basic", ask{path: "/v1/tickets", header: map[string]string{"Authorization": "Basic bXhkOm14ZA=="}}, 401, `Bearer realm="mxdesk"`},
		{"unknown", ask{path: "/v1/tickets", token: "mxd_AAAAAAAAAAAAAAAAAAAAAAAAAA"}, 401, `Bearer realm="mxdesk", error="invalid_token"`},
		{"other kind", ask{path: "/v1/tickets", token: "secret"}, 401, `Bearer realm="mxdesk", error="invalid_token"`},
		{"expired", ask{path: "/v1/tickets", token: expired}, 401, `Bearer realm="mxdesk", error="invalid_token"`},
		{"owner left", ask{path: "/v1/tickets", token: goneToken}, 401, `Bearer realm="mxdesk", error="invalid_token"`},
		{"reader writes", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: read, body: `{"text":"x"}`}, 403, `Bearer realm="mxdesk", error="insufficient_scope", scope="agent"`},
		{"agent acts on the queue", ask{method: "POST", path: "/v1/deliveries/dlv_00000000000000000000000000/hold", rights: agent}, 403, `Bearer realm="mxdesk", error="insufficient_scope", scope="admin"`},
		{"admin writes", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: admin, body: `{"text":"x"}`}, 201, ""},
		{"scheme in lower case", ask{path: "/v1/tickets", header: map[string]string{"Authorization": "bearer " + d.tokens[read]}}, 200, ""},
		{"own organisation named", ask{path: "/v1/tickets", header: mine}, 200, ""},
		{"another organisation", ask{path: "/v1/tickets?organisation=org_4711"}, 403, `Bearer realm="mxdesk", error="insufficient_scope", scope="operator"`},
		{"operator names none", ask{path: "/v1/tickets", rights: operator}, 400, ""},
		{"operator, whole server", ask{path: "/v1/lanes", rights: operator}, 200, ""},
		{"operator, header", ask{path: "/v1/tickets", rights: operator, header: mine}, 200, ""},
		{"operator, parameter", ask{path: "/v1/tickets?organisation=" + mine["Organisation"], rights: operator}, 200, ""},
		{"operator, two", ask{path: "/v1/tickets?organisation=org_4711", rights: operator, header: mine}, 400, ""},
		{"operator, unknown", ask{path: "/v1/tickets?organisation=org_4711", rights: operator}, 400, ""},
		{"operator, nonsense", ask{path: "/v1/tickets?organisation=example", rights: operator}, 400, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := d.send(test.ask)
			if err != nil {
				t.Fatal(err)
			}
			if g.status != test.status || g.header.Get("WWW-Authenticate") != test.headers {
				t.Errorf("%d %q, want %d %q\n%s", g.status, g.header.Get("WWW-Authenticate"), test.status, test.headers, g.raw)
			}
		})
	}
	for rights, token := range d.tokens {
		if strings.Contains(d.logged.String(), token) {
			t.Errorf("the log holds the %s token", rights)
		}
	}
}

// What belongs to one organisation does not exist for another.
func TestOrganisationsAreApart(t *testing.T) {
	d := newDesk(t)
	received := d.mail("Secret", withFile)
	other := d.token(d.organisation("Other", "other.test"), id.ID{}, ticketing.AdminRights)
	file := d.do(200, ask{path: "/v1/tickets/tkt_1/attachments"}).items()[0]["content"].(string)
	delivery := "/v1/deliveries/" + d.do(200, ask{path: "/v1/deliveries"}).items()[0]["id"].(string)
	for _, a := range []ask{
		{path: "/v1/tickets/tkt_1"},
		{path: "/v1/tickets/tkt_1/entries"},
		{path: "/v1/tickets/tkt_1/attachments"},
		{path: file},
		{path: "/v1/letters/ltr_" + received.String()},
		{path: "/v1/letters/ltr_" + received.String() + "/raw"},
		{path: delivery},
		{method: "PATCH", path: "/v1/tickets/tkt_1", body: `{"status":"closed"}`},
		{method: "POST", path: "/v1/tickets/tkt_1/replies", body: `{"text":"x"}`},
		{method: "POST", path: "/v1/tickets/tkt_1/notes", body: `{"text":"x"}`},
		{method: "POST", path: "/v1/letters/ltr_" + received.String() + "/release"},
		{method: "POST", path: "/v1/letters/ltr_" + received.String() + "/reject"},
		{method: "POST", path: delivery + "/hold"},
		{method: "POST", path: delivery + "/retry"},
		{method: "POST", path: delivery + "/release"},
		{method: "POST", path: delivery + "/cancel"},
	} {
		a.token = other
		d.do(404, a)
	}
	for _, path := range []string{"/v1/tickets", "/v1/letters", "/v1/deliveries", "/v1/lanes", "/v1/staff"} {
		if items := d.do(200, ask{path: path, token: other}).items(); len(items) != 0 {
			t.Errorf("%s shows %v", path, items)
		}
	}
	if state := d.do(200, ask{path: delivery}).text("state"); state != "queued" {
		t.Errorf("the delivery is %s", state)
	}
}

func TestProblems(t *testing.T) {
	d := newDesk(t)
	d.mail("One", "\nText")
	const agent = ticketing.AgentRights
	jsonPatch := map[string]string{"Content-Type": "application/merge-patch+json"}
	for _, test := range []struct {
		name     string
		ask      ask
		status   int
		location string // of the first field that is wrong
	}{
		{"no such path", ask{path: "/v1/nothing"}, 404, ""},
		{"path not clean", ask{path: "//v1/tickets"}, 404, ""},
		{"no such method", ask{method: "DELETE", path: "/v1/tickets/tkt_1"}, 405, ""},
		{"preflight", ask{method: "OPTIONS", path: "/v1/tickets"}, 405, ""},
		{"no such ticket", ask{path: "/v1/tickets/tkt_99"}, 404, ""},
		{"id of another kind", ask{path: "/v1/tickets/ltr_1"}, 422, "path.ticket"},
		{"number too large", ask{path: "/v1/tickets/tkt_9999999999999999999"}, 422, "path.ticket"},
		{"id with a spare bit", ask{path: "/v1/letters/ltr_00000000000000000000000001"}, 422, "path.letter"},
		{"unknown parameter", ask{path: "/v1/tickets?colour=red"}, 422, "query.colour"},
		{"limit", ask{path: "/v1/tickets?limit=101"}, 422, "query.limit"},
		{"status", ask{path: "/v1/tickets?status=open"}, 422, "query.status"},
		{"NUL in a lane", ask{path: "/v1/lanes?cursor=%00"}, 422, "query.cursor"},
		{"not UTF-8 in a lane", ask{path: "/v1/lanes?cursor=%ff"}, 422, ""},
		{"unknown field", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `{"colour":"red"}`}, 422, "body.colour"},
		{"field in capitals", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `{"Status":"closed"}`}, 422, "body.Status"},
		{"status null", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `{"status":null}`}, 422, "body.status"},
		{"wrong priority", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `{"priority":"top"}`, header: jsonPatch}, 422, "body.priority"},
		{"no such category", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `{"category":"cat_99"}`}, 422, "body.category"},
		{"owner who is a customer", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `{"owner":"per_` + id.New().String() + `"}`}, 422, "body.owner"},
		{"tag of two words", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `{"tags":["a b"]}`}, 422, ""},
		{"due some day", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `{"due_at":"some day"}`}, 422, "body.due_at"},
		{"patch is a list", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `[]`}, 422, "body"},
		{"patch is null", ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: agent, body: `null`}, 422, "body"},
		{"no JSON", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agent, body: `{"text":`}, 400, "body"},
		{"no body", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agent}, 400, ""},
		{"two values", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agent, body: `{"text":"a"}{"text":"b"}`}, 400, "body"},
		{"no words", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agent, body: `{"text":" \n"}`}, 422, "body.text"},
		{"NUL", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agent, body: `{"text":"a\u0000b"}`}, 422, "body.text"},
		{"form", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agent, body: `text=a`, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415, "body"},
		{"too large", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agent, body: `{"text":"` + strings.Repeat("x", maxBody) + `"}`}, 413, ""},
		{"too long", ask{method: "POST", path: "/v1/tickets/tkt_1/notes", rights: agent, body: `{"text":"` + strings.Repeat("x", 1<<20+1) + `"}`}, 422, "body.text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := d.send(test.ask)
			if err != nil {
				t.Fatal(err)
			}
			if g.status != test.status {
				t.Fatalf("%d, want %d\n%.400s", g.status, test.status, g.raw)
			}
			if g.header.Get("Content-Type") != "application/problem+json" || g.value["status"] != float64(test.status) ||
				g.text("title") != http.StatusText(test.status) || g.text("request_id") != g.header.Get("Request-Id") || g.text("detail") == "" {
				t.Errorf("no problem document: %v\n%.400s", g.header, g.raw)
			}
			var location string
			if errs, _ := g.value["errors"].([]any); len(errs) > 0 {
				location, _ = errs[0].(map[string]any)["location"].(string)
			}
			if location != test.location {
				t.Errorf("location %q, want %q\n%.400s", location, test.location, g.raw)
			}
			if len(g.raw) > 4<<10 {
				t.Errorf("the problem document has %d octets", len(g.raw))
			}
		})
	}
	if g := d.do(405, ask{method: "DELETE", path: "/v1/tickets/tkt_1"}); g.header.Get("Allow") != "GET, HEAD, PATCH" {
		t.Errorf("Allow: %q", g.header.Get("Allow"))
	}
	if g := d.do(405, ask{method: "POST", path: "/v1/relay"}); g.header.Get("Allow") != "GET, HEAD, PUT" {
		t.Errorf("Allow: %q", g.header.Get("Allow"))
	}
	if g := d.do(405, ask{path: "/v1/suppressions/a@b.test"}); g.header.Get("Allow") != "DELETE" {
		t.Errorf("Allow: %q", g.header.Get("Allow"))
	}
	if g := d.do(200, ask{method: "HEAD", path: "/v1/tickets/tkt_1"}); len(g.raw) != 0 || g.header.Get("ETag") == "" {
		t.Errorf("HEAD: %v %q", g.header, g.raw)
	}
}

// Many wrong fields cost an answer of bounded size.
func TestManyWrongFields(t *testing.T) {
	d := newDesk(t)
	wrong := map[string]int{}
	for i := range 20_000 {
		wrong[fmt.Sprintf("field%d", i)] = i
	}
	body, err := json.Marshal(wrong)
	d.must(err)
	g := d.do(422, ask{method: "PATCH", path: "/v1/tickets/tkt_1", rights: ticketing.AgentRights, body: string(body)})
	if errs := g.value["errors"].([]any); len(errs) != maxDetails {
		t.Errorf("%d errors", len(errs))
	}
}
