package ticketing

import (
	"context"

	"mxdesk/internal/address"
)

// The file of an entry that is public now. The entry may stand in the ticket that the named one was merged into.
const sqlSelectLinkedFile = `
WITH RECURSIVE chain AS (
    SELECT number, merged_into, 0 AS hops FROM tickets WHERE organisation_id = $1 AND number = $2
    UNION ALL
    SELECT t.number, t.merged_into, c.hops + 1
    FROM chain c JOIN tickets t ON t.organisation_id = $1 AND t.number = c.merged_into
    WHERE c.hops < $5
)
SELECT a.filename, a.content_type, a.size, a.organisation_id, a.sha256
FROM chain c
JOIN entries e ON e.organisation_id = $1 AND e.ticket_number = c.number AND e.entry_id = $3 AND e.kind IN ('message', 'reply')
JOIN attachments a ON a.organisation_id = $1 AND a.ticket_number = c.number AND a.entry_id = $3 AND a.position = $4
LIMIT 1`

func selectLinkedFile(ctx context.Context, q querier, organisation int32, ref address.FileRef) (f File, err error) {
	err = q.QueryRow(ctx, sqlSelectLinkedFile, organisation, ref.Ticket, ref.Entry, ref.Position, maxMergeHops).
		Scan(&f.Name, &f.ContentType, &f.Size, &f.organisation, &f.sha256)
	return f, err
}

// A piece of a blob: its bytes are stored uncompressed, so that PostgreSQL reads no more than these.
const sqlSelectPiece = `SELECT substring(data FROM $3 FOR $4) FROM blobs WHERE organisation_id = $1 AND sha256 = $2`

func selectPiece(ctx context.Context, q querier, f File, from int) (data []byte, err error) {
	err = q.QueryRow(ctx, sqlSelectPiece, f.organisation, f.sha256, from+1, fileChunk).Scan(&data)
	return data, err
}
