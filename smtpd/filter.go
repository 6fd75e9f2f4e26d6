package smtpd

import (
	"context"

	"mxdesk/internal/message"
)

// Filter judges the content of a letter by a score; the higher, the worse. It must not keep the
// letter's bytes, and must return when ctx ends.
type Filter interface {
	Check(ctx context.Context, letter *message.Letter) (message.Spam, error)
}

// SpamScores say from which score on a letter is tagged, held and refused; 0 is never.
type SpamScores struct{ Tag, Hold, Refuse float64 }

// filter asks the Filter, if there is one, and writes into the verdict what it says. A filter that gives no answer stops
// nothing: the letter is taken, and its verdict tells that nobody looked.
func (s *session) filter(ctx context.Context, l *message.Letter) reply {
	cfg := &s.srv.cfg
	if cfg.Filter == nil {
		return reply{}
	}
	found, err := cfg.Filter.Check(ctx, l)
	if err != nil {
		s.srv.metrics.filterErrors.Inc()
		cfg.Log.Warn("a letter was not filtered", "session", s.wire.id.String(), "letter", l.ID.String(), "error", err)
		found = message.Spam{Symbols: []string{}, Unreachable: true}
	}
	var r reply
	found, r = weigh(found, cfg.Spam)
	l.Verdict.Spam = &found
	return r
}

// weigh decides what a score leads to; it is pure.
func weigh(found message.Spam, scores SpamScores) (message.Spam, reply) {
	reached := func(limit float64) bool { return !found.Unreachable && limit > 0 && found.Score >= limit }
	found.Tag, found.Hold = reached(scores.Tag), reached(scores.Hold)
	if reached(scores.Refuse) {
		return found, replySpam
	}
	return found, reply{}
}
