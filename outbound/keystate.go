package outbound

import (
	"time"

	"mxdesk/internal/mailauth/dkim"
)

// The states of a DKIM key. Letters are signed with active keys that are not lost. While the active key of an algorithm is lost, one
// that retires stands in for it, if the DNS showed that at the last look.
const (
	KeyCreated   = "created"   // to be published
	KeyPublished = "published" // the DNS showed it once
	KeyActive    = "active"    // it signs
	KeyRetiring  = "retiring"  // it signs no more, save as a stand-in, and letters under way are still verified with it
	KeyRemoved   = "removed"   // its private half is erased; its record may go
)

const (
	keyOverlap  = 7 * 24 * time.Hour  // since it last signed; longer than Expiry: no letter is under way after it
	keyForget   = 90 * 24 * time.Hour // then a removed key is forgotten, whatever the DNS shows
	keySettle   = time.Hour           // for a successor: until all name servers of the domain have its record
	lookSoon    = time.Minute
	lookAgain   = 10 * time.Minute // longer than a resolver here remembers that there was no record
	lookActive  = time.Hour
	lookSeldom  = 24 * time.Hour
	missedLimit = 2 // looks in a row that make a key lost
)

// keyFacts is what a look at one key found.
type keyFacts struct {
	State    string
	Presence dkim.Presence
	Age      time.Duration // in this state
	Seen     bool          // the DNS has shown it before
	Missed   int           // looks in a row that did not, before this one
	Lost     bool
	Replaces bool // another key of the algorithm signs now: there is no hurry
	Wanted   bool // none does, for the active one is lost
}

// keyStep is what becomes of the key.
type keyStep struct {
	State  string // "" forgets it
	Missed int
	Lost   bool
	Unseen bool // the DNS counts as never having shown it
	Signed bool // a key that retires stood in: its overlap begins now
	Reason string
	Next   time.Duration // until the next look
}

// nextKeyState is the life cycle of a DKIM key. No answer of the DNS is no evidence: it changes nothing but the time of the
// next look. An active key that the DNS never showed was made active by hand, and keeps signing.
func nextKeyState(f keyFacts) keyStep {
	step := keyStep{State: f.State, Missed: f.Missed, Lost: f.Lost, Reason: "no answer", Next: lookAgain}
	absent := f.Presence == dkim.Missing || f.Presence == dkim.Different
	shown := f.Presence == dkim.Published
	if shown {
		step.Missed = 0
	} else if absent {
		step.Missed = min(f.Missed+1, missedLimit)
	}
	switch f.State {
	case KeyCreated:
		step.created(f.Age, shown, absent)
	case KeyPublished:
		step.published(f, shown, absent)
	case KeyActive:
		step.active(f, shown, absent)
	case KeyRetiring:
		step.retiring(f, shown)
	case KeyRemoved:
		step.Missed, step.Reason, step.Next = 0, "still in the DNS", lookSeldom
		if f.Presence == dkim.Missing || f.Age >= keyForget {
			step.State, step.Reason = "", "forgotten"
		}
	}
	return step
}

func (s *keyStep) created(age time.Duration, shown, absent bool) {
	switch {
	case shown:
		s.State, s.Reason, s.Next = KeyPublished, "seen", lookSoon
	case absent:
		s.Reason = "not published yet"
		if age < 24*time.Hour {
			s.Next = lookSoon
		}
	}
}

func (s *keyStep) published(f keyFacts, shown, absent bool) {
	switch {
	case shown && f.Replaces && f.Age < keySettle:
		s.Reason, s.Next = "settling", keySettle-f.Age
	case shown:
		s.State, s.Reason, s.Next = KeyActive, "seen again", lookActive
	case absent:
		s.State, s.Missed, s.Unseen, s.Reason = KeyCreated, 0, true, "gone before it signed"
	}
}

func (s *keyStep) active(f keyFacts, shown, absent bool) {
	switch {
	case shown && f.Lost:
		s.Lost, s.Reason, s.Next = false, "back", lookActive
	case shown:
		s.Reason, s.Next = "published", lookActive
	case absent && !f.Seen:
		s.Reason, s.Next = "signs without being published", lookActive
	case absent && s.Missed >= missedLimit:
		s.Lost, s.Reason = true, "lost"
	case absent:
		s.Reason = "missing once"
	}
}

func (s *keyStep) retiring(f keyFacts, shown bool) {
	switch {
	case f.Wanted && s.Missed == 0 && (f.Seen || shown):
		s.Signed, s.Reason, s.Next = true, "stands in for a lost key", lookAgain
	case f.Age >= keyOverlap:
		s.State, s.Missed, s.Reason, s.Next = KeyRemoved, 0, "overlap is over", lookSoon
	case f.Wanted:
		s.Reason, s.Next = "overlap", min(keyOverlap-f.Age, lookAgain)
	default:
		s.Reason, s.Next = "overlap", min(keyOverlap-f.Age, lookActive)
	}
}
