package admin

import (
	"mxdesk/internal/message"
	"mxdesk/ticketing"
)

// heldOperations releases one held letter and rejects another.
func (d *desk) heldOperations() {
	d.t.Helper()
	quarantine := message.Verdict{DMARC: message.DMARC{Result: message.Fail, Policy: "quarantine", PolicyDomain: "client.test"}}
	first := "/v1/letters/ltr_" + d.judged("help@example.test", "One", "\nText one", quarantine).String()
	second := "/v1/letters/ltr_" + d.judged("help@example.test", "Two", "\nText two", quarantine).String()
	if items := d.do(200, ask{path: "/v1/letters?outcome=held"}).items(); len(items) != 2 {
		d.t.Fatalf("held: %v", items)
	}
	const admin = ticketing.AdminRights
	d.do(403, ask{method: "POST", path: first + "/release", rights: ticketing.AgentRights})
	got := d.do(200, ask{method: "POST", path: first + "/release", rights: admin})
	if got.text("outcome") != "ticket" || got.text("ticket") != "tkt_2" {
		d.t.Errorf("released: %s", got.raw)
	}
	d.do(404, ask{method: "POST", path: first + "/release", rights: admin})
	if got := d.do(200, ask{method: "POST", path: second + "/reject", rights: admin}); got.text("outcome") != "rejected" {
		d.t.Errorf("rejected: %s", got.raw)
	}
	d.do(404, ask{method: "POST", path: second + "/release", rights: admin})
	if items := d.do(200, ask{path: "/v1/tickets"}).items(); len(items) != 2 {
		d.t.Errorf("tickets: %v", items)
	}
}
