package admin

import (
	"fmt"
	"testing"

	"mxdesk/ticketing"
)

// settingsOperations calls what there is for settings.
func (d *desk) settingsOperations() {
	d.t.Helper()
	const admin = ticketing.AdminRights
	shown := d.do(200, ask{path: "/v1/settings"})
	if shown.value["accept_unregistered"] != true || shown.text("staff_proof") != "verified" || fmt.Sprint(shown.value["attachments"]) != "map[action:refuse forbidden:[] max_file_bytes:0 max_files:0]" {
		d.t.Errorf("settings %s", shown.raw)
	}
	body := `{"blocked_networks":["192.0.2.7/24"],"arc_sealers":["List.test"],"trusted_forwarders":[{"networks":["198.51.100.1"],"authserv_id":"fwd.test"}],
		"attachments":{"forbidden":["@executables"]}}`
	d.do(403, ask{method: "PATCH", path: "/v1/settings", rights: ticketing.AgentRights, body: body})
	changed := d.do(200, ask{method: "PATCH", path: "/v1/settings", rights: admin, body: body, header: map[string]string{"If-Match": shown.header.Get("ETag")}})
	if fmt.Sprint(changed.value["blocked_networks"], changed.value["arc_sealers"], changed.value["trusted_forwarders"]) !=
		"[192.0.2.0/24] [list.test] [map[authserv_id:fwd.test networks:[198.51.100.1/32] received_above:0]]" {
		d.t.Errorf("changed %s", changed.raw)
	}
	d.do(412, ask{method: "PATCH", path: "/v1/settings", rights: admin, body: body, header: map[string]string{"If-Match": shown.header.Get("ETag")}})
	const ofCategory = "/v1/categories/cat_1/settings"
	if g := d.do(200, ask{path: ofCategory}); fmt.Sprint(g.value["attachments"]) != "map[action:refuse forbidden:[@executables] max_file_bytes:0 max_files:0]" {
		d.t.Errorf("category %s", g.raw)
	}
	if g := d.do(200, ask{method: "PATCH", path: ofCategory, rights: admin, body: `{"attachments":{"forbidden":[".iso"],"action":"hold"}}`}); fmt.Sprint(g.value["attachments"]) !=
		"map[action:hold forbidden:[.iso] max_file_bytes:0 max_files:0]" {
		d.t.Errorf("category %s", g.raw)
	}
	d.do(404, ask{path: "/v1/categories/cat_999/settings"})
	d.do(200, ask{method: "PATCH", path: "/v1/settings", rights: admin, body: `{"blocked_networks":null,"arc_sealers":null,"trusted_forwarders":null,"attachments":null}`})
	d.do(200, ask{method: "PATCH", path: ofCategory, rights: admin, body: `{"attachments":null}`})
}

// The guards against loops, and who hears of them: an organisation's alone, changed by its administrators alone.
func TestLoopSettings(t *testing.T) {
	d := newDesk(t)
	const admin = ticketing.AdminRights
	shown := d.do(200, ask{path: "/v1/settings"})
	if shown.value["loop_guards"] != true || shown.value["system_address"] != "" {
		t.Errorf("from the start: %s", shown.raw)
	}
	d.do(403, ask{method: "PATCH", path: "/v1/settings", rights: ticketing.AgentRights, body: `{"loop_guards":false}`})
	for _, c := range []struct{ body, want string }{
		{`{"system_address":" Operator@System.test "}`, "Operator@system.test true"},
		{`{"loop_guards":false}`, "Operator@system.test false"},
		{`{"system_address":"","loop_guards":null}`, " true"},
		{`{"system_address":"operator@system.test"}`, "operator@system.test true"},
		{`{"system_address":null}`, " true"},
	} {
		changed := d.do(200, ask{method: "PATCH", path: "/v1/settings", rights: admin, body: c.body})
		read := d.do(200, ask{path: "/v1/settings"})
		for _, g := range []got{changed, read} {
			if have := fmt.Sprint(g.value["system_address"], " ", g.value["loop_guards"]); have != c.want {
				t.Errorf("after %s: %q, want %q", c.body, have, c.want)
			}
		}
	}
	for _, name := range []string{"system_address", "loop_guards"} {
		d.do(422, ask{method: "PATCH", path: "/v1/categories/cat_1/settings", rights: admin, body: `{"` + name + `":null}`})
	}
}

// A setting that makes no sense is named by its path.
func TestWrongSettings(t *testing.T) {
	d := newDesk(t)
	for body, location := range map[string]string{
		`{"blocked_networks":["192.0.2.0/24","192.0.2.0/99"]}`:                                            "body.blocked_networks[1]",
		`{"arc_sealers":["no domain"]}`:                                                                   "body.arc_sealers[0]",
		`{"trusted_forwarders":[{"networks":["192.0.2.1","0.0.0.0/0"],"authserv_id":"fwd.test"}]}`:        "body.trusted_forwarders[0].networks[1]",
		`{"trusted_forwarders":[{"networks":["192.0.2.1"],"authserv_id":"fwd.test","received_above":9}]}`: "body.trusted_forwarders[0].received_above",
		`{"trusted_forwarders":[{"networks":["192.0.2.1"],"authserv_id":"fwd.test","colour":"red"}]}`:     "body.trusted_forwarders[0].colour",
		`{"attachments":{"forbidden":[".exe","*"]}}`:                                                      "body.attachments.forbidden[1]",
		`{"attachments":{"action":"strip"}}`:                                                              "body.attachments.action",
		`{"staff_proof":"unverified"}`:                                                                    "body.staff_proof",
		`{"system_address":"nobody"}`:                                                                     "body.system_address",
		`{"loop_guards":"off"}`:                                                                           "body.loop_guards",
		`{"preset":"owner-first"}`:                                                                        "body.preset",
	} {
		g := d.do(422, ask{method: "PATCH", path: "/v1/settings", rights: ticketing.AdminRights, body: body})
		errs, _ := g.value["errors"].([]any)
		if len(errs) == 0 || errs[0].(map[string]any)["location"] != location {
			t.Errorf("%s: %s", body, g.raw)
		}
	}
}
