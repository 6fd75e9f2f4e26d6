// Package certificate gets certificates from a certificate authority by ACME (RFC 8555), renews them, and shows them in
// handshakes. Everything is in PostgreSQL, so every node has it: a node that never spoke to the authority answers its
// challenges, and has a new certificate within seconds.
//
// Names come from the configuration and the domains of ours alone. What a client puts into SNI or Host is looked up,
// and never ordered.
//
// The life of a name (a row of acme_certificates):
//
//	state          next attempt                 until then
//	new            at once                      a certificate that we made ourselves, for SMTP alone
//	in an attempt  after the back-off           the certificate from before
//	certified      at 1/3 of its life left      the certificate, on all nodes
//	failing        after the back-off           the certificate from before, even when it has run out
//
// The back-off is 10 minutes, doubled with each failure up to 6 hours, longer where the authority asks for it. The challenge
// changes from one attempt to the next where both kinds can be answered: the way to one port may be closed. An authority that
// cannot be heard, or refuses the nonces that it gave, is tried three times within an attempt.
//
// What if we die:
//
//	before the claim is committed   nothing happened
//	after it                        it counts as a failure; another attempt after the back-off, by any node
//	after the authority issued      that certificate is lost, its name is tried again after the back-off
//	after the record                done
//
// A claim lasts until the next attempt is due, an attempt less than that: two nodes never work on one name. No transaction is
// open while the network is used.
//
// Reading order: manager.go, plan.go, order.go, answer.go, store_certificate.go.
package certificate
