package dkim

import (
	"strings"
	"time"

	"mxdesk/internal/dns"
)

// maxSkew is how far ahead the clock of a signer may be.
const maxSkew = 5 * time.Minute

// claim is a signature field, parsed: of DKIM, or of an ARC message signature.
type claim struct {
	field     *Field
	tags      tags
	algorithm string // as written, in lower case when known
	domain    string // d=, in lower case, in A-labels
	selector  string
	identity  string   // i= decoded, or "@" and the domain
	names     []string // h=, in lower case
	bodyHash  []byte
	signature []byte
	length    int64 // l=, -1 without
	relaxed   struct{ header, body bool }
}

// newClaim parses what all signature fields have in common: the tags, a=, d=, s=, b=. What could be read is in the
// claim even if there is a problem.
func newClaim(f *Field) (*claim, *problem) {
	c := &claim{field: f, length: -1}
	if len(f.raw) > maxField {
		return c, permanent("signature longer than %d octets", maxField)
	}
	t, err := parseTags(string(f.Value))
	c.tags = t
	c.domain = strings.ToLower(dns.ASCII(removeFWS(t.values["d"])))
	c.selector = removeFWS(t.values["s"])
	c.algorithm = removeFWS(t.values["a"])
	if err != nil {
		return c, permanent("signature: %v", err)
	}
	for _, name := range [...]string{"a", "b", "d", "s"} {
		if t.values[name] == "" {
			return c, permanent("signature without %s=", name)
		}
	}
	if !isDomain(c.domain) || !isDomain(dns.ASCII(c.selector)) {
		return c, permanent("d= or s= is no domain name")
	}
	if c.signature, err = decodeBase64(t.values["b"]); err != nil {
		return c, permanent("b=: %v", err)
	}
	switch c.algorithm {
	case "rsa-sha256", "ed25519-sha256":
	case "rsa-sha1":
		return c, permanent("rsa-sha1 is no longer a signature") // RFC 8301 section 3.1
	default:
		return c, permanent("unknown algorithm")
	}
	return c, nil
}

// parseBody parses what signatures over the body have besides: bh=, h=, c=, l=, t=, x=, q=.
func (c *claim) parseBody(now time.Time) *problem {
	var err error
	v := c.tags.values
	if c.bodyHash, err = decodeBase64(v["bh"]); err != nil {
		return permanent("bh=: %v", err)
	}
	h, ok := v["h"]
	if !ok {
		return permanent("signature without h=")
	}
	if h != "" {
		c.names = list(strings.ToLower(h))
	}
	if len(c.names) > maxNames {
		return permanent("more than %d names in h=", maxNames)
	}
	if p := c.parseCanonical(v["c"]); p != nil {
		return p
	}
	if l, ok := v["l"]; ok {
		if c.length, err = number(l); err != nil {
			return permanent("l=: %v", err)
		}
	}
	if q, ok := v["q"]; ok && !has(list(q), "dns/txt") && !has(list(q), "dns") {
		return permanent("unknown query method")
	}
	return c.checkTimes(now)
}

func (c *claim) parseCanonical(s string) *problem {
	header, body, _ := strings.Cut(removeFWS(s), "/")
	for _, one := range []struct {
		word    string
		relaxed *bool
	}{{header, &c.relaxed.header}, {body, &c.relaxed.body}} {
		switch one.word {
		case "relaxed":
			*one.relaxed = true
		case "simple", "":
		default:
			return permanent("unknown canonicalization")
		}
	}
	return nil
}

// checkTimes refuses what has expired and what comes from the future.
func (c *claim) checkTimes(now time.Time) *problem {
	made, expires := int64(-1), int64(-1)
	var err error
	if t, ok := c.tags.values["t"]; ok {
		if made, err = number(t); err != nil {
			return permanent("t=: %v", err)
		}
	}
	if x, ok := c.tags.values["x"]; ok {
		if expires, err = number(x); err != nil {
			return permanent("x=: %v", err)
		}
		if made >= 0 && expires <= made {
			return permanent("expires before it was made")
		}
		if expires < now.Unix() {
			return &problem{"fail", "signature has expired"}
		}
	}
	if made > now.Add(maxSkew).Unix() {
		return &problem{"fail", "signature is from the future"}
	}
	return nil
}

// parseIdentity parses i=, whose domain must be that of d= or below it.
func (c *claim) parseIdentity() *problem {
	if c.domain != "" {
		c.identity = "@" + c.domain
	}
	i, ok := c.tags.values["i"]
	if !ok {
		return nil
	}
	decoded, err := decodeQP(i)
	if err != nil {
		return permanent("i=: %v", err)
	}
	c.identity = decoded
	at := strings.LastIndexByte(decoded, '@')
	if at < 0 {
		return permanent("i= without a domain")
	}
	domain := strings.ToLower(dns.ASCII(decoded[at+1:]))
	if domain != c.domain && !strings.HasSuffix(domain, "."+c.domain) {
		return permanent("i= is not of the domain d=")
	}
	return nil
}

// identityDomain is the domain of i=, in lower case.
func (c *claim) identityDomain() string {
	return strings.ToLower(dns.ASCII(c.identity[strings.LastIndexByte(c.identity, '@')+1:]))
}

// keyName is where the key stands.
func (c *claim) keyName() string {
	return strings.ToLower(dns.ASCII(c.selector)) + "._domainkey." + c.domain
}

// isDomain tells whether s is made of labels as host names have them; underscores are common.
func isDomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return false
			}
		}
	}
	return true
}
