package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

const sqlRelays = `SELECT organisation_id, kind, host, port, implicit, username, auth, secret FROM relays`

// relaySet is what organisations decided, as one node knows it. It is never changed, only replaced.
type relaySet struct {
	revision int64
	checked  time.Time
	of       map[int32]Relay
}

// relayAge is how old a node's knowledge of relays may be when it delivers.
const relayAge = time.Second

// relay is the relay of the organisation, if it has one of its own.
func (q *Queue) relay(organisation int32) (r Relay, ok bool) {
	r, ok = q.relays.Load().of[organisation]
	return r, ok
}

// lane names the lane of a recipient.
func (q *Queue) lane(organisation int32, to address.Address) string {
	if r, ok := q.relay(organisation); ok {
		return r.lane(organisation)
	}
	return q.cfg.Lane(organisation, to)
}

// refreshRelays loads the relays if anything in the directory changed since the last time.
func (q *Queue) refreshRelays(ctx context.Context, age time.Duration) error {
	old := q.relays.Load()
	if time.Since(old.checked) < age {
		return nil
	}
	now := time.Now()
	n, err := revision(ctx, q.pool)
	if err != nil {
		return err
	}
	next := &relaySet{revision: n, checked: now, of: old.of}
	if n != old.revision {
		if next.of, err = loadRelays(ctx, q.pool); err != nil {
			return err
		}
	}
	q.relays.Store(next)
	return nil
}

func loadRelays(ctx context.Context, db querier) (map[int32]Relay, error) {
	rows, err := db.Query(ctx, sqlRelays)
	if err != nil {
		return nil, fmt.Errorf("load relays: %w", err)
	}
	of := map[int32]Relay{}
	var organisation int32
	var r Relay
	_, err = pgx.ForEachRow(rows, []any{&organisation, &r.Kind, &r.Host, &r.Port, &r.Implicit, &r.Username, &r.Auth, (*string)(&r.Secret)}, func() error {
		one := r
		one.unpack()
		of[organisation] = one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load relays: %w", err)
	}
	return of, nil
}

const sqlRelay = `SELECT kind, host, port, implicit, username, auth, secret FROM relays WHERE organisation_id = $1`

// ErrNoRelay: the organisation's mail leaves as that of the server does.
var ErrNoRelay = errors.New("the organisation has no relay of its own")

// Relay returns how the organisation's mail leaves; ErrNoRelay if it has decided nothing.
func (q *Queue) Relay(ctx context.Context, organisation int32) (r Relay, err error) {
	err = q.pool.QueryRow(ctx, sqlRelay, organisation).Scan(&r.Kind, &r.Host, &r.Port, &r.Implicit, &r.Username, &r.Auth, (*string)(&r.Secret))
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoRelay
	}
	if err != nil {
		return Relay{}, fmt.Errorf("read relay: %w", err)
	}
	r.unpack()
	return r, nil
}

const sqlSetRelay = `
INSERT INTO relays (organisation_id, kind, host, port, implicit, username, auth, secret) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (organisation_id) DO UPDATE
   SET kind = EXCLUDED.kind, host = EXCLUDED.host, port = EXCLUDED.port, implicit = EXCLUDED.implicit,
       username = EXCLUDED.username, auth = EXCLUDED.auth, secret = EXCLUDED.secret`

const sqlDropRelay = `DELETE FROM relays WHERE organisation_id = $1`

// SetRelay decides how the organisation's mail leaves from now on, on all nodes; what waits goes that way too.
func (q *Queue) SetRelay(ctx context.Context, organisation int32, r Relay) error {
	if err := r.check(); err != nil {
		return err
	}
	secret, err := r.stored()
	if err != nil {
		return fmt.Errorf("change relay: %w", err)
	}
	return q.changeRelay(ctx, organisation, sqlSetRelay,
		organisation, r.Kind, r.Host, int32(r.Port), r.Implicit, r.Username, r.Auth, secret)
}

const sqlReplaceSecret = `UPDATE relays SET secret = $3 WHERE organisation_id = $1 AND secret = $2`

// replaceSecret stores the secret of a relay in place of the one that was read; should it be another meanwhile, that stays.
func (q *Queue) replaceSecret(ctx context.Context, organisation int32, old, next Relay) error {
	was, err := old.stored()
	if err != nil {
		return fmt.Errorf("replace secret: %w", err)
	}
	is, err := next.stored()
	if err != nil {
		return fmt.Errorf("replace secret: %w", err)
	}
	err = pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if err := changed(ctx, tx, organisation); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlReplaceSecret, organisation, was, is)
		return err
	})
	if err != nil {
		return fmt.Errorf("replace secret: %w", err)
	}
	return nil
}

// DropRelay lets the organisation's mail leave as that of the server does.
func (q *Queue) DropRelay(ctx context.Context, organisation int32) error {
	return q.changeRelay(ctx, organisation, sqlDropRelay, organisation)
}

func (q *Queue) changeRelay(ctx context.Context, organisation int32, sql string, args ...any) error {
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if err := changed(ctx, tx, organisation); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
	if err == nil {
		err = q.refreshRelays(ctx, 0)
	}
	if err == nil {
		err = q.moveWaiting(ctx, organisation)
	}
	if err != nil {
		return fmt.Errorf("change relay: %w", err)
	}
	q.Hint()
	return nil
}

const sqlWaiting = `
SELECT delivery_id, recipient, lane FROM deliveries
 WHERE organisation_id = $1 AND delivery_id > $2 AND state <> 'leased'
 ORDER BY organisation_id, delivery_id LIMIT $3`

const sqlMove = `
UPDATE deliveries d SET lane = w.lane
  FROM unnest($2::uuid[], $3::text[]) AS w (delivery_id, lane)
 WHERE d.organisation_id = $1 AND d.delivery_id = w.delivery_id AND d.state <> 'leased'`

// moveRows is how many deliveries one transaction moves.
const moveRows = 2000

// moveWaiting puts what waits into the lanes it belongs to now, some at a time. What is being sent meanwhile, or is put
// into the queue by a node that does not know yet, is moved when it is claimed.
func (q *Queue) moveWaiting(ctx context.Context, organisation int32) error {
	after := id.ID{15: 1} // the zero one is NULL
	for {
		list, err := q.waiting(ctx, organisation, after)
		if err != nil || len(list) == 0 {
			return err
		}
		var ids []id.ID
		var lanes []string
		for _, d := range list {
			to, err := address.Parse(d.Recipient)
			if err != nil {
				continue // it fails when it is composed
			}
			if lane := q.lane(organisation, to); lane != d.Lane {
				ids, lanes = append(ids, d.ID), append(lanes, lane)
			}
		}
		if len(ids) > 0 {
			if _, err := q.pool.Exec(ctx, sqlMove, organisation, ids, lanes); err != nil {
				return err
			}
		}
		after = list[len(list)-1].ID
	}
}

type waitingRow struct {
	ID              id.ID
	Recipient, Lane string
}

func (q *Queue) waiting(ctx context.Context, organisation int32, after id.ID) ([]waitingRow, error) {
	rows, err := q.pool.Query(ctx, sqlWaiting, organisation, after, moveRows)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[waitingRow])
}

// sqlMoveLeased gives back leased deliveries, as if never claimed, to the lanes they belong to.
const sqlMoveLeased = `
UPDATE deliveries d
   SET lane = w.lane, state = CASE WHEN d.attempts = 1 THEN 'queued' ELSE 'deferred' END, attempts = d.attempts - 1,
       next_at = now(), lease_owner = NULL, lease_until = NULL
  FROM unnest($1::int[], $2::uuid[], $3::text[]) AS w (organisation_id, delivery_id, lane)
 WHERE d.organisation_id = w.organisation_id AND d.delivery_id = w.delivery_id AND d.lease_owner = $4`

// moveLeased moves the deliveries of a batch that belong to another lane, and returns the others: an organisation changed its
// relay, or the operator the transport of all.
func (q *Queue) moveLeased(ctx context.Context, b batch) (stay []lease, err error) {
	if err := q.refreshRelays(ctx, relayAge); err != nil {
		return nil, err
	}
	var organisations []int32
	var ids []id.ID
	var lanes []string
	for _, l := range b.leases {
		if to, err := address.Parse(l.Recipient); err == nil {
			if lane := q.lane(l.OrganisationID, to); lane != b.lane {
				organisations, ids, lanes = append(organisations, l.OrganisationID), append(ids, l.DeliveryID), append(lanes, lane)
				continue
			}
		}
		stay = append(stay, l)
	}
	if len(ids) == 0 {
		return stay, nil
	}
	if _, err := q.pool.Exec(ctx, sqlMoveLeased, organisations, ids, lanes, b.owner); err != nil {
		return nil, fmt.Errorf("move to other lanes: %w", err)
	}
	q.Hint()
	return stay, nil
}
