package command

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, subject, clean string
		want                 []Command
	}{
		{"none", "  Printer \t on fire ", "Printer on fire", nil},
		{"one", "Re: Printer #close#", "Re: Printer", []Command{{Name: Close, Raw: "#close#"}}},
		{"in the middle", "Re: #close# Printer", "Re: Printer", []Command{{Name: Close, Raw: "#close#"}}},
		{"any case", "#CLOSE# #Tech#", "", []Command{{Name: Close, Raw: "#CLOSE#"}, {Name: Note, Raw: "#Tech#"}}},
		{"touching", "a#close##take#b", "a b", []Command{{Name: Close, Raw: "#close#"}, {Name: Take, Raw: "#take#"}}},
		{"spellings", "#unsub##waiting##reopen#", "", []Command{
			{Name: Unsubscribe, Raw: "#unsub#"}, {Name: Status, Value: "waiting", Raw: "#waiting#"}, {Name: Status, Value: "in_progress", Raw: "#reopen#"},
		}},
		{"numbers stay", "Order #1234# for issue #5 and #6", "Order #1234# for issue #5 and #6", nil},
		{"prose stays", "Do you #help wanted# or # close # it", "Do you #help wanted# or # close # it", nil},
		{"command after a stray hash", "issue #5 and #close#", "issue #5 and", []Command{{Name: Close, Raw: "#close#"}}},
		{"ticket tag stays", "[#12] Re: x #tag y#", "[#12] Re: x", []Command{{Name: Tag, Value: "y", Raw: "#tag y#"}}},
		{"unknown stays", "x #clsoe# y", "x #clsoe# y", []Command{{Raw: "#clsoe#", Err: "there is no such command"}}},
		{"a note is a note, whatever follows", "x #note for Jane#", "x", []Command{{Name: Note, Raw: "#note for Jane#"}}},
		{"full width", "件名 ＃ｃｌｏｓｅ＃", "件名", []Command{{Name: Close, Raw: "#ｃｌｏｓｅ#"}}},
		{"full width value", "＃ｐｒｉｏｒｉｔｙ　ｈｉｇｈ＃", "", []Command{{Name: Priority, Value: "high", Raw: "#ｐｒｉｏｒｉｔｙ　ｈｉｇｈ#"}}},
		{"invisible letters", "#clo\u200bse\u00ad#", "", []Command{{Name: Close, Raw: "#clo\u200bse\u00ad#"}}},
		{"another script is another word", "#\u0441lose#", "#\u0441lose#", nil},
		{"separators", "#priority:high# #priority=low# #tag: a#", "", []Command{
			{Name: Priority, Value: "high", Raw: "#priority:high#"}, {Name: Priority, Value: "low", Raw: "#priority=low#"}, {Name: Tag, Value: "a", Raw: "#tag: a#"},
		}},
		{"halves do not come together", "#status #close#waiting#", "status waiting", []Command{{Name: Close, Raw: "#close#"}}},
		{"halves of one word", "#cl#close#ose#", "#cl ose#", []Command{{Raw: "#cl#", Err: "there is no such command"}, {Name: Close, Raw: "#close#"}}},
		{"missing value", "#tag# x", "x", []Command{{Name: Tag, Raw: "#tag#", Err: "it needs a value: #tag word#"}}},
		{"status closed is close", "#status closed#", "", []Command{{Name: Close, Raw: "#status closed#"}}},
		{"wrong value", "#status sleeping# x", "x", []Command{{Name: Status, Raw: "#status sleeping#", Err: "the status is one of: in progress, waiting, closed"}}},
		{"only hashes", "###", "###", nil},
		{"one hash", "C# developer wanted", "C# developer wanted", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			clean, got := Parse(c.subject)
			if clean != c.clean {
				t.Errorf("clean %q, want %q", clean, c.clean)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestValues(t *testing.T) {
	for _, c := range []struct{ subject, name, value, err string }{
		{"#status In Progress#", Status, "in_progress", ""},
		{"#status in_progress#", Status, "in_progress", ""},
		{"#status open#", Status, "in_progress", ""},
		{"#status new#", Status, "", "a ticket is new only until somebody acts on it"},
		{"#priority URGENT#", Priority, "urgent", ""},
		{"#priority highest#", Priority, "", "the priority is one of: low, normal, high, urgent"},
		{"#assign Jane  Müller#", Assign, "Jane Müller", ""},
		{"#category Billing & Co#", Category, "Billing & Co", ""},
		{"#category " + strings.Repeat("x", 101) + "#", Category, "", "the name is too long"},
		{"#tag Needs Info#", Tag, "needs info", ""},
		{"#untag a,b#", Untag, "", "one tag at a time"},
		{"#tag " + strings.Repeat("ä", 51) + "#", Tag, "", "the tag is too long"},
		{"#time 15m#", Time, "15", ""},
		{"#time 15#", Time, "15", ""},
		{"#time 2h#", Time, "120", ""},
		{"#time 1h 30m#", Time, "90", ""},
		{"#time 0m#", Time, "", "the time is written like 15m, 2h or 1h30m"},
		{"#time -5m#", Time, "", "the time is written like 15m, 2h or 1h30m"},
		{"#time h#", Time, "", "the time is written like 15m, 2h or 1h30m"},
		{"#time 101h#", Time, "", "more than 100 hours at once"},
		{"#time 9999999999999999999h#", Time, "", "the time is written like 15m, 2h or 1h30m"},
		{"#cc Bob@Example.COM#", CC, "Bob@example.com", ""},
		{"#cc Bob <bob@example.com>#", CC, "bob@example.com", ""},
		{"#cc ｂｏｂ＠example.com#", CC, "bob@example.com", ""},
		{"#cc bob#", CC, "", "that is no mail address"},
		{"#uncc bob@example.com#", Uncc, "bob@example.com", ""},
		{"#onbehalf jane@example.com#", OnBehalf, "jane@example.com", ""},
		{"#merge 123#", Merge, "123", ""},
		{"#merge 0#", Merge, "", "that is no ticket number"},
		{"#merge 99999999999999999999#", Merge, "", "that is no ticket number"},
		{"#due 2026-12-01#", Due, "2026-12-01", ""},
		{"#due 2026-12-01T15:00#", Due, "2026-12-01 15:00", ""},
		{"#due 3D#", Due, "3d", ""},
		{"#due none#", Due, "none", ""},
		{"#due 2026-13-01#", Due, "", "the due time is written like 2026-12-01, 2026-12-01 15:00, 12h, 3d, 2w, or none"},
		{"#due ä#", Due, "", "the due time is written like 2026-12-01, 2026-12-01 15:00, 12h, 3d, 2w, or none"},
		{"#due 999999d#", Due, "", "the due time is written like 2026-12-01, 2026-12-01 15:00, 12h, 3d, 2w, or none"},
		{"#due 999999h#", Due, "", "the due time is written like 2026-12-01, 2026-12-01 15:00, 12h, 3d, 2w, or none"},
	} {
		clean, got := Parse(c.subject)
		want := []Command{{Name: c.name, Value: c.value, Raw: c.subject, Err: c.err}}
		if d := cmp.Diff(want, got); d != "" || clean != "" {
			t.Errorf("%s: clean %q, %s", c.subject, clean, d)
		}
	}
}

func TestMeaning(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	now := time.Date(2026, 3, 30, 10, 20, 30, 0, zone)
	for value, want := range map[string]time.Time{
		"2026-12-01":       time.Date(2026, 12, 1, 23, 59, 0, 0, zone),
		"2026-12-01 15:00": time.Date(2026, 12, 1, 15, 0, 0, 0, zone),
		"12h":              now.Add(12 * time.Hour),
		"3d":               time.Date(2026, 4, 2, 10, 20, 30, 0, zone),
		"2w":               time.Date(2026, 4, 13, 10, 20, 30, 0, zone),
		"none":             {},
	} {
		if at, ok := (Command{Name: Due, Value: value}).Due(now); !ok || !at.Equal(want) {
			t.Errorf("due %s: %v, %v", value, at, ok)
		}
	}
	if _, ok := (Command{Name: Due, Err: "wrong"}).Due(now); ok {
		t.Error("a wrong value has a meaning")
	}
	if _, ok := (Command{Name: Tag, Value: "3d"}).Due(now); ok {
		t.Error("a tag is a due time")
	}
	if m := (Command{Name: Time, Value: "90"}).Minutes(); m != 90 {
		t.Errorf("%d minutes", m)
	}
	if n := (Command{Name: Merge, Value: "123"}).Ticket(); n != 123 {
		t.Errorf("ticket %d", n)
	}
	if (Command{Name: Merge, Value: "5"}).Minutes() != 0 || (Command{Name: Time, Value: "5"}).Ticket() != 0 {
		t.Error("one value read as another")
	}
}

func TestAllowed(t *testing.T) {
	requester := []string{Note, Close, Unsubscribe, CC}
	participant := []string{Note, Unsubscribe}
	for i := range table {
		n := table[i].name
		if !Allowed(n, Staff) {
			t.Errorf("staff may not %s", n)
		}
		if got := Allowed(n, Requester); got != slices.Contains(requester, n) {
			t.Errorf("requester, %s: %v", n, got)
		}
		if got := Allowed(n, Participant); got != slices.Contains(participant, n) {
			t.Errorf("participant, %s: %v", n, got)
		}
		if Allowed(n, "") {
			t.Errorf("somebody without a role may %s", n)
		}
	}
	if Allowed(Unknown, Staff) || Allowed("dance", Staff) {
		t.Error("an unknown command is allowed")
	}
	if help := HelpText(Participant); help != "#note# - this message is for staff only\n#unsubscribe# - get no more mail about this ticket\n" {
		t.Errorf("help of a participant: %q", help)
	}
}

func TestMany(t *testing.T) {
	clean, got := Parse("x " + strings.Repeat("#close#", 1000))
	if clean != "x" || len(got) != maxCommands {
		t.Errorf("%q, %d commands", clean, len(got))
	}
}

func TestTicketTag(t *testing.T) {
	for _, c := range []struct {
		subject string
		number  int64
		rest    string
	}{
		{"[#12] Printer", 12, "Printer"},
		{"Re: [#12] Re: [#12] Printer", 12, "Re: Re: Printer"},
		{"Re: [#12] Fwd: [#13] Printer", 12, "Re: Fwd: [#13] Printer"},
		{"[#x] [#] [#0] [#7]", 7, "[#x] [#] [#0]"},
		{"[#99999999999999999999] a", 0, "[#99999999999999999999] a"},
		{"[# 12] a #12 [12]", 0, "[# 12] a #12 [12]"},
		{"", 0, ""},
	} {
		number, rest, ok := TicketTag(c.subject)
		if number != c.number || rest != c.rest || ok != (c.number > 0) {
			t.Errorf("%q: %d, %q, %v", c.subject, number, rest, ok)
		}
	}
}

// What Parse leaves can be quoted for ever without doing anything.
func checkStripped(t interface{ Fatalf(string, ...any) }, subject string) {
	clean, commands := Parse(subject)
	again, found := Parse(clean)
	if hasKnown(found) {
		t.Fatalf("%q leaves %q, which holds %v", subject, clean, found)
	}
	if again != clean {
		t.Fatalf("%q becomes %q and then %q", subject, clean, again)
	}
	if len(commands) > maxCommands {
		t.Fatalf("%d commands", len(commands))
	}
	for _, c := range commands {
		if c.Err == "" && c.Name == Unknown {
			t.Fatalf("an unknown command without a reason: %+v", c)
		}
	}
	TicketTag(subject)
}

func TestStripped(t *testing.T) {
	piece := rapid.SampledFrom([]string{"#", "#", "#", "＃", " ", "close", "status", "waiting", "tag", "x", "note", "[", "12", "]", ":", "\u200b", "ｔａｋｅ"})
	rapid.Check(t, func(t *rapid.T) {
		checkStripped(t, strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "pieces"), ""))
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"#close# x", "#status #close#waiting#", "＃ｃｌｏｓｅ＃", "[#12] #due 3d#", "#time 1h30m##", "\xff#\xfe#", "#assign a <b@c>#"} {
		f.Add(s)
	}
	f.Add("#assign " + strings.Repeat("0", maxWords-len("assign ")-1) + "  0#")
	f.Fuzz(func(t *testing.T, s string) { checkStripped(t, s) })
}

func BenchmarkParse(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			Parse("Re: Printer on fire")
		}
	})
	b.Run("two commands", func(b *testing.B) {
		for b.Loop() {
			Parse("Re: [#123] Printer on fire #close# #tag fire#")
		}
	})
}
