package smtpd

import (
	"context"
	"net/netip"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
	"mxdesk/internal/network"
)

// Greylist remembers who tried to send a letter.
type Greylist interface {
	// Known tells whether somebody of ours has written to the sender, or Passed was called for it.
	Known(ctx context.Context, sender string) (bool, error)
	// Tried records an attempt and returns how long ago the first one was: 0 for the first.
	Tried(ctx context.Context, network netip.Prefix, sender, recipient string) (time.Duration, error)
	// Passed records that a letter of the sender was authenticated.
	Passed(ctx context.Context, sender string) error
}

// greylisted decides whether a recipient is put off until the sender comes again. An error of the
// database lets him in: it is our fault.
func (s *session) greylisted(ctx context.Context, recipient address.Address) reply {
	a := &s.srv.cfg.Admission
	if a.Greylist == nil || s.wire.lmtp || s.tx.sender.IsZero() || s.wire.listing == network.Allowed || a.sender(s.tx.sender) == network.Allowed {
		return reply{}
	}
	sender := s.tx.sender.Key()
	known, err := a.Greylist.Known(ctx, sender)
	if known {
		return reply{}
	}
	var age time.Duration
	if err == nil {
		age, err = a.Greylist.Tried(ctx, network.Around(s.wire.client), sender, recipient.Key())
	}
	if err != nil {
		s.srv.cfg.Log.Error("greylisting", "session", s.wire.id.String(), "error", err)
		return reply{}
	}
	if age < a.GreylistDelay {
		return replyGreylisted
	}
	return reply{}
}

// remember makes the sender of an authenticated letter known.
func (s *session) remember(ctx context.Context, l *message.Letter) {
	g := s.srv.cfg.Admission.Greylist
	if g == nil || !vouched(l) {
		return
	}
	if err := g.Passed(ctx, l.MailFrom.Key()); err != nil {
		s.srv.cfg.Log.Error("greylisting", "session", s.wire.id.String(), "error", err)
	}
}

// vouched tells whether DMARC speaks for the envelope sender too: who signs with a domain of his own may put any
// address there.
func vouched(l *message.Letter) bool {
	d := l.Verdict.DMARC
	return d.Result == message.Pass && !l.MailFrom.IsZero() && (d.AlignedSPF || l.MailFrom.Domain == d.Domain)
}
