// Package web is the public side: pages that browsers of customers and machines of others may fetch, without sign-in. The
// API of admins is another server, in package admin.
//
//	GET  /.well-known/mta-sts.txt             the MTA-STS policy of a domain of ours, at https://mta-sts.DOMAIN alone
//	GET  /.well-known/acme-challenge/{token}  what a certificate authority asks (HTTP-01), answered by any node
//	GET  /robots.txt                          nothing here is for search engines
//	GET  /u/{token}                           asks whether to unsubscribe from a ticket; POST does it (RFC 8058)
//	GET  /a/{token}                           an attachment that was too large for its letter, to be stored, never shown
//
// Every route stands in Site.routes; a page is a file with its handler. Site is what all of them share: a bound on the body
// and on time, headers that let a browser do little, one recover, one log line and one count per request. Both log and
// metrics name the route, never the path: paths hold secrets.
//
// Server is the listeners below: TLS, timeouts, and connections in all and from one network. Two kinds exist: plain HTTP,
// for HTTP-01 and for a TLS proxy of the administrator's, and TLS with certificates that package certificate or files provide.
// Where this node serves TLS itself, plain requests are sent there.
//
// Nothing that a stranger sends is written back, save the path of a page that moved to https, behind our own name. An unknown Host gets the same pages as a known
// one, save that names beginning with "mta-sts." get the policy and nothing else.
//
// Dying here loses nothing: pages read the database, and what changes it does so in one transaction of ticketing.
//
// Reading order: site.go, mtasts.go, unsubscribe.go, attachment.go, forwarded.go, server.go, limit.go.
package web
