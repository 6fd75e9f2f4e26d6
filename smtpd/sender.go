package smtpd

import (
	"context"
	"errors"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/dns"
	"mxdesk/internal/network"
)

// senderTimeout is how long MAIL waits for the DNS; later the sender is let in.
const senderTimeout = 10 * time.Second

// admitSender gathers what is needed for the decision on MAIL FROM, and no more than that: what the
// configuration has decided is not asked of the DNS.
func (s *session) admitSender(sender address.Address) reply {
	if s.wire.lmtp {
		return reply{}
	}
	a := &s.srv.cfg.Admission
	f := senderFacts{client: s.wire.listing, sender: a.sender(sender)}
	if f.client == network.Unlisted && f.sender != network.Blocked {
		ctx, cancel := context.WithTimeout(s.wire.ctx, senderTimeout)
		defer cancel()
		f.score = s.wire.lookup.score(ctx)
		if f.sender == network.Unlisted && a.CheckSenderDomain && s.srv.cfg.Resolver != nil && !sender.IsZero() {
			f.domain = stateOf(ctx, s.srv.cfg.Resolver, sender.Domain)
		}
	}
	return admitSender(f, a.Threshold)
}

// stateOf asks whether mail for the domain could be delivered (RFC 5321 section 5.1): by its MX records, or by its
// own address when it has none.
func stateOf(ctx context.Context, r dns.Resolver, domain string) domainState {
	if domain == "" || domain[0] == '[' { // a literal needs no DNS
		return domainGood
	}
	mx, _, err := r.MX(ctx, domain)
	switch {
	case err == nil && len(mx) == 1 && mx[0].Host == "":
		return domainNullMX
	case err == nil:
		return domainGood
	case errors.Is(err, dns.ErrNoDomain):
		return domainMissing
	case !errors.Is(err, dns.ErrNotFound):
		return domainUnknown
	}
	switch _, _, err = r.IP(ctx, domain); {
	case err == nil:
		return domainGood
	case errors.Is(err, dns.ErrNotFound):
		return domainMissing
	}
	return domainUnknown
}
