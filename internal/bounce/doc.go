// Package bounce reads delivery reports: which recipients of which letter of ours were not
// reached, why, and whether trying again makes sense. It knows RFC 3464 reports, RFC 5965
// feedback reports, the notifications of Amazon SES, and the free text that mail systems have
// written since before there was a standard.
//
// It is pure: an Input in, a Report out, nothing kept. Everything it reads was written by a
// stranger, so every list, field and text has a limit, every scan is linear, and what comes out
// is valid UTF-8 on one line.
//
// How a letter is read (Parse):
//
//	feedback   a feedback-report part, an SNS complaint       feedback.go, sns.go
//	DSN        fields of RFC 3464, as a part or as text       dsn.go
//	notice     free text: addresses and what is said of them  notice.go
//	original   the letter it is about                         original.go
//
// A DSN and the free text beside it are read together: the fields say who and what became of
// it, the text often says why. A letter without fields is a report only if enough speaks for a
// machine that gave up (detect.go, notices.txt); a person who quotes a bounce has written no bounce.
//
// The reason of a failure (reason.go) is found in this order:
//
//  1. clear words of the remote system (phrases.txt)
//  2. the enhanced status code, RFC 3463 and what large systems made of it (status.go)
//  3. likely words of the remote system, then what the notice says in free text
//  4. vague words, such as "rejected", and the SMTP reply code
//
// Words come before codes because systems choose their words with more care: 5.1.1 is sent
// with "mailbox full" and 5.7.1 with "user unknown" every day. To teach the package a new
// wording, add a line to phrases.txt; what notices look like is in notices.txt.
package bounce
