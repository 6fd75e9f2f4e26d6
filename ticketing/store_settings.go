package ticketing

import "context"

const sqlSelectSettings = `SELECT settings FROM organisations WHERE organisation_id = $1`

const sqlSelectCategorySettings = `SELECT settings FROM categories WHERE organisation_id = $1 AND category_id = $2`

// selectSettings reads what an organisation, or with a category that one, decides itself.
func selectSettings(ctx context.Context, q querier, organisation, category int32) (stored []byte, err error) {
	if category == 0 {
		err = q.QueryRow(ctx, sqlSelectSettings, organisation).Scan(&stored)
	} else {
		err = q.QueryRow(ctx, sqlSelectCategorySettings, organisation, category).Scan(&stored)
	}
	return stored, err
}

const sqlLockSettings = `SELECT settings FROM organisations WHERE organisation_id = $1 FOR UPDATE`

const sqlLockCategorySettings = `SELECT settings FROM categories WHERE organisation_id = $1 AND category_id = $2 FOR UPDATE`

func lockSettings(ctx context.Context, q querier, organisation, category int32) (stored []byte, err error) {
	if category == 0 {
		err = q.QueryRow(ctx, sqlLockSettings, organisation).Scan(&stored)
	} else {
		err = q.QueryRow(ctx, sqlLockCategorySettings, organisation, category).Scan(&stored)
	}
	return stored, err
}

const sqlUpdateSettings = `UPDATE organisations SET settings = $2 WHERE organisation_id = $1`

const sqlUpdateCategorySettings = `UPDATE categories SET settings = $3 WHERE organisation_id = $1 AND category_id = $2`

func updateSettings(ctx context.Context, q querier, organisation, category int32, settings []byte) error {
	if category == 0 {
		_, err := q.Exec(ctx, sqlUpdateSettings, organisation, settings)
		return err
	}
	_, err := q.Exec(ctx, sqlUpdateCategorySettings, organisation, category, settings)
	return err
}
