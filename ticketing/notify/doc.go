// Package notify decides who is told what, when, and in which words. It is pure: facts in, decision and
// trace out. It sends nothing, looks nothing up and has no clock.
//
// The habits of an organisation are data, a Policy: a list of rules, read by Load. Four presets are
// embedded. What no rule can change is in decide.go:
//
//  1. Nobody is told of what he did himself. A rule with "answer" is no exception: it tells nobody of anything, it
//     answers the letter of the author, and goes to nobody else.
//  2. One person gets one mail for one event; the first rule that names him decides which.
//  3. What is internal goes to staff alone, and never to somebody in his part as a requester.
//  4. Nobody is mailed who left the ticket, whose address is suppressed, who is inactive, or who switched
//     notifications off. A rule with "always" goes past that last switch, and past nothing else; the password
//     reset is such a rule, and also goes to a suppressed address, because its owner asks for it himself.
//  5. A letter that a machine wrote is not answered, and tells no customer; staff are told as ever.
//
// Reading order: facts.go (what comes in), policy.go (what a rule is), load.go (what is refused when a policy is
// saved), decide.go (the engine), answer.go (may this sender be answered at all), presets/*.json.
package notify
