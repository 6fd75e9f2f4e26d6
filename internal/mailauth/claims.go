package mailauth

import (
	"context"
	"strings"

	"mxdesk/internal/mailauth/dmarc"
	"mxdesk/internal/message"
)

// What others found is worth something when the letter itself no longer proves who wrote it: a list has changed it, or a
// forwarder's address has taken the place of the sender's. Here it is only collected and held against the policy of the From
// domain, by our own rules of alignment; a DMARC result of others counts for nothing. Whom to believe is for each organisation
// to say.

const (
	maxClaimFields   = 10 // Authentication-Results fields that are read
	maxReceivedAbove = 5  // Received fields above such a field
)

// claims are the results of others that would settle what ours leave open.
func (j *job) claims(ctx context.Context) []message.Claim {
	if j.policy == nil || j.out.Proves(j.out.DMARC.Domain) {
		return nil
	}
	var out []message.Claim
	for _, c := range append(j.sealedClaims(), j.forwardedClaims()...) {
		if c.DMARC = j.weigh(ctx, &c); c.DMARC.Result == message.TempError || c.Verdict().Proves(c.DMARC.Domain) {
			out = append(out, c)
		}
	}
	return out
}

// sealedClaims are the ARC-Authentication-Results of a chain that holds, the newest first.
func (j *job) sealedClaims() []message.Claim {
	var out []message.Claim
	for _, s := range j.letter.Sealed() {
		c := message.Claim{Source: message.ARCSealer, By: s.Domain, Instance: s.Instance}
		if _, results, ok := parseResults(s.Results); ok && read(&c, results) {
			out = append(out, c)
		}
	}
	return out
}

// forwardedClaims are the Authentication-Results fields near the top, in their order. A field whose server cannot be told
// ends it: it could be anybody's.
func (j *job) forwardedClaims() []message.Claim {
	var out []message.Claim
	received, fields := 0, 0
	seen := map[string]bool{}
	for i := range j.letter.Fields {
		f := &j.letter.Fields[i]
		switch f.Name {
		case "received":
			received++
		case "authentication-results":
			fields++
		default:
			continue
		}
		if received > maxReceivedAbove || fields > maxClaimFields {
			break
		}
		if f.Name == "received" {
			continue
		}
		id, readable := authserv(string(f.Value[:min(len(f.Value), maxID)]))
		if !readable {
			break
		}
		id = strings.ToLower(id)
		c := message.Claim{Source: message.TrustedForwarder, By: id, Received: received, Topmost: !seen[id]}
		seen[id] = true
		if by, results, ok := parseResults(string(f.Value)); ok && by == id && read(&c, results) {
			out = append(out, c)
		}
	}
	return out
}

// read takes over what can speak for a From domain: SPF and DKIM that passed.
func read(c *message.Claim, results []found) bool {
	for _, r := range results {
		switch {
		case r.result != "pass":
		case r.method == "spf" && c.SPF.Result == "":
			c.SPF = message.SPF{Result: message.Pass, Identity: "mailfrom", Domain: domainPart(r.properties["smtp.mailfrom"])}
			if _, there := r.properties["smtp.mailfrom"]; !there {
				c.SPF.Identity, c.SPF.Domain = "helo", normal(r.properties["smtp.helo"])
			}
		case r.method == "dkim":
			// header.i is of d= or below it (RFC 6376 section 3.5); large servers write nothing else.
			domain, there := r.properties["header.d"]
			if !there {
				domain = domainPart(r.properties["header.i"])
			}
			c.DKIM = append(c.DKIM, message.DKIM{
				Result: message.Pass, Domain: normal(domain), Selector: value(r.properties["header.s"]), Algorithm: value(r.properties["header.a"]),
			})
		}
	}
	return c.SPF.Result != "" || len(c.DKIM) > 0
}

// domainPart is the domain of an address, or of what is one without a local part.
func domainPart(s string) string { return normal(s[strings.LastIndexByte(s, '@')+1:]) }

// weigh holds the claim against the policy of the From domain.
func (j *job) weigh(ctx context.Context, c *message.Claim) message.DMARC {
	var spf *dmarc.Identifier
	if c.SPF.Domain != "" {
		spf = &dmarc.Identifier{Domain: c.SPF.Domain}
	}
	var signed []dmarc.Identifier
	for _, d := range c.DKIM {
		if d.Domain != "" {
			signed = append(signed, dmarc.Identifier{Domain: d.Domain})
		}
	}
	return j.policy.Evaluate(ctx, spf, signed)
}
