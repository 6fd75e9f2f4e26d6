package dkim

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mxdesk/internal/message"
)

// set is one ARC set: the three fields of one instance (RFC 8617 section 4.1).
type set struct {
	results *Field // ARC-Authentication-Results
	message *claim // ARC-Message-Signature
	seal    *claim // ARC-Seal
	status  string // cv= of the seal
}

// chain is the chain of a letter as far as it can be told without keys.
type chain struct {
	sets    []set // of instances 1, 2, …
	count   int   // the highest instance seen
	present bool
	problem *problem
}

func broken(format string, args ...any) *problem {
	return &problem{message.Fail, fmt.Sprintf(format, args...)}
}

// parseChain collects the sets and checks their structure (RFC 8617 section 5.2, steps 1 to 3).
func (l *Letter) parseChain(now time.Time) *chain {
	seals, signatures, results := l.All("arc-seal"), l.All("arc-message-signature"), l.All("arc-authentication-results")
	ch := &chain{present: len(seals)+len(signatures)+len(results) > 0}
	switch {
	case !ch.present:
		return ch
	case l.TooLarge:
		ch.problem = permanent("header too large to verify")
		return ch
	case max(len(seals), len(signatures), len(results)) > maxSets:
		ch.problem = broken("more than %d sets", maxSets)
		return ch
	}
	sets := make([]set, maxSets+1)
	ch.problem = ch.collect(sets, seals, signatures, results, now)
	if ch.problem == nil {
		ch.sets = sets[1 : ch.count+1]
		ch.problem = ch.checkStructure()
	}
	return ch
}

// collect parses all fields and puts each into its set.
func (ch *chain) collect(sets []set, seals, signatures, results []*Field, now time.Time) *problem {
	var first *problem
	note := func(p *problem) {
		if first == nil {
			first = p
		}
	}
	for _, f := range results {
		n, ok := resultsInstance(string(f.Value))
		if !ok || sets[n].results != nil {
			note(broken("ARC-Authentication-Results without an instance of its own"))
			continue
		}
		sets[n].results, ch.count = f, max(ch.count, n)
	}
	for _, f := range signatures {
		c, p := newClaim(f)
		n, ok := instance(c.tags.values["i"])
		if !ok || sets[n].message != nil {
			note(broken("ARC-Message-Signature without an instance of its own"))
			continue
		}
		if p == nil {
			p = c.parseBody(now)
		}
		if p == nil && has(c.names, "arc-seal") {
			p = broken("h= names ARC-Seal") // RFC 8617 section 4.1.2
		}
		if p != nil {
			note(broken("instance %d: %s", n, p.reason))
		}
		sets[n].message, ch.count = c, max(ch.count, n)
	}
	for _, f := range seals {
		c, p := newClaim(f)
		n, ok := instance(c.tags.values["i"])
		if !ok || sets[n].seal != nil {
			note(broken("ARC-Seal without an instance of its own"))
			continue
		}
		if p == nil {
			p = c.checkSeal(now)
		}
		if p != nil {
			note(broken("instance %d: %s", n, p.reason))
		}
		sets[n].seal, sets[n].status, ch.count = c, c.tags.values["cv"], max(ch.count, n)
	}
	return first
}

// checkSeal checks the tags that only a seal has (RFC 8617 section 4.1.3).
func (c *claim) checkSeal(now time.Time) *problem {
	if _, ok := c.tags.values["h"]; ok {
		return broken("h= in a seal")
	}
	switch c.tags.values["cv"] {
	case "none", "fail", "pass":
	default:
		return broken("no cv=")
	}
	return c.checkTimes(now)
}

// checkStructure checks that there is one whole set for every instance, and that every sealer found what he must
// have found. A chain that a sealer has given up (cv=fail) is broken for good: RFC 8617 section 5.2 calls it fail, though
// test suites from before the RFC have no status for it.
func (ch *chain) checkStructure() *problem {
	for i, s := range ch.sets {
		if s.results == nil || s.message == nil || s.seal == nil {
			return broken("instance %d is not complete", i+1)
		}
	}
	for i, s := range ch.sets {
		switch {
		case s.status == "fail":
			return broken("the sealer of instance %d found the chain broken", i+1)
		case (s.status == "none") != (i == 0):
			return broken("cv=%s in instance %d", s.status, i+1)
		}
	}
	return nil
}

// keyNames are the names of the keys needed: of the newest message signature and of all seals.
func (ch *chain) keyNames() []string {
	if ch.problem != nil || len(ch.sets) == 0 {
		return nil
	}
	names := []string{ch.sets[len(ch.sets)-1].message.keyName()}
	for _, s := range ch.sets {
		names = append(names, s.seal.keyName())
	}
	return names
}

// concludeChain validates the signatures of a chain (steps 4 and 6) and makes its result.
func (l *Letter) concludeChain(ch *chain, keys keyring) message.ARC {
	out := message.ARC{Result: message.None, Instances: ch.count, Sealers: []string{}}
	if !ch.present {
		return out
	}
	for _, s := range ch.sets {
		if s.seal != nil {
			out.Sealers = append(out.Sealers, printable(s.seal.domain))
		}
	}
	p := ch.problem
	if p == nil {
		p = l.verifyChain(ch, keys)
	}
	if out.Result = message.Pass; p != nil {
		out.Result, out.Reason = p.result, p.reason
		return out
	}
	l.sealed = l.readSealed(ch)
	return out
}

// Sealed is what one sealer of a chain that holds found of the letter when it came to him.
type Sealed struct {
	Instance int
	Domain   string // of his seal
	Results  string // his ARC-Authentication-Results after the instance
}

// Sealed tells what the sealers found, the newest first. It is empty until Verify found that the chain holds, and ends
// before a set whose message signature leaves out From, Subject or a part of the body: what was sealed there may be another letter.
func (l *Letter) Sealed() []Sealed { return l.sealed }

// maxSealed bounds how far back the results of sealers are read.
const maxSealed = 10

func (l *Letter) readSealed(ch *chain) []Sealed {
	var out []Sealed
	for n := len(ch.sets); n > 0 && len(out) < maxSealed; n-- {
		s := ch.sets[n-1]
		// Fields may have come and gone since an older set was made, so how many of a name it signed tells nothing.
		whole := has(s.message.names, "from") && has(s.message.names, "subject") && s.message.length < 0
		if n == len(ch.sets) {
			whole = l.covers(s.message, "from") && l.covers(s.message, "subject")
		}
		if !whole {
			break
		}
		_, results, _ := strings.Cut(string(s.results.Value), ";")
		out = append(out, Sealed{n, printable(s.seal.domain), results})
	}
	return out
}

func (l *Letter) verifyChain(ch *chain, keys keyring) *problem {
	newest := ch.sets[len(ch.sets)-1].message
	var bits int
	if p := l.verify(newest, keys[newest.keyName()], &bits); p != nil {
		return chainProblem(p, "message signature", len(ch.sets))
	}
	for n := len(ch.sets); n > 0; n-- {
		seal := ch.sets[n-1].seal
		entry := keys[seal.keyName()]
		if entry.err != nil {
			return chainProblem(entry.err, "seal", n)
		}
		if p := verifySeal(ch.sets[:n], entry.keys); p != nil {
			return chainProblem(p, "seal", n)
		}
	}
	return nil
}

// chainProblem is what the problem of one signature means for the chain: it is broken, unless time may mend it.
func chainProblem(p *problem, what string, n int) *problem {
	out := broken("%s of instance %d: %s", what, n, p.reason)
	if p.result == message.TempError {
		out.result = message.TempError
	}
	return out
}

// verifySeal checks the newest seal of the sets: it signs all of them, in order (section 5.1.1).
func verifySeal(sets []set, keys []*key) *problem {
	h := sha256.New()
	var buf []byte
	for i, s := range sets {
		buf = append(appendField(buf[:0], s.results.raw, true), crlf...)
		buf = append(appendField(buf, s.message.field.raw, true), crlf...)
		if i < len(sets)-1 {
			buf = append(appendField(buf, s.seal.field.raw, true), crlf...)
		} else {
			buf = s.seal.appendSelf(buf, true)
		}
		h.Write(buf)
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	seal := sets[len(sets)-1].seal
	p := broken("signature does not match")
	for _, k := range keys {
		if q := seal.usable(k); q != nil {
			p = q
		} else if k.verify(sum, seal.signature) {
			return nil
		}
	}
	return p
}

// instance parses the number of a set.
func instance(s string) (int, bool) {
	if s == "" || len(s) > 2 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= maxSets
}

// resultsInstance finds the number at the beginning of an ARC-Authentication-Results field, which is no tag list.
func resultsInstance(value string) (int, bool) {
	head, _, ok := strings.Cut(value, ";")
	if !ok {
		return 0, false
	}
	name, number, ok := strings.Cut(trimFWS(head), "=")
	if !ok || trimFWS(name) != "i" {
		return 0, false
	}
	return instance(trimFWS(number))
}
