// Package guard decides whether a letter that a machine of ours wrote may go out. Two machines that answer each other
// must fall silent by themselves, whatever the other one is and however it hides; a person must get his acknowledgements.
//
// # What is guarded
//
// Every letter but the words of staff to customers: acknowledgements, answers to commands, notices to staff, and a
// customer's words passed on to others in his ticket (who may be machines that answer him). What staff write is never
// stopped and never counted. What is not sent is not lost: every word is an entry of the ticket.
//
// # What is remembered, and where
//
//   - Memory, for each address that had an automatic answer: what its letters said, and what we said. It decides whether a
//     letter may be answered (Judge).
//   - Line, for each address in each ticket: how many letters went there, and how many since a person acted. It
//     lies in the row of the participant, which the ticket's lock protects: counting is exact, and costs no statement.
//   - Total, for each address: how many letters went there from any ticket. Nodes count in memory and share what is busy;
//     see ticketing/guards.go.
//
// All three are values of fixed size; none grows with the number of letters.
//
// # How a machine is told from a person
//
// Letters that say they are a machine's are not answered (package notify); the guards are for those that say nothing.
//
//   - Our words come back to us: an echo, or a list that sends us our own letter, with a footer perhaps (OwnWords).
//   - It says the same again (SameWords): within five minutes once, within a day twice. Only new words count, without digits,
//     addresses and the words of its own subject: an answering machine varies these. A person who asks the same twice is not
//     told twice that we have it; his ticket opens all the same.
//   - It answers our automatic letter within seconds, three times on end (Reflex). Nobody reads and writes that fast.
//
// Four different questions in one minute are four tickets and four acknowledgements. A machine whose every letter says
// something new, to no letter of ours, is not told from a person, and ends at the budget of answers (AnswerBudget), like him.
//
// # Numbers
//
// A loop that these rules see ends after three automatic letters. What they do not see is bounded by token buckets
// (ticketLimits, addressLimits), by the chain (20 letters to one address without an act of a person between them), and by
// the letter itself: the same one does not go twice to one address within five minutes (an acknowledgement is the same if what
// it acknowledges is). A bucket that is empty keeps the address silent until half of it is back, so that a loop does not
// trickle, but for half an hour at most. Every guard arms itself again.
package guard
