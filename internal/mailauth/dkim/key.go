package dkim

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"

	"mxdesk/internal/dns"
	"mxdesk/internal/message"
)

// Limits of key records; a key of 4096 bits has some 740 characters.
const (
	maxRecord  = 4096
	maxKeyText = 1500
	minBits    = 1024 // RFC 8301 section 3.2
	maxBits    = 4096
	maxKeys    = 3 // records tried for one selector
	maxFlight  = 8 // lookups at once
)

// problem is why a signature is not verified, with the result it means.
type problem struct {
	result message.Result
	reason string
}

func (p *problem) Error() string { return p.reason }

func permanent(format string, args ...any) *problem {
	return &problem{message.PermError, fmt.Sprintf(format, args...)}
}

// key is a public key with what its record says of its use (RFC 6376 section 3.6.1).
type key struct {
	public    crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey
	algorithm string           // rsa or ed25519
	bits      int
	hashes    []string // nil: all
	strict    bool     // t=s: the domain of i= must be that of d=
	testing   bool     // t=y
}

// verify checks a signature of the SHA-256 sum.
func (k *key) verify(sum [sha256.Size]byte, signature []byte) bool {
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, sum[:], signature) // RFC 8463: of the hash, not of the text
	}
	return false
}

// parseKey parses a key record.
func parseKey(txt string) (*key, *problem) {
	if len(txt) > maxRecord {
		return nil, permanent("key record too long")
	}
	t, err := parseTags(txt)
	if err != nil {
		return nil, permanent("key record: %v", err)
	}
	if v, ok := t.values["v"]; ok && (v != "DKIM1" || t.first != "v") {
		return nil, permanent("key record of another version")
	}
	p, ok := t.values["p"]
	p = removeFWS(p)
	switch {
	case !ok:
		return nil, permanent("key record without a key")
	case p == "":
		return nil, permanent("key revoked")
	case len(p) > maxKeyText:
		return nil, permanent("key too long")
	}
	k := &key{algorithm: "rsa"}
	if a, ok := t.values["k"]; ok {
		k.algorithm = a
	}
	if s, ok := t.values["s"]; ok {
		if services := list(s); !has(services, "*") && !has(services, "email") {
			return nil, permanent("key is not for mail")
		}
	}
	if h, ok := t.values["h"]; ok {
		k.hashes = list(h)
	}
	flags := list(t.values["t"])
	k.strict, k.testing = has(flags, "s"), has(flags, "y")
	data, err := decodeBase64(p)
	if err != nil {
		return nil, permanent("key: %v", err)
	}
	return k, k.setPublic(data)
}

func (k *key) setPublic(data []byte) *problem {
	switch k.algorithm {
	case "rsa":
		public, err := parseRSA(data)
		if err != nil {
			return permanent("key: %v", err)
		}
		k.public, k.bits = public, public.N.BitLen()
		if k.bits < minBits || k.bits > maxBits {
			return permanent("key of %d bits", k.bits)
		}
	case "ed25519":
		if len(data) != ed25519.PublicKeySize {
			return permanent("key of a wrong size")
		}
		k.public, k.bits = ed25519.PublicKey(data), 256
	default:
		return permanent("key of an unknown type")
	}
	return nil
}

// parseRSA reads SubjectPublicKeyInfo, or the RSAPublicKey that RFC 6376 section 3.6.1 speaks of (erratum 3017).
func parseRSA(data []byte) (*rsa.PublicKey, error) {
	public, err := x509.ParsePKIXPublicKey(data)
	if err != nil {
		if k, err := x509.ParsePKCS1PublicKey(data); err == nil {
			return k, nil
		}
		return nil, errors.New("no RSA public key")
	}
	k, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("no RSA public key")
	}
	return k, nil
}

// keyring holds the keys of one letter, each looked up once.
type keyring map[string]*keyEntry

type keyEntry struct {
	keys []*key
	err  *problem
}

// fetch looks up all names at once, a few at a time.
func (r keyring) fetch(ctx context.Context, resolver dns.Resolver) {
	slots := make(chan struct{}, maxFlight)
	var wg sync.WaitGroup
	for name, entry := range r {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					entry.err = &problem{message.TempError, "internal error"}
				}
				<-slots
			}()
			entry.keys, entry.err = lookupKey(ctx, resolver, name)
		})
	}
	wg.Wait()
}

// lookupKey finds the keys of one name. Where there are several records, RFC 6376 section 3.6.2.2 leaves open which one
// holds: the first few that are keys are tried.
func lookupKey(ctx context.Context, resolver dns.Resolver, name string) ([]*key, *problem) {
	records, _, err := resolver.TXT(ctx, name)
	if errors.Is(err, dns.ErrNotFound) || err == nil && len(records) == 0 {
		return nil, permanent("no key")
	}
	if err != nil {
		return nil, &problem{message.TempError, "key not available"}
	}
	var keys []*key
	var first *problem
	for _, txt := range records[:min(len(records), maxKeys)] {
		k, p := parseKey(txt)
		if p == nil {
			keys = append(keys, k)
		} else if first == nil {
			first = p
		}
	}
	if len(keys) > 0 {
		return keys, nil
	}
	return nil, first
}
