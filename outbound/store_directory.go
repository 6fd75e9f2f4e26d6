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

// sqlOrganisation: the oldest domain names the organisation's letters, whichever they come from.
const sqlOrganisation = `
SELECT name, address_key, coalesce((SELECT domain FROM domains WHERE organisation_id = $1 ORDER BY created_at, domain LIMIT 1), '')
  FROM organisations WHERE organisation_id = $1`

// errNoOrganisation: it was deleted while its letters waited.
var errNoOrganisation = errors.New("no such organisation")

func organisation(ctx context.Context, db querier, number int32) (name string, addressKey []byte, domain string, err error) {
	err = db.QueryRow(ctx, sqlOrganisation, number).Scan(&name, &addressKey, &domain)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNoOrganisation
	}
	if err != nil {
		return "", nil, "", fmt.Errorf("load organisation %d: %w", number, err)
	}
	return name, addressKey, domain, nil
}

const sqlRequiresDKIM = `SELECT require_dkim FROM domains WHERE organisation_id = $1 AND domain = $2`

// requiresDKIM tells whether letters of the domain must be signed; not those of a domain that was deleted meanwhile.
func requiresDKIM(ctx context.Context, db querier, organisation int32, domain string) (required bool, err error) {
	err = db.QueryRow(ctx, sqlRequiresDKIM, organisation, domain).Scan(&required)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("load domain %s: %w", domain, err)
	}
	return required, nil
}

// sqlSigningKeys: the newest of each algorithm signs; RSA first, which everybody can verify. In place of one that is lost signs the
// newest of those that retire and that the DNS showed at the last look.
const sqlSigningKeys = `
SELECT DISTINCT ON (algorithm) selector, algorithm, state, private_key
  FROM dkim_keys k
 WHERE organisation_id = $1 AND domain = $2
   AND (state = 'active' AND NOT lost
        OR state = 'retiring' AND published_at IS NOT NULL AND missed = 0
           AND EXISTS (SELECT FROM dkim_keys
                        WHERE organisation_id = $1 AND domain = $2 AND algorithm = k.algorithm AND lost))
 ORDER BY algorithm DESC, state, active_at DESC`

func signingKeys(ctx context.Context, db querier, organisation int32, domain string) ([]Key, error) {
	rows, err := db.Query(ctx, sqlSigningKeys, organisation, domain)
	if err != nil {
		return nil, fmt.Errorf("load DKIM keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		k, der := Key{Domain: domain}, []byte(nil)
		if err := row.Scan(&k.Selector, &k.Algorithm, &k.State, &der); err != nil {
			return k, err
		}
		return parseKey(k, der)
	})
	if err != nil {
		return nil, fmt.Errorf("load DKIM keys: %w", err)
	}
	return keys, nil
}
