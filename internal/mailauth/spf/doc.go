// Package spf evaluates the Sender Policy Framework (RFC 7208): may this address send for that domain?
//
// It is our own and not blitiri.com.ar/go/spf, against which the tests compare it, because that library
// neither tells the matching mechanism nor makes explanations, stops at the first match although an error
// anywhere in a record spoils all of it (section 4.6), takes domain-specs the grammar forbids, and cuts no
// long names (section 7.3).
//
// Bounds of one evaluation: 10 terms that look something up, 2 of them void (section 4.6.4), 10 hosts of one
// mx, 10 names of the client (section 5.5), records of 4 KiB, 20 seconds. What the DNS could not
// tell is a temperror, never a fail.
//
// Reading order: spf.go (the question and the answer), parse.go (a record into terms), evaluate.go (terms into
// a result), macro.go (%{…}).
package spf
