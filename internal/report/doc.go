// Package report reads and writes the reports that mail hosts send each other about a day: TLS reports (RFC 8460), JSON, and
// DMARC aggregate reports (RFC 7489 appendix C, RFC 9990), XML; both packed by gzip, some by zip. It also reads the DNS
// records that say where reports go. It does no I/O.
//
// What is read was written by strangers, and anybody can send a report in anybody's name. Everything is bounded: octets
// before and after unpacking, the ratio of the two, depth, elements, policies, records, the length of every text. A report is unpacked
// while it is read, so it takes little memory however long it is. XML with a document type is refused, so it has no entities
// but the five that XML itself has.
//
// Reading order: tls.go, dmarc.go, unpack.go, limits.go, tlsread.go, dmarcread.go, destination.go.
package report
