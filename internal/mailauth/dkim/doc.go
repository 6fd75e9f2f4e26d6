// Package dkim makes and verifies DKIM signatures (RFC 6376, 8301, 8463, 8616), and verifies ARC chains (RFC 8617).
//
// Both are our own and not those of emersion/go-msgauth, against which the tests compare them. Its signer puts the time of the
// attempt into t=, so that no two attempts send the same bytes, writes h= as one line of hundreds of octets, and reads the letter
// once for each key. Its verifier can check no ARC field, because nothing below its Verify is exported; it picks and folds
// header fields in quadratic time, hashes the body once per signature, empties every tag whose name ends in
// "b", compares d= and i= with regard to case, ignores t=s, fails letters without a body, and does not tell
// selector, algorithm and key size.
//
// Bounds, applied before anything is computed: header block of 256 KiB and 1000 fields, signed fields of 32 KiB,
// 200 names in h=, the first 10 signatures, 50 ARC sets, key records of 4 KiB, RSA keys from 1024 to 4096
// bits. The body is read once for each canonicalisation, without a copy. Everything takes linear time.
//
// A signature passes only if it covers the whole body. Whether it also covers every From and Subject field is
// told apart, because DMARC needs that and DKIM does not.
//
// Reading order: letter.go (bytes into fields), tags.go (a=b; c=d), canonical.go (what is hashed), signature.go (a
// field into a claim), key.go (the DNS), verify.go (claim and key into a result), arc.go (chains), sign.go.
package dkim
