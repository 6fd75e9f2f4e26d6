package admin

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"mxdesk/ticketing"
)

// outgoingOperations calls what there is for lanes, relays and suppressions.
func (d *desk) outgoingOperations() {
	d.t.Helper()
	const admin, operator = ticketing.AdminRights, ticketing.OperatorRights
	for _, act := range []string{"pause", "resume", "retry"} {
		d.do(403, ask{method: "POST", path: "/v1/lanes/client.test/" + act, rights: admin})
		d.do(200, ask{method: "POST", path: "/v1/lanes/client.test/" + act, rights: operator})
		paused := false
		for _, l := range d.do(200, ask{path: "/v1/lanes", rights: operator}).items() {
			paused = paused || l["lane"] == "client.test" && l["paused"] == true
		}
		if paused != (act == "pause") {
			d.t.Errorf("%s: paused %v", act, paused)
		}
	}
	d.laneNames()
	_, err := d.pool.Exec(context.Background(), `
		INSERT INTO suppressions (organisation_id, address, reason, active, until, detail)
		VALUES ($1, 'gone@client.test', 'user_unknown', true, now() + interval '60 days', 'no such user')`, d.org)
	d.must(err)
	if list := d.do(200, ask{path: "/v1/suppressions"}).items(); len(list) != 1 || list[0]["detail"] != "no such user" {
		d.t.Errorf("suppressions %v", list)
	}
	d.do(403, ask{method: "DELETE", path: "/v1/suppressions/gone@client.test", rights: ticketing.AgentRights})
	d.do(200, ask{method: "DELETE", path: "/v1/suppressions/Gone@client.test", rights: admin})
	d.do(404, ask{method: "DELETE", path: "/v1/suppressions/gone@client.test", rights: admin})
	for _, to := range []string{"a/b@client.test", "50%@client.test", "a%2fb@client.test", `"a b"@client.test`, "jürgen@client.test"} {
		_, err := d.pool.Exec(context.Background(), `INSERT INTO suppressions (organisation_id, address, reason, active) VALUES ($1, $2, 'user_unknown', true)`, d.org, to)
		d.must(err)
		if g := d.do(200, ask{method: "DELETE", path: "/v1/suppressions/" + url.PathEscape(to), rights: admin}); g.text("address") != to {
			d.t.Errorf("lifted %s: %s", to, g.raw)
		}
	}
	d.relayOperations()
}

// laneNames: a lane is named as people write domains; one that is paused is not retried, nor what waits in it; and what is no lane
// says so.
func (d *desk) laneNames() {
	d.t.Helper()
	const admin, operator = ticketing.AdminRights, ticketing.OperatorRights
	post := func(want int, path string, rights ticketing.Rights) got {
		d.t.Helper()
		return d.do(want, ask{method: "POST", path: path, rights: rights})
	}
	waiting := d.do(200, ask{path: "/v1/deliveries?lane=Client.TEST"}).items()
	if g := post(200, "/v1/lanes/Client.TEST./pause", operator); g.text("lane") != "client.test" || len(waiting) == 0 {
		d.t.Fatalf("%s, %v waiting", g.raw, waiting)
	}
	post(409, "/v1/lanes/client.test/retry", operator)
	one := "/v1/deliveries/" + waiting[0]["id"].(string)
	post(409, one+"/retry", admin)
	post(200, "/v1/lanes/client.test/resume", operator)
	post(200, one+"/retry", admin)
	if g := d.do(200, ask{path: one}); g.value["log"] == nil {
		d.t.Errorf("a delivery without attempts: %s", g.raw)
	}
	post(404, "/v1/lanes/nowhere.test/retry", operator)
	post(404, "/v1/lanes/nowhere.test/resume", operator)
	post(404, "/v1/lanes/a@b/pause", operator)
	d.do(422, ask{path: "/v1/deliveries?lane=a@b"})
}

// relayOperations: a relay is decided by admins, takes what waits, and never shows its secret.
func (d *desk) relayOperations() {
	d.t.Helper()
	const admin = ticketing.AdminRights
	put := func(want int, body string) got {
		d.t.Helper()
		return d.do(want, ask{method: "PUT", path: "/v1/relay", rights: admin, body: body})
	}
	if g := d.do(200, ask{path: "/v1/relay", rights: admin}); g.text("kind") != "default" {
		d.t.Errorf("relay %s", g.raw)
	}
	put(422, `{"kind":"smarthost","host":"mail.example.com"}`)
	put(422, `{"kind":"smarthost","host":"mail.example.com","port":587,"auth":"password","username":"u"}`)
	put(403, `{"kind":"maildir"}`)
	g := put(200, `{"kind":"smarthost","host":"mail.example.com","port":587,"auth":"password","username":"u","secret":"hunter2!"}`)
	if strings.Contains(string(g.raw), "hunter2!") || g.text("host") != "mail.example.com" {
		d.t.Errorf("relay %s", g.raw)
	}
	put(200, `{"kind":"smarthost","host":"mail.example.com","port":587,"auth":"password","username":"u"}`) // the secret stays
	put(422, `{"kind":"smarthost","host":"evil.example.com","port":587,"auth":"password","username":"u"}`) // not for another host
	if r, err := d.queue.Relay(context.Background(), d.org); err != nil || r.Secret != "hunter2!" || fmt.Sprintf("%v %+v %#v", r, r, r.Secret) == "" ||
		strings.Contains(fmt.Sprintf("%v %+v %#v", r, r, r), "hunter2!") {
		d.t.Errorf("stored relay %v, %v", r, err)
	}
	for _, x := range d.do(200, ask{path: "/v1/deliveries?state=queued"}).items() {
		if x["lane"] != fmt.Sprintf("smarthost:%d", d.org) {
			d.t.Errorf("what waits stays in lane %v", x["lane"])
		}
	}
	d.grantOperations(put)
	put(200, `{"kind":"default"}`)
	for _, x := range d.do(200, ask{path: "/v1/deliveries?state=queued"}).items() {
		if strings.Contains(x["lane"].(string), ":") {
			d.t.Errorf("what waits stays in lane %v", x["lane"])
		}
	}
	if strings.Contains(d.logged.String(), "hunter2!") {
		d.t.Error("the log holds the secret")
	}
}

// grantOperations: a relay whose access tokens are got with a refresh token.
func (d *desk) grantOperations(put func(want int, body string) got) {
	d.t.Helper()
	const start = `{"kind":"smarthost","host":"mail.example.com","port":587,"auth":"xoauth2","username":"u","client_id":"desk",`
	put(422, start+`"token_url":"http://id.example.com/token","refresh_token":"hunter3!"}`)
	put(422, start+`"token_url":"https://id.example.com/token"}`) // the password of before is no refresh token
	g := put(200, start+`"token_url":"https://id.example.com/token","client_secret":"hunter4!","refresh_token":"hunter3!"}`)
	if strings.Contains(string(g.raw), "hunter") || g.text("token_url") != "https://id.example.com/token" || g.text("client_id") != "desk" {
		d.t.Errorf("relay %s", g.raw)
	}
	put(200, start+`"token_url":"https://id.example.com/token"}`)   // the secrets stay
	put(422, start+`"token_url":"https://evil.example.com/token"}`) // not for another token server
	if r, err := d.queue.Relay(context.Background(), d.org); err != nil || r.Secret != "" || r.Grant.RefreshToken != "hunter3!" || r.Grant.ClientSecret != "hunter4!" {
		d.t.Errorf("stored relay %v, %v", r, err)
	}
}

// TestLogFilters: letters and deliveries are found by time and address.
func TestLogFilters(t *testing.T) {
	d := newDesk(t)
	d.mail("One", "\nText")
	count := func(path string) int { t.Helper(); return len(d.do(200, ask{path: path}).items()) }
	past, soon := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for query, want := range map[string]int{
		"": 1, "since=" + past: 1, "since=" + soon: 0, "until=" + past: 0, "until=" + soon: 1,
		"address=CARL@client.test": 1, "address=help@example.test": 1, "address=nobody@client.test": 0,
	} {
		if n := count("/v1/letters?" + query); n != want {
			t.Errorf("letters with %q: %d, want %d", query, n, want)
		}
		if query == "address=help@example.test" {
			continue
		}
		if n := count("/v1/deliveries?" + strings.Replace(query+"&address=carl@client.test", "CARL", "carl", 1)); query[:min(3, len(query))] != "add" && n != want {
			t.Errorf("deliveries with %q: %d, want %d", query, n, want)
		}
	}
	if n := count("/v1/deliveries?address=Carl@CLIENT.test"); n != 1 {
		t.Errorf("deliveries to carl: %d", n)
	}
}

// TestSeen: what waits for a staff member to see it is not sent when he says so, and what waits without that is.
func TestSeen(t *testing.T) {
	d := newDesk(t)
	_, err := d.pool.Exec(t.Context(), `UPDATE organisations SET policy = '{"preset": "owner-first", "rules": [
		{"event": "ticket.created", "notify": ["category_members"], "delay": "1h", "cancel_if_seen": true}]}'`)
	d.must(err)
	_, err = d.pool.Exec(t.Context(), `WITH r AS (UPDATE directory_revision SET revision = revision + 1 RETURNING revision)
		UPDATE organisations SET revision = r.revision FROM r`)
	d.must(err)
	d.must(d.dir.Refresh(t.Context()))
	d.mail("One", "\nText")
	held := d.do(200, ask{path: "/v1/deliveries?state=held"}).items()
	if len(held) != 1 || held[0]["recipient"] != "anna@staff.test" {
		t.Fatalf("held %v", held)
	}
	d.do(422, ask{method: "POST", path: "/v1/tickets/tkt_1/seen", rights: ticketing.AgentRights}) // a program sees nothing
	anna := d.token(d.org, d.anna, ticketing.AgentRights)
	if g := d.do(200, ask{method: "POST", path: "/v1/tickets/tkt_1/seen", token: anna}); g.value["cancelled"] != 1.0 {
		t.Errorf("seen: %s", g.raw)
	}
	if g := d.do(200, ask{path: "/v1/deliveries/" + held[0]["id"].(string)}); g.text("state") != "cancelled" || g.text("reason") != "seen" {
		t.Errorf("delivery %s", g.raw)
	}
	d.do(404, ask{method: "POST", path: "/v1/tickets/tkt_9/seen", token: anna})
	d.mail("Two", "\nText")
	_, err = d.pool.Exec(t.Context(), `UPDATE deliveries SET cancel_if_seen = false`)
	d.must(err)
	if g := d.do(200, ask{method: "POST", path: "/v1/tickets/tkt_2/seen", token: anna}); g.value["cancelled"] != 0.0 {
		t.Errorf("what waits for another reason: %s", g.raw)
	}
}
