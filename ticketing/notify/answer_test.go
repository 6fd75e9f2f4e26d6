package notify

import (
	"strings"
	"testing"
	"unicode/utf8"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

func TestAutoReplyAllowed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*AnswerFacts)
		want   string
	}{
		{"a person", func(*AnswerFacts) {}, ""},
		{"Auto-Submitted: no", func(f *AnswerFacts) { f.AutoSubmitted = " No ; x" }, ""},
		{"Precedence first-class", func(f *AnswerFacts) { f.Precedence = "first-class" }, ""},
		{"suppress reports", func(f *AnswerFacts) { f.Suppress = "DR, NDR, RN, NRN" }, ""},
		{"one below the limits", func(f *AnswerFacts) { f.SentRecently, f.SentToday, f.InChain = 4, 39, 19 }, ""},
		{"disowned", func(f *AnswerFacts) { f.Disowned = true }, "the sender's domain says that the letter is not from it"},
		{"null sender", func(f *AnswerFacts) { f.NullSender = true }, "the sender is null"},
		{"no sender", func(f *AnswerFacts) { f.Sender = address.Address{} }, "there is no sender"},
		{"ours", func(f *AnswerFacts) { f.Ours = true }, "the sender is an address of ours"},
		{"kind", func(f *AnswerFacts) { f.Kind = message.CalendarReply }, "the letter is not a person's: calendar-reply"},
		{"no kind", func(f *AnswerFacts) { f.Kind = "" }, "the letter is not a person's: "},
		{"auto-replied", func(f *AnswerFacts) { f.AutoSubmitted = "Auto-Replied (vacation)" }, "Auto-Submitted: auto-replied"},
		{"bulk", func(f *AnswerFacts) { f.Precedence = "BULK" }, "Precedence: bulk"},
		{"list", func(f *AnswerFacts) { f.ListID = "<a.example.com>" }, "it came through a mailing list"},
		{"suppress all", func(f *AnswerFacts) { f.Suppress = "All" }, "X-Auto-Response-Suppress"},
		{"suppress out of office", func(f *AnswerFacts) { f.Suppress = "DR,OOF,AutoReply" }, "X-Auto-Response-Suppress"},
		{"machine", func(f *AnswerFacts) { f.Sender.Local = "MAILER-DAEMON" }, "the sender is a machine's address"},
		{"5 minutes", func(f *AnswerFacts) { f.SentRecently = 5 }, "the address had 5 automatic answers in 5 minutes"},
		{"day", func(f *AnswerFacts) { f.SentToday = 40 }, "the address had 40 automatic answers in a day"},
		{"chain", func(f *AnswerFacts) { f.InChain = 20 }, "20 automatic letters in a row"},
	} {
		f := AnswerFacts{Kind: message.Human, Sender: address.Address{Local: "jane", Domain: "example.com"}}
		c.change(&f)
		if ok, why := AutoReplyAllowed(&f, DefaultAnswerLimits); ok != (c.want == "") || why != c.want {
			t.Errorf("%s: %v, %q", c.name, ok, why)
		}
	}
	f := AnswerFacts{Kind: message.Human, Sender: address.Address{Local: "jane", Domain: "example.com"}}
	if ok, _ := AutoReplyAllowed(&f, AnswerLimits{}); ok {
		t.Error("a limit of 0 allows one")
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

func FuzzAutoReplyAllowed(f *testing.F) {
	f.Add("auto-replied; x", "bulk", "<l>", "All", "no-reply")
	f.Fuzz(func(t *testing.T, auto, precedence, list, suppress, local string) {
		facts := AnswerFacts{
			Kind: message.Human, Sender: address.Address{Local: local, Domain: "x.test"},
			AutoSubmitted: auto, Precedence: precedence, ListID: list, Suppress: suppress,
		}
		ok, why := AutoReplyAllowed(&facts, DefaultAnswerLimits)
		if ok != (why == "") {
			t.Fatalf("%v, %q", ok, why)
		}
		if !utf8.ValidString(why) || strings.ContainsRune(why, 0) {
			t.Fatalf("%q cannot be stored", why)
		}
	})
}
