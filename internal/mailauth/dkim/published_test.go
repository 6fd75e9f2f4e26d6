package dkim

import (
	"crypto/ed25519"
	"encoding/base64"
	"testing"

	"mxdesk/internal/dns"
)

func TestLook(t *testing.T) {
	own, _, _ := ed25519.GenerateKey(nil)
	other, _, _ := ed25519.GenerateKey(nil)
	text := base64.StdEncoding.EncodeToString(own)
	good := "v=DKIM1; k=ed25519; p=" + text
	const name = "s._domainkey.a.test"
	for what, c := range map[string]struct {
		records dns.Records
		want    Presence
	}{
		"as made":              {dns.Records{TXT: []string{good}}, Published},
		"of another shape":     {dns.Records{TXT: []string{"k = ed25519 ;t=s; p=" + text[:9] + " " + text[9:] + ";"}}, Published},
		"through an alias":     {dns.Records{CNAME: "elsewhere.test"}, Published},
		"through a broken one": {dns.Records{CNAME: "nowhere.test"}, Missing},
		"no record":            {dns.Records{A: []string{"192.0.2.1"}}, Missing},
		"another key":          {dns.Records{TXT: []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(other)}}, Different},
		"without k=":           {dns.Records{TXT: []string{"v=DKIM1; p=" + text}}, Different},
		"revoked":              {dns.Records{TXT: []string{"v=DKIM1; k=ed25519; p="}}, Different},
		"not for mail":         {dns.Records{TXT: []string{good + "; s=tlsrpt"}}, Different},
		"SHA-1 alone":          {dns.Records{TXT: []string{good + "; h=sha1"}}, Different},
		"cut off":              {dns.Records{TXT: []string{good[:40]}}, Different},
		"two":                  {dns.Records{TXT: []string{good, "v=DKIM1; k=ed25519; p="}}, Different},
		"another text":         {dns.Records{TXT: []string{"hello"}}, Different},
		"no answer":            {dns.Records{Fail: true}, Unclear},
	} {
		zone := dns.Fake{name: c.records, "elsewhere.test": {TXT: []string{good}}}
		got, why := Look(t.Context(), zone, name, own)
		if got != c.want || (why == "") != (c.want == Published) {
			t.Errorf("%s: %s %q, want %s", what, got, why, c.want)
		}
	}
	if got, _ := Look(t.Context(), dns.Fake{name: {TXT: []string{good}}}, name, nil); got != Different {
		t.Errorf("an erased key: %s", got)
	}
}
