package dkim

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

// Presence is what the DNS says of a key of ours.
type Presence string

// What the DNS can say. Only Missing and Different are evidence against a key: Unclear is a failure of the DNS.
const (
	Published Presence = "published"
	Missing   Presence = "missing"   // there is no record
	Different Presence = "different" // there are records, but verifiers could not use them for the key
	Unclear   Presence = "unclear"   // no answer
)

// Look asks the DNS, following aliases, whether name publishes the public key as verifiers want it. A key of nil asks
// for any record at all, which is then Different. The text says what is wrong, in printable words.
func Look(ctx context.Context, r dns.Resolver, name string, public crypto.PublicKey) (Presence, string) {
	records, _, err := r.TXT(ctx, name)
	switch {
	case errors.Is(err, dns.ErrNotFound) || err == nil && len(records) == 0:
		return Missing, "there is no record"
	case err != nil:
		return Unclear, "the DNS gives no answer: " + message.CleanLine(err.Error())
	case public == nil:
		return Different, "there is a record"
	case len(records) > 1: // RFC 6376 section 3.6.2.2: which of them a verifier takes is undefined
		return Different, fmt.Sprintf("there are %d records", len(records))
	}
	k, p := parseKey(records[0])
	switch {
	case p != nil && p.result == message.TempError:
		return Unclear, p.reason
	case p != nil:
		return Different, message.CleanLine(p.reason)
	case k.hashes != nil && !has(k.hashes, "sha256"):
		return Different, "the record forbids SHA-256"
	}
	if own, ok := public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(k.public) {
		return Different, "the record holds another key"
	}
	return Published, ""
}
