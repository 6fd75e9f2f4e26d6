package dns

import (
	"errors"
	"reflect"
	"testing"
)

func TestWithZoneFile(t *testing.T) {
	before := Fake{"desk.test": {TXT: []string{"v=spf1 -all"}}, "mx.desk.test": {A: []string{"192.0.2.1"}}}
	got, err := before.WithZoneFile("; a comment\n" +
		"Desk.test. 300 IN MX 10 mx.desk.test.\ndesk.test. IN MX 0 .\n" +
		"desk.test. IN TXT \"a \\\"quoted\\\" \\195\\188 \" \"word\"\n" +
		"mx.desk.test. IN AAAA 2001:db8::1\nmx.desk.test. IN A 192.0.2.1\n" +
		"mx2.desk.test. IN A 192.0.2.2\n2.2.0.192.in-addr.arpa. IN PTR mx2.desk.test.\n")
	want := Fake{
		"desk.test":              {TXT: []string{"v=spf1 -all", `a "quoted" ü word`}, MX: []MX{{Preference: 10, Host: "mx.desk.test"}, {}}},
		"mx.desk.test":           {A: []string{"192.0.2.1", "2001:db8::1"}},
		"mx2.desk.test":          {A: []string{"192.0.2.2"}},
		"2.2.0.192.in-addr.arpa": {PTR: []string{"mx2.desk.test"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v, want\n%+v", err, got, want)
	}
	if len(before) != 2 || len(before["desk.test"].MX) != 0 || len(before["desk.test"].TXT) != 1 || len(before["mx.desk.test"].A) != 1 {
		t.Errorf("it changed what it began with: %+v", before)
	}
	if got, err := Fake(nil).WithZoneFile("a.test. IN A 192.0.2.1"); err != nil || len(got) != 1 {
		t.Errorf("from nothing: %v, %+v", err, got)
	}
	for _, text := range []string{"desk.test. IN MX ten mx.desk.test.", "desk.test. IN NS ns.desk.test.", "$INCLUDE /etc/passwd", "no line"} {
		if got, err := before.WithZoneFile(text); !errors.Is(err, ErrZone) || got != nil {
			t.Errorf("%q: %v, %+v", text, err, got)
		}
	}
}
