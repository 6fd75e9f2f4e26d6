package address

import (
	"strings"
	"testing"
	"time"

	"mxdesk/internal/id"
)

func TestTokens(t *testing.T) {
	ours, theirs := NewSigner([]byte(strings.Repeat("a", MinKey))), NewSigner([]byte(strings.Repeat("b", MinKey)))
	ref := TicketRef{Ticket: 1234, Participant: 2}
	leave := ours.LeaveToken(7, ref)
	file := FileRef{Ticket: 1234, Entry: id.New(), Position: 3, Expires: time.Unix(1_800_000_000, 0).UTC()}
	fetch := ours.FileToken(7, file)
	if got, ok := ours.ParseLeaveToken(leave); !ok || got != ref {
		t.Errorf("%s: %+v, %v", leave, got, ok)
	}
	if got, ok := ours.ParseFileToken(fetch); !ok || got != file {
		t.Errorf("%s: %+v, %v", fetch, got, ok)
	}
	for _, token := range []string{leave, fetch} {
		if org, ok := TokenOrganisation(token); !ok || org != 7 {
			t.Errorf("%s: organisation %d, %v", token, org, ok)
		}
		if strings.Trim(token, "0123456789abcdefghijklmnopqrstuvwxyz.") != "" || len(token) > maxToken {
			t.Errorf("%s is not fit for a URL", token)
		}
		if _, ok := theirs.ParseLeaveToken(token); ok {
			t.Errorf("%s: another organisation's signature is taken", token)
		}
	}
	wrong := []string{
		"", ".", "7", "7.1234.2", "7.1234.2.", fetch, strings.Replace(leave, ".1234.", ".1235.", 1), strings.Replace(leave, "7.", "8.", 1),
		leave[:len(leave)-1], leave + "a", "." + leave, strings.Replace(leave, ".2.", ".02.", 1), strings.ToUpper(leave),
		strings.Repeat("1", 500) + "." + leave,
	}
	for _, token := range wrong {
		if ref, ok := ours.ParseLeaveToken(token); ok {
			t.Errorf("%q is taken: %+v", token, ref)
		}
	}
	for _, token := range []string{leave, "", strings.Replace(fetch, ".3.", ".4.", 1), strings.Replace(fetch, "1800000000", "1900000000", 1)} {
		if f, ok := ours.ParseFileToken(token); ok {
			t.Errorf("%q is taken: %+v", token, f)
		}
	}
	for _, token := range []string{"", "x.1", "0.1", "-1.1", "99999999999.1", "7"} {
		if org, ok := TokenOrganisation(token); ok {
			t.Errorf("%q is organisation %d's", token, org)
		}
	}
}

func FuzzTokens(f *testing.F) {
	s := NewSigner([]byte(strings.Repeat("a", MinKey)))
	f.Add(s.LeaveToken(1, TicketRef{Ticket: 1, Participant: 1}))
	f.Add(s.FileToken(1, FileRef{Ticket: 1}))
	f.Add("1..-1.x")
	f.Fuzz(func(t *testing.T, token string) {
		org, _ := TokenOrganisation(token)
		if ref, ok := s.ParseLeaveToken(token); ok && s.LeaveToken(org, ref) != token {
			t.Errorf("%q is another way to write a token", token)
		}
		if file, ok := s.ParseFileToken(token); ok && s.FileToken(org, file) != token {
			t.Errorf("%q is another way to write a token", token)
		}
	})
}
