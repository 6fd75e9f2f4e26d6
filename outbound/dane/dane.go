// Package dane judges a mail host's certificate by the TLSA records of its name (RFC 6698, 7671, 7672). It neither asks the
// DNS nor knows whether an answer was authentic: only records that were may be given to it.
//
//	usage          what is compared                         what else must be right
//	0, 1 (PKIX)    not for mail (RFC 7672 section 3.1.3)     the record is unusable
//	2 (DANE-TA)    a certificate above the host's, or it     the chain up to it, its dates, the name
//	3 (DANE-EE)    the host's certificate                    nothing: neither name nor dates
//
// selector 0 is the certificate, 1 its public key; matching type 0 is all of it, 1 its SHA-256, 2 its SHA-512.
package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"mxdesk/internal/dns"
)

// TrustAnchor is the usage of records that name an authority: below it a certificate must be for the right name.
const TrustAnchor = 2

const (
	endEntity = 3

	maxRecords      = 50 // more are not looked at
	maxCertificates = 20 // of a chain; a client that sends more is not talked to
)

// ErrMismatch is wrapped by the error for a certificate that no record fits.
var ErrMismatch = errors.New("no TLSA record fits the certificate")

// Usable are the records that this package can judge by. When there are records, but none is usable, TLS is
// required and nothing can be verified (RFC 7672 section 2.2).
func Usable(records []dns.TLSA) []dns.TLSA {
	var out []dns.TLSA
	for _, r := range records[:min(len(records), maxRecords)] {
		if r.Usage != TrustAnchor && r.Usage != endEntity || r.Selector > 1 {
			continue
		}
		switch r.MatchingType {
		case 0:
			if !parses(r) {
				continue
			}
		case 1:
			if len(r.Data) != sha256.Size {
				continue
			}
		case 2:
			if len(r.Data) != sha512.Size {
				continue
			}
		default:
			continue
		}
		out = append(out, r)
	}
	return out
}

// parses tells whether the data of a record with matching type 0 are what the selector says.
func parses(r dns.TLSA) bool {
	var err error
	if r.Selector == 0 {
		_, err = x509.ParseCertificate(r.Data)
	} else {
		_, err = x509.ParsePKIXPublicKey(r.Data)
	}
	return err == nil
}

// Verify makes the check of a TLS connection by the usable records. names are those that a certificate below a
// trust anchor may be for: the one that the records stand under, and the domain's that the host takes mail for (RFC 7672 section 3.2.2).
func Verify(records []dns.TLSA, names ...string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		chain := s.PeerCertificates
		if len(chain) == 0 || len(chain) > maxCertificates {
			return fmt.Errorf("%w: %d certificates", ErrMismatch, len(chain))
		}
		last := ErrMismatch
		for _, r := range records {
			switch {
			case r.Usage == endEntity && matches(r, chain[0]):
				return nil
			case r.Usage == TrustAnchor:
				err := anchored(r, chain, names)
				if err == nil {
					return nil
				}
				if !errors.Is(err, errNotInChain) { // this tells more
					last = fmt.Errorf("%w: %w", ErrMismatch, err)
				}
			}
		}
		return last
	}
}

// matches compares one certificate with a record.
func matches(r dns.TLSA, c *x509.Certificate) bool {
	data := c.Raw
	if r.Selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	switch r.MatchingType {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return bytes.Equal(data, r.Data)
}

var errNotInChain = errors.New("the trust anchor is not in the chain")

// anchored checks the chain up to the certificate that the record names. The host sends that one along, unless
// the record holds all of it (RFC 7671 section 5.2).
func anchored(r dns.TLSA, chain []*x509.Certificate, names []string) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	found := false
	for _, c := range chain {
		if matches(r, c) {
			roots.AddCert(c)
			found = true
		}
	}
	if !found && r.Selector == 0 && r.MatchingType == 0 {
		if c, err := x509.ParseCertificate(r.Data); err == nil {
			roots.AddCert(c)
			found = true
		}
	}
	if !found {
		return errNotInChain
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	var err error
	for _, name := range names {
		if _, err = chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between}); err == nil {
			return nil
		}
	}
	return err
}
