package ticketing

import (
	"net/netip"
	"slices"
	"strings"

	"mxdesk/internal/message"
	"mxdesk/internal/network"
)

// belief is what an organisation goes by, when the letter itself does not prove who wrote it.
//
// A chain of ARC sets that holds tells what each sealer found. The newest sealer saw the letter last and could have
// changed all of it, and then sealed a chain that holds. So results of instance n count only when he, and every other sealer after n,
// is one whom the organisation lists (RFC 8617 section 7.2 leaves to the receiver whom to trust). Each of them found the
// chain before him in order, so nobody unlisted changed the letter between them. What a listed sealer says
// that somebody before him said counts for nothing: only his own results do.
//
// A trusted forwarder is known by where he connects from, and his field by his name and by its place above what strangers
// could write; see Forwarder.
type belief struct {
	verdict message.Verdict // what counts: our own, or with the results of the claim in its place
	claim   *message.Claim  // that is believed; nil when our own results count
	waiting bool            // somebody listed may vouch for the letter, and the DNS does not say
}

// believe chooses the verdict that counts. It is pure. A claim adds to what we found, and never takes from it.
func believe(v message.Verdict, fromDomain string, client netip.Addr, s *AdmissionSettings) belief {
	b := belief{verdict: v}
	if v.Proves(fromDomain) {
		return b
	}
	for i := range v.Claims {
		c := &v.Claims[i]
		if !strings.EqualFold(c.DMARC.Domain, fromDomain) || !s.believes(c, v.ARC, client) {
			continue
		}
		if !c.Verdict().Proves(fromDomain) {
			b.waiting = b.waiting || c.DMARC.Result == message.TempError
			continue
		}
		counts := c.Verdict()
		counts.ARC, counts.Spam = v.ARC, v.Spam
		return belief{verdict: counts, claim: c}
	}
	if newest := len(v.ARC.Sealers) - 1; newest >= 0 && v.ARC.Result == message.TempError {
		b.waiting = b.waiting || s.sealer(v.ARC.Sealers[newest])
	}
	return b
}

// believes tells whether the claim is of somebody listed, and nobody else could have changed the letter since.
func (s *AdmissionSettings) believes(c *message.Claim, chain message.ARC, client netip.Addr) bool {
	switch c.Source {
	case message.ARCSealer:
		n := len(chain.Sealers)
		return chain.Result == message.Pass && c.Instance >= 1 && c.Instance <= n && strings.EqualFold(chain.Sealers[c.Instance-1], c.By) &&
			!slices.ContainsFunc(chain.Sealers[c.Instance-1:], func(domain string) bool { return !s.sealer(domain) })
	case message.TrustedForwarder:
		return slices.ContainsFunc(s.TrustedForwarders, func(f Forwarder) bool {
			return strings.EqualFold(f.AuthservID, c.By) && network.Contains(f.Networks, client) &&
				(c.Received == 0 || c.Topmost && c.Received <= f.ReceivedAbove)
		})
	}
	return false
}

// sealer tells whether exactly this domain is listed.
func (s *AdmissionSettings) sealer(domain string) bool {
	return slices.ContainsFunc(s.ARCSealers, func(listed string) bool { return strings.EqualFold(listed, domain) })
}
