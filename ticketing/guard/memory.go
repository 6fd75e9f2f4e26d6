package guard

import "time"

const (
	heardLetters = 6 // more than the answers of five minutes
	saidLetters  = 2
	memoryWindow = 24 * time.Hour
	sameSoon     = 5 * time.Minute
	reflexWithin = 10 * time.Second
	maxReflexes  = 2 // answered; the next one is not
)

// Memory is what is remembered of the letters of one address that were answered by a machine of ours.
type Memory struct {
	heard    [heardLetters]saying // newest first
	said     [saidLetters]saying  // how our answers began, newest first
	reflexes int                  // answered letters on end that came within seconds of our letter and answered it
	told     time.Time            // the system address hears nothing before
}

type saying struct {
	words Print
	at    time.Time
}

// Letter is what is known of a letter that might be answered.
type Letter struct {
	Words   Print // its new words
	Begin   Print // how they begin
	Answers bool  // it refers to a letter of ours, or came to the address that only we gave its sender
}

// Empty tells whether nothing is remembered.
func (m *Memory) Empty() bool { return *m == Memory{} }

// Judge says why the letter is not to be answered; "" if it may be.
func (m *Memory) Judge(now time.Time, l Letter) Guard {
	for _, s := range m.said {
		if !s.at.IsZero() && now.Sub(s.at) < memoryWindow && s.words == l.Begin {
			return OwnWords
		}
	}
	same := 0
	for _, h := range m.heard {
		if h.at.IsZero() || now.Sub(h.at) >= memoryWindow || h.words != l.Words {
			continue
		}
		if same++; same == 2 || now.Sub(h.at) < sameSoon {
			return SameWords
		}
	}
	if m.reflexes >= maxReflexes && m.reflex(now, l) {
		return Reflex
	}
	return ""
}

// reflex tells whether the letter answers our last one faster than a person reads.
func (m *Memory) reflex(now time.Time, l Letter) bool {
	return l.Answers && !m.said[0].at.IsZero() && now.Sub(m.said[0].at) < reflexWithin
}

// AnsweredWithin is how many letters were answered in the span before now, as far as it is remembered: heardLetters at most.
func (m *Memory) AnsweredWithin(now time.Time, span time.Duration) (n int) {
	for _, h := range m.heard {
		if !h.at.IsZero() && now.Sub(h.at) < span {
			n++
		}
	}
	return n
}

// Answered notes that the letter was answered, and how the answer begins.
func (m *Memory) Answered(now time.Time, l Letter, answer Print) {
	if m.reflex(now, l) {
		m.reflexes++
	} else {
		m.reflexes = 0
	}
	copy(m.heard[1:], m.heard[:])
	copy(m.said[1:], m.said[:])
	m.heard[0], m.said[0] = saying{l.Words, now}, saying{answer, now}
}

// Tell tells whether the system address is to hear of a letter of this address that was stopped, and notes that it did.
func (m *Memory) Tell(now time.Time) bool {
	if now.Before(m.told) {
		return false
	}
	m.told = now.Add(memoryWindow)
	return true
}
