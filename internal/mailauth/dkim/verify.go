package dkim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

// Signature is the result of one signature.
type Signature struct {
	message.DKIM
	// Whole tells that all From and Subject fields of the letter are signed. Only then the signature speaks for
	// what people see of it.
	Whole bool
}

// Verify checks the first ten signatures, in the order of the header, and the ARC chain. It returns when ctx ends at
// the latest; keys that had not come by then are temporary errors.
func (l *Letter) Verify(ctx context.Context, r dns.Resolver, now time.Time) ([]Signature, message.ARC) {
	keys := make(keyring)
	var checks []*check
	for _, f := range l.All("dkim-signature") {
		if len(checks) == maxSignatures {
			break
		}
		c := l.newCheck(f, now)
		if c.problem == nil {
			keys[c.claim.keyName()] = &keyEntry{}
		}
		checks = append(checks, c)
	}
	ch := l.parseChain(now)
	for _, name := range ch.keyNames() {
		keys[name] = &keyEntry{}
	}
	keys.fetch(ctx, r)
	out := make([]Signature, 0, len(checks))
	for _, c := range checks {
		out = append(out, l.conclude(c, keys))
	}
	return out, l.concludeChain(ch, keys)
}

// check is a signature on its way to a result.
type check struct {
	claim   *claim
	problem *problem
}

// newCheck parses a DKIM-Signature field (RFC 6376 section 6.1.1).
func (l *Letter) newCheck(f *Field, now time.Time) *check {
	c, p := newClaim(f)
	if q := c.parseIdentity(); p == nil {
		p = q
	}
	switch {
	case l.TooLarge:
		p = permanent("header too large to verify")
	case p != nil:
	case c.tags.values["v"] != "1":
		p = permanent("signature of an unknown version")
	default:
		if p = c.parseBody(now); p == nil && !has(c.names, "from") {
			p = permanent("From is not signed")
		}
	}
	return &check{c, p}
}

// conclude makes the result of a signature.
func (l *Letter) conclude(ck *check, keys keyring) Signature {
	c := ck.claim
	s := Signature{DKIM: message.DKIM{
		Result: message.Pass, Domain: printable(c.domain), Selector: printable(c.selector), Identity: printable(c.identity), Algorithm: printable(c.algorithm),
	}}
	p := ck.problem
	if p == nil {
		p = l.verify(c, keys[c.keyName()], &s.KeyBits)
	}
	if p != nil {
		s.Result, s.Reason = p.result, p.reason
		return s
	}
	if s.Whole = l.covers(c, "from") && l.covers(c, "subject"); !s.Whole {
		s.Reason = "not all From and Subject fields are signed"
	}
	return s
}

// verify checks a claim against the keys; bits becomes the size of the key that was used.
func (l *Letter) verify(c *claim, entry *keyEntry, bits *int) *problem {
	if entry.err != nil {
		return entry.err
	}
	sum, size := l.hash(c.relaxed.body)
	if c.length >= 0 && c.length > size {
		return permanent("l= is longer than the body")
	}
	partial := c.length >= 0 && c.length < size
	if !partial && !bytes.Equal(sum, c.bodyHash) {
		return &problem{message.Fail, "body has changed"}
	}
	header, p := l.hashHeader(c)
	if p != nil {
		return p
	}
	p = &problem{message.Fail, "signature does not match"}
	for _, k := range entry.keys {
		*bits = k.bits
		if q := c.usable(k); q != nil {
			p = q
		} else if k.verify(header, c.signature) {
			p = nil
			break
		}
	}
	if p == nil && partial {
		return &problem{message.Policy, "l= does not cover the whole body"}
	}
	return p
}

// usable tells whether the key may be used for this signature.
func (c *claim) usable(k *key) *problem {
	algorithm, hash, _ := strings.Cut(c.algorithm, "-")
	switch {
	case algorithm != k.algorithm:
		return permanent("key is of another algorithm")
	case k.hashes != nil && !has(k.hashes, hash):
		return permanent("key does not allow %s", hash)
	case k.strict && c.identity != "" && c.identityDomain() != c.domain:
		return permanent("key is not for subdomains")
	}
	return nil
}

// hashHeader hashes the signed fields and the signature field itself without the value of b= (RFC 6376 section 3.7). Of
// several fields of a name the last one counts first.
func (l *Letter) hashHeader(c *claim) (sum [sha256.Size]byte, p *problem) {
	h := sha256.New()
	used := make(map[string]int, len(c.names))
	var buf []byte
	for _, name := range c.names {
		places := l.byName[name]
		n := used[name]
		if n >= len(places) {
			continue // a field that is not there, signed so that it may not be added
		}
		used[name] = n + 1
		f := &l.Fields[places[len(places)-1-n]]
		if len(f.raw) > maxField {
			return sum, permanent("a signed field is longer than %d octets", maxField)
		}
		if f == c.field { // RFC 6376 section 3.7: never the one that is verified
			continue
		}
		buf = append(appendField(buf[:0], f.raw, c.relaxed.header), crlf...)
		h.Write(buf)
	}
	h.Write(c.appendSelf(buf[:0], c.relaxed.header))
	h.Sum(sum[:0])
	return sum, nil
}

// appendSelf appends the signature field with an empty b=.
func (c *claim) appendSelf(dst []byte, relaxed bool) []byte {
	f := c.field
	bare := make([]byte, 0, len(f.raw))
	bare = append(bare, f.raw[:f.value+c.tags.bStart]...)
	bare = append(bare, f.raw[f.value+c.tags.bEnd:]...)
	return appendField(dst, bare, relaxed)
}

// covers tells whether every field of that name is signed.
func (l *Letter) covers(c *claim, name string) bool {
	n := 0
	for _, signed := range c.names {
		if signed == name {
			n++
		}
	}
	return n >= len(l.byName[name])
}

// printable bounds a text from outside and leaves nothing in it that could end a line.
func printable(s string) string {
	return strings.ToValidUTF8(message.CleanLine(s[:min(len(s), 512)]), "")
}
