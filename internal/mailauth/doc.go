// Package mailauth authenticates the sender of a letter: SPF, DKIM, DMARC and ARC, and says so in
// Authentication-Results. It decides nothing: what a result leads to is the policy of smtpd.
//
//	            bytes                        DNS
//	dkim.Parse ──┬── signatures, chain ───── keys      ──┐
//	             └── From ── author domain ─ _dmarc     ─┼── dmarc.Evaluate ── Verdict
//	IP, HELO, MAIL FROM ──────────────────── SPF record ─┘
//
// The three columns run side by side, under one deadline and one budget of lookups for the letter. A panic in any of
// them, a name server that does not answer, a budget that is spent: all of it is a temperror in the verdict, never
// a fail and never an error. The letter's bytes are read and not kept.
//
// Which address DMARC protects: the one of the only From field. Several From fields, or addresses of
// several domains in it, are a permerror, because nobody can tell which one people will see. A signature that leaves
// a From or Subject field unsigned is reported as it is, but does not count for DMARC.
//
// What others found is collected when it would settle what our own results leave open, and held against the policy of the
// From domain. It changes nothing here: ticketing knows whom an organisation believes.
//
// Reading order: verify.go, author.go, claims.go, results.go, authres.go; then the packages spf, dkim (with ARC) and dmarc.
package mailauth
