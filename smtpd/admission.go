package smtpd

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"mxdesk/internal/address"
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

// listing is what the lists of the configuration say of a client or a sender.
type listing int

const (
	unlisted listing = iota
	allowed
	blocked
)

// client is what the configuration says of a client.
func (a *Admission) client(ip netip.Addr) listing {
	longest := func(networks []netip.Prefix) int {
		best := -1
		for _, p := range networks {
			if p.Contains(ip) {
				best = max(best, p.Bits())
			}
		}
		return best
	}
	return moreExact(longest(a.AllowNetworks), longest(a.BlockNetworks))
}

// sender is what the configuration says of an envelope sender; the null sender is in no list.
func (a *Admission) sender(s address.Address) listing {
	if s.IsZero() {
		return unlisted
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
	return moreExact(exact(a.AllowSenders), exact(a.BlockSenders))
}

// moreExact weighs how exactly two lists speak of something; -1 is not at all.
func moreExact(allow, block int) listing {
	switch {
	case allow < 0 && block < 0:
		return unlisted
	case allow > block:
		return allowed
	}
	return blocked
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
	client listing
	sender listing
	score  int // of the client in the DNS lists
	domain domainState
}

// admitSender decides on MAIL FROM: the zero reply, or why not. It is pure.
func admitSender(f senderFacts, threshold int) reply {
	switch {
	case f.client == blocked:
		return replyBlockedNetwork
	case f.sender == blocked:
		return replyBlockedSender
	case f.client == allowed:
		return reply{}
	case threshold > 0 && f.score >= threshold:
		return replyListed
	case f.sender == allowed:
		return reply{}
	case f.domain == domainMissing:
		return replyNoSenderDomain
	case f.domain == domainNullMX:
		return replyNullMX
	}
	return reply{}
}
