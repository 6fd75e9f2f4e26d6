package smtpd

import (
	"context"
	"net/netip"

	"mxdesk/internal/message"
)

// Verifier authenticates the sender of a letter: SPF, DKIM, DMARC and ARC. It must not change the
// letter, must not keep its bytes, and must return when ctx ends; what it could not find out
// in time is a temperror in the verdict.
type Verifier interface {
	Verify(ctx context.Context, letter *message.Letter) message.Verdict
}

// verify is the verdict on a letter, the zero one when no Verifier is configured. The client that brings a letter by
// LMTP is a server of ours, about which the SPF of its sender says nothing.
func (s *Server) verify(ctx context.Context, letter *message.Letter) message.Verdict {
	if s.cfg.Verifier == nil {
		return message.Verdict{}
	}
	if letter.Session.LMTP() {
		copied := *letter
		copied.Session.Client, copied.Session.Helo = netip.Addr{}, ""
		letter = &copied
	}
	return s.cfg.Verifier.Verify(ctx, letter)
}
