package ticketing

import (
	"slices"
	"strings"

	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

// Proof says how sure we are that the owner of the From address wrote a letter.
type Proof string

// The proofs, from none to the best. API and System are the entries no letter brought.
const (
	Unverified    Proof = "unverified" // nothing but the From field says so
	ProofToken    Proof = "token"      // it came to an address that only this person was given
	ProofVerified Proof = "verified"   // sender authentication says so
	ProofAPI      Proof = "api"
	ProofSystem   Proof = "system"
)

var proofRank = map[Proof]int{Unverified: 0, ProofToken: 1, ProofVerified: 2, ProofAPI: 3, ProofSystem: 3}

// atLeast tells whether p is as good as least.
func (p Proof) atLeast(least Proof) bool { return proofRank[p] >= proofRank[least] }

// prove weighs what is known of a letter, by the verdict that counts, whose From address belongs to person: tokens are the persons whose
// signed addresses the letter came to. Reply-To counts for nothing.
func prove(fromDomain string, v message.Verdict, person id.ID, tokens []id.ID) Proof {
	if v.Proves(fromDomain) {
		return ProofVerified
	}
	for _, t := range tokens {
		if !person.IsZero() && t == person {
			return ProofToken
		}
	}
	return Unverified
}

// unsettled tells whether the results may yet prove who wrote the letter: the DNS did not say.
func unsettled(v message.Verdict, fromDomain string) bool {
	return v.DMARC.Result == message.TempError || v.SPF.Result == message.TempError || slices.ContainsFunc(v.DKIM, func(d message.DKIM) bool {
		return d.Result == message.TempError && strings.EqualFold(d.Domain, fromDomain)
	})
}

// disowned tells whether the domain that a letter says it is from says that it is not, or is probably not (softfail): an
// answer would go to somebody who did not write.
func disowned(v message.Verdict) bool {
	return v.SPF.Result == message.Fail || v.SPF.Result == message.SoftFail || v.DMARC.Result == message.Fail
}

// checked tells whether sender authentication had a look at the letter. Of one that it looked at and that nothing proves, an
// answer might go to somebody who did not write, too: that SPF passed for another domain, or that the domain says nothing, is
// no word of his.
func checked(v message.Verdict) bool { return v.SPF.Result != "" || v.DMARC.Result != "" }
