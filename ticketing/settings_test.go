package ticketing

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestSettingsAreChecked(t *testing.T) {
	for _, c := range []struct{ change, path, stored string }{
		{`{"blocked_senders": ["Ann@B.Test", " b.test "]}`, "", `["ann@b.test","b.test"]`},
		{`{"blocked_senders": ["b.test", "not one"]}`, "blocked_senders[1]", ""},
		{`{"blocked_senders": "b.test"}`, "blocked_senders", ""},
		{`{"dmarc_exempt": ["[192.0.2.1]"]}`, "dmarc_exempt[0]", ""},
		{`{"blocked_networks": ["192.0.2.77/24", "192.0.2.1", "2001:db8::1"]}`, "", `["192.0.2.0/24","192.0.2.1/32","2001:db8::1/128"]`},
		{`{"allowed_networks": ["192.0.2.0/33"]}`, "allowed_networks[0]", ""},
		{`{"allowed_networks": ["fe80::1%eth0"]}`, "allowed_networks[0]", ""},
		{`{"allowed_networks": ["::ffff:192.0.2.0/120"]}`, "allowed_networks[0]", ""},
		{`{"arc_sealers": ["Google.COM", "bücher.test"]}`, "", `["google.com","xn--bcher-kva.test"]`},
		{`{"arc_sealers": ["com"]}`, "arc_sealers[0]", ""},
		{`{"trusted_forwarders": [{"networks": ["192.0.2.1"], "authserv_id": "FWD.test", "received_above": 1}]}`, "", `[{"networks":["192.0.2.1/32"],"authserv_id":"fwd.test","received_above":1}]`},
		{`{"trusted_forwarders": [{"networks": ["192.0.2.1", "x"], "authserv_id": "fwd.test"}]}`, "trusted_forwarders[0].networks[1]", ""},
		{`{"trusted_forwarders": [{"networks": ["0.0.0.0/0"], "authserv_id": "fwd.test"}]}`, "trusted_forwarders[0].networks[0]", ""},
		{`{"trusted_forwarders": [{"networks": [], "authserv_id": "fwd.test"}]}`, "trusted_forwarders[0].networks", ""},
		{`{"trusted_forwarders": [{"networks": ["192.0.2.1"], "authserv_id": "fwd.test; x"}]}`, "trusted_forwarders[0].authserv_id", ""},
		{`{"trusted_forwarders": [{"networks": ["192.0.2.1"], "authserv_id": "fwd.test", "received_above": 6}]}`, "trusted_forwarders[0].received_above", ""},
		{`{"attachments": {"forbidden": [".EXE", "invoice*.html", "video/*", "@executables"]}}`, "", `{"forbidden":[".exe","invoice*.html","video/*","@executables"],"action":"","max_files":0,"max_file_bytes":0}`},
		{`{"attachments": {"forbidden": [".exe", "*"]}}`, "attachments.forbidden[1]", ""},
		{`{"attachments": {"forbidden": ["@all"]}}`, "attachments.forbidden[0]", ""},
		{`{"attachments": {"forbidden": ["a\r\nb"]}}`, "attachments.forbidden[0]", ""},
		{`{"attachments": {"action": "strip"}}`, "attachments.action", ""},
		{`{"attachments": {"max_files": -1}}`, "attachments.max_files", ""},
		{`{"attachments": {"max_file_bytes": -1}}`, "attachments.max_file_bytes", ""},
		{`{"blocked_networks": [` + strings.Repeat(`"192.0.2.1",`, maxListed) + `"192.0.2.1"]}`, "blocked_networks", ""},
		{`{"attachments": null}`, "", ""},
	} {
		var change SettingsChange
		if err := json.Unmarshal([]byte(c.change), &change); err != nil {
			t.Fatal(err)
		}
		patch, err := change.check()
		wrong, _ := errors.AsType[SettingError](err)
		if wrong.Path != c.path || (err != nil) != (c.path != "") || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%.100s: %v, want a fault at %q", c.change, err, c.path)
		}
		for _, stored := range patch {
			if string(stored) != c.stored {
				t.Errorf("%s: stored %s", c.change, stored)
			}
		}
	}
}

// Settings that were changed hold at once; a version that is no longer theirs changes nothing.
func TestChangeSettings(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	before, version, err := d.service.Settings(ctx, d.org.ID, 0)
	if err != nil || len(before.BlockedNetworks) != 0 || before.StaffProof != ProofToken {
		t.Fatalf("%+v, %v", before, err)
	}
	change := func(version int, c SettingsChange) error {
		return d.service.ChangeSettings(ctx, d.org.ID, 0, version, c)
	}
	if err := change(version, SettingsChange{"blocked_networks": []string{"192.0.2.0/24"}, "staff_proof": nil}); err != nil {
		t.Fatal(err)
	}
	after, next, err := d.service.Settings(ctx, d.org.ID, 0)
	if err != nil || fmt.Sprint(after.BlockedNetworks) != "[192.0.2.0/24]" || after.StaffProof != ProofVerified || next == version {
		t.Errorf("%+v, version %d, %v", after, next, err)
	}
	if got := d.dir.Organisation(d.org.ID).Settings; fmt.Sprint(got.BlockedNetworks) != "[192.0.2.0/24]" {
		t.Errorf("in memory: %+v", got)
	}
	if err := change(version, SettingsChange{"blocked_networks": nil}); !errors.Is(err, ErrChanged) {
		t.Errorf("of an old version: %v", err)
	}
	if err := change(next, SettingsChange{"staff_proof": 7}); !errors.Is(err, ErrInvalid) {
		t.Errorf("of a wrong type: %v", err)
	}
	if err := d.service.ChangeSettings(ctx, d.org.ID, 999, 0, SettingsChange{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("of no category: %v", err)
	}
	if err := d.service.ChangeSettings(ctx, 999, 0, 0, SettingsChange{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("of no organisation: %v", err)
	}
}
