package ticketing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"mxdesk/internal/id"
)

// onceRow marks an entry as made by a request that must count once, however often it is sent.
type onceRow struct {
	key     []byte // 32 octets: of the sender and what he calls the request
	request []byte // 32 octets: of what was asked
	ticket  int64
	entry   id.ID
}

// newOnce returns nil for a request that has no key.
func newOnce(by Actor, number int64, kind EntryKind, text string) *onceRow {
	if by.Request == nil {
		return nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", number, kind, text))
	return &onceRow{key: by.Request, request: sum[:]}
}

// isRepeated tells whether err says that the key is there already. The transaction that brought it was rolled back.
func isRepeated(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505" && e.ConstraintName == "idempotency_keys_pkey"
}

// madeBefore is the entry that the same request made the first time.
func (s *Service) madeBefore(ctx context.Context, organisation int32, again *onceRow) (Entry, error) {
	e, request, err := selectOnce(ctx, s.pool, organisation, again.key)
	if err != nil {
		return Entry{}, fmt.Errorf("look up request: %w", err) // the entry is gone, or just now the row
	}
	if string(request) != string(again.request) {
		return Entry{}, fmt.Errorf("%w: the key of this request was used for another one", ErrInvalid)
	}
	return e, nil
}
