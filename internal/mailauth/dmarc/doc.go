// Package dmarc evaluates DMARC (RFC 9989): does what SPF or DKIM proved belong to the domain people see in From,
// and what does its owner ask for if not?
//
// The DNS is walked upwards from the domain, eight questions at most. On the way the nearest applicable record and the
// organizational domain are found. Several records at one name are none; a domain of the public suffix list's
// ICANN part counts as a registry (psd=y) even if its record forgets to say so, because otherwise everybody
// below it would be one organization.
//
// Reading order: record.go (a TXT record), walk.go (the tree), evaluate.go (the result).
package dmarc
