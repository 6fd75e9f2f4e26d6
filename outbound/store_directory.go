package outbound

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const sqlRevision = `SELECT revision FROM directory_revision`

func revision(ctx context.Context, db querier) (n int64, err error) {
	if err := db.QueryRow(ctx, sqlRevision).Scan(&n); err != nil {
		return 0, fmt.Errorf("read directory revision: %w", err)
	}
	return n, nil
}

const sqlOrganisation = `SELECT name, address_key FROM organisations WHERE organisation_id = $1`

// errNoOrganisation: it was deleted while its letters waited.
var errNoOrganisation = errors.New("no such organisation")

func organisation(ctx context.Context, db querier, number int32) (name string, addressKey []byte, err error) {
	err = db.QueryRow(ctx, sqlOrganisation, number).Scan(&name, &addressKey)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNoOrganisation
	}
	if err != nil {
		return "", nil, fmt.Errorf("load organisation %d: %w", number, err)
	}
	return name, addressKey, nil
}

// sqlActiveKeys: the newest of each algorithm signs; RSA first, which everybody can verify.
const sqlActiveKeys = `
SELECT DISTINCT ON (algorithm) selector, algorithm, private_key
  FROM dkim_keys
 WHERE organisation_id = $1 AND domain = $2 AND state = 'active'
 ORDER BY algorithm DESC, active_at DESC`

// sqlKeys lists all keys of an organisation, for its DNS records.
const sqlKeys = `
SELECT domain, selector, algorithm, state, private_key
  FROM dkim_keys
 WHERE organisation_id = $1
 ORDER BY domain, created_at, selector`

func activeKeys(ctx context.Context, db querier, organisation int32, domain string) ([]Key, error) {
	rows, err := db.Query(ctx, sqlActiveKeys, organisation, domain)
	if err != nil {
		return nil, fmt.Errorf("load DKIM keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		k, der := Key{Domain: domain, State: "active"}, []byte(nil)
		if err := row.Scan(&k.Selector, &k.Algorithm, &der); err != nil {
			return k, err
		}
		return parseKey(k, der)
	})
	if err != nil {
		return nil, fmt.Errorf("load DKIM keys: %w", err)
	}
	return keys, nil
}

// Keys lists the DKIM keys of an organisation, whatever their state.
func (q *Queue) Keys(ctx context.Context, organisation int32) ([]Key, error) {
	rows, err := q.pool.Query(ctx, sqlKeys, organisation)
	if err != nil {
		return nil, fmt.Errorf("list DKIM keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		var k Key
		var der []byte
		if err := row.Scan(&k.Domain, &k.Selector, &k.Algorithm, &k.State, &der); err != nil {
			return k, err
		}
		return parseKey(k, der)
	})
	if err != nil {
		return nil, fmt.Errorf("list DKIM keys: %w", err)
	}
	return keys, nil
}

// sqlAddKey adds one key and tells all nodes that something changed.
const sqlAddKey = `
WITH changed AS (
    UPDATE directory_revision SET revision = revision + 1 RETURNING revision
), told AS (
    UPDATE organisations o SET revision = c.revision FROM changed c WHERE o.organisation_id = $1
)
INSERT INTO dkim_keys (organisation_id, domain, selector, algorithm, private_key, state, active_at)
SELECT $1, $2, $3, $4, $5, 'active', now() FROM changed`

// AddKeys stores keys, active at once, in the caller's transaction. The domain must be the organisation's.
func AddKeys(ctx context.Context, tx pgx.Tx, organisation int32, keys []Key) error {
	for _, k := range keys {
		der, err := k.marshal()
		if err == nil {
			_, err = tx.Exec(ctx, sqlAddKey, organisation, k.Domain, k.Selector, k.Algorithm, der)
		}
		if err != nil {
			return fmt.Errorf("add DKIM key %s: %w", k.RecordName(), err)
		}
	}
	return nil
}
