package outbound

import (
	"context"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

// Letter is one composed letter on its way to one recipient.
type Letter struct {
	Organisation int32
	Delivery     id.ID
	From         address.Address // envelope sender: the signed return path
	To           address.Address
	Body         []byte // CRLF line ends; not to be changed
	RequireTLS   bool   // over a connection that is encrypted and whose host is verified, or not at all
	AnyTLS       bool   // whatever the TLS policies of the site say
}

// Transport brings letters to where a lane leads.
type Transport interface {
	// Open returns a connection to the lane's destination. It does nothing yet: what goes
	// wrong on the way there is the result of the first Send.
	Open(lane string) Connection
	// Close ends what the transport keeps open between batches.
	Close()
}

// Connection carries one letter after the other; it is used by one goroutine.
type Connection interface {
	// Send tries to deliver the letter and tells what came of it. It never fails in
	// another way; when ctx ends, that is a result too.
	Send(ctx context.Context, l *Letter) Attempt
	Close()
}

// Sharer is a Connection that can carry one letter to several recipients at once.
type Sharer interface {
	// SendAll is Send for each of the recipients, who all get the letter under its one envelope sender.
	SendAll(ctx context.Context, l *Letter, to []address.Address) []Attempt
}

// Visitor is a Connection that finds out only when it connects to which MX site it leads.
type Visitor interface {
	// Ask has g asked on the way.
	Ask(g Guide)
}

// Guide tells a Connection how it may go on.
type Guide interface {
	// May is asked with the name of the site before each connection is made. If it says no, there is none, and the letter's Attempt
	// is Untried.
	May(site string) bool
	// Hurried tells whether lanes wait for the place that the connection takes, which is none of a site that has proved itself.
	Hurried() bool
}

// sendAll sends the letter to each recipient: at once where the connection can, and else one after the other.
func sendAll(ctx context.Context, c Connection, l *Letter, to []address.Address, deliveries []id.ID) []Attempt {
	if s, ok := c.(Sharer); ok {
		return s.SendAll(ctx, l, to)
	}
	out := make([]Attempt, len(to))
	for i := range to {
		one := *l
		one.To, one.Delivery = to[i], deliveries[i]
		if i > 0 && out[i-1].Site { // there is no connection for the others either
			out[i] = Attempt{Result: ResultDeferred, Site: true, Reason: out[i-1].Reason, Reply: out[i-1].Reply}
			continue
		}
		out[i] = c.Send(ctx, &one)
	}
	return out
}

// Discard takes every letter and keeps none. For measurements.
type Discard struct{}

// Open satisfies Transport.
func (Discard) Open(string) Connection { return Discard{} }

// Send satisfies Connection: it always delivers.
func (Discard) Send(context.Context, *Letter) Attempt {
	return Attempt{Result: ResultDelivered, Host: "discard"}
}

// Close satisfies Transport and Connection.
func (Discard) Close() {}
