package address

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"

	"mxdesk/internal/id"
)

// A signature is 80 bits of HMAC-SHA256 in 16 characters: short enough for a local part of 64
// octets, long enough that guessing one by SMTP is hopeless. It survives change of case.
const (
	macBytes = 10
	macChars = 16
	// MinKey is the least length of a signing key, in bytes.
	MinKey = 32

	returnPrefix  = "bounce+"
	confirmPrefix = "confirm+"
)

var macText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Signer makes and checks the signed addresses and Message-IDs of one organisation. Its key is
// the organisation's own, so what one organisation signed means nothing to another.
type Signer struct{ key []byte }

// NewSigner takes a secret key of at least MinKey bytes; it panics on a shorter one, because
// addresses signed with it could be forged.
func NewSigner(key []byte) *Signer {
	if len(key) < MinKey {
		panic("address: signing key too short")
	}
	return &Signer{key: key}
}

// mac signs the parts for one purpose; no part may hold a NUL.
func (s *Signer) mac(purpose string, parts ...string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(purpose))
	for _, p := range parts {
		h.Write([]byte{0})
		h.Write([]byte(p))
	}
	var sum [sha256.Size]byte
	return macText.EncodeToString(h.Sum(sum[:0])[:macBytes])
}

func (s *Signer) ok(given, purpose string, parts ...string) bool {
	return hmac.Equal([]byte(strings.ToLower(given)), []byte(s.mac(purpose, parts...)))
}

// TicketRef names one participant of one ticket of an organisation.
type TicketRef struct {
	Ticket      int64
	Participant int
}

// Ticket is the reply address of one participant of one ticket, at the mailbox of a support
// address: help+1234.2.<signature>@example.test. A local part that would grow past 64 octets is
// replaced by "t".
func (s *Signer) Ticket(support Address, ref TicketRef) Address {
	number, no := strconv.FormatInt(ref.Ticket, 10), strconv.Itoa(ref.Participant)
	tail := "+" + number + "." + no + "." + s.mac("ticket", number, no)
	local := support.Local
	if len(local)+len(tail) > MaxLocal {
		local = "t"
	}
	return Address{Local: local + tail, Domain: support.Domain}
}

// ParseTicket tells which participant of which ticket a signs, if the signature is right.
func (s *Signer) ParseTicket(a Address) (TicketRef, bool) {
	plus := strings.LastIndexByte(a.Local, '+')
	if plus < 0 {
		return TicketRef{}, false
	}
	part := strings.Split(a.Local[plus+1:], ".")
	if len(part) != 3 || len(part[2]) != macChars || !s.ok(part[2], "ticket", part[0], part[1]) {
		return TicketRef{}, false
	}
	number, err1 := strconv.ParseInt(part[0], 10, 64)
	no, err2 := strconv.Atoi(part[1])
	return TicketRef{Ticket: number, Participant: no}, err1 == nil && err2 == nil
}

// ReturnPath is the envelope sender of one delivery: bounce+<delivery>.<signature>@domain.
func (s *Signer) ReturnPath(domain string, delivery id.ID) Address {
	return s.named(returnPrefix, "return", domain, delivery)
}

// ParseReturnPath tells which delivery the return path names, if the signature is right.
func (s *Signer) ParseReturnPath(a Address) (id.ID, bool) {
	return s.parseNamed(returnPrefix, "return", a)
}

// Confirm is the address to which a staff member replies to say that a held letter is his:
// confirm+<letter>.<signature>@domain.
func (s *Signer) Confirm(domain string, letter id.ID) Address {
	return s.named(confirmPrefix, "confirm", domain, letter)
}

// ParseConfirm tells which held letter the address confirms, if the signature is right.
func (s *Signer) ParseConfirm(a Address) (id.ID, bool) {
	return s.parseNamed(confirmPrefix, "confirm", a)
}

func (s *Signer) named(prefix, purpose, domain string, v id.ID) Address {
	text := v.String()
	return Address{Local: prefix + text + "." + s.mac(purpose, text), Domain: domain}
}

func (s *Signer) parseNamed(prefix, purpose string, a Address) (id.ID, bool) {
	if len(a.Local) != len(prefix)+id.Length+1+macChars || !strings.EqualFold(a.Local[:len(prefix)], prefix) {
		return id.ID{}, false
	}
	text, mac, _ := strings.Cut(strings.ToLower(a.Local[len(prefix):]), ".")
	v, err := id.Parse(text)
	return v, err == nil && s.ok(mac, purpose, text)
}

// MessageID is the Message-ID, without brackets, of one delivery of a ticket's letter:
// <ticket>.<delivery>.<signature>@domain. It is the same at every retry.
func (s *Signer) MessageID(domain string, ticket int64, delivery id.ID) string {
	number, d := strconv.FormatInt(ticket, 10), delivery.String()
	return number + "." + d + "." + s.mac("message-id", number, d) + "@" + domain
}

// ParseMessageID tells which ticket and delivery a Message-ID (without brackets) names, if we made it.
func (s *Signer) ParseMessageID(msgID string) (ticket int64, delivery id.ID, ok bool) {
	left, _, found := strings.Cut(msgID, "@")
	part := strings.Split(left, ".")
	if !found || len(part) != 3 || len(part[2]) != macChars {
		return 0, id.ID{}, false
	}
	delivery, err1 := id.Parse(part[1])
	ticket, err2 := strconv.ParseInt(part[0], 10, 64)
	ok = err1 == nil && err2 == nil && s.ok(part[2], "message-id", part[0], delivery.String())
	return ticket, delivery, ok
}

// ThreadRoot is a Message-ID, without brackets, that no letter carries: it stands first in the
// References of every letter of a ticket, so that clients group them however they arrived.
func (s *Signer) ThreadRoot(domain string, ticket int64) string {
	return s.MessageID(domain, ticket, id.ID{})
}
