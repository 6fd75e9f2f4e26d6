package main

import (
	"bytes"
	"strings"
	"testing"

	"mxdesk/internal/smtptest"
)

// TestSend: the server's answer is printed when it takes the letter, and told as it is when it does not.
func TestSend(t *testing.T) {
	refusing := func(reply string) func(smtptest.Command) smtptest.Action {
		return func(c smtptest.Command) smtptest.Action {
			if c.Verb == "RCPT" {
				return smtptest.Action{Reply: reply, Close: reply == ""}
			}
			return smtptest.Action{}
		}
	}
	for name, c := range map[string]struct {
		script func(smtptest.Command) smtptest.Action
		want   string // of what is printed, or behind "!" of the error
	}{
		"taken":   {nil, "250 2.0.0 "},
		"refused": {refusing("550 5.1.1 no such user"), "! did not take the letter: 550 5.1.1 no such user"},
		"plain":   {refusing("550 no such user"), "! did not take the letter: 550 no such user"},
		"hung up": {refusing(""), "! did not take the letter: "},
	} {
		server := smtptest.New(t, smtptest.Config{Script: c.script})
		var out bytes.Buffer
		err := sendCmd{Server: server.Addr().String(), From: "a@b.test", To: "c@d.test", Subject: "x", Text: "x"}.
			Run(&environment{ctx: t.Context(), stdout: &out})
		want, refused := strings.CutPrefix(c.want, "!")
		said := out.String()
		if err != nil {
			said = err.Error()
		}
		if (err != nil) != refused || !strings.Contains(said, want) || strings.Contains(said, "%!") || strings.HasSuffix(said, " ") || strings.Contains(said, "  ") {
			t.Errorf("%s: printed %q, error %v; want %q", name, out.String(), err, c.want)
		}
	}
}
