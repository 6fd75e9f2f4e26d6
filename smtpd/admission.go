package smtpd

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/network"
)

// Admission says whom the server listens to, before it looks at a letter. Mail servers that bring letters by LMTP
// are not asked. The zero value lets everybody in.
type Admission struct {
	// Of these two the entry with the longer prefix decides; of the same one, BlockNetworks. An allowed network is
	// spared everything below, and the rates.
	AllowNetworks, BlockNetworks []netip.Prefix
	// Addresses ("a@example.org") and domains with all below them ("example.org"), in lower case. Of these two the more
	// exact entry decides; of the same, BlockSenders. An allowed sender needs no domain that exists, and is not greylisted. Envelope
	// senders can be forged.
	AllowSenders, BlockSenders []string
	// DNS lists of clients, whose weights are added; at Threshold and above the client is refused.
	Blocklists []Blocklist
	Threshold  int
	// CheckSenderDomain refuses senders whose domain does not exist or takes no mail.
	CheckSenderDomain bool
	// Greylist makes unknown senders come a second time, GreylistDelay later; nil: nobody has to.
	Greylist      Greylist
	GreylistDelay time.Duration
}

// Blocklist is a DNS list of clients (RFC 5782). A list of good ones has a negative weight.
type Blocklist struct {
	Zone   string
	Weight int
}

// client is what the configuration says of a client.
func (a *Admission) client(ip netip.Addr) network.Listing {
	return network.List(a.AllowNetworks, a.BlockNetworks, ip)
}

// sender is what the configuration says of an envelope sender; the null sender is in no list.
func (a *Admission) sender(s address.Address) network.Listing {
	if s.IsZero() {
		return network.Unlisted
	}
	exact := func(list []string) int {
		if len(list) == 0 {
			return -1
		}
		if slices.Contains(list, s.Key()) {
			return address.MaxAddress + 1
		}
		for domain, more := s.Domain, true; more; _, domain, more = strings.Cut(domain, ".") {
			if slices.Contains(list, domain) {
				return len(domain)
			}
		}
		return -1
	}
	return network.MoreExact(exact(a.AllowSenders), exact(a.BlockSenders))
}

// domainState is what the DNS says of a sender's domain.
type domainState int

const (
	domainUnknown domainState = iota // not asked, or no answer: nobody is refused for that
	domainGood
	domainMissing // neither MX nor address
	domainNullMX  // RFC 7505: takes no mail, so nothing can be answered
)

// senderFacts are what the decision on MAIL FROM rests on.
type senderFacts struct {
	client network.Listing
	sender network.Listing
	score  int // of the client in the DNS lists
	domain domainState
}

// admitSender decides on MAIL FROM: the zero reply, or why not. It is pure.
func admitSender(f senderFacts, threshold int) reply {
	switch {
	case f.client == network.Blocked:
		return replyBlockedNetwork
	case f.sender == network.Blocked:
		return replyBlockedSender
	case f.client == network.Allowed:
		return reply{}
	case threshold > 0 && f.score >= threshold:
		return replyListed
	case f.sender == network.Allowed:
		return reply{}
	case f.domain == domainMissing:
		return replyNoSenderDomain
	case f.domain == domainNullMX:
		return replyNullMX
	}
	return reply{}
}
