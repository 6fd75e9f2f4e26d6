// Package message reads a letter: bytes and facts of the transaction in, a Content out. It is
// pure (no I/O, no clock), never fails and never panics: whatever is wrong with a letter is mended
// or kept as text and becomes a warning, because the worst error is to lose somebody's words.
// The raw bytes are never changed.
//
// Everything is bounded: the header block, its fields, parts, depth, decoded bytes; and every
// step takes linear time.
//
// Reading order:
//
//	content.go   what comes out, and the kinds
//	letter.go    the hand-off between smtpd and ticketing
//	read.go      Read: the order of the steps
//	header.go    the header block, repaired (RFC 5322, RFC 7103)
//	words.go     encoded words (RFC 2047), raw 8-bit text
//	params.go    Content-Type and its parameters (RFC 2045, 2231)
//	mailbox.go   address lists; msgid.go identifiers; date.go dates; subject.go prefixes
//	mime.go      the walk over the parts, with its budget; body.go which parts are text
//	transfer.go  base64, quoted-printable, uuencode; tnef.go winmail.dat; filename.go, sniff.go
//	charset.go   bytes to text
//	html.go      HTML to text; htmlquote.go the containers of quoted letters in it
//	sanitize.go  HTML safe to show; flowed.go RFC 3676; clean.go text fit to be stored
//	reply.go     new words, quoted history, signature: scan; replyjoin.go: answers between quotes
//	headerblock.go, attribution.go, signature.go   what a quote or a signature starts with
//	phrases.go   their words in many languages
//	kind.go      human or machine, and why; autosubject.go what vacation programs write
//	report.go    the border to package bounce
package message
