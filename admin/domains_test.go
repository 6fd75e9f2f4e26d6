package admin

import (
	"fmt"
	"strings"

	"mxdesk/internal/dns"
	"mxdesk/ticketing"
)

// domainOperations calls what there is for domains, their keys and their records.
func (d *desk) domainOperations() {
	d.t.Helper()
	const admin, read = ticketing.AdminRights, ticketing.ReadRights
	const one = "/v1/domains/example.test"
	if list := d.do(200, ask{path: "/v1/domains"}).items(); len(list) != 1 || list[0]["domain"] != "example.test" || list[0]["dkim_rotation_days"] != 180.0 {
		d.t.Errorf("domains %v", list)
	}
	keys := func() (list []map[string]any) {
		for _, k := range d.do(200, ask{path: one}).value["keys"].([]any) {
			list = append(list, k.(map[string]any))
		}
		return list
	}
	states := func() string {
		var words []string
		for _, k := range keys() {
			words = append(words, k["algorithm"].(string), k["state"].(string))
		}
		return strings.Join(words, " ")
	}
	first := keys()
	if got := d.do(200, ask{path: one}); strings.Contains(string(got.raw), "private") || states() != "ed25519 created rsa created" {
		d.t.Errorf("%s", got.raw)
	}
	rsa := one + "/keys/" + first[1]["selector"].(string)
	d.do(403, ask{method: "POST", path: rsa + "/activate", rights: read})
	d.do(409, ask{method: "POST", path: rsa + "/activate", rights: admin})
	d.zone[first[1]["record_name"].(string)] = dns.Records{TXT: []string{first[1]["record"].(string)}}
	d.do(200, ask{method: "POST", path: rsa + "/activate", rights: admin})
	d.do(409, ask{method: "POST", path: rsa + "/activate?force=true", rights: admin})
	d.do(200, ask{method: "POST", path: one + "/keys/" + first[0]["selector"].(string) + "/activate?force=true", rights: admin})
	if states() != "ed25519 active rsa active" {
		d.t.Errorf("activated: %s", states())
	}
	d.do(200, ask{method: "POST", path: rsa + "/retire", rights: admin})
	d.do(409, ask{method: "POST", path: rsa + "/retire", rights: admin})
	d.do(404, ask{method: "POST", path: one + "/keys/nobody/retire", rights: admin})
	d.do(404, ask{method: "POST", path: "/v1/domains/other.test/keys", rights: admin})
	if _, err := d.pool.Exec(d.t.Context(), `UPDATE dkim_keys SET selector = 'older' || algorithm`); err != nil { // made an hour ago
		d.t.Fatal(err)
	}
	d.do(200, ask{method: "POST", path: one + "/keys", rights: admin})
	if got := states(); !strings.HasPrefix(got, "ed25519 active rsa retiring ") || strings.Count(got, "created") != 2 {
		d.t.Errorf("new keys: %s", got)
	}

	if g := d.do(200, ask{method: "PATCH", path: one, rights: admin, body: `{"require_dkim":true,"dkim_rotation_days":0}`}); g.value["require_dkim"] != true || g.value["dkim_rotation_days"] != 0.0 {
		d.t.Errorf("changed: %s", g.raw)
	}
	if g := d.do(200, ask{method: "PATCH", path: one, rights: admin, body: `{}`}); g.value["require_dkim"] != true {
		d.t.Errorf("not changed: %s", g.raw)
	}
	d.do(422, ask{method: "PATCH", path: one, rights: admin, body: `{"dkim_rotation_days":-1}`})
	d.do(404, ask{method: "PATCH", path: "/v1/domains/other.test", rights: admin, body: `{"require_dkim":true}`})
	d.do(404, ask{path: "/v1/domains/other.test"})

	d.zone["example.test"] = dns.Records{MX: []dns.MX{{Preference: 10, Host: "mx.example.test"}}}
	records := d.do(200, ask{path: one + "/dns", rights: admin}).items()
	if len(records) != 4 || fmt.Sprint(records[0]["status"], records[1]["status"]) != "okmissing" {
		d.t.Errorf("records %v", records)
	}
	d.do(404, ask{path: "/v1/domains/other.test/dns", rights: admin})
}
