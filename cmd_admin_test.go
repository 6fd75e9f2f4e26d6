package main

import (
	"strings"
	"testing"
)

// TestAdminRefusals: what cannot be made is refused in words that say what to give instead, not in those of the database.
func TestAdminRefusals(t *testing.T) {
	d := newDesk(t)
	for line, want := range map[string]string{
		"admin token 99":                              "there is no organisation 99; mxdesk dns --offline shows the numbers",
		"admin token 0":                               "--rights operator",
		"admin token 1 --rights operator":             "--rights operator",
		"admin token 99 --rights operator":            "--rights operator",
		"admin staff 99 Ann ann@x.test":               "there is no organisation 99; mxdesk dns --offline shows the numbers",
		"reprocess --organisation 99":                 "there is no organisation 99; mxdesk dns --offline shows the numbers",
		"admin token 1 --rights read":                 "",
		"admin token 0 --rights operator --name root": "",
	} {
		out, err := d.run(strings.Fields(line)...)
		switch {
		case want == "" && (err != nil || !strings.HasPrefix(out, "mxd_")):
			t.Errorf("%s: %q, %v", line, out, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}
