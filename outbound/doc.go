// Package outbound is the third stage of a letter's way: the answer leaves. A message and its deliveries, one for each recipient,
// are put into tables by the transaction that causes them; workers claim deliveries, send them and record what became of them. A
// delivery in the table deliveries is in one of these states; each arrow is one statement:
//
//	state      lease  due          how it got there                       where it goes
//	queued     no     next_at      Enqueue; untried: Release, given back  claim → leased
//	held       no     next_at      Enqueue with Hold (grace period)       claim → leased; seen → done
//	held       no     never        Hold by hand                           Release → queued or deferred
//	leased     yes    next_at      claim: attempt counted, next_at set    record → done, deferred or queued; reap → deferred
//	deferred   no     next_at      record: 4xx, no connection; reap       claim → leased
//	done       in deliveries_done: delivered, failed, suppressed, cancelled, unknown
//
// From every state but leased, Cancel goes to done (cancelled), and expiry to done ("expired": failed, or unknown if a connection
// broke after the final dot). A report to the signed return path goes from every state, and from delivered and unknown, to failed.
// Nothing expires in a lane that is paused.
//
// A lease names a batch, that is one connection to one lane. attempts grows with each claim and is the fence: a result counts only
// while it is the number of the attempt it speaks of. No transaction is open while the network is.
//
// Failures belong to the site (no connection, 421, lost connection) or to the delivery (a reply about it). Those of the site back
// off the lane, unless it took letters before; the one letter that probed it counts an attempt, the rest of its batch is given back
// as if never claimed. Those of the delivery defer it alone, or end it. A connection that the site ends between two letters, after
// it took some, is no failure: the next letter takes another.
//
// A shared letter goes to all recipients of its batch in one transaction, under the return path of the first of them; each has an
// attempt and a result of his own. A report to that return path closes the delivery whose recipient it names (bounce.go).
//
// Where a letter goes is its lane's matter: a domain's, or the own lane of an organisation with a relay (relay.go). A delivery that
// is claimed in a lane to which it belongs no more is moved, as if never claimed. The lanes of domains whose MX hosts are the very
// same lead to one site: a node has no more connections to it than to one domain, and its lanes take turns (sites.go). They stay
// lanes of their own, so that a domain that moves to other hosts, or is paused, takes only its own letters along. Lanes whose site
// took no letter of late share half of the connections of a node, in turns. While some of them wait, one that is silent for half a
// minute is left (dispatch.go, smtpclient/patience.go), so that servers who make us wait hold up nobody for long.
//
// What if we die
//
//	before the commit of Enqueue        nothing was promised, nothing is sent
//	after it, before Hint               the poll finds it within 5 s
//	after claim, before the final dot   nobody has the letter; its lease ends after 2 min, next_at is a retry's
//	after the final dot, before record  the remote host may have it: it is sent again with the same Message-ID and bytes
//	in record                           one transaction with OnFinal: both or neither
//	connection lost after the final dot result "unknown": tried once more, then outcome unknown, never a third time
//	database away while recording       results wait in memory and leases run out: as above, but a late
//	                                    record still counts until somebody claims again
//	answer to COMMIT lost               recorded again: what has changed its row is not logged, counted or told twice
//	ticket locked while recording       its results wait in memory, leases renewed, and others go on (aside.go)
//	worker stuck                        its leases run out, the fence makes its late results harmless
//
// Housekeeping (one node at a time, advisory lock) takes back expired leases and recounts the connections of lanes, ends what is
// over time, tells of delays, makes and drops partitions, forgets what is older than the retention. MTA-STS policies of other
// domains are fetched again before they run out, each by the node that claims it, as long as letters went there within a year.
//
// DKIM keys have a life of their own (keystate.go): created, published, active, retiring (and standing in for an active one that is
// lost), removed. The keeper asks the DNS, then takes each step in one statement that names the state it was decided for; if it
// dies, it looks again. The database's clock decides what is due and what is leased. NOTIFY is a hint; polling is the truth.
//
// Reading order: message.go, queue.go, store_claim.go, dispatch.go, sites.go, job.go, outcome.go, recorder.go, aside.go,
// store_record.go, draft.go, compose.go, processors.go, transport.go, smtp.go, elsewhere.go, idle.go, relay.go, oauth.go, tokens.go,
// bounce.go, store_mtasts.go; reports to others: observe.go, results.go, reporter.go, reportparcel.go.
package outbound
