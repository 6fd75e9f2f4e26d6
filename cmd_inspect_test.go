package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"mxdesk/internal/inspect"
	"mxdesk/internal/mailauth"
	"mxdesk/smtpd"
)

// What inspect shows is found by what the server can be given.
var _ smtpd.Verifier = mailauth.Letters{}

// inspected runs the command on a letter, with zone data unless zone is "".
func inspected(t *testing.T, c inspectCmd, letter, zone string) (inspect.Object, error) {
	t.Helper()
	dir := t.TempDir()
	c.File = filepath.Join(dir, "letter.eml")
	if err := os.WriteFile(c.File, []byte(letter), 0o600); err != nil {
		t.Fatal(err)
	}
	if zone != "" {
		c.DNS = filepath.Join(dir, "zone.yaml")
		if err := os.WriteFile(c.DNS, []byte(zone), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := c.Run(&environment{ctx: t.Context(), stdout: &out}); err != nil {
		return inspect.Object{}, err
	}
	var o inspect.Object
	if err := json.Unmarshal(out.Bytes(), &o); err != nil {
		t.Fatal(err)
	}
	return o, nil
}

func TestInspect(t *testing.T) {
	const letter = "From: ann@example.com\r\n\r\nHello\r\n"
	const zone = "example.com:\n- TXT: v=spf1 ip4:192.0.2.1 -all\n_dmarc.example.com:\n- TXT: v=DMARC1; p=reject\n"
	from, null := "<ann@example.com>", ""
	o, err := inspected(t, inspectCmd{IP: "192.0.2.1", MailFrom: &from, RcptTo: []string{"desk@example.net"}}, letter, zone)
	if err != nil || o.Auth == nil || o.Auth.SPF.Result != "pass" || o.Auth.DMARC.Result != "pass" || o.Auth.DKIM == nil || len(o.Recipients) != 1 {
		t.Errorf("%+v, %v", o.Auth, err)
	}
	if o, err := inspected(t, inspectCmd{IP: "192.0.2.1", MailFrom: &null, Helo: "example.com"}, letter, zone); err != nil || o.Auth.SPF.Identity != "helo" || o.Auth.SPF.Result != "pass" {
		t.Errorf("null sender: %+v, %v", o.Auth, err)
	}
	if o, err := inspected(t, inspectCmd{}, "", ""); err != nil || o.Auth != nil {
		t.Errorf("without DNS: %+v, %v", o.Auth, err)
	}
	for name, c := range map[string]inspectCmd{"address": {IP: "nowhere"}, "time": {Now: "tomorrow"}} {
		var coded exitCode
		if _, err := inspected(t, c, letter, zone); !errors.As(err, &coded) || coded.code != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var coded exitCode
	if _, err := inspected(t, inspectCmd{}, letter, "example.com: ["); !errors.As(err, &coded) || coded.code != 2 {
		t.Errorf("zone: %v", err)
	}
}
