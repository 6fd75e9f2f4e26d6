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
