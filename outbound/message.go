package outbound

import (
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

// Message is the content of one outgoing letter, with everybody it goes to. Each recipient gets a letter of
// its own: the words are shared, the Reply-To, Message-ID and References are the recipient's. Unless it is Shared.
type Message struct {
	Organisation  int32
	ID            id.ID
	Ticket        int64  // 0: about no ticket
	Entry         id.ID  // the entry it tells of; zero: none
	Template      string // what caused it, for the log: "ticket.created/requester"
	FromName      string
	From          address.Address // the support address; its domain signs and takes the bounces
	AutoSubmitted string          // value of that field (RFC 3834); "" for the words of a person
	Subject       string
	Text          string
	HTML          string
	AttachEntry   bool      // the attachments of Entry travel with it
	LinksUntil    time.Time // those that are too large to travel can be fetched so long; zero: they are only named
	RequireTLS    bool      // it leaves over encrypted and verified connections alone

	// Shared: all deliveries carry the very same letter. The first recipient stands in To and the others in Cc; Message-ID,
	// References and Unsubscribe are those of the first delivery; who answers writes to the ticket, not to his own address. All
	// of them should have ASCII addresses: one that is not keeps the letter from those whose servers lack SMTPUTF8.
	Shared     bool
	Deliveries []Delivery
}

// Delivery is one recipient of a Message.
type Delivery struct {
	ID          id.ID
	Participant int // number in the ticket: decides the Reply-To; 0: reply to From
	Recipient   address.Address
	Name        string
	MessageID   string   // without brackets; ours, and the same at every attempt
	References  []string // ids the recipient has seen, oldest first, without brackets
	Hold        time.Duration
	CancelSeen  bool // while it is held, CancelSeen takes it back
	Unsubscribe bool // the recipient may leave with one click: List-Id and, unless the letter is shared, List-Unsubscribe are added
}

// Outcome is what finally became of a delivery.
type Outcome string

// The final outcomes. Unknown: the connection broke after the final dot, twice.
const (
	Delivered  Outcome = "delivered"
	Failed     Outcome = "failed"
	Suppressed Outcome = "suppressed"
	Cancelled  Outcome = "cancelled"
	Unknown    Outcome = "unknown"
)

// Final tells the stage that caused a delivery what became of it, in the transaction that records it.
type Final struct {
	Organisation int32
	Delivery     id.ID
	Ticket       int64
	Participant  int
	Recipient    string
	Outcome      Outcome
	Reason       string // one of the reasons of package bounce, "" when delivered
	Reply        string // the remote host's last words, printable
	Automatic    bool   `db:"-"` // of a suppressed one: no person's words
}
