package template

import (
	"slices"
	"strings"
	"testing"
)

func TestDefaults(t *testing.T) {
	noTicket := []string{"customer.over_limit", "customer.welcomed", "staff.message", "staff.password_reset", "article.updated", "system.error", "database.error", "login.excessive"}
	for _, name := range DefaultNames() {
		c, source := Default(name), DefaultSource(name)
		cause, audience, _ := strings.Cut(name, "/")
		if !slices.Contains([]string{"requester", "collaborator", "staff"}, audience) {
			t.Errorf("%s is for nobody", name)
		}
		if c.Empty() || source.Text == "" {
			t.Errorf("%s is empty", name)
		}
		// The number first, then the ticket's subject as it is: that is what clients thread by.
		if !slices.Contains(noTicket, cause) && source.Subject != "[#{{ticket_id}}] {{subject}}" {
			t.Errorf("%s: subject %q", name, source.Subject)
		}
		_, text, body := c.Render(values())
		if strings.Contains(text+body, "secret plan") || strings.Contains(text, "\n\n\n") || strings.Contains(text, "{{") {
			t.Errorf("%s: %s", name, text)
		}
		if n := strings.Count(text, "\n"); n > 16 {
			t.Errorf("%s has %d lines", name, n)
		}
		if audience == "staff" {
			continue
		}
		if strings.Contains(text, "#") || c.Uses("CF") {
			t.Errorf("%s speaks to a customer as to staff: %s", name, text)
		}
		if !strings.Contains(text, "reply to ") && cause != "customer.welcomed" {
			t.Errorf("%s does not say what to do: %s", name, text)
		}
		if audience == "collaborator" && !c.Uses("Unsubscribe") {
			t.Errorf("%s cannot be left", name)
		}
	}
}

// A mail that carries somebody's words begins with them.
func TestDefaultsWordsFirst(t *testing.T) {
	for _, name := range []string{
		"ticket.created/staff", "ticket.opened/requester", "message.received/staff", "message.received/collaborator", "reply.sent/requester",
		"reply.sent/collaborator", "reply.sent/staff", "note.added/staff", "staff.message/staff",
	} {
		if _, text, _ := Default(name).Render(values()); !strings.HasPrefix(text, "It burns.\n") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestDefaultFallsBack(t *testing.T) {
	for name, want := range map[string]string{
		"reply.sent/staff": "reply.sent/staff", "customer.over_limit/collaborator": "customer.over_limit/requester",
		"ticket.reopened/collaborator": "general/collaborator", "ticket.reopened/requester": "general/requester",
		"mine/staff": "general/staff", "nonsense": "general/requester",
	} {
		if got := defaultName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := DefaultSource("ticket.closed/requester"); !strings.Contains(got.Text, "{{rating_links(How did we do?)}}") {
		t.Errorf("%+v", got)
	}
}
