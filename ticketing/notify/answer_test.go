package notify

import (
	"testing"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

func TestNoAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*AnswerFacts)
		want   string
	}{
		{"a person", func(*AnswerFacts) {}, ""},
		{"disowned", func(f *AnswerFacts) { f.Disowned = true }, "the sender's domain says that the letter is not from it"},
		{"null sender", func(f *AnswerFacts) { f.NullSender = true }, "the sender is null"},
		{"no sender", func(f *AnswerFacts) { f.Sender = address.Address{} }, "there is no sender"},
		{"ours", func(f *AnswerFacts) { f.Ours = true }, "the sender is an address of ours"},
		{"kind", func(f *AnswerFacts) { f.Kind = message.CalendarReply }, "the letter is not a person's: calendar-reply"},
		{"no kind", func(f *AnswerFacts) { f.Kind = "" }, "the letter is not a person's: "},
		{"machine", func(f *AnswerFacts) { f.Sender.Local = "MAILER-DAEMON" }, "the sender is a machine's address"},
		{"never", func(f *AnswerFacts) { f.Never = true }, "the settings allow no automatic answers"},
	} {
		f := AnswerFacts{Kind: message.Human, Sender: address.Address{Local: "jane", Domain: "example.com"}}
		c.change(&f)
		if why := NoAnswer(&f); why != c.want {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}

func TestMachineLocal(t *testing.T) {
	for _, l := range []string{
		"mailer-daemon", "MAILER-DAEMON", "Mailer_Daemon", "postmaster", "no-reply", "noreply", "no_reply", "NO.REPLY", "donotreply", "do-not-reply",
		"do_not_reply", "noreply+abc", "noreply-orders", "orders-noreply", "shop.no-reply", "bounces+123-x=y.test", "bounce-55", "bounces", "owner-users",
		"users-request", "users-owner", "users-bounces", "listserv", "majordomo", "autoreply", "nobody", "root",
	} {
		if !MachineLocal(l) {
			t.Errorf("%s passes for a person", l)
		}
	}
	for _, l := range []string{"jane", "jane.doe", "support", "info", "norbert", "noreen.plyer", "bouncer", "postmasters-club", "owner", "request", "rootbeer", "+x"} {
		if MachineLocal(l) {
			t.Errorf("%s passes for a machine", l)
		}
	}
}
