package guard

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"mxdesk/internal/octets"
)

var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// Sent at once, one bucket after the other runs empty; each lets half of its letters through again when it says so.
func TestLineBuckets(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration // one letter each, all different, with persons acting between
		most  int           // that go within the hour
		first time.Duration // the bucket that runs empty first keeps silent for so long
	}{
		{"at once", 0, 10, 5 * time.Minute},
		{"every minute", time.Minute, 45, 14 * time.Minute},
		{"every 10 minutes", 10 * time.Minute, 6, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l Line
			sent, stopped := 0, Verdict{}
			for i := range 100 {
				now := start.Add(time.Duration(i) * c.every)
				if now.Sub(start) >= time.Hour {
					break
				}
				l.Person()
				v := l.Send(now, Print(i+1))
				if v.May() {
					sent++
				} else if stopped.May() {
					stopped = v
					if got := v.Until.Sub(now).Round(time.Minute); got != c.first || !v.First || v.Stopped != TicketVolume {
						t.Errorf("%+v, silent for %v, want %v", v, got, c.first)
					}
				} else if v.First && !v.Until.After(stopped.Until) {
					t.Errorf("told again: %+v", v)
				}
			}
			if sent > c.most || sent < 6 || stopped.May() != (c.first == 0) {
				t.Errorf("%d letters within the hour, want at most %d", sent, c.most)
			}
		})
	}
}

// Never do more letters go than a bucket holds and gets back, and it is never silent for good.
func TestBucketsBound(t *testing.T) {
	for i, limit := range ticketLimits {
		var l Line
		sent := 0
		for now := start; now.Sub(start) < limit.per; now = now.Add(10 * time.Second) {
			l.Person()
			if l.Send(now, Print(now.Unix())).May() {
				sent++
			}
		}
		if sent < limit.letters*2/3 && i == 0 || sent > 2*limit.letters {
			t.Errorf("%+v: %d letters in its time", limit, sent)
		}
	}
	var a Total
	sent := 0
	for now := start; now.Sub(start) < 10*time.Hour; now = now.Add(5 * time.Second) {
		if a.Send(now).May() {
			sent++
		}
	}
	if sent < 360 || sent > 720 {
		t.Errorf("%d letters to one address in 10 hours", sent)
	}
}

func TestTotalTripsOnceAndArmsAgain(t *testing.T) {
	var a Total
	for i := range 30 {
		if v := a.Send(start); !v.May() {
			t.Fatalf("letter %d: %+v", i+1, v)
		}
	}
	v := a.Send(start)
	if v.Stopped != AddressVolume || !v.First || v.Until != start.Add(5*time.Minute) {
		t.Errorf("the 31st: %+v", v)
	}
	if v := a.Send(v.Until.Add(-time.Second)); v.May() || v.First {
		t.Errorf("before it is armed again: %+v", v)
	}
	if v := a.Send(v.Until); !v.May() {
		t.Errorf("armed again: %+v", v)
	}
	if end := a.Forgotten(); !end.After(start.Add(30*time.Minute)) || end.After(start.Add(10*time.Hour)) {
		t.Errorf("forgotten at %v", end)
	}
}

// Whoever gets more than an address gets for good reasons is silent for half an hour at a time, not for half of ten.
func TestSilenceIsBounded(t *testing.T) {
	var a Total
	longest := time.Duration(0)
	for now := start; now.Sub(start) < 30*time.Hour; now = now.Add(30 * time.Second) {
		if v := a.Send(now); v.First {
			longest = max(longest, v.Until.Sub(now))
		}
	}
	if longest != maxSilence {
		t.Errorf("silent for %v, want %v", longest, maxSilence)
	}
}

func TestSameLetterTwice(t *testing.T) {
	var l Line
	for _, c := range []struct {
		at    time.Duration
		words Print
		want  Guard
		first bool
	}{
		{0, 1, "", false},
		{time.Minute, 1, Twice, true},
		{2 * time.Minute, 1, Twice, false},
		{3 * time.Minute, 2, "", false},
		{4 * time.Minute, 1, Twice, false}, // though another letter went between
		{5 * time.Minute, 2, Twice, false},
		{10 * time.Minute, 1, "", false},
		{11 * time.Minute, 1, Twice, true},
	} {
		if v := l.Send(start.Add(c.at), c.words); v.Stopped != c.want || v.First != c.first {
			t.Errorf("after %v, words %d: %+v", c.at, c.words, v)
		}
	}
}

// As many different letters as a bucket holds may go between: the first does not go again before its time.
func TestSameLetterAfterManyOthers(t *testing.T) {
	for others := range ticketLimits[0].letters {
		var l Line
		for i := range 1 + others {
			if v := l.Send(start.Add(time.Duration(i)*time.Second), Print(i+1)); !v.May() {
				t.Fatalf("letter %d: %+v", i+1, v)
			}
		}
		l = ReadLine(l.Stored())
		if v := l.Send(start.Add(twiceWindow-time.Second), 1); v.Stopped != Twice {
			t.Errorf("behind %d others: %+v", others, v)
		}
	}
}

// However they lie in time, no more are answered within a span than were in it.
func TestAnswersWithin(t *testing.T) {
	var m Memory
	for i, at := range []time.Duration{0, 4 * time.Minute, 4*time.Minute + 30*time.Second, 5 * time.Minute} {
		m.Answered(start.Add(at), Letter{Words: Print(i + 1)}, Print(i+10))
	}
	m = ReadMemory(m.Stored())
	for after, want := range map[time.Duration]int{5 * time.Minute: 3, 9*time.Minute - time.Second: 3, 9 * time.Minute: 2, 10 * time.Minute: 0} {
		if n := m.AnsweredWithin(start.Add(after), 5*time.Minute); n != want {
			t.Errorf("%d answers within five minutes before %v, want %d", n, after, want)
		}
	}
}

func TestChain(t *testing.T) {
	var l Line
	now := start
	send := func() Verdict {
		now = now.Add(30 * time.Minute)
		return l.Send(now, Print(now.Unix()))
	}
	for i := range maxChain {
		if v := send(); !v.May() {
			t.Fatalf("letter %d of the chain: %+v", i+1, v)
		}
	}
	if v := send(); v.Stopped != Chain || !v.First {
		t.Errorf("letter %d: %+v", maxChain+1, v)
	}
	if v := send(); v.Stopped != Chain || v.First {
		t.Errorf("told twice: %+v", v)
	}
	if !l.Person() || l.Person() {
		t.Error("a person's act ends the chain once")
	}
	for range maxChain {
		send()
	}
	if v := send(); v.Stopped != Chain || !v.First {
		t.Errorf("the second chain: %+v", v)
	}
	now = now.Add(chainWindow)
	if v := send(); !v.May() {
		t.Errorf("after a day of silence: %+v", v)
	}
}

func TestJudge(t *testing.T) {
	human := func(words Print) Letter { return Letter{Words: words, Begin: words} }
	answers := func(words Print) Letter { return Letter{Words: words, Begin: words, Answers: true} }
	type step struct {
		at     time.Duration
		letter Letter
		want   Guard
	}
	for name, steps := range map[string][]step{
		"four questions at once": {{0, human(1), ""}, {0, human(2), ""}, {0, human(3), ""}, {0, human(4), ""}},
		"the same at once":       {{0, human(1), ""}, {time.Minute, human(1), SameWords}, {2 * time.Minute, human(2), ""}, {3 * time.Minute, human(1), SameWords}},
		"the same, slowly": {
			{0, human(1), ""}, {10 * time.Minute, human(1), ""}, {20 * time.Minute, human(1), SameWords}, {26 * time.Hour, human(1), ""},
		},
		"our words":       {{0, human(1), ""}, {time.Second, human(100), OwnWords}, {time.Hour, Letter{Words: 7, Begin: 100}, OwnWords}, {25 * time.Hour, human(100), ""}},
		"within seconds":  {{0, human(1), ""}, {time.Second, answers(2), ""}, {2 * time.Second, answers(3), ""}, {3 * time.Second, answers(4), Reflex}, {4 * time.Second, answers(5), Reflex}},
		"a person's pace": {{0, human(1), ""}, {time.Minute, answers(2), ""}, {2 * time.Minute, answers(3), ""}, {3 * time.Minute, answers(4), ""}},
		"armed again":     {{0, human(1), ""}, {time.Second, answers(2), ""}, {2 * time.Second, answers(3), ""}, {time.Minute, answers(4), ""}, {time.Minute, answers(5), ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var m Memory
			for i, s := range steps {
				now := start.Add(s.at)
				if got := m.Judge(now, s.letter); got != s.want {
					t.Fatalf("letter %d: %q, want %q", i+1, got, s.want)
				}
				if s.want == "" {
					m.Answered(now, s.letter, 100+Print(i))
				}
				m = ReadMemory(m.Stored())
			}
		})
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		name            string
		subject, text   string
		subject2, text2 string
		files, files2   [][32]byte
		same            bool
	}{
		{name: "case and space", text: "I am away.\nBye!", text2: "i AM  away bye", same: true},
		{name: "numbers and hours", text: "Ticket 12, at 10:30.", text2: "Ticket 13, at 11:45.", same: true},
		{name: "addresses", text: "Mail a@x.test or see http://x.test/1", text2: "Mail b@x.test or see http://x.test/2", same: true},
		{name: "its own subject", subject: "Away: Printer", text: "Your letter Printer came.", subject2: "Away: Stairs", text2: "Your letter Stairs came.", same: true},
		{name: "other words", text: "The printer burns.", text2: "The stairs burn."},
		{name: "no words", subject: "a", subject2: "b"},
		{name: "no words, one subject", subject: "a", subject2: "a", text2: "123", same: true},
		{name: "files", subject: "Scan", subject2: "Scan", files: [][32]byte{{1}}, files2: [][32]byte{{2}}},
		{name: "one file", subject: "Scan 1", subject2: "Scan 2", files: [][32]byte{{1}}, files2: [][32]byte{{1}}, same: true},
		{name: "Greek", text: "Λείπω.", text2: "λείπω", same: true},
	} {
		if got := Words(c.subject, c.text, c.files...) == Words(c.subject2, c.text2, c.files2...); got != c.same {
			t.Errorf("%s: the same is %v", c.name, got)
		}
	}
	const ack = "Thank you, we have your message. It is ticket 12, and one of us will answer you."
	if Begin("[#12] x", ack) != Begin("[list] [#12] x", ack+"\n-- \nTo leave the list, write to its owner.") || Begin("", ack) == Begin("", "No. "+ack) {
		t.Error("Begin does not see a list's footer for what it is, or an answer above our words")
	}
	if Exact("a", "see http://x/1 b") != Exact("a", "see http://x/2 b") {
		t.Error("a link makes two letters of one")
	}
	if Exact("a", "b") == Exact("a", "c") || Exact("a", "b") == Exact("b", "b") {
		t.Error("Exact takes different letters for one")
	}
}

func TestStored(t *testing.T) {
	l := Line{chain: 3, sent: [sentLetters]saying{{99, start}, {98, start.Add(-time.Hour)}}, quiet: start.Add(time.Hour), told: start.Add(time.Minute)}
	l.volume.add(ticketLimits, 3, start)
	for i := range l.volume {
		l.volume[i] = l.volume[i].Truncate(time.Second)
	}
	if got := ReadLine(l.Stored()); !reflect.DeepEqual(got, l) {
		t.Errorf("%+v, want %+v", got, l)
	}
	m := Memory{reflexes: 2, told: start}
	m.Answered(start, Letter{Words: 1}, 2)
	m.reflexes = 2
	if got := ReadMemory(m.Stored()); !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, want %+v", got, m)
	}
	a := Total{quiet: start}
	a.volume.add(addressLimits, 1, start)
	if got := ReadTotal(a.Stored()); !reflect.DeepEqual(got, a) {
		t.Errorf("%+v, want %+v", got, a)
	}
}

func FuzzStored(f *testing.F) {
	var l Line
	l.Send(start, 7)
	var m Memory
	m.Answered(start, Letter{Words: 1}, 2)
	for _, seed := range [][]byte{nil, l.Stored(), m.Stored(), {version}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, m, a := ReadLine(data), ReadMemory(data), ReadTotal(data)
		l.Send(start, 1)
		m.Judge(start, Letter{})
		a.Send(start)
		if len(l.Stored()) != lineSize || len(m.Stored()) != memorySize || len(a.Stored()) != totalSize {
			t.Fatal("sizes")
		}
	})
}

func FuzzWords(f *testing.F) {
	f.Add("Re: x", "I am away. 12 a@b.test http://x")
	f.Fuzz(func(t *testing.T, subject, text string) {
		if Words(subject, text) != Words(subject, strings.ToUpper(strings.ToLower(text))+" 42") && len(text) < 100 && octets.IsASCII([]byte(text)) {
			t.Fatalf("case or a number changes the words of %q", text)
		}
	})
}
