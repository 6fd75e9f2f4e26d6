// Package smtpd takes letters by SMTP (RFC 5321) and hands them to a Backend.
//
// # States of a connection
//
//	connected   limits in all and per network         421, or a wire is made
//	PROXY       header of a listed proxy              421, or the client is known
//	banner      blocked network, octets before it     554, end; PTR and DNS lists are asked meanwhile
//	command     one whole clean line at a time        to go-smtp, or answered by the wire
//	STARTTLS    handshake below the wire              what go-smtp knew of the client is forgotten; REQUIRETLS is offered
//	MAIL        a transaction is open                 sender, lists, its domain, size, room on disk
//	RCPT        Backend.CheckRecipient, Greylist      250, or a named reason
//	DATA, BDAT  the wire reads the body               to its end, or the connection ends
//	letter      Rates, Verifier, Filter, Deliver      250 with the id, or a named reason
//
// A body has one end: CRLF.CRLF, or the last octet of the last chunk. A bare CR or LF or a NUL refuses the letter; a
// pause, a lost connection or a client that takes another sequence for the end of data ends the connection.
// What follows a body that did not end is never read, so one body is never two transactions.
//
// # What 250 promises
//
// The reply to the end of data is 250 only when Deliver returned nil, which it does after the commit;
// the id in the reply is the one that the backend knows the letter by. Errors without a place in
// the table of reply.go, panics, a full disk and a stop are 4xx: the client tries again.
//
// # If we die here
//
//	before Deliver         the client has no reply and sends the letter again; the spool file has no name, so
//	                       the kernel removes it
//	within Deliver         committed or not; the client sends again, and Deliver knows a letter it has taken
//	after Deliver, no 250  the same
//	after 250              nothing is left to do here
//
// Ctx of Deliver ends after Config.ProcessingTimeout, before clients give up waiting (RFC 5321 section 4.5.3.2.6), so that a
// letter is not taken after its sender has decided to send it again.
//
// # go-smtp, and what lies below it
//
// go-smtp parses parameters, keeps the sequence of commands and calls the session. The wire is the net.Conn that it
// is given, below which TLS lies. It hands over one command line at a time, in a form that has been checked, and keeps bodies to
// itself: for the library a letter is DATA and an end mark. LMTP is the same without chunks: go-smtp writes the one reply
// of the session once for each recipient, and that is true, because a letter is taken for all of them or for none.
//
// # Reading order
//
// backend.go, config.go, server.go, listener.go, proxy.go, client.go (who connects), admission.go, sender.go, greylist.go,
// rates.go (who is listened to), wire.go, command.go, body.go, answer.go, tls.go (octets
// to commands and bodies), session.go, transaction.go, policy.go, verify.go, filter.go (one letter), reply.go (all we
// say), spool.go, metrics.go, certificate.go.
package smtpd
