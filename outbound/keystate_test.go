package outbound

import (
	"testing"
	"time"

	"mxdesk/internal/mailauth/dkim"
)

// TestNextKeyState: state and what the DNS says, with the age, to the next state.
func TestNextKeyState(t *testing.T) {
	const day = 24 * time.Hour
	type facts = keyFacts
	for _, c := range []struct {
		facts facts
		want  keyStep
	}{
		{facts{State: KeyCreated, Presence: dkim.Published}, keyStep{State: KeyPublished, Reason: "seen", Next: lookSoon}},
		{facts{State: KeyCreated, Presence: dkim.Missing}, keyStep{State: KeyCreated, Missed: 1, Reason: "not published yet", Next: lookSoon}},
		{facts{State: KeyCreated, Presence: dkim.Different, Missed: 2, Age: 2 * day}, keyStep{State: KeyCreated, Missed: 2, Reason: "not published yet", Next: lookAgain}},
		{facts{State: KeyCreated, Presence: dkim.Unclear}, keyStep{State: KeyCreated, Reason: "no answer", Next: lookAgain}},

		{facts{State: KeyPublished, Presence: dkim.Published, Seen: true}, keyStep{State: KeyActive, Reason: "seen again", Next: lookActive}},
		{facts{State: KeyPublished, Presence: dkim.Published, Seen: true, Replaces: true, Age: 20 * time.Minute}, keyStep{State: KeyPublished, Reason: "settling", Next: 40 * time.Minute}},
		{facts{State: KeyPublished, Presence: dkim.Published, Seen: true, Replaces: true, Age: time.Hour}, keyStep{State: KeyActive, Reason: "seen again", Next: lookActive}},
		{facts{State: KeyPublished, Presence: dkim.Missing, Seen: true}, keyStep{State: KeyCreated, Unseen: true, Reason: "gone before it signed", Next: lookAgain}},
		{facts{State: KeyPublished, Presence: dkim.Different, Seen: true}, keyStep{State: KeyCreated, Unseen: true, Reason: "gone before it signed", Next: lookAgain}},
		{facts{State: KeyPublished, Presence: dkim.Unclear, Seen: true, Age: 2 * day}, keyStep{State: KeyPublished, Reason: "no answer", Next: lookAgain}},

		{facts{State: KeyActive, Presence: dkim.Published, Seen: true, Missed: 1}, keyStep{State: KeyActive, Reason: "published", Next: lookActive}},
		{facts{State: KeyActive, Presence: dkim.Missing, Seen: true}, keyStep{State: KeyActive, Missed: 1, Reason: "missing once", Next: lookAgain}},
		{facts{State: KeyActive, Presence: dkim.Unclear, Seen: true, Missed: 1}, keyStep{State: KeyActive, Missed: 1, Reason: "no answer", Next: lookAgain}},
		{facts{State: KeyActive, Presence: dkim.Missing, Seen: true, Missed: 1}, keyStep{State: KeyActive, Missed: 2, Lost: true, Reason: "lost", Next: lookAgain}},
		{facts{State: KeyActive, Presence: dkim.Different, Seen: true, Missed: 1}, keyStep{State: KeyActive, Missed: 2, Lost: true, Reason: "lost", Next: lookAgain}},
		{facts{State: KeyActive, Presence: dkim.Missing, Seen: true, Missed: 2, Lost: true}, keyStep{State: KeyActive, Missed: 2, Lost: true, Reason: "lost", Next: lookAgain}},
		{facts{State: KeyActive, Presence: dkim.Unclear, Seen: true, Missed: 2, Lost: true}, keyStep{State: KeyActive, Missed: 2, Lost: true, Reason: "no answer", Next: lookAgain}},
		{facts{State: KeyActive, Presence: dkim.Published, Seen: true, Missed: 2, Lost: true}, keyStep{State: KeyActive, Reason: "back", Next: lookActive}},
		{facts{State: KeyActive, Presence: dkim.Missing, Missed: 2}, keyStep{State: KeyActive, Missed: 2, Reason: "signs without being published", Next: lookActive}},

		{facts{State: KeyRetiring, Presence: dkim.Published, Age: 2 * day}, keyStep{State: KeyRetiring, Reason: "overlap", Next: lookActive}},
		{facts{State: KeyRetiring, Presence: dkim.Missing, Age: 7*day - time.Minute}, keyStep{State: KeyRetiring, Missed: 1, Reason: "overlap", Next: time.Minute}},
		{facts{State: KeyRetiring, Presence: dkim.Published, Seen: true, Age: day, Missed: 1}, keyStep{State: KeyRetiring, Reason: "overlap", Next: lookActive}},
		{facts{State: KeyRetiring, Presence: dkim.Published, Seen: true, Wanted: true, Age: day, Missed: 2}, keyStep{State: KeyRetiring, Signed: true, Reason: "stands in for a lost key", Next: lookAgain}},
		{facts{State: KeyRetiring, Presence: dkim.Published, Wanted: true}, keyStep{State: KeyRetiring, Signed: true, Reason: "stands in for a lost key", Next: lookAgain}},
		{facts{State: KeyRetiring, Presence: dkim.Unclear, Seen: true, Wanted: true, Age: 8 * day}, keyStep{State: KeyRetiring, Signed: true, Reason: "stands in for a lost key", Next: lookAgain}},
		{facts{State: KeyRetiring, Presence: dkim.Unclear, Seen: true, Wanted: true, Missed: 1}, keyStep{State: KeyRetiring, Missed: 1, Reason: "overlap", Next: lookAgain}},
		{facts{State: KeyRetiring, Presence: dkim.Unclear, Wanted: true}, keyStep{State: KeyRetiring, Reason: "overlap", Next: lookAgain}},
		{facts{State: KeyRetiring, Presence: dkim.Missing, Seen: true, Wanted: true}, keyStep{State: KeyRetiring, Missed: 1, Reason: "overlap", Next: lookAgain}},
		{facts{State: KeyRetiring, Presence: dkim.Different, Seen: true, Wanted: true, Missed: 2, Age: 7 * day}, keyStep{State: KeyRemoved, Reason: "overlap is over", Next: lookSoon}},
		{facts{State: KeyRetiring, Presence: dkim.Published, Age: 7 * day}, keyStep{State: KeyRemoved, Reason: "overlap is over", Next: lookSoon}},
		{facts{State: KeyRetiring, Presence: dkim.Unclear, Age: 8 * day}, keyStep{State: KeyRemoved, Reason: "overlap is over", Next: lookSoon}},

		{facts{State: KeyRemoved, Presence: dkim.Different, Age: day}, keyStep{State: KeyRemoved, Reason: "still in the DNS", Next: day}},
		{facts{State: KeyRemoved, Presence: dkim.Unclear, Age: day}, keyStep{State: KeyRemoved, Reason: "still in the DNS", Next: day}},
		{facts{State: KeyRemoved, Presence: dkim.Missing, Age: time.Minute}, keyStep{Reason: "forgotten", Next: day}},
		{facts{State: KeyRemoved, Presence: dkim.Different, Age: 91 * day}, keyStep{Reason: "forgotten", Next: day}},
	} {
		if got := nextKeyState(c.facts); got != c.want {
			t.Errorf("%+v:\n got %+v\nwant %+v", c.facts, got, c.want)
		}
	}
	if keyOverlap < Expiry+day {
		t.Error("a letter can be under way when the key it is signed with is removed")
	}
}
