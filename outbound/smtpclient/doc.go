// Package smtpclient is the sending half of SMTP (RFC 5321): one connection, many letters.
//
// It never dials and never decides. The caller connects, chooses the TLS level, splits recipients
// and judges what a failure means for the queue; the client says exactly how far each recipient got.
//
//	                  ┌── Connect ──────────────────────────────┐   ┌─ Send, once a letter ──────────────┐
//	net.Conn ──▶ [TLS] greeting ▶ EHLO ▶ [STARTTLS ▶ EHLO] ▶ [AUTH] ▶ MAIL RCPT… DATA ▶ body, dot ▶ reply │ ──▶ Quit
//
// What became of a recipient, by where the connection or the reply failed:
//
//	failed at                             4xx, 421, no reply   5xx       2xx, 354
//	MAIL                                  Deferred             Refused   on
//	RCPT (552 counts as 452)              Deferred             Refused   on
//	DATA                                  Deferred             Refused   on
//	body, until all of it is written      Deferred             Refused
//	reply to the final dot                Deferred             Refused   Delivered
//	  no reply at all, or one that is none: Unknown
//
// Only the last line leaves a doubt: the server may have taken the letter. Everything before it is
// certain, because a server that has not seen the final dot has no letter.
//
// What it never does: send a bare CR or LF, a NUL, a line above 998 octets, or a byte of an address
// that package address would not accept (command and parameter injection, SMTP smuggling). What it
// never believes: plaintext that came behind the reply to STARTTLS, a reply to a command it has not sent.
//
// Reading order: client.go, patience.go, tls.go, send.go, body.go, reply.go, auth.go.
package smtpclient
