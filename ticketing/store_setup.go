package ticketing

import (
	"context"
	"encoding/json"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
)

const sqlNextRevision = `UPDATE directory_revision SET revision = revision + 1 RETURNING revision`

func nextRevision(ctx context.Context, q querier) (revision int64, err error) {
	err = q.QueryRow(ctx, sqlNextRevision).Scan(&revision)
	return revision, err
}

const sqlTouchOrganisation = `UPDATE organisations SET revision = $2 WHERE organisation_id = $1`

func touchOrganisation(ctx context.Context, q querier, organisation int32, revision int64) error {
	tag, err := q.Exec(ctx, sqlTouchOrganisation, organisation, revision)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return err
}

const sqlInsertOrganisation = `
WITH made AS (
    INSERT INTO organisations (name, address_key, settings, revision) VALUES ($1, $2, $3, $4) RETURNING organisation_id
), numbers AS (
    INSERT INTO ticket_numbers (organisation_id) SELECT organisation_id FROM made
)
SELECT organisation_id FROM made`

func insertOrganisation(ctx context.Context, q querier, name string, key []byte, settings string, revision int64) (organisation int32, err error) {
	err = q.QueryRow(ctx, sqlInsertOrganisation, name, key, settings, revision).Scan(&organisation)
	return organisation, err
}

const sqlInsertFirstAddress = `
WITH domain AS (
    INSERT INTO domains (organisation_id, domain) VALUES ($1, $2)
), category AS (
    INSERT INTO categories (organisation_id, name) VALUES ($1, $3) RETURNING category_id
)
INSERT INTO support_addresses (organisation_id, address, category_id) SELECT $1, $4, category_id FROM category`

func insertFirstAddress(ctx context.Context, q querier, organisation int32, domain, category, address string) error {
	_, err := q.Exec(ctx, sqlInsertFirstAddress, organisation, domain, category, address)
	return err
}

const sqlSelectPersonByAddress = `SELECT person_id FROM person_addresses WHERE organisation_id = $1 AND address = $2`

func selectPersonByAddress(ctx context.Context, q querier, organisation int32, key string) (person id.ID, err error) {
	err = q.QueryRow(ctx, sqlSelectPersonByAddress, organisation, key).Scan(&person)
	return person, err
}

const sqlInsertStaff = `
WITH person AS (
    INSERT INTO people (organisation_id, person_id, kind, role, name, preferences) VALUES ($1, $2, 'staff', $3, $4, $5)
)
INSERT INTO person_addresses (organisation_id, address, person_id, written) VALUES ($1, $6, $2, $7)`

func insertStaff(ctx context.Context, q querier, organisation int32, person id.ID, n NewStaff, a address.Address, preferences map[string]bool) error {
	_, err := q.Exec(ctx, sqlInsertStaff, organisation, person, n.Role, n.Name, asJSON(preferences), a.Key(), a.String())
	return err
}

const sqlUpdateToStaff = `
UPDATE people SET kind = 'staff', role = $3, name = $4, preferences = $5 WHERE organisation_id = $1 AND person_id = $2`

func updateToStaff(ctx context.Context, q querier, organisation int32, person id.ID, n NewStaff, preferences map[string]bool) error {
	_, err := q.Exec(ctx, sqlUpdateToStaff, organisation, person, n.Role, n.Name, asJSON(preferences))
	return err
}

// A category of 0 means every category.
const sqlInsertMember = `
INSERT INTO category_members (organisation_id, category_id, person_id)
SELECT organisation_id, category_id, $3 FROM categories WHERE organisation_id = $1 AND ($2 = 0 OR category_id = $2)
ON CONFLICT DO NOTHING`

func insertMember(ctx context.Context, q querier, organisation, category int32, person id.ID) error {
	_, err := q.Exec(ctx, sqlInsertMember, organisation, category, person)
	return err
}

const sqlInsertToken = `
INSERT INTO tokens (token_id, organisation_id, hash, rights, person_id, name) VALUES ($1, NULLIF($2, 0), $3, $4, $5, $6)`

func insertToken(ctx context.Context, q querier, organisation int32, person id.ID, rights Rights, name string, hash []byte) error {
	_, err := q.Exec(ctx, sqlInsertToken, id.New(), organisation, hash, string(rights), person, name)
	return err
}

const sqlSelectToken = `
WITH used AS (
    UPDATE tokens SET last_used_at = now()
    WHERE hash = $1 AND (expires_at IS NULL OR expires_at > now()) AND (last_used_at IS NULL OR last_used_at < now() - $2::interval)
)
SELECT token_id, COALESCE(organisation_id, 0), person_id, rights, name
FROM tokens WHERE hash = $1 AND (expires_at IS NULL OR expires_at > now())`

func selectToken(ctx context.Context, q querier, hash []byte) (p Principal, err error) {
	err = q.QueryRow(ctx, sqlSelectToken, hash, tokenUse).Scan(&p.Token, &p.Organisation, &p.Person, &p.Rights, &p.Name)
	return p, err
}

// asJSON encodes a map of booleans, which cannot fail.
func asJSON(m map[string]bool) []byte {
	data, _ := json.Marshal(m)
	return data
}
