package guard

import "time"

// Guard names what stopped a letter.
type Guard string

// The guards. Their names stand in tickets, logs and metrics.
const (
	OwnAddress    Guard = "own address"
	OwnWords      Guard = "own words"
	SameWords     Guard = "same words"
	Reflex        Guard = "answers within seconds"
	AnswerBudget  Guard = "automatic answers"
	Machine       Guard = "answering machine"
	Twice         Guard = "same letter twice"
	Chain         Guard = "chain of automatic letters"
	TicketVolume  Guard = "letters about one ticket"
	AddressVolume Guard = "letters to one address"
)

// Verdict says whether a letter may go out, and if not, why not.
type Verdict struct {
	Stopped Guard     // "" if the letter may go
	First   bool      // nobody was told of it since the guard was last armed
	Until   time.Time // when letters go again; zero if that hangs on the letter, not on time
}

// May tells whether the letter may go.
func (v Verdict) May() bool { return v.Stopped == "" }

const (
	twiceWindow = 5 * time.Minute
	sentLetters = 10 // whose words are remembered: as many as the first bucket holds
	maxChain    = 20
	chainWindow = 24 * time.Hour // a chain that rested that long is at an end

	// tellWindow is how long after one event the next one that hangs on letters, not on time, is told.
	tellWindow = time.Hour
)

// Line is what is remembered of the automatic letters about one ticket to one address.
type Line struct {
	volume volume
	chain  int                 // letters since a person acted
	sent   [sentLetters]saying // newest first
	quiet  time.Time           // nothing goes before
	told   time.Time           // nobody is told before
}

// Send decides on one letter of these exact words; if it may go, it is counted.
func (l *Line) Send(now time.Time, words Print) Verdict {
	if now.Before(l.quiet) {
		return Verdict{Stopped: TicketVolume, Until: l.quiet}
	}
	for _, s := range l.sent {
		if s.words == words && now.Sub(s.at) < twiceWindow {
			return l.stop(Twice, now, now.Add(twiceWindow), time.Time{})
		}
	}
	last := l.sent[0].at
	if now.Sub(last) >= chainWindow {
		l.chain = 0
	}
	if l.chain >= maxChain {
		armed := last.Add(chainWindow)
		return l.stop(Chain, now, armed, armed)
	}
	if back, empty := l.volume.empty(ticketLimits, now); empty {
		l.quiet = back
		return Verdict{Stopped: TicketVolume, First: true, Until: back}
	}
	l.volume.add(ticketLimits, 1, now)
	l.chain++
	copy(l.sent[1:], l.sent[:])
	l.sent[0] = saying{words, now}
	return Verdict{}
}

func (l *Line) stop(g Guard, now, tellAgain, until time.Time) Verdict {
	v := Verdict{Stopped: g, First: !now.Before(l.told), Until: until}
	if v.First {
		l.told = tellAgain
	}
	return v
}

// Tell tells whether a letter that another guard stopped is to be told of in the ticket, and notes that it was.
func (l *Line) Tell(now time.Time) bool {
	if now.Before(l.told) {
		return false
	}
	l.told = now.Add(tellWindow)
	return true
}

// Person notes that a person acted. It tells whether that changed anything.
func (l *Line) Person() bool {
	changed := l.chain > 0
	if l.chain >= maxChain {
		l.told = time.Time{}
	}
	l.chain = 0
	return changed
}

// InChain is how many automatic letters went since a person acted.
func (l *Line) InChain() int { return l.chain }

// Total is what is remembered of all automatic letters to one address.
type Total struct {
	volume volume
	quiet  time.Time
}

// Send decides on one letter; if it may go, it is counted.
func (t *Total) Send(now time.Time) Verdict {
	if now.Before(t.quiet) {
		return Verdict{Stopped: AddressVolume, Until: t.quiet}
	}
	if back, empty := t.volume.empty(addressLimits, now); empty {
		t.quiet = back
		return Verdict{Stopped: AddressVolume, First: true, Until: back}
	}
	t.volume.add(addressLimits, 1, now)
	return Verdict{}
}

// Join adds to a state that others counted in n letters of our own, and how long we are silent.
func (t *Total) Join(now time.Time, n int, ours Total) {
	t.volume.add(addressLimits, n, now)
	if ours.quiet.After(t.quiet) {
		t.quiet = ours.quiet
	}
}

// Forgotten is when nothing is left to remember.
func (t *Total) Forgotten() time.Time {
	end := t.quiet
	for _, full := range t.volume {
		if full.After(end) {
			end = full
		}
	}
	return end
}
