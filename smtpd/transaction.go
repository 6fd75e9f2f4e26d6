package smtpd

import (
	"strings"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
)

// transaction is one letter on its way, from MAIL to the reply to its last octet. RSET, EHLO,
// STARTTLS and the end of DATA assign the zero value.
type transaction struct {
	open       bool
	utf8       bool            // SMTPUTF8 was asked for
	requireTLS bool            // REQUIRETLS was
	sender     address.Address // zero is the null reverse-path
	recipients []address.Address
}

// add takes a recipient, once.
func (tx *transaction) add(recipient address.Address) {
	for _, r := range tx.recipients {
		if r == recipient || r.Key() == recipient.Key() {
			return
		}
	}
	tx.recipients = append(tx.recipients, recipient)
}

// letter makes the value that is handed over.
func (tx *transaction) letter(s message.Session, raw []byte, hostname string, now time.Time) *message.Letter {
	s.SMTPUTF8, s.RequireTLS = tx.utf8, tx.requireTLS
	if tx.utf8 {
		s.Protocol = "UTF8" + strings.TrimPrefix(s.Protocol, "E") // RFC 6531 section 4.3
	}
	l := &message.Letter{
		ID:         id.New(),
		ReceivedAt: now,
		Session:    s,
		MailFrom:   tx.sender,
		Recipients: tx.recipients,
		Raw:        raw,
	}
	l.Received = received(l, hostname)
	return l
}

// received is our trace field (RFC 5321 section 4.4). A recipient is named only when it is the only one:
// the others are nobody's business.
func received(l *message.Letter, hostname string) string {
	var b strings.Builder
	b.Grow(256)
	from := literal(l)
	if _, err := address.ParseDomain(l.Session.Helo); err == nil {
		from = l.Session.Helo + " (" + strings.TrimSpace(l.Session.PTR+" "+literal(l)) + ")"
	}
	b.WriteString("Received: from " + from + "\r\n\tby " + hostname + " with " + l.Session.Protocol)
	if l.Session.TLS != "" {
		b.WriteString(" (" + l.Session.TLS + ")")
	}
	b.WriteString("\r\n\tid " + l.ID.String())
	if len(l.Recipients) == 1 && (l.Session.SMTPUTF8 || l.Recipients[0].ASCII()) {
		b.WriteString("\r\n\tfor <" + l.Recipients[0].String() + ">")
	}
	b.WriteString(";\r\n\t" + l.ReceivedAt.Format("Mon, 02 Jan 2006 15:04:05 -0700") + "\r\n")
	return b.String()
}

// literal is the client's address as RFC 5321 section 4.1.3 writes it.
func literal(l *message.Letter) string {
	switch ip := l.Session.Client; {
	case !ip.IsValid():
		return "[unknown]"
	case ip.Is6():
		return "[IPv6:" + ip.WithZone("").String() + "]"
	default:
		return "[" + ip.String() + "]"
	}
}
