// Package ticketing is the second stage of a letter's way: a letter becomes an entry of a ticket, and those who should
// know are told.
//
// # The one transaction
//
// Everything a letter causes is committed together, before the sender hears 250: the letter (raw bytes compressed,
// session, verdict, trace), the customer, the ticket or its change, the entry, attachments, Message-ID, and the mails
// to be sent. Letters of concurrent sessions share a transaction of two round trips:
//
//	BEGIN + look up all that the letters name  →  decide in memory, letter by letter (world.go)  →  write all + COMMIT
//
// A batch that fails is done again letter by letter. A letter on which deciding panics is stored with a plain ticket and the
// letter attached.
//
// # If we die here
//
//	before COMMIT reached PostgreSQL   nothing happened; the sender got no 250 and tries again
//	COMMIT done, 250 not sent          the sender tries again; letters.dedupe finds the same letter: 250 with the first id
//	250 sent                           the mails are rows of deliveries; outbound finds them when it starts
//	ticket numbers reserved, not used  a gap in the numbers
//
// # Statuses
//
//	new → in_progress     take, assignment                  any → closed          #close#, the API
//	in_progress → waiting  staff reply (setting)             closed → in_progress  a participant's human message within
//	waiting → in_progress  a customer's human message                              reopen_days; later a new ticket follows it
//
// # Invariants
//
//   - A person has one number in a ticket, given once; his signed address holds it.
//   - closed_at is set exactly when the status is closed (CHECK).
//   - Only human letters open tickets (lists' and bulk letters do, unanswered), change a status or get an answer.
//   - A note never reaches a customer (package notify refuses whatever the rules say).
//   - Automatic mail cannot go in a circle: package guard has the rules, loops.go obeys them before every letter that a person of
//     the staff did not write, and says in the ticket what it stopped.
//   - Every row is written by the organisation whose domain the recipient was in, and looked up by it.
//
// # Reading order
//
// intake.go (CheckRecipient, Deliver), parcel.go (what a letter says), writer.go (group commit), world.go (what a batch
// touches), decide.go, open.go, admission.go, policy.go, belief.go, attachments.go, held.go, confirm.go, threading.go, identity.go (the decisions), act.go (commands), scene.go, notice.go and recent.go (history, mails), loops.go and guards.go (loops),
// service.go, read.go, setup.go (what the API and the command line ask for), outcome.go (what became of deliveries), links.go (what links in mails do),
// directory.go (organisations in memory), settings.go, store_*.go (SQL),
// report.go and reportreader.go (reports of others about our domains).
package ticketing
