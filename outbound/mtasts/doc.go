// Package mtasts is the sending half of MTA-STS (RFC 8461): a domain says over HTTPS which hosts take its mail, and that
// nobody may be believed who cannot show their certificate.
//
//	TXT _mta-sts.example.com          an id that changes with the policy
//	https://mta-sts.example.com/…     the policy: mode, hosts, how long it may be remembered
//	Cache                             the policy as last seen, in the database
//
// What Cache.Policy answers:
//
//	remembered    TXT record        the policy is fetched              answer
//	nothing       none, no answer   no                                 none
//	nothing       an id             yes, failure kept for 5 min        the new one; none, if that failed
//	valid         none, no answer   no                                 the remembered one
//	valid         same id           once it is old                     the new one, or else the remembered one
//	valid         another id        yes, failure kept for 5 min        the new one, or else the remembered one
//	run out       as for nothing
//
// So whoever can make the DNS or HTTPS silent cannot take a policy away that we know, only keep us from learning of the
// first one; outbound.PolicyKeeper asks for those that get old, also when no letter does. A database that does not answer is an error, unless this node remembers: others might know a policy.
//
// Reading order: policy.go, fetch.go, cache.go.
package mtasts
