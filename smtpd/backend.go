package smtpd

import (
	"context"

	"mxdesk/internal/address"
	"mxdesk/internal/message"
)

// Backend is what stands behind the server; ticketing satisfies it.
//
// Errors that wrap one of the sentinels of package message are refusals, and reply.go knows
// their codes; every other error is answered 451 4.3.0 in fixed words.
type Backend interface {
	// CheckRecipient says whether a letter from sender (zero for the null reverse-path) may go to
	// recipient: nil, or the reason why not.
	CheckRecipient(ctx context.Context, sender, recipient address.Address) error

	// Deliver takes a letter over: when it returns nil, the letter and all it causes are committed.
	Deliver(ctx context.Context, letter *message.Letter) (message.Taken, error)
}
