package smtpd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-smtp"

	"mxdesk/internal/message"
)

// reply is one answer to a client. Every word we can send stands in this file; no text of an error, and no octet
// that a client chose, goes out.
type reply struct {
	code     int
	enhanced smtp.EnhancedCode // RFC 3463
	text     string
	reason   string // the name of a refusal, in metrics and in the log; "" for what is none
}

func (r reply) isZero() bool { return r.code == 0 }

// error is the reply as go-smtp takes it from a Session.
func (r reply) error() error {
	return &smtp.SMTPError{Code: r.code, EnhancedCode: r.enhanced, Message: r.text}
}

func (r reply) appendTo(b []byte) []byte {
	return fmt.Appendf(b, "%d %d.%d.%d %s\r\n", r.code, r.enhanced[0], r.enhanced[1], r.enhanced[2], r.text)
}

// The replies of the wire. A 421 ends the connection.
var (
	replyTooManyOpen     = reply{421, smtp.EnhancedCode{4, 3, 2}, "Limit of connections in total, try again later", "connections"}
	replyTooManyNetwork  = reply{421, smtp.EnhancedCode{4, 7, 0}, "Limit of connections from your network, try again later", "connections-per-network"}
	replyTooManyNew      = reply{421, smtp.EnhancedCode{4, 7, 0}, "Limit of new connections per minute, try again later", "connections-per-minute"}
	replyEarlyTalker     = reply{554, smtp.EnhancedCode{5, 5, 1}, "You spoke before the greeting", "early-talker"}
	replyPipelining      = reply{503, smtp.EnhancedCode{5, 5, 0}, "You spoke before the reply to a command that ends a pipeline", "improper-pipelining"}
	replyNotSMTP         = reply{554, smtp.EnhancedCode{5, 5, 1}, "This is a mail server", "not-smtp"}
	replyStopping        = reply{421, smtp.EnhancedCode{4, 3, 2}, "Shutting down, try again", "shutdown"}
	replyIdle            = reply{421, smtp.EnhancedCode{4, 4, 2}, "Limit of idle time", "idle"}
	replySessionTime     = reply{421, smtp.EnhancedCode{4, 4, 2}, "Limit of session time", "session-time"}
	replyTooSlow         = reply{421, smtp.EnhancedCode{4, 4, 2}, "Limit of time for data: too slow", "data-time"}
	replyTooManyBad      = reply{421, smtp.EnhancedCode{4, 7, 0}, "Limit of bad commands", "bad-commands"}
	replyTooManyCommands = reply{421, smtp.EnhancedCode{4, 7, 0}, "Limit of commands without a letter", "commands"}
	replyTooManyLetters  = reply{421, smtp.EnhancedCode{4, 7, 0}, "Limit of messages per connection", "messages"}
	replyHarvest         = reply{421, smtp.EnhancedCode{4, 7, 0}, "Limit of refused recipients", "refused-recipients"}
	replyPanic           = reply{421, smtp.EnhancedCode{4, 3, 0}, "Internal error, try again later", "panic"}
	replyHandshake       = reply{421, smtp.EnhancedCode{4, 7, 0}, "TLS handshake failed", "tls-handshake"}
	replyBadProxy        = reply{421, smtp.EnhancedCode{4, 3, 0}, "No PROXY header, or a wrong one", "proxy-header"}
	replyGone            = reply{421, smtp.EnhancedCode{4, 4, 2}, "Connection lost", "connection-lost"}

	replyLineEnd      = reply{500, smtp.EnhancedCode{5, 5, 2}, "A line ends with <CR><LF>", "bad-command"}
	replyControls     = reply{500, smtp.EnhancedCode{5, 5, 2}, "Control character in a command", "bad-command"}
	replyLineTooLong  = reply{500, smtp.EnhancedCode{5, 5, 6}, "Command line too long", "bad-command"}
	replyUnknown      = reply{500, smtp.EnhancedCode{5, 5, 1}, "Unknown command", "bad-command"}
	replyNoAuth       = reply{502, smtp.EnhancedCode{5, 5, 1}, "No AUTH here", "bad-command"}
	replyArguments    = reply{501, smtp.EnhancedCode{5, 5, 4}, "Syntax error in the arguments", "bad-command"}
	replyLHLO         = reply{500, smtp.EnhancedCode{5, 5, 1}, "LMTP begins with LHLO, SMTP with EHLO", "bad-command"}
	replyHelloFirst   = reply{503, smtp.EnhancedCode{5, 5, 1}, "Say EHLO first", "bad-command"}
	replyInChunks     = reply{503, smtp.EnhancedCode{5, 5, 1}, "Not between the chunks of a letter", "bad-command"}
	replyNoTLS        = reply{502, smtp.EnhancedCode{5, 5, 1}, "No TLS here", "bad-command"}
	replyTLSAlready   = reply{503, smtp.EnhancedCode{5, 5, 1}, "TLS is on already", "bad-command"}
	replyBadChunkSize = reply{501, smtp.EnhancedCode{5, 5, 4}, "Not a chunk size; what follows cannot be told from commands", "chunk-size"}
	replyBadSender    = reply{501, smtp.EnhancedCode{5, 1, 7}, "Not a sender address in angle brackets", "sender-syntax"}
	replyBadRecipient = reply{501, smtp.EnhancedCode{5, 1, 3}, "Not a recipient address in angle brackets", "recipient-syntax"}

	replyGoTLS = reply{220, smtp.EnhancedCode{2, 0, 0}, "Ready to start TLS", ""}
	replyChunk = reply{250, smtp.EnhancedCode{2, 0, 0}, "Chunk taken", ""}
	replyHelp  = reply{214, smtp.EnhancedCode{2, 0, 0}, "RFC 5321 says it all", ""}
	replyNoop  = reply{250, smtp.EnhancedCode{2, 0, 0}, "Nothing done", ""}
)

// The replies of a session.
var (
	replyNested         = reply{503, smtp.EnhancedCode{5, 5, 1}, "One letter at a time: RSET first", "bad-command"}
	replyNoTransaction  = reply{503, smtp.EnhancedCode{5, 5, 1}, "MAIL first", "bad-command"}
	replyBlockedNetwork = reply{554, smtp.EnhancedCode{5, 7, 1}, "Your network is blocked here", "blocked-network"}
	replyBlockedSender  = reply{550, smtp.EnhancedCode{5, 7, 1}, "This sender is blocked here", "blocked-sender"}
	replyListed         = reply{550, smtp.EnhancedCode{5, 7, 1}, "Your address is in blocklists that we ask", "dns-blocklist"}
	replyNoSenderDomain = reply{550, smtp.EnhancedCode{5, 1, 8}, "The domain of the sender does not exist", "sender-domain"}
	replyNullMX         = reply{550, smtp.EnhancedCode{5, 7, 27}, "The domain of the sender takes no mail (null MX)", "sender-null-mx"}
	replyGreylisted     = reply{451, smtp.EnhancedCode{4, 7, 1}, "We do not know you yet, try again in a few minutes", "greylisted"}
	replyRateSender     = reply{451, smtp.EnhancedCode{4, 7, 1}, "Limit of messages per minute from this sender, try again later", "rate-sender"}
	replyRateDomain     = reply{451, smtp.EnhancedCode{4, 7, 1}, "Limit of messages per minute from this sender domain, try again later", "rate-sender-domain"}
	replyRateNetwork    = reply{451, smtp.EnhancedCode{4, 7, 1}, "Limit of messages per minute from your network, try again later", "rate-network"}
	replyRateRecipient  = reply{451, smtp.EnhancedCode{4, 7, 1}, "Limit of messages per minute to this address, try again later", "rate-recipient"}
	replySpam           = reply{550, smtp.EnhancedCode{5, 7, 1}, "This message looks like spam", "spam"}
	replyQueueFull      = reply{451, smtp.EnhancedCode{4, 3, 1}, "Too many letters wait here to leave, try again later", "queue-full"}
	replyAborted        = reply{451, smtp.EnhancedCode{4, 5, 0}, "Letter given up", "aborted"}
	replyNeedsUTF8      = reply{553, smtp.EnhancedCode{5, 6, 7}, "An address beyond ASCII needs SMTPUTF8", "needs-smtputf8"}
	replyNotOffered     = reply{555, smtp.EnhancedCode{5, 5, 4}, "Parameter not offered", "bad-command"}
	replyTooBig         = reply{552, smtp.EnhancedCode{5, 3, 4}, "Limit of message size", "size"}
	replyHeaderTooBig   = reply{552, smtp.EnhancedCode{5, 3, 4}, "Limit of header size", "header-size"}
	replyBareLine       = reply{554, smtp.EnhancedCode{5, 6, 0}, "A bare CR or LF in the message: lines end with <CR><LF>", "bare-line-end"}
	replyNUL            = reply{554, smtp.EnhancedCode{5, 6, 0}, "A NUL in the message", "nul"}
	replyTextLine       = reply{554, smtp.EnhancedCode{5, 6, 0}, "Limit of line length in the message", "line-length"}
	replyLocalError     = reply{451, smtp.EnhancedCode{4, 3, 0}, "Local error, try again later", "local-error"}
	replyTookTooLong    = reply{451, smtp.EnhancedCode{4, 3, 0}, "Processing took too long, try again later", "processing-time"}
)

// refusals is the one table from reasons to replies; the first that matches counts. The reply names the reason at its end.
var refusals = []struct {
	err      *message.Refusal
	code     int
	enhanced smtp.EnhancedCode
	text     string
}{
	{message.ErrNoSuchRecipient, 550, smtp.EnhancedCode{5, 1, 1}, "No such recipient here"},
	{message.ErrNotOurDomain, 550, smtp.EnhancedCode{5, 7, 1}, "Not a domain of ours; no relaying"},
	{message.ErrOnlyBounces, 550, smtp.EnhancedCode{5, 7, 1}, "This address takes delivery reports only"},
	{message.ErrUnregistered, 550, smtp.EnhancedCode{5, 7, 1}, "This sender is not registered here"},
	{message.ErrDMARC, 550, smtp.EnhancedCode{5, 7, 1}, "The domain in From asks to refuse what fails DMARC, and this letter does"},
	{message.ErrBlockedSender, 550, smtp.EnhancedCode{5, 7, 1}, "This sender is blocked here"},
	{message.ErrBlockedNetwork, 550, smtp.EnhancedCode{5, 7, 1}, "Your network is blocked here"},
	{message.ErrForbiddenFile, 550, smtp.EnhancedCode{5, 7, 1}, "Attachments of this type are not taken here"},
	{message.ErrFileLimits, 550, smtp.EnhancedCode{5, 7, 1}, "More or larger attachments than are taken here"},
	{message.ErrMassMail, 550, smtp.EnhancedCode{5, 7, 1}, "Lists and mass mail are not taken here"},
	{message.ErrLoop, 554, smtp.EnhancedCode{5, 4, 6}, "Mail loop"},
	{message.ErrTooManyBounceTo, 550, smtp.EnhancedCode{5, 7, 1}, "A delivery report has one recipient"},
	{message.ErrStorageFull, 452, smtp.EnhancedCode{4, 3, 1}, "Not enough space, try again later"},
	{message.ErrMalformedFrom, 550, smtp.EnhancedCode{5, 6, 0}, "A message has one From field with one address"},
	{message.ErrPolicyRefusal, 550, smtp.EnhancedCode{5, 7, 1}, "Refused by policy"},
	{message.ErrSenderDNS, 451, smtp.EnhancedCode{4, 7, 1}, "The DNS does not say now whether you are the sender, try again later"},
	{message.ErrTryLater, 451, smtp.EnhancedCode{4, 7, 1}, "Not now, try again later"},
}

// replyTo is the answer to an error of the backend or of our own policy. What is in no table is
// temporary, whatever it says: a letter is never lost to a mistake of ours.
func replyTo(err error) reply {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return reply{r.code, r.enhanced, r.text + forbidden(err) + " [" + r.err.Reason + "]", r.err.Reason}
		}
	}
	return replyLocalError
}

// forbidden names the rule under which a file is refused, as an admin wrote it, if it is nothing but a type or an extension.
func forbidden(err error) string {
	f, ok := errors.AsType[message.ForbiddenFile](err)
	plain := strings.IndexFunc(f.Rule, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(".+-_/*?@", r)
	}) < 0
	if !ok || !plain || f.Rule == "" || len(f.Rule) > maxRule {
		return ""
	}
	return ": " + f.Rule
}

// maxRule bounds what a reply says of a rule.
const maxRule = 80

// replyAccepted says under which id a letter was taken, and of one that is held, why: a sender whose letters wait can then see to it
// before anybody here does. The reason is a word of ours. It tells a forger nothing that helps him: that a domain's own DMARC record or a
// rule about files was applied he could read in the record, or in a refusal where the rule refuses; and a letter in the name of staff is
// only held where it came to an address that this very member was sent, so that nobody can find out by From fields who is
// staff. What confirms it is in that member's mailbox alone.
func replyAccepted(r message.Taken) reply {
	text := "Accepted as " + r.ID.String()
	if r.Held != "" {
		text = "Held for review [" + r.Held + "] as " + r.ID.String()
	}
	return reply{250, smtp.EnhancedCode{2, 0, 0}, text, ""}
}

// libraryReplies puts right what go-smtp says by itself: it echoes the client's octets, and calls a bad sequence 502.
// A reply is replaced when it answers the verb and begins with the prefix.
var libraryReplies = []struct {
	verb, prefix string
	reply        string
}{
	{"MAIL", "250", "250 2.1.0 Sender ok"},
	{"RCPT", "250", "250 2.1.5 Recipient ok"},
	{"RCPT", "452 4.5.3", "452 4.5.3 Limit of recipients per message"},
	{"DATA", "354", "354 End data with <CR><LF>.<CR><LF>"},
	{"NOOP", "250", "250 2.0.0 Nothing done"},
	{"HELO", "250", "250 Hello"},
	{"VRFY", "252", "252 2.5.2 Cannot verify; send a letter and see"},
	{"MAIL", "552 5.3.4", "552 5.3.4 Limit of message size"},
	{"MAIL", "502 5.5.1 Please", "503 5.5.1 Say EHLO first"},
	{"RCPT", "502 5.5.1 Missing", "503 5.5.1 MAIL first"},
	{"DATA", "502 5.5.1 Missing", "503 5.5.1 RCPT first"},
	{"BDAT", "502 5.5.1 Missing", "503 5.5.1 RCPT first"},
	{"MAIL", "500 5.5.4", "555 5.5.4 Unknown parameter"},
	{"RCPT", "500 5.5.4", "555 5.5.4 Unknown parameter"},
	{"MAIL", "504 5.5.4", "555 5.5.4 Parameter not offered"},
	{"RCPT", "504 5.5.4", "555 5.5.4 Parameter not offered"},
}

// ownWords replaces a line of go-smtp's by ours, without line end, where we have one.
func ownWords(verb, line string) string {
	for _, r := range libraryReplies {
		if r.verb == verb && strings.HasPrefix(line, r.prefix) {
			return r.reply
		}
	}
	return line
}
