package ticketing

import (
	"context"

	"mxdesk/internal/address"
)

const sqlReserveNumbers = `
UPDATE ticket_numbers SET next = next + $2 WHERE organisation_id = $1 RETURNING next - $2`

func reserveNumbers(ctx context.Context, q querier, organisation int32, count int64) (first int64, err error) {
	err = q.QueryRow(ctx, sqlReserveNumbers, organisation, count).Scan(&first)
	return first, err
}

const sqlReturnNumbers = `
UPDATE ticket_numbers SET next = $2 WHERE organisation_id = $1 AND next = $3`

func returnNumbers(ctx context.Context, q querier, organisation int32, next, end int64) error {
	_, err := q.Exec(ctx, sqlReturnNumbers, organisation, next, end)
	return err
}

const sqlSelectParticipantExists = `
SELECT EXISTS (SELECT FROM participants WHERE organisation_id = $1 AND ticket_number = $2 AND (participant_no = $3 OR $3 = 0))`

func selectParticipantExists(ctx context.Context, q querier, organisation int32, ref address.TicketRef) (bool, error) {
	var exists bool
	err := q.QueryRow(ctx, sqlSelectParticipantExists, organisation, ref.Ticket, ref.Participant).Scan(&exists)
	return exists, err
}
